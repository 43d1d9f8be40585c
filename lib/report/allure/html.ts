/**
 * Allure 3's single-file page, made by its library in this process: no Java, no network, nothing written outside of
 * the output directory.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { AllureReport, FileSystemReportFiles } from "@allurereport/core";
import AwesomePlugin from "@allurereport/plugin-awesome";
import { BufferResultFile } from "@allurereport/reader-api";
import type { RunDescription } from "../../checks/results.ts";
import { ownPackage } from "../../config/package.ts";
import { list, objectOf } from "../read.ts";
import type { RunResults } from "../read.ts";
import { shoppingTable } from "../shopping-list.ts";
import { tablePage } from "../tables.ts";
import { bounded, oneLine } from "../text.ts";
import { ALLURE_RESULTS, completeAllureResults, mapResults, resultFileName } from "./results.ts";
import { sealPage } from "./seal.ts";
import type { KnownIssue } from "../known-issues.ts";

type Plugin = NonNullable<FullConfig["plugins"]>[number]["plugin"];
type PluginContext = Parameters<NonNullable<Plugin["start"]>>[0];
type FullConfig = ConstructorParameters<typeof AllureReport>[0];

// Said elsewhere on the page, or of use to charts alone. The others are needed: categories match on them.
const HIDDEN_LABELS = [
  "epic",
  "feature",
  "framework",
  "run",
  "check",
  "suiteId",
  "api",
  "tenant",
  "environment",
  "requirement",
];

/** How folders begin in which a page is being made. */
const WORK = ".allure-";

/** Runs whose verdicts the page keeps for trends, and how much all of them may take: they are read as a whole. */
const HISTORY_RUNS = 30;
const HISTORY_CHARACTERS = 24_000_000;

export interface AllureReportFiles {
  readonly page: string;
  readonly results: string;
  readonly history: string;
}

/**
 * Builds `report.html` (and `allure-results/`, `history.jsonl`) for one run, or one page with an Allure environment per
 * run for several.
 *
 * Building twice for the same run counts as one run in the history.
 *
 * @param runs what results directories hold
 * @param out output directory
 * @param variables further lines for the page's list of variables
 */
