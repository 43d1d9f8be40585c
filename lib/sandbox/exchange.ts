import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { ApiDefinition, Tenant } from "./data.ts";
import type { Json, JsonObject } from "./json.ts";

/** Where in the sandbox a request went. `base` is an absolute URL without a slash at its end; `path` is the rest. */
export type Place =
  | {
      readonly kind: "api";
      readonly api: ApiDefinition;
      /** The tenant segment as it was sent, known or not; undefined for v1. */
      readonly segment: string | undefined;
      readonly tenant: Tenant | undefined;
      readonly base: string;
      readonly path: string;
    }
  | {
      readonly kind: "authorization";
      readonly segment: string;
      readonly tenant: Tenant | undefined;
      readonly base: string;
      readonly path: string;
    }
  | { readonly kind: "legacy"; readonly base: string; readonly path: string }
  | { readonly kind: "other"; readonly base: string; readonly path: string };

/** A request as the sandbox sees it: read to its end, and changeable by a fault before anybody answers it. */
export interface SandboxRequest {
  method: string;
  /** Absolute, on the origin of the listener that took it. */
  url: URL;
  /** Path and query as they came, before anything was made of them. */
  readonly target: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  readonly incoming: IncomingMessage;
  readonly listener: "main" | "legacy";
}

export type Content =
  | { readonly kind: "none" }
  /** A FHIR resource; rendered last, so that faults change JSON and XML alike. */
  | { readonly kind: "resource"; readonly resource: JsonObject; readonly format: "json" | "xml" }
  | { readonly kind: "json"; readonly value: Json }
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  /** Made while it is sent. `length` is that of the chunks, in bytes, before they are compressed. */
  | {
      readonly kind: "stream";
      readonly length: number;
      readonly chunks: () => Iterable<Buffer>;
      readonly isGzipped?: true;
    };

/** An answer, before it is rendered and sent. */
export interface Reply {
  status: number;
  headers: Record<string, string | string[]>;
  content: Content;
  /** How it is sent, where a fault says so. */
  delivery: Delivery;
}

export interface Delivery {
  delayMilliseconds?: number;
  /** Close the connection before the answer, or in the midst of the body. */
  reset?: "before" | "within";
  /** Send this many bytes of the body only, though Content-Length says more. */
  truncate?: number;
  /** Send the body in pieces of this many bytes, a pause between them. */
  drip?: { bytes: number; milliseconds: number };
  /** Repeat the body's bytes until it has this size. */
  padToBytes?: number;
  gzip?: boolean;
}

/** An answer with a FHIR resource. */
export function resourceReply(status: number, resource: JsonObject, format: "json" | "xml" = "json"): Reply {
  return { status, headers: {}, content: { kind: "resource", resource, format }, delivery: {} };
}

/** An answer with JSON that is not FHIR. */
export function jsonReply(status: number, value: Json, mediaType = "application/json"): Reply {
  return { status, headers: { "content-type": mediaType }, content: { kind: "json", value }, delivery: {} };
}

/** An answer with a text of a given media type; with an empty one, without a body. */
export function textReply(status: number, mediaType: string, text: string | Buffer): Reply {
  return {
    status,
    headers: mediaType === "" ? {} : { "content-type": mediaType },
    content: text.length === 0 ? { kind: "none" } : { kind: "bytes", bytes: Buffer.from(text) },
    delivery: {},
  };
}

/** An answer without a body. */
export function emptyReply(status: number, headers: Reply["headers"] = {}): Reply {
  return { status, headers, content: { kind: "none" }, delivery: {} };
}

const ISSUE_CODES: Readonly<Record<number, string>> = {
  400: "invalid",
  401: "security",
  403: "forbidden",
  404: "not-found",
  405: "not-supported",
  406: "not-supported",
  410: "deleted",
  415: "not-supported",
  422: "structure",
  429: "throttled",
  500: "exception",
  501: "not-supported",
};

/** An OperationOutcome with the issue code the vendor documents for a status. */
export function outcomeReply(status: number, diagnostics: string, format: "json" | "xml" = "json"): Reply {
  return resourceReply(
    status,
    {
      resourceType: "OperationOutcome",
      issue: [{ severity: "error", code: ISSUE_CODES[status] ?? "processing", diagnostics }],
    },
    format,
  );
}
