/** Why an expression could not be compiled or evaluated. */
export type FhirPathErrorCode =
  /** The text is not FHIRPath. */
  | "syntax"
  /** A function, operator or literal that neither the translation nor the fallback knows. */
  | "not-supported"
  /** More than one item where the specification allows one (FHIRPath 2.0.0, section 4.5). */
  | "not-singleton"
  /** Needs something the environment did not bring, such as a terminology look-up. */
  | "not-available"
  /** Nesting or a regular expression beyond what can be evaluated in bounded time. */
  | "too-costly"
  /** The fallback engine refused it. */
  | "evaluation";

/** An expression that has no answer. `code` says why; `expression` is the text as given. */
export class FhirPathError extends Error {
  readonly code: FhirPathErrorCode;
  readonly expression: string;

  constructor(code: FhirPathErrorCode, expression: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "FhirPathError";
    this.code = code;
    this.expression = expression;
  }
}
