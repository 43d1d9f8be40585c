/** Why a package, definition or pack could not be used. */
export type PackErrorCode =
  /** No such file, folder, package or built-in pack. */
  | "not-found"
  /** Not a gzipped tar, not a FHIR package, or damaged. */
  | "bad-archive"
  /** Larger than the limits allow. */
  | "too-large"
  /** Not JSON, or not what a conformance resource of its type looks like. */
  | "bad-definition"
  /** Written for a FHIR version other than R4. */
  | "wrong-fhir-version"
  /** A definition that another one needs is in no package at hand. */
  | "missing-dependency"
  /** A snapshot could not be generated from the differential. */
  | "bad-differential"
  /** A compiled pack does not match its manifest. */
  | "bad-pack";

/** One line that says what is wrong and in which file. */
export class PackError extends Error {
  readonly code: PackErrorCode;
  /** File, archive entry or canonical URL concerned. */
  readonly file: string;

  constructor(code: PackErrorCode, file: string, reason: string, options?: { cause?: unknown }) {
    super(`${file}: ${reason}`.replaceAll(/\s+/g, " "), options);
    this.name = "PackError";
    this.code = code;
    this.file = file;
  }
}
