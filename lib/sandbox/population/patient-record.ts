import type { Tenant } from "../data.ts";
import type { JsonObject } from "../json.ts";
import { meta, reference, type Staff } from "./organization.ts";
import type { Random } from "./random.ts";

interface RecordOptions {
  readonly tenant: Tenant;
  readonly staff: Staff;
  readonly random: Random;
  /** One-based. */
  readonly number: number;
}

/** What the makers of a patient's resources share. */
interface Chart extends RecordOptions {
  readonly patient: JsonObject;
  readonly encounter: JsonObject;
  /** Start of the encounter. */
  readonly seen: Date;
}

const LOINC = "http://loinc.org";
const UCUM = "http://unitsofmeasure.org";
const EXTENSION = "http://hl7.org/fhir/us/core/StructureDefinition";
const TERMINOLOGY = "http://terminology.hl7.org/CodeSystem";

const GIVEN = [
  "Avery",
  "Jordan",
  "Riley",
  "Morgan",
  "Casey",
  "Quinn",
  "Rowan",
  "Emery",
  "Sage",
  "Harper",
] as const;
const FAMILY = [
  "Ellison",
  "Nakamura",
  "Castillo",
  "Brandt",
  "Owusu",
  "Petrov",
  "Haddad",
  "Lindgren",
] as const;
const RACES = [
  ["2106-3", "White"],
  ["2054-5", "Black or African American"],
  ["2028-9", "Asian"],
  ["1002-5", "American Indian or Alaska Native"],
] as const;
const CONDITIONS = [
  ["35489007", "Depressive disorder (disorder)"],
  ["197480006", "Anxiety disorder (disorder)"],
  ["38341003", "Hypertensive disorder, systemic arterial (disorder)"],
  ["44054006", "Diabetes mellitus type 2 (disorder)"],
] as const;

const instant = (date: Date) => date.toISOString();
const day = (date: Date) => date.toISOString().slice(0, 10);
const hours = (date: Date, count: number) => new Date(date.getTime() + count * 3_600_000);

function concept(system: string, code: string, display: string): JsonObject {
  return { coding: [{ system, code, display }], text: display };
}

const idOf = (chart: RecordOptions, kind: string) => `${chart.tenant.id}-${kind}-${chart.number}`;

/** The record of one patient: every resource that belongs to them. */
export function makePatientRecord(options: RecordOptions): JsonObject[] {
  const patient = makePatient(options);
  const seen = new Date(Date.UTC(2025, options.random.between(0, 10), options.random.between(1, 28), 14, 30));
  const encounter = makeEncounter(options, patient, seen);
  const chart: Chart = { ...options, patient, encounter, seen };
  const clinical = [
    makeCondition(chart, "problem"),
    makeCondition(chart, "encounter"),
    ...makeVitalSigns(chart),
    makeLaboratoryResult(chart),
    makeAllergy(chart),
    makeCoverage(chart),
  ];
  return [
    patient,
    encounter,
    ...clinical,
    ...[encounter, ...clinical].map((each) => makeProvenance(chart, each)),
  ];
}

function omb(part: string, code: string, display: string): JsonObject {
  return {
    extension: [
      { url: "ombCategory", valueCoding: { system: "urn:oid:2.16.840.1.113883.6.238", code, display } },
      { url: "text", valueString: display },
    ],
    url: `${EXTENSION}/us-core-${part}`,
  };
}

function makePatient(options: RecordOptions): JsonObject {
  const { tenant, random, number } = options;
  const gender = random.pick(["female", "male"]);
  const [code, race] = random.pick(RACES);
  const born = new Date(Date.UTC(random.between(1940, 2012), random.between(0, 11), random.between(1, 28)));
  const family = random.pick(FAMILY);
  const given = random.pick(GIVEN);
  return {
    resourceType: "Patient",
    id: idOf(options, "patient"),
    meta: meta("2026-01-12T10:00:00.000Z", "us-core-patient"),
    extension: [
      omb("race", code, race),
      omb("ethnicity", "2186-5", "Not Hispanic or Latino"),
      { url: `${EXTENSION}/us-core-birthsex`, valueCode: gender === "female" ? "F" : "M" },
    ],
    identifier: [
      {
        use: "usual",
        type: concept(`${TERMINOLOGY}/v2-0203`, "MR", "Medical record number"),
        system: `https://${tenant.id}.example/mrn`,
        value: `${tenant.id.slice(0, 3).toUpperCase()}${String(number).padStart(6, "0")}`,
      },
    ],
    active: true,
    name: [
      { use: "official", family, given: [given, random.pick(GIVEN)] },
      { use: "old", family: random.pick(FAMILY), given: [given], period: { end: "2015-06-30" } },
    ],
    telecom: [
      { system: "phone", value: `555-555-${String(random.between(1000, 9999))}`, use: "home" },
      { system: "email", value: `${given.toLowerCase()}.${number}@patients.example` },
    ],
    gender,
    birthDate: day(born),
    address: [
      {
        use: "home",
        line: [`${random.between(1, 999)} Elm Street`],
        city: "Fairhaven",
        state: "KS",
        postalCode: `662${String(random.between(10, 85))}`,
        country: "US",
        period: { start: "2018-03-01" },
      },
    ],
    communication: [{ language: concept("urn:ietf:bcp:47", "en", "English"), preferred: true }],
  };
}

