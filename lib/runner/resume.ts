import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ValidateFunction } from "ajv";
import { ConfigurationError } from "../config/errors.ts";
import { ownPackage } from "../config/package.ts";
import { compileSchema } from "../config/yaml.ts";
import type { CheckResult, RunDescription } from "../checks/results.ts";

/** What an unfinished run left behind. */
export interface LeftBehind {
  /** Verdicts that stand, one per API and check, in the order in which they fell. */
  readonly kept: readonly CheckResult[];
  /** Number of the first exchange of whoever continues: no evidence is overwritten, no id used twice. */
  readonly firstExchange: number;
}

/**
 * The description of the run in a results directory.
 *
 * @param out the directory as the user gave it
 * @throws ConfigurationError where there is none that can be continued
 */
export function readRunToResume(out: string): RunDescription {
  const file = join(resolve(out), "run.json");
  if (!existsSync(file)) {
    throw new ConfigurationError(`--resume: ${out} holds no run.json, so there is no run to continue`);
  }
  const value = parse(readFileSync(file, "utf8"));
  const isRun = schema("run") as ValidateFunction<RunDescription>;
  if (!isRun(value)) {
    throw new ConfigurationError(
      `--resume: ${file} is not of this version, so its run cannot be continued; start one without --resume`,
    );
  }
  return value;
}

/**
 * Makes sure that a run may go on under a new description: its verdicts must rest on the same questions, asked of the
 * same servers, in the same way.
 *
 * @param bases whether addresses must be the same: those of an embedded sandbox never are
 * @throws ConfigurationError naming all that differs
 */
export function checkSameRun(
  out: string,
  earlier: RunDescription,
  now: RunDescription,
  bases: "same" | "any",
): void {
  const found = [
    ...difference("the tenant", earlier.tenant, now.tenant),
    ...difference("the environment", earlier.environment, now.environment),
    ...difference("the version of the harness", earlier.harness.version, now.harness.version),
    ...difference("--evidence", earlier.evidence, now.evidence),
    ...difference("--api", earlier.selection.apis.join(","), now.selection.apis.join(",")),
    ...difference("--suite", earlier.selection.suites.join(","), now.selection.suites.join(",")),
    ...difference("--check", earlier.selection.checks.join(","), now.selection.checks.join(",")),
  ];
  const rests =
    found.length > 0
      ? []
      : [
          ...changedFiles(earlier.digests, now.digests),
          ...(bases === "any" ? [] : changedBases(earlier, now)),
          ...difference("the number of checks", String(earlier.planned), String(now.planned)),
        ];
  const all = [...found, ...rests];
  if (all.length === 0) return;
  throw new ConfigurationError(
    `--resume: the run in ${out} cannot be continued: ${all.join("; ")}; start a new one without --resume`,
  );
}

/** Selections are compared as they were given: their order is what a run's own description holds. */
function difference(what: string, before: string, now: string): string[] {
  return before === now ? [] : [`${what} was ${before === "" ? "not given" : before}, now ${now || "none"}`];
}

function changedFiles(
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((name) => {
    // Waivers are no ground that verdicts rest on: they are applied anew.
    if (before[name] === now[name] || name === "config/waivers.yaml") return [];
    return [
      `${name} ${before[name] === undefined ? "is new" : now[name] === undefined ? "is gone" : "has changed"}`,
    ];
  });
}

function changedBases(earlier: RunDescription, now: RunDescription): string[] {
  return now.targets.flatMap(({ api, base }) =>
    difference(`the base URL of ${api}`, earlier.targets.find((one) => one.api === api)?.base ?? "", base),
  );
}

/**
 * Reads what an unfinished run left, and takes away what nobody can use: a line that the kill cut in half, verdicts
 * that are to be asked again, evidence that was being written.
 *
 * A check that was blocked or in error is asked again, since what stood in its way may be gone; every other verdict
 * stands.
 *
 * @param path the results directory; the caller holds its lock
 * @param judge what is said of a kept verdict today: which of its findings are waived
 */
export function pickUp(path: string, judge: (result: CheckResult) => CheckResult): LeftBehind {
  const kept = new Map<string, CheckResult>();
  const exchanges = new Set<string>();
  const isResult = schema("result") as ValidateFunction<CheckResult>;
  const file = join(path, "results.ndjson");
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  for (const line of lines) {
    const value = parse(line);
    if (!isResult(value)) continue;
    for (const id of value.exchanges) exchanges.add(id);
    const key = answerKey(value.api, value.check);
    kept.delete(key);
    if (value.status !== "blocked" && value.status !== "error") kept.set(key, judge(value));
  }
  const results = [...kept.values()];
  replace(file, results.map((result) => `${JSON.stringify(result)}\n`).join(""));
  const evidence = join(path, "evidence");
  const files = existsSync(evidence) ? readdirSync(evidence) : [];
  for (const name of files) if (name.endsWith(".json")) exchanges.add(name.slice(0, -".json".length));
  dropHalfWritten(evidence, files, new Set(results.flatMap((result) => result.exchanges)));
  return { kept: results, firstExchange: Math.max(0, ...[...exchanges].map(numberOf)) + 1 };
}

/** What tells the verdicts of a run apart. */
export function answerKey(api: string, check: string): string {
  return `${api}/${check}`;
}

function dropHalfWritten(evidence: string, files: readonly string[], inUse: ReadonlySet<string>): void {
  for (const name of files) {
    if (!name.endsWith(".json") || inUse.has(name.slice(0, -".json".length))) continue;
    const path = join(evidence, name);
    if (parse(readFileSync(path, "utf8")) === undefined) rmSync(path, { force: true });
  }
}

function numberOf(exchange: string): number {
  const digits = /^x(\d+)$/.exec(exchange)?.[1];
  return digits === undefined ? 0 : Number(digits);
}

function schema(name: string): ValidateFunction {
  return compileSchema(join(ownPackage().root, "config", "schema", `${name}.schema.json`));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}
