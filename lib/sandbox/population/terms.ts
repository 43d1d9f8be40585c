import type { JsonObject } from "../json.ts";

// What makers of all kinds of resources say alike. Properties stand in the order of FHIR's definitions, for XML.

export const LOINC = "http://loinc.org";
export const SNOMED = "http://snomed.info/sct";
export const UCUM = "http://unitsofmeasure.org";
export const RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm";
export const TERMINOLOGY = "http://terminology.hl7.org/CodeSystem";
export const NULL_FLAVOR = `${TERMINOLOGY}/v3-NullFlavor`;
export const US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition";
export const US_CORE_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category";
const DATA_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/** Stands at the beginning of an absolute reference for the base URL of the API that shows the resource. */
export const BASE = "{base}";

const HOUR = 3_600_000;

export const instant = (date: Date) => date.toISOString();
export const day = (date: Date) => date.toISOString().slice(0, 10);
export const month = (date: Date) => date.toISOString().slice(0, 7);
export const hours = (date: Date, count: number) => new Date(date.getTime() + count * HOUR);
export const days = (date: Date, count: number) => hours(date, 24 * count);

/** The same time as a clock six hours behind UTC shows it. */
export const central = (date: Date) => `${hours(date, -6).toISOString().slice(0, 19)}-06:00`;

/** `meta` of a resource: version 1, updated at an instant, claiming US Core profiles. */
export function meta(lastUpdated: string, ...profiles: readonly string[]): JsonObject {
  return {
    versionId: "1",
    lastUpdated,
    ...(profiles.length === 0 ? {} : { profile: profiles.map((profile) => `${US_CORE}/${profile}`) }),
  };
}

export function coding(system: string, code: string, display: string): JsonObject {
  return { system, code, display };
}

export function concept(system: string, code: string, display: string): JsonObject {
  return { coding: [coding(system, code, display)], text: display };
}

export function quantity(value: number, unit: string, code: string): JsonObject {
  return { value, unit, system: UCUM, code };
}

export function reference(to: string, display?: string): JsonObject {
  return display === undefined ? { reference: to } : { reference: to, display };
}

/** Why a coded value is not there (US Core, "Missing Data"). */
export function absence(code: "unknown" | "not-performed" | "asked-declined", display: string): JsonObject {
  return concept(`${TERMINOLOGY}/data-absent-reason`, code, display);
}

/** An element in place of a primitive value that is not known. */
export function absent(reason: "unknown" | "masked"): JsonObject {
  return { extension: [{ url: DATA_ABSENT_REASON, valueCode: reason }] };
}

export function phone(value: string, use: "home" | "work" | "mobile"): JsonObject {
  return { system: "phone", value, use };
}
