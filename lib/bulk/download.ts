import { createHash, type Hash } from "node:crypto";
import { HttpBodyError, type HttpFailure, type HttpHeaders, type HttpStreamResponse } from "../http/types.ts";
import { bearerFor, reachOf, type BulkAccess, type Reach } from "./access.ts";

/** Why a file could not be had as a whole. */
export type FileProblem =
  /** It lies where it must not be fetched from; nothing was sent. */
  | { readonly kind: "not-fetched"; readonly reach: Exclude<Reach, "own" | "allowed">; readonly seen: string }
  | { readonly kind: "status"; readonly status: number }
  | { readonly kind: "http"; readonly failure: HttpFailure }
  /** A later try brought other bytes than an earlier one, or fewer. */
  | { readonly kind: "changed" | "shrank"; readonly atByte: number }
  | { readonly kind: "out-of-time" };

export interface DownloadOptions {
  readonly url: string;
  /** Origins beside the FHIR server's own that may be fetched from, without the token. */
  readonly allowedOrigins: readonly string[];
  /** Whether the token is sent (to the FHIR server's own origin). */
  readonly withToken: boolean;
  /** When to give up, in milliseconds since the epoch. */
  readonly deadline: number;
  /** First pause before another try, in milliseconds; doubles. */
  readonly retryPauseMs: number;
  /** Ask for gzip. */
  readonly compressed: boolean;
  readonly purpose: string;
}

/** What is known of a download; complete when its body has ended. */
export interface DownloadFacts {
  /** The first answer's. 0 where there was none. */
  readonly status: number;
  readonly headers: HttpHeaders | undefined;
  /** The exchange that best shows what came of it. */
  readonly exchange: string | undefined;
  /** Decoded bytes. */
  readonly bytes: number;
  /** SHA-256 of the decoded bytes, in hexadecimal. */
  readonly digest: string;
  /** Tries after the first: from the byte where it broke, or from the beginning. */
  readonly continued: number;
  readonly restarted: number;
  readonly problem: FileProblem | undefined;
}

interface Download {
  /** The decoded bytes, each once, in order. Never throws for what the server does: `facts` says what was wrong. */
  readonly body: AsyncIterable<Uint8Array>;
  facts(): DownloadFacts;
}

/** Tries in a row that bring nothing new. */
const MOST_FRUITLESS = 4;
const MOST_REDIRECTS = 5;
const LONGEST_PAUSE_MS = 10_000;
/** How much of a file is kept as evidence. */
const RECORDED_BYTES = 4096;
/** Nothing but a bomb decodes to so many times its size: gzip itself ends near 1,000. */
const MOST_RATIO = 500;
const UNBOUNDED = Number.MAX_SAFE_INTEGER;

interface State {
  status: number;
  headers: HttpHeaders | undefined;
  exchange: string | undefined;
  bytes: number;
  hash: Hash;
  continued: number;
  restarted: number;
  problem: FileProblem | undefined;
}

/**
 * Downloads a file of an export (Bulk Data 2.0.0 §output file request), in memory that does not grow with it. When the
 * connection breaks it goes on from the byte where it broke, if the server has byte ranges and names the version it
 * sent (RFC 9110 §14.2, §13.1.5); otherwise it starts again and passes over what is known, comparing it.
 */
export function downloadFile(access: BulkAccess, options: DownloadOptions): Download {
  const state: State = {
    status: 0,
    headers: undefined,
    exchange: undefined,
    bytes: 0,
    hash: createHash("sha256"),
    continued: 0,
    restarted: 0,
    problem: undefined,
  };
  return {
    body: readWhole(access, options, state),
    facts: () => ({
      ...state,
      problem: withoutOwnLimit(state.problem),
      digest: state.hash.copy().digest("hex"),
    }),
  };
}

