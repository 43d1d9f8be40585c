import type { HttpLimits } from "./types.ts";

const second = 1000;
const mebibyte = 1024 * 1024;

/** Generous for a healthy server, and an end for a sick one. */
export const defaultLimits: HttpLimits = {
  connectMs: 10 * second,
  headersMs: 60 * second,
  bodyIdleMs: 30 * second,
  exchangeMs: 120 * second,
  totalMs: 300 * second,
  headerBytes: 64 * 1024,
  bodyBytes: 16 * mebibyte,
  decodedBytes: 16 * mebibyte,
  decompressionRatio: 200,
  redirects: 5,
  attempts: 3,
  retryDelayMs: 500,
  retryWaitMs: 30 * second,
  retryTotalWaitMs: 90 * second,
  recordedBodyBytes: 256 * 1024,
};

/** Lays limits over others. Throws RangeError for a value that is no bound: negative, fractional or not finite. */
export function mergeLimits(
  base: HttpLimits,
  ...overrides: Array<Partial<HttpLimits> | undefined>
): HttpLimits {
  const merged = { ...base };
  for (const override of overrides) {
    for (const [name, value] of Object.entries(override ?? {})) {
      if (!(name in base)) throw new RangeError(`${name} is not a limit`);
      if (value === undefined) continue;
      if (!Number.isSafeInteger(value) || value < 0)
        throw new RangeError(`limit ${name} must be a whole number of at least 0, not ${value}`);
      Object.assign(merged, { [name]: value });
    }
  }
  return merged;
}
