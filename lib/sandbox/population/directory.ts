import type { Tenant } from "../data.ts";
import type { JsonObject } from "../json.ts";
import { concept, meta, reference, TERMINOLOGY } from "./terms.ts";

/** What a payer's provider directory lists beside organizations, people and places (Da Vinci PDex Plan-Net). */
export function makeDirectory(tenant: Tenant): JsonObject[] {
  const to = (type: string, kind: string) => reference(`${type}/${tenant.id}-${kind}`);
  const own = to("Organization", "organization-1");
  const head = (resourceType: string, kind: string): JsonObject => ({
    resourceType,
    id: `${tenant.id}-${kind}`,
    meta: meta("2026-01-10T08:00:00.000Z"),
  });
  return [
    {
      ...head("HealthcareService", "service-1"),
      active: true,
      providedBy: own,
      category: [concept(`${TERMINOLOGY}/service-category`, "22", "Mental Health")],
      location: [to("Location", "location-1")],
      name: "Outpatient behavioral health",
    },
    {
      ...head("InsurancePlan", "plan-1"),
      status: "active",
      name: `${tenant.name} community plan`,
      ownedBy: own,
      administeredBy: own,
    },
    {
      ...head("OrganizationAffiliation", "affiliation-1"),
      active: true,
      organization: own,
      participatingOrganization: own,
      location: [to("Location", "location-2")],
    },
  ];
}
