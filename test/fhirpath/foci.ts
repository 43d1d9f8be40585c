import { readFileSync } from "node:fs";
import type { TypeModel } from "../../lib/validator/fhirpath/index.ts";

/** An invariant as published: where it stands and what it says. */
export interface PublishedInvariant {
  readonly key: string;
  readonly source: string;
  readonly severity: string;
  readonly paths: readonly string[];
  readonly expression: string;
}

/** All invariants of R4 4.0.1, US Core 6.1.0 and 3.1.1. */
export const invariants = JSON.parse(
  readFileSync(new URL("./expressions.json", import.meta.url), "utf8"),
) as readonly PublishedInvariant[];

/** A place of a resource, with the type that its invariants belong to. */
export interface Focus {
  readonly value: unknown;
  readonly companion: unknown;
  readonly type: string;
  readonly path: string;
}

/** Every element of a resource, contained resources as foci of their own. */
export function fociOf(resource: Record<string, unknown>, model: TypeModel): Focus[] {
  const found: Focus[] = [];
  const visit = (value: unknown, companion: unknown, type: string, path: string, depth: number): void => {
    found.push({ value, companion, type, path });
    if (typeof value !== "object" || value === null || depth > 50) return;
    const object = value as Record<string, unknown>;
    for (const key of Object.keys(object)) {
      const property = model.property(type, key);
      if (property === undefined) continue;
      const name = key;
      const values = Array.isArray(object[key]) ? object[key] : [object[key]];
      const beside = property.companion === undefined ? undefined : object[property.companion];
      const companions: unknown[] = Array.isArray(beside) ? beside : [beside];
      for (const [i, one] of values.entries()) {
        if (one === null || one === undefined) continue;
        const inner = property.resource ? (one as { resourceType?: string }).resourceType : property.type;
        if (inner !== undefined) visit(one, companions[i], inner, `${type}.${name}`, depth + 1);
      }
    }
  };
  visit(resource, undefined, String(resource["resourceType"]), String(resource["resourceType"]), 0);
  return found;
}
