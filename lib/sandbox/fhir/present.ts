import type { Json, JsonObject } from "../json.ts";

const PLACEHOLDER = "{base}";

/** A copy of a resource in which every reference to the same server is relative. */
export function withRelativeReferences(resource: JsonObject): JsonObject {
  return copyObject(resource, (text) => text.slice(1));
}

/**
 * A resource as an API shows it: a copy, which may be changed, with the API's own base URL where the data say `{base}`.
 * What is stored is shared by all APIs and sandboxes of the process.
 */
export function present(resource: JsonObject, base: string): JsonObject {
  return copyObject(resource, (path) => base + path);
}

type Complete = (path: string) => string;

// Faster than structuredClone by an order of magnitude, and a page has many resources.
function copyObject(value: JsonObject, complete: Complete): JsonObject {
  const copied: JsonObject = {};
  for (const name in value) copied[name] = copy(value[name] ?? null, complete);
  return copied;
}

function copy(value: Json, complete: Complete): Json {
  if (typeof value === "string") {
    return value.startsWith(PLACEHOLDER) ? complete(value.slice(PLACEHOLDER.length)) : value;
  }
  if (typeof value !== "object" || value === null) return value;
  return Array.isArray(value) ? value.map((member) => copy(member, complete)) : copyObject(value, complete);
}

/** What a stored reference is about: `Type/id` of a resource of the same server, without a version. */
export function localReference(reference: unknown): string | undefined {
  if (typeof reference !== "string") return undefined;
  const relative = reference.startsWith(`${PLACEHOLDER}/`)
    ? reference.slice(PLACEHOLDER.length + 1)
    : reference;
  return /^([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})(?:\/_history\/[A-Za-z0-9.-]{1,64})?$/.exec(relative)?.[1];
}
