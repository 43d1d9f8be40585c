import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildAllureReport } from "./allure/html.ts";
import { annotations, appendStepSummary } from "./github.ts";
import { appendHistory, changesSince, historyRun, readHistory } from "./history.ts";
import { junitXml } from "./junit.ts";
import type { KnownIssue } from "./known-issues.ts";
import { readResults } from "./read.ts";
import { summaryMarkdown } from "./summary.ts";

export type ReportFormat = "allure" | "junit" | "github";

export interface ReportOptions {
  /** One results directory per run: of one tenant in one environment each. */
  readonly resultsDirs: readonly string[];
  /** Where reports and history go; may be the results directory itself. */
  readonly out: string;
  readonly formats: readonly ReportFormat[];
  /** Further lines for the report's list of variables, such as a build number. */
  readonly environmentVariables?: Readonly<Record<string, string>>;
  /** Failures that somebody looks after already: marked, counted all the same. */
  readonly knownIssues?: readonly KnownIssue[];
  /** Where GitHub's workflow commands go, a line at a time; standard error unless given, so that output stays for programs (GitHub reads both). */
  readonly print?: (line: string) => void;
  /** Environment of the process: `GITHUB_STEP_SUMMARY` is read from it. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface ReportFile {
  readonly kind: "summary" | "changes" | "history" | "allure" | "allure-results" | "allure-history" | "junit";
  readonly path: string;
}

/**
 * Builds reports from results directories: `summary.md`, `changes.json` and `history.ndjson` always, and what the
 * formats ask for (`allure`: `report.html`, `allure-results/`, `history.jsonl`; `junit`: `junit.xml`; `github`:
 * annotations on standard error and the step summary).
 *
 * Reports are built from files alone: any results directory can be reported on again, also that of a run that was
 * killed. Building again for the same run does not count as another run.
 *
 * @throws {UnreadableResults} when a directory holds no results
 * @throws {UnsealedPage} when the HTML page would load something from elsewhere
 */
export async function buildReports(
  options: ReportOptions,
): Promise<{ readonly files: readonly ReportFile[] }> {
  const { out, formats, knownIssues = [], environment = process.env } = options;
  const runs = options.resultsDirs.map((folder) => readResults(folder));
  mkdirSync(out, { recursive: true });
  const files: ReportFile[] = [];

  const history = readHistory(out);
  const told = runs.map((results) => ({ results, changes: changesSince(results, history) }));
  const summary = summaryMarkdown(told, knownIssues);
  const changes = told.map((run) => run.changes);
  const [first] = changes;
  const changesJson = JSON.stringify(changes.length === 1 ? first : changes, null, 2);
  files.push(
    { kind: "summary", path: writeReport(out, "summary.md", summary) },
    { kind: "changes", path: writeReport(out, "changes.json", `${changesJson}\n`) },
  );
  if (formats.includes("junit")) {
    files.push({ kind: "junit", path: writeReport(out, "junit.xml", junitXml(runs)) });
  }
  if (formats.includes("allure")) {
    const made = await buildAllureReport(runs, out, options.environmentVariables ?? {}, knownIssues);
    files.push(
      { kind: "allure", path: made.page },
      { kind: "allure-results", path: made.results },
      { kind: "allure-history", path: made.history },
    );
  }
  if (formats.includes("github")) {
    const print = options.print ?? ((line: string) => process.stderr.write(`${line}\n`));
    for (const line of annotations(runs)) print(line);
    const stepSummary = environment["GITHUB_STEP_SUMMARY"];
    if (stepSummary !== undefined && stepSummary !== "") appendStepSummary(stepSummary, summary);
  }
  for (const results of runs) {
    const path = appendHistory(out, historyRun(results));
    if (!files.some(({ kind }) => kind === "history")) files.push({ kind: "history", path });
  }
  return { files };
}

/** Writes a report in one step, so that a reader never sees half of it. */
function writeReport(out: string, name: string, text: string): string {
  const path = join(out, name);
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return path;
}
