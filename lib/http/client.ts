import { createConnections, type Connection } from "./connections.ts";
import { decodeContent } from "./content-encoding.ts";
import { recordRequest, recordResponse, redactRetryAfter, textOf } from "./exchange-record.ts";
import { exchangeError, ExchangeError } from "./failures.ts";
import { createHeaders } from "./headers.ts";
import { defaultLimits, mergeLimits } from "./limits.ts";
import { createBodyRecorder, type BodyRecorder } from "./recorded-body.ts";
import { isRedirect, nextHop, type Hop } from "./redirects.ts";
import { hopOf, originOf, withDefaults } from "./request.ts";
import { isIdempotent, isRepeatable, planRetry } from "./retries.ts";
import type { LearningVault } from "./secret-vault.ts";
import { exchangeOverWire, type WireResponse } from "./transport.ts";
import {
  HttpBodyError,
  type Exchange,
  type ExchangeId,
  type HttpClient,
  type HttpFailed,
  type HttpFailure,
  type HttpLimits,
  type HttpOutcome,
  type HttpRequest,
  type HttpStreamOutcome,
  type RetryAfter,
} from "./types.ts";

export interface HttpClientOptions {
  readonly limits?: Partial<HttpLimits>;
  /** Made by `createSecretVault`; shared by everything that writes or prints within a run. */
  readonly vault: LearningVault;
  /** Called once for each physical request, as soon as it has ended. */
  readonly record: (exchange: Exchange) => void;
  /** Exchanges under way at one origin at the same time; default 6. */
  readonly concurrencyPerOrigin?: number;
  /** PEM of certificate authorities to trust besides those that come with Node. */
  readonly ca?: string;
  readonly userAgent?: string;
  /** Number in the id of the first exchange; default 1. A run that goes on starts behind its evidence. */
  readonly firstExchange?: number;
}

/** An exchange that has been opened: its head is known, or its failure. */
interface Opened {
  readonly id: ExchangeId;
  readonly hop: Hop;
  readonly attempt: number;
  readonly wire: WireResponse | undefined;
  readonly failure: HttpFailure | undefined;
  /** The decoded body; throws ExchangeError. */
  readonly body: AsyncGenerator<Uint8Array, void, undefined>;
  /** Frees the connection, and hands the exchange to the recorder. May be called once. */
  end(facts: {
    readonly failure?: HttpFailure | undefined;
    readonly retryAfter?: RetryAfter | undefined;
  }): void;
}

/** One call of `send` or `stream`. */
interface Call {
  readonly request: HttpRequest;
  readonly limits: HttpLimits;
  readonly signal: AbortSignal;
  readonly exchanges: ExchangeId[];
  readonly mayRepeat: boolean;
  waitedMs: number;
}

interface Settled {
  readonly opened: Opened;
  readonly failure: HttpFailure | undefined;
  readonly body: Uint8Array | undefined;
}

