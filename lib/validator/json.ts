/** Reading JSON whose form is not known yet. */

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function stringAt(value: unknown, key: string): string | undefined {
  if (!isObject(value)) return undefined;
  const found = value[key];
  return typeof found === "string" ? found : undefined;
}

/** The array at a key; a single value counts as an array of one, absence as an empty one. */
export function listAt(value: unknown, key: string): readonly unknown[] {
  if (!isObject(value)) return [];
  const found = value[key];
  if (Array.isArray(found)) return found as readonly unknown[];
  return found === undefined || found === null ? [] : [found];
}

/** What to call a JSON value in a finding. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** A canonical without its `|version` and `#fragment`. */
export function withoutVersion(canonical: string): string {
  const bar = canonical.indexOf("|");
  return bar < 0 ? canonical : canonical.slice(0, bar);
}
