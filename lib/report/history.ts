/**
 * `history.ndjson`: one compact line per run, with every verdict; `changes.json`: what is new and what is fixed. Both
 * are ours because Allure's history knows neither warnings nor why something was not answered.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CheckResult } from "../checks/results.ts";
import { STATUSES } from "../checks/verdict.ts";
import type { Status } from "../checks/verdict.ts";
import { list, objectOf } from "./read.ts";
import type { RunResults } from "./read.ts";

const HISTORY_FILE = "history.ndjson";
const HISTORY_RUNS = 100;

/** One run as the history keeps it. */
export interface HistoryRun {
  readonly schema: 1;
  readonly run: string;
  readonly tenant: string;
  readonly environment: string;
  readonly startedAt: string;
  readonly state: string;
  readonly harness: string;
  readonly counts: Readonly<Record<Status, number>>;
  /** API id → status → ids of the checks that ended so. */
  readonly verdicts: Readonly<Record<string, Readonly<Partial<Record<Status, readonly string[]>>>>>;
}

/** One check whose answer changed. */
export interface Change {
  readonly api: string;
  readonly check: string;
  readonly title: string;
  readonly status: Status;
  /** What it was when it was last answered; absent when it never was. */
  readonly before?: Status;
  /** The run that `before` is of. */
  readonly beforeRun?: string;
  readonly summary: string;
}

/** What changed since the runs before, on one tenant in one environment. */
export interface Changes {
  readonly schema: 1;
  readonly run: string;
  readonly tenant: string;
  readonly environment: string;
  /** The latest earlier run, or null on the first one: then nothing is called new. */
  readonly since: { readonly run: string; readonly startedAt: string } | null;
  readonly newFailures: readonly Change[];
  readonly fixed: readonly Change[];
  readonly newWarnings: readonly Change[];
  readonly resolvedWarnings: readonly Change[];
  /** Answered before, but blocked, not applicable or in error now: neither failed nor fixed. */
  readonly noLongerAnswered: readonly Change[];
  /** Failed when last answered and not part of this run. */
  readonly failuresNotRunAgain: readonly {
    readonly api: string;
    readonly check: string;
    readonly run: string;
  }[];
  /** Failed before and now. */
  readonly stillFailing: number;
}

/** Statuses that answer the question of a check. */
const ANSWERS: ReadonlySet<Status> = new Set(["pass", "fail", "warn", "info"]);

/**
 * Reads the runs before, oldest first; lines that are none are left out, later lines of a run replace earlier ones.
 *
 * @param folder the output directory
 */
export function readHistory(folder: string): HistoryRun[] {
  const file = join(folder, HISTORY_FILE);
  if (!existsSync(file)) return [];
  const runs = new Map<string, HistoryRun>();
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const entry = parseRun(line);
    if (entry === undefined) continue;
    const key = JSON.stringify([entry.run, entry.tenant, entry.environment]);
    runs.delete(key);
    runs.set(key, entry);
  }
  return [...runs.values()];
}

/** Adds a run to the history of an output directory; a run that is there already is replaced. */
export function appendHistory(folder: string, entry: HistoryRun): string {
  const others = readHistory(folder).filter((other) => other.run !== entry.run || !sameTarget(other, entry));
  const kept = [...others, entry]
    .toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt) || 0)
    .slice(-HISTORY_RUNS);
  const file = join(folder, HISTORY_FILE);
  writeFileSync(`${file}.new`, kept.map((run) => `${JSON.stringify(run)}\n`).join(""), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return file;
}

/** A run in the form of the history. */
export function historyRun({ run, results }: RunResults): HistoryRun {
  const verdicts: Record<string, Partial<Record<Status, string[]>>> = {};
  for (const { api, status, check } of results) ((verdicts[api] ??= {})[status] ??= []).push(check);
  return {
    schema: 1,
    run: run.run,
    tenant: run.tenant,
    environment: run.environment,
    startedAt: run.startedAt,
    state: run.state,
    harness: run.harness.version,
    counts: countStatuses(results),
    verdicts,
  };
}

/** How many results have each status. */
export function countStatuses(results: readonly CheckResult[]): Record<Status, number> {
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<Status, number>;
  for (const { status } of results) counts[status]++;
  return counts;
}

interface Remembered {
  readonly status: Status;
  readonly run: string;
}

