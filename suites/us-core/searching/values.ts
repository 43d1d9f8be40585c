/** Values to search for, taken from the tenant's own data: never ones that say that nothing is known. */
import { isObject } from "../../../lib/checks/select.ts";
import { searchParameter, valuesOf } from "../../../lib/checks/records/search-values.ts";
import type { RecordedResource } from "../../../lib/checks/records/records.ts";
import { spanOf } from "../../../lib/fhir/matching/date.ts";
import { escaped } from "../../../lib/fhir/matching/match.ts";
import { tokensOf } from "../../../lib/fhir/matching/token.ts";
import { readReference } from "../../../lib/fhir/reference.ts";

/** Systems whose codes say why something is not there. */
const OF_ABSENCE = new Set([
  "http://terminology.hl7.org/CodeSystem/data-absent-reason",
  "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
  "http://hl7.org/fhir/v3/NullFlavor",
  "http://hl7.org/fhir/data-absent-reason",
]);
/** Codes and texts that say nothing, whatever their system. */
const NOTHING = new Set(
  [
    "unk",
    "unknown",
    "asku",
    "asked-unknown",
    "nask",
    "not-asked",
    "temp-unknown",
    "asked-declined",
    "masked",
    "msk",
    "nav",
    "na",
    "ni",
    "n/a",
    "none",
    "not-applicable",
    "not-performed",
    "not-permitted",
    "unsupported",
    "as-text",
    "error",
    "oth",
    "261665006",
  ].map((one) => one),
);

/** Whether a code or a text says something that can be searched for. */
export function isTelling(text: string, system?: string): boolean {
  const plain = text.trim();
  if (plain === "" || NOTHING.has(plain.toLowerCase())) return false;
  return system === undefined || !OF_ABSENCE.has(system);
}

/** One value that a parameter can be searched with. */
export interface SearchValue {
  /** As it is sent: escaped, without a comparator. */
  readonly text: string;
  /** With the system, where the resource names one and it is no plain code. */
  readonly withSystem?: string;
  /** Of a date: the end of time it was taken from, which a comparator has to respect. */
  readonly edge?: "start" | "end";
  /** A date without a time of day. */
  readonly dayOnly?: boolean;
}

/** What a resource offers to search for with a parameter, the best first. */
export function valuesToAsk(
  { resource, type }: RecordedResource,
  name: string,
  base: string,
): readonly SearchValue[] {
  const parameter = searchParameter(type, name);
  if (parameter === undefined) return [];
  const values = valuesOf(resource, parameter);
  switch (parameter.type) {
    case "token":
      return values.flatMap((value) => tokenValues(value));
    case "date":
      return values.flatMap((value) => dateValues(value));
    case "reference":
      return values.flatMap((value) => referenceValues(value, base));
    case "string":
      return values.flatMap((value) => stringValues(value));
    default:
      return [];
  }
}

function tokenValues(value: unknown): readonly SearchValue[] {
  return tokensOf(value)
    .filter(({ code, system }) => isTelling(code, system))
    .map(({ code, system, implicit }) => ({
      text: escaped(code),
      ...(implicit || system === undefined ? {} : { withSystem: `${escaped(system)}|${escaped(code)}` }),
    }));
}

function dateValues(value: unknown): readonly SearchValue[] {
  if (typeof value === "string")
    return spanOf(value) === undefined ? [] : [{ text: value, edge: "start", dayOnly: !value.includes("T") }];
  if (!isObject(value)) return [];
  return (["start", "end"] as const).flatMap((edge) => {
    const text = value[edge];
    if (typeof text !== "string" || spanOf(text) === undefined) return [];
    return [{ text, edge, dayOnly: !text.includes("T") }];
  });
}

function referenceValues(value: unknown, base: string): readonly SearchValue[] {
  // A canonical is asked for without its version.
  if (typeof value === "string") return value === "" ? [] : [{ text: escaped(value.split("|")[0] ?? "") }];
  const text = isObject(value) ? value["reference"] : undefined;
  if (typeof text !== "string") return [];
  const parsed = readReference(text, base);
  return parsed.kind === "restful" && parsed.base === undefined && parsed.version === undefined
    ? [{ text: parsed.id, withSystem: `${parsed.type}/${parsed.id}` }]
    : [];
}

/** Parts of a name or an address that are likely to tell one from another. */
const TELLING_PARTS = ["family", "given", "city", "postalCode", "state", "line", "text"];

function stringValues(value: unknown): readonly SearchValue[] {
  const texts =
    typeof value === "string"
      ? [value]
      : isObject(value)
        ? TELLING_PARTS.flatMap((part) => {
            const found = value[part];
            return Array.isArray(found) ? (found as unknown[]) : [found];
          })
        : [];
  return texts
    .filter((text) => typeof text === "string")
    .filter((text) => isTelling(text))
    .map((text) => ({ text: escaped(text) }));
}
