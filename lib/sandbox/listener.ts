import {
  createServer as createPlainServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { createGzip, gzipSync } from "node:zlib";
import type { SecureVersion } from "node:tls";
import { outcomeReply, type Content, type Reply, type SandboxRequest } from "./exchange.ts";
import { writeXml } from "./xml.ts";

const HOST = "127.0.0.1";
const LARGEST_BODY = 16 * 1024 * 1024;

/** What the https listener shows: PEM, and the range of TLS versions. */
export interface TlsIdentity {
  readonly key: string;
  readonly certificate: string;
  readonly minimum: string;
  readonly maximum: string;
}

export interface Listener {
  readonly origin: string;
  close(): Promise<void>;
}

/**
 * Listens on 127.0.0.1 and answers each request, read to its end, by `answer`.
 *
 * @param port 0 takes a free one
 */
export async function listen(
  kind: SandboxRequest["listener"],
  port: number,
  tls: TlsIdentity | undefined,
  answer: (request: SandboxRequest) => Promise<Reply>,
): Promise<Listener> {
  let origin = "";
  const handle = (incoming: IncomingMessage, response: ServerResponse) => {
    void serve(kind, origin, incoming, response, answer);
  };
  const server: Server =
    tls === undefined ? createPlainServer(handle) : createSecureServer(secureOptions(tls), handle);
  const sockets = new Set<Socket>();
  server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, resolve);
  });
  origin = `${tls === undefined ? "http" : "https"}://${HOST}:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function secureOptions(tls: TlsIdentity) {
  // OpenSSL refuses TLS 1.0 and 1.1 at its own security level: a fault that offers them has to lower it.
  const isOld = tls.minimum === "TLSv1" || tls.minimum === "TLSv1.1";
  return {
    key: tls.key,
    cert: tls.certificate,
    minVersion: tls.minimum as SecureVersion,
    maxVersion: tls.maximum as SecureVersion,
    ...(isOld ? { ciphers: "DEFAULT@SECLEVEL=0" } : {}),
  };
}

async function readBody(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function serve(
  kind: SandboxRequest["listener"],
  origin: string,
  incoming: IncomingMessage,
  response: ServerResponse,
  answer: (request: SandboxRequest) => Promise<Reply>,
): Promise<void> {
  try {
    const body = await readBody(incoming);
    if (body === undefined) {
      await send(outcomeReply(413, "The body is too large."), "POST", response);
      return;
    }
    const url = requestUrl(origin, incoming.url ?? "/");
    if (url === undefined) {
      await send(outcomeReply(400, "The request target cannot be read."), "GET", response);
      return;
    }
    const method = incoming.method ?? "GET";
    const reply = await answer({
      method,
      url,
      target: incoming.url ?? "/",
      headers: { ...incoming.headers },
      body,
      incoming,
      listener: kind,
    });
    await send(reply, method, response);
  } catch (error) {
    // A client that went away is no failure; anything else is a defect of the sandbox, told as what it is.
    if (response.destroyed || incoming.errored) return;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    await send(outcomeReply(500, `The sandbox itself failed: ${text}`), "GET", response).catch(() => {
      response.destroy();
    });
  }
}

/** The URL on this listener that a request target (origin or absolute form, RFC 9112 3.2) names. */
function requestUrl(origin: string, target: string): URL | undefined {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "");
  try {
    return new URL(`${origin}${path.startsWith("/") ? "" : "/"}${path}`);
  } catch {
    return undefined;
  }
}

function render(content: Content): Buffer {
  if (content.kind === "none") return Buffer.alloc(0);
  if (content.kind === "stream") return Buffer.concat([...content.chunks()]);
  if (content.kind === "bytes") return content.bytes;
  if (content.kind === "json") return Buffer.from(JSON.stringify(content.value));
  return Buffer.from(
    content.format === "json" ? JSON.stringify(content.resource) : writeXml(content.resource),
  );
}

async function send(reply: Reply, method: string, response: ServerResponse): Promise<void> {
  const { delivery } = reply;
  if (delivery.delayMilliseconds !== undefined) {
    await wait(delivery.delayMilliseconds, undefined, { ref: false });
  }
  if (response.destroyed) return;
  if (delivery.reset === "before") {
    resetConnection(response);
    return;
  }
  if (reply.content.kind === "stream" && Object.keys(delivery).length === 0) {
    await sendStream(reply, reply.content, method, response);
    return;
  }
  let body = render(reply.content);
  if (reply.content.kind === "stream" && reply.content.isGzipped === true) body = gzipSync(body);
  if (delivery.padToBytes !== undefined && body.length < delivery.padToBytes) {
    body = Buffer.concat([body, Buffer.alloc(delivery.padToBytes - body.length, " ")]);
  }
  for (const [name, value] of Object.entries(reply.headers)) response.setHeader(name, value);
  if (delivery.gzip === true) {
    body = gzipSync(body);
    response.setHeader("content-encoding", "gzip");
  }
  response.statusCode = reply.status;
  const isBodiless = method === "HEAD" || reply.status === 204 || reply.status === 304;
  if (reply.status !== 204) response.setHeader("content-length", body.length);
  if (isBodiless) {
    response.end();
    return;
  }
  if (delivery.drip !== undefined) {
    await drip(body, delivery.drip, response);
    return;
  }
  const sent = delivery.truncate ?? (delivery.reset === "within" ? Math.floor(body.length / 2) : undefined);
  if (sent === undefined) {
    response.end(body);
    return;
  }
  response.write(body.subarray(0, sent), () => {
    if (delivery.reset === "within") resetConnection(response);
    else response.destroy();
  });
}

/** Sends a body while it is made, no faster than it is taken. */
async function sendStream(
  { status, headers }: Reply,
  content: Extract<Content, { kind: "stream" }>,
  method: string,
  response: ServerResponse,
): Promise<void> {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.statusCode = status;
  const isGzipped = content.isGzipped === true;
  if (!isGzipped) response.setHeader("content-length", content.length);
  if (method === "HEAD") {
    response.end();
    return;
  }
  const plain = content.chunks();
  const compressed = isGzipped ? Readable.from(plain).pipe(createGzip({ level: 1 })) : undefined;
  for await (const chunk of (compressed ?? plain) as AsyncIterable<Buffer> | Iterable<Buffer>) {
    if (!response.write(chunk)) await taken(response);
    if (response.destroyed) break;
  }
  response.end();
}

/** Until what was written is on its way, or nobody is there any more to take it. */
function taken(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.once("drain", done).once("close", done);
  });
}

function resetConnection(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null) return;
  if ("resetAndDestroy" in socket && !("encrypted" in socket)) socket.resetAndDestroy();
  else socket.destroy();
}

async function drip(
  body: Buffer,
  pace: { readonly bytes: number; readonly milliseconds: number },
  response: ServerResponse,
): Promise<void> {
  for (let at = 0; at < body.length && !response.destroyed; at += pace.bytes) {
    response.write(body.subarray(at, at + pace.bytes));
    await wait(pace.milliseconds, undefined, { ref: false });
  }
  response.end();
}
