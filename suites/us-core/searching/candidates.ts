/** Searches that can be made with the tenant's own data, the most telling first. */
import { NoData, type CheckContext } from "../../../lib/checks/context.ts";
import type { RecordedResource } from "../../../lib/checks/records/records.ts";
import { matchSearch, searchParameter } from "../../../lib/checks/records/search-values.ts";
import { shallComparators } from "./parameters.ts";
import { valuesToAsk, type SearchValue } from "./values.ts";

/** Searches that are tried before giving up. */
export const MOST_TRIED = 3;
/** Resources whose values are looked at. */
const MOST_LOOKED_AT = 60;

/** One parameter with its value, and the resource that the value was taken from. */
export interface AskedValue {
  readonly name: string;
  readonly value: string;
  readonly from: RecordedResource | undefined;
}

/** A search with values from one resource, which it has to find. */
export interface Candidate {
  readonly asked: readonly AskedValue[];
  /** The patient whose record is searched; absent where the search is for nobody's. */
  readonly patient?: string;
}

/** How the value of one parameter is written; a plain search writes what is usual. */
export type WriteValue = (name: string, value: SearchValue) => string | undefined;

export function parametersOf(candidate: Candidate): readonly (readonly [string, string])[] {
  return candidate.asked.map(({ name, value }) => [name, value] as const);
}

/** Codes and ids as they are; a date with `ge` where the server has to know it, so that the value itself is found. */
export function usual(type: string): WriteValue {
  return (name, value) => {
    if (searchParameter(type, name)?.type !== "date") return value.text;
    if (!shallComparators(type, name).includes("ge")) return value.edge === "start" ? value.text : undefined;
    return value.edge === "end" ? `le${value.text}` : `ge${value.text}`;
  };
}

/**
 * Searches for resources by values of their own.
 *
 * @param pool resources to take values from
 * @param known all known resources of the type: a search that tells some of them apart comes first
 */
export function candidatesFor(
  context: CheckContext,
  pool: readonly RecordedResource[],
  known: readonly RecordedResource[],
  names: readonly string[],
  write: WriteValue,
): readonly Candidate[] {
  const { base } = context.target;
  const found = new Map<string, { readonly candidate: Candidate; readonly tells: number }>();
  for (const record of pool.slice(0, MOST_LOOKED_AT)) {
    const candidate = candidateOf(record, names, write, base);
    if (candidate === undefined) continue;
    const parameters = parametersOf(candidate);
    const key = JSON.stringify(parameters);
    if (found.has(key) || matchSearch(record.resource, parameters, base) !== "yes") continue;
    const others = known.some(
      (other) =>
        (candidate.patient === undefined || other.patient === candidate.patient) &&
        matchSearch(other.resource, parameters, base) === "no",
    );
    found.set(key, { candidate, tells: others ? 1 : 0 });
  }
  return [...found.values()]
    .toSorted((one, other) => other.tells - one.tells)
    .map(({ candidate }) => candidate);
}

function candidateOf(
  record: RecordedResource,
  names: readonly string[],
  write: WriteValue,
  base: string,
): Candidate | undefined {
  const asked: AskedValue[] = [];
  let patient: string | undefined;
  for (const name of names) {
    if (name === "patient" && record.patient !== undefined) {
      ({ patient } = record);
      const text = write(name, { text: record.patient, withSystem: `Patient/${record.patient}` });
      if (text === undefined) return undefined;
      asked.push({ name, value: text, from: record });
      continue;
    }
    const texts = valuesToAsk(record, name, base).flatMap((value) => write(name, value) ?? []);
    const [value] = texts;
    if (value === undefined) return undefined;
    asked.push({ name, value, from: record });
  }
  return { asked, ...(patient === undefined ? {} : { patient }) };
}

/** Says that nothing in reach can be searched for, and what could. */
export function noValues(type: string, names: readonly string[], profile: string | undefined): NoData {
  const what = profile === undefined ? type : `${type} (${profile})`;
  const elements = names.filter((name) => name !== "patient" && name !== "_id");
  const having = elements.length === 0 ? "" : ` that has a value for ${listed(elements)}`;
  return new NoData(
    `no ${what} in reach has a usable value for ${listed(names)}`,
    `a patient with a ${what}${having}, other than unknown`,
  );
}

export function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`;
}
