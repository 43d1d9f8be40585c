import { containedResource } from "./contained.ts";
import type { InvariantEnvironment } from "./environment.ts";
import type { TypeModel, Variant } from "./model.ts";

/** Invariants evaluated by hand: those that occur at nearly every element, and `dom-3`, quadratic as it is written. */
export type DirectInvariant = (focus: unknown, env: InvariantEnvironment) => boolean;

const ELE_1 = "hasValue() or (children().count() > id.count())";
const REF_1 =
  "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))";
const REF_1_LATER = `reference.exists() implies (${REF_1} or (reference='#' and %rootResource!=%resource))`;
const DOM_3_BEGINNING = "contained.where(((";
const DOM_3_END = ".trace('unmatched', id).empty()";

/** An implementation for this expression, where there is one. */
export function directInvariant(expression: string, model: TypeModel): DirectInvariant | undefined {
  if (expression === ELE_1) return hasValueOrChildren;
  if (expression === REF_1 || expression === REF_1_LATER) return localReferenceResolves;
  if (expression.startsWith(DOM_3_BEGINNING) && expression.endsWith(DOM_3_END)) {
    return (focus) => containedAreReferred(focus, model);
  }
  return undefined;
}

/** `ele-1`: an element has a value or children besides its id. */
function hasValueOrChildren(focus: unknown, env: InvariantEnvironment): boolean {
  if (typeof focus !== "object") return (focus !== undefined && focus !== "") || hasChild(env.companion);
  return focus === null ? hasChild(env.companion) : hasChild(focus);
}

function hasChild(holder: unknown): boolean {
  if (typeof holder !== "object" || holder === null) return false;
  for (const key in holder) if (key !== "id" && key !== "_id" && key !== "resourceType") return true;
  return "resourceType" in holder && "id" in holder;
}

/**
 * `ref-1`: a reference to a contained resource finds it. `#` alone means the container; a reference without text
 * makes no claim.
 */
function localReferenceResolves(focus: unknown, env: InvariantEnvironment): boolean {
  const reference = (focus as { reference?: unknown } | null | undefined)?.reference;
  if (typeof reference !== "string" || !reference.startsWith("#") || reference === "#") return true;
  return containedResource(env, env.rootResource, reference.slice(1)) !== undefined;
}

const URI_TYPES = new Set(["canonical", "uri", "url"]);

/**
 * `dom-3`: each contained resource is referred to from elsewhere in the resource, or refers to the resource itself.
 * Here every place is looked at once.
 */
function containedAreReferred(focus: unknown, model: TypeModel): boolean {
  const resource = focus as
    | { readonly contained?: unknown; readonly resourceType?: unknown }
    | null
    | undefined;
  if (!Array.isArray(resource?.contained) || resource.contained.length === 0) return true;
  const referred = new Set<string>();
  gatherReferences(resource, typeName(resource), model, referred, 0);
  return resource.contained.every((contained: unknown) => {
    const id = (contained as { id?: unknown } | null | undefined)?.id;
    // Without an id it cannot be referred to, and the published rule does not fail it.
    if (typeof id !== "string" || referred.has(`#${id}`)) return true;
    const own = new Set<string>();
    gatherReferences(contained, typeName(contained), model, own, 0);
    return own.has("#");
  });
}

function typeName(value: unknown): string | undefined {
  const name = (value as { resourceType?: unknown } | null | undefined)?.resourceType;
  return typeof name === "string" ? name : undefined;
}

function gatherReferences(
  value: unknown,
  type: string | undefined,
  model: TypeModel,
  into: Set<string>,
  depth: number,
): void {
  if (typeof value !== "object" || value === null || depth > 200) return;
  const object = value as Record<string, unknown>;
  for (const key in object) {
    const child = object[key];
    const property = type === undefined ? undefined : model.property(type, key);
    for (const one of Array.isArray(child) ? child : [child]) {
      if (typeof one === "string") {
        if (one.startsWith("#") && mayRefer(key, property)) into.add(one);
      } else if (typeof one === "object" && one !== null) {
        const childType = property === undefined || property.resource ? typeName(one) : property.type;
        gatherReferences(one, childType, model, into, depth + 1);
      }
    }
  }
}

/** Texts that may refer: `Reference.reference` and everything typed as a URI; where the type is not known, all texts. */
function mayRefer(key: string, property: Variant | undefined): boolean {
  return key === "reference" || property === undefined || URI_TYPES.has(property.type);
}