function makeEncounter(options: RecordOptions, patient: JsonObject, seen: Date): JsonObject {
  const [practitioner] = options.staff.practitioners;
  return {
    resourceType: "Encounter",
    id: idOf(options, "encounter"),
    meta: meta(instant(hours(seen, 2)), "us-core-encounter"),
    identifier: [{ system: `https://${options.tenant.id}.example/encounters`, value: `E${options.number}` }],
    status: "finished",
    class: { system: `${TERMINOLOGY}/v3-ActCode`, code: "AMB", display: "ambulatory" },
    type: [concept("http://snomed.info/sct", "185349003", "Encounter for check up (procedure)")],
    subject: reference(patient),
    participant: [
      {
        type: [concept(`${TERMINOLOGY}/v3-ParticipationType`, "PPRF", "primary performer")],
        period: { start: instant(seen), end: instant(hours(seen, 1)) },
        individual: reference(practitioner),
      },
    ],
    period: { start: instant(seen), end: instant(hours(seen, 1)) },
    reasonCode: [concept("http://snomed.info/sct", "35489007", "Depressive disorder (disorder)")],
    hospitalization: {
      dischargeDisposition: concept(`${TERMINOLOGY}/discharge-disposition`, "home", "Home"),
    },
    location: [{ location: reference(options.staff.locations[0]) }],
    serviceProvider: reference(options.staff.organization),
  };
}

function makeCondition(chart: Chart, kind: "problem" | "encounter"): JsonObject {
  const { random, seen } = chart;
  const [code, display] = random.pick(CONDITIONS);
  const isProblem = kind === "problem";
  const category = isProblem
    ? concept(`${TERMINOLOGY}/condition-category`, "problem-list-item", "Problem List Item")
    : concept(`${TERMINOLOGY}/condition-category`, "encounter-diagnosis", "Encounter Diagnosis");
  return {
    resourceType: "Condition",
    id: idOf(chart, `condition-${kind}`),
    meta: meta(
      instant(hours(seen, 3)),
      isProblem ? "us-core-condition-problems-health-concerns" : "us-core-condition-encounter-diagnosis",
    ),
    extension: [
      { url: "http://hl7.org/fhir/StructureDefinition/condition-assertedDate", valueDateTime: day(seen) },
    ],
    clinicalStatus: concept(
      `${TERMINOLOGY}/condition-clinical`,
      isProblem ? "active" : "resolved",
      isProblem ? "Active" : "Resolved",
    ),
    verificationStatus: concept(`${TERMINOLOGY}/condition-ver-status`, "confirmed", "Confirmed"),
    category: [category],
    code: concept("http://snomed.info/sct", code, display),
    subject: reference(chart.patient),
    encounter: reference(chart.encounter),
    onsetDateTime: day(hours(seen, -24 * 90)),
    ...(isProblem ? {} : { abatementDateTime: day(hours(seen, 24 * 14)) }),
    recordedDate: day(seen),
  };
}

function observation(chart: Chart, kind: string, content: JsonObject): JsonObject {
  const { category, code, profile, ...rest } = content as JsonObject & { category: string; profile: string };
  const display = category === "laboratory" ? "Laboratory" : "Vital Signs";
  return {
    resourceType: "Observation",
    id: idOf(chart, `observation-${kind}`),
    meta: meta(instant(hours(chart.seen, 2)), profile),
    status: "final",
    category: [concept(`${TERMINOLOGY}/observation-category`, category, display)],
    code: code ?? null,
    subject: reference(chart.patient),
    encounter: reference(chart.encounter),
    effectiveDateTime: instant(chart.seen),
    performer: [reference(chart.staff.practitioners[0])],
    ...rest,
  };
}