/**
 * Compares each verdict with the last answer to the same question, however many runs ago that was: a run of a single
 * check does not make everything else fixed, and a failure that was blocked for a week is not new.
 *
 * @param current the run to look at
 * @param history runs of the same output directory, oldest first; the run itself may be among them
 */
export function changesSince(current: RunResults, history: readonly HistoryRun[]): Changes {
  const { run, results } = current;
  // Reporting again on an old run compares it with what came before it, not with what came later.
  const earlier = history.filter(
    (other) =>
      other.run !== run.run &&
      sameTarget(other, run) &&
      !(Date.parse(other.startedAt) > Date.parse(run.startedAt)),
  );
  const answers = new Map<string, Remembered>();
  for (const past of earlier) {
    for (const [api, byStatus] of Object.entries(past.verdicts)) {
      for (const [status, checks] of Object.entries(byStatus) as [Status, readonly string[]][]) {
        if (!ANSWERS.has(status)) continue;
        for (const check of checks) answers.set(`${api}/${check}`, { status, run: past.run });
      }
    }
  }
  const last = earlier.at(-1);
  const changes = {
    newFailures: [] as Change[],
    fixed: [] as Change[],
    newWarnings: [] as Change[],
    resolvedWarnings: [] as Change[],
    noLongerAnswered: [] as Change[],
  };
  let stillFailing = 0;
  for (const result of last === undefined ? [] : results) {
    const before = answers.get(`${result.api}/${result.check}`);
    const change = changeOf(result, before);
    if (!ANSWERS.has(result.status)) {
      if (before !== undefined) changes.noLongerAnswered.push(change);
      continue;
    }
    if (result.status === "fail") {
      if (before?.status === "fail") stillFailing++;
      else changes.newFailures.push(change);
      continue;
    }
    if (before?.status === "fail") changes.fixed.push(change);
    if (result.status === "warn" && before?.status !== "warn") changes.newWarnings.push(change);
    if (result.status !== "warn" && before?.status === "warn") changes.resolvedWarnings.push(change);
  }
  const ran = new Set(results.map(({ api, check }) => `${api}/${check}`));
  return {
    schema: 1,
    run: run.run,
    tenant: run.tenant,
    environment: run.environment,
    since: last === undefined ? null : { run: last.run, startedAt: last.startedAt },
    ...changes,
    failuresNotRunAgain: [...answers]
      .filter(([key, { status }]) => status === "fail" && !ran.has(key))
      .map(([key, { run: pastRun }]) => {
        const slash = key.indexOf("/");
        return { api: key.slice(0, slash), check: key.slice(slash + 1), run: pastRun };
      }),
    stillFailing,
  };
}

function changeOf(result: CheckResult, before: Remembered | undefined): Change {
  const { api, check, title, status, summary } = result;
  return {
    api,
    check,
    title,
    status,
    ...(before === undefined ? {} : { before: before.status, beforeRun: before.run }),
    summary: result.reason ?? summary,
  };
}

function sameTarget(
  a: { readonly tenant: string; readonly environment: string },
  b: { readonly tenant: string; readonly environment: string },
): boolean {
  return a.tenant === b.tenant && a.environment === b.environment;
}

function parseRun(line: string): HistoryRun | undefined {
  if (line.trim() === "") return undefined;
  let value: Record<string, unknown>;
  try {
    value = objectOf(JSON.parse(line));
  } catch {
    return undefined;
  }
  const { run, tenant, environment, startedAt, state, harness } = value;
  if (typeof run !== "string" || typeof tenant !== "string" || typeof environment !== "string")
    return undefined;
  const counts = objectOf(value["counts"]);
  return {
    schema: 1,
    run,
    tenant,
    environment,
    startedAt: typeof startedAt === "string" ? startedAt : "",
    state: typeof state === "string" ? state : "",
    harness: typeof harness === "string" ? harness : "",
    counts: Object.fromEntries(STATUSES.map((status) => [status, Number(counts[status] ?? 0)])) as Record<
      Status,
      number
    >,
    verdicts: Object.fromEntries(
      Object.entries(objectOf(value["verdicts"])).map(([api, byStatus]) => [
        api,
        Object.fromEntries(
          STATUSES.map((status) => [
            status,
            list(objectOf(byStatus)[status]).filter((check): check is string => typeof check === "string"),
          ]),
        ),
      ]),
    ),
  };
}
