import { readFileSync } from "node:fs";
import { join } from "node:path";
import { list, objectOf } from "./read.ts";
import { bounded, oneLine } from "./text.ts";

/** A recorded exchange as far as reports show it; read leniently from `evidence/<id>.json`. */
export interface RecordedExchange {
  readonly id: string;
  readonly purpose?: string;
  readonly startedAt?: string;
  readonly durationMs?: number;
  readonly attempt?: number;
  readonly request: RecordedMessage & { readonly method: string; readonly url: string };
  readonly response?: RecordedMessage & { readonly status: number };
  readonly failure?: { readonly code: string; readonly message: string };
}

interface RecordedMessage {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: RecordedBody;
}

interface RecordedBody {
  readonly mediaType?: string;
  readonly bytes: number;
  readonly text?: string;
  readonly truncated: boolean;
}

/** Gives an exchange by its id; undefined when it was not kept. */
export type ExchangeReader = (id: string) => RecordedExchange | undefined;

const REMEMBERED = 200;

/**
 * Reads exchanges of a results directory and remembers some: facts are shared, so many checks show the same ones.
 *
 * @param folder a results directory
 */
export function exchangeReader(folder: string): ExchangeReader {
  const remembered = new Map<string, RecordedExchange>();
  return (id) => {
    const known = remembered.get(id);
    if (known !== undefined) return known;
    const exchange = readExchange(folder, id);
    // It may yet be written: only what is there is remembered.
    if (exchange === undefined) return undefined;
    const [oldest] = remembered.keys();
    if (remembered.size >= REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    remembered.set(id, exchange);
    return exchange;
  };
}

/**
 * Reads one exchange of a results directory.
 *
 * @returns undefined when there is none (evidence `none`), when it is not readable, or when the id is not a file name
 */
function readExchange(folder: string, id: string): RecordedExchange | undefined {
  if (!/^\w[\w.-]*$/.test(id)) return undefined;
  try {
    return asExchange(id, JSON.parse(readFileSync(join(folder, "evidence", `${id}.json`), "utf8")));
  } catch {
    return undefined;
  }
}

function asExchange(id: string, from: unknown): RecordedExchange | undefined {
  const value = objectOf(from);
  const request = objectOf(value["request"]);
  if (typeof request["method"] !== "string" || typeof request["url"] !== "string") return undefined;
  const response = objectOf(value["response"]);
  const failure = objectOf(value["failure"]);
  const { purpose, startedAt, durationMs, attempt } = value;
  return {
    id,
    ...(typeof purpose === "string" ? { purpose } : {}),
    ...(typeof startedAt === "string" ? { startedAt } : {}),
    ...(typeof durationMs === "number" ? { durationMs } : {}),
    ...(typeof attempt === "number" ? { attempt } : {}),
    request: { ...messageOf(request), method: request["method"], url: request["url"] },
    ...(typeof response["status"] === "number"
      ? { response: { ...messageOf(response), status: response["status"] } }
      : {}),
    ...(typeof failure["code"] === "string"
      ? {
          failure: {
            code: failure["code"],
            message: typeof failure["message"] === "string" ? failure["message"] : "",
          },
        }
      : {}),
  };
}

function messageOf(value: Record<string, unknown>): RecordedMessage {
  const headers = list(value["headers"]).flatMap((entry) => {
    const [name, content] = list(entry);
    return typeof name === "string" && typeof content === "string" ? [[name, content] as const] : [];
  });
  const body = objectOf(value["body"]);
  if (typeof body["text"] !== "string" && typeof body["bytes"] !== "number") return { headers };
  return {
    headers,
    body: {
      ...(typeof body["mediaType"] === "string" ? { mediaType: body["mediaType"] } : {}),
      bytes: typeof body["bytes"] === "number" ? body["bytes"] : 0,
      ...(typeof body["text"] === "string" ? { text: body["text"] } : {}),
      truncated: body["truncated"] === true || typeof body["truncated"] === "number",
    },
  };
}

/** `GET https://host/metadata → 200`, for a list of attachments. */
export function exchangeTitle(exchange: RecordedExchange): string {
  const { request, response, failure, attempt } = exchange;
  const outcome = response === undefined ? (failure?.code ?? "no response") : String(response.status);
  const again = attempt !== undefined && attempt > 1 ? ` (attempt ${attempt})` : "";
  return oneLine(`${exchange.id}: ${request.method} ${request.url} → ${outcome}${again}`, 240);
}

/**
 * An exchange in the form that Allure shows as request and response (`application/vnd.allure.http+json`).
 *
 * @param limit characters of each body to show; the whole recorded body stays in `evidence/<id>.json`
 */
export function allureExchange(exchange: RecordedExchange, limit: number): object {
  const { request, response, failure } = exchange;
  const start = exchange.startedAt === undefined ? Number.NaN : Date.parse(exchange.startedAt);
  return {
    schemaVersion: 1,
    request: { method: request.method, url: request.url, ...messageParts(request, limit) },
    ...(response === undefined
      ? {}
      : { response: { status: response.status, ...messageParts(response, limit) } }),
    ...(failure === undefined ? {} : { error: { name: failure.code, message: failure.message } }),
    ...(Number.isNaN(start) ? {} : { start, stop: start + (exchange.durationMs ?? 0) }),
  };
}

function messageParts(message: RecordedMessage, limit: number): object {
  const { headers, body } = message;
  return {
    headers: headers.map(([name, value]) => ({ name, value: bounded(value, 4_000) })),
    ...(body === undefined
      ? {}
      : {
          body: {
            ...(body.mediaType === undefined ? {} : { contentType: body.mediaType }),
            encoding: "utf8",
            ...(body.text === undefined ? {} : { value: bounded(body.text, limit) }),
            size: body.bytes,
            truncated: body.truncated || (body.text !== undefined && body.text.length > limit),
          },
        }),
  };
}
