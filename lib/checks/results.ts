/**
 * The product's contract with everything downstream: one `run.json` and one line of `results.ndjson` per verdict
 * (JSON Schemas: `config/schema/run.schema.json`, `config/schema/result.schema.json`). Reports read nothing else.
 *
 * A results directory holds
 * - `run.json`: what ran, against what, with what;
 * - `results.ndjson`: one {@link CheckResult} a line, appended as each verdict falls;
 * - `evidence/<exchange id>.json`: the exchanges that verdicts refer to, secrets removed;
 * - what reports make of them (`allure-results/`, `report.html`, `junit.xml`, `summary.md`, `history.jsonl`).
 */
import type { Finding, Level, Status } from "./verdict.ts";

export interface RequirementReference {
  /** Catalogue and id, such as `smart-app-launch-2.0.0#14`. */
  readonly id: string;
  readonly url: string;
  /** SHALL, SHALL NOT, SHOULD, SHOULD NOT, MAY; absent for vendor promises. */
  readonly conformance?: string;
}

/** A finding with the sentence that was made of it. */
export interface ResultFinding extends Finding {
  readonly message: string;
}

export interface CheckResult {
  readonly schema: 1;
  readonly run: string;
  readonly tenant: string;
  readonly environment: string;
  readonly api: string;
  /** Check id: `<suite>.<name>`, or `<suite>.<name>:<row>` for a row of a generated check. */
  readonly check: string;
  readonly suite: string;
  readonly suiteTitle: string;
  readonly title: string;
  readonly level: Level;
  readonly requirements: readonly RequirementReference[];
  readonly status: Status;
  readonly findings: readonly ResultFinding[];
  /** One plain sentence: what was expected and what was seen. */
  readonly summary: string;
  /** What to do about it; absent where there is nothing to do. */
  readonly remedy?: string;
  /** Why a check is blocked, not applicable, without data or in error. */
  readonly reason?: string;
  /** With `no-data`: the test data that would make the check possible, as one plain phrase. */
  readonly wanted?: string;
  /** The check that explains why this one is blocked. */
  readonly blockedBy?: string;
  readonly startedAt: string;
  readonly durationMs: number;
  /** Ids of the exchanges behind the verdict, in order. */
  readonly exchanges: readonly string[];
  /** What is best read as a table; holds no secrets and no health data. */
  readonly tables?: readonly ResultTable[];
  /** What of it is accepted until a date. The verdict itself stays what it is. */
  readonly waived?: {
    /** Whether every finding is: then the check does not fail the run. */
    readonly complete: boolean;
    readonly waivers: readonly ResultWaiver[];
  };
}

/** A waiver (`config/waivers.yaml`) that holds for findings of a result. */
export interface ResultWaiver {
  readonly id: string;
  readonly reason: string;
  readonly owner: string;
  /** Last day on which it holds, `YYYY-MM-DD`. */
  readonly expires: string;
  readonly link?: string;
  /** Which of the result's findings, counted from 0. */
  readonly findings: readonly number[];
}

/** What became of a waiver in a run. */
export interface RunWaiver extends Omit<ResultWaiver, "findings"> {
  readonly check: string;
  /** `unused`: no finding is of its kind any more. `expired`: it holds no longer, and fails the run. */
  readonly state: "applied" | "unused" | "expired";
  /** How many verdicts and findings it speaks of. */
  readonly verdicts: number;
  readonly findings: number;
}

/** Whether all that a check found is accepted for now. */
export function isWaived(result: Pick<CheckResult, "waived">): boolean {
  return result.waived?.complete === true;
}

/** A table beside a verdict, such as the enforcement matrix. */
export interface ResultTable {
  /** Tells the tables of one result apart. */
  readonly id: string;
  readonly title: string;
  readonly columns: readonly string[];
  /** As many cells as there are columns. The first cell names the row. */
  readonly rows: readonly (readonly ResultCell[])[];
  /** How to read it, in one or two sentences. */
  readonly note?: string;
}

export type ResultCell =
  | string
  | {
      readonly text: string;
      /** `bad` is what has to be looked at first; `muted` what does not matter here. */
      readonly state: "good" | "bad" | "warning" | "muted";
      /** The exchange that shows it. */
      readonly exchange?: string;
    };

export interface RunTarget {
  readonly api: string;
  readonly title: string;
  readonly base: string;
}

export interface RunDescription {
  readonly schema: 1;
  readonly run: string;
  readonly tenant: string;
  readonly tenantName: string;
  readonly environment: string;
  readonly targets: readonly RunTarget[];
  readonly selection: {
    readonly apis: readonly string[];
    readonly suites: readonly string[];
    readonly checks: readonly string[];
  };
  /** Suites that are not asked of an API at all, with the reason: nothing is left out silently. */
  readonly notAsked: readonly {
    readonly api: string;
    readonly suite: string;
    readonly reason: string;
    /** How many checks the suite has. */
    readonly checks: number;
  }[];
  readonly startedAt: string;
  /** Absent while running, or when the run was killed. */
  readonly endedAt?: string;
  readonly state: "running" | "complete" | "interrupted";
  /** When the run was taken up again after it had been killed or interrupted, and how many verdicts stood by then. */
  readonly resumed?: readonly { readonly at: string; readonly kept: number }[];
  /** How many verdicts the plan promised. */
  readonly planned: number;
  readonly counts: Readonly<Record<Status, number>>;
  /** The waivers that speak of checks of this run; absent while running, or where there are none. */
  readonly waivers?: readonly RunWaiver[];
  readonly evidence: "full" | "masked" | "none";
  readonly failOn: "fail" | "warn";
  readonly harness: { readonly name: string; readonly version: string; readonly node: string };
  /** Checksums of what the verdicts rest on: configuration (secrets excluded), suites, packs. */
  readonly digests: Readonly<Record<string, string>>;
  /** The command that repeats this run. */
  readonly reproduce: string;
}
