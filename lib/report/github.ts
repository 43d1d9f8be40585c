/** What GitHub Actions shows beside a job: annotations by workflow commands, and the step summary. */
import { appendFileSync } from "node:fs";
import { isWaived, type CheckResult } from "../checks/results.ts";
import { explanation } from "./explain.ts";
import type { RunResults } from "./read.ts";
import { bounded, oneLine, showable } from "./text.ts";

// GitHub shows ten of each kind per step and drops the rest; the last one says what is not shown.
const ANNOTATIONS_OF_A_KIND = 10;
/** A step summary above 1 MiB is refused as a whole. */
const STEP_SUMMARY_BYTES = 1_000_000;

/**
 * Workflow commands for failures, errors and warnings.
 *
 * @returns one command a line, nothing in it being able to start another command
 */
export function annotations(runs: readonly RunResults[]): string[] {
  const results = runs.flatMap((run) => run.results);
  const open = results.filter((result) => !isWaived(result));
  const bad = open.filter(({ status }) => status === "fail" || status === "error");
  const warned = open.filter(({ status }) => status === "warn");
  const waived = results.filter((result) => isWaived(result) && result.status !== "info");
  return [...commands("error", bad), ...commands("warning", warned), ...commands("notice", waived)];
}

function commands(kind: "error" | "warning" | "notice", results: readonly CheckResult[]): string[] {
  const fits = results.length <= ANNOTATIONS_OF_A_KIND;
  const visible = fits ? results : results.slice(0, ANNOTATIONS_OF_A_KIND - 1);
  const lines = visible.map((result) => {
    const title = oneLine(`${result.title} (${result.check}, ${result.tenant} ${result.environment})`, 200);
    return `::${kind} title=${escapeProperty(title)}::${escapeData(bounded(explanation(result), 2_000))}`;
  });
  if (!fits) {
    lines.push(
      `::${kind} title=More::${results.length - visible.length} more are in the summary and in the report`,
    );
  }
  return lines;
}

/** @see GitHub's documentation of workflow commands: `%`, CR and LF are escaped in data */
function escapeData(text: string): string {
  return showable(text).replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replace(/:/g, "%3A").replace(/,/g, "%2C");
}

/**
 * Adds the summary to the job's page, cut to what GitHub takes.
 *
 * @param file value of `GITHUB_STEP_SUMMARY`
 */
export function appendStepSummary(file: string, markdown: string): void {
  const bytes = Buffer.from(markdown);
  if (bytes.length <= STEP_SUMMARY_BYTES) {
    appendFileSync(file, bytes);
    return;
  }
  const text = bytes.subarray(0, STEP_SUMMARY_BYTES).toString("utf8");
  const whole = text.slice(0, text.lastIndexOf("\n\n"));
  appendFileSync(
    file,
    `${whole}\n\n**This page was cut: the whole of it is summary.md of the run's artifact.**\n`,
  );
}
