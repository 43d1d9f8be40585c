import type { HttpResponse } from "../http/types.ts";

/** Difference beyond which times that a server writes cannot be taken at face value, in seconds. */
export const NOTABLE_SKEW_SECONDS = 30;

/**
 * How far the server's clock is ahead of ours, in seconds, by its Date header (RFC 9110 §6.6.1). The header has whole
 * seconds and was written while the answer was under way: differences of a second or two mean nothing.
 *
 * @returns undefined without a readable Date header
 */
export function clockSkewSeconds(
  response: Pick<HttpResponse, "headers">,
  now = Date.now(),
): number | undefined {
  const date = Date.parse(response.headers.get("date") ?? "");
  return Number.isNaN(date) ? undefined : Math.round((date + 500 - now) / 1000);
}
