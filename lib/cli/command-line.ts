import yargs from "yargs";
import { ConfigurationError, suggest } from "../config/errors.ts";
import { ownPackage } from "../config/package.ts";
import { coverageCommand } from "./coverage.ts";
import { EXIT } from "./exit-codes.ts";
import { explain, NAME } from "./explain.ts";
import { checkArguments } from "./options.ts";
import { initCommand } from "./init.ts";
import { listCommand } from "./list.ts";
import { proveCommand } from "./prove.ts";
import { reportCommand } from "./report.ts";
import { revocationCommand } from "./revocation.ts";
import { runCommand } from "./run.ts";
import { sandboxCommand } from "./sandbox.ts";
import { signoffCommand } from "./signoff.ts";
import { STANDARD_INPUT, validateCommand } from "./validate.ts";

/**
 * Parses arguments, runs the command and says what the process should end with. Known mistakes are told in one line
 * without a stack.
 *
 * @param args arguments after the program's name
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.passed;
  const done = (code: number) => {
    exitCode = code;
  };
  const commands = [
    runCommand(done),
    sandboxCommand(done),
    proveCommand(done),
    listCommand(done),
    coverageCommand(done),
    initCommand(done),
    reportCommand(done),
    validateCommand(done),
    signoffCommand(done),
    revocationCommand(done),
  ];
  try {
    await yargs(args.map((arg) => (arg === "-" ? STANDARD_INPUT : arg)))
      .scriptName(NAME)
      .usage("$0 <command>\n\nTells whether a CareConnect FHIR tenant behaves as its specifications say.")
      .command(commands as never)
      .demandCommand(1, "a command is needed; --help lists them")
      .strict()
      .check((parsed) => {
        checkArguments(parsed);
        return true;
      })
      // An array option takes one value each time it is given, so that what follows it is not swallowed.
      .parserConfiguration({ "greedy-arrays": false, "dot-notation": false })
      .version(ownPackage().version)
      .help()
      .wrap(100)
      .exitProcess(false)
      .fail((message: string | null, error: Error | undefined) => {
        // What yargs itself finds wrong comes without an error, or with one of its own kind.
        if (error !== undefined && error !== null && error.name !== "YError") throw error;
        throw new ConfigurationError(usageProblem(message ?? error?.message ?? "bad usage", args));
      })
      .parseAsync();
    return exitCode;
  } catch (error) {
    return explain(error);
  }
}

const COMMANDS = [
  "run",
  "sandbox",
  "prove",
  "list",
  "coverage",
  "init",
  "report",
  "validate",
  "signoff",
  "revocation",
];

function usageProblem(message: string, args: readonly string[]): string {
  const first = args.find((arg) => !arg.startsWith("-"));
  if (first !== undefined && !COMMANDS.includes(first)) {
    return `there is no command "${first}".${suggest(first, COMMANDS)}`;
  }
  const unknown = /^Unknown arguments?: (.+)$/.exec(message)?.[1];
  return unknown === undefined ? message : `unknown argument: ${unknown} (see ${NAME} ${first ?? ""} --help)`;
}