export async function buildAllureReport(
  runs: readonly RunResults[],
  out: string,
  variables: Readonly<Record<string, string>>,
  knownIssues: readonly KnownIssue[],
): Promise<AllureReportFiles> {
  mkdirSync(out, { recursive: true });
  const mapped = runs.map((run, index) => {
    const results = mapResults(run, knownIssues);
    completeAllureResults(
      join(out, ALLURE_RESULTS, ...(runs.length === 1 ? [] : [String(index + 1)])),
      results,
    );
    return results;
  });
  // What a build that was killed left behind.
  for (const name of readdirSync(out).filter((entry) => entry.startsWith(WORK))) {
    rmSync(join(out, name), { recursive: true, force: true });
  }
  const work = mkdtempSync(join(out, WORK));
  try {
    const history = join(out, "history.jsonl");
    const runId = runs.map(({ run }) => run.run).join("+");
    const others = readHistory(history).filter(({ uuid }) => uuid !== runId);
    const started = Date.parse(runs[0]?.run.startedAt ?? "");
    const historyPath = join(work, "history.jsonl");
    writeFileSync(
      historyPath,
      historyText(others.filter((entry) => !(Number(entry["timestamp"]) > started))),
    );

    const output = join(work, "page");
    const report = new AllureReport(configuration(runs, output, historyPath, variables));
    await report.start();
    // From memory: reading thousands of files back would take longer than all the rest.
    for (const { test, files } of mapped.flat()) {
      await report.readResult(memoryFile(resultFileName(test.uuid), JSON.stringify(test)));
      for (const { fileName, content } of files) await report.readResult(memoryFile(fileName, content));
    }
    for (const [index, run] of runs.entries()) {
      for (const { fileName, content } of shoppingFiles(run, index))
        await report.readResult(memoryFile(fileName, content));
    }
    await report.done();

    const generated = join(output, "index.html");
    if (!existsSync(generated)) throw new Error("Allure made no page; its messages above say why");
    const page = join(out, "report.html");
    writeWhole(page, sealPage(readFileSync(generated, "utf8")), work);
    const entries = [...others, ...ownEntry(historyPath, runs, runId)];
    writeWhole(
      history,
      historyText(entries.toSorted((a, b) => Number(a["timestamp"]) - Number(b["timestamp"]))),
      work,
    );
    return { page, results: join(out, ALLURE_RESULTS), history };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The test data that are wanted, as an attachment of the page itself: it belongs to no single check. */
function shoppingFiles({ run, results }: RunResults, index: number) {
  const table = shoppingTable(results);
  if (table === undefined) return [];
  const source = `test-data-wanted-${index + 1}-attachment.html`;
  const name = oneLine(`${table.title}: ${targetName(run)}`, 200);
  const globals = { attachments: [{ name, source, type: "text/html" }], errors: [] };
  return [
    { fileName: `test-data-wanted-${index + 1}-globals.json`, content: JSON.stringify(globals) },
    { fileName: source, content: tablePage(table) },
  ];
}

function memoryFile(name: string, content: string): BufferResultFile {
  return new BufferResultFile(Buffer.from(content), name);
}

/** What a page is called. */
export function reportName(runs: readonly RunResults[]): string {
  const [only, ...more] = runs;
  return only === undefined || more.length > 0
    ? "CareConnect conformance"
    : `CareConnect conformance — ${targetName(only.run)}`;
}

/** Tenant and environment, without the path characters that Allure refuses in environment names. */
export function targetName(run: RunDescription): string {
  const name = run.tenantName === "" ? run.tenant : run.tenantName;
  return oneLine(`${name} · ${run.environment}`, 60).replace(/[/\\]/g, "∕").replace(/\.\./g, "‥");
}

function configuration(
  runs: readonly RunResults[],
  output: string,
  historyPath: string,
  variables: Readonly<Record<string, string>>,
): FullConfig {
  const several = runs.length > 1;
  const severalApis =
    several || new Set(runs.flatMap(({ results }) => results.map(({ api }) => api))).size > 1;
  const hasRows = runs.some(({ results }) => results.some(({ check }) => check.includes(":")));
  const options = {
    singleFile: true,
    theme: "auto" as const,
    groupBy: [...(severalApis ? ["parentSuite"] : []), "suite", ...(hasRows ? ["subSuite"] : [])],
    sections: ["charts", "timeline"],
    charts: charts(several),
    defaultSortBy: "status,asc",
  };
  return {
    name: reportName(runs),
    output,
    open: false,
    hideLabels: HIDDEN_LABELS,
    port: undefined,
    historyPath,
    historyLimit: HISTORY_RUNS,
    appendHistory: true,
    reportFiles: new FileSystemReportFiles(output),
    plugins: [
      {
        id: "awesome",
        enabled: true,
        options,
        plugin: withoutSurroundings(
          new AwesomePlugin(options as ConstructorParameters<typeof AwesomePlugin>[0]),
          reportName(runs),
        ),
      },
    ],
    variables: {
      ...(several ? { runs: String(runs.length) } : runVariables(runs[0])),
      ...showableVariables(variables),
    },
    ...(several ? { environments: environments(runs) } : {}),
    categories: { rules: categories() } as NonNullable<FullConfig["categories"]>,
  };
}

/**
 * Allure looks around for a CI job or a git checkout in the current directory and puts their names and addresses into
 * the page. They are not the tenant's, and an address may hold a token: the page does not get to know them.
 */
function withoutSurroundings(inner: Plugin, name: string): Plugin {
  const blind = (context: PluginContext): PluginContext => {
    const { ci: _ci, ...rest } = context;
    return { ...rest, reportName: name };
  };
  return {
    start: (context, store, realtime) => inner.start?.(blind(context), store, realtime) ?? Promise.resolve(),
    done: (context, store) => inner.done?.(blind(context), store) ?? Promise.resolve(),
  };
}

function charts(several: boolean): object[] {
  return [
    { type: "currentStatus", title: "Verdicts of this run" },
    { type: "statusDynamics", title: "Verdicts over the last runs" },
    { type: "statusTransitions", title: "New, fixed and regressed since the run before" },
    {
      type: "testResultSeverities",
      title: "Verdicts by level (critical: SHALL, normal: SHOULD, minor: MAY)",
      levels: ["critical", "normal", "minor"],
      statuses: ["failed", "broken", "passed", "skipped"],
      includeUnset: false,
    },
    {
      type: "stabilityDistribution",
      title: "Stability by suite",
      skipStatuses: ["skipped", "unknown"],
      threshold: 90,
      groupBy: "feature",
    },
    ...(several ? [{ type: "problemsDistribution", by: "environment", title: "Problems by tenant" }] : []),
    { type: "durationDynamics", title: "Duration over the last runs" },
  ];
}

function environments(runs: readonly RunResults[]): NonNullable<FullConfig["environments"]> {
  const names = new Map<string, number>();
  return Object.fromEntries(
    runs.map((entry, index) => {
      const { run } = entry;
      const name = targetName(run);
      const seen = (names.get(name) ?? 0) + 1;
      names.set(name, seen);
      return [
        `run-${index + 1}`,
        {
          name: seen === 1 ? name : `${name} (${seen})`,
          variables: runVariables(entry),
          matcher: ({ labels }: { labels: readonly { name: string; value?: string }[] }) =>
            labels.some(({ name, value }) => name === "run" && value === oneLine(run.run, 200)),
        },
      ];
    }),
  );
}

/** What ran, against what, with what: the page's variables. */
function runVariables(entry: RunResults | undefined): Record<string, string> {
  if (entry === undefined) return {};
  const { run, problems } = entry;
  return showableVariables({
    Tenant: run.tenantName === run.tenant ? run.tenant : `${run.tenantName} (${run.tenant})`,
    Environment: run.environment,
    State: `${run.state}, ${entry.results.length} of ${run.planned} planned verdicts`,
    Run: run.run,
    Started: run.startedAt,
    Harness: `${run.harness.name} ${run.harness.version}`,
    "Node.js": run.harness.node,
    ...Object.fromEntries(run.targets.map(({ api, base }) => [`API ${api}`, base])),
    "Fails on": run.failOn,
    Evidence: run.evidence,
    Repeat: run.reproduce,
    ...(problems.length === 0 ? {} : { "Not readable": problems.join("; ") }),
  });
}

function showableVariables(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables)
      .filter(([, value]) => value !== "")
      .map(([name, value]) => [oneLine(name, 100), oneLine(value, 500)]),
  );
}

