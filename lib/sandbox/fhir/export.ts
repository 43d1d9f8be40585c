import { randomUUID } from "node:crypto";
import {
  emptyReply,
  jsonReply,
  outcomeReply,
  textReply,
  type Reply,
  type SandboxRequest,
} from "../exchange.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";
import { patientsOf, type Access, type Find } from "./access.ts";
import { spanOf } from "./match.ts";

/** A bulk export that was started, and what it will give (Bulk Data Access 2.0.0). */
export interface ExportJob {
  readonly id: string;
  /** Application that started it: nobody else may follow it. */
  readonly owner: string;
  readonly base: string;
  readonly kickOff: string;
  readonly started: Date;
  readonly readyAt: number;
  readonly outputs: readonly { readonly type: string; readonly resources: readonly JsonObject[] }[];
}

export interface ExportCall {
  readonly request: SandboxRequest;
  readonly base: string;
  readonly format: "json" | "xml";
  readonly access: Access;
  readonly owner: string;
  readonly types: readonly string[];
  readonly jobs: Map<string, ExportJob>;
  /** How long an export takes. */
  readonly milliseconds: number;
  readonly ofType: (type: string) => readonly JsonObject[];
  readonly find: Find;
}

const STATUS = "bulk-status";
const FILES = "bulk-files";
const LIFETIME = 3_600_000;

const FORMATS = new Set(["application/fhir+ndjson", "application/ndjson", "ndjson"]);
const KNOWN = new Set(["_outputFormat", "_since", "_type", "patient"]);

/** Whether a path under an API's base belongs to exports that were started. */
export function isExportPath(path: string): boolean {
  return path.startsWith(`/${STATUS}/`) || path.startsWith(`/${FILES}/`);
}

/** Parameters of a kick-off, from the URL or from a Parameters resource. */
function readParameters(request: SandboxRequest): URLSearchParams | undefined {
  const parameters = new URLSearchParams(request.url.searchParams);
  if (request.method === "GET") return parameters;
  try {
    const body = JSON.parse(request.body.toString("utf8")) as Json;
    if (!isObject(body) || body["resourceType"] !== "Parameters") return undefined;
    for (const one of Array.isArray(body["parameter"]) ? body["parameter"] : []) {
      if (!isObject(one) || typeof one["name"] !== "string") return undefined;
      const [, value] = Object.entries(one).find(([name]) => name.startsWith("value")) ?? [];
      const text = isObject(value) ? value["reference"] : value;
      if (typeof text !== "string") return undefined;
      parameters.append(one["name"], text);
    }
    return parameters;
  } catch {
    return undefined;
  }
}

/**
 * Starts an export (Bulk Data 2.0.0, "Bulk Data Kick-off Request").
 *
 * @param level everything, the patients, or the patients of a group
 */
