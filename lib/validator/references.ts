/** What references point to (https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/bundle.html#references). */
import { containedResource } from "./fhirpath/index.ts";
import { isObject, listAt, stringAt } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { Run } from "./run.ts";

const RESTFUL =
  /(?:^|\/)([A-Z][A-Za-z]{1,63})\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[A-Za-z0-9.-]{1,64})?(?:#[^#]*)?$/;
const CONDITIONAL = /^([A-Z][A-Za-z]{1,63})\?/;

/** The resource type that a reference's own form names; undefined where it names none. */
export function typeInReference(reference: string): string | undefined {
  const conditional = CONDITIONAL.exec(reference);
  if (conditional !== null) return conditional[1];
  if (reference.startsWith("urn:") || reference.startsWith("#")) return undefined;
  return RESTFUL.exec(reference)?.[1];
}

/** How a resource was found. */
export type Whereabouts = "contained" | "bundled" | "outside";

export interface Target {
  readonly resource: JsonObject;
  readonly where: Whereabouts;
}

/** Finds what a reference in the current resource points to, as far as it is at hand. */
export function resolveReference(run: Run, reference: string): Target | undefined {
  if (reference.startsWith("#")) {
    const resource = reference === "#" ? run.container : containedIn(run, reference.slice(1));
    return resource === undefined ? undefined : { resource, where: "contained" };
  }
  for (let at = run.bundles.length - 1; at >= 0; at--) {
    const around = run.bundles[at];
    if (around === undefined) continue;
    const resource = findInBundle(around.bundle, around.fullUrl, reference);
    if (resource !== undefined) return { resource, where: "bundled" };
  }
  const outside = run.resolveOutside?.(reference);
  return isObject(outside) ? { resource: outside, where: "outside" } : undefined;
}

/** The resource contained in the current container with this id. */
export function containedIn(run: Run, id: string): JsonObject | undefined {
  const resource = containedResource(run.environment, run.container, id);
  return isObject(resource) ? resource : undefined;
}

/** The fullUrl of the entry that holds a resource. */
export function fullUrlOf(bundle: JsonObject, resource: JsonObject): string | undefined {
  return indexed(bundle).fullUrls.get(resource);
}

interface BundleIndex {
  readonly resources: ReadonlyMap<string, JsonObject>;
  readonly fullUrls: ReadonlyMap<JsonObject, string>;
}

const indexes = new WeakMap<JsonObject, BundleIndex>();

function indexed(bundle: JsonObject): BundleIndex {
  let index = indexes.get(bundle);
  if (index === undefined) indexes.set(bundle, (index = indexOf(bundle)));
  return index;
}

/** The resource of a Bundle that a reference in the entry with this fullUrl points to. */
export function findInBundle(
  bundle: JsonObject,
  fullUrl: string | undefined,
  reference: string,
): JsonObject | undefined {
  const index = indexed(bundle).resources;
  const plain = withoutHistory(reference);
  const base = fullUrl === undefined ? undefined : baseOf(fullUrl);
  // A relative reference in an entry with a RESTful fullUrl is relative to that one's base.
  if (base !== undefined && !plain.includes(":")) return index.get(`${base}${plain}`);
  return index.get(plain);
}

function indexOf(bundle: JsonObject): BundleIndex {
  const index = new Map<string, JsonObject>();
  const fullUrls = new Map<JsonObject, string>();
  for (const entry of listAt(bundle, "entry")) {
    if (!isObject(entry) || !isObject(entry["resource"])) continue;
    const resource = entry["resource"];
    const fullUrl = stringAt(entry, "fullUrl");
    if (fullUrl !== undefined) {
      fullUrls.set(resource, fullUrl);
      if (!index.has(fullUrl)) index.set(fullUrl, resource);
    }
    const type = stringAt(resource, "resourceType");
    const id = stringAt(resource, "id");
    if (type === undefined || id === undefined) continue;
    const relative = `${type}/${id}`;
    if (!index.has(relative)) index.set(relative, resource);
  }
  return { resources: index, fullUrls };
}

function withoutHistory(reference: string): string {
  const at = reference.indexOf("/_history/");
  return at < 0 ? reference : reference.slice(0, at);
}

function baseOf(fullUrl: string): string | undefined {
  const match = /^(https?:\/\/.*\/)[A-Z][A-Za-z]{1,63}\/[A-Za-z0-9.-]{1,64}$/.exec(fullUrl);
  return match?.[1];
}
