import type { Configuration } from "../config/load.ts";
import { resolveTargets, type SandboxPlace, type Target } from "../config/targets.ts";
import { answerCheck, type Answer, type Procedures } from "../checks/answer.ts";
import type { TargetSession } from "../checks/context.ts";
import type { CheckDefinition, Proof, SuiteDefinition } from "../checks/definition.ts";
import type { Level, Status } from "../checks/verdict.ts";
import { formatVerdict } from "../checks/words.ts";
import type { HttpClient, HttpLimits } from "../http/types.ts";
import { notApplicableReason } from "../checks/applies.ts";
import { openClient } from "./client.ts";
import { openSessions } from "./sessions.ts";

/** A started sandbox; `lib/sandbox` gives them, the CLI passes it in. */
export interface StartedSandbox extends SandboxPlace {
  /** Its faults, with how often each has changed something. */
  readonly faults: readonly { readonly applied: number }[];
  close(): Promise<void>;
}

export type StartSandbox = (options: {
  readonly faults: readonly string[];
  readonly tls: boolean;
}) => Promise<StartedSandbox>;

export interface ProveOptions {
  readonly configuration: Configuration;
  /** Tenant whose `sandbox` environment has every API of the sandbox. */
  readonly tenant: string;
  readonly environment: string;
  readonly suites: readonly SuiteDefinition[];
  readonly procedures: Procedures;
  readonly startSandbox: StartSandbox;
  /** How many sandboxes may run at once. */
  readonly concurrency: number;
  /** Ask which other checks of the suite each fault trips, too: the whole suite for each fault. */
  readonly alsoTrips?: boolean;
  /** Called as each check is decided. */
  readonly onProof?: (proof: CheckProof) => void;
}

/** How a check answered under one fault. */
export interface FaultProof {
  readonly fault: string;
  readonly finding: string;
  readonly proven: boolean;
  /** What happened instead, when it is not proven. */
  readonly problem?: string;
  /** The sentence that a user would read. */
  readonly says?: string;
  /** Checks of the same suite that this fault trips too, where that was asked. */
  readonly alsoTrips: readonly string[];
}

export interface CheckProof {
  readonly check: string;
  readonly level: Level;
  readonly proven: boolean;
  /** Verdicts on the conformant sandbox, by API. */
  readonly conformant: Readonly<Record<string, Status>>;
  /** Why the conformant sandbox does not pass, when it does not. */
  readonly problems: readonly string[];
  readonly faults: readonly FaultProof[];
}

const BY_LEVEL: Readonly<Record<Level, Status>> = { SHALL: "fail", SHOULD: "warn", MAY: "info" };

/** What a check may say of a conformant sandbox, as long as it passes at one API. */
const FINE: ReadonlySet<Status> = new Set<Status>(["pass", "not-applicable", "no-data"]);

const SHORT: Partial<HttpLimits> = {
  connectMs: 2000,
  // A first login has a sandbox make its keys, and the machine may be busy.
  headersMs: 10_000,
  bodyIdleMs: 10_000,
  exchangeMs: 15_000,
  totalMs: 20_000,
  retryDelayMs: 5,
  retryWaitMs: 20,
};

/** A sandbox with sessions on its targets. */
interface Bench {
  readonly targets: readonly Target[];
  session(target: Target): TargetSession;
  /** Whether every fault has changed something by now. */
  faultsActed(): boolean;
  close(): Promise<void>;
}

/**
 * Proves every check both ways: on the conformant sandbox it passes (or is not applicable, with a reason), and on a
 * sandbox with the one fault it exists for it fails, warns or informs with the declared finding.
 */
export async function proveChecks(options: ProveOptions): Promise<readonly CheckProof[]> {
  const baselines = await answerConformant(options);
  const families: Families = new Set();
  const proofs: CheckProof[] = [];
  const work = options.suites.flatMap((suite) => suite.checks.map((check) => ({ suite, check })));
  await each(work, options.concurrency, async ({ suite, check }) => {
    const proof = await proveCheck(options, suite, check, baselines, families);
    proofs.push(proof);
    options.onProof?.(proof);
  });
  const order = new Map(work.map(({ check }, index) => [check.id, index]));
  return proofs.toSorted((a, b) => (order.get(a.check) ?? 0) - (order.get(b.check) ?? 0));
}

