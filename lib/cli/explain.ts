import { ConfigurationError } from "../config/configuration-error.ts";
import { EXIT } from "./exit-codes.ts";

/** What the program is called. */
export const NAME = "careconnect-conformance";

/** Tells a mistake in one line on standard error, without a stack; answers the exit code. */
export function explain(error: unknown): number {
  if (error instanceof ConfigurationError) {
    process.stderr.write(`${NAME}: ${error.message}\n`);
    return EXIT.usage;
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${NAME}: ${message.split("\n")[0] ?? ""}\n`);
  if (process.env["CARECONNECT_DEBUG"] !== undefined && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
  return EXIT.incomplete;
}
