import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Argv } from "yargs";
import { ConfigurationError } from "../config/errors.ts";
import { EXIT } from "./exit-codes.ts";
import { printJson, type Done } from "./options.ts";

interface RevocationArguments {
  readonly out: string;
  readonly api?: string;
  readonly done: boolean;
  readonly json: boolean;
}

/** `revocation`: what a run asks of a tenant owner, and the tenant owner's answer. */
export function revocationCommand(done: Done) {
  return {
    command: "revocation",
    describe: "Tell what a run asks of the tenant owner, and confirm that it is done",
    builder: (yargs: Argv) =>
      yargs.options({
        out: {
          type: "string",
          demandOption: true,
          requiresArg: true,
          describe: "Results directory of the run",
        },
        api: { type: "string", requiresArg: true, describe: "Only this API" },
        done: {
          type: "boolean",
          default: false,
          describe: "Confirm that the tenant owner has done what was asked",
        },
        json: { type: "boolean", default: false, describe: "Print what is asked as JSON" },
      }),
    handler: async (args: RevocationArguments) => done(await answer(args)),
  };
}

async function answer(args: RevocationArguments): Promise<number> {
  const { keepIn } = await import("../checks/kept.ts");
  const { isTold, readAsked, tell } = await import("../checks/waiting.ts");
  if (!existsSync(join(resolve(args.out), "run.json"))) {
    throw new ConfigurationError("has no run.json: it is not a results directory", { file: args.out });
  }
  const state = join(resolve(args.out), "state");
  const apis = existsSync(state) ? readdirSync(state).toSorted() : [];
  const open = apis
    .filter((api) => args.api === undefined || api === args.api)
    .flatMap((api) => {
      const kept = keepIn(join(state, api));
      const asked = readAsked(kept);
      return asked === undefined || asked.state === "done" ? [] : [{ api, kept, asked }];
    });
  if (args.done) {
    if (open.length === 0)
      throw new ConfigurationError("nothing is asked of the tenant owner here", { file: args.out });
    if (open.length > 1) {
      throw new ConfigurationError(
        `several things are asked; say which is done by --api (${open.map(({ api }) => api).join(", ")})`,
      );
    }
    for (const { kept, asked } of open) tell(kept, asked);
  }
  const shown = open.map(({ api, kept, asked }) => ({ api, ...asked, told: isTold(kept, asked) }));
  if (args.json) {
    printJson(shown);
    return EXIT.passed;
  }
  if (shown.length === 0) process.stdout.write("Nothing is asked of the tenant owner.\n");
  for (const { api, words, since, until, told } of shown) {
    const isOver = Date.parse(until) <= Date.now();
    const waits = isOver
      ? "No run waits for it; do it, then go on with run --resume."
      : `The run waits until ${until}.`;
    process.stdout.write(
      `${api}: ${words}\n  asked ${since}. ${told ? "Confirmed; the run goes on." : waits}\n`,
    );
  }
  return EXIT.passed;
}
