/** How an export service goes wrong where a fault's data cannot say it. */
import { randomUUID } from "node:crypto";
import type { Behaviour, BehaviourCall } from "../behaviours.ts";
import { registrations } from "../data.ts";
import { emptyReply, textReply } from "../exchange.ts";
import { each, isObject, type Json, type JsonObject } from "../json.ts";
import type { SandboxState } from "../state.ts";
import type { FileBody } from "./body.ts";
import type { ExportFile, ExportJob } from "./job.ts";

/** Names of the parts of a fault's `with`. */
const textOf = (value: Json | undefined) => (typeof value === "string" ? value : "");

/** The export that an accepted kick-off has just started. */
function startedJob(state: SandboxState, location: string | string[] | undefined): ExportJob | undefined {
  return typeof location === "string" ? state.exports.get(location.split("/").at(-1) ?? "") : undefined;
}

const bodyOf = (bytes: () => Buffer): FileBody => {
  let made: Buffer | undefined;
  const whole = () => (made ??= bytes());
  return {
    get size() {
      return whole().length;
    },
    chunks: (start, end) => [whole().subarray(start, end)],
  };
};

const read = (body: FileBody) => Buffer.concat([...body.chunks(0, body.size)]).toString("utf8");

const linesOf = ({ body }: ExportFile) => read(body).split("\n").slice(0, -1);

/** What becomes of the lines of one file. */
type LineFlaw = (lines: readonly string[], file: ExportFile) => string | Buffer;

const ended = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");

const parsed = (line: string | undefined) => JSON.parse(line ?? "{}") as JsonObject;

/** A change of every resource. */
const changing =
  (change: (resource: JsonObject) => JsonObject): LineFlaw =>
  (lines) =>
    ended(lines.map((line) => JSON.stringify(change(parsed(line)))));

const without =
  (...names: string[]): ((resource: JsonObject) => JsonObject) =>
  (resource) =>
    Object.fromEntries(Object.entries(resource).filter(([name]) => !names.includes(name)));

const changingAttachments = (change: (attachment: JsonObject) => JsonObject): LineFlaw =>
  changing((resource) => ({
    ...resource,
    content: each(resource["content"]).map((one) =>
      isObject(one) && isObject(one["attachment"]) ? { ...one, attachment: change(one["attachment"]) } : one,
    ),
  }));

const STRAY = '{"resourceType":"Basic","id":"stray-1","code":{"text":"A stray resource"}}';

const LINE_FLAWS: Readonly<Record<string, LineFlaw>> = {
  "blank-line": ([first = "", ...rest]) => ended([first, "", ...rest]),
  "duplicate-resource": (lines) => ended([...lines, lines[0] ?? ""]),
  "older-version": (lines) => {
    const first = parsed(lines[0]);
    const meta = isObject(first["meta"]) ? first["meta"] : {};
    const older = {
      ...first,
      meta: { ...meta, versionId: "0", lastUpdated: "2020-01-01T00:00:00.000Z" },
    };
    return ended([JSON.stringify(older), ...lines]);
  },
  "wrong-type": (lines) => ended([...lines, STRAY]),
  "byte-order-mark": (lines) => `\uFEFF${ended(lines)}`,
  "carriage-return": (lines) => lines.map((line) => `${line}\r\n`).join(""),
  "broken-json": ([first = "", ...rest]) => ended([first.slice(0, Math.floor(first.length / 2)), ...rest]),
  "several-lines": (lines) => ended(lines.map((line) => JSON.stringify(parsed(line), undefined, 1))),
  "one-array": (lines) => `[${lines.join(",")}]\n`,
  "not-utf-8": (lines) => {
    const changed = lines.map((line, index) =>
      index === 0 ? line.replace(/\}$/, ',"language":"e?"}') : line,
    );
    const bytes = Buffer.from(ended(changed));
    bytes[bytes.indexOf('"e?"') + 2] = 0xff;
    return bytes;
  },
  "no-id": changing(without("id")),
  "not-a-code": changing((resource) => {
    const name = "gender" in resource ? "gender" : "status";
    return { ...resource, [name]: "not-a-code" };
  }),
  "not-us-core": changing(without("identifier", "category")),
  "without-must-support": changing(without("telecom", "communication", "address")),
  "dangling-reference": changing((resource) => ({
    ...resource,
    ...("encounter" in resource ? { encounter: { reference: "Encounter/nowhere-1" } } : {}),
  })),
  "without-tag": changing((resource) => {
    const { tag: _, ...meta } = isObject(resource["meta"]) ? resource["meta"] : {};
    return { ...resource, meta };
  }),
  "without-mandatory": changing(without("name", "gender", "identifier", "code", "status")),
  "other-patient": (lines, { type }) =>
    ended(
      lines.map((line, index) =>
        index === 0 && type !== "Patient"
          ? line.replaceAll(/"Patient\/[^"]+"/g, '"Patient/somebody-else-1"')
          : line,
      ),
    ),
  "missing-resource": (lines) => ended(lines.slice(0, -1)),
  // Of the deleted file: Bundles of another type, of another method.
  "not-transaction": changing((bundle) => ({ ...bundle, type: "collection" })),
  "not-delete": changing((bundle) => ({
    ...bundle,
    entry: each(bundle["entry"]).map((entry) => ({
      ...(isObject(entry) ? entry : {}),
      request: { method: "GET", url: "Patient/1" },
    })),
  })),
  "no-outcome": () => ended([STRAY]),
  unclaimed: changing((resource) => {
    const { profile: _, ...meta } = isObject(resource["meta"]) ? resource["meta"] : {};
    return without("identifier")({ ...resource, meta });
  }),
  "cut-line": (lines) => ended(lines).slice(0, -40),
  "missing-first": (lines) => ended(lines.slice(1)),
  "future-update": changing((resource) => ({
    ...resource,
    meta: {
      ...(isObject(resource["meta"]) ? resource["meta"] : {}),
      lastUpdated: "2099-01-01T00:00:00.000Z",
    },
  })),
  "strange-target": changing((resource) => ({
    ...resource,
    target: [{ reference: "Observation/nowhere-1" }],
  })),
  "odd-reference": changing((resource) => ({ ...resource, encounter: { reference: "nowhere-1" } })),
  "attachment-without-type": changingAttachments(without("contentType")),
  "attachment-without-content": changingAttachments(without("data", "url")),
  "attachment-missing": changingAttachments((one) => ({
    ...one,
    ...(typeof one["url"] === "string" ? { url: one["url"].replace(/[^/]+$/, "nowhere-1") } : {}),
  })),
  "attachment-relative-url": changingAttachments((one) => ({ ...one, url: "Binary/nowhere-1" })),
};

