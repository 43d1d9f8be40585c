import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";

/** A request as the hostile server read it. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** 1 for the first connection that was accepted. */
  readonly connection: number;
}

export interface HostileServer {
  /** For example `http://127.0.0.1:40123`. */
  readonly origin: string;
  readonly requests: readonly ReceivedRequest[];
  /** Connections open now. */
  readonly open: () => number;
  close(): Promise<void>;
}

interface Attack {
  readonly socket: Socket;
  readonly request: ReceivedRequest;
  readonly query: URLSearchParams;
  /** Requests received for the same path and query, this one included. */
  readonly times: number;
}

type Behaviour = (attack: Attack) => void | Promise<void>;

const json = '{"resourceType":"Patient","id":"p1"}';

/**
 * What the server does is chosen by the first segment of the path, so that `{origin}/reset` can be the base URL of a
 * FHIR server whose every answer is a reset.
 */
const behaviours: Readonly<Record<string, Behaviour>> = {
  /** A good answer. `?body=`, `?type=`, `?status=`, `?header=name:value` change it. */
  ok: ({ socket, query }) =>
    answer(socket, {
      status: Number(query.get("status") ?? 200),
      headers: [
        ["Content-Type", query.get("type") ?? "application/fhir+json"],
        ...query.getAll("header").map((line): [string, string] => {
          const colon = line.indexOf(":");
          return [line.slice(0, colon), line.slice(colon + 1)];
        }),
      ],
      body: query.get("body") ?? json,
    }),
  /** Answers with the body it was sent. */
  echo: ({ socket, request }) =>
    answer(socket, { headers: [["Content-Type", "text/plain"]], body: request.body }),
  reset: ({ socket }) => {
    socket.resetAndDestroy();
  },
  /** Resets the first `?times=` requests, then answers. */
  "reset-first": ({ socket, query, times }) => {
    if (times <= Number(query.get("times") ?? 1)) socket.resetAndDestroy();
    else answer(socket, { body: json });
  },
  "reset-in-body": async ({ socket }) => {
    socket.write(head(200, [["Content-Length", "1000"]]) + json);
    await delay(20);
    socket.resetAndDestroy();
  },
  /** Takes the connection and ends it without a word. */
  hangup: ({ socket }) => {
    socket.end();
  },
  /** Never answers. */
  silence: () => undefined,
  /** One byte of the header every `?ms=`. */
  "slow-headers": async ({ socket, query }) => {
    const text = head(200, [["Content-Type", "application/json"]]) + json;
    for (const character of `HTTP/1.1 200 OK\r\nX-Slow: ${"x".repeat(5000)}\r\n${text}`) {
      if (socket.destroyed) return;
      socket.write(character);
      await delay(Number(query.get("ms") ?? 20));
    }
  },
  /** One byte of the body every `?ms=`, for ever. */
  "slow-drip": async ({ socket, query }) => {
    socket.write(
      head(200, [
        ["Content-Type", "application/json"],
        ["Content-Length", "1000000"],
      ]),
    );
    while (!socket.destroyed) {
      socket.write(" ");
      await delay(Number(query.get("ms") ?? 20));
    }
  },
  /** Half a body, then silence. */
  stall: ({ socket }) => {
    socket.write(
      head(200, [
        ["Content-Type", "application/json"],
        ["Content-Length", "1000"],
      ]) + json,
    );
  },
  "truncated-json": ({ socket }) =>
    answer(socket, { headers: [["Content-Type", "application/fhir+json"]], body: json.slice(0, -8) }),
  /** Promises more than it sends. */
  "content-length": ({ socket }) => {
    socket.end(
      head(200, [
        ["Content-Type", "application/json"],
        ["Content-Length", "1000"],
      ]) + json,
    );
  },
  "wrong-media-type": ({ socket }) =>
    answer(socket, { headers: [["Content-Type", "image/png"]], body: json }),
  html: ({ socket, query }) =>
    answer(socket, {
      status: Number(query.get("status") ?? 200),
      headers: [["Content-Type", "text/html; charset=utf-8"]],
      body: "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Oops</h1></body></html>",
    }),
  /** A JSON array of `?mb=` megabytes; `?chunked` does not announce its length. */
  "big-json": async ({ socket, query }) => {
    const size = Number(query.get("mb") ?? 20) * 1024 * 1024;
    const chunked = query.has("chunked");
    const length: [string, string] = chunked
      ? ["Transfer-Encoding", "chunked"]
      : ["Content-Length", String(size)];
    socket.write(head(200, [["Content-Type", "application/json"], length]));
    const piece = `${"1,".repeat(32 * 1024 - 1)}1,`;
    for (let sent = 0; sent < size; sent += piece.length) {
      const text =
        sent === 0 ? `[${piece.slice(1)}` : sent + piece.length >= size ? `${piece.slice(0, -2)}1]` : piece;
      if (!(await send(socket, chunked ? chunk(text) : text))) return;
    }
    if (chunked) socket.write("0\r\n\r\n");
  },
  /** 10 GB of zeros in 10 MB: a thousand gzip members of 10 MB each. */
  "gzip-bomb": async ({ socket }) => {
    socket.write(
      head(200, [
        ["Content-Type", "application/json"],
        ["Content-Encoding", "gzip"],
        ["Transfer-Encoding", "chunked"],
      ]),
    );
    const member = gzipSync(Buffer.alloc(10 * 1024 * 1024));
    for (let index = 0; index < 1000; index += 1) {
      if (!(await send(socket, `${member.length.toString(16)}\r\n`))) return;
      if (!(await send(socket, member)) || !(await send(socket, "\r\n"))) return;
    }
    socket.write("0\r\n\r\n");
  },
  gzip: ({ socket, query }) => answerEncoded(socket, "gzip", gzipSync(query.get("body") ?? json)),
  deflate: ({ socket }) => answerEncoded(socket, "deflate", deflateSync(json)),
  "raw-deflate": ({ socket }) => answerEncoded(socket, "deflate", deflateRawSync(json)),
  brotli: ({ socket }) => answerEncoded(socket, "br", brotliCompressSync(json)),
  "twice-encoded": ({ socket }) => answerEncoded(socket, "gzip, br", brotliCompressSync(gzipSync(json))),
  "bad-gzip": ({ socket }) => answerEncoded(socket, "gzip", Buffer.from(json)),
  "truncated-gzip": ({ socket }) => answerEncoded(socket, "gzip", gzipSync(json.repeat(50)).subarray(0, -12)),
  "unknown-coding": ({ socket }) => answerEncoded(socket, "zstd", Buffer.from(json)),
  "many-codings": ({ socket }) => answerEncoded(socket, "gzip, gzip, gzip, gzip", Buffer.from(json)),
  /** Redirects to `?to=` with `?status=`. */
  redirect: ({ socket, query }) =>
    answer(socket, {
      status: Number(query.get("status") ?? 302),
      headers: query.getAll("to").map((to): [string, string] => ["Location", to]),
      body: "",
    }),
  "redirect-loop": ({ socket, request }) =>
    answer(socket, { status: 302, headers: [["Location", request.path]], body: "" }),
  /** Redirects to a new place each time. */
  "redirect-chain": ({ socket, query }) =>
    answer(socket, {
      status: 302,
      headers: [["Location", `/redirect-chain?n=${Number(query.get("n") ?? 0) + 1}`]],
      body: "",
    }),
  "invalid-utf8": ({ socket }) => {
    const body = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xc3, 0x28]), Buffer.from('"}')]);
    socket.write(
      Buffer.concat([
        Buffer.from(
          head(200, [
            ["Content-Type", "application/json"],
            ["Content-Length", String(body.length)],
          ]),
        ),
        body,
      ]),
    );
  },
  /** `?status=` (429) with `?after=` as Retry-After, for the first `?times=` requests or for ever. */
  busy: ({ socket, query, times }) => {
    if (times > Number(query.get("times") ?? Number.POSITIVE_INFINITY)) {
      answer(socket, { body: json });
      return;
    }
    const after = query.get("after");
    answer(socket, {
      status: Number(query.get("status") ?? 429),
      headers: after === null ? [] : [["Retry-After", after]],
      body: "busy",
    });
  },
  /** Asks for a pause of thirty years. */
  "busy-for-ever": ({ socket }) =>
    answer(socket, { status: 429, headers: [["Retry-After", "999999999"]], body: "busy" }),
  "huge-headers": ({ socket, query }) =>
    answer(socket, { headers: [["X-Huge", "h".repeat(Number(query.get("kb") ?? 1024) * 1024)]], body: json }),
  "many-headers": ({ socket }) =>
    answer(socket, {
      headers: Array.from({ length: 20_000 }, (_, index): [string, string] => [`X-${index}`, "v"]),
      body: json,
    }),
  /** 103 Early Hints before the answer. */
  "early-hints": ({ socket }) => {
    socket.write("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n");
    answer(socket, { body: json });
  },
  /** 100 Continue before the answer, `?times=` times (1). */
  continue: ({ socket, query }) => {
    socket.write("HTTP/1.1 100 Continue\r\n\r\n".repeat(Number(query.get("times") ?? 1)));
    answer(socket, { body: json });
  },
  /** The same in single bytes. */
  "slow-continue": async ({ socket }) => {
    for (const character of "HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n") {
      if (!(await send(socket, character))) return;
      await delay(1);
    }
    answer(socket, { body: json });
  },
  "informational-flood": async ({ socket }) => {
    while (await send(socket, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")) await delay(1);
  },
  "switching-protocols": ({ socket }) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nnonsense",
    );
  },
  "bad-chunking": ({ socket }) => {
    socket.end(`${head(200, [["Transfer-Encoding", "chunked"]])}zz\r\n${json}\r\n0\r\n\r\n`);
  },
  "unfinished-chunking": ({ socket }) => {
    socket.end(`${head(200, [["Transfer-Encoding", "chunked"]])}${chunk(json)}`);
  },
  /** A second answer follows the first without having been asked for. */
  splitting: ({ socket }) => {
    const forged = `${head(200, [
      ["X-Forged", "yes"],
      ["Content-Length", "6"],
    ])}forged`;
    socket.write(`${head(200, [["Content-Length", String(json.length)]])}${json}${forged}`);
  },
  "conflicting-framing": ({ socket }) => {
    socket.end(
      head(200, [
        ["Content-Length", "5"],
        ["Transfer-Encoding", "chunked"],
      ]) + chunk(json),
    );
  },
  "two-lengths": ({ socket }) => {
    socket.end(
      head(200, [
        ["Content-Length", "5"],
        ["Content-Length", "7"],
      ]) + json,
    );
  },
  "not-http": ({ socket }) => {
    socket.end("SSH-2.0-OpenSSH_9.6\r\n");
  },
  /** A header without a body, as HEAD is answered, with `?length=` as Content-Length. */
  head: ({ socket, query }) => {
    socket.write(head(200, [["Content-Length", query.get("length") ?? "0"]]));
  },
  "no-content": ({ socket }) => {
    socket.write("HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n");
  },
};

