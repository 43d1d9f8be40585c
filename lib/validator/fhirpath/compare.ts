import type { Item } from "./environment.ts";
import { equalItems } from "./equality.ts";
import { compareTemporal, isTemporalType, looksTemporal } from "./temporal.ts";

const UCUM = "http://unitsofmeasure.org";

/** FHIRPath `=` between two collections: pairwise and in order. */
export function equalCollections(left: readonly Item[], right: readonly Item[]): boolean | undefined {
  if (left.length !== right.length) return false;
  let open = false;
  for (const [i, item] of left.entries()) {
    const other = right[i];
    const same = equalItems(item.value, item.type, other?.value, other?.type);
    if (same === false) return false;
    open ||= same === undefined;
  }
  return open ? undefined : true;
}

interface QuantityLike {
  readonly value?: unknown;
  readonly unit?: unknown;
  readonly code?: unknown;
  readonly system?: unknown;
}

/** Orders two items; `undefined` where they do not compare, `"convert"` for UCUM quantities of different units. */
export function compareItems(
  left: unknown,
  leftType: string | undefined,
  right: unknown,
  rightType: string | undefined,
): number | "convert" | undefined {
  if (typeof left === "number" && typeof right === "number") return left - right;
  if (typeof left === "string" && typeof right === "string") {
    const untyped = leftType === undefined && rightType === undefined;
    if (
      isTemporalType(leftType) ||
      isTemporalType(rightType) ||
      (untyped && looksTemporal(left) && looksTemporal(right))
    ) {
      return compareTemporal(left, right);
    }
    return left === right ? 0 : left < right ? -1 : 1;
  }
  if (typeof left === "object" && typeof right === "object" && left !== null && right !== null) {
    return compareQuantities(left, right);
  }
  return undefined;
}

/** Quantities compare where they have the same unit; `"convert"` where UCUM may convert one into the other. */
function compareQuantities(left: QuantityLike, right: QuantityLike): number | "convert" | undefined {
  if (typeof left.value !== "number" || typeof right.value !== "number") return undefined;
  const sameCode = left.code === right.code && left.system === right.system;
  if (left.code === undefined && right.code === undefined ? left.unit === right.unit : sameCode) {
    return left.value - right.value;
  }
  const convertible = left.system === UCUM && right.system === UCUM;
  return convertible && left.code !== undefined && right.code !== undefined ? "convert" : undefined;
}
