import type { Reporter, TestCase } from "vitest/node";
import { isWaived, type CheckResult } from "../checks/results.ts";
import type { Status } from "../checks/verdict.ts";

/** Where progress goes, and in which form. */
export interface ProgressOutput {
  write(text: string): void;
  /** A terminal, where one line is written over and over; otherwise whole lines. */
  readonly terminal: boolean;
  readonly color: boolean;
  readonly columns: number;
}

/** Progress to standard error, so that standard output stays for programs. Honours NO_COLOR. */
export function standardProgress(): ProgressOutput {
  const terminal = process.stderr.isTTY && process.env["CI"] === undefined;
  return {
    write: (text) => process.stderr.write(text),
    terminal,
    color: terminal && (process.env["NO_COLOR"] ?? "") === "",
    columns: process.stderr.columns ?? 100,
  };
}

export type Counts = Record<Status, number>;

export function countsOf(results: readonly Pick<CheckResult, "status">[]): Counts {
  const counts = {
    pass: 0,
    fail: 0,
    warn: 0,
    info: 0,
    blocked: 0,
    "not-applicable": 0,
    "no-data": 0,
    error: 0,
  };
  for (const { status } of results) counts[status] += 1;
  return counts;
}

/** A vitest reporter that counts verdicts and shows how far a run is. */
export interface ProgressReporter extends Reporter {
  readonly counts: Counts;
  readonly results: readonly CheckResult[];
}

/**
 * @param planned how many verdicts the plan promises
 * @param kept verdicts that had fallen before
 */
export function createProgress(
  planned: number,
  output: ProgressOutput,
  kept: readonly CheckResult[] = [],
): ProgressReporter {
  const counts = countsOf(kept);
  const results: CheckResult[] = [...kept];
  // A run that is cancelled tells of its finished tests a second time.
  const told = new Set<string>();
  let shownAt = 0;
  const paint = (code: number, text: string) => (output.color ? `\u001B[${code}m${text}\u001B[0m` : text);
  const line = (result: CheckResult) => {
    const bad = counts.error + results.filter((one) => one.status === "fail" && !isWaived(one)).length;
    const text = `${result.api} › ${result.suite}  ${results.length}/${planned}  ${bad === 1 ? "1 failure" : `${bad} failures`}`;
    const cut = text.slice(0, Math.max(20, output.columns - 1));
    return bad > 0 ? paint(31, cut) : paint(32, cut);
  };
  return {
    counts,
    results,
    onTestCaseResult(test: TestCase) {
      const result = (test.meta() as { careconnect?: CheckResult }).careconnect;
      if (result === undefined || told.has(test.id)) return;
      told.add(test.id);
      counts[result.status] += 1;
      results.push(result);
      const notable = result.status === "fail" || result.status === "error" || result.status === "warn";
      if (output.terminal) {
        if (notable) output.write(`\r\u001B[2K${describe(result, paint)}\n`);
        const now = performance.now();
        if (now - shownAt > 50 || results.length === planned) {
          shownAt = now;
          output.write(`\r\u001B[2K${line(result)}`);
        }
        return;
      }
      if (notable) output.write(`${describe(result, paint)}\n`);
      if (results.length % 100 === 0) output.write(`${line(result)}\n`);
    },
    onTestRunEnd() {
      if (output.terminal) output.write("\r\u001B[2K");
    },
  };
}

function describe(result: CheckResult, paint: (code: number, text: string) => string): string {
  const word =
    result.status === "warn" ? paint(33, "WARN ") : paint(31, result.status === "fail" ? "FAIL " : "ERROR");
  const waived = result.waived?.waivers.map(({ id, expires }) => `${id} until ${expires}`).join(", ");
  const note = waived === undefined ? "" : ` (${isWaived(result) ? "waived" : "partly waived"}: ${waived})`;
  return `${word} ${result.api} ${result.check}: ${result.summary}${note}`;
}
