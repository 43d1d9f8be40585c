import { emptyReply, jsonReply, outcomeReply, type Reply } from "../exchange.ts";
import type { JsonObject } from "../json.ts";
import { giveFile } from "./files.ts";
import type { ExportFile, ExportJob } from "./job.ts";
import type { ExportCall } from "./kick-off.ts";

const STATUS = "bulk-status";
const FILES = "bulk-files";
/** How long an export is kept, in milliseconds. */
const LIFETIME = 3_600_000;
const POLL_WINDOW = 1000;

/** URL at which an export is followed. */
export function statusUrl({ base, id }: Pick<ExportJob, "base" | "id">): string {
  return `${base}/${STATUS}/${id}`;
}

/** Whether a path under an API's base belongs to exports that were started. */
export function isExportPath(path: string): boolean {
  return path.startsWith(`/${STATUS}/`) || path.startsWith(`/${FILES}/`);
}

/** Whether a path wants a token: all do, unless a fault says otherwise of status or files. */
export function needsToken(
  path: string,
  settings: { readonly exportStatusNeedsToken: boolean; readonly exportFilesNeedToken: boolean },
): boolean {
  if (path.startsWith(`/${STATUS}/`)) return settings.exportStatusNeedsToken;
  return path.startsWith(`/${FILES}/`) ? settings.exportFilesNeedToken : true;
}

/** Answers under a status or file URL of an export (Bulk Data 2.0.0: status, delete and output file requests). */
export function followExport(call: ExportCall, path: string): Reply {
  const { request, jobs, settings, access } = call;
  const [, kind, id = "", name, more] = path.split("/");
  const job = jobs.get(id);
  const isOver = job !== undefined && job.started.getTime() + LIFETIME < Date.now();
  if (isOver) jobs.delete(id);
  // Whoever does not own an export learns nothing of it, not even that it is there.
  const isHidden =
    job === undefined ||
    isOver ||
    job.base !== call.base ||
    (call.owner !== "" && job.owner !== call.owner && settings.exportOwnerOnly);
  if (isHidden) return outcomeReply(404, "There is no such export.");
  if (settings.exportScopesEverywhere && !job.types.every((type) => access.permits(type, "r"))) {
    return outcomeReply(403, "The token's scopes do not cover what is exported.");
  }
  if (kind === FILES) {
    const file = job.files.find((each) => each.name === name);
    if (file === undefined || more !== undefined || Date.now() < job.readyAt) {
      return outcomeReply(404, "There is no such file.");
    }
    return giveFile(request, file, `${job.id}-${file.name}`);
  }
  if (name !== undefined) return outcomeReply(404, "There is nothing here.");
  if (request.method === "DELETE") {
    jobs.delete(id);
    return emptyReply(202);
  }
  if (request.method !== "GET") return outcomeReply(405, "GET or DELETE.");
  // However slow whoever asks is: an export that takes its time is seen to be under way once.
  const isFirstLook = settings.exportMilliseconds > 0 && job.polls.length === 0;
  const now = Date.now();
  job.polls = [...job.polls.filter((time) => time > now - POLL_WINDOW), now];
  if (job.polls.length > settings.exportPollsPerSecond) {
    const refused = outcomeReply(429, "The status is asked for too often.");
    refused.headers["retry-after"] = "1";
    return refused;
  }
  return isFirstLook || now < job.readyAt ? tellProgress(job, now) : giveManifest(job);
}

function tellProgress(job: ExportJob, now: number): Reply {
  const duration = job.readyAt - job.started.getTime();
  const percent = Math.floor(((now - job.started.getTime()) / duration) * 100);
  return emptyReply(202, {
    "x-progress": `${Math.min(Math.max(percent, 0), 99)}% complete`,
    "retry-after": String(Math.max(Math.min(Math.ceil((job.readyAt - now) / 1000), 120), 1)),
  });
}

function giveManifest(job: ExportJob): Reply {
  const list = (which: ExportFile["list"]) =>
    job.files
      .filter((file) => file.list === which)
      .map(
        (file): JsonObject => ({
          type: file.type,
          url: `${job.base}/${FILES}/${job.id}/${file.name}`,
          count: file.count,
        }),
      );
  const reply = jsonReply(200, {
    transactionTime: job.started.toISOString(),
    request: job.kickOff,
    requiresAccessToken: true,
    output: list("output"),
    // Bulk Data 1.0.0 has no list of what was deleted.
    ...(job.edition === "1.0.0" ? {} : { deleted: list("deleted") }),
    error: list("error"),
    extension: { "https://sandbox.example/export-level": job.level },
  });
  reply.headers["expires"] = new Date(job.started.getTime() + LIFETIME).toUTCString();
  return reply;
}
