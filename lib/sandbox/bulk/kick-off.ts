import { randomUUID } from "node:crypto";
import type { Tenant } from "../data.ts";
import { emptyReply, outcomeReply, type Reply, type SandboxRequest } from "../exchange.ts";
import { patientsOf, type Access, type Find } from "../fhir/access.ts";
import { present } from "../fhir/present.ts";
import type { SearchRequest } from "../fhir/search.ts";
import { negotiateFormat } from "../format.ts";
import type { JsonObject } from "../json.ts";
import { bodyOfLines } from "./body.ts";
import { deletedSince } from "./deletions.ts";
import { readElements, withElements, type Elements } from "./elements.ts";
import type { ExportFile, ExportJob } from "./job.ts";
import {
  listed,
  readInstant,
  readParameters,
  readPreferences,
  type Preferences,
  type Problem,
} from "./parameters.ts";
import type { Scale } from "./scale.ts";
import { isOfPatients, readTypeQueries, runTypeQuery, selectResources, type Selection } from "./selection.ts";
import { statusUrl } from "./status.ts";
import { asOfUsCore3 } from "./us-core-3.ts";

/** What the export service needs to answer a request. */
export interface ExportCall {
  readonly request: SandboxRequest;
  readonly api: SearchRequest["api"];
  readonly tenant: Tenant;
  readonly base: string;
  readonly access: Access;
  readonly owner: string;
  /** Types that this API exports. */
  readonly types: readonly string[];
  readonly jobs: Map<string, ExportJob>;
  readonly edition: ExportJob["edition"];
  readonly settings: ExportSettings;
  /** The large generated export that stands in for the tenant's data, when there is one. */
  readonly scale: Scale | undefined;
  readonly ofType: (type: string) => readonly JsonObject[];
  readonly find: Find;
}

/** How the export service is set up. */
export interface ExportSettings {
  /** How long an export takes. */
  readonly exportMilliseconds: number;
  /** Most resources of a file. */
  readonly exportFileResources: number;
  /** Most exports of one application that are under way at once. */
  readonly exportsAtOnce: number;
  /** Most status requests about an export in a second while it is under way. */
  readonly exportPollsPerSecond: number;
  /** Only the application that started an export may follow it. */
  readonly exportOwnerOnly: boolean;
  /** Status and files need scopes for all that is exported. */
  readonly exportScopesEverywhere: boolean;
  /** Parameters that are neither heeded nor refused: names with commas. */
  readonly exportIgnores: string;
  /** Exports of patients may be of types outside the Patient compartment alone. */
  readonly exportOutsideCompartment: boolean;
}

const FORMATS = new Set(["application/fhir+ndjson", "application/ndjson", "ndjson"]);

/** The parameters of each edition: `patient` is for POST (Bulk Data 2.0.0, "Query Parameters"). */
const KNOWN: Readonly<Record<ExportJob["edition"], readonly string[]>> = {
  "1.0.0": ["_outputFormat", "_since", "_type"],
  "2.0.0": [
    "_outputFormat",
    "_since",
    "_type",
    "_typeFilter",
    "_elements",
    "patient",
    "includeAssociatedData",
  ],
};

type Level = "system" | "patient" | JsonObject;

/** A refused kick-off. */
class Refused extends Error {
  override readonly name = "Refused";
  readonly reply: Reply;

  constructor(status: number, text: string) {
    super(text);
    this.reply = outcomeReply(status, text);
  }
}

/**
 * Starts an export (Bulk Data 2.0.0, "Bulk Data Kick-off Request").
 *
 * @param level everything, the patients, or the patients of this Group
 */
export function startExport(call: ExportCall, level: Level): Reply {
  try {
    const job = prepare(call, level);
    call.jobs.set(job.id, job);
    return emptyReply(202, { "content-location": statusUrl(job) });
  } catch (error) {
    if (error instanceof Refused) return error.reply;
    throw error;
  }
}

function prepare(call: ExportCall, level: Level): ExportJob {
  const { request, settings, owner } = call;
  const preferences = checkHeaders(request);
  const parameters = readParameters(request);
  if (parameters === undefined) throw new Refused(400, "The body is not a Parameters resource.");
  for (const name of settings.exportIgnores.split(",")) parameters.delete(name);

  const problems: Problem[] = [];
  const asked = readQuery(call, level, parameters, problems);
  reject(problems, preferences);
  checkUnknown(call, parameters, preferences, problems);
  checkRate(call);

  const started = new Date();
  return {
    id: randomUUID(),
    owner,
    base: call.base,
    edition: call.edition,
    kickOff: request.url.href,
    level: level === "system" || level === "patient" ? level : "group",
    types: asked.selection.types,
    started,
    readyAt: started.getTime() + settings.exportMilliseconds,
    files:
      call.scale === undefined
        ? filesOf(call, asked, preferences.handling === "lenient" ? problems : [])
        : call.scale.files(asked.selection),
    polls: [],
  };
}

