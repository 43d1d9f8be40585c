import type { Argv } from "yargs";
import { join, relative, resolve } from "node:path";
import { isWaived, type CheckResult, type RunDescription, type RunWaiver } from "../checks/results.ts";
import { checkFaults } from "./sandbox.ts";
import { EXIT } from "./exit-codes.ts";
import { chosenOf, membersOf, printJson, wholeNumber, type Done } from "./options.ts";

const FORMATS = ["allure", "junit", "github"] as const;

interface RunArguments {
  readonly tenant: string;
  readonly environment: string;
  readonly api?: readonly string[];
  readonly suite?: readonly string[];
  readonly check?: readonly string[];
  readonly out?: string;
  readonly resume: boolean;
  readonly concurrency: number;
  readonly failOn?: "fail" | "warn";
  readonly format?: readonly string[];
  readonly evidence?: "full" | "masked" | "none";
  readonly keepFiles: boolean;
  readonly config?: string;
  readonly json: boolean;
}

/** `run`: checks one tenant in one environment. */
export function runCommand(done: Done) {
  return {
    command: "run",
    describe: "Check a tenant and write its report",
    builder: (yargs: Argv) =>
      yargs.options({
        tenant: {
          type: "string",
          demandOption: true,
          requiresArg: true,
          describe: "Tenant: a file of config/tenants",
        },
        environment: {
          type: "string",
          demandOption: true,
          requiresArg: true,
          describe: "production, preview, sandbox or rehearsal",
        },
        api: { type: "string", array: true, requiresArg: true, describe: "Only this API (repeatable)" },
        suite: { type: "string", array: true, requiresArg: true, describe: "Only this suite (repeatable)" },
        check: {
          type: "string",
          array: true,
          requiresArg: true,
          describe: "Only these checks; * stands for anything (repeatable)",
        },
        out: {
          type: "string",
          requiresArg: true,
          describe: "Results directory [reports/out/<environment>/<tenant>]",
        },
        resume: {
          type: "boolean",
          default: false,
          describe: "Go on with the run in the results directory: keep its verdicts, ask what is missing",
        },
        concurrency: { type: "number", default: 8, requiresArg: true, describe: "Checks under way at once" },
        "fail-on": {
          choices: ["fail", "warn"] as const,
          describe: "What makes the exit code 1 [fail]",
        },
        format: {
          type: "string",
          array: true,
          requiresArg: true,
          describe: "allure, junit, github [allure,junit]",
        },
        evidence: {
          choices: ["full", "masked", "none"] as const,
          describe: "How much of exchanges to keep [full in the sandbox, else masked]",
        },
        "keep-files": {
          type: "boolean",
          default: false,
          describe: "Keep the files of bulk exports in the results directory, readable by their owner only",
        },
        config: {
          type: "string",
          requiresArg: true,
          describe: "Directory with tenants/*.yaml, in place of the package's config",
        },
        json: { type: "boolean", default: false, describe: "Print the outcome as JSON" },
      }),
    handler: async (args: RunArguments) => done(await run(args)),
  };
}

async function run(args: RunArguments): Promise<number> {
  const { loadConfiguration } = await import("../config/load.ts");
  const { faultsOf, isEmbedded } = await import("../config/targets.ts");
  const { loadSuites } = await import("../checks/load.ts");
  const { checkSelection } = await import("../runner/plan.ts");
  const { runChecks } = await import("../runner/run.ts");
  const { readRunToResume } = await import("../runner/resume.ts");
  const { standardProgress } = await import("../runner/progress.ts");

  const formats = chosenOf("format", args.format ?? defaultFormats(), FORMATS);
  const concurrency = wholeNumber("concurrency", args.concurrency, 1, 256);
  const out = resolve(args.out ?? join("reports", "out", args.environment, args.tenant));
  // What the run was asked for stays, unless it is said again: then it has to be the same.
  const earlier = args.resume ? readRunToResume(args.out ?? relative("", out)) : undefined;
  const apis = args.api === undefined ? (earlier?.selection.apis ?? []) : membersOf(args.api);
  const checks = {
    suites: args.suite === undefined ? (earlier?.selection.suites ?? []) : membersOf(args.suite),
    checks: args.check === undefined ? (earlier?.selection.checks ?? []) : membersOf(args.check),
  };
  const evidence = args.evidence ?? earlier?.evidence;
  const failOn = args.failOn ?? earlier?.failOn ?? "fail";
  const targets = {
    tenant: args.tenant,
    environment: args.environment,
    apis,
    ...(args.keepFiles ? { keepFiles: true as const } : {}),
  };
  const configuration = loadConfiguration(args.config);
  checkSelection(loadSuites(), checks);
  configuration.tenant(targets.tenant);
  const sandbox = isEmbedded(configuration, targets.environment)
    ? await startEmbedded(faultsOf(configuration, targets.environment))
    : undefined;

  const stop = new AbortController();
  let patience: NodeJS.Timeout | undefined;
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(EXIT.incomplete);
    stop.abort();
    // What is under way may hang on a server; verdicts that have fallen are already on disk.
    patience = setTimeout(() => process.exit(EXIT.incomplete), 8000).unref();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  try {
    const { AllureReporter } = await import("../report/allure/reporter.ts");
    const { description, results, asked } = await runChecks({
      configuration,
      ...(args.config === undefined ? {} : { configDirectory: args.config }),
      targets,
      checks,
      ...(sandbox === undefined ? {} : { sandbox }),
      out,
      earlier: args.resume ? "resume" : "replace",
      concurrency,
      ...(evidence === undefined ? {} : { evidence }),
      failOn,
      reproduce: reproduction(args),
      progress: standardProgress(),
      reporters: (folder, apiTitles) =>
        formats.includes("allure")
          ? [new AllureReporter({ folder, apiTitles, earlier: args.resume ? "keep" : "clear" })]
          : [],
      signal: stop.signal,
    });
    if (asked === 0) process.stderr.write("Nothing to resume: the run is complete.\n");
    // What is left is our own work, and ends.
    clearTimeout(patience);
    const { buildReports } = await import("../report/build.ts");
    const { files } = await buildReports({ resultsDirs: [out], out, formats });
    const exitCode = exitCodeOf(description, results);
    if (args.json) printJson({ ...description, exitCode, files });
    else process.stdout.write(summarize(description, results, files, out));
    return exitCode;
  } finally {
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
    await sandbox?.close();
  }
}

