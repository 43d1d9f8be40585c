/**
 * A bulk data server that does its clients harm. Each attack is a FHIR base of its own, `{origin}/{attack}/fhir`, with
 * an authorization server that gives everybody a token, so that it can be seen where the token goes.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createGzip } from "node:zlib";
import { listen, stop } from "./listen.ts";

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly origin: string;
  /** Origin of another server, which must never see the token. */
  readonly elsewhere: string;
  /** FHIR base of the attack. */
  readonly base: string;
  /** How many requests this method and URL have had, this one included. */
  readonly times: number;
}

interface Attack {
  /** Where the kick-off says that the export is followed. */
  readonly location?: (call: Call) => string;
  readonly status?: (call: Call) => void | Promise<void>;
  /** Items of `output`; one Patient file by default. */
  readonly output?: (call: Call) => Iterable<{ type: string; url: string; count?: number }>;
  readonly file?: (call: Call) => void | Promise<void>;
}

export const TOKEN = "the-token-that-must-stay-at-home";

export const PATIENT =
  '{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:oid:2.999","value":"1"}],"name":[{"family":"A"}],"gender":"male"}\n';

const NDJSON = "application/fhir+ndjson";
const FILLER = Buffer.alloc(1024 * 1024, "x");

const inProgress =
  (retryAfter: string) =>
  ({ response }: Call) => {
    response.writeHead(202, { "retry-after": retryAfter, "x-progress": "soon" }).end();
  };

/** First 202 with a Retry-After, then the manifest. */
const afterOne =
  (retryAfter: string) =>
  (call: Call): void => {
    if (call.times === 1) inProgress(retryAfter)(call);
    else giveManifest(call, {});
  };

const fileAt = (url: string) => [{ type: "Patient", url }];

function lines(count: number): string {
  return Array.from({ length: count }, (_, index) => PATIENT.replace('"p1"', `"p${index + 1}"`)).join("");
}

/** A text in part: some of it, then a reset. */
function breakOff(
  { response }: Call,
  text: string,
  bytes: number,
  headers: Record<string, string> = {},
): void {
  response.writeHead(200, { "content-type": NDJSON, "content-length": String(text.length), ...headers });
  response.write(text.slice(0, bytes), () => setTimeout(() => response.socket?.resetAndDestroy(), 30));
}

async function pour(response: ServerResponse, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes && !response.destroyed; sent += FILLER.length) {
    if (!response.write(FILLER)) {
      await new Promise<void>((resolve) => {
        response.once("drain", resolve).once("close", resolve);
      });
    }
  }
}

const FIVE_GIGABYTES = 5 * 1024 ** 3;

