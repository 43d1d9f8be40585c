import { behaviours } from "./behaviours.ts";
import {
  loadFaultCatalogue,
  readFaultCall,
  type FaultCall,
  type FaultDefinition,
  type FaultOn,
  type FaultOperation,
} from "./catalogue.ts";
import { registrations } from "./data.ts";
import { outcomeReply, type Place, type Reply, type SandboxRequest } from "./exchange.ts";
import { isObject, type Json } from "./json.ts";
import { append, remove, set } from "./pointer.ts";
import { AUTHORIZATION_PATH } from "./places.ts";
import { settle, type Settings } from "./settings.ts";
import type { SandboxState } from "./state.ts";

/** A fault of a running sandbox, and how often it really changed something. */
export interface ActiveFault extends FaultCall {
  /** Exchanges in which it changed something. */
  applied: number;
  /** Exchanges that its `on` was about, whatever came of it. */
  met: number;
}

/**
 * Reads the calls of the faults a sandbox is started with.
 *
 * @param further faults beside those of the catalogue
 * @throws Error for an unknown fault, a wrong argument, an unknown behaviour or setting
 */
export function activate(
  calls: readonly string[],
  further: readonly FaultDefinition[],
): {
  readonly faults: ActiveFault[];
  readonly settings: Settings;
} {
  const definitions = [...further, ...loadFaultCatalogue()];
  const faults = calls.map((call) => ({ ...readFaultCall(call, definitions), applied: 0, met: 0 }));
  const settings = settle(
    faults.flatMap((fault) =>
      fault.definition.change.flatMap(({ setting, value }) =>
        setting === undefined
          ? []
          : [{ setting, value: fillJson(value ?? null, filler(argumentsOf(fault))) }],
      ),
    ),
  );
  for (const fault of faults) {
    for (const { behaviour, setting } of fault.definition.change) {
      if (setting !== undefined) fault.applied += 1;
      if (behaviour !== undefined && behaviours[behaviour] === undefined) {
        throw new Error(
          `The fault ${fault.definition.id} names the behaviour "${behaviour}", which is not there.`,
        );
      }
    }
  }
  return { faults, settings };
}

const escapeExpression = (text: string) => text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&");

function globExpression(pattern: string): RegExp {
  const body = pattern
    .split(/(\*\*|\*)/)
    .map((piece) => (piece === "**" ? ".*" : piece === "*" ? "[^/]*" : escapeExpression(piece)))
    .join("");
  return new RegExp(`^${body}$`, "s");
}

function textMatches(pattern: string | null, value: string | undefined): boolean {
  if (pattern === null) return value === undefined;
  if (value === undefined) return false;
  const body = pattern.split("*").map(escapeExpression).join(".*");
  return new RegExp(`^${body}$`, "is").test(value);
}

const includes = <T>(wanted: T | readonly T[] | undefined, value: T) =>
  wanted === undefined || (Array.isArray(wanted) ? wanted.includes(value) : wanted === value);

function formOf(request: SandboxRequest): URLSearchParams {
  const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true;
  return new URLSearchParams(isForm ? request.body.toString("utf8") : "");
}

function parametersMatch(
  wanted: Readonly<Record<string, string | null>> | undefined,
  parameters: URLSearchParams,
  fill: (text: string) => string,
): boolean {
  return Object.entries(wanted ?? {}).every(([name, pattern]) =>
    textMatches(pattern === null ? null : fill(pattern), parameters.get(fill(name)) ?? undefined),
  );
}

function headersMatch(wanted: FaultOn["header"], request: SandboxRequest): boolean {
  return Object.entries(wanted ?? {}).every(([name, pattern]) => {
    const value = request.headers[name.toLowerCase()];
    return textMatches(pattern, Array.isArray(value) ? value.join(", ") : value);
  });
}

function tenantMatches(wanted: string | undefined, place: Place): boolean {
  if (wanted === undefined) return true;
  const tenant = "tenant" in place ? place.tenant : undefined;
  const [first, second] = registrations().tenants;
  if (wanted === "known") return tenant !== undefined;
  if (wanted === "unknown") {
    return tenant === undefined && (place.kind === "api" || place.kind === "authorization");
  }
  if (tenant === undefined) return false;
  if (wanted === "first") return tenant === first;
  if (wanted === "second") return tenant === second;
  return tenant.uuid === wanted;
}

