import type { Argv } from "yargs";
import { EXIT } from "./exit-codes.ts";
import { printJson, type Done } from "./options.ts";

/** `coverage`: which requirements the checks answer. */
export function coverageCommand(done: Done) {
  return {
    command: "coverage",
    describe: "Show which server requirements the checks answer",
    builder: (yargs: Argv) =>
      yargs.options({ json: { type: "boolean", default: false, describe: "Print JSON" } }),
    handler: async (args: { readonly json: boolean }) => {
      const { loadSuites } = await import("../checks/load.ts");
      const { computeCoverage, formatCoverage } = await import("../checks/coverage.ts");
      const { loadCatalogues } = await import("../checks/requirements.ts");
      const checks = loadSuites().flatMap((suite) => suite.checks);
      const coverage = computeCoverage(
        loadCatalogues(),
        checks.map(({ id, requirements }) => ({
          id,
          requirements: requirements.map((requirement) => requirement.id),
        })),
      );
      if (args.json) printJson(coverage);
      else process.stdout.write(formatCoverage(coverage));
      done(EXIT.passed);
    },
  };
}
