import { randomUUID } from "node:crypto";
import { answerFhir } from "./fhir/endpoint.ts";
import { isExportPath } from "./bulk/status.ts";
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
import { apis, registrations } from "./data.ts";
import { apiBase } from "./places.ts";
import { answerTenantOwner } from "./authorization/tenant-owner.ts";
import { answerBrands } from "./previous/brands.ts";
import { answerDocument } from "./previous/documents.ts";
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

// Paths with dot segments, plain or encoded, are refused rather than resolved: which tenant is meant must be plain.
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

async function route(state: SandboxState, request: SandboxRequest, place: Place): Promise<Reply> {
  if (DOT_SEGMENT.test(request.target.split(/[?#]/)[0] ?? "")) {
    return outcomeReply(400, "The request target cannot be read.");
  }
  switch (place.kind) {
    case "api":
      return answerApi(state, request, place);
    case "authorization": {
      if (place.tenant === undefined) return outcomeReply(404, "There is no such tenant.");
      // The router of the authorization server does not know the empty path.
      if (place.path === "") return outcomeReply(404, "There is nothing here.");
      const server = await state.authorizationServers.ofTenant(place.tenant);
      return server.answer(request, place.path);
    }
    case "legacy": {
      const server = await state.authorizationServers.legacy();
      return server.answer(request, place.path);
    }
    default:
      return answerOther(state, request, place.path);
  }
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
  if (place.api.serves !== undefined) return answerDocument(state, request, place);
  if (isExportPath(place.path)) return answerFhir(state, request, place, format ?? "json");
  // A Binary is given in its own media type, too.
  if (format === undefined && !place.path.startsWith("/Binary/"))
    return outcomeReply(406, "Offered are FHIR JSON and FHIR XML.");
  if (place.path === "/metadata") {
    return isRead(request)
      ? resourceReply(200, capabilityStatement(state, place.api, place.tenant), format ?? "json")
      : notAllowed("GET, HEAD, OPTIONS", format ?? "json");
  }
  return answerFhir(state, request, place, format ?? "json");
}

const isRead = (request: SandboxRequest) => request.method === "GET" || request.method === "HEAD";

function notAllowed(allowed: string, format: "json" | "xml"): Reply {
  const reply = outcomeReply(405, `Allowed here: ${allowed}.`, format);
  reply.headers["allow"] = allowed;
  return reply;
}

/** What is beside the APIs: an EHR that launches applications, and the style that a launch names. */
function answerOther(state: SandboxState, request: SandboxRequest, path: string): Promise<Reply> | Reply {
  if (path === "/smart-style.json" && isRead(request)) return jsonReply(200, { color_background: "#ffffff" });
  if (path === "/ehr/launch" && isRead(request)) return launchFromEhr(state, request.url.searchParams);
  if (path.startsWith("/tenant-owner/")) return answerTenantOwner(state, request, path);
  return answerBrands(state.origin, request, path) ?? outcomeReply(404, "There is nothing here.");
}

/**
 * Plays the EHR (SMART 2.0.0, "Launch App: EHR Launch"): sends the browser to an application's `launch_url` with
 * `iss` and `launch`. Parameters: launch_url (required), tenant (UUID), api, patient, encounter.
 */
function launchFromEhr(state: SandboxState, parameters: URLSearchParams): Reply {
  const { tenants } = registrations();
  const tenant = tenants.find((each) => each.uuid === (parameters.get("tenant") ?? tenants[0]?.uuid));
  const api = apis().find((each) => each.id === (parameters.get("api") ?? "provider-patient-access"));
  const target = parameters.get("launch_url");
  if (tenant === undefined || api === undefined || target === null || !URL.canParse(target)) {
    return outcomeReply(400, "launch_url, and a tenant and an API that exist, are needed.");
  }
  const [first] = state.population(tenant.id).patients();
  const patient = parameters.get("patient") ?? first?.id;
  const encounter = parameters.get("encounter") ?? patient?.replace("-patient-", "-encounter-");
  const base = apiBase(state.origin, api, tenant);
  const launch = state.launches.open({
    base,
    context: {
      needPatientBanner: false,
      ...(patient === undefined ? {} : { patient }),
      ...(encounter === undefined ? {} : { encounter }),
    },
  });
  const url = new URL(target);
  url.searchParams.set("iss", base);
  url.searchParams.set("launch", launch);
  return emptyReply(302, { location: url.href });
}