type Baselines = ReadonlyMap<string, ReadonlyMap<string, Answer>>;

/**
 * Faults whose side effects have been looked at, their arguments left out: rows of one generated check have one fault
 * with many arguments, and the first of them tells for all which other questions such a fault disturbs.
 */
type Families = Set<string>;

async function answerConformant(options: ProveOptions): Promise<Baselines> {
  const baselines = new Map<string, Map<string, Answer>>();
  const kinds = [false, true].filter((tls) =>
    options.suites.some((suite) => suite.checks.some((check) => (check.sandbox?.tls === true) === tls)),
  );
  for (const tls of kinds) {
    const bench = await openBench(options, [], tls);
    try {
      for (const suite of options.suites) {
        const checks = suite.checks.filter((check) => (check.sandbox?.tls === true) === tls);
        for (const target of bench.targets) {
          if (notApplicableReason(suite.applies, target) !== undefined) continue;
          const session = bench.session(target);
          await each(checks, 16, async (check) => {
            const answers = baselines.get(check.id) ?? new Map<string, Answer>();
            baselines.set(check.id, answers);
            answers.set(target.api, await answerCheck(check, session, options.procedures));
          });
        }
      }
    } finally {
      await bench.close();
    }
  }
  return baselines;
}

async function proveCheck(
  options: ProveOptions,
  suite: SuiteDefinition,
  check: CheckDefinition,
  baselines: Baselines,
  families: Families,
): Promise<CheckProof> {
  const answers = baselines.get(check.id) ?? new Map<string, Answer>();
  const conformant = Object.fromEntries([...answers].map(([api, { verdict }]) => [api, verdict.status]));
  const problems = [...answers]
    // Where another API has the data, one without them is no contradiction.
    .filter(([, { verdict }]) => !FINE.has(verdict.status))
    .map(
      ([api, { verdict }]) =>
        `${api}: ${verdict.status} on the conformant sandbox: ${formatVerdict(check.title, verdict)}`,
    );
  const api = [...answers].find(([, { verdict }]) => verdict.status === "pass")?.[0];
  if (api === undefined && problems.length === 0)
    problems.push("it passes at no API of the sandbox: it is not applicable, or there are no data");
  const faults: FaultProof[] = [];
  for (const proof of check.proofs)
    faults.push(await proveFault(options, suite, check, proof, api, baselines, families));
  return {
    check: check.id,
    level: check.level,
    proven: problems.length === 0 && faults.length > 0 && faults.every((fault) => fault.proven),
    conformant,
    problems,
    faults,
  };
}

