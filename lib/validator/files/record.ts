import type { Finding, IssueCode, Severity, ValidationResult } from "../result.ts";

/** What is said of one resource: a line of `--json`. */
export interface ResourceRecord {
  /** The file as the user named it, `-` for standard input. */
  readonly source: string;
  /** Line of the NDJSON stream, from 1; for a document 1, or the line where it stops being JSON. */
  readonly line: number;
  readonly resourceType: string | null;
  readonly id: string | null;
  /** Canonicals of the profiles it was judged against besides its base definition. */
  readonly profiles: readonly string[];
  readonly valid: boolean;
  /** All findings, also those that are not printed. */
  readonly counts: Readonly<Record<Severity, number>>;
  readonly findings: readonly RecordedFinding[];
}

export interface RecordedFinding {
  readonly severity: Severity;
  readonly code: IssueCode;
  readonly expression: string;
  readonly message: string;
  /** Canonical of the profile or type whose rule was broken; `null` where the rule is of JSON or of FHIR itself. */
  readonly profile: string | null;
  readonly constraint?: string;
}

/** Which findings are printed. */
export interface PrintSettings {
  readonly format: "json" | "text";
  /** Print warnings and information too. */
  readonly warnings: boolean;
  /** Most findings printed for one resource. */
  readonly maxFindings: number;
}

/** Sums over resources; they add up. */
export interface Tally {
  resources: number;
  invalid: number;
  readonly counts: Record<Severity, number>;
  /** Resources judged by the guide's profile for their type, because they claim none. */
  assumed: number;
  /** Codes that could not be verified, by value set. */
  readonly notVerified: Record<string, number>;
  /** Things to say once, such as a terminology service that cannot be reached. */
  readonly notices: string[];
}

const GRAVITY: Readonly<Record<Severity, number>> = { fatal: 0, error: 1, warning: 2, information: 3 };

export function emptyTally(): Tally {
  return {
    resources: 0,
    invalid: 0,
    counts: { fatal: 0, error: 0, warning: 0, information: 0 },
    assumed: 0,
    notVerified: {},
    notices: [],
  };
}

/** Adds the second to the first. */
export function addTally(sum: Tally, more: Tally): void {
  sum.resources += more.resources;
  sum.invalid += more.invalid;
  sum.assumed += more.assumed;
  for (const severity of Object.keys(GRAVITY) as Severity[]) sum.counts[severity] += more.counts[severity];
  for (const [valueSet, count] of Object.entries(more.notVerified)) {
    sum.notVerified[valueSet] = (sum.notVerified[valueSet] ?? 0) + count;
  }
  for (const notice of more.notices) if (!sum.notices.includes(notice)) sum.notices.push(notice);
}

/** Counts a result in. */
export function tallyResult(tally: Tally, result: ValidationResult): void {
  tally.resources += 1;
  if (!result.valid) tally.invalid += 1;
  if (result.assumedProfiles.length > 0) tally.assumed += 1;
  for (const severity of Object.keys(GRAVITY) as Severity[])
    tally.counts[severity] += result.counts[severity];
  for (const { valueSet } of result.notVerified) {
    tally.notVerified[valueSet] = (tally.notVerified[valueSet] ?? 0) + 1;
  }
}

/** The findings to print of a resource, gravest first. */
function printedFindings(findings: readonly Finding[], settings: PrintSettings): RecordedFinding[] {
  return findings
    .filter(({ severity }) => settings.warnings || severity === "error" || severity === "fatal")
    .toSorted((a, b) => GRAVITY[a.severity] - GRAVITY[b.severity])
    .slice(0, settings.maxFindings)
    .map(({ severity, code, expression, message, profile, constraint }) => {
      const recorded = { severity, code, expression, message, profile: profile ?? null };
      return constraint === undefined ? recorded : { ...recorded, constraint };
    });
}

/** What is printed of a result. */
export function recordOf(
  source: string,
  line: number,
  result: ValidationResult,
  settings: PrintSettings,
): ResourceRecord {
  return {
    source,
    line,
    resourceType: result.resourceType ?? null,
    id: result.id ?? null,
    profiles: result.profiles,
    valid: result.valid,
    counts: result.counts,
    findings: printedFindings(result.findings, settings),
  };
}

/** The result for something that could not be read as JSON at all. */
export function unreadable(
  code: IssueCode,
  rule: string,
  message: string,
  details: Finding["details"] = {},
): ValidationResult {
  return {
    profiles: [],
    assumedProfiles: [],
    valid: false,
    counts: { fatal: 1, error: 0, warning: 0, information: 0 },
    findings: [{ severity: "fatal", code, rule, expression: "", message, details }],
    notVerified: [],
    notVerifiedCount: 0,
  };
}
