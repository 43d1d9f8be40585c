import type { Tenant } from "../data.ts";
import type { JsonObject } from "../json.ts";
import { concept, meta, reference, TERMINOLOGY } from "./terms.ts";

/** Types of a record for which US Core asks for the provenance. */
export const WITH_PROVENANCE = [
  "AllergyIntolerance",
  "CarePlan",
  "CareTeam",
  "Condition",
  "Coverage",
  "Device",
  "DiagnosticReport",
  "DocumentReference",
  "Encounter",
  "Goal",
  "Immunization",
  "MedicationDispense",
  "MedicationRequest",
  "Observation",
  "Patient",
  "Procedure",
  "QuestionnaireResponse",
  "RelatedPerson",
  "ServiceRequest",
] as const;

/** Who wrote a resource and who passed it on. */
export function makeProvenance(tenant: Tenant, target: JsonObject): JsonObject {
  const recorded = (target["meta"] as { lastUpdated: string }).lastUpdated;
  const organization = reference(`Organization/${tenant.id}-organization-1`);
  return {
    resourceType: "Provenance",
    id: `${target["id"] as string}-origin`,
    meta: meta(recorded, "us-core-provenance"),
    target: [reference(`${target["resourceType"] as string}/${target["id"] as string}`)],
    recorded,
    agent: [
      {
        type: concept(`${TERMINOLOGY}/provenance-participant-type`, "author", "Author"),
        who: reference(`Practitioner/${tenant.id}-practitioner-1`),
        onBehalfOf: organization,
      },
      {
        type: {
          coding: [
            {
              system: "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type",
              code: "transmitter",
              display: "Transmitter",
            },
          ],
        },
        who: organization,
      },
    ],
  };
}