function spoiltFile(file: ExportFile, flaw: LineFlaw): ExportFile {
  const body = bodyOf(() => Buffer.from(flaw(linesOf(file), file) as string));
  // The count stays true to what was made, so that a flaw of the lines is no flaw of the count.
  const count = read(body)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "").length;
  return { ...file, body, count };
}

/** What becomes of an export as a whole. */
type ExportFlaw = (job: ExportJob, state: SandboxState, type: string) => readonly ExportFile[];

const patientOfNobody = (job: ExportJob, state: SandboxState): JsonObject | undefined => {
  const tenant = registrations().tenants[0]?.id ?? "";
  const exported = new Set(
    job.files
      .filter(({ type }) => type === "Patient")
      .flatMap((file) => linesOf(file).map((line) => parsed(line)["id"])),
  );
  return state
    .population(tenant)
    .ofType("Patient")
    .find((patient) => !exported.has(patient["id"] ?? null));
};

const toFirst = (job: ExportJob, type: string, flaw: LineFlaw): readonly ExportFile[] => {
  const first = job.files.find((file) => file.type === type);
  return job.files.map((file) => (file === first ? spoiltFile(file, flaw) : file));
};

const add = (job: ExportJob, resource: JsonObject | undefined): readonly ExportFile[] =>
  resource === undefined
    ? job.files
    : toFirst(job, textOf(resource["resourceType"]), (lines) => ended([...lines, JSON.stringify(resource)]));

const EXPORT_FLAWS: Readonly<Record<string, ExportFlaw>> = {
  "patient-too-many": (job, state) => add(job, patientOfNobody(job, state)),
  "patient-of-another-tenant": (job, state) => {
    const other = registrations().tenants[1]?.id ?? "";
    return add(job, state.population(other).ofType("Patient")[0]);
  },
  "resource-of-another-patient": (job, state, type) => {
    const tenant = registrations().tenants[0]?.id ?? "";
    const outside = patientOfNobody(job, state);
    const reference = `"Patient/${textOf(outside?.["id"])}"`;
    const theirs = state
      .population(tenant)
      .ofType(type)
      .find((resource) => JSON.stringify(resource).includes(reference));
    return outside === undefined ? job.files : add(job, theirs);
  },
  "patient-missing": (job) => {
    const last = job.files
      .filter(({ type }) => type === "Patient")
      .flatMap(linesOf)
      .at(-1);
    const id = textOf(parsed(last)["id"]);
    const isAbout = (line: string) => line.includes(`"Patient/${id}"`) || line.includes(`"id":"${id}"`);
    return job.files.map((file) =>
      spoiltFile(file, (lines) => ended(lines.filter((line) => !isAbout(line)))),
    );
  },
  "empty-file": (job) => [
    ...job.files,
    { list: "output", type: "Flag", name: "Flag-1.ndjson", count: 0, body: bodyOf(() => Buffer.alloc(0)) },
  ],
  "deleted-in-output": (job) => {
    const [deleted] = job.files.filter(({ list }) => list === "deleted").flatMap(linesOf);
    const { request } = (each(parsed(deleted)["entry"])[0] ?? {}) as { request?: { url?: string } };
    const [type = "", id = ""] = request?.url?.split("/") ?? [];
    return toFirst(job, type, (lines) => ended([...lines, JSON.stringify({ ...parsed(lines[0]), id })]));
  },
  "no-messages": (job) => job.files.filter(({ list }) => list !== "error"),
  "error-in-output": (job) => [
    ...job.files,
    {
      list: "output",
      type: "OperationOutcome",
      name: "OperationOutcome-1.ndjson",
      count: 1,
      body: bodyOf(() =>
        Buffer.from(
          '{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"Something went wrong."}]}\n',
        ),
      ),
    },
  ],
};

