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
