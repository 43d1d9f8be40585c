import type { Argv } from "yargs";
import { EXIT } from "./exit-codes.ts";
import { membersOf, printJson, wholeNumber, type Done } from "./options.ts";

interface ProveArguments {
  readonly suite?: readonly string[];
  readonly check?: readonly string[];
  readonly concurrency: number;
  readonly rows?: number;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly alsoTrips: boolean;
}

/** `prove`: shows that every check passes where it should and fails where it should. */
export function proveCommand(done: Done) {
  return {
    command: "prove",
    describe: "Prove every check on the sandbox, with and without its fault",
    builder: (yargs: Argv) =>
      yargs.options({
        suite: { type: "string", array: true, requiresArg: true, describe: "Only this suite (repeatable)" },
        check: {
          type: "string",
          array: true,
          requiresArg: true,
          describe: "Only these checks; * stands for anything (repeatable)",
        },
        concurrency: { type: "number", default: 8, requiresArg: true, describe: "Sandboxes at once" },
        rows: {
          type: "number",
          requiresArg: true,
          describe: "Of checks made from many rows, prove at most so many of each",
        },
        "also-trips": {
          type: "boolean",
          default: false,
          describe: "Ask which other checks of the suite each fault trips (the whole suite for each)",
        },
        verbose: { type: "boolean", default: false, describe: "Print what each check says under its fault" },
        json: { type: "boolean", default: false, describe: "Print the matrix as JSON" },
      }),
    handler: async (args: ProveArguments) => done(await prove(args)),
  };
}

async function prove(args: ProveArguments): Promise<number> {
  const { loadConfiguration } = await import("../config/load.ts");
  const { loadSuites } = await import("../checks/load.ts");
  const { checkSelection, sampleRows, selectChecks } = await import("../runner/plan.ts");
  const { proveChecks } = await import("../runner/prove.ts");
  const { procedures } = await import("../../suites/index.ts");
  const { startSandbox } = await import("../sandbox/index.ts");
  const selection = { suites: membersOf(args.suite), checks: membersOf(args.check) };
  checkSelection(loadSuites(), selection);
  const selected = selectChecks(loadSuites(), selection);
  const suites =
    args.rows === undefined ? selected : sampleRows(selected, wholeNumber("rows", args.rows, 1, 100_000));
  const total = suites.reduce((sum, suite) => sum + suite.checks.length, 0);
  let count = 0;
  const proofs = await proveChecks({
    configuration: loadConfiguration(),
    tenant: "demo",
    environment: "sandbox",
    suites,
    procedures,
    startSandbox: ({ faults, tls }) => startSandbox({ faults: [...faults], tls }),
    alsoTrips: args.alsoTrips,
    concurrency: wholeNumber("concurrency", args.concurrency, 1, 64),
    onProof: () => {
      count += 1;
      if (process.stderr.isTTY) process.stderr.write(`\r${count}/${total}${count === total ? "\n" : ""}`);
    },
  });
  const unproven = proofs.filter((proof) => !proof.proven);
  if (args.json)
    printJson({ proven: proofs.length - unproven.length, unproven: unproven.length, checks: proofs });
  else {
    for (const proof of proofs) {
      const faults = proof.faults
        .map((fault) => `${fault.proven ? "✓" : "✗"} ${fault.fault} → ${fault.finding}`)
        .join("; ");
      process.stdout.write(
        `${proof.proven ? "proven  " : "UNPROVEN"}  ${proof.level.padEnd(6)}  ${proof.check}  [${faults}]\n`,
      );
      for (const problem of proof.problems) process.stdout.write(`            ${problem}\n`);
      for (const fault of proof.faults) {
        if (fault.problem !== undefined)
          process.stdout.write(`            ${fault.fault}: ${fault.problem}\n`);
        else if (args.verbose) process.stdout.write(`            ${fault.says ?? ""}\n`);
        if (fault.alsoTrips.length > 0)
          process.stdout.write(`            also trips: ${shorten(fault.alsoTrips)}\n`);
      }
    }
    process.stdout.write(`${proofs.length - unproven.length} of ${proofs.length} checks proven\n`);
  }
  return unproven.length === 0 ? EXIT.passed : EXIT.failed;
}

function shorten(checks: readonly string[]): string {
  const most = 6;
  return checks.length <= most
    ? checks.join(", ")
    : `${checks.slice(0, most).join(", ")} and ${checks.length - most} more`;
}
