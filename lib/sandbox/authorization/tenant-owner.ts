import { timingSafeEqual } from "node:crypto";
import { registrations, type Application, type AuthorizationState } from "../data.ts";
import { emptyReply, jsonReply, outcomeReply, type Reply, type SandboxRequest } from "../exchange.ts";
import type { SandboxState } from "../state.ts";
import { overlooking } from "./overlooking.ts";

/** Whether a tenant owner has authorized an application, and still does. */
export function isApproved(state: SandboxState, application: Application["id"]): boolean {
  const authorization = state.authorizations.get(application);
  if (authorization === "approved") return true;
  const overlooked = overlooking.getStore();
  if (overlooked === undefined || authorization === undefined) return false;
  if (overlooked.states !== undefined && !overlooked.states.includes(authorization)) return false;
  overlooked.changed();
  return true;
}

/**
 * Changes an application's tenant authorization. Whatever is not approved any more loses all that was issued to it,
 * and its exports, at once.
 *
 * @throws Error for an application that is not there
 */
export async function changeAuthorization(
  state: SandboxState,
  application: Application["id"],
  authorization: AuthorizationState,
): Promise<void> {
  const { authorizations, settings } = state;
  if (!authorizations.has(application)) throw new Error(`There is no application "${application}".`);
  if (
    authorization === "approved" &&
    authorizations.get(application) !== "approved" &&
    !settings.approvalActs
  )
    return;
  authorizations.set(application, authorization);
  if (authorization === "approved" || settings.revocationForgets === "nothing") return;
  for (const [id, job] of state.exports) if (job.owner === application) state.exports.delete(id);
  for (const server of await state.authorizationServers.started()) server.store.forgetClient(application);
}

const VERBS: Readonly<Record<string, AuthorizationState>> = {
  approve: "approved",
  revoke: "revoked",
  reject: "rejected",
  request: "requested",
};

const refused = (status: number, text: string): Reply => outcomeReply(status, text);

function isOwner(state: SandboxState, request: SandboxRequest): boolean {
  const sent = Buffer.from(/^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "");
  const wanted = Buffer.from(state.credentials.ownerSecret);
  return sent.length === wanted.length && timingSafeEqual(sent, wanted);
}

/**
 * What a tenant owner does in the vendor's portal, as requests: `POST /tenant-owner/{uuid}/{application}/revoke`
 * (`approve`, `reject`, `request`), and `GET /tenant-owner/{uuid}` for how things stand. Needs the secret that the
 * sandbox hands out as CARECONNECT_SANDBOX_TENANT_OWNER_SECRET.
 */
export async function answerTenantOwner(
  state: SandboxState,
  request: SandboxRequest,
  path: string,
): Promise<Reply> {
  if (!isOwner(state, request)) return refused(401, "The tenant owner's secret is needed.");
  const [, , uuid, id, verb = "", ...more] = path.split("/");
  const { tenants, applications } = registrations();
  const tenant = tenants.find((each) => each.uuid === uuid);
  if (tenant === undefined || more.length > 0) return refused(404, "There is nothing here.");
  const own = applications.filter((each) => each.tenant === tenant.id && each.generation === "v2");
  if (id === undefined) {
    return jsonReply(
      200,
      own.map((each) => ({ application: each.id, authorization: state.authorizations.get(each.id) ?? "" })),
    );
  }
  const authorization = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (authorization === undefined || !own.some((each) => each.id === id)) {
    return refused(404, "There is no such application at this tenant, or nothing of the kind to do with it.");
  }
  if (request.method !== "POST") return refused(405, "POST.");
  await changeAuthorization(state, id, authorization);
  return emptyReply(204);
}
