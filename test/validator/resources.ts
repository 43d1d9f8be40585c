/** Small valid resources of our own, and what tests do with them. */
import { loadBuiltIn } from "../../lib/validator/pack/load.ts";
import { createValidator } from "../../lib/validator/index.ts";
import type { Finding, ValidateOptions, ValidationResult, Validator } from "../../lib/validator/index.ts";

const US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonRecord = { [key: string]: Json };

let shared: Validator | undefined;

/** One validator over US Core 6.1.0 for all tests of a file: compiling takes longer than validating. */
export function usCore(): Validator {
  shared ??= createValidator(loadBuiltIn(["us-core-6.1.0"]));
  return shared;
}

export const usCoreProfile = (name: string): string => US_CORE + name;

/** The rules broken, each with its place, in order: `rule @ expression`; warnings and hints left out. */
export function errorsOf(resource: unknown, options: ValidateOptions = {}): readonly string[] {
  return summaries(usCore().validateResource(resource, options), ["fatal", "error"]);
}

/** As errorsOf, for warnings. */
export function warningsOf(resource: unknown, options: ValidateOptions = {}): readonly string[] {
  return summaries(usCore().validateResource(resource, options), ["warning"]);
}

export function summaries(
  result: ValidationResult,
  severities: readonly Finding["severity"][],
): readonly string[] {
  return result.findings
    .filter(({ severity }) => severities.includes(severity))
    .map(({ rule, expression, constraint }) => `${constraint ?? rule} @ ${expression}`);
}

/** A copy with the value at a path (`name.0.family`) replaced; `undefined` removes it. */
export function changed(resource: JsonRecord, path: string, value: Json | undefined): JsonRecord {
  const copy = structuredClone(resource);
  const steps = path.split(".");
  const last = steps.pop() as string;
  let holder: Json | undefined = copy;
  for (const step of steps)
    holder = Array.isArray(holder) ? holder[Number(step)] : (holder as JsonRecord)[step];
  if (Array.isArray(holder)) {
    if (value === undefined) holder.splice(Number(last), 1);
    else holder[Number(last)] = value;
  } else if (value === undefined) delete (holder as JsonRecord)[last];
  else (holder as JsonRecord)[last] = value;
  return copy;
}

const text = (): JsonRecord => ({
  status: "generated",
  div: '<div xmlns="http://www.w3.org/1999/xhtml">Made for a test.</div>',
});

const coding = (system: string, code: string): JsonRecord => ({ coding: [{ system, code }] });
const loinc = (code: string): JsonRecord => coding("http://loinc.org", code);
const ucum = (value: number, code: string): JsonRecord => ({
  value,
  unit: code,
  system: "http://unitsofmeasure.org",
  code,
});

export const RACE = `${US_CORE}us-core-race`;
const CDC_RACE = "urn:oid:2.16.840.1.113883.6.238";

export const patient = (): JsonRecord => ({
  resourceType: "Patient",
  id: "ada",
  meta: { profile: [`${US_CORE}us-core-patient`] },
  text: text(),
  extension: [
    {
      url: RACE,
      extension: [
        { url: "ombCategory", valueCoding: { system: CDC_RACE, code: "2106-3", display: "White" } },
        { url: "text", valueString: "White" },
      ],
    },
    { url: `${US_CORE}us-core-birthsex`, valueCode: "F" },
  ],
  identifier: [{ system: "http://hospital.example.org/mrn", value: "1032702" }],
  active: true,
  name: [
    {
      use: "official",
      family: "Field",
      given: ["Ada", "May"],
      period: { start: "2001-03-01", end: "2020-03-01" },
    },
  ],
  telecom: [{ system: "phone", value: "555-0100", use: "home", rank: 1 }],
  gender: "female",
  birthDate: "1987-02-20",
  deceasedBoolean: false,
  address: [
    { line: ["1 Main Street"], city: "Springfield", state: "MA", postalCode: "01101", country: "US" },
  ],
  communication: [{ language: coding("urn:ietf:bcp:47", "en"), preferred: true }],
  contact: [
    {
      name: { family: "Field" },
      relationship: [coding("http://terminology.hl7.org/CodeSystem/v2-0131", "N")],
    },
  ],
  managingOrganization: { reference: "Organization/acme" },
});

/** 1234567893 is the NPI of the specification's own check digit example. */
export const practitioner = (): JsonRecord => ({
  resourceType: "Practitioner",
  id: "bob",
  meta: { profile: [`${US_CORE}us-core-practitioner`] },
  text: text(),
  identifier: [{ system: "http://hl7.org/fhir/sid/us-npi", value: "1234567893" }],
  name: [{ family: "Bones", given: ["Bob"] }],
});

export const bloodPressure = (): JsonRecord => ({
  resourceType: "Observation",
  id: "bp",
  meta: { profile: [`${US_CORE}us-core-blood-pressure`] },
  text: text(),
  status: "final",
  category: [coding("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")],
  code: loinc("85354-9"),
  subject: { reference: "Patient/ada" },
  effectiveDateTime: "2023-05-01T09:30:00-04:00",
  component: [
    { code: loinc("8480-6"), valueQuantity: ucum(109, "mm[Hg]") },
    { code: loinc("8462-4"), valueQuantity: ucum(44, "mm[Hg]") },
  ],
});

export const condition = (): JsonRecord => ({
  resourceType: "Condition",
  id: "c",
  meta: { profile: [`${US_CORE}us-core-condition-problems-health-concerns`] },
  text: text(),
  clinicalStatus: coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
  verificationStatus: coding("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
  category: [coding("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")],
  code: { coding: [{ system: "http://snomed.info/sct", code: "442311008" }], text: "Liveborn" },
  subject: { reference: "Patient/ada" },
  onsetDateTime: "2016-08-10",
});

export const medicationRequest = (): JsonRecord => ({
  resourceType: "MedicationRequest",
  id: "m",
  meta: { profile: [`${US_CORE}us-core-medicationrequest`] },
  text: text(),
  contained: [{ resourceType: "Medication", id: "med", code: { text: "Aspirin" } }],
  status: "active",
  intent: "order",
  medicationReference: { reference: "#med" },
  subject: { reference: "Patient/ada" },
  authoredOn: "2023-01-01",
  requester: { reference: "Practitioner/bob" },
  dosageInstruction: [
    { text: "one a day", timing: { repeat: { frequency: 1, period: 1, periodUnit: "d" } } },
  ],
});

export const documentReference = (): JsonRecord => ({
  resourceType: "DocumentReference",
  id: "d",
  meta: { profile: [`${US_CORE}us-core-documentreference`] },
  text: text(),
  status: "current",
  type: loinc("34133-9"),
  category: [
    coding("http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note"),
  ],
  subject: { reference: "Patient/ada" },
  date: "2023-03-09T12:00:00.000Z",
  content: [{ attachment: { contentType: "text/plain", data: "aGVsbG8=", size: 5 } }],
});

export const bundle = (): JsonRecord => ({
  resourceType: "Bundle",
  id: "b",
  type: "collection",
  entry: [
    {
      fullUrl: "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
      resource: { resourceType: "Patient", text: text() },
    },
    {
      fullUrl: "http://example.org/fhir/Observation/o1",
      resource: {
        resourceType: "Observation",
        id: "o1",
        text: text(),
        status: "final",
        code: { text: "a" },
        subject: { reference: "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0" },
      },
    },
  ],
});
