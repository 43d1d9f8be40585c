import { IncomingMessage, ServerResponse } from "node:http";
import type { Content, Reply, SandboxRequest } from "../exchange.ts";
import type { Json } from "../json.ts";

/** A request and a response for a handler that wants node's own, the response kept instead of sent. */
export interface CapturedExchange {
  readonly request: IncomingMessage & { originalUrl?: string };
  readonly response: ServerResponse;
  readonly reply: Promise<Reply>;
}

/**
 * Makes node's request and response objects from a request that has been read (and perhaps changed by a fault).
 *
 * @param prefix path under which the handler is mounted: it sees the path without it, and the whole as `originalUrl`
 */
export function captureExchange(asked: SandboxRequest, prefix: string): CapturedExchange {
  const request: CapturedExchange["request"] = new IncomingMessage(asked.incoming.socket);
  const path = `${asked.url.pathname}${asked.url.search}`;
  request.method = asked.method;
  request.originalUrl = path;
  // A path of several slashes would read as an authority, and the router has no path then: it is a path nobody serves.
  request.url = (path.slice(prefix.length) || "/").replace(/^\/{2,}/, "/-/");
  request.headers = {
    ...asked.headers,
    host: asked.url.host,
    ...(asked.body.length === 0 ? {} : { "content-length": String(asked.body.length) }),
  };
  request.httpVersion = "1.1";
  // Node's own would take the client's connection down with it once the body is read.
  Object.defineProperty(request, "_destroy", { value: finishQuietly });
  request.push(asked.body);
  request.push(null);
  const response = new ServerResponse(request);
  return { request, response, reply: captureReply(response) };
}

function finishQuietly(error: Error | null, done: (error: Error | null) => void): void {
  done(error);
}

function captureReply(response: ServerResponse): Promise<Reply> {
  const chunks: Buffer[] = [];
  const keep = (chunk: unknown, encoding: unknown) => {
    if (typeof chunk === "string") {
      chunks.push(Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8"));
    } else if (chunk instanceof Uint8Array) {
      chunks.push(Buffer.from(chunk));
    }
  };
  return new Promise((resolve) => {
    response.write = (chunk: unknown, encoding?: unknown) => {
      keep(chunk, encoding);
      return true;
    };
    response.end = (chunk?: unknown, encoding?: unknown) => {
      if (typeof chunk !== "function") keep(chunk, encoding);
      resolve(replyOf(response, Buffer.concat(chunks)));
      response.emit("finish");
      return response;
    };
  });
}

function replyOf(response: ServerResponse, body: Buffer): Reply {
  const headers: Reply["headers"] = {};
  for (const [name, value] of Object.entries(response.getHeaders())) {
    if (value === undefined || name === "content-length" || name === "transfer-encoding") continue;
    headers[name] = Array.isArray(value) ? value : String(value);
  }
  return { status: response.statusCode, headers, content: contentOf(headers, body), delivery: {} };
}

function contentOf(headers: Reply["headers"], body: Buffer): Content {
  if (body.length === 0) return { kind: "none" };
  const type = headers["content-type"];
  if (typeof type === "string" && /^application\/([a-z-]+\+)?json/.test(type)) {
    return { kind: "json", value: JSON.parse(body.toString("utf8")) as Json };
  }
  return { kind: "bytes", bytes: body };
}

/** The answer of a node request handler to a request. */
export function answerByHandler(
  handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  asked: SandboxRequest,
  prefix: string,
): Promise<Reply> {
  const { request, response, reply } = captureExchange(asked, prefix);
  // The handler answers its own failures; one that it cannot must not leave the client waiting.
  return Promise.race([reply, handler(request, response).then(() => reply)]);
}