async function proveFault(
  options: ProveOptions,
  suite: SuiteDefinition,
  check: CheckDefinition,
  proof: Proof,
  api: string | undefined,
  baselines: Baselines,
  families: Families,
): Promise<FaultProof> {
  const base = { fault: proof.id, finding: proof.finding };
  if (api === undefined)
    return { ...base, proven: false, problem: "no API on which it passes to start from", alsoTrips: [] };
  let bench: Bench;
  try {
    bench = await openBench(options, [proof.id], check.sandbox?.tls === true);
  } catch (error) {
    return {
      ...base,
      proven: false,
      problem: error instanceof Error ? error.message : String(error),
      alsoTrips: [],
    };
  }
  try {
    const target = bench.targets.find((one) => one.api === api);
    if (target === undefined) throw new Error(`the sandbox has no ${api}`);
    const session = bench.session(target);
    // Alone first: any single check must be able to run without the others.
    const { verdict } = await answerCheck(check, session, options.procedures);
    const says = formatVerdict(check.title, verdict);
    const acted = bench.faultsActed();
    const family = proof.id.split(":")[0] ?? proof.id;
    const isKnown = isRow(check) && families.has(family);
    families.add(family);
    const alsoTrips =
      options.alsoTrips !== true || isKnown
        ? []
        : await tripped(options, suite, check, session, api, baselines);
    // A question about what the data show: without them it stays open, which is no failure.
    const isOpen = proof.finding === "no-data";
    const wanted = isOpen ? "no-data" : BY_LEVEL[check.level];
    const codes = "findings" in verdict ? verdict.findings.map((finding) => finding.code) : [];
    if (verdict.status !== wanted) {
      return {
        ...base,
        proven: false,
        problem: `expected ${wanted}, got ${verdict.status}: ${says}`,
        says,
        alsoTrips,
      };
    }
    if (!isOpen && !codes.includes(proof.finding)) {
      return {
        ...base,
        proven: false,
        problem: `expected the finding ${proof.finding}, got ${codes.join(", ")}`,
        says,
        alsoTrips,
      };
    }
    if (!acted) {
      // Then something else led to the finding, such as a sandbox that has fallen over.
      return {
        ...base,
        proven: false,
        problem: "the fault changed nothing that the check saw",
        says,
        alsoTrips,
      };
    }
    return { ...base, proven: true, says, alsoTrips };
  } finally {
    await bench.close();
  }
}

/** Whether a check is one of many that a file of rows has made. */
function isRow({ id }: CheckDefinition): boolean {
  return id.includes(":");
}

/** Checks that stand for all: every one that is no row, and the first row of each that `keep` takes. */
function representatives(
  checks: readonly CheckDefinition[],
  keep: (check: CheckDefinition) => boolean,
): readonly CheckDefinition[] {
  const seen = new Set<string>();
  return checks.filter(keep).filter((check) => {
    if (!isRow(check)) return true;
    const first = !seen.has(check.source);
    seen.add(check.source);
    return first;
  });
}

/**
 * Other checks of the suite whose verdict the fault changes for the worse. Rows of generated checks are too many to be
 * asked again under each fault: one row stands for those of its kind.
 */
async function tripped(
  options: ProveOptions,
  suite: SuiteDefinition,
  check: CheckDefinition,
  session: TargetSession,
  api: string,
  baselines: Baselines,
): Promise<readonly string[]> {
  const others = representatives(
    suite.checks,
    (other) =>
      other.id !== check.id &&
      other.source !== check.source &&
      (other.sandbox?.tls === true) === (check.sandbox?.tls === true) &&
      baselines.get(other.id)?.get(api)?.verdict.status === "pass",
  );
  const found: string[] = [];
  await each(others, 16, async (other) => {
    const { verdict } = await answerCheck(other, session, options.procedures);
    if (verdict.status === "fail" || verdict.status === "warn" || verdict.status === "info")
      found.push(other.id);
  });
  return found.toSorted();
}

async function openBench(options: ProveOptions, faults: readonly string[], tls: boolean): Promise<Bench> {
  const sandbox = await options.startSandbox({ faults, tls });
  let http: HttpClient | undefined;
  try {
    const selection = { tenant: options.tenant, environment: options.environment, apis: [] };
    const resolved = resolveTargets(options.configuration, selection, process.env, sandbox);
    // Short bounds: a fault that makes the sandbox hang must not make the proof hang.
    const { http: client } = openClient(resolved, () => undefined, SHORT);
    http = client;
    const sessions = openSessions(resolved, client);
    return {
      targets: resolved.targets,
      faultsActed: () => sandbox.faults.every(({ applied }) => applied > 0),
      session: (target) => sessions.of(target),
      async close() {
        await sessions.close();
        await client.close();
        await sandbox.close();
      },
    };
  } catch (error) {
    await http?.close();
    await sandbox.close();
    throw error;
  }
}

/** Runs work on every member, so many at a time. */
async function each<T>(
  members: readonly T[],
  concurrency: number,
  work: (member: T) => Promise<void>,
): Promise<void> {
  const queue = members.values();
  const lane = async () => {
    for (const member of queue) await work(member);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, members.length) }, lane));
}