export const attacks = {
  /** Nothing wrong: what the attacks differ from. */
  none: {},
  "endless-202": { status: inProgress("1") },
  "retry-after-a-year": { status: afterOne("31536000") },
  "retry-after-zero": { status: inProgress("0") },
  "retry-after-text": { status: afterOne("when it is done") },
  "retry-after-long-ago": { status: afterOne("Thu, 01 Jan 1970 00:00:00 GMT") },
  /** The status URL is at another origin. */
  "status-elsewhere": { location: ({ elsewhere }) => `${elsewhere}/status` },
  /** The status URL redirects to another origin. */
  "status-redirects-elsewhere": {
    status: ({ response, elsewhere }) =>
      void response.writeHead(307, { location: `${elsewhere}/status` }).end(),
  },
  /** The status URL belongs to another tenant of the same server. */
  "status-of-another-tenant": { location: ({ origin }) => `${origin}/none/fhir/jobs/1` },
  "status-redirect-loop": {
    status: ({ response, url }) => void response.writeHead(302, { location: url.href }).end(),
  },
  /** A manifest that never ends. */
  "endless-manifest": {
    status: async ({ response }) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"transactionTime":"');
      await pour(response, FIVE_GIGABYTES);
      response.end();
    },
  },
  "deep-manifest": {
    status: ({ response }) =>
      void response
        .writeHead(200, { "content-type": "application/json" })
        .end(`{"output":${"[".repeat(200_000)}${"]".repeat(200_000)}}`),
  },
  "hundred-thousand-files": {
    output: function* many({ base }) {
      for (let index = 0; index < 100_000; index += 1)
        yield { type: "Patient", url: `${base}/files/${index}` };
    },
    file: ({ response }) => void response.writeHead(200, { "content-type": NDJSON }).end(PATIENT),
  },
  "files-elsewhere": { output: ({ elsewhere }) => fileAt(`${elsewhere}/file`) },
  "files-at-a-private-address": { output: () => fileAt("http://169.254.169.254/latest/meta-data/") },
  "files-in-the-file-system": { output: () => fileAt("file:///etc/hostname") },
  "files-with-a-password": {
    output: ({ origin }) => fileAt(`${origin.replace("//", "//user:pass@")}/none/fhir/files/0`),
  },
  "file-redirects-elsewhere": {
    file: ({ response, elsewhere }) => void response.writeHead(302, { location: `${elsewhere}/file` }).end(),
  },
  "file-redirect-loop": {
    file: ({ response, url }) => void response.writeHead(302, { location: url.href }).end(),
  },
  "file-redirect-chain": {
    file: ({ response, url, base }) =>
      void response
        .writeHead(302, { location: `${base}/files/${Number(url.pathname.split("/").at(-1)) + 1}` })
        .end(),
  },
  "long-line": {
    file: async ({ response }) => {
      response.writeHead(200, { "content-type": NDJSON, "content-length": String(FIVE_GIGABYTES) });
      await pour(response, FIVE_GIGABYTES);
      response.end();
    },
  },
  "cut-line": {
    file: ({ response }) =>
      void response.writeHead(200, { "content-type": NDJSON }).end(`${lines(3)}${PATIENT.slice(0, 40)}`),
  },
  /** Says that there is more than it sends, each time. */
  "short-file": { file: (call) => breakOff(call, lines(10), 500) },
  /** The first try breaks off; then there is less of the file. */
  "shrinking-file": {
    file: (call) => {
      if (call.times === 1) {
        breakOff(call, lines(40), 3000, { etag: '"a"', "accept-ranges": "bytes" });
        return;
      }
      call.response.writeHead(200, { "content-type": NDJSON, etag: '"b"' }).end(lines(5));
    },
  },
  /** The first try breaks off; the rest is said to be that of a smaller file. */
  "shrinking-range": {
    file: (call) => {
      if (call.times === 1) {
        breakOff(call, lines(40), 3000, { etag: '"a"', "accept-ranges": "bytes" });
        return;
      }
      call.response.writeHead(416, { "content-range": "bytes */700" }).end();
    },
  },
  /** The first try breaks off; the second has other patients. */
  "changing-file": {
    file: (call) => {
      if (call.times === 1) breakOff(call, lines(40), 3000);
      else call.response.writeHead(200, { "content-type": NDJSON }).end(lines(40).replaceAll('"p', '"q'));
    },
  },
  "reset-with-ranges": {
    file: (call) => {
      const text = lines(40);
      const start = Number(/^bytes=(\d+)-$/.exec(call.request.headers.range ?? "")?.[1] ?? 0);
      const headers = { etag: '"a"', "accept-ranges": "bytes" };
      if (call.times < 3) {
        const part = text.slice(start);
        const { response } = call;
        if (start === 0) breakOff(call, text, 2000, headers);
        else {
          response.writeHead(206, {
            ...headers,
            "content-type": NDJSON,
            "content-length": String(part.length),
            "content-range": `bytes ${start}-${text.length - 1}/${text.length}`,
          });
          response.write(part.slice(0, 1000), () => setTimeout(() => response.socket?.resetAndDestroy(), 30));
        }
        return;
      }
      call.response
        .writeHead(206, {
          ...headers,
          "content-type": NDJSON,
          "content-range": `bytes ${start}-${text.length - 1}/${text.length}`,
        })
        .end(text.slice(start));
    },
  },
  "reset-without-ranges": {
    file: (call) => {
      if (call.times < 3) breakOff(call, lines(40), 2000);
      else call.response.writeHead(200, { "content-type": NDJSON }).end(lines(40));
    },
  },
  "gzip-bomb": {
    file: async ({ response }) => {
      response.writeHead(200, { "content-type": NDJSON, "content-encoding": "gzip" });
      const gzip = createGzip({ level: 9 });
      gzip.pipe(response);
      const zeros = Buffer.alloc(4 * 1024 * 1024);
      for (let sent = 0; sent < FIVE_GIGABYTES && !response.destroyed; sent += zeros.length) {
        if (!gzip.write(zeros)) {
          await new Promise<void>((resolve) => {
            gzip.once("drain", resolve);
            response.once("close", resolve);
          });
        }
      }
      gzip.end();
    },
  },
  "gzip-cut": {
    file: ({ response }) =>
      void response
        .writeHead(200, { "content-type": NDJSON, "content-encoding": "gzip" })
        .end(Buffer.from("H4sIAAAAAAAAA6tWKkotzi8tSk4NqSxIVbJSCkgsyUzNK1GqBQAA", "base64")),
  },
  /** Sends a byte now and then, for ever. */
  "dripping-file": {
    file: ({ response }) => {
      response.writeHead(200, { "content-type": NDJSON });
      const timer = setInterval(() => response.write(" "), 50);
      response.once("close", () => clearInterval(timer));
    },
  },
} satisfies Readonly<Record<string, Attack>>;

