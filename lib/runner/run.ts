import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createVitest, type Reporter } from "vitest/node";
import { ConfigurationError } from "../config/errors.ts";
import { configName, type Configuration, type EvidenceMode } from "../config/load.ts";
import { ownPackage } from "../config/package.ts";
import {
  resolveTargets,
  type ResolvedTargets,
  type SandboxPlace,
  type TargetSelection,
} from "../config/targets.ts";
import { loadSuites } from "../checks/load.ts";
import type { CheckResult, RunDescription, RunWaiver } from "../checks/results.ts";
import type { Job } from "./job.ts";
import { planRun, type CheckSelection, type Plan } from "./plan.ts";
import { countsOf, createProgress, type ProgressOutput } from "./progress.ts";
import { lockResultsFolder, takeResultsFolder } from "./results-folder.ts";
import { applyWaivers, checkWaivers, surveyWaivers } from "./waivers.ts";
import { answerKey, checkSameRun, pickUp, readRunToResume, type LeftBehind } from "./resume.ts";

export interface RunOptions {
  readonly configuration: Configuration;
  readonly configDirectory?: string;
  readonly targets: TargetSelection;
  readonly checks: CheckSelection;
  readonly sandbox?: SandboxPlace;
  /** Results directory; made when it is not there. */
  readonly out: string;
  /** What is done with an earlier run in it: its results are replaced, or it goes on where it was stopped. */
  readonly earlier: "replace" | "resume";
  /** How many checks may be under way at once. */
  readonly concurrency: number;
  readonly evidence?: EvidenceMode;
  readonly failOn: "fail" | "warn";
  readonly reproduce: string;
  readonly progress: ProgressOutput;
  /** Reporters that get each result as it falls, such as Allure's. */
  readonly reporters: (out: string, apiTitles: ReadonlyMap<string, string>) => readonly Reporter[];
  /** Ends the run early; what has a verdict keeps it. */
  readonly signal?: AbortSignal;
}

export interface RunOutcome {
  readonly description: RunDescription;
  readonly results: readonly CheckResult[];
  /** How many checks were asked: none of a complete run that was to be resumed. */
  readonly asked: number;
}

/**
 * Runs checks against the targets of one tenant in one environment, and writes `run.json`, `results.ndjson` and
 * evidence as verdicts fall. A run that is resumed keeps its id and its verdicts, and is asked only for those that are
 * missing, blocked or in error.
 *
 * @throws ConfigurationError before any verdict is written or an earlier one is cleared
 */
export async function runChecks(options: RunOptions): Promise<RunOutcome> {
  const resolved = resolveTargets(options.configuration, options.targets, process.env, options.sandbox);
  const suites = loadSuites();
  checkWaivers(options.configuration, suites, options.targets.tenant);
  const plan = planRun(resolved.targets, suites, options.checks);
  const planned = plan.planned.reduce((sum, part) => sum + part.checks.length, 0);
  if (planned === 0) {
    const reasons = [
      ...new Set(plan.notAsked.map(({ api, suite, reason }) => `${suite} at ${api}: ${reason}`)),
    ];
    throw new ConfigurationError(`nothing is selected to check (${reasons.join("; ")})`);
  }
  const fresh = describeRun(options, resolved, plan, planned, options.evidence ?? resolved.evidence);
  if (options.earlier === "resume") checkSame(options, fresh);
  const folder =
    options.earlier === "resume" ? lockResultsFolder(options.out) : takeResultsFolder(options.out);
  process.once("exit", folder.release);
  try {
    return options.earlier === "resume"
      ? await resumeIn(folder.path, options, resolved, fresh)
      : await startIn(folder.path, options, resolved, fresh);
  } finally {
    process.off("exit", folder.release);
    folder.release();
  }
}

function checkSame(options: RunOptions, fresh: RunDescription): RunDescription {
  const earlier = readRunToResume(options.out);
  checkSameRun(options.out, earlier, fresh, options.sandbox === undefined ? "same" : "any");
  return earlier;
}

async function startIn(
  out: string,
  options: RunOptions,
  resolved: ResolvedTargets,
  fresh: RunDescription,
): Promise<RunOutcome> {
  writeFileSync(join(out, "results.ndjson"), "", { mode: 0o600 });
  return await runInto(out, options, resolved, fresh, { kept: [], firstExchange: 1 }, dayOf(fresh));
}

