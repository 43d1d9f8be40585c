/** A small export of one's own, for suites that ask who may follow it and who may fetch its files. */
import { kickOffRequest, pollExport, reachOf, readManifest, type BulkAccess } from "../bulk/index.ts";
import type { BearerToken } from "../http/types.ts";
import { Blocked, NoData, NotApplicable, RequestFailed, type CheckContext } from "./context.ts";
import { jsonOf } from "./outcome.ts";

const MANIFEST_BYTES = 1 << 20;
/** Statuses that say that there is no such operation. */
const NOT_OFFERED = new Set([404, 405, 501]);

/** An export that was started: patients only, of the configured group where there is one. */
export interface StartedExport {
  readonly statusUrl: string;
  readonly exchange: string;
}

export interface FinishedExport extends StartedExport {
  /** A file that needs the token. */
  readonly fileUrl: string;
}

/** The request that starts it, with a token or without. */
export function smallExportRequest(context: CheckContext, bearer?: BearerToken) {
  const { base, groups } = context.target;
  const [group] = groups;
  const level =
    group === undefined ? ({ kind: "patient" } as const) : ({ kind: "group", id: group } as const);
  const request = kickOffRequest(base, { level, parameters: [["_type", "Patient"]] });
  return { ...request, purpose: "start of a small export", ...(bearer === undefined ? {} : { bearer }) };
}

/**
 * Starts an export.
 *
 * @throws NotApplicable where exports are not offered; Blocked where this one could not be started
 */
export async function startSmallExport(context: CheckContext, bearer: BearerToken): Promise<StartedExport> {
  const response = await context.send(smallExportRequest(context, bearer));
  const { status, exchange } = response;
  if (NOT_OFFERED.has(status)) throw new NotApplicable(`exports are not offered (status ${status})`);
  const statusUrl = response.headers.get("content-location");
  if (status !== 202 || statusUrl === undefined) {
    throw new Blocked(`no export could be started: status ${status}`, "bulk-export.kick-off-accepted");
  }
  if (reachOf(statusUrl, context.target.base) !== "own") {
    throw new NotApplicable("the export is followed at another origin than the API's");
  }
  return { statusUrl, exchange };
}

/**
 * Waits for an export and picks one of its files.
 *
 * @param seconds how long at most
 * @throws NotApplicable where its files need no token; NoData where it has none; Blocked where it does not end
 */
export async function finishSmallExport(
  context: CheckContext,
  started: StartedExport,
  bearer: BearerToken,
  seconds: number,
): Promise<FinishedExport> {
  const access: BulkAccess = {
    base: context.target.base,
    send: async (request) => {
      try {
        return await context.send(request);
      } catch (error) {
        if (!(error instanceof RequestFailed)) throw error;
        const { failure, exchange } = error;
        return { kind: "failure", failure, exchange: exchange as `x${string}`, exchanges: [] };
      }
    },
    stream: () => Promise.reject(new Error("nothing is streamed here")),
    bearer: () => Promise.resolve(bearer),
  };
  const outcome = await pollExport(access, {
    url: started.statusUrl,
    deadline: Date.now() + seconds * 1000,
    pace: { firstPauseMs: 500, longestPauseMs: 10_000 },
    manifestBytes: MANIFEST_BYTES,
  });
  if (outcome.kind !== "complete") {
    const why = outcome.kind === "failed" ? "it failed" : `it took longer than ${seconds} seconds`;
    throw new Blocked(`the export did not end: ${why}`);
  }
  const manifest = readManifest(jsonOf(outcome.response));
  const file = manifest?.files.find(({ kind, url }) => kind === "output" && url !== undefined);
  if (file?.url === undefined) throw new NoData("the export has no file", "a patient who can be exported");
  if (manifest?.requiresAccessToken === false) {
    throw new NotApplicable("the export's files need no token: their URLs are the key (requiresAccessToken)");
  }
  if (reachOf(file.url, context.target.base) !== "own") {
    throw new NotApplicable("the export's files are at another origin than the API's");
  }
  return { ...started, fileUrl: file.url };
}
