import type { JsonObject } from "../json.ts";
import type { Chart } from "./chart.ts";
import {
  absence,
  absent,
  central,
  concept,
  day,
  days,
  hours,
  instant,
  month,
  reference,
  BASE,
  SNOMED,
  TERMINOLOGY,
  US_CORE_CATEGORY,
} from "./terms.ts";

// What is planned and done for a patient, and what is known about them that must not be forgotten.

const CONDITIONS = [
  ["35489007", "Depressive disorder (disorder)"],
  ["197480006", "Anxiety disorder (disorder)"],
  ["38341003", "Hypertensive disorder, systemic arterial (disorder)"],
  ["44054006", "Diabetes mellitus type 2 (disorder)"],
] as const;
const CATEGORY = `${TERMINOLOGY}/condition-category`;

const clinical = (code: string, display: string) =>
  concept(`${TERMINOLOGY}/condition-clinical`, code, display);
const verification = (code: string, display: string) =>
  concept(`${TERMINOLOGY}/condition-ver-status`, code, display);
const asserted = (at: Date): JsonObject => ({
  url: "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
  valueDateTime: day(at),
});

function condition(chart: Chart, kind: string, content: JsonObject): JsonObject {
  const { profile, categories, code, status, certainty, dates, encounter } = content as JsonObject & {
    profile: string;
  };
  return {
    resourceType: "Condition",
    id: chart.idOf(`condition-${kind}`),
    meta: chart.meta(3, `us-core-condition-${profile}`),
    extension: [asserted(chart.seen)],
    clinicalStatus: status ?? clinical("active", "Active"),
    verificationStatus: certainty ?? verification("confirmed", "Confirmed"),
    category: categories ?? [],
    code: code ?? null,
    subject: chart.patient,
    ...(encounter === undefined ? {} : { encounter }),
    ...(dates as JsonObject),
    recordedDate: day(chart.seen),
  };
}

export function makeConditions(chart: Chart): JsonObject[] {
  const { seen, number } = chart;
  const random = chart.random("condition");
  const [code, display] = random.pick(CONDITIONS);
  const [second, secondDisplay] = random.pick(CONDITIONS);
  const sdoh = concept(US_CORE_CATEGORY, "sdoh", "SDOH");
  const problem = concept(CATEGORY, "problem-list-item", "Problem List Item");
  return [
    condition(chart, "problem", {
      profile: "problems-health-concerns",
      categories: [problem],
      code: concept(SNOMED, code, display),
      dates: { onsetDateTime: day(days(seen, -90)) },
      encounter: chart.encounter,
    }),
    condition(chart, "encounter", {
      profile: "encounter-diagnosis",
      categories: [concept(CATEGORY, "encounter-diagnosis", "Encounter Diagnosis")],
      status: clinical("resolved", "Resolved"),
      code: concept(SNOMED, second, secondDisplay),
      dates: { onsetDateTime: month(days(seen, -90)), abatementDateTime: day(days(seen, 14)) },
      encounter: chart.encounter,
    }),
    condition(chart, "past", {
      profile: "problems-health-concerns",
      categories: [problem, sdoh],
      status: clinical("resolved", "Resolved"),
      code:
        number % 7 === 0
          ? absence("unknown", "Unknown")
          : concept(SNOMED, "160695008", "Transport too expensive (finding)"),
      dates: { onsetDateTime: "2019", abatementDateTime: central(days(seen, -30)) },
      encounter: reference(`${BASE}/Encounter/${chart.idOf("encounter")}`),
    }),
    condition(chart, "concern", {
      profile: "problems-health-concerns",
      categories: [
        concept(
          "http://hl7.org/fhir/us/core/CodeSystem/condition-category",
          "health-concern",
          "Health Concern",
        ),
      ],
      status: clinical("recurrence", "Recurrence"),
      certainty: verification("provisional", "Provisional"),
      code: concept(SNOMED, "247824007", "Fear of becoming fat (finding)"),
      dates: { onsetPeriod: { start: day(days(seen, -400)), end: day(days(seen, -380)) } },
    }),
  ];
}