async function resumeIn(
  out: string,
  options: RunOptions,
  resolved: ResolvedTargets,
  fresh: RunDescription,
): Promise<RunOutcome> {
  // Another run may have ended here since the first look.
  const { endedAt: _, ...earlier } = checkSame(options, fresh);
  const waivers = options.configuration.waivers();
  const today = dayOf(fresh);
  const left = pickUp(out, (result) => applyWaivers(result, waivers, today));
  if (earlier.state === "complete" && left.kept.length === earlier.planned) {
    const whole = { ...readRunToResume(out), failOn: fresh.failOn, digests: fresh.digests };
    const description = withWaivers(whole, surveyWaivers(left.kept, waivers, today));
    writeRun(out, description);
    return { description, results: left.kept, asked: 0 };
  }
  const begun: RunDescription = {
    ...earlier,
    targets: fresh.targets,
    failOn: fresh.failOn,
    harness: fresh.harness,
    digests: fresh.digests,
    state: "running",
    resumed: [...(earlier.resumed ?? []), { at: fresh.startedAt, kept: left.kept.length }],
    counts: countsOf(left.kept),
  };
  return await runInto(out, options, resolved, begun, left, today);
}

async function runInto(
  out: string,
  options: RunOptions,
  resolved: ResolvedTargets,
  begun: RunDescription,
  left: LeftBehind,
  today: string,
): Promise<RunOutcome> {
  writeRun(out, begun);
  const { planned } = begun;
  const progress = createProgress(planned, options.progress, left.kept);
  const job: Job = {
    run: begun.run,
    ...(options.configDirectory === undefined ? {} : { configDirectory: options.configDirectory }),
    targets: options.targets,
    checks: options.checks,
    ...(options.sandbox === undefined ? {} : { sandbox: placeOf(options.sandbox) }),
    evidence: begun.evidence,
    answered: left.kept.map(({ api, check }) => answerKey(api, check)),
    today,
    firstExchange: left.firstExchange,
    out,
  };
  const titles = new Map(resolved.targets.map(({ api, title }) => [api, title]));
  const waivers = options.configuration.waivers();
  const ended = (state: RunDescription["state"]): RunDescription =>
    withWaivers(
      { ...begun, state, endedAt: new Date().toISOString(), counts: { ...progress.counts } },
      surveyWaivers(progress.results, waivers, today),
    );
  // Whoever loses patience ends the process at once; what is left behind must not look like a run under way.
  const giveUp = () => writeRun(out, ended("interrupted"));
  process.once("exit", giveUp);
  try {
    if (left.kept.length < planned) await drive(job, options, [progress, ...options.reporters(out, titles)]);
  } catch (error) {
    giveUp();
    throw error;
  } finally {
    process.off("exit", giveUp);
  }
  // A signal that comes after the last verdict has nothing left to interrupt.
  const complete = progress.results.length === planned;
  const description = ended(complete ? "complete" : "interrupted");
  writeRun(out, description);
  return { description, results: progress.results, asked: progress.results.length - left.kept.length };
}

/** The day on which a run was started or taken up again: waivers hold or have expired by it. */
function dayOf({ startedAt }: RunDescription): string {
  return startedAt.slice(0, 10);
}

function withWaivers(run: RunDescription, waivers: readonly RunWaiver[]): RunDescription {
  const { waivers: _, ...rest } = run;
  return waivers.length === 0 ? rest : { ...rest, waivers };
}

function signalListeners(): (readonly [NodeJS.Signals, NodeJS.SignalsListener])[] {
  return (["SIGTERM", "SIGINT"] as const).flatMap((signal) =>
    process.listeners(signal).map((listener) => [signal, listener] as const),
  );
}

/** Only what can be cloned into the worker. */
function placeOf({ origin, legacyOrigin, env, ca }: SandboxPlace): SandboxPlace {
  return { origin, legacyOrigin, env: { ...env }, ...(ca === undefined ? {} : { ca }) };
}

