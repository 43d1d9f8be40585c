import { procedures } from "../../suites/index.ts";
import { answerCheck } from "../../lib/checks/answer.ts";
import { openSession, type Surroundings } from "../../lib/checks/context.ts";
import { loadSuites } from "../../lib/checks/load.ts";
import type { Verdict } from "../../lib/checks/verdict.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import { resolveTargets, type Target } from "../../lib/config/targets.ts";
import { createHttpClient } from "../../lib/http/client.ts";
import { createSecretVault } from "../../lib/http/secret-vault.ts";
import type { Exchange } from "../../lib/http/types.ts";
import { startSandbox, type Sandbox, type SandboxOptions } from "../../lib/sandbox/index.ts";

export interface Asking {
  readonly sandbox: Sandbox;
  readonly target: Target;
  readonly exchanges: Exchange[];
  /** Verdicts of the checks of a suite, by name; all of them when none is named. */
  ask(suite: string, names?: readonly string[]): Promise<Readonly<Record<string, Verdict>>>;
  close(): Promise<void>;
}

/** A session on one API of the demo tenant in a sandbox, to put checks to. */
export async function startAsking(
  api: string,
  options: SandboxOptions & {
    readonly sandbox?: Sandbox;
    readonly surroundings?: Partial<Surroundings>;
    readonly change?: (target: Target) => Target;
  } = {},
): Promise<Asking> {
  const { sandbox: given, surroundings, change, ...rest } = options;
  const sandbox = given ?? (await startSandbox(rest));
  const selection = { tenant: "demo", environment: "sandbox", apis: [api] };
  const { targets } = resolveTargets(loadConfiguration(), selection, process.env, sandbox);
  const [found] = targets;
  if (found === undefined) throw new Error(`the demo has no ${api}`);
  const target = change?.(found) ?? found;
  const exchanges: Exchange[] = [];
  const vault = createSecretVault();
  const http = createHttpClient({ vault, record: (exchange) => void exchanges.push(exchange) });
  const session = openSession(target, http, undefined, {
    attended: false,
    announce: () => undefined,
    keepSecret: (secret, label) => vault.register(secret, label),
    health: () => "masked",
    ...surroundings,
  });
  return {
    sandbox,
    target,
    exchanges,
    async ask(suite, names) {
      const checks = loadSuites()
        .filter(({ id }) => id === suite)
        .flatMap((one) => one.checks)
        .filter(({ id }) => names === undefined || names.includes(id.slice(suite.length + 1)));
      const answers = await Promise.all(
        checks.map(async (check) => [check.id, await answerCheck(check, session, procedures)] as const),
      );
      return Object.fromEntries(answers.map(([id, { verdict }]) => [id.slice(suite.length + 1), verdict]));
    },
    async close() {
      await session.close();
      await http.close();
      if (given === undefined) await sandbox.close();
    },
  };
}