export function startExport(call: ExportCall, level: "system" | "patient" | JsonObject): Reply {
  const { request, format, access, base } = call;
  const refuse = (problem: string) => outcomeReply(400, problem, format);
  if (request.method !== "GET" && request.method !== "POST") {
    return outcomeReply(405, "An export is started by GET or POST.", format);
  }
  const preferences = typeof request.headers["prefer"] === "string" ? request.headers["prefer"] : "";
  if (!/\brespond-async\b/.test(preferences)) return refuse("Prefer: respond-async is needed.");
  const parameters = readParameters(request);
  if (parameters === undefined) return refuse("The body is not a Parameters resource.");

  const unknown = [...parameters.keys()].find((name) => !KNOWN.has(name));
  if (unknown !== undefined && /\bhandling=strict\b/.test(preferences)) {
    return refuse(`The parameter ${unknown} is not supported.`);
  }
  // An unescaped plus in a query is read as a space.
  const outputFormat = parameters.get("_outputFormat")?.replace("fhir ", "fhir+");
  if (outputFormat !== undefined && !FORMATS.has(outputFormat)) {
    return refuse(`The output format ${outputFormat} is not supported.`);
  }
  const since = parameters.get("_since")?.replace(/ (?=\d\d:\d\d$)/, "+");
  const from = since === undefined ? undefined : spanOf(since);
  if (since !== undefined && (from === undefined || !/T.*(Z|[+-]\d\d:\d\d)$/.test(since))) {
    return refuse("_since is not an instant.");
  }
  const asked = parameters.getAll("_type").flatMap((value) => value.split(","));
  const unsupported = asked.find((type) => !call.types.includes(type));
  if (unsupported !== undefined) return refuse(`Resources of type ${unsupported} cannot be exported.`);
  const refused = asked.find((type) => !access.permits(type, "r"));
  const types = (asked.length > 0 ? asked : call.types).filter((type) => access.permits(type, "r"));
  if (refused !== undefined || types.length === 0) {
    return outcomeReply(403, `The token's scopes do not permit exporting ${refused ?? "anything"}.`, format);
  }

  const named = parameters.getAll("patient").flatMap((value) => value.split(","));
  const patients = level === "system" ? undefined : new Set(patientsToExport(call, level, named));
  const isIncluded = (resource: JsonObject) => {
    if (!access.sees(resource, "r")) return false;
    const meta = resource["meta"];
    const updated =
      isObject(meta) && typeof meta["lastUpdated"] === "string" ? Date.parse(meta["lastUpdated"]) : 0;
    if (from !== undefined && updated < from.start) return false;
    if (patients === undefined) return true;
    const own = patientsOf(resource, call.find);
    return own.length === 0 || (resource["resourceType"] !== "Group" && own.some((id) => patients.has(id)));
  };
  const job: ExportJob = {
    id: randomUUID(),
    owner: call.owner,
    base,
    kickOff: request.url.href,
    started: new Date(),
    readyAt: Date.now() + call.milliseconds,
    outputs: types
      .map((type) => ({ type, resources: call.ofType(type).filter(isIncluded) }))
      .filter((output) => output.resources.length > 0),
  };
  call.jobs.set(job.id, job);
  return emptyReply(202, { "content-location": `${base}/${STATUS}/${job.id}` });
}

function patientsToExport(
  call: ExportCall,
  level: "patient" | JsonObject,
  named: readonly string[],
): string[] {
  const reach =
    level === "patient"
      ? call.ofType("Patient").map((each) => each["id"] as string)
      : patientsOf(level, call.find);
  if (named.length === 0) return reach;
  const wanted = new Set(named.map((reference) => reference.replace(/^Patient\//, "")));
  return reach.filter((id) => wanted.has(id));
}

/** Answers under a status or file URL of an export (Bulk Data 2.0.0, status, delete and file requests). */
export function followExport(call: ExportCall, path: string): Reply {
  const { request, format, jobs } = call;
  const [, kind, id = "", file] = path.split("/");
  const job = jobs.get(id);
  const isOver = job !== undefined && job.started.getTime() + LIFETIME < Date.now();
  if (job === undefined || isOver || job.base !== call.base || job.owner !== call.owner) {
    return outcomeReply(404, "There is no such export.", format);
  }
  if (kind === FILES)
    return request.method === "GET" ? giveFile(job, file, format) : outcomeReply(405, "GET.", format);
  if (request.method === "DELETE") {
    jobs.delete(id);
    return emptyReply(202);
  }
  if (request.method !== "GET") return outcomeReply(405, "GET or DELETE.", format);
  if (Date.now() < job.readyAt) {
    return emptyReply(202, { "x-progress": "under way", "retry-after": "1" });
  }
  return giveManifest(job);
}

function giveManifest(job: ExportJob): Reply {
  const reply = jsonReply(200, {
    transactionTime: job.started.toISOString(),
    request: job.kickOff,
    requiresAccessToken: true,
    output: job.outputs.map(({ type, resources }) => ({
      type,
      url: `${job.base}/${FILES}/${job.id}/${type}.ndjson`,
      count: resources.length,
    })),
    error: [],
    deleted: [],
  });
  reply.headers["expires"] = new Date(job.started.getTime() + LIFETIME).toUTCString();
  return reply;
}

function giveFile(job: ExportJob, file: string | undefined, format: "json" | "xml"): Reply {
  const output = job.outputs.find((each) => `${each.type}.ndjson` === file);
  if (output === undefined || Date.now() < job.readyAt)
    return outcomeReply(404, "There is no such file.", format);
  const lines = output.resources.map((resource) => `${JSON.stringify(resource)}\n`);
  return textReply(200, "application/fhir+ndjson", lines.join(""));
}
