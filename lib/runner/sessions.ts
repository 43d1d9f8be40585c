import { openSession, type Neighbours, type Surroundings, type TargetSession } from "../checks/context.ts";
import type { ResolvedTargets, Target } from "../config/targets.ts";
import type { HttpClient } from "../http/types.ts";

/** The sessions on a tenant's targets, each opened when it is first needed. */
export interface Sessions {
  of(target: Target): TargetSession;
  /** Closes every session that was opened; the client stays open. */
  close(): Promise<void>;
}

/**
 * Opens sessions that know each other, so that a check can ask two APIs of the tenant.
 *
 * @param resolved the targets that may be asked, those only to compare with included
 */
export function openSessions(
  resolved: Pick<ResolvedTargets, "targets" | "certificateAuthority">,
  http: HttpClient,
  surroundings?: Surroundings,
): Sessions {
  const sessions = new Map<string, TargetSession>();
  const neighbours: Neighbours = {
    apis: resolved.targets.map(({ api }) => api),
    session(api) {
      const target = resolved.targets.find((one) => one.api === api);
      return target === undefined ? undefined : of(target);
    },
  };
  const of = (target: Target): TargetSession => {
    const session =
      sessions.get(target.api) ??
      openSession(target, http, resolved.certificateAuthority, surroundings, neighbours);
    sessions.set(target.api, session);
    return session;
  };
  return {
    of,
    async close() {
      await Promise.all([...sessions.values()].map((session) => session.close()));
    },
  };
}
