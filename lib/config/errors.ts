import { distance } from "fastest-levenshtein";

export { ConfigurationError } from "./configuration-error.ts";

/**
 * The valid name nearest to what was typed, as ` Did you mean "…"?`, or the valid names when none is near.
 */
export function suggest(typed: string, valid: readonly string[]): string {
  const near = valid
    .map((name) => ({ name, far: distance(typed.toLowerCase(), name.toLowerCase()) }))
    .toSorted((a, b) => a.far - b.far)[0];
  if (near === undefined) return " There are none.";
  // A name that was cut short is farther away than a mistyped one, but no less clear.
  const cut = valid.find((name) => typed.length > 2 && name.toLowerCase().startsWith(typed.toLowerCase()));
  if (cut !== undefined) return ` Did you mean "${cut}"?`;
  if (near.far <= Math.max(2, Math.ceil(typed.length / 2))) return ` Did you mean "${near.name}"?`;
  const shown = valid.slice(0, 12).join(", ");
  return ` Known: ${shown}${valid.length > 12 ? `, … (${valid.length} in all)` : ""}.`;
}
