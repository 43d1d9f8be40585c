import { isFhirPath } from "./fhir-paths.ts";
import { mediaTypeOf } from "./headers.ts";
import { createBodyRecorder, type BodyRecorder } from "./recorded-body.ts";
import type { Hop } from "./redirects.ts";
import type { LearningVault } from "./secret-vault.ts";
import type { WireResponse } from "./transport.ts";
import type { HttpLimits, RecordedRequest, RecordedResponse, RetryAfter } from "./types.ts";

function contentTypeOf(headers: ReadonlyArray<readonly [string, string]>): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === "content-type")?.[1];
}

/** A body as text, for learning its secrets. */
export function textOf(hop: Hop): string | undefined {
  return hop.body === undefined ? undefined : Buffer.from(hop.body).toString("utf8");
}

/** The request as sent, secrets removed. */
export function recordRequest(
  hop: Hop,
  lines: ReadonlyArray<readonly [string, string]>,
  limits: HttpLimits,
  vault: LearningVault,
): RecordedRequest {
  const request = {
    method: hop.method,
    url: vault.redactUrl(hop.rawTarget === undefined ? hop.url.href : `${hop.url.origin}${hop.rawTarget}`),
    headers: lines.map(([name, value]): [string, string] => [name, vault.redactHeader(name, value)]),
  };
  if (hop.body === undefined || hop.body.length === 0) return request;
  const contentType = contentTypeOf(lines);
  const recorder = createBodyRecorder(limits.recordedBodyBytes);
  recorder.add(hop.body);
  const isForm = mediaTypeOf(contentType) === "application/x-www-form-urlencoded";
  const place = isForm ? { fhirForm: isFhirPath(hop.url.pathname) } : {};
  return { ...request, body: recorder.finish(contentType, vault, place) };
}

/** The response as received, secrets removed. */
export function recordResponse(
  wire: WireResponse,
  recorder: BodyRecorder,
  vault: LearningVault,
): RecordedResponse {
  const body = recorder.finish(contentTypeOf(wire.headers), vault, {});
  return {
    status: wire.status,
    headers: wire.headers.map(([name, value]): [string, string] => [
      vault.redact(name),
      vault.redactHeader(name, value),
    ]),
    ...(body.bytes === 0 ? {} : { body }),
  };
}

/** The header is the server's text like any other. */
export function redactRetryAfter(retryAfter: RetryAfter, vault: LearningVault): RetryAfter {
  return { ...retryAfter, raw: vault.redact(retryAfter.raw.slice(0, 200)) };
}
