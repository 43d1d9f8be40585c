import type { Dispatcher } from "undici";
import type { Connection } from "./connections.ts";
import { classifyError, exchangeError, ExchangeError, type ExchangePhase } from "./failures.ts";
import type { HttpLimits } from "./types.ts";

/** A request as it goes out. */
export interface WireRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly body: Uint8Array | undefined;
}

/** The head of an answer and its body as it comes over the wire, still encoded. */
export interface WireResponse {
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  /** Throws ExchangeError. Has to be read to its end or returned from. */
  readonly body: AsyncGenerator<Uint8Array, void, undefined>;
}

/** Informational answers before the final one; more than a few are no answer at all. */
const mostInformational = 20;

/**
 * Sends one request over one connection and resolves with the head of the answer. Rejects with ExchangeError.
 * Ends the connection whenever a bound is met, so that nothing of a sick server outlives its exchange.
 */
export function exchangeOverWire(
  connection: Connection,
  request: WireRequest,
  limits: HttpLimits,
  signal: AbortSignal,
): Promise<WireResponse> {
  let phase: ExchangePhase = "connect";
  let failed: ExchangeError | undefined;
  let ended = false;
  let controller: Dispatcher.DispatchController | undefined;
  const chunks: Uint8Array[] = [];
  let queued = 0;
  let wake: (() => void) | undefined;
  let informational = 0;

  return new Promise<WireResponse>((resolve, reject) => {
    let headersTimer: NodeJS.Timeout | undefined;

    const fail = (error: unknown): void => {
      if (failed !== undefined || ended) return;
      const cause = connection.connectError() ?? error;
      failed = new ExchangeError(classifyError(phase === "connect" ? cause : error, phase, limits));
      clearTimeout(headersTimer);
      signal.removeEventListener("abort", abort);
      void connection.destroy();
      reject(failed);
      wake?.();
    };
    const abort = (): void => {
      fail(signal.reason);
    };
    const startHeadersTimer = (): void => {
      const limit = limits.headersMs;
      headersTimer = setTimeout(() => {
        fail(exchangeError("timeout-headers", `No complete header within ${limit} ms.`, { limit }));
      }, limit);
    };

    async function* readBody(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        for (;;) {
          const chunk = chunks.shift();
          if (chunk !== undefined) {
            queued -= chunk.length;
            if (queued < highWater) controller?.resume();
            yield chunk;
            continue;
          }
          if (failed !== undefined) throw failed;
          if (ended) return;
          await nextPiece();
        }
      } finally {
        if (!ended && failed === undefined) {
          fail(exchangeError("aborted", "The reader of the body stopped before its end."));
        }
        signal.removeEventListener("abort", abort);
      }
    }
    const nextPiece = async (): Promise<void> => {
      const limit = limits.bodyIdleMs;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resume) => {
        wake = resume;
        timer = setTimeout(() => {
          fail(exchangeError("timeout-body", `Nothing of the body came for ${limit} ms.`, { limit }));
        }, limit);
      });
      wake = undefined;
      clearTimeout(timer);
    };

    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener("abort", abort, { once: true });
    connection.connectMs = limits.connectMs;
    connection.client.dispatch(
      {
        method: request.method,
        path: request.path,
        headers: request.headers.flat(),
        body: request.body === undefined ? null : Buffer.from(request.body),
      },
      {
        onRequestStart(started) {
          controller = started;
          phase = "headers";
          connection.expectHead();
          startHeadersTimer();
        },
        onRequestUpgrade(_controller, _status, _headers, socket) {
          socket.destroy();
          fail(exchangeError("invalid-http", "The server changed the protocol, which nobody asked for."));
        },
        onResponseStart(started, status) {
          if (status < 200) {
            informational += 1;
            if (informational > mostInformational)
              fail(
                exchangeError("invalid-http", `More than ${mostInformational} informational answers.`, {
                  limit: mostInformational,
                }),
              );
            return;
          }
          clearTimeout(headersTimer);
          phase = "body";
          const headers = readLines(started.rawHeaders);
          const size = headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
          if (size > limits.headerBytes) {
            const limit = limits.headerBytes;
            fail(
              exchangeError("headers-too-large", `The header lines are larger than ${limit} bytes.`, {
                limit,
                seen: size,
              }),
            );
            return;
          }
          resolve({ status, headers, body: readBody() });
        },
        onResponseData(started, chunk) {
          chunks.push(chunk);
          queued += chunk.length;
          if (queued >= highWater) started.pause();
          wake?.();
        },
        onResponseEnd() {
          ended = true;
          clearTimeout(headersTimer);
          wake?.();
        },
        onResponseError(_controller, error) {
          fail(error);
        },
      },
    );
  });
}

const highWater = 256 * 1024;

/** Header values are bytes; latin1 keeps each of them (RFC 9110 section 5.5). */
function readLines(raw: Dispatcher.DispatchController["rawHeaders"]): Array<[string, string]> {
  const lines: Array<[string, string]> = [];
  if (!Array.isArray(raw)) return lines;
  for (let index = 0; index + 1 < raw.length; index += 2)
    lines.push([text(raw[index]), text(raw[index + 1])]);
  return lines;
}

function text(value: Buffer | string | undefined): string {
  return typeof value === "string" ? value : (value?.toString("latin1") ?? "");
}
