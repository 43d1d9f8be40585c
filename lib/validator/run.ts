/** What one validation keeps as it walks: the place it is at, and what it found. */
import type { JsonObject } from "./json.ts";
import type { Finding, FindingDetails, IssueCode, NotVerified, Severity } from "./result.ts";
import type { ElementShape, TypeShape } from "./shapes.ts";
import { messageFor } from "./wording.ts";
import type { RuleId } from "./wording.ts";

/** Mutable, one per validation, so that the walk allocates nothing for what is in order. */
export interface Run {
  readonly maxFindings: number;
  readonly maxDepth: number;
  /** Names, indices (-1 for none), elements and shapes of the place: index 0 is the root resource. */
  readonly segments: string[];
  readonly indexes: number[];
  readonly elements: (ElementShape | undefined)[];
  readonly shapes: (TypeShape | undefined)[];
  /** Where the place is in an extension: its url. */
  readonly extensionUrls: (string | undefined)[];
  /** The objects from the root to the place. */
  readonly values: (JsonObject | undefined)[];

  readonly findings: Finding[];
  readonly notVerified: NotVerified[];
  notVerifiedCount: number;
  fatal: number;
  error: number;
  warning: number;
  information: number;
  seen: Set<string> | undefined;
  /** Above 0 while something is only tried out. */
  muted: number;
  mutedErrors: number;

  /** Keys of all objects seen, to be compared with those in the source text. */
  keys: number;
  /** Set once anything was not walked, so that `keys` says nothing. */
  keysIncomplete: boolean;
  /** Whether any integer was seen: only then does it matter how numbers are written. */
  integers: boolean;

  /** The resource walked, and its container where it is contained. */
  resource: JsonObject;
  container: JsonObject;
  /** Bundles around the resource, innermost last, with the fullUrl of the entry it is in. */
  readonly bundles: { readonly bundle: JsonObject; readonly fullUrl: string | undefined }[];
  /** Ids of elements in this resource. */
  ids: Set<string> | undefined;
  /** Local references (`#…`) in this resource and what it contains. */
  localReferences: Set<string> | undefined;
  readonly requestedProfiles: readonly string[];
  readonly guideProfiles: boolean;
  /** Profiles the root resource was judged by, and those of them that nobody named. */
  readonly profiles: Set<string>;
  readonly assumedProfiles: Set<string>;
  readonly resolveOutside: ((reference: string) => unknown) | undefined;
  readonly environment: Environment;
  /** Profiles under trial by value, so that circles of references end. */
  readonly trials: Map<object, Map<string, boolean>>;
}

/** The environment of invariants; its fields change between calls. */
export interface Environment {
  resource: unknown;
  rootResource: unknown;
  focusType: string;
  companion: unknown;
  readonly resolve: (reference: string) => unknown;
  readonly memberOf: (value: unknown, type: string | undefined, valueSet: string) => boolean | undefined;
  readonly conformsTo: (value: unknown, profile: string) => boolean | undefined;
}

export interface Report {
  readonly severity: Severity;
  readonly code: IssueCode;
  readonly rule: RuleId;
  readonly details?: FindingDetails;
  readonly profile?: string | undefined;
  readonly constraint?: string;
}

/** Records a finding at the place of the given depth. */
export function report(run: Run, depth: number, finding: Report): void {
  const { severity, code, rule, details = {}, profile, constraint } = finding;
  if (run.muted > 0) {
    if (severity === "error" || severity === "fatal") run.mutedErrors++;
    return;
  }
  const expression = placeOf(run, depth);
  const message = messageFor(rule, details);
  const identity = `${expression}\n${rule}\n${constraint ?? ""}\n${message}`;
  run.seen ??= new Set();
  if (run.seen.has(identity)) return;
  run.seen.add(identity);
  run[severity]++;
  if (run.findings.length >= run.maxFindings) return;
  run.findings.push({
    severity,
    code,
    rule,
    expression,
    message,
    ...(profile !== undefined && { profile }),
    ...(constraint !== undefined && { constraint }),
    details,
  });
}

/** Records a code that only a terminology service could judge. */
export function recordNotVerified(run: Run, depth: number, entry: Omit<NotVerified, "expression">): void {
  if (run.muted > 0) return;
  const expression = placeOf(run, depth);
  const identity = `${expression}\n${entry.valueSet}\n${entry.system ?? ""}\n${entry.code}`;
  run.seen ??= new Set();
  if (run.seen.has(identity)) return;
  run.seen.add(identity);
  run.notVerifiedCount++;
  if (run.notVerified.length < run.maxFindings) run.notVerified.push({ ...entry, expression });
}

/** The FHIRPath of the place of a depth. */
export function placeOf(run: Run, depth: number): string {
  let place = run.segments[0] ?? "";
  for (let at = 1; at <= depth; at++) {
    place += `.${run.segments[at]}`;
    const index = run.indexes[at] ?? -1;
    if (index >= 0) place += `[${index}]`;
  }
  return place;
}

/** Tries something out: nothing is recorded, and the answer is whether it went without an error. */
export function succeeds(run: Run, attempt: () => void): boolean {
  const before = run.mutedErrors;
  run.muted++;
  run.mutedErrors = 0;
  try {
    attempt();
    return run.mutedErrors === 0;
  } finally {
    run.muted--;
    run.mutedErrors = before;
  }
}