function defaultFormats(): readonly string[] {
  return process.env["GITHUB_ACTIONS"] === "true" ? FORMATS : ["allure", "junit"];
}

/** Starts the sandbox with the faults of the environment, and those that the environment variable adds. */
async function startEmbedded(configured: readonly string[]) {
  const { loadFaultCatalogue, startSandbox } = await import("../sandbox/index.ts");
  const faults = [...configured, ...membersOf([process.env["CARECONNECT_SANDBOX_FAULTS"] ?? ""])];
  checkFaults(faults, loadFaultCatalogue());
  return await startSandbox({ faults });
}

/** The command that repeats the run, without what only concerns its output. */
function reproduction(args: RunArguments): string {
  const repeated = (option: string, values: readonly string[]) =>
    values.map((value) => `--${option} ${quote(value)}`);
  return [
    "careconnect-conformance run",
    `--tenant ${quote(args.tenant)}`,
    `--environment ${quote(args.environment)}`,
    ...repeated("api", membersOf(args.api)),
    ...repeated("suite", membersOf(args.suite)),
    ...repeated("check", membersOf(args.check)),
    ...(args.failOn === undefined ? [] : [`--fail-on ${args.failOn}`]),
    ...(args.evidence === undefined ? [] : [`--evidence ${args.evidence}`]),
  ].join(" ");
}

function quote(text: string): string {
  return /^[\w.:/@-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * A blocked SHALL counts as a failure: nobody knows whether the tenant conforms, so nobody may read it as a pass.
 */
function exitCodeOf(run: RunDescription, results: readonly CheckResult[]): number {
  if (run.state !== "complete" || run.counts.error > 0) return EXIT.incomplete;
  const blocked = results.some((result) => result.status === "blocked" && result.level === "SHALL");
  const counts = (status: CheckResult["status"]) =>
    results.some((result) => result.status === status && !isWaived(result));
  if (counts("fail") || blocked || expired(run).length > 0) return EXIT.failed;
  return run.failOn === "warn" && counts("warn") ? EXIT.failed : EXIT.passed;
}

function expired(run: RunDescription): readonly RunWaiver[] {
  return run.waivers?.filter(({ state }) => state === "expired") ?? [];
}

function waiverLines(run: RunDescription, results: readonly CheckResult[]): string[] {
  const waived = (status: CheckResult["status"]) =>
    results.filter((result) => result.status === status && isWaived(result)).length;
  const unused = run.waivers?.filter(({ state }) => state === "unused") ?? [];
  const [fails, warns] = [waived("fail"), waived("warn")];
  return [
    ...(fails + warns === 0 ? [] : [`  waived: fail ${fails}   warn ${warns}`]),
    ...expired(run).map(
      ({ id, expires, owner }) =>
        `  waiver ${id} expired on ${expires} and fails this run: renew it with a reason, or remove it (${owner})`,
    ),
    ...unused.map(({ id, check }) => `  note: waiver ${id} has nothing left to waive at ${check}: remove it`),
  ];
}

function summarize(
  run: RunDescription,
  results: readonly CheckResult[],
  files: readonly { kind: string; path: string }[],
  out: string,
): string {
  const { counts } = run;
  const lines = [
    `${run.tenantName} · ${run.environment}: ${results.length} of ${run.planned} verdicts on ${run.targets.length} APIs`,
    `  pass ${counts.pass}   fail ${counts.fail}   warn ${counts.warn}   info ${counts.info}   blocked ${counts.blocked}   not applicable ${counts["not-applicable"]}   no data ${counts["no-data"]}   error ${counts.error}`,
    ...waiverLines(run, results),
    ...(run.state === "complete"
      ? []
      : ["  The run was interrupted: the verdicts that had fallen were kept."]),
    ...files.map(({ kind, path }) => `  ${kind}: ${path}`),
    `  results: ${out}`,
  ];
  return `${lines.join("\n")}\n`;
}
