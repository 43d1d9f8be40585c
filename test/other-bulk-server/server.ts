/**
 * Conformant servers of bulk data that share nothing with the sandbox but the specification: other URLs, other words
 * in errors, other optional members, exports at other levels. What a check has against them is a false verdict.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { listen, stop } from "../hostile/listen.ts";
import { clinicRecords, GROUP, groupOf, MEMBERS, type Record_ } from "./records.ts";

export interface BulkVariant {
  /** Levels of export; others are not there. */
  readonly levels: readonly ("system" | "patient" | "group")[];
  /** A token is needed, or nobody has one. */
  readonly isPublic?: true;
  /** How many times the status is 202 before it is 200. */
  readonly looks: number;
  /** What Retry-After says while it is 202. */
  readonly retryAfter: "date" | "seconds" | "nothing";
  /** Whether X-Progress, `count`, Expires and `deleted` are there. */
  readonly isTalkative?: true;
  /** Prefer and Accept have to be there, or need not. */
  readonly isStrict?: true;
  /** `_type` is heeded; else it is refused as every parameter that servers may leave out. */
  readonly filtersTypes?: true;
  readonly takesPost?: true;
  /** Files lie at another origin, behind URLs that are secrets themselves. */
  readonly hasStorage?: true;
  /** The CapabilityStatement says nothing of exports. */
  readonly isSilent?: true;
  /** Groups can be read. */
  readonly readsGroups?: true;
  readonly compresses?: true;
}

export interface OtherBulkServer {
  /** FHIR base URL. */
  readonly base: string;
  readonly group: string;
  readonly secret: string;
  /** Origin of the storage. */
  readonly storage: string;
  /** What came to the storage with a token. */
  readonly tokensAtStorage: readonly string[];
  /** Exports that nobody has deleted. */
  readonly left: () => number;
  close(): Promise<void>;
}

interface Task {
  readonly request: string;
  readonly at: Date;
  readonly types: readonly { readonly type: string; readonly lines: readonly string[] }[];
  looks: number;
}

export const CLIENT = "the client of a clinic";

const FORMATS = new Set(["application/fhir+ndjson", "application/ndjson", "ndjson"]);

interface Clinic {
  readonly variant: BulkVariant;
  readonly secret: string;
  readonly tokens: Set<string>;
  readonly tasks: Map<string, Task>;
  /** Files by the name in their URL. */
  readonly files: Map<string, { readonly task: string; readonly text: string }>;
  readonly tokensAtStorage: string[];
  storage: string;
}