async function drive(job: Job, options: RunOptions, reporters: readonly Reporter[]): Promise<void> {
  const root = entryFolder();
  const listening = signalListeners();
  const vitest = await createVitest(
    "test",
    {
      root,
      dir: root,
      config: false,
      watch: false,
      include: ["lib/runner/suite-entry.js"],
      exclude: [],
      cache: false,
      pool: "threads",
      isolate: false,
      maxWorkers: 1,
      fileParallelism: false,
      maxConcurrency: options.concurrency,
      testTimeout: 0,
      hookTimeout: 0,
      teardownTimeout: 5000,
      passWithNoTests: true,
      reporters: [...reporters],
      provide: { careconnectJob: job },
    },
    // Vite must write nowhere but below the results: the package may be installed read-only.
    { cacheDir: join(job.out, ".vite"), logLevel: "silent", configFile: false, envDir: false } as object,
  );
  // Vite would end the process on SIGTERM; the exit code and what is left behind are the command's own business.
  for (const [signal, listener] of signalListeners()) {
    if (!listening.some(([, known]) => known === listener)) process.off(signal, listener);
  }
  const stop = () => void vitest.cancelCurrentRun("keyboard-input");
  options.signal?.addEventListener("abort", stop, { once: true });
  try {
    const { testModules, unhandledErrors } = await vitest.start();
    const problem = [...testModules.flatMap((module) => module.errors()), ...unhandledErrors][0];
    if (problem !== undefined && options.signal?.aborted !== true) throw new RunFailed(problem);
  } finally {
    options.signal?.removeEventListener("abort", stop);
    await vitest.close();
    rmSync(join(job.out, ".vite"), { recursive: true, force: true });
  }
}

/** The run could not be completed, through no verdict of any check. */
export class RunFailed extends Error {
  override readonly name = "RunFailed";

  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

function messageOf(cause: unknown): string {
  const message = (cause as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : String(cause);
}

/** The compiled package: vitest finds tests only below its root, and not below an installed package's sources. */
function entryFolder(): string {
  const folder = join(ownPackage().root, "dist");
  if (!existsSync(join(folder, "lib", "runner", "suite-entry.js"))) {
    throw new Error("the package is not built: run `npm run build` first");
  }
  return folder;
}

function describeRun(
  options: RunOptions,
  resolved: ResolvedTargets,
  plan: Plan,
  planned: number,
  evidence: EvidenceMode,
): RunDescription {
  const { name, version } = ownPackage();
  return {
    schema: 1,
    run: randomUUID(),
    tenant: resolved.tenant.id,
    tenantName: resolved.tenant.value.name,
    environment: options.targets.environment,
    targets: resolved.targets.map(({ api, title, base }) => ({ api, title, base })),
    selection: { apis: options.targets.apis, suites: options.checks.suites, checks: options.checks.checks },
    notAsked: plan.notAsked,
    startedAt: new Date().toISOString(),
    state: "running",
    planned,
    counts: countsOf([]),
    evidence,
    failOn: options.failOn,
    harness: { name, version, node: process.version },
    digests: digests(options.configuration, resolved.tenant.id),
    reproduce: options.reproduce,
  };
}

/** Checksums of what verdicts rest on. Secrets are not in these files: configuration only refers to them. */
function digests(configuration: Configuration, tenant: string): Readonly<Record<string, string>> {
  const { root } = ownPackage();
  const suites = loadSuites().flatMap((suite) => suite.files);
  const packs = ["fhir-r4-4.0.1", "us-core-6.1.0", "us-core-3.1.1"].map(
    (pack) => `profiles/${pack}/manifest.json`,
  );
  const files = [
    ...configuration.files(tenant).map((path) => [configName(path), path] as const),
    ...[...suites, ...packs].map((name) => [name, join(root, name)] as const),
  ];
  return Object.fromEntries(
    files
      .filter(([, path]) => existsSync(path))
      .map(([name, path]) => [
        name,
        `sha256:${createHash("sha256").update(readFileSync(path)).digest("hex")}`,
      ]),
  );
}

/** Replaces `run.json` in one step, so that a reader never sees half of it. */
function writeRun(out: string, description: RunDescription): void {
  const path = join(out, "run.json");
  writeFileSync(`${path}.tmp`, `${JSON.stringify(description, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}
