import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type {
  CheckResult,
  RequirementReference,
  ResultCell,
  ResultFinding,
  ResultTable,
  ResultWaiver,
  RunDescription,
  RunWaiver,
} from "../checks/results.ts";
import { STATUSES } from "../checks/verdict.ts";
import type { Level, Status } from "../checks/verdict.ts";

/** What a results directory holds. */
export interface RunResults {
  /** Absolute path of the results directory. */
  readonly folder: string;
  readonly run: RunDescription;
  /** One per API and check, in the order in which the verdicts fell. */
  readonly results: readonly CheckResult[];
  /** What could not be read: shown, never dropped silently. */
  readonly problems: readonly string[];
}

/** A results directory that cannot be reported on; the message names the file. */
export class UnreadableResults extends Error {
  override readonly name = "UnreadableResults";
}

/**
 * Reads `run.json` and `results.ndjson`. A last line that was cut off by a kill, and lines that are no results, are
 * listed as problems; everything else is kept. When a check answered twice, the later answer counts.
 *
 * @param folder a results directory
 * @throws {UnreadableResults} when it holds no `run.json` or no `results.ndjson`
 */
export function readResults(folder: string): RunResults {
  const path = resolve(folder);
  const problems: string[] = [];
  const run = readRun(join(path, "run.json"));
  const latest = new Map<string, CheckResult>();
  const lines = readText(join(path, "results.ndjson")).split("\n");
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const result = parseResult(line);
    if (result === undefined) {
      const cut = index === lines.length - 1 ? "was cut off" : "is not a result";
      problems.push(`results.ndjson line ${index + 1} ${cut} and is not in this report`);
      continue;
    }
    const key = `${result.api}/${result.check}`;
    latest.delete(key);
    latest.set(key, result);
  }
  return { folder: path, run, results: [...latest.values()], problems };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new UnreadableResults(`${file} cannot be read: is this a results directory?`, { cause });
  }
}

function readRun(file: string): RunDescription {
  const value = parseObject(readText(file));
  if (value === undefined) throw new UnreadableResults(`${file} is not a JSON object`);
  const harness = objectOf(value["harness"]);
  const selection = objectOf(value["selection"]);
  const counts = objectOf(value["counts"]);
  const endedAt = value["endedAt"];
  const resumed = list(value["resumed"]).map((entry) => {
    const { at, kept } = objectOf(entry);
    return { at: text(at, ""), kept: number(kept) };
  });
  const waivers = list(value["waivers"]).map(runWaiverOf);
  return {
    schema: 1,
    run: text(value["run"], "unknown"),
    tenant: text(value["tenant"], "unknown"),
    tenantName: text(value["tenantName"], text(value["tenant"], "unknown")),
    environment: text(value["environment"], "unknown"),
    targets: list(value["targets"]).map((entry) => {
      const target = objectOf(entry);
      const api = text(target["api"], "unknown");
      return { api, title: text(target["title"], api), base: text(target["base"], "") };
    }),
    selection: {
      apis: list(selection["apis"]).map((entry) => text(entry, "")),
      suites: list(selection["suites"]).map((entry) => text(entry, "")),
      checks: list(selection["checks"]).map((entry) => text(entry, "")),
    },
    notAsked: list(value["notAsked"]).map((entry) => {
      const part = objectOf(entry);
      return {
        api: text(part["api"], "unknown"),
        suite: text(part["suite"], "unknown"),
        reason: text(part["reason"], "no reason was recorded"),
        checks: number(part["checks"]),
      };
    }),
    startedAt: text(value["startedAt"], new Date(0).toISOString()),
    ...(typeof endedAt === "string" ? { endedAt } : {}),
    state: value["state"] === "complete" || value["state"] === "interrupted" ? value["state"] : "running",
    ...(resumed.length === 0 ? {} : { resumed }),
    ...(waivers.length === 0 ? {} : { waivers }),
    planned: number(value["planned"]),
    counts: Object.fromEntries(STATUSES.map((status) => [status, number(counts[status])])) as Record<
      Status,
      number
    >,
    evidence: value["evidence"] === "full" || value["evidence"] === "none" ? value["evidence"] : "masked",
    failOn: value["failOn"] === "warn" ? "warn" : "fail",
    harness: {
      name: text(harness["name"], "careconnect-conformance"),
      version: text(harness["version"], "unknown"),
      node: text(harness["node"], "unknown"),
    },
    digests: Object.fromEntries(
      Object.entries(objectOf(value["digests"])).map(([name, digest]) => [name, text(digest, "")]),
    ),
    reproduce: text(value["reproduce"], ""),
  };
}

/** One line of `results.ndjson`, or undefined when it is none. */
export function parseResult(line: string): CheckResult | undefined {
  const value = parseObject(line);
  return value === undefined ? undefined : asCheckResult(value);
}