export type AttackName = keyof typeof attacks;

export interface HostileBulkServer {
  /** FHIR base URL of an attack. */
  base(attack: AttackName): string;
  /** Origin of the other server. */
  readonly elsewhere: string;
  /** What came to the other server: the path, and the token if there was one. */
  readonly strays: readonly { readonly path: string; readonly authorization: string | undefined }[];
  /** How many requests a path had whose end is this. */
  asked(ending: string): number;
  close(): Promise<void>;
}

/** Starts the server, and the other one at another origin, on 127.0.0.1. */
export async function startHostileBulkServer(): Promise<HostileBulkServer> {
  const strays: { path: string; authorization: string | undefined }[] = [];
  const counts = new Map<string, number>();
  const other = createServer((request, response) => {
    strays.push({ path: request.url ?? "", authorization: request.headers.authorization });
    response.writeHead(200, { "content-type": NDJSON }).end(PATIENT);
  });
  let elsewhere = "";
  const server = createServer((request, response) => {
    request.resume();
    const origin = `http://${request.headers.host ?? ""}`;
    const url = new URL(request.url ?? "/", origin);
    const key = `${request.method ?? ""} ${url.pathname}`;
    const times = (counts.get(key) ?? 0) + 1;
    counts.set(key, times);
    const name = url.pathname.split("/")[1] ?? "";
    const call = { request, response, url, origin, elsewhere, base: `${origin}/${name}/fhir`, times };
    void answer(call, name in attacks ? attacks[name as AttackName] : {});
  });
  const [origin, otherOrigin] = await Promise.all([listen(server), listen(other)]);
  elsewhere = otherOrigin;
  return {
    base: (attack) => `${origin}/${attack}/fhir`,
    elsewhere,
    strays,
    asked: (ending) => [...counts].reduce((sum, [key, count]) => sum + (key.endsWith(ending) ? count : 0), 0),
    async close() {
      await Promise.all([server, other].map(stop));
    },
  };
}

async function answer(call: Call, attack: Attack): Promise<void> {
  const { request, response, url, base, origin } = call;
  const path = url.pathname.replace(/^\/[^/]*\/fhir/, "");
  const json = (body: object) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  if (url.pathname === "/token") {
    return json({ access_token: TOKEN, token_type: "Bearer", expires_in: 300, scope: "system/*.rs" });
  }
  if (path === "/.well-known/smart-configuration") {
    return json({
      token_endpoint: `${origin}/token`,
      grant_types_supported: ["client_credentials"],
      capabilities: [],
    });
  }
  if (path.endsWith("$export")) {
    response.writeHead(202, { "content-location": attack.location?.(call) ?? `${base}/jobs/1` }).end();
    return;
  }
  if (request.method === "DELETE") {
    response.writeHead(202).end();
    return;
  }
  if (path.startsWith("/jobs/"))
    return attack.status === undefined ? giveManifest(call, attack) : await attack.status(call);
  if (path.startsWith("/files/")) {
    if (attack.file !== undefined) return await attack.file(call);
    response.writeHead(200, { "content-type": NDJSON }).end(lines(3));
    return;
  }
  response.writeHead(404, { "content-type": "application/fhir+json" });
  response.end('{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}');
}

function giveManifest(call: Call, attack: Attack): void {
  const { base, response } = call;
  const output = [...(attack.output?.(call) ?? fileAt(`${base}/files/0`))];
  response.writeHead(200, { "content-type": "application/json" }).end(
    JSON.stringify({
      transactionTime: new Date().toISOString(),
      request: `${base}/Patient/$export`,
      requiresAccessToken: true,
      output,
      error: [],
    }),
  );
}
