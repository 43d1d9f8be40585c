import { procedures } from "../../suites/index.ts";
import { answerCheck } from "../../lib/checks/answer.ts";
import { loadSuites } from "../../lib/checks/load.ts";
import type { Verdict } from "../../lib/checks/verdict.ts";
import { openOnSandbox, type Opened } from "../smart/sandbox-session.ts";

export interface Asking extends Opened {
  /** Verdicts of the checks of a suite, by name; all of them when none is named. */
  ask(suite: string, names?: readonly string[]): Promise<Readonly<Record<string, Verdict>>>;
}

/** A session on one API of the demo tenant in a sandbox, to put checks to. */
export async function startAsking(...opening: Parameters<typeof openOnSandbox>): Promise<Asking> {
  const opened = await openOnSandbox(...opening);
  return {
    ...opened,
    async ask(suite, names) {
      const checks = loadSuites()
        .filter(({ id }) => id === suite)
        .flatMap((one) => one.checks)
        .filter(({ id }) => names === undefined || names.includes(id.slice(suite.length + 1)));
      const answers = await Promise.all(
        checks.map(
          async (check) => [check.id, await answerCheck(check, opened.session, procedures)] as const,
        ),
      );
      return Object.fromEntries(answers.map(([id, { verdict }]) => [id.slice(suite.length + 1), verdict]));
    },
  };
}
