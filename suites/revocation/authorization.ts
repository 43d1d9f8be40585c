import { Blocked, type CheckContext } from "../../lib/checks/context.ts";
import { prepareAuthorization } from "../../lib/checks/tokens.ts";
import { writeAsked } from "../../lib/checks/waiting.ts";
import type { TenantOwner } from "../../lib/config/owner.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import { authorizationHttpRequest } from "../../lib/smart/authorization-request.ts";
import { isService, ownToken, requestToken } from "./access.ts";
import { changeAuthorization } from "./change.ts";
import { REVOCABLE } from "./registration.ts";

export function noteRestoration(
  context: CheckContext,
  client: ClientRegistration,
  state: "waiting" | "done",
): void {
  const now = new Date().toISOString();
  const words = restorationWords(context, client);
  writeAsked(context.kept, { act: "approve", application: client.id, words, since: now, until: now, state });
}

const restorationWords = (context: CheckContext, client: ClientRegistration) =>
  `Ask the tenant owner of ${context.target.tenantName} to authorize the application ${client.id} again.`;

export async function approve(
  context: CheckContext,
  client: ClientRegistration,
  owner: TenantOwner,
): Promise<void> {
  await changeAuthorization(context, owner, {
    act: "approve",
    application: client.id,
    words: restorationWords(context, client),
    noticed: (own) => hasAccess(own, client),
  });
  noteRestoration(context, client, "done");
}

/** Whether an application gets access, as far as that can be seen without a person. */
async function hasAccess(context: CheckContext, client: ClientRegistration): Promise<boolean> {
  if (isService(context)) return (await requestToken(context, client)).kind === "granted";
  const driver = context.target.login?.driver;
  if (driver !== "form" && driver !== "browser") return false;
  try {
    const { request } = await prepareAuthorization(context, { client: REVOCABLE });
    const first = await context.send(authorizationHttpRequest(request));
    // Most servers refuse before anybody logs in: no login is spent on those.
    if (first.status >= 400 || /[?&]error=/.test(first.headers.get("location") ?? "")) return false;
    await ownToken(context, client, REVOCABLE);
    return true;
  } catch (error) {
    if (error instanceof Blocked) return false;
    throw error;
  }
}
