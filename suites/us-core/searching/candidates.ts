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
  const all = pool
    .slice(0, MOST_LOOKED_AT)
    .flatMap((record) =>
      candidatesOf(record, names, write, base).map((candidate) => ({ record, candidate })),
    );
  for (const { record, candidate } of all) {
    const parameters = parametersOf(candidate);
    const key = JSON.stringify(parameters);
    if (found.has(key) || matchSearch(record.resource, parameters, base) !== "yes") continue;
    const matches = new Set(
      known
        .filter(({ patient }) => candidate.patient === undefined || patient === candidate.patient)
        .map((other) => matchSearch(other.resource, parameters, base)),
    );
    // What the server may read in two ways tells nothing; what leaves something out tells most.
    const tells = (matches.has("maybe") ? 0 : 2) + (matches.has("no") ? 1 : 0);
    found.set(key, { candidate, tells });
  }
  return [...found.values()]
    .toSorted((one, other) => other.tells - one.tells)
    .map(({ candidate }) => candidate);
}

/** Values of one parameter, and searches of one resource, that are considered. */
const MOST_VALUES = 4;

function candidatesOf(
  record: RecordedResource,
  names: readonly string[],
  write: WriteValue,
  base: string,
): readonly Candidate[] {
  const { patient } = record;
  const isOfPatient = patient !== undefined && names.includes("patient");
  let found: readonly (readonly AskedValue[])[] = [[]];
  for (const name of names) {
    const values =
      name === "patient" && patient !== undefined
        ? [{ text: patient, withSystem: `Patient/${patient}` }]
        : valuesToAsk(record, name, base);
    const written = [...new Set(values.flatMap((value) => write(name, value) ?? []))].slice(0, MOST_VALUES);
    found = found
      .flatMap((asked) => written.map((value) => [...asked, { name, value, from: record }]))
      .slice(0, MOST_VALUES);
  }
  return found.map((asked) => ({ asked, ...(isOfPatient ? { patient } : {}) }));
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
