import { containedResource } from "./contained.ts";
import type { InvariantEnvironment } from "./environment.ts";
import { FhirPathError } from "./error.ts";
import { CHOICE_TYPES, type TypeModel, type Variant } from "./model.ts";

type Environment = InvariantEnvironment;
/** Answers whether to stop: the item sought has been found. */
export type Some = (
  value: unknown,
  companion: unknown,
  type: string | undefined,
  env: Environment,
) => boolean;
/** `undefined` is empty. */
export type Truth = (
  value: unknown,
  companion: unknown,
  type: string | undefined,
  env: Environment,
) => boolean | undefined;

const MAX_DESCENT = 200;

function visitOne(
  value: unknown,
  companion: unknown,
  variant: Variant,
  env: Environment,
  test: Some,
): boolean {
  if ((value === undefined || value === null) && (companion === undefined || companion === null))
    return false;
  if (!variant.resource) return test(value, companion, variant.type, env);
  const resourceType = (value as { resourceType?: unknown } | undefined)?.resourceType;
  return test(value, companion, typeof resourceType === "string" ? resourceType : undefined, env);
}

function visitProperty(
  object: Record<string, unknown>,
  variant: Variant,
  env: Environment,
  test: Some,
): boolean {
  const value = object[variant.property];
  const companion = variant.companion === undefined ? undefined : object[variant.companion];
  if (value === undefined && companion === undefined) return false;
  if (!Array.isArray(value) && !Array.isArray(companion)) {
    return visitOne(value, companion, variant, env, test);
  }
  const values: readonly unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  const companions: readonly unknown[] = Array.isArray(companion) ? companion : [];
  const length = Math.max(values.length, companions.length);
  for (let i = 0; i < length; i++) {
    if (visitOne(values[i], companions[i], variant, env, test)) return true;
  }
  return false;
}

/** Navigation where the model knows nothing: by name, then as a choice of the datatypes. */
function visitUntyped(object: Record<string, unknown>, name: string, env: Environment, test: Some): boolean {
  if (Object.hasOwn(object, name) || Object.hasOwn(object, `_${name}`)) {
    return visitUntypedProperty(object, name, undefined, env, test);
  }
  for (const key of Object.keys(object)) {
    if (key.length <= name.length || !key.startsWith(name)) continue;
    const suffix = key.slice(name.length);
    const type = CHOICE_TYPES.has(suffix) ? suffix : suffix.charAt(0).toLowerCase() + suffix.slice(1);
    if (suffix.charAt(0) === suffix.charAt(0).toUpperCase() && CHOICE_TYPES.has(type)) {
      return visitUntypedProperty(object, key, type, env, test);
    }
  }
  return false;
}

function visitUntypedProperty(
  object: Record<string, unknown>,
  property: string,
  type: string | undefined,
  env: Environment,
  test: Some,
): boolean {
  const value = object[property];
  const companion = object[`_${property}`];
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  const companions: readonly unknown[] = Array.isArray(companion) ? companion : [companion];
  const length = Math.max(values.length, companions.length);
  for (let i = 0; i < length; i++) {
    const one = values[i];
    const beside = companions[i];
    if ((one === undefined || one === null) && (beside === undefined || beside === null)) continue;
    const resourceType = (one as { resourceType?: unknown } | null | undefined)?.resourceType;
    if (test(one, beside, typeof resourceType === "string" ? resourceType : type, env)) return true;
  }
  return false;
}

/** Moves from an item to its children, by what the model knows of its type. */
export interface Navigator {
  /** The children of this name; `leading` names may also be the type of the focus itself (`Patient.name`). */
  child(name: string, leading: boolean, test: Some): Some;
  children(test: Some): Some;
  descendants(test: Some): Some;
}