function placeMatches(on: FaultOn, place: Place, fill: (text: string) => string): boolean {
  if (on.api !== undefined && !(place.kind === "api" && on.api.some((id) => fill(id) === place.api.id))) {
    return false;
  }
  if (on.path !== undefined) {
    const isBeside = place.kind === "other";
    if ((place.kind !== "api" && !isBeside) || !globExpression(fill(on.path)).test(place.path)) return false;
  }
  if (on.auth !== undefined) {
    const isTenant = place.kind === "authorization";
    if (!isTenant && place.kind !== "legacy") return false;
    if (on.server !== undefined && on.server !== (isTenant ? "tenant" : "legacy")) return false;
    if (!globExpression(fill(on.auth)).test(place.path)) return false;
  }
  return tenantMatches(on.tenant, place);
}

function requestMatches(on: FaultOn, request: SandboxRequest, place: Place, fill: (text: string) => string) {
  return (
    includes(on.method, request.method) &&
    placeMatches(on, place, fill) &&
    headersMatch(on.header, request) &&
    parametersMatch(on.query, request.url.searchParams, fill) &&
    (on.form === undefined || parametersMatch(on.form, formOf(request), fill))
  );
}

function replyMatches(on: FaultOn, reply: Reply): boolean {
  if (!includes(on.status, reply.status)) return false;
  return on.format === undefined || (reply.content.kind === "resource" && reply.content.format === on.format);
}

function argumentsOf({ argument, parts }: FaultCall): Record<string, string> {
  return argument === undefined ? {} : { argument, ...parts };
}

/** What the names in a fault's texts stand for in one exchange. */
function substitutions(state: SandboxState, place: Place, fault: FaultCall): Record<string, string> {
  const [first, second] = registrations().tenants;
  const own = "tenant" in place && place.tenant !== undefined ? place.tenant : first;
  const other = own === second ? first : second;
  const authorization = (uuid: string) => `${state.origin}${AUTHORIZATION_PATH.replace("{tenant}", uuid)}`;
  const isLegacy = place.kind === "legacy" || (place.kind === "api" && place.api.generation === "v1");
  const otherPath =
    place.kind === "api" && place.segment !== undefined
      ? place.base.slice(0, -place.segment.length) + (other?.uuid ?? "")
      : place.base;
  return {
    base: place.base,
    origin: state.origin,
    legacyOrigin: state.legacyOrigin,
    tenant: own?.uuid ?? "",
    otherTenant: other?.uuid ?? "",
    authorization: isLegacy ? state.legacyOrigin : authorization(own?.uuid ?? ""),
    otherBase: place.kind === "authorization" ? authorization(other?.uuid ?? "") : otherPath,
    ...argumentsOf(fault),
  };
}

function filler(values: Readonly<Record<string, string>>): (text: string) => string {
  return (text) => text.replaceAll(/\{([a-zA-Z]+)\}/g, (whole, name: string) => values[name] ?? whole);
}

function fillJson(value: Json, fill: (text: string) => string): Json {
  if (typeof value === "string") return fill(value);
  if (Array.isArray(value)) return value.map((member) => fillJson(member, fill));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [fill(name), fillJson(member, fill)]),
  );
}

function changeParameters(
  parameters: URLSearchParams,
  changes: Readonly<Record<string, string | null>>,
  fill: (text: string) => string,
): void {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) parameters.delete(fill(name));
    else parameters.set(fill(name), fill(value));
  }
}

/** Applies a request operation; false when the operation is about the reply. */
function changeRequest(
  request: SandboxRequest,
  change: FaultOperation,
  fill: (text: string) => string,
): boolean {
  if (change.rewrite !== undefined) {
    request.url = new URL(fill(change.rewrite), request.url);
    return true;
  }
  if (change.method !== undefined) {
    request.method = change.method;
    return true;
  }
  if (change.requestHeader !== undefined) {
    for (const [name, value] of Object.entries(change.requestHeader)) {
      if (value === null) delete request.headers[name.toLowerCase()];
      else request.headers[name.toLowerCase()] = fill(value);
    }
    return true;
  }
  if (change.query !== undefined) {
    changeParameters(request.url.searchParams, change.query, fill);
    return true;
  }
  if (change.form !== undefined) {
    const form = formOf(request);
    changeParameters(form, change.form, fill);
    request.body = Buffer.from(form.toString());
    return true;
  }
  return false;
}

function changeDocument(reply: Reply, change: FaultOperation, fill: (text: string) => string): number {
  const { content } = reply;
  const document =
    content.kind === "resource" ? content.resource : content.kind === "json" ? content.value : undefined;
  if (document === undefined) return 0;
  if (change.remove !== undefined) return remove(document, fill(change.remove));
  const value = fillJson(change.value ?? null, fill);
  if (change.set !== undefined) return set(document, fill(change.set), value);
  return append(document, fill(change.append ?? ""), value);
}