/** Starts a server and its storage on 127.0.0.1. */
export async function startOtherBulkServer(variant: BulkVariant): Promise<OtherBulkServer> {
  const clinic: Clinic = {
    variant,
    secret: randomBytes(12).toString("hex"),
    tokens: new Set(),
    tasks: new Map(),
    files: new Map(),
    tokensAtStorage: [],
    storage: "",
  };
  const server = createServer((request, response) => void answer(clinic, request, response));
  const storage = createServer((request, response) => {
    const { authorization } = request.headers;
    if (authorization !== undefined) clinic.tokensAtStorage.push(authorization);
    giveFile(
      clinic,
      new URL(request.url ?? "/", "http://x").searchParams.get("sig") ?? "",
      request,
      response,
    );
  });
  const origins = await Promise.all([listen(server), listen(storage)]);
  clinic.storage = origins[1] ?? "";
  return {
    base: `${origins[0] ?? ""}/r4/clinic`,
    group: GROUP,
    secret: clinic.secret,
    storage: clinic.storage,
    tokensAtStorage: clinic.tokensAtStorage,
    left: () => clinic.tasks.size,
    async close() {
      await Promise.all([server, storage].map(stop));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function json(
  response: ServerResponse,
  status: number,
  body: object,
  type = "application/json;charset=utf-8",
) {
  response.writeHead(status, { "content-type": type }).end(JSON.stringify(body, undefined, 2));
}

/** The shortest OperationOutcome there is. */
function refuse(response: ServerResponse, status: number, code: string): void {
  const outcome = { resourceType: "OperationOutcome", issue: [{ severity: "fatal", code }] };
  json(response, status, outcome, "application/fhir+json");
}

async function answer(clinic: Clinic, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { variant } = clinic;
  const origin = `http://${request.headers.host ?? ""}`;
  const url = new URL(request.url ?? "/", origin);
  const body = await bodyOf(request);
  if (url.pathname === "/r4/clinic/metadata")
    return json(response, 200, statementOf(variant), "application/fhir+json");
  if (url.pathname === "/r4/clinic/.well-known/smart-configuration" && variant.isPublic !== true) {
    return json(response, 200, configurationOf(origin));
  }
  if (url.pathname === "/machines/token" && request.method === "POST") {
    return giveToken(clinic, request, body, response);
  }
  const needsToken = variant.isPublic !== true && !(variant.hasStorage === true && url.pathname === "/fetch");
  if (needsToken && !clinic.tokens.has(request.headers.authorization?.replace(/^Bearer /, "") ?? "")) {
    response.writeHead(401, { "content-type": "text/plain", "www-authenticate": "Bearer" }).end("no");
    return;
  }
  if (url.pathname === "/tasks")
    return giveTask(clinic, url.searchParams.get("no") ?? "", request, response, origin);
  if (url.pathname === "/fetch") {
    return giveFile(clinic, url.searchParams.get("sig") ?? "", request, response);
  }
  const level = levelOf(url.pathname);
  if (level !== undefined && variant.levels.includes(level.kind)) {
    return start(clinic, level, url, request, body, response);
  }
  if (url.pathname === `/r4/clinic/Group/${GROUP}` && variant.readsGroups === true) {
    return json(response, 200, groupOf(`${origin}/r4/clinic`), "application/fhir+json");
  }
  refuse(response, 404, "not-found");
}

function levelOf(path: string): { kind: "system" | "patient" | "group"; id?: string } | undefined {
  const match = /^\/r4\/clinic\/(?:(Patient)\/|Group\/([^/]+)\/)?\$export$/.exec(path);
  if (match === null) return undefined;
  if (match[2] !== undefined) return { kind: "group", id: match[2] };
  return { kind: match[1] === undefined ? "system" : "patient" };
}

function statementOf({ levels, isSilent, readsGroups }: BulkVariant): object {
  const bulk = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition";
  const declares = (level: BulkVariant["levels"][number]) => isSilent !== true && levels.includes(level);
  const operation = (name: string, definition: string) => [{ name, definition: `${bulk}/${definition}` }];
  return {
    resourceType: "CapabilityStatement",
    status: "active",
    date: "2025-01-01",
    kind: "instance",
    implementation: { description: "The clinic's data" },
    fhirVersion: "4.0.1",
    format: ["application/fhir+json"],
    rest: [
      {
        mode: "server",
        resource: [
          {
            type: "Patient",
            ...(declares("patient") ? { operation: operation("export", "patient-export|2.0.0") } : {}),
          },
          {
            type: "Group",
            ...(readsGroups === true ? { interaction: [{ code: "read" }] } : {}),
            ...(declares("group") ? { operation: operation("$export", "group-export") } : {}),
          },
          ...["Condition", "Observation", "Organization", "Practitioner"].map((type) => ({ type })),
        ],
        ...(declares("system") ? { operation: operation("system-export", "export") } : {}),
      },
    ],
  };
}

function configurationOf(origin: string): object {
  return {
    token_endpoint: `${origin}/machines/token`,
    grant_types_supported: ["client_credentials"],
    token_endpoint_auth_methods_supported: ["client_secret_basic"],
    scopes_supported: ["system/*.rs", "system/*.read"],
    capabilities: ["client-confidential-symmetric", "permission-v2"],
  };
}

function giveToken(clinic: Clinic, request: IncomingMessage, body: string, response: ServerResponse): void {
  const sent = request.headers.authorization ?? "";
  const encode = (text: string) => encodeURIComponent(text).replaceAll("%20", "+");
  const good = [encode, encodeURIComponent].map(
    (way) => `Basic ${Buffer.from(`${way(CLIENT)}:${clinic.secret}`).toString("base64")}`,
  );
  const isSame = (one: string) =>
    one.length === sent.length && timingSafeEqual(Buffer.from(one), Buffer.from(sent));
  if (!good.some(isSame) || new URLSearchParams(body).get("grant_type") !== "client_credentials") {
    return json(response, 401, { error: "invalid_client" });
  }
  const token = randomBytes(16).toString("hex");
  clinic.tokens.add(token);
  // Whatever is asked for, this client has always the same scopes.
  json(response, 200, { access_token: token, token_type: "bearer", expires_in: 300, scope: "system/*.read" });
}

function start(
  clinic: Clinic,
  level: { kind: "system" | "patient" | "group"; id?: string },
  url: URL,
  request: IncomingMessage,
  body: string,
  response: ServerResponse,
): void {
  const { variant } = clinic;
  if (level.kind === "group" && level.id !== GROUP) return refuse(response, 404, "not-found");
  if (request.method !== "GET" && !(request.method === "POST" && variant.takesPost === true)) {
    return refuse(response, 405, "not-supported");
  }
  const { prefer = "", accept = "*/*" } = request.headers;
  if (variant.isStrict === true && !String(prefer).includes("respond-async"))
    return refuse(response, 400, "required");
  if (variant.isStrict === true && accept !== "application/fhir+json")
    return refuse(response, 406, "invalid");
  const parameters = readParameters(url, body);
  const since = parameters.get("_since");
  if (since !== null && !/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(since))
    return refuse(response, 422, "value");
  const format = parameters.get("_outputFormat");
  if (format !== null && !FORMATS.has(format)) return refuse(response, 400, "not-supported");
  const types = parameters.getAll("_type").flatMap((value) => value.split(","));
  const known = new Set(["_since", "_outputFormat", ...(variant.filtersTypes === true ? ["_type"] : [])]);
  if ([...parameters.keys()].some((name) => !known.has(name))) return refuse(response, 400, "not-supported");

  const base = `http://${request.headers.host ?? ""}/r4/clinic`;
  const records = clinicRecords(base)
    .filter(({ changed }) => since === null || changed > Date.parse(since))
    .filter(({ patient }) => level.kind !== "group" || patient === undefined || MEMBERS.includes(patient))
    .map(({ resource }) => resource)
    .filter(({ resourceType }) => types.length === 0 || types.includes(resourceType));
  const offered = new Set(clinicRecords(base).map(({ resource }) => resource.resourceType));
  const isOutside =
    level.kind !== "system" && types.every((type) => /^(Organization|Practitioner)$/.test(type));
  if (types.length > 0 && (types.some((type) => !offered.has(type)) || isOutside)) {
    return refuse(response, 400, "not-supported");
  }
  const id = randomBytes(9).toString("base64url");
  clinic.tasks.set(id, { request: url.href, at: new Date(), types: inFiles(records), looks: 0 });
  response.setHeader("content-location", `http://${request.headers.host ?? ""}/tasks?no=${id}`);
  if (variant.isTalkative === true) {
    const issue = [{ severity: "information", code: "informational", diagnostics: "It has begun." }];
    return json(response, 202, { resourceType: "OperationOutcome", issue }, "application/fhir+json");
  }
  response.writeHead(202).end();
}

function readParameters(url: URL, body: string): URLSearchParams {
  const parameters = new URLSearchParams(url.searchParams);
  if (body === "") return parameters;
  const { parameter = [] } = JSON.parse(body) as {
    parameter?: { name: string; [value: `value${string}`]: string | { reference: string } }[];
  };
  for (const { name, ...values } of parameter) {
    for (const value of Object.values(values)) {
      parameters.append(name, typeof value === "string" ? value : value.reference);
    }
  }
  return parameters;
}

/** A file for each type, two for those with many. White space between tokens is no line's end. */
function inFiles(records: readonly Record_[]): Task["types"] {
  const types = [...new Set(records.map(({ resourceType }) => resourceType))];
  return types.flatMap((type) => {
    const lines = records
      .filter(({ resourceType }) => resourceType === type)
      .map((resource) => JSON.stringify(resource, undefined, 1).replaceAll(/\n\s*/g, " "));
    const half = Math.ceil(lines.length / 2);
    const parts = lines.length > 3 ? [lines.slice(0, half), lines.slice(half)] : [lines];
    return parts.map((part) => ({ type, lines: part }));
  });
}

function giveTask(
  clinic: Clinic,
  id: string,
  request: IncomingMessage,
  response: ServerResponse,
  origin: string,
): void {
  const { variant } = clinic;
  const task = clinic.tasks.get(id);
  if (task === undefined) return refuse(response, 404, "not-found");
  if (request.method === "DELETE") {
    clinic.tasks.delete(id);
    for (const [name, file] of clinic.files) if (file.task === id) clinic.files.delete(name);
    return void response.writeHead(202).end();
  }
  if (request.method !== "GET") return refuse(response, 405, "not-supported");
  if (task.looks < variant.looks) {
    task.looks += 1;
    const soon = new Date(Date.now() + 1000).toUTCString();
    if (variant.retryAfter !== "nothing") {
      response.setHeader("retry-after", variant.retryAfter === "date" ? soon : "1");
    }
    if (variant.isTalkative === true) response.setHeader("x-progress", "still counting");
    return void response.writeHead(202).end();
  }
  if (variant.isTalkative === true) {
    response.setHeader("expires", new Date(task.at.getTime() + 86_400_000).toUTCString());
  }
  json(response, 200, manifestOf(clinic, id, task, origin), "application/json; charset=UTF-8");
}

function manifestOf(clinic: Clinic, id: string, task: Task, origin: string): object {
  const { variant, storage } = clinic;
  const place = variant.hasStorage === true ? storage : origin;
  const output = task.types.map(({ type, lines }, index) => {
    const name = `${id}.${index}`;
    // The last line's end may be missing.
    clinic.files.set(name, { task: id, text: lines.join("\n") + (index % 2 === 0 ? "\n" : "") });
    return {
      url: `${place}/fetch?sig=${encodeURIComponent(name)}&v=1`,
      ...(variant.isTalkative === true ? { count: lines.length } : {}),
      type,
      extension: { "https://clinic.example/part": index },
    };
  });
  return {
    error: [],
    ...(variant.isTalkative === true ? { deleted: [] } : {}),
    output,
    requiresAccessToken: variant.isPublic !== true && variant.hasStorage !== true,
    request: task.request,
    transactionTime: task.at.toISOString().replace("Z", "+00:00"),
    ...(variant.isTalkative === true ? { extension: { "https://clinic.example/by": { name: "us" } } } : {}),
  };
}

function giveFile(clinic: Clinic, name: string, request: IncomingMessage, response: ServerResponse): void {
  const file = clinic.files.get(name);
  if (file === undefined) return refuse(response, 404, "not-found");
  if (request.method !== "GET") return refuse(response, 405, "not-supported");
  // No length, no tag, no ranges, never compressed.
  response.writeHead(200, { "content-type": "application/fhir+ndjson; charset=utf-8" });
  response.write(file.text);
  response.end();
}
