import type { Behaviour } from "./behaviours.ts";
import { overlooking } from "./authorization/overlooking.ts";
import { registrations, type Tenant } from "./data.ts";
import { jsonReply, resourceReply, type Place } from "./exchange.ts";
import type { JsonObject } from "./json.ts";

// How a server of many tenants can mix them up.

const textOf = (value: unknown) => (typeof value === "string" ? value : "");

/** Tokens that were issued elsewhere are good. */
const acceptForeignTokens: Behaviour = (call) =>
  overlooking.run({ states: [], foreignTokens: true, changed: call.changed }, async () => await call.next());

/** Applications that are registered elsewhere are known. */
const acceptForeignClients: Behaviour = (call) =>
  overlooking.run({ states: [], foreignClients: true, changed: call.changed }, async () => await call.next());

function otherTenant(place: Place): Tenant | undefined {
  const own = "tenant" in place ? place.tenant : undefined;
  return registrations().tenants.find((each) => each !== own);
}

const bundle = (resources: readonly JsonObject[]): JsonObject => ({
  resourceType: "Bundle",
  type: "searchset",
  total: resources.length,
  entry: resources.map((resource) => ({ resource: structuredClone(resource) })),
});

/** Where the tenant has nothing, the other tenant's is shown: a read by id, a search by patient, a page. */
const serveOtherTenant: Behaviour = async (call) => {
  const { state, place, request } = call;
  const reply = await call.next();
  const tenant = otherTenant(place);
  if (tenant === undefined) return reply;
  const [, type = "", id] = place.path.split("/");
  const population = state.population(tenant.id);
  if (id !== undefined) {
    const found = reply.status === 404 ? population.find(type, decodeURIComponent(id)) : undefined;
    if (found === undefined) return reply;
    call.changed();
    return resourceReply(200, structuredClone(found));
  }
  const patient = request.url.searchParams.get("patient");
  const wanted = patient === null ? undefined : `Patient/${patient.split("/").at(-1) ?? ""}`;
  const isTheirs = (resource: JsonObject) =>
    wanted === undefined || JSON.stringify(resource).includes(`"reference":"${wanted}"`);
  const found = population.ofType(type).filter(isTheirs);
  if (found.length === 0) return reply;
  call.changed();
  return resourceReply(200, bundle(found));
};

/** An export is followed under any tenant's base. */
const serveExportAnywhere: Behaviour = async (call) => {
  const reply = await call.next();
  const id = call.place.path.split("/")[2] ?? "";
  if (reply.status !== 404 || !call.state.exports.has(id)) return reply;
  call.changed();
  return jsonReply(200, { transactionTime: new Date().toISOString(), output: [], error: [] });
};

const ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";

/** How each path that confuses looks on the wire. */
const LOOKS: Readonly<Record<string, RegExp>> = {
  "dot-segments": new RegExp(`${ID}/\\.\\./${ID}`),
  "encoded-dot-segments": new RegExp(`${ID}/%2e%2e/${ID}`),
  "encoded-slashes": new RegExp(`${ID}%2f\\.\\.%2f${ID}`),
  "encoded-twice": new RegExp(`${ID}/%252e%252e/${ID}`),
  "double-slash": new RegExp(`//${ID}/`),
  backslash: new RegExp(`${ID}%5c\\.\\.%5c${ID}`),
  "null-byte": new RegExp(`${ID}%00${ID}`),
  "trailing-dot": new RegExp(`${ID}\\./`),
  "trailing-space": new RegExp(`${ID}%20/`),
  "upper-case": /[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}/,
  "encoded-id": /(?:%[0-9a-f]{2}){36}/,
  "path-parameter": new RegExp(`${ID};tenant=`),
  "no-tenant": /\/v2\/[A-Z]/,
  "two-tenants": new RegExp(`${ID},${ID}`),
  "tenant-below-tenant": new RegExp(`${ID}/${ID}/`),
  "tenant-in-query": /[?&]tenant=/,
};

/** One part of the server checks the token, another takes the path for the second tenant's. `with`: `trick`, `open` (no token needed). */
const confuseTenants: Behaviour = async (call) => {
  const { request, state } = call;
  const trick = textOf(call.with["trick"]);
  const looks = LOOKS[trick];
  const isMet =
    looks === undefined ? request.headers["x-tenant-id"] !== undefined : looks.test(request.target);
  const type = /\/([A-Z][A-Za-z]+)\?/.exec(request.target)?.[1];
  const isOpen = call.with["open"] === true;
  if (!isMet || type === undefined || (!isOpen && request.headers.authorization === undefined))
    return call.next();
  const [, second] = registrations().tenants;
  if (second === undefined) return call.next();
  call.changed();
  return resourceReply(200, bundle(state.population(second.id).ofType(type).slice(0, 2)));
};

/** Behaviours of a server that mixes up its tenants. */
export const mixing: Readonly<Record<string, Behaviour>> = {
  acceptForeignClients,
  acceptForeignTokens,
  confuseTenants,
  serveExportAnywhere,
  serveOtherTenant,
};
