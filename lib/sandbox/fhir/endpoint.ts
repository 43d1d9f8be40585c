import { randomUUID } from "node:crypto";
import type { KnownToken } from "../authorization/server.ts";
import { overlooking } from "../authorization/overlooking.ts";
import { isApproved } from "../authorization/tenant-owner.ts";
import { apiBase } from "../places.ts";
import { outcomeReply, resourceReply, type Reply, type SandboxRequest } from "../exchange.ts";
import type { JsonObject } from "../json.ts";
import { interactions, resourceTypes } from "../statement.ts";
import type { SandboxState } from "../state.ts";
import { accessOf, OPEN_ACCESS, patientsOf, type Access } from "./access.ts";
import { usCore } from "../data.ts";
import { startExport, type ExportCall } from "../bulk/kick-off.ts";
import { followExport, isExportPath, needsToken } from "../bulk/status.ts";
import { insufficient, parseResource, type ApiPlace, type Call } from "./call.ts";
import { expandNoteTypes, findDocuments } from "./operations.ts";
import { history, isReply, read, versionHeaders, visible } from "./reading.ts";
import { runSearch } from "./run-search.ts";

/** Answers a request under an API's base that is neither discovery nor metadata. */
export async function answerFhir(
  state: SandboxState,
  request: SandboxRequest,
  place: ApiPlace,
  format: "json" | "xml",
): Promise<Reply> {
  const { tenant, api } = place;
  if (tenant === undefined) return outcomeReply(404, "There is no such tenant.", format);
  const base = apiBase(state.origin, api, tenant);
  const population = state.population(tenant.id);
  const created = state.created(tenant.id);
  const find = (type: string, id: string) =>
    created.find((each) => each["resourceType"] === type && each["id"] === id) ?? population.find(type, id);
  const ofType = (type: string) => {
    const own = created.filter((each) => each["resourceType"] === type);
    return own.length === 0 ? population.ofType(type) : [...population.ofType(type), ...own];
  };

  // What concerns an export is said in JSON, whatever the request prefers (Bulk Data 2.0.0).
  const spoken = api.bulkData === true && /^\/bulk-|\/\$export$/.test(place.path) ? "json" : format;
  const granted = await authorize(state, request, place, base, find, spoken);
  if ("status" in granted) return granted;
  const call: Call = { state, request, place, tenant, base, format, ...granted, find, ofType };
  if (api.bulkData === true && isExportPath(place.path)) return followExport(exportCall(call), place.path);
  const segments = place.path.split("/").slice(1);
  if (segments.length === 0 || segments.some((segment) => segment === "")) {
    return outcomeReply(404, "There is nothing here.", format);
  }
  const [type = "", ...rest] = segments;
  if (type === "$export" && rest.length === 0 && api.bulkData === true && api.usCore !== undefined) {
    return startExport(exportCall(call), "system");
  }
  if (type.startsWith("$")) return outcomeReply(501, `The operation ${type} is not supported.`, format);
  if (!resourceTypes(api).includes(type)) {
    return outcomeReply(404, `Resources of type ${type} are not here.`, format);
  }
  return answerType(call, type, rest);
}

/** The access that a request's token gives, or the refusal (RFC 6750, 3; the vendor's issue codes). */
export async function authorize(
  state: SandboxState,
  request: SandboxRequest,
  place: ApiPlace,
  base: string,
  find: Call["find"],
  format: "json" | "xml",
): Promise<{ access: Access; owner: string } | Reply> {
  const { api, tenant } = place;
  if (api.access === "public" || tenant === undefined) return { access: OPEN_ACCESS, owner: "" };
  const value = /^Bearer ([\w.~+/-]+=*)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (value === undefined && !needsToken(place.path, state.settings)) {
    return { access: OPEN_ACCESS, owner: "" };
  }
  if (value === undefined) return unauthorized("An access token is needed.", "", format);
  const overlooked = overlooking.getStore();
  const enforceAudience = state.settings.enforceAudience && overlooked?.foreignTokens !== true;
  const own = await state.authorizationServers.guarding(api, tenant);
  const token = enforceAudience ? await own.findToken(value) : await findTokenAnywhere(state, value);
  if (token === undefined || (enforceAudience && token.audience !== base)) {
    return unauthorized("The access token is not valid here.", ', error="invalid_token"', format);
  }
  if (!isApproved(state, token.application.id)) {
    return outcomeReply(403, "The tenant has not authorized this application.", format);
  }
  if (token.audience !== base) overlooked?.changed();
  return { access: accessOf(token, api, base, find, state.settings), owner: token.application.id };
}