/**
 * Takes an unknown value as a {@link CheckResult} when it says at least which check answered what; whatever else is
 * missing gets a neutral value.
 */
export function asCheckResult(from: unknown): CheckResult | undefined {
  const value = objectOf(from);
  const { check, status } = value;
  if (typeof check !== "string" || !STATUSES.includes(status as Status)) return undefined;
  const suite = text(value["suite"], check.split(".")[0] ?? check);
  const optional = (name: "remedy" | "reason" | "blockedBy" | "wanted"): Partial<CheckResult> => {
    const found = value[name];
    return typeof found === "string" && found !== "" ? { [name]: found } : {};
  };
  const tables = list(value["tables"]).map(tableOf);
  return {
    schema: 1,
    run: text(value["run"], "unknown"),
    tenant: text(value["tenant"], "unknown"),
    environment: text(value["environment"], "unknown"),
    api: text(value["api"], "unknown"),
    check,
    suite,
    suiteTitle: text(value["suiteTitle"], suite),
    title: text(value["title"], check),
    level: levelOf(value["level"]),
    requirements: list(value["requirements"]).map(requirementOf),
    status: status as Status,
    findings: list(value["findings"]).map(findingOf),
    summary: text(value["summary"], ""),
    ...optional("remedy"),
    ...optional("reason"),
    ...optional("blockedBy"),
    ...optional("wanted"),
    startedAt: text(value["startedAt"], new Date(0).toISOString()),
    durationMs: Math.max(0, number(value["durationMs"])),
    exchanges: list(value["exchanges"]).filter((id): id is string => typeof id === "string"),
    ...(tables.length === 0 ? {} : { tables }),
    ...waivedOf(value["waived"]),
  };
}

function waivedOf(from: unknown): Pick<CheckResult, "waived"> {
  const value = objectOf(from);
  const waivers = list(value["waivers"]).map((entry) => ({
    ...waiverOf(entry),
    findings: list(objectOf(entry)["findings"]).map(number),
  }));
  return waivers.length === 0 ? {} : { waived: { complete: value["complete"] === true, waivers } };
}

function runWaiverOf(from: unknown): RunWaiver {
  const value = objectOf(from);
  const { state } = value;
  return {
    ...waiverOf(value),
    check: text(value["check"], ""),
    // What is not said to hold does not.
    state: state === "applied" || state === "unused" ? state : "expired",
    verdicts: number(value["verdicts"]),
    findings: number(value["findings"]),
  };
}

function waiverOf(from: unknown): Omit<ResultWaiver, "findings"> {
  const value = objectOf(from);
  const link = text(value["link"], "");
  return {
    id: text(value["id"], "unknown"),
    reason: text(value["reason"], "no reason was recorded"),
    owner: text(value["owner"], "nobody"),
    expires: text(value["expires"], "unknown"),
    ...(link === "" ? {} : { link }),
  };
}

function tableOf(from: unknown): ResultTable {
  const value = objectOf(from);
  const note = text(value["note"], "");
  return {
    id: text(value["id"], "table"),
    title: text(value["title"], ""),
    columns: list(value["columns"]).map((column) => text(column, "")),
    rows: list(value["rows"]).map((row) => list(row).map(cellOf)),
    ...(note === "" ? {} : { note }),
  };
}

const CELL_STATES = ["good", "bad", "warning", "muted"] as const;

function cellOf(from: unknown): ResultCell {
  if (typeof from === "string") return from;
  const value = objectOf(from);
  const shown = text(value["text"], "");
  const state = CELL_STATES.find((known) => known === value["state"]);
  const { exchange } = value;
  if (state === undefined) return shown;
  return { text: shown, state, ...(typeof exchange === "string" ? { exchange } : {}) };
}

function levelOf(value: unknown): Level {
  return value === "SHOULD" || value === "MAY" ? value : "SHALL";
}

function requirementOf(from: unknown): RequirementReference {
  const value = objectOf(from);
  const conformance = value["conformance"];
  return {
    id: text(value["id"], "unknown"),
    url: text(value["url"], ""),
    ...(typeof conformance === "string" ? { conformance } : {}),
  };
}

function findingOf(from: unknown): ResultFinding {
  const value = objectOf(from);
  const { location, exchange } = value;
  return {
    code: text(value["code"], "unknown"),
    expected: text(value["expected"], ""),
    actual: text(value["actual"], ""),
    ...(typeof location === "string" ? { location } : {}),
    ...(typeof exchange === "string" ? { exchange } : {}),
    message: text(value["message"], ""),
  };
}

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The value if it is an object, else an empty one. */
export function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** The value if it is an array, else an empty one. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