/** The one HTTP client of a run: HTTP/1.1, keep-alive, every exchange recorded without its secrets. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { vault } = options;
  const clientLimits = mergeLimits(defaultLimits, options.limits);
  const perOrigin = options.concurrencyPerOrigin ?? 6;
  if (!Number.isSafeInteger(perOrigin) || perOrigin < 1)
    throw new RangeError("concurrencyPerOrigin must be a whole number of at least 1");
  const connections = createConnections({
    perOrigin,
    headerBytes: clientLimits.headerBytes,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });
  const underWay = new Set<AbortController>();
  let count = (options.firstExchange ?? 1) - 1;
  let closed = false;

  const nextId = (): ExchangeId => {
    count += 1;
    return `x${String(count).padStart(4, "0")}`;
  };
  const redactFailure = (failure: HttpFailure): HttpFailure => ({
    ...failure,
    message: vault.redact(failure.message),
    ...(typeof failure.seen === "string" ? { seen: vault.redactUrl(failure.seen) } : {}),
  });

  /** Sends one physical request and waits for the head of its answer. */
  const open = async (
    call: Call,
    hop: Hop,
    attempt: number,
    previous: ExchangeId | undefined,
  ): Promise<Opened> => {
    const { limits } = call;
    const controller = new AbortController();
    const forward = (): void => controller.abort(call.signal.reason);
    call.signal.addEventListener("abort", forward, { once: true });
    if (call.signal.aborted) forward();

    let connection: Connection | undefined;
    let failure: HttpFailure | undefined;
    let wire: WireResponse | undefined;
    let timer: NodeJS.Timeout | undefined;
    const headers = [...hop.headers];
    const { bearer } = call.request;
    if (bearer !== undefined && originOf(bearer) === hop.url.origin)
      headers.push(["Authorization", `Bearer ${bearer.value}`]);
    const lines = withDefaults(headers, hop, options.userAgent ?? "careconnect-conformance");
    const requestText = textOf(hop);
    vault.learnFromRequest(lines, requestText);

    try {
      connection = await connections.acquire(hop.url.origin, { fresh: !call.mayRepeat }, controller.signal);
    } catch (error) {
      failure = failureOf(error);
    }
    const id = nextId();
    call.exchanges.push(id);
    const startedAt = new Date();
    const start = performance.now();
    if (connection !== undefined) {
      const limit = limits.exchangeMs;
      timer = setTimeout(() => {
        controller.abort(
          exchangeError("timeout-total", `The exchange took longer than ${limit} ms.`, { limit }),
        );
      }, limit);
      try {
        wire = await exchangeOverWire(
          connection,
          {
            method: hop.method,
            path: hop.rawTarget ?? hop.url.pathname + hop.url.search,
            headers: lines,
            body: hop.body,
          },
          limits,
          controller.signal,
        );
      } catch (error) {
        failure = failureOf(error);
      }
    }
    const recorder = createBodyRecorder(limits.recordedBodyBytes);
    const end: Opened["end"] = (facts) => {
      clearTimeout(timer);
      call.signal.removeEventListener("abort", forward);
      const ended = facts.failure ?? failure;
      if (connection !== undefined)
        connections.release(hop.url.origin, connection, ended === undefined ? "reusable" : "broken");
      if (wire !== undefined) vault.learnFromResponse(wire.headers, recorder.wholeText());
      const tls = connection?.tls();
      options.record({
        id,
        ...(call.request.purpose === undefined ? {} : { purpose: vault.redact(call.request.purpose) }),
        startedAt: startedAt.toISOString(),
        durationMs: Math.round((performance.now() - start) * 10) / 10,
        attempt,
        ...(previous === undefined ? {} : { previous }),
        request: recordRequest(hop, lines, limits, vault),
        ...(wire === undefined ? {} : { response: recordResponse(wire, recorder, vault) }),
        ...(ended === undefined ? {} : { failure: redactFailure(ended) }),
        ...(tls === undefined ? {} : { tls: vault.redactValue(tls) }),
        ...(facts.retryAfter === undefined ? {} : { retryAfter: redactRetryAfter(facts.retryAfter, vault) }),
      });
    };
    return { id, hop, attempt, wire, failure, body: recordedBody(wire, hop.method, recorder, limits), end };
  };

  /** Sends, repeats and follows until there is an answer to hand over; its body is read only where needed. */
  const settle = async (call: Call, firstHop: Hop, mode: "send" | "stream"): Promise<Settled> => {
    let hop = firstHop;
    let attempt = 1;
    let previous: ExchangeId | undefined;
    const visited = new Set<string>();
    for (;;) {
      const opened = await open(call, hop, attempt, previous);
      const { wire } = opened;
      const isFollowing = call.request.redirect !== "manual" && call.request.rawTarget === undefined;
      const follow = wire !== undefined && isRedirect(wire.status) && isFollowing;
      const repeatable = wire !== undefined && call.mayRepeat && isRepeatable(wire.status);
      if (mode === "stream" && wire !== undefined && !follow && !repeatable)
        return { opened, failure: undefined, body: undefined };

      const read = await readAll(opened);
      const retry = planRetry({
        limits: call.limits,
        mayRepeat: call.mayRepeat,
        attempt,
        waitedMs: call.waitedMs,
        status: wire?.status ?? 0,
        failure: read.failure,
        retryAfter: wire === undefined ? undefined : createHeaders(wire.headers).get("retry-after"),
      });
      if (retry.pauseMs !== undefined) {
        opened.end({ failure: read.failure, retryAfter: retry.retryAfter });
        const interrupted = await pause(retry.pauseMs, call);
        if (interrupted !== undefined) return { opened, failure: interrupted, body: undefined };
        previous = opened.id;
        attempt += 1;
        continue;
      }
      if (wire === undefined || read.failure !== undefined || !follow) {
        opened.end({ failure: read.failure, retryAfter: retry.retryAfter });
        return { opened, failure: read.failure, body: read.body };
      }
      visited.add(`${hop.method} ${hop.url.href}`);
      const next = stepOf(call, opened, hop, wire, visited);
      if ("failure" in next) {
        opened.end({ failure: next.failure });
        return { opened, failure: next.failure, body: undefined };
      }
      opened.end({});
      hop = next.hop;
      previous = opened.id;
      attempt = 1;
    }
  };

  const begin = (request: HttpRequest): { call: Call; hop: Hop | undefined; done: () => void } => {
    if (closed) throw new Error("the HTTP client is closed");
    const limits = mergeLimits(clientLimits, request.limits);
    const hop = hopOf(request);
    if (limits.headerBytes > clientLimits.headerBytes)
      throw new RangeError("a request may lower headerBytes, but not raise it");
    if (request.bearer !== undefined) vault.register(request.bearer.value, "access_token");
    const controller = new AbortController();
    underWay.add(controller);
    const limit = limits.totalMs;
    const timer = setTimeout(() => {
      controller.abort(
        exchangeError("timeout-total", `The request took longer than ${limit} ms.`, { limit }),
      );
    }, limit);
    const abort = (): void =>
      controller.abort(exchangeError("aborted", "The request was given up by its sender."));
    request.signal?.addEventListener("abort", abort, { once: true });
    if (request.signal?.aborted === true) abort();
    const call: Call = {
      request,
      limits,
      signal: controller.signal,
      exchanges: [],
      mayRepeat: request.retry === undefined ? isIdempotent(request.method) : request.retry === "idempotent",
      waitedMs: 0,
    };
    const done = (): void => {
      clearTimeout(timer);
      underWay.delete(controller);
      request.signal?.removeEventListener("abort", abort);
    };
    return { call, hop, done };
  };

  /** Records a request that never left, because it must not or cannot be sent. */
  const refuse = (call: Call, failure: HttpFailure): HttpFailed => {
    const id = nextId();
    call.exchanges.push(id);
    const { request } = call;
    const redacted = redactFailure(failure);
    options.record({
      id,
      ...(request.purpose === undefined ? {} : { purpose: vault.redact(request.purpose) }),
      startedAt: new Date().toISOString(),
      durationMs: 0,
      attempt: 1,
      request: { method: request.method, url: vault.redactUrl(request.url), headers: [] },
      failure: redacted,
    });
    return { kind: "failure", failure: redacted, exchange: id, exchanges: call.exchanges };
  };
  const failed = (call: Call, settled: Settled, failure: HttpFailure): HttpFailed => ({
    kind: "failure",
    failure: redactFailure(failure),
    exchange: settled.opened.id,
    exchanges: call.exchanges,
  });

  return {
    async send(request): Promise<HttpOutcome> {
      const { call, hop, done } = begin(request);
      try {
        const refusal = refusalOf(request, hop);
        if (refusal !== undefined || hop === undefined) return refuse(call, refusal ?? unreachable());
        const settled = await settle(call, hop, "send");
        const { opened, failure, body } = settled;
        if (failure !== undefined || opened.wire === undefined || body === undefined)
          return failed(call, settled, failure ?? unreachable());
        return {
          kind: "response",
          status: opened.wire.status,
          headers: createHeaders(opened.wire.headers),
          url: opened.hop.url.href,
          body,
          exchange: opened.id,
          exchanges: call.exchanges,
        };
      } finally {
        done();
      }
    },
    async stream(request): Promise<HttpStreamOutcome> {
      const { call, hop, done } = begin(request);
      let handedOver = false;
      try {
        const refusal = refusalOf(request, hop);
        if (refusal !== undefined || hop === undefined) return refuse(call, refusal ?? unreachable());
        const settled = await settle(call, hop, "stream");
        const { opened, failure, body } = settled;
        if (failure !== undefined || opened.wire === undefined)
          return failed(call, settled, failure ?? unreachable());
        handedOver = body === undefined;
        return {
          kind: "response",
          status: opened.wire.status,
          headers: createHeaders(opened.wire.headers),
          url: opened.hop.url.href,
          body: body === undefined ? handOver(opened, call, redactFailure, done) : once(body),
          exchange: opened.id,
          exchanges: call.exchanges,
        };
      } finally {
        if (!handedOver) done();
      }
    },
    async close() {
      closed = true;
      for (const controller of underWay) controller.abort(exchangeError("aborted", "The client was closed."));
      await connections.close();
    },
  };
}

