import { isObject, type Json, type JsonObject } from "../json.ts";

const escaped = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

function* rowsOf(value: Json, path: string): Iterable<string> {
  if (Array.isArray(value)) {
    for (const member of value) yield* rowsOf(member, path);
  } else if (isObject(value)) {
    for (const [name, member] of Object.entries(value)) yield* rowsOf(member, `${path} ${name}`);
  } else if (value !== null) {
    yield `<tr><td>${escaped(path.trim())}</td><td>${escaped(String(value))}</td></tr>`;
  }
}

/** A resource with a narrative of all that is in it (FHIR R4, Narrative), as many servers give it. */
export function withNarrative(resource: JsonObject): JsonObject {
  const { resourceType, id, meta, text, ...content } = resource;
  if (text !== undefined || resourceType === undefined || id === undefined) return resource;
  const rows = [...rowsOf(content, "")].join("");
  return {
    resourceType,
    id,
    ...(meta === undefined ? {} : { meta }),
    text: {
      status: "generated",
      div: `<div xmlns="http://www.w3.org/1999/xhtml"><table><tbody>${rows}</tbody></table></div>`,
    },
    ...content,
  };
}