async function* readWhole(
  access: BulkAccess,
  options: DownloadOptions,
  state: State,
): AsyncGenerator<Uint8Array, void, undefined> {
  let fruitless = 0;
  let refused = false;
  let compressed = options.compressed;
  let pauseMs = options.retryPauseMs;
  for (;;) {
    if (Date.now() >= options.deadline) {
      state.problem = { kind: "out-of-time" };
      return;
    }
    const before = state.bytes;
    const opened = await open(access, options, rangeHeaders(state, compressed));
    if ("problem" in opened) {
      state.exchange = opened.exchange ?? state.exchange;
      if (!mayPass(opened.problem)) {
        state.problem = opened.problem;
        return;
      }
      state.problem = opened.problem;
    } else {
      state.exchange = opened.exchange;
      if (opened.status === 401 && !refused && options.withToken) {
        // The token may have ended on the way: it is asked for anew.
        refused = true;
        state.problem = { kind: "status", status: 401 };
        await drop(opened);
      } else {
        state.problem = yield* readAnswer(opened, state);
        if (state.problem === undefined) return;
        if (compressed && isCoding(state.problem)) {
          // Whatever is wrong with its compression: the file itself may be in order.
          compressed = false;
          continue;
        }
        if (!mayPass(state.problem)) return;
      }
    }
    fruitless = state.bytes > before ? 0 : fruitless + 1;
    if (fruitless >= MOST_FRUITLESS) return;
    if (state.bytes > before) pauseMs = options.retryPauseMs;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** Headers that ask for the rest of a file; none where nothing is known of it, or its version cannot be named. */
function rangeHeaders({ bytes, headers }: State, compressed: boolean): Record<string, string> {
  const whole = { "accept-encoding": compressed ? "gzip" : "identity" };
  if (bytes === 0 || headers === undefined || headers.has("content-encoding")) return whole;
  const etag = headers.get("etag");
  const version = etag === undefined || etag.startsWith("W/") ? undefined : etag;
  // A date may name two versions that were made within its second: only an entity tag will do.
  if (version === undefined || headers.get("accept-ranges") === "none") return whole;
  return { "accept-encoding": "identity", range: `bytes=${bytes}-`, "if-range": version };
}

/** Reads one answer, from where the last one broke off; gives what was wrong with it. */
async function* readAnswer(
  response: HttpStreamResponse,
  state: State,
): AsyncGenerator<Uint8Array, FileProblem | undefined, undefined> {
  const known = state.bytes;
  const { status, headers } = response;
  if (known > 0 && status === 416) {
    await drop(response);
    return { kind: "shrank", atByte: sizeIn(headers.get("content-range")) ?? known };
  }
  if (status !== 200 && !(status === 206 && known > 0)) {
    if (state.status === 0) Object.assign(state, { status, headers });
    await drop(response);
    return { kind: "status", status };
  }
  let skip = 0;
  if (known === 0) Object.assign(state, { status, headers });
  else if (status === 206) {
    const change = changedSize(state, headers);
    const start = /^bytes (\d+)-/.exec(headers.get("content-range") ?? "")?.[1];
    if (change !== undefined || Number(start) !== known) {
      await drop(response);
      return change ?? { kind: "changed", atByte: known };
    }
    state.continued += 1;
  } else {
    state.restarted += 1;
    skip = known;
  }
  return yield* readBody(response, state, skip);
}

async function* readBody(
  response: HttpStreamResponse,
  state: State,
  skip: number,
): AsyncGenerator<Uint8Array, FileProblem | undefined, undefined> {
  const seen = state.hash.copy().digest("hex");
  const again = createHash("sha256");
  let left = skip;
  try {
    for await (const piece of response.body) {
      let fresh = piece;
      if (left > 0) {
        const passed = Math.min(left, piece.length);
        again.update(piece.subarray(0, passed));
        left -= passed;
        fresh = piece.subarray(passed);
        if (left === 0 && again.copy().digest("hex") !== seen) return { kind: "changed", atByte: skip };
      }
      if (fresh.length === 0) continue;
      state.hash.update(fresh);
      state.bytes += fresh.length;
      yield fresh;
    }
  } catch (error) {
    if (!(error instanceof HttpBodyError)) throw error;
    return { kind: "http", failure: error.failure };
  }
  return left > 0 ? { kind: "shrank", atByte: skip - left } : undefined;
}

/** What a part says about the size of the whole, against what was known of it. */
function changedSize({ headers: first }: State, headers: HttpHeaders): FileProblem | undefined {
  const before = Number(first?.get("content-length") ?? Number.NaN);
  const now = sizeIn(headers.get("content-range"));
  if (now === undefined || Number.isNaN(before) || now === before) return undefined;
  return { kind: now < before ? "shrank" : "changed", atByte: Math.min(now, before) };
}

function sizeIn(contentRange: string | undefined): number | undefined {
  const size = /\/(\d+)$/.exec(contentRange ?? "")?.[1];
  return size === undefined ? undefined : Number(size);
}

/** Sends the request and follows redirects, none of them to where a file must not be fetched from. */
async function open(
  access: BulkAccess,
  options: DownloadOptions,
  more: Readonly<Record<string, string>>,
): Promise<HttpStreamResponse | { readonly problem: FileProblem; readonly exchange?: string }> {
  let { url } = options;
  const visited = new Set<string>();
  let exchange: string | undefined;
  for (;;) {
    const reach = reachOf(url, access.base, options.allowedOrigins);
    if (reach !== "own" && reach !== "allowed") {
      const seen = URL.canParse(url) ? new URL(url).origin : "no usable URL";
      const problem = { kind: "not-fetched", reach, seen } as const;
      return exchange === undefined ? { problem } : { problem, exchange };
    }
    const leftMs = Math.max(1000, options.deadline - Date.now());
    const outcome = await access.stream({
      method: "GET",
      url,
      headers: { accept: "application/fhir+ndjson", ...more },
      ...(options.withToken ? await bearerFor(access, url) : {}),
      redirect: "manual",
      purpose: options.purpose,
      limits: {
        bodyBytes: UNBOUNDED,
        decodedBytes: UNBOUNDED,
        decompressionRatio: MOST_RATIO,
        exchangeMs: leftMs,
        totalMs: leftMs,
        recordedBodyBytes: RECORDED_BYTES,
      },
    });
    exchange = outcome.exchange;
    if (outcome.kind === "failure") return { problem: { kind: "http", failure: outcome.failure }, exchange };
    const location = outcome.headers.get("location");
    if (outcome.status < 300 || outcome.status > 399 || location === undefined) return outcome;
    await drop(outcome);
    visited.add(url);
    const next = URL.canParse(location, url) ? new URL(location, url).href : location;
    if (visited.has(next) || visited.size > MOST_REDIRECTS) {
      const code = visited.has(next) ? "redirect-loop" : "too-many-redirects";
      const message = visited.has(next)
        ? "The redirects lead back to where they have been."
        : `More than ${MOST_REDIRECTS} redirects follow one another.`;
      return { problem: { kind: "http", failure: { code, message } }, exchange };
    }
    url = next;
  }
}

/** Reads the rest of a body that nobody wants, up to a bound; its connection is freed. */
async function drop(response: HttpStreamResponse): Promise<void> {
  let bytes = 0;
  try {
    for await (const piece of response.body) {
      bytes += piece.length;
      if (bytes > 65_536) return;
    }
  } catch (error) {
    if (!(error instanceof HttpBodyError)) throw error;
  }
}

function isCoding(problem: FileProblem): boolean {
  return problem.kind === "http" && problem.failure.code === "content-encoding";
}

/** The whole time of a request is what was left of ours: when it ends, nothing is wrong with the server. */
function withoutOwnLimit(problem: FileProblem | undefined): FileProblem | undefined {
  const isOurs = problem?.kind === "http" && /^timeout-(?:total|exchange)$/.test(problem.failure.code);
  return isOurs ? { kind: "out-of-time" } : problem;
}

/** Whether another try may fare better. */
function mayPass(problem: FileProblem): boolean {
  if (problem.kind === "status") return problem.status === 503;
  if (problem.kind !== "http") return false;
  return /^(connection-reset|connection-failed|connection-refused|body-incomplete|timeout-(body|headers|connect))$/.test(
    problem.failure.code,
  );
}