export function makeAllergies(chart: Chart): JsonObject[] {
  const allergy = (
    kind: string,
    status: string,
    display: string,
    code: JsonObject,
    reaction: JsonObject,
  ) => ({
    resourceType: "AllergyIntolerance",
    id: chart.idOf(kind),
    meta: chart.meta(3, "us-core-allergyintolerance"),
    clinicalStatus: concept(`${TERMINOLOGY}/allergyintolerance-clinical`, status, display),
    verificationStatus: concept(`${TERMINOLOGY}/allergyintolerance-verification`, "confirmed", "Confirmed"),
    code,
    patient: chart.patient,
    recordedDate: day(chart.seen),
    reaction: [{ manifestation: [reaction] }],
  });
  return [
    allergy(
      "allergy",
      "active",
      "Active",
      concept(SNOMED, "91936005", "Allergy to penicillin (finding)"),
      concept(SNOMED, "271807003", "Eruption of skin (disorder)"),
    ),
    allergy(
      "allergy-past",
      "resolved",
      "Resolved",
      concept(SNOMED, "91935009", "Allergy to peanut (finding)"),
      absence("unknown", "Unknown"),
    ),
  ];
}

const ASSESS_PLAN = {
  coding: [
    {
      system: "http://hl7.org/fhir/us/core/CodeSystem/careplan-category",
      code: "assess-plan",
      display: "Assessment and Plan of Treatment",
    },
  ],
};

export function makeCarePlans(chart: Chart): JsonObject[] {
  const plan = (kind: string, status: string, period: JsonObject, words: string): JsonObject => ({
    resourceType: "CarePlan",
    id: chart.idOf(kind),
    meta: chart.meta(5, "us-core-careplan"),
    text: {
      status: "generated",
      div: `<div xmlns="http://www.w3.org/1999/xhtml"><p>${words}</p></div>`,
    },
    status,
    intent: "plan",
    category: [ASSESS_PLAN],
    subject: chart.patient,
    encounter: chart.encounter,
    period,
    author: chart.practitioner,
    careTeam: [chart.to("CareTeam", "care-team")],
    addresses: [chart.to("Condition", "condition-problem")],
    goal: [chart.to("Goal", "goal")],
  });
  return [
    plan("care-plan", "active", { start: day(chart.seen) }, "Weekly conversations, and a walk each day."),
    plan(
      "care-plan-past",
      "completed",
      { start: day(days(chart.seen, -300)), end: day(days(chart.seen, -120)) },
      "A course for better sleep.",
    ),
  ];
}

const role = (code: string, display: string) => [concept(SNOMED, code, display)];

export function makeCareTeams(chart: Chart): JsonObject[] {
  const { tenant } = chart;
  const team = (kind: string, status: string, participant: JsonObject[]): JsonObject => ({
    resourceType: "CareTeam",
    id: chart.idOf(kind),
    meta: chart.meta(5, "us-core-careteam"),
    status,
    name: "Care team",
    subject: chart.patient,
    participant,
  });
  return [
    team("care-team", "active", [
      { role: role("453231000124104", "Primary care provider"), member: chart.practitioner },
      {
        role: role("17561000", "Cardiologist (occupation)"),
        member: reference(`PractitionerRole/${tenant.id}-practitioner-role-2`),
      },
      { role: role("116154003", "Patient (person)"), member: chart.patient },
      { role: role("133932002", "Caregiver (person)"), member: chart.to("RelatedPerson", "related-person") },
    ]),
    team("care-team-past", "inactive", [
      {
        role: [absence("unknown", "Unknown")],
        member: reference(`Practitioner/${tenant.id}-practitioner-3/_history/1`),
      },
      // Somebody was there, and nobody knows who.
      { role: role("116154003", "Patient (person)"), member: absent("unknown") },
    ]),
  ];
}

export function makeGoals(chart: Chart): JsonObject[] {
  const goal = (kind: string, status: string, description: JsonObject, due: JsonObject): JsonObject => ({
    resourceType: "Goal",
    id: chart.idOf(kind),
    meta: chart.meta(5, "us-core-goal"),
    lifecycleStatus: status,
    description,
    subject: chart.patient,
    startDate: day(chart.seen),
    target: [due],
  });
  return [
    goal("goal", "active", concept(SNOMED, "406156006", "In paid employment (finding)"), {
      dueDate: day(days(chart.seen, 180)),
    }),
    goal("goal-past", "completed", concept(SNOMED, "289169006", "Weight loss (finding)"), {
      dueDate: month(days(chart.seen, -20)),
    }),
    goal(
      "goal-proposed",
      "proposed",
      { text: "To sleep through the night" },
      {
        dueDate: "2027",
      },
    ),
  ];
}

const CVX = "http://hl7.org/fhir/sid/cvx";

