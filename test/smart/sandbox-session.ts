import {
  openSession,
  type CheckContext,
  type Surroundings,
  type TargetSession,
} from "../../lib/checks/context.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import { resolveTargets, type Target } from "../../lib/config/targets.ts";
import { createHttpClient } from "../../lib/http/client.ts";
import { createSecretVault } from "../../lib/http/secret-vault.ts";
import type { Exchange } from "../../lib/http/types.ts";
import type { FaultDefinition } from "../../lib/sandbox/catalogue.ts";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";

export interface Opened {
  readonly sandbox: Sandbox;
  readonly target: Target;
  readonly exchanges: Exchange[];
  readonly session: TargetSession;
  context(): CheckContext;
  close(): Promise<void>;
}

/** A sandbox with a session on one API of the demo tenant; what the configuration says can be changed. */
export async function openOnSandbox(
  api: string,
  options: {
    readonly faults?: readonly string[];
    readonly furtherFaults?: readonly FaultDefinition[];
    /** One that runs already; it is left running. */
    readonly sandbox?: Sandbox;
    readonly surroundings?: Partial<Surroundings>;
    readonly change?: (target: Target) => Target;
  } = {},
): Promise<Opened> {
  const { faults = [], furtherFaults = [] } = options;
  const sandbox = options.sandbox ?? (await startSandbox({ faults: [...faults], furtherFaults }));
  const selection = { tenant: "demo", environment: "sandbox", apis: [api] };
  const { targets } = resolveTargets(loadConfiguration(), selection, process.env, sandbox);
  const [found] = targets;
  if (found === undefined) throw new Error(`the demo has no ${api}`);
  const target = options.change?.(found) ?? found;
  const exchanges: Exchange[] = [];
  const vault = createSecretVault();
  const http = createHttpClient({ vault, record: (exchange) => void exchanges.push(exchange) });
  const session = openSession(target, http, undefined, {
    attended: false,
    announce: () => undefined,
    keepSecret: (secret, label) => vault.register(secret, label),
    health: () => "masked",
    ...options.surroundings,
  });
  return {
    sandbox,
    target,
    exchanges,
    session,
    context: () => session.context([]),
    async close() {
      await session.close();
      await http.close();
      if (options.sandbox === undefined) await sandbox.close();
    },
  };
}
