import type { Argv } from "yargs";
import { membersOf, printJson, wholeNumber, type Done } from "./options.ts";
import { ConfigurationError, suggest } from "../config/errors.ts";
import { EXIT } from "./exit-codes.ts";

interface SandboxArguments {
  readonly port: number;
  readonly fault?: readonly string[];
  readonly seed: number;
  readonly patients: number;
  readonly exportResources?: number;
  readonly tls: boolean;
  readonly json: boolean;
}

/** `sandbox`: serves the reference CareConnect until it is stopped. */
export function sandboxCommand(done: Done) {
  return {
    command: "sandbox",
    describe: "Serve the sandbox, a reference CareConnect with faults to choose",
    builder: (yargs: Argv) =>
      yargs.options({
        port: {
          type: "number",
          default: 0,
          requiresArg: true,
          describe: "Port on 127.0.0.1; 0 takes a free one",
        },
        fault: {
          type: "string",
          array: true,
          requiresArg: true,
          describe: "A fault to have (see list faults; repeatable)",
        },
        seed: { type: "number", default: 1, requiresArg: true, describe: "Seed of the synthetic data" },
        patients: { type: "number", default: 20, requiresArg: true, describe: "How many patients" },
        "export-resources": {
          type: "number",
          requiresArg: true,
          describe: "Make a bulk export this large, by copies of the patients",
        },
        tls: {
          type: "boolean",
          default: false,
          describe: "Serve https, with a certificate of its own authority",
        },
        json: { type: "boolean", default: false, describe: "Print where it listens as JSON" },
      }),
    handler: async (args: SandboxArguments) => {
      const { loadFaultCatalogue, startSandbox } = await import("../sandbox/index.ts");
      const faults = membersOf(args.fault);
      checkFaults(faults, loadFaultCatalogue());
      const sandbox = await startSandbox({
        port: wholeNumber("port", args.port, 0, 65_535),
        faults,
        seed: wholeNumber("seed", args.seed, 0, Number.MAX_SAFE_INTEGER),
        patients: wholeNumber("patients", args.patients, 1, 100_000),
        ...(args.exportResources === undefined
          ? {}
          : { exportResources: wholeNumber("export-resources", args.exportResources, 1, 1_000_000_000) }),
        tls: args.tls,
      });
      const { origin, legacyOrigin, env } = sandbox;
      if (args.json) printJson({ origin, legacyOrigin, env, faults });
      else {
        process.stdout.write(`The sandbox listens on ${origin}; Ctrl-C stops it.\n`);
        for (const [name, value] of Object.entries(env))
          process.stdout.write(`export ${name}='${value.replaceAll("'", String.raw`'\''`)}'\n`);
      }
      await new Promise<void>((stopped) => {
        process.once("SIGINT", stopped);
        process.once("SIGTERM", stopped);
      });
      await sandbox.close();
      done(EXIT.passed);
    },
  };
}

/**
 * Makes sure that faults exist and have the argument they need.
 *
 * @throws ConfigurationError naming the nearest
 */
export function checkFaults(
  faults: readonly string[],
  catalogue: readonly { readonly id: string; readonly parameter?: string }[],
): void {
  for (const fault of faults) {
    const colon = fault.indexOf(":");
    const id = colon < 0 ? fault : fault.slice(0, colon);
    const known = catalogue.find((entry) => entry.id === id);
    if (known === undefined) {
      const ids = catalogue.map((entry) => entry.id);
      throw new ConfigurationError(`--fault ${fault}: there is no such fault.${suggest(id, ids)}`);
    }
    if (known.parameter !== undefined && colon < 0) {
      throw new ConfigurationError(`--fault ${fault}: it needs an argument, as ${id}:${known.parameter}`);
    }
  }
}