/** Why a request is not sent at all, if so. */
function refusalOf(request: HttpRequest, hop: Hop | undefined): HttpFailure | undefined {
  if (hop === undefined)
    return {
      code: "invalid-url",
      message: "The URL is not an absolute http or https URL without credentials.",
    };
  if (request.bearer !== undefined && originOf(request.bearer) !== hop.url.origin)
    return {
      code: "credentials-cross-origin",
      message: "The URL is at another origin than the one the access token is for; nothing was sent.",
      seen: hop.url.origin,
    };
  return undefined;
}

function unreachable(): never {
  throw new Error("an exchange ended without an answer and without a failure");
}

function failureOf(error: unknown): HttpFailure {
  if (error instanceof ExchangeError) return error.failure;
  throw error;
}

async function* recordedBody(
  wire: WireResponse | undefined,
  method: string,
  recorder: BodyRecorder,
  limits: HttpLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (wire === undefined) return;
  const headers = createHeaders(wire.headers);
  const announced = Number(headers.get("content-length") ?? Number.NaN);
  if (announced > limits.bodyBytes && method !== "HEAD" && wire.status !== 304)
    throw exchangeError(
      "body-too-large",
      `The body is larger than ${limits.bodyBytes} bytes, says Content-Length.`,
      {
        limit: limits.bodyBytes,
        seen: announced,
      },
    );
  for await (const chunk of decodeContent(wire.body, headers.get("content-encoding"), limits)) {
    recorder.add(chunk);
    yield chunk;
  }
}

