import type { Tenant } from "../data.ts";
import type { JsonObject } from "../json.ts";
import type { Chart } from "./chart.ts";
import {
  BASE,
  central,
  concept,
  day,
  days,
  instant,
  meta,
  quantity,
  reference,
  RXNORM,
  SNOMED,
  TERMINOLOGY,
} from "./terms.ts";

const NIZATIDINE = concept(RXNORM, "582620", "Nizatidine 15 MG/ML Oral Solution [Axid]");
const CODED = concept(RXNORM, "476872", "Nizatidine 15 MG/ML Oral Solution");

/** Medications that belong to nobody: prescriptions refer to them. */
export function makeMedications(tenant: Tenant): JsonObject[] {
  const updated = "2025-06-01T08:00:00.000Z";
  const medication = (number: number, code: JsonObject): JsonObject => ({
    resourceType: "Medication",
    id: `${tenant.id}-medication-${number}`,
    meta: meta(updated, "us-core-medication"),
    code,
    status: "active",
  });
  return [medication(1, concept(RXNORM, "206765", "Prinivil 10 MG Oral Tablet")), medication(2, NIZATIDINE)];
}

const dosage = (): JsonObject[] => [
  {
    text: "One tablet, twice a day",
    timing: { repeat: { frequency: 2, period: 1, periodUnit: "d" } },
    doseAndRate: [{ doseQuantity: quantity(1, "tablet", "{tbl}") }],
  },
];

interface Prescription {
  readonly kind: string;
  readonly contained?: JsonObject;
  readonly status: string;
  readonly intent: string;
  readonly category: readonly [string, string];
  readonly reported: JsonObject;
  readonly medication: JsonObject;
  readonly authored: string;
  readonly encounter: JsonObject;
}

function prescribe(chart: Chart, prescription: Prescription): JsonObject {
  const { contained } = prescription;
  return {
    resourceType: "MedicationRequest",
    id: chart.idOf(prescription.kind),
    // What is completed was changed: it has an earlier version.
    meta: {
      ...chart.meta(2, "us-core-medicationrequest"),
      versionId: prescription.status === "completed" ? "2" : "1",
    },
    ...(contained === undefined ? {} : { contained: [contained] }),
    status: prescription.status,
    intent: prescription.intent,
    category: [concept(`${TERMINOLOGY}/medicationrequest-category`, ...prescription.category)],
    ...prescription.reported,
    ...prescription.medication,
    subject: chart.patient,
    encounter: prescription.encounter,
    authoredOn: prescription.authored,
    requester: chart.practitioner,
    reasonCode: [concept(SNOMED, "38341003", "Hypertensive disorder, systemic arterial (disorder)")],
    reasonReference: [chart.to("Condition", "condition-problem")],
    dosageInstruction: dosage(),
    dispenseRequest: { numberOfRepeatsAllowed: 2, quantity: quantity(60, "tablet", "{tbl}") },
  };
}

/** Prescriptions that refer to a medication, name it by a code, or contain it. */
export function makeMedicationRequests(chart: Chart): JsonObject[] {
  const { seen, tenant } = chart;
  const medication = (number: number) => reference(`Medication/${tenant.id}-medication-${number}`);
  return [
    prescribe(chart, {
      kind: "prescription",
      status: "active",
      intent: "order",
      category: ["community", "Community"],
      reported: { reportedBoolean: false },
      medication: { medicationReference: medication(1) },
      authored: instant(seen),
      encounter: chart.encounter,
    }),
    prescribe(chart, {
      kind: "prescription-coded",
      status: "completed",
      intent: "order",
      category: ["outpatient", "Outpatient"],
      reported: { reportedReference: chart.practitioner },
      medication: { medicationCodeableConcept: CODED },
      authored: day(days(seen, -30)),
      encounter: chart.encounter,
    }),
    prescribe(chart, {
      kind: "prescription-contained",
      contained: { resourceType: "Medication", id: "medication", code: NIZATIDINE },
      status: "stopped",
      intent: "plan",
      category: ["discharge", "Discharge"],
      reported: { reportedBoolean: true },
      medication: { medicationReference: reference("#medication") },
      authored: central(days(seen, 10)),
      encounter: chart.stay,
    }),
    prescribe(chart, {
      kind: "prescription-absolute",
      status: "active",
      intent: "original-order",
      category: ["inpatient", "Inpatient"],
      reported: { reportedBoolean: false },
      medication: { medicationReference: reference(`${BASE}/Medication/${tenant.id}-medication-2`) },
      authored: instant(chart.admitted),
      encounter: chart.stay,
    }),
  ];
}

export function makeMedicationDispenses(chart: Chart): JsonObject[] {
  const { tenant } = chart;
  const dispense = (
    kind: string,
    status: string,
    medication: JsonObject,
    type: readonly [string, string],
    at: string | undefined,
  ): JsonObject => ({
    resourceType: "MedicationDispense",
    id: chart.idOf(kind),
    meta: chart.meta(30, "us-core-medicationdispense"),
    status,
    ...medication,
    subject: chart.patient,
    context: chart.encounter,
    performer: [{ actor: chart.practitioner }, { actor: chart.organization }],
    authorizingPrescription: [chart.to("MedicationRequest", "prescription")],
    type: concept(`${TERMINOLOGY}/v3-ActCode`, ...type),
    quantity: quantity(60, "tablet", "{tbl}"),
    ...(at === undefined ? {} : { whenHandedOver: at }),
    dosageInstruction: dosage(),
  });
  return [
    dispense(
      "dispense",
      "completed",
      { medicationReference: reference(`Medication/${tenant.id}-medication-1`) },
      ["FFC", "First Fill - Complete"],
      instant(days(chart.seen, 1)),
    ),
    dispense(
      "dispense-refill",
      "in-progress",
      { medicationCodeableConcept: CODED },
      ["RFC", "Refill - Complete"],
      undefined,
    ),
  ];
}
