/** The words of a check's answer: findings and verdicts. */

/** Conformance verb of a check. It decides what an unmet expectation means: fail, warn or info. */
export type Level = "SHALL" | "SHOULD" | "MAY";

/** One thing that was not as expected. Typed data; `words.ts` makes the sentence. */
export interface Finding {
  /** Closed, stable, machine-readable: `json.missing`, `http.status`, `http.timeout-body` … */
  readonly code: string;
  /** What the specification or the vendor promises, as a noun phrase or value. */
  readonly expected: string;
  /** What was seen, already safe to show. */
  readonly actual: string;
  /** Where: a JSON pointer into the body, a header name, a FHIRPath, a URL. */
  readonly location?: string;
  /** The exchange that shows it (`evidence/<id>.json`). */
  readonly exchange?: string;
}

export type Verdict =
  | { readonly status: "pass"; readonly note?: string }
  /** A SHALL not met. */
  | { readonly status: "fail"; readonly findings: readonly Finding[] }
  /** A SHOULD not met. */
  | { readonly status: "warn"; readonly findings: readonly Finding[] }
  /** A MAY not taken up. */
  | { readonly status: "info"; readonly findings: readonly Finding[] }
  /** A fact that the check needs could not be had; `by` names the check that explains it. */
  | { readonly status: "blocked"; readonly reason: string; readonly by?: string }
  /** The tenant does not offer what the check asks about. */
  | { readonly status: "not-applicable"; readonly reason: string }
  /** It is offered, but there is no data to ask about; `wanted` says which test data would change that. */
  | { readonly status: "no-data"; readonly reason: string; readonly wanted: string }
  /** The harness's own fault. */
  | { readonly status: "error"; readonly reason: string };

export type Status = Verdict["status"];

export const STATUSES: readonly Status[] = [
  "pass",
  "fail",
  "warn",
  "info",
  "blocked",
  "not-applicable",
  "no-data",
  "error",
];

/**
 * The verdict that findings lead to at a level.
 *
 * @param level conformance verb of the check
 * @param findings what was not as expected; none means pass
 */
export function judge(level: Level, findings: readonly Finding[]): Verdict {
  if (findings.length === 0) return { status: "pass" };
  switch (level) {
    case "SHALL":
      return { status: "fail", findings };
    case "SHOULD":
      return { status: "warn", findings };
    case "MAY":
      return { status: "info", findings };
  }
}
