/** What all exports of a session share: the way in, the turns, and the time that they have together. */
import {
  describeKickOff,
  kickOffRequest,
  pauseAfter,
  reachOf,
  type BulkAccess,
  type ExportParameters,
  type KickOff,
} from "../../bulk/index.ts";
import { BULK_DEFAULTS, type BulkSettings } from "../../config/targets.ts";
import type { BearerToken, ExchangeId, HttpFailed, HttpResponse } from "../../http/types.ts";
import { Blocked, NotApplicable, RequestFailed, type CheckContext, type Fact } from "../context.ts";
import { accessToken, type TokenWish } from "../tokens.ts";

export type { ExportParameters, KickOff };

/**
 * Who asks: the target's own client, another registration or other scopes; somebody without a token, with a made-up
 * one, or with one of another tenant.
 */
export type Asker = TokenWish | "nobody" | "stranger" | "other-tenant";

/** A kick-off that was sent, and what came of it. */
export interface Started {
  readonly kickOff: KickOff;
  /** The URL that was asked, parameters included. */
  readonly url: string;
  /** Milliseconds since the epoch, before it was sent. */
  readonly startedAt: number;
  readonly response: HttpResponse;
  /** Content-Location of an accepted kick-off, made absolute as a browser would. */
  readonly statusUrl: string | undefined;
}

/** A token that nobody issued. */
const STRANGERS_TOKEN = "a-token-that-nobody-issued-0123456789";

/** How the target's exports are followed. */
export function bulkSettings(context: CheckContext): BulkSettings {
  return context.target.bulk ?? BULK_DEFAULTS;
}

