import { parseRetryAfter } from "./retry-after.ts";
import type { HttpFailure, HttpLimits, RetryAfter } from "./types.ts";

const idempotentMethods = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);
const repeatStatuses = new Set([429, 502, 503, 504]);

/** Whether a method may be repeated without asking (RFC 9110 section 9.2.2). */
export function isIdempotent(method: string): boolean {
  return idempotentMethods.has(method);
}

/** Whether a status says that the same request may fare better later. */
export function isRepeatable(status: number): boolean {
  return repeatStatuses.has(status);
}

/** What a retry depends on. */
export interface RetrySituation {
  readonly limits: HttpLimits;
  readonly mayRepeat: boolean;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Pauses made so far. */
  readonly waitedMs: number;
  /** 0 where there was no answer. */
  readonly status: number;
  readonly failure: HttpFailure | undefined;
  /** The value of Retry-After. */
  readonly retryAfter: string | undefined;
}

/** Whether there is another attempt, after which pause, and what became of Retry-After. */
export function planRetry(situation: RetrySituation): {
  readonly pauseMs?: number;
  readonly retryAfter?: RetryAfter;
} {
  const { limits, status, attempt, failure, retryAfter: raw } = situation;
  const wanted = failure === undefined ? repeatStatuses.has(status) : failure.code === "connection-reset";
  const backoff = Math.min(limits.retryDelayMs * 2 ** (attempt - 1), limits.retryWaitMs);
  const asked = raw === undefined ? undefined : parseRetryAfter(raw, Date.now());
  const pauseMs = Math.min(
    asked === undefined || asked === null ? backoff : asked * 1000,
    limits.retryWaitMs,
  );
  const repeats =
    wanted &&
    situation.mayRepeat &&
    attempt < limits.attempts &&
    situation.waitedMs + pauseMs <= limits.retryTotalWaitMs;
  if (raw === undefined || asked === undefined || !repeatStatuses.has(status))
    return repeats ? { pauseMs } : {};
  const retryAfter: RetryAfter = {
    raw,
    seconds: asked,
    honoured: repeats && asked !== null && pauseMs >= asked * 1000,
    bounded: asked === null || asked * 1000 > limits.retryWaitMs,
  };
  return repeats ? { pauseMs, retryAfter } : { retryAfter };
}
