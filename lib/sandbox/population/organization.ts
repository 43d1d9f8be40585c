import type { Tenant } from "../data.ts";
import type { JsonObject } from "../json.ts";
import type { Random } from "./random.ts";
import { coding, concept, meta, phone, reference, TERMINOLOGY } from "./terms.ts";

/** National provider identifier: nine digits and the Luhn check digit over them behind 80840. */
export function makeNpi(random: Random): string {
  const digits = `1${String(random.between(0, 99_999_999)).padStart(8, "0")}`;
  const sum = Array.from(`80840${digits}`)
    .toReversed()
    .reduce((total, digit, index) => {
      const doubled = Number(digit) * (index % 2 === 0 ? 2 : 1);
      return total + (doubled > 9 ? doubled - 9 : doubled);
    }, 0);
  return `${digits}${(10 - (sum % 10)) % 10}`;
}

const NPI = "http://hl7.org/fhir/sid/us-npi";
const TAXONOMY = "http://nucc.org/provider-taxonomy";
const UPDATED = "2026-01-10T08:00:00.000Z";
const STAFF = [
  ["Amara", "Okafor"],
  ["Daniel", "Reyes"],
  ["Helen", "Lindqvist"],
] as const;
const SPECIALTIES = [
  ["2084P0800X", "Psychiatry Physician"],
  ["207RC0000X", "Cardiovascular Disease Physician"],
  ["1041C0700X", "Clinical Social Worker"],
] as const;
const PLACES = [
  ["Clinic", "Fairhaven", "KS", "66212"],
  ["Community house", "Oldbridge", "MO", "64030"],
] as const;

function address(line: string, city = "Fairhaven", state = "KS", postalCode = "66212"): JsonObject {
  return { use: "work", line: [line], city, state, postalCode, country: "US" };
}

/** What belongs to a tenant and to none of its patients: its organization, who works there, and where. */
export function makeOrganizations(tenant: Tenant, random: Random): JsonObject[] {
  const idOf = (kind: string) => `${tenant.id}-${kind}`;
  const to = (type: string, kind: string) => reference(`${type}/${idOf(kind)}`);
  const own = to("Organization", "organization-1");
  const organization = (
    kind: string,
    name: string,
    type: readonly [string, string],
    line: string,
  ): JsonObject => ({
    resourceType: "Organization",
    id: idOf(kind),
    meta: meta(UPDATED, "us-core-organization"),
    identifier: [{ system: NPI, value: makeNpi(random) }],
    active: true,
    type: [concept(`${TERMINOLOGY}/organization-type`, ...type)],
    name,
    telecom: [phone("555-555-0100", "work")],
    address: [address(line)],
  });
  const practitioners = STAFF.map(
    ([given, family], index): JsonObject => ({
      resourceType: "Practitioner",
      id: idOf(`practitioner-${index + 1}`),
      meta: meta(UPDATED, "us-core-practitioner"),
      identifier: [{ system: NPI, value: makeNpi(random) }],
      active: true,
      name: [{ use: "official", family, given: [given], prefix: ["Dr."] }],
      telecom: [{ system: "email", value: `${given.toLowerCase()}@${tenant.id}.example`, use: "work" }],
      address: [address(`${random.between(100, 999)} Oak Avenue`)],
    }),
  );
  const roles = SPECIALTIES.map(
    ([code, display], index): JsonObject => ({
      resourceType: "PractitionerRole",
      id: idOf(`practitioner-role-${index + 1}`),
      meta: meta(UPDATED, "us-core-practitionerrole"),
      active: true,
      practitioner: to("Practitioner", `practitioner-${index + 1}`),
      organization: own,
      code: [concept(TAXONOMY, code, display)],
      specialty: [concept(TAXONOMY, code, display)],
      location: [to("Location", "location-1")],
      telecom: [phone("555-555-0101", "work")],
      endpoint: [to("Endpoint", "endpoint-1")],
    }),
  );
  const locations = PLACES.map(
    ([name, city, state, postalCode], index): JsonObject => ({
      resourceType: "Location",
      id: idOf(`location-${index + 1}`),
      meta: meta(UPDATED, "us-core-location"),
      status: "active",
      name: `${tenant.name} ${name}`,
      type: [concept(`${TERMINOLOGY}/v3-RoleCode`, "OUTPHARM", "outpatient pharmacy")],
      telecom: [phone("555-555-0102", "work")],
      address: address(`${index + 1}00 Main Street`, city, state, postalCode),
      managingOrganization: own,
    }),
  );
  return [
    organization("organization-1", tenant.name, ["prov", "Healthcare Provider"], "100 Main Street"),
    organization(
      "organization-payer",
      `Plains Health Plan of ${tenant.name}`,
      ["pay", "Payer"],
      "9 Harvest Square",
    ),
    ...practitioners,
    ...roles,
    ...locations,
    ...makeServices(tenant, idOf, to),
  ];
}

function makeServices(
  tenant: Tenant,
  idOf: (kind: string) => string,
  to: (type: string, kind: string) => JsonObject,
): JsonObject[] {
  const own = to("Organization", "organization-1");
  const payer = to("Organization", "organization-payer");
  return [
    {
      resourceType: "Endpoint",
      id: idOf("endpoint-1"),
      meta: meta(UPDATED),
      status: "active",
      connectionType: coding(`${TERMINOLOGY}/endpoint-connection-type`, "direct-project", "Direct Project"),
      name: `${tenant.name} direct messages`,
      managingOrganization: own,
      payloadType: [{ text: "Any" }],
      address: `mailto:direct@${tenant.id}.example`,
    },
    {
      resourceType: "HealthcareService",
      id: idOf("healthcare-service-1"),
      meta: meta(UPDATED),
      active: true,
      providedBy: own,
      category: [concept(`${TERMINOLOGY}/service-category`, "22", "Mental Health")],
      location: [to("Location", "location-1")],
      name: `${tenant.name} counseling`,
    },
    {
      resourceType: "InsurancePlan",
      id: idOf("insurance-plan-1"),
      meta: meta(UPDATED),
      status: "active",
      name: "Community plan",
      ownedBy: payer,
      administeredBy: payer,
    },
    {
      resourceType: "OrganizationAffiliation",
      id: idOf("organization-affiliation-1"),
      meta: meta(UPDATED),
      active: true,
      organization: payer,
      participatingOrganization: own,
    },
  ];
}
