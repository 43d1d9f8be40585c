import { Blocked, NotApplicable, type CheckContext } from "./context.ts";
import { registrationOf } from "./tokens.ts";
import type { ClientRegistration } from "../config/targets.ts";

/**
 * The registration with a role.
 *
 * @throws NotApplicable when the configuration has none
 */
export function registration(context: CheckContext, role?: string): ClientRegistration {
  const client = registrationOf(context, role);
  if (client !== undefined) return client;
  throw new NotApplicable(
    role === undefined
      ? "the configuration gives no client registration for this API (client)"
      : `the configuration gives no registration otherClients.${role} for this API`,
  );
}

/** The role in a check's parameters, as a wish. */
export function wishOf(context: CheckContext, parameters: Readonly<Record<string, unknown>>) {
  const role = parameters["client"];
  if (typeof role !== "string") {
    registration(context);
    return {};
  }
  registration(context, role);
  return { client: role };
}

/**
 * Makes sure that a check may have a login of its own: a person is asked once for each scope set, not for each check.
 *
 * @throws Blocked
 */
export function assureOwnLogin({ target }: CheckContext): void {
  if (target.login?.driver !== "manual" || target.login.repeat) return;
  throw new Blocked(
    "it needs a login of its own, and the login driver is manual: use form or browser, or have the person asked for each such check (login.repeat)",
  );
}
