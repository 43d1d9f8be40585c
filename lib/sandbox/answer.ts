import { randomUUID } from "node:crypto";
import { smartConfiguration } from "./discovery.ts";
import {
  emptyReply,
  jsonReply,
  outcomeReply,
  resourceReply,
  type Place,
  type Reply,
  type SandboxRequest,
} from "./exchange.ts";
import { negotiateFormat } from "./format.ts";
import { capabilityStatement } from "./statement.ts";
import type { SandboxState } from "./state.ts";

type ApiPlace = Extract<Place, { kind: "api" }>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The conformant answer to a request, with the headers that every answer has. */
export async function answer(state: SandboxState, request: SandboxRequest, place: Place): Promise<Reply> {
  const reply =
    request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined
      ? preflight()
      : await route(state, request, place);
  if (reply.content.kind === "resource") {
    reply.headers["content-type"] ??= `application/fhir+${reply.content.format}; charset=utf-8`;
  }
  const sent = request.headers["x-request-id"];
  const isAdopted = typeof sent === "string" && UUID.test(sent);
  reply.headers["x-request-id"] = isAdopted ? sent : randomUUID();
  reply.headers["access-control-allow-origin"] ??= "*";
  reply.headers["access-control-expose-headers"] ??=
    "Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Request-ID, X-Progress";
  return reply;
}

function preflight(): Reply {
  return emptyReply(204, {
    "access-control-allow-methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    "access-control-allow-headers": "Accept, Authorization, Content-Type, Prefer, X-Request-ID",
    "access-control-max-age": "600",
  });
}

async function route(state: SandboxState, request: SandboxRequest, place: Place): Promise<Reply> {
  if (place.kind === "api") return answerApi(state, request, place);
  return outcomeReply(404, "There is nothing here.");
}

async function answerApi(state: SandboxState, request: SandboxRequest, place: ApiPlace): Promise<Reply> {
  const format = negotiateFormat(request, place.api.defaultFormat ?? "json");
  if (place.tenant === undefined) {
    return outcomeReply(404, "There is no such tenant.", format ?? "json");
  }
  if (place.path === "/.well-known/smart-configuration") {
    const configuration = smartConfiguration(state, place.api, place.tenant);
    if (configuration === undefined)
      return outcomeReply(404, "This API is open: it has no SMART configuration.");
    return isRead(request) ? jsonReply(200, configuration) : notAllowed("GET, HEAD, OPTIONS", "json");
  }
  if (format === undefined) return outcomeReply(406, "Offered are FHIR JSON and FHIR XML.");
  if (place.path === "/metadata") {
    return isRead(request)
      ? resourceReply(200, capabilityStatement(state, place.api, place.tenant), format)
      : notAllowed("GET, HEAD, OPTIONS", format);
  }
  return outcomeReply(404, "There is nothing here.", format);
}

const isRead = (request: SandboxRequest) => request.method === "GET" || request.method === "HEAD";

function notAllowed(allowed: string, format: "json" | "xml"): Reply {
  const reply = outcomeReply(405, `Allowed here: ${allowed}.`, format);
  reply.headers["allow"] = allowed;
  return reply;
}
