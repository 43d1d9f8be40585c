import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createHttpClient, type HttpClientOptions } from "../../lib/http/client.ts";
import { createSecretVault } from "../../lib/http/secret-vault.ts";
import {
  HttpBodyError,
  type Exchange,
  type HttpClient,
  type HttpFailure,
  type HttpLimits,
  type HttpOutcome,
  type HttpRequest,
} from "../../lib/http/types.ts";
import { hostileBehaviours, startHostileServer, type HostileServer } from "../hostile/server.ts";

const small: Partial<HttpLimits> = {
  connectMs: 1000,
  headersMs: 300,
  bodyIdleMs: 300,
  exchangeMs: 1500,
  totalMs: 5000,
  headerBytes: 32 * 1024,
  bodyBytes: 1024 * 1024,
  decodedBytes: 4 * 1024 * 1024,
  retryDelayMs: 5,
  retryWaitMs: 20,
  retryTotalWaitMs: 100,
  recordedBodyBytes: 4096,
};

let server: HostileServer;
let exchanges: Exchange[];
let client: HttpClient;

function startClient(options: Partial<HttpClientOptions> = {}): HttpClient {
  return createHttpClient({
    vault: createSecretVault(),
    record: (exchange) => exchanges.push(exchange),
    limits: small,
    ...options,
  });
}

beforeEach(async () => {
  server = await startHostileServer();
  exchanges = [];
  client = startClient();
});

afterEach(async () => {
  await client.close();
  await server.close();
});

function get(path: string, more: Partial<HttpRequest> = {}): Promise<HttpOutcome> {
  return client.send({ method: "GET", url: server.origin + path, ...more });
}

function failureOf(outcome: HttpOutcome): HttpFailure {
  if (outcome.kind !== "failure") throw new Error(`expected a failure, got status ${outcome.status}`);
  return outcome.failure;
}

function textOf(outcome: HttpOutcome): string {
  if (outcome.kind !== "response") throw new Error(`expected a response, got ${outcome.failure.code}`);
  return Buffer.from(outcome.body).toString("utf8");
}

describe("a healthy server", () => {
  test("is answered with status, headers, URL, body and a recorded exchange", async () => {
    const outcome = await get("/ok?header=X-Request-ID:abc", { purpose: "read a patient" });
    expect(outcome).toMatchObject({
      kind: "response",
      status: 200,
      url: `${server.origin}/ok?header=X-Request-ID:abc`,
    });
    if (outcome.kind === "response") expect(outcome.headers.get("x-request-id")).toBe("abc");
    expect(exchanges).toHaveLength(1);
    expect(exchanges[0]).toMatchObject({
      id: "x0001",
      purpose: "read a patient",
      attempt: 1,
      request: { method: "GET" },
      response: { status: 200, body: { mediaType: "application/fhir+json", truncated: false } },
    });
    expect(JSON.parse(JSON.stringify(exchanges[0]))).toEqual(exchanges[0]);
  });

  test("keeps its connection between requests", async () => {
    for (let index = 0; index < 5; index += 1) await get("/ok");
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 1, 1, 1]);
  });

  test("never sees more requests at a time than allowed", async () => {
    await client.close();
    client = startClient({ concurrencyPerOrigin: 2 });
    await Promise.all(Array.from({ length: 10 }, () => get("/ok")));
    expect(new Set(server.requests.map(({ connection }) => connection)).size).toBeLessThanOrEqual(2);
    expect(exchanges).toHaveLength(10);
  });

  test("receives a form as a form", async () => {
    const body = new URLSearchParams({ grant_type: "client_credentials", scope: "system/*.rs" });
    await client.send({ method: "POST", url: `${server.origin}/echo`, body });
    expect(server.requests[0]).toMatchObject({
      method: "POST",
      body: "grant_type=client_credentials&scope=system%2F*.rs",
    });
    expect(server.requests[0]?.headers.get("content-type")).toBe("application/x-www-form-urlencoded");
    expect(server.requests[0]?.headers.get("content-length")).toBe("49");
  });

  test.each(["gzip", "deflate", "raw-deflate", "brotli", "twice-encoded"])(
    "may encode its body: %s",
    async (coding) => {
      expect(textOf(await get(`/${coding}`))).toBe('{"resourceType":"Patient","id":"p1"}');
    },
  );

  test("may answer without a body and still name a content coding", async () => {
    expect(await get("/no-content")).toMatchObject({ kind: "response", status: 204 });
  });

  test.each(["/early-hints", "/continue", "/continue?times=3", "/slow-continue"])(
    "may send informational answers first: %s",
    async (path) => {
      for (let index = 0; index < 3; index += 1) expect(textOf(await get(path))).toContain("Patient");
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 1]);
    },
  );

  test("may tell in answer to HEAD how large a body would be", async () => {
    const url = `${server.origin}/head?length=99999999`;
    expect(await client.send({ method: "HEAD", url })).toMatchObject({ kind: "response", status: 200 });
  });
});