/** Spoils the files of every export that is started: `with.flaw`, in files of `with.type` (or of `with.list`). */
const spoilExport: Behaviour = async ({ state, with: options, next, changed }) => {
  const reply = await next();
  const job = startedJob(state, reply.headers["content-location"]);
  if (job === undefined) return reply;
  const [flaw, type, list] = [options["flaw"], options["type"], options["list"]].map(textOf);
  const before = job.files;
  const ofExport = EXPORT_FLAWS[flaw ?? ""];
  const ofLines = LINE_FLAWS[flaw ?? ""];
  if (ofExport === undefined && ofLines === undefined) throw new Error(`There is no flaw "${flaw ?? ""}".`);
  if (ofExport !== undefined) job.files = ofExport(job, state, type ?? "");
  else if (ofLines !== undefined) {
    const isMeant = (file: ExportFile) =>
      list !== undefined && list !== "" ? file.list === list : file.type === type && file.list === "output";
    job.files = job.files.map((file) => (isMeant(file) ? spoiltFile(file, ofLines) : file));
  }
  if (job.files.length !== before.length || job.files.some((file, index) => file !== before[index]))
    changed();
  return reply;
};

/** Says where an export is followed in another way: `with.form` is `relative` or `elsewhere`. */
const changeLocation: Behaviour = async ({ with: options, next, changed }) => {
  const reply = await next();
  const location = reply.headers["content-location"];
  if (typeof location !== "string") return reply;
  const { origin } = new URL(location);
  const to = options["form"] === "relative" ? "" : "https://elsewhere.example";
  reply.headers["content-location"] = location.replace(origin, to);
  changed();
  return reply;
};

/** Changes the manifest in a way that depends on what it says: `with.flaw`. */
const changeManifest: Behaviour = async ({ state, request, with: options, next, changed }) => {
  const reply = await next();
  if (reply.status !== 200 || reply.content.kind !== "json" || !isObject(reply.content.value)) return reply;
  const manifest = reply.content.value;
  const output = each(manifest["output"]).filter(isObject);
  const relocate = (change: (url: URL) => string) => {
    for (const item of output) item["url"] = change(new URL(textOf(item["url"])));
  };
  switch (options["flaw"]) {
    case "relative-url":
      relocate((url) => url.pathname);
      break;
    case "elsewhere":
      relocate((url) => url.href.replace(url.origin, "https://elsewhere.example"));
      break;
    case "private-address":
      relocate((url) => url.href.replace(url.host, "10.20.30.40"));
      break;
    case "duplicate-url":
      manifest["output"] = [...output, ...output.slice(0, 1)];
      break;
    case "count":
      for (const item of output) item["count"] = Number(item["count"]) + 1;
      break;
    case "differs": {
      const times = timesAsked(state, request.url.pathname);
      if (times === 1) return reply;
      manifest["transactionTime"] = new Date(Date.now() + times).toISOString();
      break;
    }
    case "earlier-than-kick-off":
      manifest["transactionTime"] = new Date(Date.now() - 86_400_000).toISOString();
      break;
    case "later-than-answer":
      manifest["transactionTime"] = new Date(Date.now() + 86_400_000).toISOString();
      break;
    default:
      throw new Error("changeManifest needs with.flaw, one of its flaws.");
  }
  changed();
  return reply;
};

const asked = new WeakMap<SandboxState, Map<string, number>>();

function timesAsked(state: SandboxState, path: string): number {
  const counts = asked.get(state) ?? new Map<string, number>();
  asked.set(state, counts);
  const times = (counts.get(path) ?? 0) + 1;
  counts.set(path, times);
  return times;
}