/** The names of all behaviours. */
export const hostileBehaviours: readonly string[] = Object.keys(behaviours);

/** Starts a server on 127.0.0.1 that misbehaves as its paths say. */
export async function startHostileServer(tls?: TlsOptions): Promise<HostileServer> {
  const requests: ReceivedRequest[] = [];
  const counts = new Map<string, number>();
  const sockets = new Set<Socket>();
  let accepted = 0;
  const serve = (socket: Socket): void => {
    accepted += 1;
    const connection = accepted;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    readRequests(socket, connection, (request) => {
      requests.push(request);
      const times = (counts.get(request.path) ?? 0) + 1;
      counts.set(request.path, times);
      const url = new URL(request.path, "http://hostile");
      const behaviour = behaviours[url.pathname.split("/")[1] ?? ""];
      if (behaviour === undefined) answer(socket, { status: 404, body: "not found" });
      else
        void Promise.resolve(behaviour({ socket, request, query: url.searchParams, times })).catch(
          () => undefined,
        );
    });
  };
  const server: Server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    requests,
    open: () => sockets.size,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function readRequests(socket: Socket, connection: number, receive: (request: ReceivedRequest) => void): void {
  let buffer = Buffer.alloc(0);
  socket.on("data", (data: Buffer) => {
    buffer = Buffer.concat([buffer, data]);
    for (;;) {
      const end = buffer.indexOf("\r\n\r\n");
      if (end < 0) return;
      const [requestLine = "", ...lines] = buffer.subarray(0, end).toString("latin1").split("\r\n");
      const headers = new Map(
        lines.map((line): [string, string] => {
          const colon = line.indexOf(":");
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
        }),
      );
      const length = Number(headers.get("content-length") ?? 0);
      if (buffer.length < end + 4 + length) return;
      const body = buffer.subarray(end + 4, end + 4 + length).toString("utf8");
      buffer = buffer.subarray(end + 4 + length);
      const [method = "", path = ""] = requestLine.split(" ");
      receive({ method, path, headers, body, connection });
    }
  });
}

function head(status: number, headers: ReadonlyArray<readonly [string, string]>): string {
  return `HTTP/1.1 ${status} X\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

function answer(
  socket: Socket,
  response: {
    readonly status?: number;
    readonly headers?: ReadonlyArray<readonly [string, string]>;
    readonly body: string | Buffer;
  },
): void {
  const length = String(Buffer.byteLength(response.body));
  socket.write(
    head(response.status ?? 200, [...(response.headers ?? []), ["Content-Length", length]]),
    "latin1",
  );
  socket.write(response.body);
}

function answerEncoded(socket: Socket, coding: string, body: Buffer): void {
  answer(socket, {
    headers: [
      ["Content-Type", "application/fhir+json"],
      ["Content-Encoding", coding],
    ],
    body,
  });
}

/** False when the peer has gone. */
async function send(socket: Socket, data: string | Buffer): Promise<boolean> {
  if (socket.destroyed) return false;
  if (!socket.write(data)) {
    await new Promise<void>((resolve) => {
      const resume = (): void => {
        socket.off("drain", resume).off("close", resume);
        resolve();
      };
      socket.on("drain", resume).on("close", resume);
    });
  }
  return !socket.destroyed;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