/** Applies a reply operation. Returns whether it changed anything. */
function changeReply(reply: Reply, change: FaultOperation, fill: (text: string) => string): boolean {
  if (change.remove !== undefined || change.set !== undefined || change.append !== undefined) {
    return changeDocument(reply, change, fill) > 0;
  }
  if (change.json !== undefined) {
    reply.content = { kind: "json", value: fillJson(change.json, fill) };
  } else if (change.body !== undefined || change.bytes !== undefined) {
    const bytes =
      change.body === undefined ? Buffer.from(change.bytes ?? "", "base64") : Buffer.from(fill(change.body));
    reply.content = { kind: "bytes", bytes };
    if (change.mediaType !== undefined) reply.headers["content-type"] = change.mediaType;
  } else if (change.redirect !== undefined) {
    reply.status = change.status ?? 302;
    reply.content = { kind: "none" };
    delete reply.headers["content-type"];
    reply.headers["location"] = fill(change.redirect);
  } else if (change.outcome !== undefined) {
    const format = reply.content.kind === "resource" ? reply.content.format : "json";
    const outcome = outcomeReply(change.status ?? 400, fill(change.outcome), format);
    reply.status = outcome.status;
    reply.content = outcome.content;
    reply.headers["content-type"] = `application/fhir+${format}; charset=utf-8`;
  } else if (change.status !== undefined) {
    reply.status = change.status;
  } else if (change.header !== undefined) {
    for (const [name, value] of Object.entries(change.header)) {
      if (value === null) delete reply.headers[name.toLowerCase()];
      else reply.headers[name.toLowerCase()] = fill(value);
    }
  } else {
    return changeDelivery(reply, change);
  }
  return true;
}

function changeDelivery({ delivery }: Reply, change: FaultOperation): boolean {
  if (change.delay !== undefined) delivery.delayMilliseconds = change.delay;
  if (change.reset !== undefined) delivery.reset = change.reset;
  if (change.truncate !== undefined) delivery.truncate = change.truncate;
  if (change.drip !== undefined) delivery.drip = change.drip;
  if (change.pad !== undefined) delivery.padToBytes = change.pad;
  if (change.gzip !== undefined) delivery.gzip = true;
  return change.setting === undefined && change.behaviour === undefined;
}

/**
 * Answers a request through the faults of a sandbox: those that concern it change the request, take over its answer,
 * and change what is answered, in the order in which they were called for.
 *
 * @param locatePlace where a request goes, asked again after a fault has sent it elsewhere
 * @param answer the conformant answer, with all its headers
 */
export async function answerThroughFaults(
  state: SandboxState,
  request: SandboxRequest,
  locatePlace: (request: SandboxRequest) => Place,
  answer: (request: SandboxRequest, place: Place) => Promise<Reply>,
): Promise<Reply> {
  const place = locatePlace(request);
  const concerned = state.faults
    .map((fault) => ({ fault, fill: filler(substitutions(state, place, fault)), changed: false }))
    .filter(({ fault, fill }) => requestMatches(fault.definition.on ?? {}, request, place, fill))
    .filter(({ fault }) => {
      fault.met += 1;
      return includes(fault.definition.on?.nth, fault.met);
    });

  for (const each of concerned) {
    for (const change of each.fault.definition.change) {
      if (changeRequest(request, change, each.fill)) each.changed = true;
    }
  }

  let next = () => answer(request, locatePlace(request));
  for (const each of concerned.toReversed()) {
    for (const change of each.fault.definition.change.toReversed()) {
      const behaviour = change.behaviour === undefined ? undefined : behaviours[change.behaviour];
      if (behaviour === undefined) continue;
      const inner = next;
      const settings = fillJson({ ...change.with }, each.fill);
      next = () =>
        behaviour({
          state,
          request,
          place,
          with: isObject(settings) ? settings : {},
          next: inner,
          changed: () => {
            each.changed = true;
          },
        });
    }
  }
  const reply = await next();

  for (const each of concerned) {
    if (replyMatches(each.fault.definition.on ?? {}, reply)) {
      for (const change of each.fault.definition.change) {
        const isReplyOperation = !(
          change.rewrite ??
          change.method ??
          change.requestHeader ??
          change.query ??
          change.form ??
          change.behaviour
        );
        if (isReplyOperation && changeReply(reply, change, each.fill)) each.changed = true;
      }
    }
    if (each.changed) each.fault.applied += 1;
  }
  return reply;
}
