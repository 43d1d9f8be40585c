import { exportTypes } from "../data.ts";
import { each, isObject, type JsonObject } from "../json.ts";

const SUBSETTED: JsonObject = {
  system: "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
  code: "SUBSETTED",
};

/** What is never left out, of any type. */
const ALWAYS = ["resourceType", "id", "meta", "implicitRules"];

/** Elements asked for by `_elements`: of every type (under `*`), and of single types. */
export type Elements = ReadonlyMap<string, ReadonlySet<string>>;

const ELEMENT = /^(?:(?<type>[A-Z][A-Za-z]+)\.)?(?<name>[a-z][A-Za-z0-9]*(?:\[x\])?)$/;

/**
 * Reads the values of `_elements` (Bulk Data 2.0.0, "Query Parameters"): root elements, with a type or for all.
 *
 * @returns the elements by type; and what cannot be read
 */
export function readElements(values: readonly string[]): { elements: Elements; unreadable: string[] } {
  const elements = new Map<string, Set<string>>();
  const unreadable: string[] = [];
  for (const value of values) {
    const { type = "*", name } = ELEMENT.exec(value)?.groups ?? {};
    if (name === undefined) {
      unreadable.push(value);
      continue;
    }
    const names = elements.get(type) ?? new Set();
    elements.set(type, names.add(name));
  }
  return { elements, unreadable };
}

/** Whether a member of a resource in JSON belongs to an element that is named (`value[x]`, or its extensions). */
function belongs(member: string, names: ReadonlySet<string>): boolean {
  const name = member.replace(/^_/, "");
  if (names.has(name)) return true;
  return [...names].some(
    (each) =>
      each.endsWith("[x]") &&
      name.startsWith(each.slice(0, -3)) &&
      /^[A-Z]/.test(name.slice(each.length - 3)),
  );
}

/** A resource with the elements that were asked for and the mandatory ones, marked as incomplete. */
export function withElements(resource: JsonObject, elements: Elements): JsonObject {
  if (elements.size === 0) return resource;
  const type = typeof resource["resourceType"] === "string" ? resource["resourceType"] : "";
  const asked = [elements.get("*"), elements.get(type)].filter((each) => each !== undefined);
  // Where only other types are named, nothing was said about this one.
  if (asked.length === 0) return resource;
  const names = new Set([
    ...ALWAYS,
    ...(exportTypes()[type]?.mandatory ?? []),
    ...asked.flatMap((each) => [...each]),
  ]);
  const kept = Object.entries(resource).filter(([member]) => belongs(member, names));
  const meta = isObject(resource["meta"]) ? resource["meta"] : {};
  const { resourceType, ...content } = Object.fromEntries(kept);
  return {
    resourceType: resourceType ?? type,
    ...content,
    meta: { ...meta, tag: [...each(meta["tag"]), SUBSETTED] },
  };
}
