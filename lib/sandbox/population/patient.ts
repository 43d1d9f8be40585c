import type { JsonObject } from "../json.ts";
import { hasDied, type Chart } from "./chart.ts";
import {
  absent,
  coding,
  concept,
  day,
  days,
  instant,
  meta,
  NULL_FLAVOR,
  phone,
  reference,
  SNOMED,
  TERMINOLOGY,
  US_CORE,
} from "./terms.ts";

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
  "Zoë",
] as const;
const FAMILY = [
  "Ellison",
  "Nakamura",
  "Castillo",
  "Brandt",
  "O'Keefe",
  "Petrov",
  "Haddad",
  "Lindström",
] as const;
const RACES = [
  ["2106-3", "White", "2108-9", "European"],
  ["2054-5", "Black or African American", "2060-2", "African"],
  ["2028-9", "Asian", "2036-2", "Filipino"],
  ["1002-5", "American Indian or Alaska Native", "1586-7", "Shoshone"],
] as const;
const RACE_SYSTEM = "urn:oid:2.16.840.1.113883.6.238";
const STATES = ["KS", "MO", "NE"] as const;

function omb(
  part: string,
  category: readonly [string, string],
  detailed: readonly [string, string] | undefined,
): JsonObject {
  return {
    extension: [
      { url: "ombCategory", valueCoding: coding(RACE_SYSTEM, ...category) },
      ...(detailed === undefined ? [] : [{ url: "detailed", valueCoding: coding(RACE_SYSTEM, ...detailed) }]),
      { url: "text", valueString: category[1] },
    ],
    url: `${US_CORE}/us-core-${part}`,
  };
}

const IDENTITIES: Readonly<Record<Chart["gender"], JsonObject>> = {
  female: concept(SNOMED, "446141000124107", "Identifies as female gender (finding)"),
  male: concept(SNOMED, "446151000124109", "Identifies as male gender (finding)"),
  other: concept(NULL_FLAVOR, "OTH", "other"),
  unknown: concept(NULL_FLAVOR, "UNK", "unknown"),
};

function extensions(chart: Chart): JsonObject[] {
  const { number, gender, sexAtBirth } = chart;
  const [code, race, detail, detailed] = chart.random("race").pick(RACES);
  const isHispanic = number % 3 === 0;
  return [
    omb("race", [code, race], [detail, detailed]),
    isHispanic
      ? omb("ethnicity", ["2135-2", "Hispanic or Latino"], ["2148-5", "Mexican"])
      : omb("ethnicity", ["2186-5", "Not Hispanic or Latino"], undefined),
    {
      extension: [
        {
          url: "tribalAffiliation",
          valueCodeableConcept: concept(
            `${TERMINOLOGY}/v3-TribalEntityUS`,
            "187",
            "Paiute-Shoshone Tribe of the Fallon Reservation and Colony, Nevada",
          ),
        },
        { url: "isEnrolled", valueBoolean: number % 2 === 0 },
      ],
      url: `${US_CORE}/us-core-tribal-affiliation`,
    },
    { url: `${US_CORE}/us-core-birthsex`, valueCode: sexAtBirth },
    { url: `${US_CORE}/us-core-sex`, valueCode: sexAtBirth === "F" ? "248152002" : "248153007" },
    { url: `${US_CORE}/us-core-genderIdentity`, valueCodeableConcept: IDENTITIES[gender] },
  ];
}

/** What a patient is called: one of them has no name that anybody knows, which their data say. */
function names(chart: Chart): JsonObject[] {
  const random = chart.random("name");
  const family = random.pick(FAMILY);
  const given = random.pick(GIVEN);
  const second = random.pick(GIVEN);
  const former = random.pick(FAMILY);
  const current: JsonObject = {
    use: "official",
    family,
    given: [given, second],
    suffix: [chart.number % 2 === 0 ? "Jr." : "MSW"],
    period: { start: "2015-07-01" },
  };
  const old: JsonObject = {
    use: "old",
    family: former,
    given: [given],
    suffix: ["II"],
    period: { end: "2015-06-30" },
  };
  return chart.number % 24 === 23
    ? [current, old, { use: "nickname", ...absent("unknown") }]
    : [current, old];
}

