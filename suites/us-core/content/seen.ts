import { isObject } from "../../../lib/checks/select.ts";

import { referenceTo, type Resource } from "../../../lib/fhir/resource.ts";

export type { Resource };

/** A resource that the API gave, with the exchange that shows it. */
export interface Seen {
  readonly resource: Resource;
  readonly exchange: string;
}

/** The text at a member; undefined where there is none. */
export function textAt(value: unknown, name: string): string | undefined {
  if (!isObject(value)) return undefined;
  const found = value[name];
  return typeof found === "string" && found !== "" ? found : undefined;
}

/** The members of a list; a single value counts as a list of one, absence as an empty one. */
export function listAt(value: unknown, name: string): readonly unknown[] {
  if (!isObject(value)) return [];
  const found = value[name];
  if (Array.isArray(found)) return found as readonly unknown[];
  return found === undefined || found === null ? [] : [found];
}

/** All values below a resource at a path of member names, through every list on the way. */
export function valuesAt(value: unknown, path: string): readonly unknown[] {
  return path
    .split(".")
    .reduce<readonly unknown[]>((found, name) => found.flatMap((one) => listAt(one, name)), [value]);
}

/** What to call a resource: `Type/id`; the type alone where there is no id. */
export function nameOf(resource: Resource): string {
  return referenceTo(resource) ?? `${resource.resourceType} without an id`;
}

/** The codings of a CodeableConcept, a Coding itself, or a list of either. */
export function codingsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return (value as readonly unknown[]).flatMap((one) => codingsOf(one));
  if (!isObject(value)) return [];
  return "coding" in value ? listAt(value, "coding") : [value];
}

/** Whether one of the codings of a value is a code of a system. */
export function hasCode(value: unknown, system: string, code: string): boolean {
  return codingsOf(value).some(
    (coding) => textAt(coding, "system") === system && textAt(coding, "code") === code,
  );
}

/** Whether the record says of itself that it is a mistake: what it holds then means nothing. */
export function isEnteredInError(resource: Resource): boolean {
  if (resource["status"] === "entered-in-error") return true;
  return codingsOf(resource["verificationStatus"]).some(
    (coding) => textAt(coding, "code") === "entered-in-error",
  );
}

/** Groups a list by a key, in order of first appearance. */
export function grouped<T>(list: readonly T[], key: (one: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const one of list) {
    const known = groups.get(key(one));
    if (known === undefined) groups.set(key(one), [one]);
    else known.push(one);
  }
  return groups;
}