describe("a hostile server ends in a failure with its own code", () => {
  const cases: Array<[path: string, code: string]> = [
    ["/reset", "connection-reset"],
    ["/hangup", "connection-reset"],
    ["/silence", "timeout-headers"],
    ["/slow-headers", "timeout-headers"],
    ["/slow-drip?ms=50", "timeout-total"],
    ["/stall", "timeout-body"],
    ["/content-length", "body-incomplete"],
    ["/unfinished-chunking", "body-incomplete"],
    ["/big-json", "body-too-large"],
    ["/big-json?chunked", "body-too-large"],
    ["/gzip-bomb", "decompressed-too-large"],
    ["/bad-gzip", "content-encoding"],
    ["/truncated-gzip", "content-encoding"],
    ["/unknown-coding", "content-encoding"],
    ["/many-codings", "content-encoding"],
    ["/redirect-loop", "redirect-loop"],
    ["/redirect-chain", "too-many-redirects"],
    ["/redirect", "invalid-redirect"],
    ["/redirect?to=/a&to=/b", "invalid-redirect"],
    ["/redirect?to=ftp://127.0.0.1/", "invalid-redirect"],
    ["/redirect?to=http://user:pw@127.0.0.1/", "invalid-redirect"],
    ["/redirect?to=http://%5B", "invalid-redirect"],
    ["/huge-headers", "headers-too-large"],
    ["/many-headers", "headers-too-large"],
    ["/continue?times=1000", "invalid-http"],
    ["/informational-flood", "invalid-http"],
    ["/switching-protocols", "invalid-http"],
    ["/bad-chunking", "invalid-http"],
    ["/conflicting-framing", "invalid-http"],
    ["/two-lengths", "invalid-http"],
    ["/not-http", "invalid-http"],
  ];
  test.each(cases)("%s: %s", async (path, code) => {
    const failure = failureOf(await get(path));
    expect(failure.code).toBe(code);
    expect(exchanges.at(-1)?.failure).toEqual(failure);
  });

  test("a reset within the body", async () => {
    expect(["connection-reset", "body-incomplete"]).toContain(failureOf(await get("/reset-in-body")).code);
  });

  test("a port where nobody listens", async () => {
    const gone = await startHostileServer();
    await gone.close();
    expect(failureOf(await client.send({ method: "GET", url: gone.origin })).code).toBe("connection-refused");
  });

  test("a host that does not exist", async () => {
    expect(failureOf(await client.send({ method: "GET", url: "http://nowhere.invalid/" })).code).toBe("dns");
  });

  test.each(["not a url", "ftp://127.0.0.1/", "http://user:secret@127.0.0.1/", "/relative"])(
    "a URL that cannot be used: %s",
    async (url) => {
      expect(failureOf(await client.send({ method: "GET", url })).code).toBe("invalid-url");
      expect(exchanges).toHaveLength(1);
      expect(JSON.stringify(exchanges)).not.toContain("secret");
    },
  );

  test("bounds are named, with what was seen", async () => {
    const failure = failureOf(await get("/big-json"));
    expect(failure).toMatchObject({ limit: 1024 * 1024, seen: 20 * 1024 * 1024 });
  });

  test("and leaves the client usable, with no connection left behind", async () => {
    for (const path of ["/reset", "/stall", "/slow-drip", "/gzip-bomb", "/splitting", "/bad-chunking"])
      await get(path);
    expect(textOf(await get("/ok"))).toContain("Patient");
    await client.close();
    while (server.open() > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(server.open()).toBe(0);
  });

  test.each(hostileBehaviours)(
    "/%s ends, whether its body is read, streamed or left half-way",
    async (name) => {
      const limits = { headersMs: 150, bodyIdleMs: 150, exchangeMs: 400, totalMs: 800, attempts: 2 };
      await get(`/${name}?mb=1`, { limits });
      for (const pieces of [Number.POSITIVE_INFINITY, 1]) {
        const outcome = await client.stream({
          method: "GET",
          url: `${server.origin}/${name}?mb=1&n=${pieces}`,
          limits,
        });
        if (outcome.kind === "failure") continue;
        let read = 0;
        try {
          for await (const piece of outcome.body) {
            read += Math.min(1, piece.length);
            if (read >= pieces) break;
          }
        } catch (error) {
          expect(error).toBeInstanceOf(HttpBodyError);
        }
      }
      expect(exchanges.length).toBeGreaterThanOrEqual(3);
      expect(textOf(await get("/ok"))).toContain("Patient");
    },
  );

  test("a forged second answer is never taken for the answer to the next request", async () => {
    for (let index = 0; index < 5; index += 1) {
      expect(textOf(await get("/splitting"))).toContain("Patient");
      expect(textOf(await get("/ok"))).toContain("Patient");
    }
  });
});

describe("what is odd but readable is a response, for the check to judge", () => {
  test.each(["/truncated-json", "/wrong-media-type", "/html", "/html?status=500"])("%s", async (path) => {
    expect((await get(path)).kind).toBe("response");
  });

  test("invalid UTF-8 is flagged in the record", async () => {
    const outcome = await get("/invalid-utf8");
    expect(outcome.kind).toBe("response");
    expect(exchanges[0]?.response?.body).toMatchObject({ invalidUtf8: true, text: '{"a":"\ufffd\ufffd("}' });
  });
});

describe("retries", () => {
  test("an idempotent request survives resets", async () => {
    expect(textOf(await get("/reset-first?times=2"))).toContain("Patient");
    expect(exchanges.map(({ attempt, previous }) => [attempt, previous])).toEqual([
      [1, undefined],
      [2, "x0001"],
      [3, "x0002"],
    ]);
  });

  test.each([429, 502, 503, 504])("status %i is tried again", async (status) => {
    const outcome = await get(`/busy?status=${status}&times=1`);
    expect(outcome).toMatchObject({ kind: "response", status: 200, exchanges: ["x0001", "x0002"] });
  });

  test.each([400, 401, 404, 500, 501])("status %i is not", async (status) => {
    expect(await get(`/ok?status=${status}`)).toMatchObject({ status });
    expect(server.requests).toHaveLength(1);
  });

  test("429 for ever ends as 429 after the allowed attempts", async () => {
    expect(await get("/busy")).toMatchObject({ kind: "response", status: 429 });
    expect(server.requests).toHaveLength(3);
  });

  test("a POST is sent once, unless its sender says that it may be repeated", async () => {
    const url = `${server.origin}/busy?times=1`;
    expect(await client.send({ method: "POST", url, body: "a" })).toMatchObject({ status: 429 });
    expect(await client.send({ method: "POST", url, body: "a", retry: "idempotent" })).toMatchObject({
      status: 200,
    });
  });

  test("a GET is sent once when its sender says never", async () => {
    expect(await get("/busy?times=1", { retry: "never" })).toMatchObject({ status: 429 });
  });

  const asked: Array<[string, object]> = [
    ["0", { seconds: 0, honoured: true, bounded: false }],
    ["1000000000", { seconds: 1_000_000_000, honoured: false, bounded: true }],
    ["soon", { seconds: null, honoured: false, bounded: true }],
    ["-5", { seconds: null, honoured: false, bounded: true }],
    ["1.5", { seconds: null, honoured: false, bounded: true }],
    ["99999999999999999999999", { honoured: false, bounded: true }],
    ["Fri, 31 Dec 9999 23:59:59 GMT", { honoured: false, bounded: true }],
    ["Sun, 06 Nov 1994 08:49:37 GMT", { seconds: 0, honoured: true, bounded: false }],
    ["Sunday, 06-Nov-94 08:49:37 GMT", { seconds: 0, honoured: true, bounded: false }],
    ["Sun Nov  6 08:49:37 1994", { seconds: 0, honoured: true, bounded: false }],
    ["2999-01-01", { seconds: null, honoured: false, bounded: true }],
  ];
  test.each(asked)("Retry-After: %s is bounded and reported", async (after, expected) => {
    expect(await get(`/busy?times=1&after=${encodeURIComponent(after)}`)).toMatchObject({ status: 200 });
    expect(exchanges[0]?.retryAfter).toMatchObject({ raw: after, ...expected });
  });

  test("pauses end where the budget for them ends", async () => {
    const limits = { attempts: 50, retryWaitMs: 20, retryTotalWaitMs: 45 };
    expect(await get("/busy?after=1000", { limits })).toMatchObject({ status: 429 });
    expect(server.requests).toHaveLength(3);
    expect(exchanges.at(-1)?.retryAfter).toMatchObject({ honoured: false, bounded: true });
  });
});

describe("redirects", () => {
  let other: HostileServer;
  beforeEach(async () => {
    other = await startHostileServer();
  });
  afterEach(() => other.close());

  const token = "super-secret-token-4711";
  const bearer = (): { value: string; origin: string } => ({ value: token, origin: server.origin });

  test.each([301, 302, 303, 307, 308])(
    "status %i is followed within the origin, with the token",
    async (status) => {
      const outcome = await get(`/redirect?status=${status}&to=/ok`, { bearer: bearer() });
      expect(outcome).toMatchObject({ kind: "response", status: 200, url: `${server.origin}/ok` });
      expect(server.requests[1]?.headers.get("authorization")).toBe(`Bearer ${token}`);
      expect(exchanges[1]?.previous).toBe("x0001");
    },
  );

  test("manual hands the redirect over", async () => {
    expect(await get("/redirect?to=/ok", { redirect: "manual" })).toMatchObject({ status: 302 });
  });

  test.each([301, 302, 303, 307, 308])(
    "status %i to another origin is not followed with a token",
    async (status) => {
      const to = encodeURIComponent(`${other.origin}/ok?stolen=1`);
      const failure = failureOf(await get(`/redirect?status=${status}&to=${to}`, { bearer: bearer() }));
      expect(failure.code).toBe("redirect-cross-origin-with-credentials");
      expect(failure.seen).toBe(`${other.origin}/ok?stolen=1`);
      expect(other.requests).toHaveLength(0);
    },
  );

  test("nor after a detour within the origin", async () => {
    const last = `/redirect?to=${encodeURIComponent(`${other.origin}/ok`)}`;
    const failure = failureOf(await get(`/redirect?to=${encodeURIComponent(last)}`, { bearer: bearer() }));
    expect(failure.code).toBe("redirect-cross-origin-with-credentials");
    expect(other.requests).toHaveLength(0);
  });

  test.each(["Authorization", "authorization", "Cookie", "X-API-Key"])(
    "nor with a header %s",
    async (name) => {
      const to = encodeURIComponent(`${other.origin}/ok`);
      const outcome = await get(`/redirect?to=${to}`, { headers: { [name]: "Basic c2VjcmV0OnNlY3JldA==" } });
      expect(failureOf(outcome).code).toBe("redirect-cross-origin-with-credentials");
      expect(other.requests).toHaveLength(0);
    },
  );

  test("nor with a body, which a token request is", async () => {
    const url = `${server.origin}/redirect?status=307&to=${encodeURIComponent(`${other.origin}/echo`)}`;
    const body = new URLSearchParams({ client_secret: token });
    expect(failureOf(await client.send({ method: "POST", url, body })).code).toBe(
      "redirect-cross-origin-with-credentials",
    );
    expect(other.requests).toHaveLength(0);
  });

  test("but without anything at stake", async () => {
    expect(await get(`/redirect?to=${encodeURIComponent(`${other.origin}/ok`)}`)).toMatchObject({
      kind: "response",
      url: `${other.origin}/ok`,
    });
  });

  test("a token is not sent to a URL at another origin, such as the next page of a Bundle", async () => {
    const outcome = await client.send({ method: "GET", url: `${other.origin}/ok`, bearer: bearer() });
    expect(failureOf(outcome).code).toBe("credentials-cross-origin");
    expect(other.requests).toHaveLength(0);
    expect(exchanges).toHaveLength(1);
  });

  test("303 and 302 turn a POST into a GET without a body, 307 does not", async () => {
    for (const status of [302, 303, 307])
      await client.send({
        method: "POST",
        url: `${server.origin}/redirect?status=${status}&to=/echo`,
        body: "form",
      });
    const arrived = server.requests.filter(({ path }) => path === "/echo");
    expect(arrived.map(({ method, body }) => [method, body])).toEqual([
      ["GET", ""],
      ["GET", ""],
      ["POST", "form"],
    ]);
  });
});

describe("secrets", () => {
  test("appear in no exchange: bearer, basic, form, cookie, redirect, JSON", async () => {
    const secret = "S3cr3t-Value/with+signs&more=";
    const bearerSecret = "bearer-secret-0815-abcdef";
    await get("/ok", { bearer: { value: bearerSecret, origin: server.origin } });
    await client.send({
      method: "POST",
      url: `${server.origin}/echo`,
      headers: {
        Authorization: `Basic ${Buffer.from(`app:${encodeURIComponent(secret)}`).toString("base64")}`,
      },
      body: new URLSearchParams({ client_secret: secret, note: secret, state: "kept-state" }),
    });
    const cookie = encodeURIComponent("Set-Cookie:sid=cookie-secret-4242; Path=/; HttpOnly");
    await get(`/ok?header=${cookie}`);
    const location = encodeURIComponent(
      "Location:https://app.example/cb?code=authcode-secret-77&state=kept-state",
    );
    await get(`/ok?status=302&header=${location}`, { redirect: "manual" });
    const tokens = JSON.stringify({
      access_token: "issued-secret-1",
      refresh_token: "issued-secret-2",
      expires_in: 5,
    });
    await get(`/ok?body=${encodeURIComponent(tokens)}&type=application/json`);
    await get("/ok?type=text/plain&body=seen+issued-secret-1+again");
    const all = JSON.stringify(exchanges);
    for (const value of [
      secret,
      encodeURIComponent(secret),
      new URLSearchParams({ a: secret }).toString().slice(2),
      bearerSecret,
      "cookie-secret",
      "authcode-secret",
      "issued-secret",
    ])
      expect(all).not.toContain(value);
    expect(all).toContain("kept-state");
    expect(all).toContain("HttpOnly");
    expect(all).toContain("seen ‹access_token› again");
  });

  test("a secret that the cut of a recorded body divides does not show its first half", async () => {
    const vault = createSecretVault();
    vault.register("0123456789abcdefghijklmnopqrstuvwxyz", "client_secret");
    await client.close();
    client = startClient({ vault });
    for (const before of [4070, 4080, 4090, 4095]) {
      const body = `${"x".repeat(before)}0123456789abcdefghijklmnopqrstuvwxyz${"y".repeat(5000)}`;
      await client.send({ method: "POST", url: `${server.origin}/echo`, body });
    }
    expect(JSON.stringify(exchanges)).not.toMatch(/xx0|01234/);
    expect(exchanges[0]?.response?.body).toMatchObject({ truncated: true, bytes: 4070 + 36 + 5000 });
  });

  test("bodies are cut at the edge of a character", async () => {
    await client.send({ method: "POST", url: `${server.origin}/echo`, body: `x${"€".repeat(3000)}` });
    const body = exchanges[0]?.response?.body;
    expect(body).toMatchObject({ bytes: 9001, storedBytes: 4096, truncated: true });
    expect(body?.text).toBe(`x${"€".repeat(1365)}`);
  });
});

describe("streaming", () => {
  test("hands the body over in pieces and records the exchange at its end", async () => {
    const outcome = await client.stream({
      method: "GET",
      url: `${server.origin}/big-json?mb=2`,
      limits: { bodyBytes: 4 * 1024 * 1024 },
    });
    if (outcome.kind !== "response") throw new Error(outcome.failure.code);
    let bytes = 0;
    let pieces = 0;
    for await (const piece of outcome.body) {
      bytes += piece.length;
      pieces += 1;
    }
    expect(bytes).toBe(2 * 1024 * 1024);
    expect(pieces).toBeGreaterThan(1);
    expect(exchanges[0]?.response?.body).toMatchObject({ bytes, truncated: true });
  });

  test.each([
    ["/gzip-bomb", "decompressed-too-large"],
    ["/big-json?chunked", "body-too-large"],
    ["/stall", "timeout-body"],
    ["/content-length", "body-incomplete"],
  ])("%s: the body throws %s, and the exchange says so", async (path, code) => {
    const outcome = await client.stream({ method: "GET", url: server.origin + path });
    if (outcome.kind !== "response") throw new Error(outcome.failure.code);
    const read = async (): Promise<void> => {
      for await (const piece of outcome.body) expect(piece.length).toBeGreaterThan(0);
    };
    const error = await read().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(HttpBodyError);
    expect((error as HttpBodyError).failure.code).toBe(code);
    expect(exchanges.at(-1)?.failure?.code).toBe(code);
  });

  test("a reader that stops early frees the connection", async () => {
    await client.close();
    client = startClient({ concurrencyPerOrigin: 1 });
    const outcome = await client.stream({ method: "GET", url: `${server.origin}/slow-drip` });
    if (outcome.kind !== "response") throw new Error(outcome.failure.code);
    for await (const piece of outcome.body) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(textOf(await get("/ok"))).toContain("Patient");
    expect(exchanges[0]?.failure?.code).toBe("aborted");
  });

  test("a body that nobody reads is given up with its request's time", async () => {
    await client.close();
    client = startClient({ concurrencyPerOrigin: 1 });
    await client.stream({ method: "GET", url: `${server.origin}/slow-drip`, limits: { totalMs: 100 } });
    expect(textOf(await get("/ok"))).toContain("Patient");
    expect(exchanges[0]?.failure?.code).toBe("timeout-total");
  });

  test("retries before the body begins", async () => {
    const outcome = await client.stream({ method: "GET", url: `${server.origin}/busy?times=2` });
    if (outcome.kind !== "response") throw new Error(outcome.failure.code);
    const pieces: Uint8Array[] = [];
    for await (const piece of outcome.body) pieces.push(piece);
    expect(Buffer.concat(pieces).toString()).toContain("Patient");
    expect(outcome.exchanges).toHaveLength(3);
  });
});

describe("the caller", () => {
  test("can give up", async () => {
    const controller = new AbortController();
    const outcome = get("/silence", { signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    expect(failureOf(await outcome).code).toBe("aborted");
    expect(failureOf(await get("/ok", { signal: controller.signal })).code).toBe("aborted");
  });

  test("that closes the client ends what is under way, once", async () => {
    const outcome = get("/silence");
    await new Promise((resolve) => setTimeout(resolve, 30));
    await client.close();
    expect(failureOf(await outcome).code).toBe("aborted");
    expect(server.requests).toHaveLength(1);
    await expect(get("/ok")).rejects.toThrow("closed");
  });

  test("a wait for a free connection counts towards the total time", async () => {
    await client.close();
    client = startClient({ concurrencyPerOrigin: 1 });
    const first = get("/stall", { limits: { bodyIdleMs: 1000 } });
    expect(failureOf(await get("/ok", { limits: { totalMs: 50 } })).code).toBe("timeout-total");
    expect(failureOf(await first).code).toBe("timeout-body");
  });

  test.each([
    { method: "get" },
    { headers: { "bad name": "x" } },
    { headers: { "X-Split": "a\r\nX-Forged: b" } },
    { headers: { "Transfer-Encoding": "chunked" } },
    { limits: { bodyBytes: -1 } },
    { limits: { bodyBytes: Number.NaN } },
    { bearer: { value: "b", origin: "127.0.0.1" } },
    { headers: { Authorization: "Bearer a" }, bearer: { value: "b", origin: "http://127.0.0.1" } },
  ])("who makes a mistake is told by an exception: %j", async (mistake) => {
    await expect(get("/ok", mistake)).rejects.toThrow();
    expect(server.requests).toHaveLength(0);
  });
});
