import type { Behaviour } from "../behaviours.ts";
import type { AuthorizationState } from "../data.ts";
import { jsonReply, outcomeReply } from "../exchange.ts";
import type { SandboxState } from "../state.ts";
import { overlooking } from "./overlooking.ts";

// How a server can fail to act on what a tenant owner has decided.

const textOf = (value: unknown) => (typeof value === "string" ? value : "");

/**
 * Answers as if the tenant owner had approved. `with`: `states` (authorizations that are overlooked, with commas; all
 * by default).
 */
const overlookAuthorization: Behaviour = (call) => {
  const states = textOf(call.with["states"])
    .split(",")
    .filter((state) => state !== "") as AuthorizationState[];
  return overlooking.run(
    { changed: call.changed, ...(states.length === 0 ? {} : { states }) },
    async () => await call.next(),
  );
};

/** Applications that were seen revoked, in one sandbox. */
const revokedOnce = new WeakMap<SandboxState, Set<string>>();

/**
 * Refuses everybody as long as one application is revoked, or, with `once`, from then on. `with`: `applications` (with
 * commas), `once`, `status`.
 */
const refuseForRevocation: Behaviour = (call) => {
  const { state } = call;
  const seen = revokedOnce.get(state) ?? new Set<string>();
  revokedOnce.set(state, seen);
  const applications = textOf(call.with["applications"]).split(",");
  for (const id of applications) if (state.authorizations.get(id) === "revoked") seen.add(id);
  const isOver = applications.every((id) => state.authorizations.get(id) !== "revoked");
  const isRefused = call.with["once"] === true ? isOver && seen.size > 0 : !isOver;
  if (!isRefused) return call.next();
  call.changed();
  const status = call.with["status"];
  return Promise.resolve(outcomeReply(typeof status === "number" ? status : 403, "Closed."));
};

const repeats = new WeakMap<SandboxState, Set<string>>();

/** Refuses what was sent before. `with`: `by` (name of the form's parameter that tells). */
const refuseRepeat: Behaviour = (call) => {
  const form = new URLSearchParams(call.request.body.toString("utf8"));
  const value = form.get(textOf(call.with["by"])) ?? "";
  const seen = repeats.get(call.state) ?? new Set<string>();
  repeats.set(call.state, seen);
  if (!seen.has(value)) {
    seen.add(value);
    return call.next();
  }
  call.changed();
  return Promise.resolve(jsonReply(400, { error: "invalid_request" }));
};

/** Ends everything that was issued to an application, beside what was asked for. `with`: `client`. */
const forgetClient: Behaviour = async (call) => {
  const reply = await call.next();
  for (const server of await call.state.authorizationServers.started()) {
    server.store.forgetClient(textOf(call.with["client"]));
  }
  call.changed();
  return reply;
};

const passed = new WeakSet<SandboxState>();

/** Lets nobody in any more once an address was used. `with`: `after` (its path). */
const closeAfter: Behaviour = (call) => {
  const { request, place, state } = call;
  if (place.path === call.with["after"] && request.method === "POST") passed.add(state);
  if (!passed.has(state) || place.path !== "/authorize") return call.next();
  call.changed();
  return Promise.resolve(jsonReply(403, { error: "access_denied" }));
};

/** Behaviours of a server that does not act on a tenant owner's decision as it should. */
export const carelessness: Readonly<Record<string, Behaviour>> = {
  closeAfter,
  forgetClient,
  overlookAuthorization,
  refuseForRevocation,
  refuseRepeat,
};
