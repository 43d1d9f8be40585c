import type { CheckResult, ResultTable, RunDescription, RunWaiver } from "../../checks/results.ts";
import type { Status } from "../../checks/verdict.ts";
import type { SignoffRule } from "../../config/signoff.ts";

/** From best to worst. */
export const DECISIONS = ["go", "conditional", "no-go"] as const;

export type Decision = (typeof DECISIONS)[number];

/** What a person decided. */
export interface PersonsDecision {
  readonly decision: Decision;
  readonly by: string;
  readonly role: string;
  readonly note?: string;
}

/** A rule with what breaks it; nothing where it holds. */
export interface RuledRule {
  readonly rule: SignoffRule;
  /** One line each; bounded, the count is in `count`. */
  readonly because: readonly string[];
  readonly count: number;
}

export interface AnsweredItem {
  readonly id: string;
  readonly title: string;
  readonly state: "met" | "attested" | "not-met" | "to-attest" | "unanswered";
  /** Something of what it rests on is waived. */
  readonly reservation: boolean;
  /** What the checks say, in one line; absent where none answer it. */
  readonly checks?: string;
  readonly attestation?: {
    readonly by: string;
    readonly role: string;
    readonly at: string;
    readonly note: string;
  };
  /** What a person has to attest. */
  readonly attests?: string;
}

/** Checks without an answer, gathered by what they have in common. */
export interface Untested {
  readonly kind: "blocked" | "no-data" | "not-applicable" | "not-asked";
  readonly reason: string;
  readonly wanted?: string;
  readonly checks: readonly string[];
  readonly count: number;
}

export interface SuiteCounts {
  readonly api: string;
  readonly suite: string;
  readonly level: string;
  readonly counts: Readonly<Record<Status, number>>;
  readonly waived: number;
}

/** A failure or a warning with what it means for the application: one for all APIs that answered alike. */
export interface Problem {
  readonly result: CheckResult;
  /** Where it was found, first that of `result`. */
  readonly apis: readonly string[];
  readonly means: string;
}

/** All that a sign-off says; HTML, Markdown and JSON are made of it. */
export interface Signoff {
  readonly schema: 1;
  readonly tenant: string;
  readonly tenantName: string;
  readonly environment: string;
  /** When it was made, ISO 8601. */
  readonly at: string;
  /** The best that the rules allow. */
  readonly ruled: Decision;
  /** Absent as long as nobody has decided. */
  readonly decided?: PersonsDecision;
  readonly rules: readonly RuledRule[];
  readonly checklist: readonly AnsweredItem[];
  /** Readiness for each step of a migration, as the checks tell it. */
  readonly steps: readonly AnsweredItem[];
  readonly counts: Readonly<Record<Status, number>>;
  readonly suites: readonly SuiteCounts[];
  readonly failures: readonly Problem[];
  readonly warnings: readonly Problem[];
  readonly waivers: readonly RunWaiver[];
  readonly untested: readonly Untested[];
  readonly parity: readonly ResultTable[];
  readonly run: RunDescription;
  /** Id of the key that the statement is signed with; absent where it is not signed. */
  readonly key?: string;
}
