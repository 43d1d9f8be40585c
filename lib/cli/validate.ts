import { availableParallelism } from "node:os";
import { once } from "node:events";
import type { Argv } from "yargs";
import { ConfigurationError } from "../config/configuration-error.ts";
import { EXIT } from "./exit-codes.ts";
import type { Done } from "./options.ts";
import { DEFAULT_MAX_FINDINGS } from "./quick-validate.ts";
import { wholeNumber } from "./whole-number.ts";

/** Stands for a lone `-`, which yargs loses among several positional arguments; no file can be called so. */
export const STANDARD_INPUT = "\u0000-";

export interface ValidateArguments {
  readonly paths: readonly string[];
  readonly ig?: string;
  readonly profile?: readonly string[];
  readonly json: boolean;
  readonly warnings: boolean;
  readonly jobs?: number;
  readonly maxFindings: number;
  readonly terminology?: string;
}

/** `validate`: judges resources in files. Exits with 0 when none has errors, with 1 when one has. */
export function validateCommand(done: Done) {
  return {
    command: "validate <paths...>",
    describe: "Judge FHIR resources in files against R4, US Core or another guide",
    builder: (yargs: Argv) =>
      yargs
        .positional("paths", {
          type: "string",
          array: true,
          demandOption: true,
          describe:
            "Files (JSON, NDJSON), directories (*.json and *.ndjson in them), or - for standard input",
        })
        .options({
          ig: {
            type: "string",
            requiresArg: true,
            describe:
              "us-core-6.1.0, us-core-3.1.1, a package archive (.tgz), or name#version of the FHIR package cache",
          },
          profile: {
            type: "string",
            array: true,
            requiresArg: true,
            describe: "Canonical of a profile to judge against besides those claimed; repeatable",
          },
          json: { type: "boolean", default: false, describe: "Print one line of JSON for each resource" },
          warnings: { type: "boolean", default: false, describe: "Print warnings and information too" },
          jobs: {
            type: "number",
            requiresArg: true,
            describe: "Threads for large inputs [one for each core]",
          },
          "max-findings": {
            type: "number",
            default: DEFAULT_MAX_FINDINGS,
            requiresArg: true,
            describe: "Findings printed for one resource; all are counted",
          },
          terminology: {
            type: "string",
            requiresArg: true,
            describe: "Base URL of a FHIR terminology service to ask what cannot be looked up offline",
          },
        })
        .example(
          "$0 validate export/ --ig us-core-6.1.0",
          "Judge a folder, also resources that claim no profile",
        )
        .example("cat Patient.ndjson | $0 validate - --json", "Judge standard input"),
    handler: async (args: ValidateArguments) => {
      done(await validate(args));
    },
  };
}

function serviceUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new ConfigurationError(
      `--terminology ${text}: give the http(s) address of a FHIR terminology service`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new ConfigurationError("--terminology: credentials in an address are not used");
  }
  return text;
}

/** Does what `validate` was asked to; answers the exit code. */
export async function validate(args: ValidateArguments): Promise<number> {
  // Without a listener, a pipe that is closed between two writes would end the process with a stack.
  process.stdout.on("error", () => undefined);
  try {
    return await judgeFiles(args);
  } catch (error) {
    if (isClosedPipe(error)) return EXIT.incomplete;
    throw error;
  }
}

async function judgeFiles(args: ValidateArguments): Promise<number> {
  const jobs = wholeNumber("jobs", args.jobs ?? availableParallelism(), 1, 256);
  const maxFindings = wholeNumber("max-findings", args.maxFindings, 0, 1_000_000);
  const terminology = args.terminology === undefined ? undefined : { url: serviceUrl(args.terminology) };
  // At one time: each waits for the disk.
  const [{ findSources }, { validateFiles }, { printSummary }] = await Promise.all([
    import("../validator/files/sources.ts"),
    import("../validator/files/run.ts"),
    import("../validator/files/print.ts"),
  ]);
  const found = await findSources(args.paths.map((path) => (path === STANDARD_INPUT ? "-" : path)));
  const tally = await validateFiles({
    sources: found.sources,
    settings: {
      guide: args.ig,
      profiles: args.profile ?? [],
      print: { format: args.json ? "json" : "text", warnings: args.warnings, maxFindings },
      terminology,
    },
    jobs,
    write: writeOut,
    stdin: process.stdin,
  }).catch((error: unknown) => {
    // A guide or profile that cannot be had is the user's to mend.
    if (error instanceof Error && (error.name === "PackError" || error.name === "ConfigurationError"))
      throw new ConfigurationError(error.message);
    throw error;
  });
  for (const [extension, count] of found.passedOver) {
    const what = extension === "" ? "without an extension" : extension;
    tally.notices.push(
      `Not read: ${count} ${count === 1 ? "file" : "files"} ${what} (only *.json and *.ndjson of a directory are).`,
    );
  }
  const summary = printSummary(tally, args.ig);
  if (args.json) process.stderr.write(summary);
  else await writeOut(summary);
  return tally.invalid > 0 ? EXIT.failed : EXIT.passed;
}

/** Prints, and waits where the reader is slower. */
async function writeOut(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, "drain");
}

/** Whoever reads may stop reading: `validate … | head`. */
function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === "EPIPE";
}
