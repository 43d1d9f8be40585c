import { isObject, type Json, type JsonObject } from "./json.ts";

/**
 * A step of a fault's pointer: a member by name, an array member by index, `*` for every one, `-` for the place after
 * the last, or those that fulfil a condition.
 */
type Step =
  | { readonly kind: "member"; readonly name: string }
  | { readonly kind: "every" }
  | { readonly kind: "condition"; readonly path: readonly string[]; readonly value: string };

/** A place in a document: its container and the key in it. */
export interface Spot {
  readonly container: Json[] | JsonObject;
  readonly key: string | number;
}

/**
 * Reads a pointer: JSON Pointer (RFC 6901) with selections in brackets after a member's name:
 * `/rest/0/resource[type=Patient]/searchParam[name=name]`, `/capabilities[.=launch-ehr]`,
 * `/security/service/*\/coding`. A condition names a path in the member with dots; `.` is the member itself. Inside
 * brackets a slash is a slash.
 */
export function readPointer(pointer: string): readonly Step[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) throw new Error(`A pointer starts with a slash: ${pointer}`);
  const steps: Step[] = [];
  for (const match of pointer.matchAll(/\/([^/[]*)((?:\[[^\]]*\])*)/g)) {
    const name = (match[1] ?? "").replaceAll("~1", "/").replaceAll("~0", "~");
    steps.push(name === "*" ? { kind: "every" } : { kind: "member", name });
    for (const [, inside = ""] of (match[2] ?? "").matchAll(/\[([^\]]*)\]/g)) {
      if (inside === "*") {
        steps.push({ kind: "every" });
        continue;
      }
      const at = inside.indexOf("=");
      if (at < 1) throw new Error(`A selection is [path=value] or [*]: ${pointer}`);
      const path = inside.slice(0, at);
      steps.push({
        kind: "condition",
        path: path === "." ? [] : path.split("."),
        value: inside.slice(at + 1),
      });
    }
  }
  return steps;
}

function keysOf(container: Json[] | JsonObject): (string | number)[] {
  return Array.isArray(container) ? container.map((_, index) => index) : Object.keys(container);
}

export function valueAt({ container, key }: Spot): Json | undefined {
  return (container as Record<string | number, Json>)[key];
}

function matches(value: Json | undefined, path: readonly string[], wanted: string): boolean {
  const [first, ...rest] = path;
  if (first === undefined) {
    if (Array.isArray(value)) return value.some((member) => matches(member, [], wanted));
    return value !== undefined && !isObject(value) && String(value) === wanted;
  }
  if (Array.isArray(value)) return value.some((member) => matches(member, path, wanted));
  return isObject(value) && matches(value[first], rest, wanted);
}

function follow(container: Json | undefined, step: Step): Spot[] {
  if (!Array.isArray(container) && !isObject(container)) return [];
  if (step.kind === "every") return keysOf(container).map((key) => ({ container, key }));
  if (step.kind === "condition") {
    return keysOf(container)
      .map((key) => ({ container, key }))
      .filter((spot) => matches(valueAt(spot), step.path, step.value));
  }
  if (!Array.isArray(container)) return [{ container, key: step.name }];
  if (step.name === "-") return [{ container, key: container.length }];
  const index = Number(step.name);
  return Number.isInteger(index) && index >= 0 ? [{ container, key: index }] : [];
}

/**
 * The spots of a document that a pointer reaches. The last member need not exist (it may be about to be added); all
 * before it must.
 */
export function spots(document: Json, pointer: string): Spot[] {
  const steps = readPointer(pointer);
  let found: Spot[] = [{ container: { root: document }, key: "root" }];
  for (const step of steps) found = found.flatMap((spot) => follow(valueAt(spot), step));
  return found;
}

/** Removes what a pointer reaches. Returns how many values were removed. */
export function remove(document: Json, pointer: string): number {
  // From the end, so that the indexes of an array's earlier members stay true.
  const reached = spots(document, pointer).filter((spot) => valueAt(spot) !== undefined);
  for (const { container, key } of reached.toReversed()) {
    if (Array.isArray(container)) container.splice(Number(key), 1);
    else delete container[key];
  }
  return reached.length;
}

/** Sets what a pointer reaches, whether it exists or not. Returns how many places were set. */
export function set(document: Json, pointer: string, value: Json): number {
  const reached = spots(document, pointer);
  for (const { container, key } of reached) {
    (container as Record<string | number, Json>)[key] = structuredClone(value);
  }
  return reached.length;
}

/** Appends to the arrays that a pointer reaches, making them where they do not exist. Returns how many grew. */
export function append(document: Json, pointer: string, value: Json): number {
  let count = 0;
  for (const spot of spots(document, pointer)) {
    const current = valueAt(spot);
    if (current === undefined) {
      (spot.container as Record<string | number, Json>)[spot.key] = [structuredClone(value)];
    } else if (Array.isArray(current)) {
      current.push(structuredClone(value));
    } else {
      continue;
    }
    count += 1;
  }
  return count;
}
