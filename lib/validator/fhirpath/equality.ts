import { compareTemporal, isTemporalType } from "./temporal.ts";

const MAX_DEPTH = 200;

function deepEqual(left: unknown, right: unknown, depth: number): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (depth > MAX_DEPTH) return false;
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
    return left.every((item, i) => deepEqual(item, right[i], depth + 1));
  }
  const a = left as Record<string, unknown>;
  const b = right as Record<string, unknown>;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && deepEqual(a[key], b[key], depth + 1));
}

/**
 * FHIRPath `=` between two items (2.0.0, section 6.1): `undefined` where dates of different precision leave it open.
 */
export function equalItems(
  left: unknown,
  leftType: string | undefined,
  right: unknown,
  rightType: string | undefined,
): boolean | undefined {
  if (left === right) return left !== undefined;
  if (typeof left === "string" && typeof right === "string") {
    if (!isTemporalType(leftType) && !isTemporalType(rightType)) return false;
    const order = compareTemporal(left, right);
    return order === undefined ? undefined : order === 0;
  }
  return deepEqual(left, right, 0);
}

/** Are two items the same, dates by their text? Agrees with `itemKey`. */
export function sameItem(left: unknown, right: unknown): boolean {
  return deepEqual(left, right, 0);
}

/** A text that is the same for equal items, so that sets of items need no pairwise comparison. */
export function itemKey(value: unknown): string {
  if (typeof value === "string") return `s${value}`;
  if (typeof value !== "object" || value === null) return `${typeof value}${String(value)}`;
  return `o${canonicalText(value, 0)}`;
}

function canonicalText(value: unknown, depth: number): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "";
  if (depth > MAX_DEPTH) return "";
  if (Array.isArray(value)) return `[${value.map((item) => canonicalText(item, depth + 1)).join()}]`;
  const object = value as Record<string, unknown>;
  const parts = Object.keys(object)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonicalText(object[key], depth + 1)}`);
  return `{${parts.join()}}`;
}
