import { distance } from "fastest-levenshtein";

/**
 * The user's own mistake: bad usage or configuration. Always one line, naming file, line and field where there are
 * any; the CLI prints it without a stack and exits with 2.
 */
export class ConfigurationError extends Error {
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly field: string | undefined;

  constructor(problem: string, place: { file?: string; line?: number | undefined; field?: string } = {}) {
    const where = [
      place.file === undefined ? "" : `${place.file}${place.line === undefined ? "" : `:${place.line}`}: `,
      place.field === undefined || place.field === "" ? "" : `${place.field}: `,
    ].join("");
    super(`${where}${problem}`.replaceAll(/\s*\n\s*/g, " "));
    this.name = "ConfigurationError";
    this.file = place.file;
    this.line = place.line;
    this.field = place.field;
  }
}

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