interface BulkSession {
  /** Milliseconds since the epoch; begins to run with the first kick-off. */
  deadline(): number;
  /** Waits for a turn: servers may allow few exports at once, or one. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

const bulkSession: Fact<BulkSession> = {
  name: "time for exports",
  explainedBy: "bulk-export.kick-off-accepted",
  provide(context) {
    const { timeLimitSeconds, parallelExports } = bulkSettings(context);
    let deadline: number | undefined;
    let free = parallelExports;
    const waiting: (() => void)[] = [];
    return Promise.resolve({
      deadline: () => (deadline ??= Date.now() + timeLimitSeconds * 1000),
      async inTurn(work) {
        if (free > 0) free -= 1;
        else await new Promise<void>((resolve) => waiting.push(resolve));
        try {
          return await work();
        } finally {
          const next = waiting.shift();
          if (next === undefined) free += 1;
          else next();
        }
      },
    });
  },
};

/**
 * Runs work that has an export under way, in turn with all other such work on the target. Not to be nested.
 */
export async function inExportTurn<T>(context: CheckContext, work: () => Promise<T>): Promise<T> {
  return await (await context.fact(bulkSession)).inTurn(work);
}

/** When the time for exports ends, in milliseconds since the epoch. */
export async function exportDeadline(context: CheckContext): Promise<number> {
  return (await context.fact(bulkSession)).deadline();
}

/** The time limit in words. */
export function timeLimitInWords(context: CheckContext): string {
  const { timeLimitSeconds } = bulkSettings(context);
  return timeLimitSeconds < 120
    ? `${timeLimitSeconds} seconds`
    : `${Math.round(timeLimitSeconds / 60)} minutes`;
}

/** The token of an asker; undefined where none is sent. */
export async function bearerOf(context: CheckContext, asker: Asker = {}): Promise<BearerToken | undefined> {
  const origin = new URL(context.target.base).origin;
  if (asker === "nobody") return undefined;
  if (asker === "stranger") return { value: STRANGERS_TOKEN, origin };
  if (asker === "other-tenant") {
    const there = context.atOtherTenant();
    if (there.target.client === undefined)
      throw new NotApplicable("the configuration gives no client at the other tenant (atOtherTenant.client)");
    const token = await accessToken(there);
    if (token.origin === origin) return token;
    throw new NotApplicable("the other tenant is on another origin, and its token is sent nowhere else");
  }
  // A public server needs no client, and then there is no token to send.
  if (asker.client === undefined && context.target.client === undefined) return undefined;
  return await accessToken(context, asker);
}

/** What became of a request, failures included. */
async function outcomeOf<T extends object>(sending: Promise<T>): Promise<T | HttpFailed> {
  try {
    return await sending;
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    const exchange = error.exchange as ExchangeId;
    return { kind: "failure", failure: error.failure, exchange, exchanges: [exchange] };
  }
}

/** The way to the server for an asker. */
export function bulkAccess(context: CheckContext, asker: Asker = {}): BulkAccess {
  return {
    base: context.target.base,
    send: (request) => outcomeOf(context.send(request)),
    stream: (request) => outcomeOf(context.stream(request)),
    bearer: () => bearerOf(context, asker),
  };
}

/**
 * Sends a kick-off and gives the answer, whatever it is. Where the server says that too many exports are under way
 * (429), it is asked again when it says so.
 *
 * @param end who cancels an export that begins
 * @throws RequestFailed without an answer; Blocked when the time for exports is up
 */
export async function kickOffExport(
  context: CheckContext,
  kickOff: KickOff,
  asker: Asker = {},
  end: "with the session" | "by the caller" = "with the session",
): Promise<Started> {
  const deadline = await exportDeadline(context);
  const request = kickOffRequest(context.target.base, kickOff);
  let ownMs = bulkSettings(context).pollSeconds * 1000;
  for (;;) {
    if (Date.now() >= deadline) throw outOfTime(context);
    const bearer = await bearerOf(context, asker);
    const startedAt = Date.now();
    const response = await context.send({
      ...request,
      ...(bearer === undefined ? {} : { bearer }),
      purpose: describeKickOff(kickOff),
    });
    if (response.status !== 429) {
      const statusUrl = response.status === 202 ? statusUrlOf(context, response) : undefined;
      if (statusUrl !== undefined && end === "with the session")
        context.onClose(() => cancelQuietly(context.aside(), statusUrl));
      return { kickOff, url: request.url, startedAt, response, statusUrl };
    }
    const { pauseMs } = pauseAfter(response.headers.get("retry-after"), ownMs, deadline - Date.now());
    ownMs = Math.min(ownMs * 2, 30_000);
    await new Promise((resolve) => setTimeout(resolve, shortened(context, pauseMs)));
  }
}

/** A pause within the longest that the configuration allows. */
function shortened(context: CheckContext, pauseMs: number): number {
  const { longestPauseSeconds } = bulkSettings(context);
  return longestPauseSeconds === undefined ? pauseMs : Math.min(pauseMs, longestPauseSeconds * 1000);
}

/** Why nothing is asked of exports any more. */
export function outOfTime(context: CheckContext): Blocked {
  return new Blocked(
    `the time limit for all exports of a run together, ${timeLimitInWords(context)}, is over (bulk.timeLimitSeconds)`,
  );
}

function statusUrlOf(context: CheckContext, response: HttpResponse): string | undefined {
  const location = response.headers.get("content-location");
  if (location === undefined || !URL.canParse(location, response.url)) return undefined;
  return new URL(location, response.url).href;
}

/**
 * Sends a kick-off only to see the answer: an export that begins is cancelled at once.
 *
 * @throws RequestFailed without an answer; Blocked when the time for exports is up
 */
export async function tryKickOff(
  context: CheckContext,
  kickOff: KickOff,
  asker: Asker = {},
): Promise<Started> {
  return await inExportTurn(context, async () => {
    const started = await kickOffExport(context, kickOff, asker);
    if (started.statusUrl !== undefined) await cancelQuietly(context.aside(), started.statusUrl);
    return started;
  });
}

const cancelled = new WeakMap<CheckContext["target"], Set<string>>();

/** Deletes an export that is of no more use; what the server says to it is of no interest here. */
export async function cancelQuietly(context: CheckContext, statusUrl: string): Promise<void> {
  const done = cancelled.get(context.target) ?? new Set();
  cancelled.set(context.target, done);
  if (done.has(statusUrl) || reachOf(statusUrl, context.target.base) !== "own") return;
  done.add(statusUrl);
  try {
    await deleteExport(context, statusUrl);
  } catch {
    // It ends by itself, some day.
  }
}

/**
 * The asker's token for a URL that the server named.
 *
 * @throws Blocked where the URL is not on the FHIR server's own origin: nothing is sent there, least of all a token
 */
export async function ownBearer(
  context: CheckContext,
  url: string,
  asker: Asker = {},
): Promise<BearerToken | undefined> {
  if (reachOf(url, context.target.base) !== "own") {
    throw new Blocked(
      "the server names a URL on another origin, and nothing is sent there",
      "bulk-export.status-url-own-origin",
    );
  }
  const bearer = await bearerOf(context, asker);
  return bearer === undefined ? undefined : { ...bearer, origin: new URL(url).origin };
}

/** Sends DELETE to a status URL (Bulk Data 2.0.0 §delete request). */
export async function deleteExport(
  context: CheckContext,
  statusUrl: string,
  asker: Asker = {},
): Promise<HttpResponse> {
  const bearer = await ownBearer(context, statusUrl, asker);
  return await context.send({
    method: "DELETE",
    url: statusUrl,
    headers: { accept: "application/fhir+json" },
    ...(bearer === undefined ? {} : { bearer }),
    retry: "never",
    limits: { attempts: 1 },
    purpose: "deletes an export",
  });
}

/** Asks for the status of an export once. */
export async function askStatus(
  context: CheckContext,
  statusUrl: string,
  asker: Asker = {},
): Promise<HttpResponse> {
  const bearer = await ownBearer(context, statusUrl, asker);
  return await context.send({
    method: "GET",
    url: statusUrl,
    headers: { accept: "application/json" },
    ...(bearer === undefined ? {} : { bearer }),
    limits: { attempts: 1, bodyBytes: MANIFEST_BYTES, decodedBytes: MANIFEST_BYTES },
    purpose: "status of an export",
  });
}

/** Largest manifest that is read: some hundred thousand files. */
export const MANIFEST_BYTES = 64 * 1024 * 1024;