function quantity(value: number, unit: string, code: string): JsonObject {
  return { value, unit, system: UCUM, code };
}

function makeVitalSigns(chart: Chart): JsonObject[] {
  const { random } = chart;
  const category = "vital-signs";
  return [
    observation(chart, "heart-rate", {
      category,
      profile: "us-core-heart-rate",
      code: concept(LOINC, "8867-4", "Heart rate"),
      valueQuantity: quantity(random.between(55, 110), "beats/minute", "/min"),
    }),
    observation(chart, "body-weight", {
      category,
      profile: "us-core-body-weight",
      code: concept(LOINC, "29463-7", "Body weight"),
      valueQuantity: quantity(random.between(450, 1100) / 10, "kg", "kg"),
    }),
    observation(chart, "blood-pressure", {
      category,
      profile: "us-core-blood-pressure",
      code: concept(LOINC, "85354-9", "Blood pressure panel with all children optional"),
      component: [
        {
          code: concept(LOINC, "8480-6", "Systolic blood pressure"),
          valueQuantity: quantity(random.between(95, 160), "mmHg", "mm[Hg]"),
        },
        {
          code: concept(LOINC, "8462-4", "Diastolic blood pressure"),
          valueQuantity: quantity(random.between(55, 95), "mmHg", "mm[Hg]"),
        },
      ],
    }),
  ];
}

function makeLaboratoryResult(chart: Chart): JsonObject {
  return observation(chart, "glucose", {
    category: "laboratory",
    profile: "us-core-observation-lab",
    code: concept(LOINC, "2339-0", "Glucose [Mass/volume] in Blood"),
    valueQuantity: quantity(chart.random.between(70, 180), "mg/dL", "mg/dL"),
    interpretation: [concept(`${TERMINOLOGY}/v3-ObservationInterpretation`, "N", "Normal")],
    referenceRange: [{ low: quantity(70, "mg/dL", "mg/dL"), high: quantity(140, "mg/dL", "mg/dL") }],
  });
}

function makeAllergy(chart: Chart): JsonObject {
  return {
    resourceType: "AllergyIntolerance",
    id: idOf(chart, "allergy"),
    meta: meta(instant(hours(chart.seen, 3)), "us-core-allergyintolerance"),
    clinicalStatus: concept(`${TERMINOLOGY}/allergyintolerance-clinical`, "active", "Active"),
    verificationStatus: concept(`${TERMINOLOGY}/allergyintolerance-verification`, "confirmed", "Confirmed"),
    code: concept("http://snomed.info/sct", "91936005", "Allergy to penicillin (finding)"),
    patient: reference(chart.patient),
    reaction: [
      { manifestation: [concept("http://snomed.info/sct", "271807003", "Eruption of skin (disorder)")] },
    ],
  };
}

function makeCoverage(chart: Chart): JsonObject {
  return {
    resourceType: "Coverage",
    id: idOf(chart, "coverage"),
    meta: meta(instant(hours(chart.seen, 3)), "us-core-coverage"),
    identifier: [
      {
        type: concept(`${TERMINOLOGY}/v2-0203`, "MB", "Member Number"),
        system: "https://payer.example/members",
        value: `M${chart.number}`,
      },
    ],
    status: "active",
    type: concept("https://nahdo.org/sopt", "5", "PRIVATE HEALTH INSURANCE"),
    subscriberId: `S${chart.number}`,
    beneficiary: reference(chart.patient),
    relationship: concept(`${TERMINOLOGY}/subscriber-relationship`, "self", "Self"),
    period: { start: "2025-01-01", end: "2026-12-31" },
    payor: [reference(chart.staff.organization)],
    class: [
      {
        type: concept(`${TERMINOLOGY}/coverage-class`, "group", "Group"),
        value: "G100",
        name: "Employees",
      },
      {
        type: concept(`${TERMINOLOGY}/coverage-class`, "plan", "Plan"),
        value: "P200",
        name: "Community plan",
      },
    ],
  };
}

function makeProvenance(chart: Chart, target: JsonObject): JsonObject {
  const recorded = (target["meta"] as { lastUpdated: string }).lastUpdated;
  const organization = reference(chart.staff.organization);
  return {
    resourceType: "Provenance",
    id: `${target["id"] as string}-provenance`,
    meta: meta(recorded, "us-core-provenance"),
    target: [reference(target)],
    recorded,
    agent: [
      {
        type: concept(`${TERMINOLOGY}/provenance-participant-type`, "author", "Author"),
        who: reference(chart.staff.practitioners[0]),
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