async function readAll(
  opened: Opened,
): Promise<{ body: Uint8Array | undefined; failure: HttpFailure | undefined }> {
  if (opened.failure !== undefined) return { body: undefined, failure: opened.failure };
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of opened.body) chunks.push(chunk);
  } catch (error) {
    return { body: undefined, failure: failureOf(error) };
  }
  return { body: Buffer.concat(chunks), failure: undefined };
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (body.length > 0) yield body;
}

/** The body of a stream: whatever ends it, or its call, also ends the exchange, and only once. */
function handOver(
  opened: Opened,
  call: Call,
  redactFailure: (failure: HttpFailure) => HttpFailure,
  done: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let ended = false;
  const end = (failure: HttpFailure | undefined): void => {
    if (ended) return;
    ended = true;
    call.signal.removeEventListener("abort", giveUp);
    opened.end({ failure });
    done();
  };
  const giveUp = (): void => end(failureOf(call.signal.reason));
  // A body that nobody reads must not hold its connection for ever.
  call.signal.addEventListener("abort", giveUp);
  return (async function* () {
    try {
      yield* opened.body;
      end(undefined);
    } catch (error) {
      const failure = failureOf(error);
      end(failure);
      throw new HttpBodyError(redactFailure(failure));
    } finally {
      end({ code: "aborted", message: "The reader of the body stopped before its end." });
    }
  })();
}

/** Waits before a retry; the failure that ended the wait early, if one did. */
async function pause(ms: number, call: Call): Promise<HttpFailure | undefined> {
  call.waitedMs += ms;
  if (!call.signal.aborted) {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        call.signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      call.signal.addEventListener("abort", wake, { once: true });
    });
  }
  return call.signal.aborted ? failureOf(call.signal.reason) : undefined;
}

function stepOf(
  call: Call,
  opened: Opened,
  hop: Hop,
  wire: WireResponse,
  visited: ReadonlySet<string>,
): ReturnType<typeof nextHop> {
  const limit = call.limits.redirects;
  const locations = createHeaders(wire.headers).getAll("location");
  const next = nextHop(hop, wire.status, locations, call.request.bearer !== undefined);
  if ("failure" in next) return next;
  if (visited.has(`${next.hop.method} ${next.hop.url.href}`)) {
    const message = "The redirects lead back to where they have been.";
    return { failure: { code: "redirect-loop", message, seen: next.hop.url.href } };
  }
  if (visited.size > limit) {
    const message = `More than ${limit} redirects follow one another.`;
    return { failure: { code: "too-many-redirects", message, limit, seen: visited.size } };
  }
  return next;
}