/** Navigation over a type model; `source` is named in errors. */
export function createNavigator(source: string, model: TypeModel): Navigator {
  function child(name: string, leading: boolean, test: Some): Some {
    let cachedType: string | undefined;
    let cached: readonly Variant[] | undefined;
    let byProperty: Map<string, Variant> | undefined;
    const isTypeName = leading && name.charCodeAt(0) < 97;
    return (value, companion, type, env) => {
      if (isTypeName && type === name) return test(value, companion, type, env);
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        if ((name !== "extension" && name !== "id") || typeof companion !== "object" || companion === null)
          return false;
        return visitUntypedProperty(
          companion as Record<string, unknown>,
          name,
          name === "id" ? "System.String" : "Extension",
          env,
          test,
        );
      }
      const object = value as Record<string, unknown>;
      if (type === undefined) return visitUntyped(object, name, env, test);
      if (type !== cachedType) {
        cachedType = type;
        cached = model.variants(type, name);
        byProperty =
          cached !== undefined && cached.length > 12
            ? new Map(
                cached.flatMap(
                  (one) =>
                    [
                      [one.property, one],
                      ...(one.companion === undefined ? [] : [[one.companion, one] as const]),
                    ] as const,
                ),
              )
            : undefined;
      }
      const variants = cached;
      if (variants === undefined) return visitUntyped(object, name, env, test);
      if (byProperty !== undefined) {
        // A choice of fifty types: looking at the few properties there are costs less than asking for each type.
        const table = byProperty;
        for (const key in object) {
          const variant = table.get(key);
          if (variant === undefined) continue;
          if (key !== variant.property && object[variant.property] !== undefined) continue;
          if (visitProperty(object, variant, env, test)) return true;
        }
        return false;
      }
      for (let i = 0; i < variants.length; i++) {
        const variant = variants[i];
        if (variant !== undefined && visitProperty(object, variant, env, test)) return true;
      }
      return false;
    };
  }

  function visitChildren(
    value: unknown,
    companion: unknown,
    type: string | undefined,
    env: Environment,
    test: Some,
  ): boolean {
    const holder = typeof value === "object" && value !== null ? value : companion;
    if (typeof holder !== "object" || holder === null || Array.isArray(holder)) return false;
    const object = holder as Record<string, unknown>;
    const own = holder === value ? type : "Element";
    for (const key in object) {
      if (key === "resourceType" || (key.charCodeAt(0) === 95 && object[key.slice(1)] !== undefined))
        continue;
      const property = key.charCodeAt(0) === 95 ? key.slice(1) : key;
      const variant = own === undefined ? undefined : model.property(own, property);
      const stop =
        variant === undefined
          ? visitUntypedProperty(object, property, undefined, env, test)
          : visitProperty(object, variant, env, test);
      if (stop) return true;
    }
    return false;
  }

  function descendants(test: Some): Some {
    let depth = 0;
    const visit: Some = (value, companion, type, env) => {
      if (test(value, companion, type, env)) return true;
      if (typeof value !== "object" && companion === undefined) return false;
      if (depth > MAX_DESCENT) throw new FhirPathError("too-costly", source, "nested too deeply");
      depth += 1;
      try {
        return visitChildren(value, companion, type, env, visit);
      } finally {
        depth -= 1;
      }
    };
    return (value, companion, type, env) => visitChildren(value, companion, type, env, visit);
  }

  return {
    child,
    children: (test) => (value, companion, type, env) => visitChildren(value, companion, type, env, test),
    descendants,
  };
}

/** Follows references: `#id` within the container, others through the environment. */
export function resolveThen(test: Some): Some {
  return (value, _companion, _type, env) => {
    const reference =
      typeof value === "string" ? value : (value as { reference?: unknown } | null | undefined)?.reference;
    if (typeof reference !== "string") return false;
    const found = reference.startsWith("#")
      ? reference === "#"
        ? env.rootResource
        : containedResource(env, env.rootResource, reference.slice(1))
      : env.resolve?.(reference);
    if (typeof found !== "object" || found === null) return false;
    const resourceType = (found as { resourceType?: unknown }).resourceType;
    return test(found, undefined, typeof resourceType === "string" ? resourceType : undefined, env);
  };
}