/** Whether, and when, a patient died. */
function deceased(chart: Chart): JsonObject {
  if (!hasDied(chart.number)) return { deceasedBoolean: false };
  const died = days(chart.admitted, 40);
  return { deceasedDateTime: chart.number % 12 === 0 ? day(died) : instant(died) };
}

export function makePatient(chart: Chart): JsonObject[] {
  const { tenant, number } = chart;
  const random = chart.random("address");
  return [
    {
      resourceType: "Patient",
      id: chart.idOf("patient"),
      meta: meta("2026-01-12T10:00:00.000Z", "us-core-patient"),
      extension: extensions(chart),
      identifier: [
        {
          use: "usual",
          type: concept(`${TERMINOLOGY}/v2-0203`, "MR", "Medical record number"),
          system: `https://${tenant.id}.example/mrn`,
          value: `${tenant.id.slice(0, 3).toUpperCase()}${String(number).padStart(6, "0")}`,
        },
      ],
      active: true,
      name: names(chart),
      telecom: [
        phone(`555-555-${String(random.between(1000, 9999))}`, "home"),
        { system: "email", value: `patient.${number}@patients.example`, use: "mobile" },
      ],
      gender: chart.gender,
      birthDate: day(chart.born),
      ...deceased(chart),
      address: [
        {
          use: "home",
          line: [`${random.between(1, 999)} Elm Street`, "Apartment 4"],
          city: "Fairhaven",
          state: random.pick(STATES),
          postalCode: `662${String(random.between(10, 85))}`,
          country: "US",
          period: { start: "2018-03-01" },
        },
        {
          use: "old",
          line: ["7 Mill Lane"],
          city: "Oldbridge",
          state: "KS",
          postalCode: "66002",
          country: "US",
          period: { start: "2010-01", end: "2018-02" },
        },
      ],
      communication: [{ language: concept("urn:ietf:bcp:47", "en", "English"), preferred: true }],
      generalPractitioner: [chart.practitioner],
      managingOrganization: chart.organization,
    },
  ];
}

/** Who is near to a patient, and who was. */
export function makeRelatedPersons(chart: Chart): JsonObject[] {
  const related = (kind: string, isActive: boolean, relationship: readonly [string, string]): JsonObject => {
    const random = chart.random(kind);
    return {
      resourceType: "RelatedPerson",
      id: chart.idOf(kind),
      meta: chart.meta(4, "us-core-relatedperson"),
      active: isActive,
      patient: chart.patient,
      relationship: [concept(`${TERMINOLOGY}/v3-RoleCode`, ...relationship)],
      name: [{ use: "official", family: random.pick(FAMILY), given: [random.pick(GIVEN)] }],
      telecom: [phone(`555-555-${String(random.between(1000, 9999))}`, "mobile")],
      gender: random.pick(["female", "male"]),
      address: [
        {
          use: "home",
          line: ["12 River Road"],
          city: "Fairhaven",
          state: "KS",
          postalCode: "66212",
          country: "US",
        },
      ],
    };
  };
  return [
    related("related-person", true, ["SIB", "sibling"]),
    related("related-person-former", false, ["NBOR", "neighbor"]),
  ];
}

/** The groups of a tenant's patients that can be exported. */
export function makeGroups(tenant: Chart["tenant"], patients: number): JsonObject[] {
  const members = Array.from(
    { length: patients },
    (_, index): JsonObject => ({ entity: reference(`Patient/${tenant.id}-patient-${index + 1}`) }),
  );
  const group = (name: string, member: JsonObject[]): JsonObject => ({
    resourceType: "Group",
    id: `${tenant.id}-group-${name}`,
    meta: { versionId: "1", lastUpdated: "2026-01-15T08:00:00.000Z" },
    identifier: [{ system: `https://${tenant.id}.example/groups`, value: name }],
    active: true,
    type: "person",
    actual: true,
    name: `Patients of ${tenant.name} (${name})`,
    quantity: member.length,
    member,
  });
  return [
    group("all", members),
    group(
      "half",
      members.filter((_, index) => index % 2 === 0),
    ),
  ];
}
