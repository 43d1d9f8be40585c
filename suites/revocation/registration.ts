import { NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { registration } from "../../lib/checks/registrations.ts";
import { createTurns } from "../../lib/checks/turns.ts";
import type { TenantOwner, Withdrawal } from "../../lib/config/owner.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";

/** The role of the registration whose access is taken away and given back. */
export const REVOCABLE = "revocable";

/** One course of events after the other: they share a registration. */
export const turns: Fact<ReturnType<typeof createTurns>> = {
  name: "turns of the revocable registration",
  explainedBy: "revocation.access-token-dies",
  provide: () => Promise.resolve(createTurns()),
};

/**
 * The registration whose access may be taken away: none that anything else uses.
 *
 * @throws NotApplicable when the configuration has none, or forbids changes
 */
export function revocable(context: CheckContext): ClientRegistration {
  const { target } = context;
  const client = registration(context, REVOCABLE);
  if (target.mutations !== "allowed") {
    throw new NotApplicable("the configuration does not allow changes of the tenant (mutations: allowed)");
  }
  const others = [
    target.client,
    ...Object.entries(target.otherClients)
      .filter(([role]) => role !== REVOCABLE)
      .map(([, one]) => one),
  ];
  if (others.some((one) => one?.id === client.id)) {
    throw new NotApplicable(
      `other checks use the client ${client.id} too: otherClients.${REVOCABLE} needs a registration of its own`,
    );
  }
  return client;
}

/** The tenant owner of the configuration. */
export function tenantOwner({ target }: CheckContext): TenantOwner {
  if (target.tenantOwner !== undefined) return target.tenantOwner;
  throw new NotApplicable(
    "the configuration does not say who revokes and restores (tenantOwner); docs/revocation.md shows how",
  );
}

/** The withdrawal of consent of the configuration. */
export function withdrawal({ target }: CheckContext): Withdrawal {
  if (target.withdrawal !== undefined) return target.withdrawal;
  throw new NotApplicable(
    "the configuration does not say how a user withdraws consent (withdrawal); docs/revocation.md shows how",
  );
}