function categories(): readonly unknown[] {
  const file = join(ownPackage().root, "reports", "allure", "categories.json");
  return JSON.parse(readFileSync(file, "utf8")) as unknown[];
}

interface HistoryEntry extends Record<string, unknown> {
  readonly uuid: string;
}

/** Entries of Allure's history; a line that a kill cut off is no entry. */
function readHistory(file: string): HistoryEntry[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        const entry = objectOf(JSON.parse(line));
        return typeof entry["uuid"] === "string" ? [{ ...entry, uuid: entry["uuid"] }] : [];
      } catch {
        return [];
      }
    })
    .slice(-HISTORY_RUNS);
}

/** The latest runs that fit, oldest first; the last one always does. */
function historyText(entries: readonly HistoryEntry[]): string {
  const lines: string[] = [];
  let characters = 0;
  for (const entry of entries.slice(-HISTORY_RUNS).toReversed()) {
    const line = `${JSON.stringify(entry)}\n`;
    characters += line.length;
    if (lines.length > 0 && characters > HISTORY_CHARACTERS) break;
    lines.unshift(line);
  }
  return lines.join("");
}

// Stability by suite is drawn from it.
const LABELS_OF_HISTORY = new Set(["feature"]);

/** The entry that Allure just wrote, named after the run and without what trends do not need. */
function ownEntry(file: string, runs: readonly RunResults[], runId: string): HistoryEntry[] {
  const entry = readHistory(file).at(-1);
  if (entry === undefined) return [];
  const started = Date.parse(runs[0]?.run.startedAt ?? "");
  const testResults = Object.fromEntries(
    Object.entries(objectOf(entry["testResults"])).map(([id, value]) => {
      const { trace: _trace, message, labels, ...rest } = objectOf(value);
      return [
        id,
        {
          ...rest,
          ...(typeof message === "string" ? { message: bounded(message, 300) } : {}),
          labels: list(labels).filter((label) => LABELS_OF_HISTORY.has(String(objectOf(label)["name"]))),
        },
      ];
    }),
  );
  return [
    {
      ...entry,
      uuid: runId,
      ...(Number.isNaN(started) ? {} : { timestamp: started }),
      testResults,
    },
  ];
}

/** Replaces a file in one step, so that nobody ever sees half of it. */
function writeWhole(file: string, text: string, work: string): void {
  const temporary = join(work, "whole");
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}