function checkHeaders(request: SandboxRequest): Preferences {
  const { method, headers } = request;
  if (method !== "GET" && method !== "POST") throw new Refused(405, "An export is started by GET or POST.");
  const preferences = readPreferences(request);
  if (!preferences.isAsynchronous) throw new Refused(400, "Prefer: respond-async is needed.");
  if (headers.accept === undefined) throw new Refused(400, "Accept: application/fhir+json is needed.");
  if (negotiateFormat(request, "json") !== "json") {
    throw new Refused(406, "What a kick-off answers is FHIR JSON.");
  }
  const type = headers["content-type"] ?? "";
  if (method === "POST" && !/^application\/(?:fhir\+)?json\b/i.test(type)) {
    throw new Refused(415, "The body of a kick-off is a Parameters resource in FHIR JSON.");
  }
  return preferences;
}

/** Ends with the first problem, unless the client has asked to leave out what cannot be done. */
function reject(problems: readonly Problem[], { handling }: Preferences): void {
  const first = problems.find(({ isForgivable }) => handling !== "lenient" || !isForgivable);
  if (first !== undefined) throw new Refused(400, first.text);
}

/** Parameters that the specification does not have: an error when strictness is asked for. */
function checkUnknown(
  call: ExportCall,
  parameters: URLSearchParams,
  { handling }: Preferences,
  problems: Problem[],
): void {
  for (const name of new Set(parameters.keys())) {
    if (KNOWN["2.0.0"].includes(name) || name === "_format") continue;
    const text = `The parameter ${name} is not supported.`;
    if (handling === "strict") throw new Refused(400, text);
    problems.push({ text, isForgivable: true });
  }
}

/** "Bulk Data Kick-off Request": too many exports at once are answered with 429 and Retry-After. */
function checkRate({ jobs, owner, settings }: ExportCall): void {
  const now = Date.now();
  const underWay = [...jobs.values()].filter((job) => job.owner === owner && job.readyAt > now);
  if (underWay.length < settings.exportsAtOnce) return;
  const refused = new Refused(429, "Too many exports are under way.");
  const wait = Math.ceil((Math.min(...underWay.map((job) => job.readyAt)) - now) / 1000);
  refused.reply.headers["retry-after"] = String(Math.max(wait, 1));
  throw refused;
}

/** What is asked for. */
interface Query {
  readonly selection: Selection;
  readonly elements: Elements;
}

function readQuery(call: ExportCall, level: Level, parameters: URLSearchParams, problems: Problem[]): Query {
  const hard = (text: string) => void problems.push({ text, isForgivable: false });
  const soft = (text: string) => void problems.push({ text, isForgivable: true });
  for (const name of KNOWN["2.0.0"]) {
    if (!KNOWN[call.edition].includes(name) && parameters.has(name)) {
      soft(`The parameter ${name} is not supported.`);
      parameters.delete(name);
    }
  }
  // An unescaped plus in a query is read as a space.
  const outputFormat = parameters.get("_outputFormat")?.replace("fhir ", "fhir+");
  if (outputFormat !== undefined && !FORMATS.has(outputFormat)) {
    hard("The output format is not supported: application/fhir+ndjson is.");
  }
  const stated = parameters.get("_since");
  const since = stated === null ? undefined : readInstant(stated);
  if (stated !== null && since === undefined) hard("_since is not an instant.");

  const types = readTypes(call, level, parameters, soft);
  const patients = readPatients(call, level, parameters, soft);
  const provenance = readAssociatedData(parameters, soft);
  const { elements, unreadable } = readElements(listed(parameters, "_elements"));
  for (const element of unreadable) soft(`_elements: ${element} is no root element.`);
  return {
    elements,
    selection: {
      types,
      patients,
      since,
      provenance,
      matching: readTypeFilter(call, types, parameters, soft),
    },
  };
}

