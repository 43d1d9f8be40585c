import { parseRetryAfter } from "../http/retry-after.ts";
import type { HttpFailed, HttpResponse } from "../http/types.ts";
import { bearerFor, type BulkAccess } from "./access.ts";

/** One look at the status of an export. */
export interface Poll {
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly at: number;
  /** 0 where there was no answer. */
  readonly status: number;
  readonly retryAfter?: string;
  /** The header X-Progress. */
  readonly progress?: string;
  /** What is waited before the next look, in milliseconds. */
  readonly pauseMs: number;
  /** What the server asked for is neither seconds nor a date, or does not fit into the time that is left. */
  readonly bounded: boolean;
  readonly exchange: string;
}

/** How a server is polled. Times in milliseconds. */
interface PollPace {
  /** First pause where the server names none; grows by half with each look. */
  readonly firstPauseMs: number;
  /** Longest pause that is of our own choice. */
  readonly longestPauseMs: number;
  /** Longest pause whatever the server asks for; absent: it is honoured. */
  readonly capMs?: number;
}

export type PollOutcome =
  /** The last answer has status 200. */
  | { readonly kind: "complete"; readonly response: HttpResponse; readonly polls: readonly Poll[] }
  /** The server answered with something that ends the export, or not at all. */
  | {
      readonly kind: "failed";
      readonly answer: HttpResponse | HttpFailed;
      readonly polls: readonly Poll[];
    }
  | { readonly kind: "out-of-time"; readonly polls: readonly Poll[] };

export interface PollOptions {
  readonly url: string;
  /** When to give up, in milliseconds since the epoch. */
  readonly deadline: number;
  readonly pace: PollPace;
  /** Largest manifest that is read, in bytes. */
  readonly manifestBytes: number;
  readonly onPoll?: (poll: Poll) => void;
}

/** Shortest pause, whatever the server says: `Retry-After: 0` is not an invitation to a flood. */
const SHORTEST_MS = 50;
/** Answers in a row that say nothing about the export (throttled, an outage), after which it is given up. */
const MOST_MISSES = 8;
/** How much of a status answer is kept as evidence. */
const RECORDED_BYTES = 64 * 1024;

/** Codes of OperationOutcome.issue that mean: again later (https://hl7.org/fhir/R4/valueset-issue-type.html). */
const TRANSIENT = new Set([
  "transient",
  "lock-error",
  "no-store",
  "exception",
  "timeout",
  "incomplete",
  "throttled",
]);

/**
 * Asks for the status of an export until it is complete, has failed, or the time is up (Bulk Data 2.0.0 §status
 * request). Retry-After is honoured in seconds and as a date where it fits into the time that is left; what is
 * nonsense, or does not fit, is replaced by a pause of our own.
 */
export async function pollExport(access: BulkAccess, options: PollOptions): Promise<PollOutcome> {
  const { deadline, pace, onPoll } = options;
  const polls: Poll[] = [];
  let own = pace.firstPauseMs;
  let misses = 0;
  let refusals = 0;
  for (;;) {
    const at = Date.now();
    if (at >= deadline) return { kind: "out-of-time", polls };
    const answer = await askStatus(access, options, deadline - at);
    const status = answer.kind === "response" ? answer.status : 0;
    const headers = answer.kind === "response" ? answer.headers : undefined;
    if (status === 200 && answer.kind === "response") {
      polls.push({ at, status, pauseMs: 0, bounded: false, exchange: answer.exchange });
      onPoll?.(polls.at(-1) as Poll);
      return { kind: "complete", response: answer, polls };
    }
    const isMiss = status !== 202;
    misses = isMiss ? misses + 1 : 0;
    // A token may end in the midst of an export: for the next look it is asked for anew.
    refusals = status === 401 ? refusals + 1 : 0;
    const hopeless = isMiss && !(status === 401 && refusals === 1) && !isPassing(answer);
    const retryAfter = headers?.get("retry-after");
    const asked = pauseAfter(retryAfter, own, deadline - Date.now());
    const pauseMs = Math.min(asked.pauseMs, pace.capMs ?? asked.pauseMs);
    const { bounded } = asked;
    const progress = headers?.get("x-progress");
    const poll: Poll = {
      at,
      status,
      ...(retryAfter === undefined ? {} : { retryAfter }),
      ...(progress === undefined ? {} : { progress }),
      pauseMs,
      bounded,
      exchange: answer.exchange,
    };
    polls.push(poll);
    onPoll?.(poll);
    if (hopeless || misses >= MOST_MISSES) return { kind: "failed", answer, polls };
    own = Math.min(own * 1.5, pace.longestPauseMs);
    await new Promise((resolve) =>
      setTimeout(resolve, Math.min(pauseMs, Math.max(0, deadline - Date.now()))),
    );
  }
}

async function askStatus(access: BulkAccess, { url, manifestBytes }: PollOptions, leftMs: number) {
  return await access.send({
    method: "GET",
    url,
    headers: { accept: "application/json" },
    ...(await bearerFor(access, url)),
    purpose: "status of the export",
    limits: {
      // Repeating is this loop's own business.
      attempts: 1,
      bodyBytes: manifestBytes,
      decodedBytes: manifestBytes,
      recordedBodyBytes: RECORDED_BYTES,
      totalMs: Math.max(1000, Math.min(300_000, Math.ceil(leftMs))),
    },
  });
}

/** Whether an answer that is no status says nothing about how the export fares. */
function isPassing(answer: HttpResponse | HttpFailed): boolean {
  if (answer.kind === "failure") {
    return /^(connection-reset|connection-failed|connection-refused|timeout-|body-incomplete)/.test(
      answer.failure.code,
    );
  }
  const { status } = answer;
  if (status === 429 || status === 502 || status === 503 || status === 504) return true;
  return status >= 400 && issueCodes(answer).some((code) => TRANSIENT.has(code));
}

/** The issue codes of an OperationOutcome; none where the body is something else. */
function issueCodes(response: HttpResponse): readonly string[] {
  try {
    const body = JSON.parse(Buffer.from(response.body).toString("utf8")) as {
      readonly resourceType?: unknown;
      readonly issue?: unknown;
    } | null;
    if (body?.resourceType !== "OperationOutcome" || !Array.isArray(body.issue)) return [];
    return body.issue.flatMap((issue: { readonly code?: unknown } | null) =>
      typeof issue?.code === "string" ? [issue.code] : [],
    );
  } catch {
    return [];
  }
}

/**
 * The pause before the next look.
 *
 * @param retryAfter the header, as it came
 * @param ownMs the pause without it
 * @param leftMs the time that is left
 */
export function pauseAfter(
  retryAfter: string | undefined,
  ownMs: number,
  leftMs: number,
): { readonly pauseMs: number; readonly bounded: boolean } {
  const own = Math.max(SHORTEST_MS, ownMs);
  if (retryAfter === undefined) return { pauseMs: own, bounded: false };
  const seconds = parseRetryAfter(retryAfter, Date.now());
  if (seconds === null || seconds * 1000 > leftMs) return { pauseMs: own, bounded: true };
  // Zero, or a date that has just passed, means at once: growing pauses keep a server that always says so alive.
  if (seconds === 0) return { pauseMs: own, bounded: false };
  return { pauseMs: seconds * 1000, bounded: false };
}