export function makeImmunizations(chart: Chart): JsonObject[] {
  const { seen } = chart;
  const immunization = (
    kind: string,
    status: string,
    vaccine: JsonObject,
    at: JsonObject,
    reason?: JsonObject,
  ) => ({
    resourceType: "Immunization",
    id: chart.idOf(kind),
    meta: chart.meta(2, "us-core-immunization"),
    status,
    ...(reason === undefined ? {} : { statusReason: reason }),
    vaccineCode: vaccine,
    patient: chart.patient,
    encounter: chart.encounter,
    ...at,
    primarySource: status === "completed",
  });
  return [
    immunization("immunization", "completed", concept(CVX, "197", "influenza, high-dose, quadrivalent"), {
      occurrenceDateTime: central(seen),
    }),
    immunization("immunization-tdap", "completed", concept(CVX, "115", "Tdap"), {
      occurrenceDateTime: month(days(seen, -900)),
    }),
    immunization(
      "immunization-refused",
      "not-done",
      concept(CVX, "207", "COVID-19, mRNA, LNP-S, PF, 100 mcg/0.5mL dose or 50 mcg/0.25mL dose"),
      { occurrenceDateTime: day(seen) },
      concept(`${TERMINOLOGY}/v3-ActReason`, "PATOBJ", "patient objection"),
    ),
  ];
}

export function makeProcedures(chart: Chart): JsonObject[] {
  const procedure = (kind: string, status: string, code: JsonObject, performed: JsonObject): JsonObject => ({
    resourceType: "Procedure",
    id: chart.idOf(kind),
    meta: chart.meta(6, "us-core-procedure"),
    basedOn: [chart.to("ServiceRequest", "service-request")],
    status,
    code,
    subject: chart.patient,
    encounter: chart.encounter,
    ...performed,
    performer: [{ actor: chart.practitioner }],
  });
  const { seen } = chart;
  return [
    procedure("procedure", "completed", concept(SNOMED, "24165007", "Alcoholism counseling (procedure)"), {
      performedDateTime: instant(hours(seen, 1)),
    }),
    procedure(
      "procedure-planned",
      "preparation",
      concept(SNOMED, "233169004", "Automatic defibrillator procedure (procedure)"),
      {
        performedPeriod: { start: instant(days(seen, 30)), end: instant(hours(days(seen, 30), 2)) },
      },
    ),
    procedure("procedure-past", "completed", concept(SNOMED, "73761001", "Colonoscopy (procedure)"), {
      performedDateTime: day(days(seen, -500)),
    }),
  ];
}

export function makeServiceRequests(chart: Chart): JsonObject[] {
  const request = (
    kind: string,
    status: string,
    category: JsonObject,
    code: JsonObject,
    at: Date,
  ): JsonObject => ({
    resourceType: "ServiceRequest",
    id: chart.idOf(kind),
    meta: chart.meta(1, "us-core-servicerequest"),
    status,
    intent: "order",
    category: [category],
    code,
    subject: chart.patient,
    encounter: chart.encounter,
    occurrencePeriod: { start: day(at), end: day(days(at, 30)) },
    authoredOn: kind === "service-request" ? instant(at) : central(at),
    requester: chart.practitioner,
    reasonCode: [concept(SNOMED, "35489007", "Depressive disorder (disorder)")],
    reasonReference: [chart.to("Condition", "condition-problem")],
  });
  return [
    request(
      "service-request",
      "completed",
      concept(SNOMED, "409063005", "Counseling"),
      concept(SNOMED, "24165007", "Alcoholism counseling (procedure)"),
      chart.seen,
    ),
    request(
      "service-request-sdoh",
      "active",
      concept(US_CORE_CATEGORY, "sdoh", "SDOH"),
      concept(SNOMED, "467771000124109", "Assistance with application for food pantry program"),
      hours(chart.seen, 26),
    ),
  ];
}

const UDI = "09504000059118";

export function makeDevices(chart: Chart): JsonObject[] {
  const device = (kind: string, status: string, type: JsonObject): JsonObject => {
    const serial = `${10_000 + chart.number}`;
    return {
      resourceType: "Device",
      id: chart.idOf(kind),
      meta: chart.meta(6, "us-core-implantable-device"),
      udiCarrier: [
        {
          deviceIdentifier: UDI,
          carrierAIDC: Buffer.from(`01${UDI}21${serial}`).toString("base64"),
          carrierHRF: `(01)${UDI}(17)301120(10)7654321D(21)${serial}`,
        },
      ],
      status,
      distinctIdentifier: `D${serial}`,
      manufactureDate: "2019-11-20",
      expirationDate: "2030-11-20",
      lotNumber: "7654321D",
      serialNumber: serial,
      type,
      patient: chart.patient,
    };
  };
  return [
    device("device", "active", concept(SNOMED, "109228008", "Knee joint prosthesis (physical object)")),
    device("device-past", "inactive", concept(SNOMED, "19257004", "Defibrillator, device (physical object)")),
  ];
}
