import { each, isObject, type Json, type JsonObject } from "./json.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\n": "&#10;",
  "\r": "&#13;",
  "\t": "&#9;",
};

const escape = (text: string) =>
  text.replaceAll(/[&<>"\n\r\t]/g, (character) => ESCAPES[character] ?? character);

/**
 * Writes a resource as FHIR XML (FHIR R4, 2.6.1): elements in the order of the object's properties, which the
 * sandbox keeps in the order of the definitions; primitive values as `value` attributes; `id` of an element and
 * `url` of an extension as attributes; contained resources wrapped by their name; narrative as XHTML.
 */
export function writeXml(resource: JsonObject): string {
  const parts: string[] = ['<?xml version="1.0" encoding="UTF-8"?>\n'];
  writeResource(resource, parts, ' xmlns="http://hl7.org/fhir"');
  return parts.join("");
}

function writeResource(resource: JsonObject, parts: string[], namespace: string): void {
  const name = typeof resource["resourceType"] === "string" ? resource["resourceType"] : "Resource";
  parts.push(`<${name}${namespace}>`);
  writeChildren(resource, parts, "resource");
  parts.push(`</${name}>`);
}

function writeChildren(
  element: JsonObject,
  parts: string[],
  kind: "resource" | "extension" | "element",
): void {
  const names = Object.keys(element).filter((name) => name !== "resourceType");
  // `_name` without `name` (a value that is absent, with an extension) still stands in its place.
  const shown = new Set<string>();
  // Extensions come first in a datatype, before the elements of its own.
  if (kind !== "resource") names.sort((a, b) => Number(b === "extension") - Number(a === "extension"));
  for (const raw of names) {
    const name = raw.startsWith("_") ? raw.slice(1) : raw;
    if (shown.has(name)) continue;
    shown.add(name);
    if (kind !== "resource" && name === "id") continue;
    if (kind === "extension" && name === "url") continue;
    writeElement(name, element[name], element[`_${name}`], parts);
  }
}

function writeElement(
  name: string,
  value: Json | undefined,
  companion: Json | undefined,
  parts: string[],
): void {
  const values = each(value);
  const companions = each(companion);
  const count = Math.max(values.length, companions.length);
  for (let index = 0; index < count; index += 1) {
    const member = values[index];
    const extra = companions[index];
    if (name === "div" && typeof member === "string") {
      parts.push(member);
    } else if (isObject(member)) {
      writeComplex(name, member, parts);
    } else if (!Array.isArray(member)) {
      writePrimitive(name, member, isObject(extra) ? extra : undefined, parts);
    }
  }
}

function writeComplex(name: string, value: JsonObject, parts: string[]): void {
  if (typeof value["resourceType"] === "string") {
    parts.push(`<${name}>`);
    writeResource(value, parts, "");
    parts.push(`</${name}>`);
    return;
  }
  const isExtension = name === "extension" || name === "modifierExtension";
  parts.push(`<${name}${attributes(value, isExtension)}>`);
  writeChildren(value, parts, isExtension ? "extension" : "element");
  parts.push(`</${name}>`);
}

function attributes(value: JsonObject, withUrl: boolean): string {
  const id = typeof value["id"] === "string" ? ` id="${escape(value["id"])}"` : "";
  return withUrl && typeof value["url"] === "string" ? `${id} url="${escape(value["url"])}"` : id;
}

function writePrimitive(
  name: string,
  value: string | number | boolean | null | undefined,
  companion: JsonObject | undefined,
  parts: string[],
): void {
  if ((value === undefined || value === null) && companion === undefined) return;
  const id = companion === undefined ? "" : attributes(companion, false);
  const shown = value === undefined || value === null ? "" : ` value="${escape(`${value}`)}"`;
  if (companion?.["extension"] === undefined) {
    parts.push(`<${name}${id}${shown}/>`);
    return;
  }
  parts.push(`<${name}${id}${shown}>`);
  writeElement("extension", companion["extension"], undefined, parts);
  parts.push(`</${name}>`);
}