function readTypes(
  call: ExportCall,
  level: Level,
  parameters: URLSearchParams,
  soft: (text: string) => void,
): string[] {
  const { access, types } = call;
  const asked = listed(parameters, "_type");
  for (const type of asked) {
    if (!types.includes(type)) soft(`Resources of type ${type} cannot be exported.`);
  }
  const offered = asked.filter((type) => types.includes(type));
  const isOutside = level !== "system" && offered.length > 0 && !offered.some(isOfPatients);
  if (isOutside && !call.settings.exportOutsideCompartment) {
    soft("All types asked for are outside the Patient compartment.");
  }
  const refused = offered.find((type) => !access.permits(type, "r"));
  const permitted = (asked.length > 0 ? offered : types).filter((type) => access.permits(type, "r"));
  if (refused !== undefined || (asked.length === 0 && permitted.length === 0)) {
    throw new Refused(403, `The token's scopes do not permit exporting ${refused ?? "anything"}.`);
  }
  return [...new Set(permitted)];
}

function readPatients(
  call: ExportCall,
  level: Level,
  parameters: URLSearchParams,
  soft: (text: string) => void,
): Set<string> | undefined {
  const named = listed(parameters, "patient");
  const isUsable = level !== "system" && call.request.method === "POST";
  if (named.length > 0 && !isUsable) {
    soft("The parameter patient is for POST, at the level of patients or of a group.");
  }
  if (level === "system") return undefined;
  const reach = new Set(
    level === "patient"
      ? call.ofType("Patient").map((each) => each["id"] as string)
      : patientsOf(level, call.find),
  );
  if (named.length === 0 || !isUsable) return reach;
  const wanted = named.map((reference) => reference.replace(`${call.base}/`, "").replace(/^Patient\//, ""));
  for (const id of wanted) {
    if (!reach.has(id)) soft(`patient: ${id} is not among the patients of this export.`);
  }
  return new Set(wanted.filter((id) => reach.has(id)));
}

function readAssociatedData(
  parameters: URLSearchParams,
  soft: (text: string) => void,
): Selection["provenance"] {
  const values = listed(parameters, "includeAssociatedData");
  for (const value of values) {
    if (value !== "LatestProvenanceResources" && value !== "RelevantProvenanceResources") {
      soft(`includeAssociatedData: ${value} is not supported.`);
    }
  }
  // Of values that disagree the one that gives more.
  if (values.includes("RelevantProvenanceResources")) return "relevant";
  return values.includes("LatestProvenanceResources") ? "latest" : undefined;
}

function readTypeFilter(
  call: ExportCall,
  types: readonly string[],
  parameters: URLSearchParams,
  soft: (text: string) => void,
): Map<string, Set<string>> {
  const { queries, unreadable } = readTypeQueries(parameters.getAll("_typeFilter"));
  for (const text of unreadable) soft(`_typeFilter: ${text} is no query.`);
  const matching = new Map<string, Set<string>>();
  for (const query of queries) {
    if (!types.includes(query.type)) {
      soft(`_typeFilter: ${query.type} is not exported.`);
      continue;
    }
    const found = runTypeQuery(query, { ...call, enforceOnIncludes: true });
    if (found === undefined) {
      soft(`_typeFilter: the query about ${query.type} is not supported.`);
      continue;
    }
    const before = matching.get(query.type) ?? new Set();
    matching.set(query.type, new Set([...before, ...found]));
  }
  return matching;
}

function filesOf(call: ExportCall, { selection, elements }: Query, left: readonly Problem[]): ExportFile[] {
  const files: ExportFile[] = [];
  const size = Math.max(call.settings.exportFileResources, 1);
  for (const [type, selected] of selectResources(selection, call)) {
    const resources = call.edition === "1.0.0" ? selected.map(asOfUsCore3) : selected;
    for (let start = 0; start < resources.length; start += size) {
      const own = resources.slice(start, start + size);
      const number = start / size + 1;
      files.push(
        fileOf("output", type, `${type}-${number}.ndjson`, own, (one) =>
          withElements(present(one, call.base), elements),
        ),
      );
    }
  }
  const deleted = call.edition === "1.0.0" ? undefined : deletedSince(call.tenant, selection);
  if (deleted !== undefined) files.push(fileOf("deleted", "Bundle", "deleted-1.ndjson", [deleted]));
  if (left.length > 0)
    files.push(fileOf("error", "OperationOutcome", "messages-1.ndjson", left.map(outcomeOf)));
  return files;
}

/** A file of these resources, one on a line. */
function fileOf(
  list: ExportFile["list"],
  type: string,
  name: string,
  resources: readonly JsonObject[],
  change: (resource: JsonObject) => JsonObject = (resource) => resource,
): ExportFile {
  return {
    list,
    type,
    name,
    count: resources.length,
    body: bodyOfLines(function* lines() {
      for (const resource of resources) yield `${JSON.stringify(change(resource))}\n`;
    }),
  };
}

const outcomeOf = ({ text }: Problem): JsonObject => ({
  resourceType: "OperationOutcome",
  issue: [{ severity: "warning", code: "not-supported", diagnostics: text }],
});
