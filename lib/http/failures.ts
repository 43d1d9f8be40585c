import type { HttpFailure, HttpFailureCode } from "./types.ts";

/** Carries a failure through code that streams; never leaves this folder but as `HttpBodyError`. */
export class ExchangeError extends Error {
  readonly failure: HttpFailure;
  constructor(failure: HttpFailure) {
    super(failure.message);
    this.name = "ExchangeError";
    this.failure = failure;
  }
}

/** A failure as an error that can be thrown through streams. */
export function exchangeError(
  code: HttpFailureCode,
  message: string,
  facts: { readonly limit?: number; readonly seen?: number | string } = {},
): ExchangeError {
  return new ExchangeError({ code, message, ...facts });
}

const dnsCodes = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EAI_NODATA",
  "EAI_NONAME",
  "ENODATA",
  "ESERVFAIL",
]);
const resetCodes = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "UND_ERR_SOCKET", "UND_ERR_DESTROYED"]);

/** When an error came: while connecting, before the answer began, or within its body. */
export type ExchangePhase = "connect" | "headers" | "body";

/**
 * Says in our words what an error of the network or of the HTTP parser means. Errors that are already ours pass.
 * The message never repeats what the server sent.
 */
export function classifyError(
  error: unknown,
  phase: ExchangePhase,
  facts: { readonly headerBytes: number },
): HttpFailure {
  if (error instanceof ExchangeError) return error.failure;
  const code = codeOf(error);
  if (phase === "connect") return classifyConnectError(error, code);
  if (code === "UND_ERR_HEADERS_OVERFLOW") {
    const message = `The header lines are larger than ${facts.headerBytes} bytes.`;
    return { code: "headers-too-large", message, limit: facts.headerBytes };
  }
  if (
    code.startsWith("HPE_") ||
    code === "HPE" ||
    (error instanceof Error && error.name === "HTTPParserError")
  ) {
    return { code: "invalid-http", message: `The answer does not follow HTTP/1.1 (${code}).` };
  }
  if (code === "UND_ERR_SOCKET" && /^bad (?:response|upgrade)$/.test(messageOf(error))) {
    const message = "The answer is one that nobody asked for, such as a change of protocol.";
    return { code: "invalid-http", message };
  }
  if (code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH") {
    return phase === "body"
      ? { code: "body-incomplete", message: "The body is not as long as Content-Length says." }
      : { code: "invalid-http", message: "The header says in contradictory ways how long the body is." };
  }
  if (code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS")) {
    return { code: "tls", message: `TLS broke during the exchange (${code}).` };
  }
  if (phase === "body") {
    const reset = code === "ECONNRESET";
    return reset
      ? { code: "connection-reset", message: "The server reset the connection within the body." }
      : { code: "body-incomplete", message: "The connection ended before the body was complete." };
  }
  if (resetCodes.has(code)) {
    return {
      code: "connection-reset",
      message: "The server ended the connection without a complete answer.",
    };
  }
  return { code: "connection-failed", message: `The connection failed (${code}).` };
}

function classifyConnectError(error: unknown, code: string): HttpFailure {
  if (dnsCodes.has(code)) return { code: "dns", message: `The host name cannot be resolved (${code}).` };
  if (code === "ECONNREFUSED")
    return { code: "connection-refused", message: "The server refuses connections." };
  if (code === "ECONNRESET" || code === "EPIPE")
    return {
      code: "connection-reset",
      message: "The server ended the connection while it was being set up.",
    };
  if (isTlsCode(code))
    return { code: "tls", message: `The TLS connection cannot be trusted or made (${code}).` };
  return { code: "connection-failed", message: `The connection cannot be made (${code}).` };
}

function isTlsCode(code: string): boolean {
  return /^(?:ERR_SSL|ERR_TLS|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA|CRL_|EPROTO)/.test(
    code,
  );
}

/** The code of an error; of the first one where several addresses were tried. */
export function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string")
    return error.code;
  return error instanceof Error ? error.name : "unknown";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}
