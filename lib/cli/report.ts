import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Argv } from "yargs";
import { ConfigurationError } from "../config/errors.ts";
import { EXIT } from "./exit-codes.ts";
import { chosenOf, printJson, type Done } from "./options.ts";

interface ReportArguments {
  readonly results: readonly string[];
  readonly out?: string;
  readonly format?: readonly string[];
  readonly json: boolean;
}

/** `report`: makes reports again, from results alone. */
export function reportCommand(done: Done) {
  return {
    command: "report <results...>",
    describe: "Make reports from results directories",
    builder: (yargs: Argv) =>
      yargs
        .positional("results", {
          type: "string",
          array: true,
          demandOption: true,
          describe: "Directories with run.json and results.ndjson",
        })
        .options({
          out: {
            type: "string",
            requiresArg: true,
            describe: "Where to write [the results directory, or reports/out/combined for several]",
          },
          format: {
            type: "string",
            array: true,
            requiresArg: true,
            describe: "allure, junit, github [allure,junit]",
          },
          json: { type: "boolean", default: false, describe: "Print the files as JSON" },
        }),
    handler: async (args: ReportArguments) => {
      const { buildReports } = await import("../report/build.ts");
      const formats = chosenOf("format", args.format ?? ["allure", "junit"], [
        "allure",
        "junit",
        "github",
      ] as const);
      const resultsDirs = args.results.map((directory) => resolve(directory));
      for (const [index, directory] of resultsDirs.entries()) {
        if (!existsSync(join(directory, "run.json"))) {
          throw new ConfigurationError("has no run.json: it is not a results directory", {
            file: args.results[index] ?? directory,
          });
        }
      }
      const [first = "."] = resultsDirs;
      const out = resolve(
        args.out ?? (resultsDirs.length === 1 ? first : join("reports", "out", "combined")),
      );
      const { makeFolder } = await import("../runner/results-folder.ts");
      makeFolder(out, args.out ?? out);
      const { UnreadableResults } = await import("../report/read.ts");
      const { files } = await buildReports({ resultsDirs, out, formats }).catch((error: unknown) => {
        throw error instanceof UnreadableResults ? new ConfigurationError(error.message) : error;
      });
      if (args.json) printJson(files);
      else for (const { kind, path } of files) process.stdout.write(`${kind}: ${path}\n`);
      done(EXIT.passed);
    },
  };
}