const removed = new WeakMap<SandboxState, Map<string, ExportJob>>();

/** Keeps a deleted export's `with.what`: its files, or its status. */
const outliveExport: Behaviour = async ({ state, request, place, with: options, next, changed }) => {
  const kept = removed.get(state) ?? new Map<string, ExportJob>();
  removed.set(state, kept);
  const [, kind = "", id = ""] = place.path.split("/");
  if (request.method === "DELETE") {
    const job = state.exports.get(id);
    const reply = await next();
    if (reply.status === 202 && job !== undefined) kept.set(id, job);
    return reply;
  }
  const job = kept.get(id);
  const isKept = kind === (options["what"] === "files" ? "bulk-files" : "bulk-status");
  if (job === undefined || !isKept) return next();
  state.exports.set(id, job);
  changed();
  try {
    return await next();
  } finally {
    state.exports.delete(id);
  }
};

/** Mixes the exports of an application: `with.how` is `replaced` (by the next), `deleted` (with any) or `shared`. */
const entangleExports: Behaviour = async (call: BehaviourCall) => {
  const { state, request, place, with: options, next, changed } = call;
  const before = [...state.exports.values()];
  const reply = await next();
  const isDelete = request.method === "DELETE" && reply.status === 202;
  const job = startedJob(state, reply.headers["content-location"]);
  if (options["how"] === "deleted" && isDelete && state.exports.size > 0) {
    state.exports.clear();
    changed();
  }
  const others = before.filter(({ owner }) => owner === job?.owner);
  if (job === undefined || others.length === 0 || place.kind !== "api") return reply;
  if (options["how"] === "replaced") {
    for (const { id } of others) state.exports.delete(id);
    changed();
  } else if (options["how"] === "shared") {
    for (const other of others) other.files = job.files;
    changed();
  }
  return reply;
};

/** Gives what was to be given, but for `with.status` in place of `with.of`. */
const answerStatus: Behaviour = async ({ with: options, next, changed }) => {
  const reply = await next();
  if (reply.status !== Number(options["of"])) return reply;
  reply.status = Number(options["status"]);
  changed();
  return reply;
};

/** Accepts a kick-off that was to be refused with `with.status`, for an export that there is not. */
const acceptKickOff: Behaviour = async ({ place, with: options, next, changed }) => {
  const reply = await next();
  if (reply.status !== Number(options["status"])) return reply;
  changed();
  return emptyReply(202, { "content-location": `${place.base}/bulk-status/${randomUUID()}` });
};

/** Answers a byte range with the first bytes of the file, as many as were asked for. */
const wrongRange: Behaviour = async ({ request, next, changed }) => {
  const asked = request.headers.range;
  const reply = await next();
  if (reply.status !== 206 || reply.content.kind !== "stream") return reply;
  const { length } = reply.content;
  request.headers.range = `bytes=0-${length - 1}`;
  const wrong = await next();
  if (asked !== request.headers.range) changed();
  reply.content = wrong.content;
  return reply;
};

/** Refuses, with a page, whoever accepts anything. */
const refuseAnyAccept: Behaviour = async ({ request, next, changed }) => {
  if ((request.headers.accept ?? "*/*") !== "*/*") return next();
  changed();
  return textReply(400, "text/html", "<html><body>Bad request</body></html>");
};

/** Takes the first of a parameter that is repeated, in the URL or in the body. */
const firstValuesOnly: Behaviour = async ({ request, next, changed }) => {
  const { searchParams } = request.url;
  const names = [...searchParams.keys()];
  if (new Set(names).size < names.length) {
    for (const name of new Set(names)) searchParams.set(name, searchParams.get(name) ?? "");
    changed();
  }
  if (request.method === "POST") {
    const body = parsed(request.body.toString("utf8"));
    const seen = new Set<Json>();
    const parameter = each(body["parameter"]).filter((one) => {
      const name = isObject(one) ? (one["name"] ?? null) : null;
      const isFirst = !seen.has(name);
      seen.add(name);
      return isFirst;
    });
    if (parameter.length < each(body["parameter"]).length) {
      request.body = Buffer.from(JSON.stringify({ ...body, parameter }));
      changed();
    }
  }
  return next();
};

/** Behaviours of the export service, by the name that a fault's `behaviour` gives. */
export const exportMisbehaviours: Readonly<Record<string, Behaviour>> = {
  acceptKickOff,
  answerStatus,
  changeLocation,
  changeManifest,
  entangleExports,
  firstValuesOnly,
  outliveExport,
  refuseAnyAccept,
  spoilExport,
  wrongRange,
};