function exportCall(call: Call): ExportCall {
  const { state, place, tenant } = call;
  const { usCore: version } = place.api;
  // The v1 API declares Group and Binary only, and exports what v1 patient access has.
  const types =
    version === undefined ? usCore("3.1.1").resource.map((each) => each.type) : resourceTypes(place.api);
  return {
    ...call,
    api: place.api,
    types: types.filter((type) => type !== "ValueSet" && type !== "Binary"),
    jobs: state.exports,
    edition: version === undefined ? "1.0.0" : "2.0.0",
    settings: state.settings,
    scale: state.scale(tenant.id),
  };
}

async function findTokenAnywhere(state: SandboxState, value: string): Promise<KnownToken | undefined> {
  for (const server of await state.authorizationServers.started()) {
    const token = await server.findToken(value);
    if (token !== undefined) return token;
  }
  return undefined;
}

function unauthorized(diagnostics: string, error: string, format: "json" | "xml"): Reply {
  const reply = outcomeReply(401, diagnostics, format);
  reply.headers["www-authenticate"] = `Bearer realm="careconnect"${error}`;
  return reply;
}

function answerType(call: Call, type: string, rest: readonly string[]): Promise<Reply> | Reply {
  const { request, place, format } = call;
  const { method } = request;
  const offered = interactions(place.api, type);
  const [second, third, fourth] = rest;
  const isRead = method === "GET" || method === "HEAD";
  if (second === undefined) {
    if (isRead && offered.includes("search-type")) return runSearch(call, type, request.url.searchParams);
    if (method === "POST" && offered.includes("create")) return create(call, type);
    return notAllowed(method, type, format);
  }
  if (second === "_search" && third === undefined) {
    if (method !== "POST" || !offered.includes("search-type")) return notAllowed(method, type, format);
    if (request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") !== true) {
      return outcomeReply(415, "A search is posted as a form.", format);
    }
    const parameters = new URLSearchParams(request.url.searchParams);
    for (const [name, value] of new URLSearchParams(request.body.toString("utf8")))
      parameters.append(name, value);
    return runSearch(call, type, parameters);
  }
  if (second.startsWith("$")) return operate(call, type, second);
  if (type === "Group" && third === "$export" && place.api.bulkData === true) {
    const group = visible(call, type, second);
    return isReply(group) ? group : startExport(exportCall(call), group);
  }
  if (third?.startsWith("$") === true)
    return outcomeReply(501, `The operation ${third} is not supported.`, format);
  if (!isRead) return notAllowed(method, type, format);
  if (third === undefined && offered.includes("read")) return read(call, type, second);
  if (third === "_history" && fourth === undefined && offered.includes("history-instance")) {
    return history(call, type, second);
  }
  if (third === "_history" && fourth !== undefined && offered.includes("vread")) {
    return read(call, type, second, fourth);
  }
  return outcomeReply(404, "There is nothing here.", format);
}

function notAllowed(method: string, type: string, format: "json" | "xml"): Reply {
  return outcomeReply(405, `${method} is not supported for ${type}.`, format);
}

function create(call: Call, type: string): Reply {
  const { format, place, state, base } = call;
  if (!call.access.permits(type, "c")) return insufficient(format, `creating ${type}`);
  const sent = parseResource(call.request);
  if (sent === undefined) return outcomeReply(400, "The body is not a resource in JSON.", format);
  if (sent["resourceType"] !== type) return outcomeReply(422, `The body is not a ${type}.`, format);
  const [patient] = patientsOf(sent, call.find);
  if (patient === undefined || call.find("Patient", patient) === undefined) {
    return outcomeReply(422, "The subject is not a patient of this tenant.", format);
  }
  const { resourceType, ...content } = sent;
  const resource: JsonObject = {
    resourceType: resourceType ?? type,
    ...content,
    id: randomUUID(),
    meta: { versionId: "1", lastUpdated: new Date().toISOString() },
  };
  state.created(place.tenant?.id ?? "").push(resource);
  const reply = resourceReply(201, structuredClone(resource), format);
  reply.headers["location"] = `${base}/${type}/${resource["id"] as string}/_history/1`;
  Object.assign(reply.headers, versionHeaders(resource));
  return reply;
}

function operate(call: Call, type: string, name: string): Reply {
  const { bulkData, usCore: version } = call.place.api;
  if (type === "Patient" && name === "$export" && bulkData === true && version !== undefined) {
    return startExport(exportCall(call), "patient");
  }
  if (type === "DocumentReference" && name === "$docref") return findDocuments(call);
  if (type === "ValueSet" && name === "$expand") return expandNoteTypes(call);
  return outcomeReply(501, `The operation ${name} is not supported.`, call.format);
}
