#!/usr/bin/env node
import { explain } from "./explain.ts";
import { readPlainArguments } from "./quick-validate.ts";

// A reader that has seen enough (`list checks | head`) closes the pipe: nothing is wrong, and a run goes on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

const args = process.argv.slice(2);
const plain = args[0] === "validate" ? readPlainArguments(args.slice(1)) : undefined;
if (plain === undefined) {
  const { runCommandLine } = await import("./command-line.ts");
  process.exitCode = await runCommandLine(args);
} else {
  const { validate } = await import("./validate.ts");
  process.exitCode = await validate(plain).catch(explain);
}
