import { isResourceType, replacePathIds } from "./fhir-paths.ts";
import { maskBody, maskJson, maskReferencesIn } from "./health-data.ts";
import { maskUrl, placeholder } from "./health-values.ts";
import { createPseudonyms, type Pseudonyms } from "./pseudonyms.ts";
import type { Exchange, HttpFailure, RecordedBody } from "./types.ts";

/** How much of an exchange may be kept: all but secrets, no health data, or only that it took place. */
export type EvidenceMode = "full" | "masked" | "none";

/** One key for the process, and so for a run: what refers to one another still does after masking. */
const pseudonymsOfThisRun = createPseudonyms();

/**
 * The part of an exchange that a mode lets be kept. Secrets have been removed before, in every mode.
 * - `masked`: structure, resource types, codes, code systems, canonical URLs, statuses and booleans stay; names,
 *   identifiers, dates, free text, narrative, addresses, measured values and attachments become placeholders of their
 *   type, ids become pseudonyms. Documents that are about a server and no person stay as they are.
 * - `none`: method, origin and path template, status, sizes, times and the code of a failure.
 */
export function applyEvidenceMode(
  exchange: Exchange,
  mode: EvidenceMode,
  pseudonyms: Pseudonyms = pseudonymsOfThisRun,
): Exchange {
  if (mode === "full") return exchange;
  return mode === "masked" ? maskExchange(exchange, pseudonyms) : reduceExchange(exchange);
}

const LONGEST_VALUE = 200;

/**
 * The text of one value of patients' data, for a sentence.
 * - `full`: the value, bounded;
 * - `masked`: references keep their type and get a pseudonym as id, other texts become pseudonyms, numbers a
 *   placeholder; of an object, what evidence would show;
 * - `none`: a placeholder.
 */
export function healthText(
  value: unknown,
  mode: EvidenceMode,
  pseudonyms: Pseudonyms = pseudonymsOfThisRun,
): string {
  if (value === undefined) return "nothing";
  if (mode === "none") return placeholder;
  const text = mode === "full" ? plain(value) : maskedText(value, pseudonyms);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing");
}

function maskedText(value: unknown, pseudonyms: Pseudonyms): string {
  if (typeof value === "object" && value !== null) return plain(maskJson(value, pseudonyms));
  if (typeof value !== "string") return placeholder;
  if (/^https?:\/\//i.test(value)) return maskUrl(value, pseudonyms);
  const reference = maskReferencesIn(value, pseudonyms);
  return reference === value ? pseudonyms.of(value) : reference;
}

function maskExchange(exchange: Exchange, pseudonyms: Pseudonyms): Exchange {
  const { request, response, failure, purpose } = exchange;
  const headers = (
    lines: ReadonlyArray<readonly [string, string]>,
  ): ReadonlyArray<readonly [string, string]> =>
    lines.map(([name, value]) => [name, maskHeader(name, value, pseudonyms)]);
  return {
    ...exchange,
    ...(purpose === undefined ? {} : { purpose: maskReferencesIn(purpose, pseudonyms) }),
    request: {
      method: request.method,
      url: maskUrl(request.url, pseudonyms),
      headers: headers(request.headers),
      ...(request.body === undefined ? {} : { body: maskRecorded(request.body, pseudonyms) }),
    },
    ...(response === undefined
      ? {}
      : {
          response: {
            status: response.status,
            headers: headers(response.headers),
            ...(response.body === undefined ? {} : { body: maskRecorded(response.body, pseudonyms) }),
          },
        }),
    ...(failure === undefined ? {} : { failure: maskFailure(failure, pseudonyms) }),
  };
}

function maskRecorded(body: RecordedBody, pseudonyms: Pseudonyms): RecordedBody {
  if (body.text === undefined) return body;
  const text = maskBody(body.text, body.mediaType, pseudonyms);
  return { ...body, text, storedBytes: Buffer.byteLength(text) };
}

function maskHeader(name: string, value: string, pseudonyms: Pseudonyms): string {
  switch (name.toLowerCase()) {
    case "location":
    case "content-location":
    case "referer":
      return maskUrl(value, pseudonyms);
    case "link":
      return value.replaceAll(/<([^>]*)>/g, (_, url: string) => `<${maskUrl(url, pseudonyms)}>`);
    case "warning":
    case "content-disposition":
      return "masked";
    default:
      return maskReferencesIn(value, pseudonyms);
  }
}

function maskFailure(failure: HttpFailure, pseudonyms: Pseudonyms): HttpFailure {
  return typeof failure.seen === "string" && failure.seen.includes("/")
    ? { ...failure, seen: maskUrl(failure.seen, pseudonyms) }
    : failure;
}

function reduceExchange(exchange: Exchange): Exchange {
  const { request, response, failure, retryAfter, tls } = exchange;
  return {
    id: exchange.id,
    startedAt: exchange.startedAt,
    durationMs: exchange.durationMs,
    attempt: exchange.attempt,
    ...(exchange.previous === undefined ? {} : { previous: exchange.previous }),
    request: {
      method: request.method,
      url: pathTemplate(request.url),
      headers: [],
      ...(request.body === undefined ? {} : { body: sizesOf(request.body) }),
    },
    ...(response === undefined
      ? {}
      : {
          response: {
            status: response.status,
            headers: [],
            ...(response.body === undefined ? {} : { body: sizesOf(response.body) }),
          },
        }),
    ...(failure === undefined
      ? {}
      : {
          failure: {
            code: failure.code,
            message: failure.message,
            ...(failure.limit === undefined ? {} : { limit: failure.limit }),
            ...(typeof failure.seen === "number" ? { seen: failure.seen } : {}),
          },
        }),
    ...(tls === undefined ? {} : { tls }),
    ...(retryAfter === undefined ? {} : { retryAfter: { ...retryAfter, raw: "" } }),
  };
}

function sizesOf(body: RecordedBody): RecordedBody {
  return {
    ...(body.mediaType === undefined ? {} : { mediaType: body.mediaType }),
    bytes: body.bytes,
    storedBytes: 0,
    truncated: body.bytes > 0,
  };
}

/** `https://host/base/Patient/123?name=x` as `https://host/base/Patient/{id}`. */
function pathTemplate(url: string): string {
  const path = url.split(/[?#]/)[0] ?? "";
  const withoutIds = replacePathIds(path, () => "{id}");
  // Outside of FHIR paths an id cannot be told for sure; tenant ids stand before the first resource type.
  const segments = withoutIds.split("/");
  const firstType = segments.findIndex((segment) => isResourceType(segment));
  return segments
    .map((segment, index) =>
      firstType >= 0 && index > firstType && /\d{3}/.test(segment) ? "{id}" : segment,
    )
    .join("/");
}
