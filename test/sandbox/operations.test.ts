import { get, type IncomingMessage } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import type { FaultDefinition, FaultOn } from "../../lib/sandbox/catalogue.ts";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import { base, bearer, HARBOR, json, RIVERBEND, systemToken } from "./client.ts";

const running: Sandbox[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((sandbox) => sandbox.close()));
});

type Body = Pick<FaultDefinition, "on" | "change"> & { readonly parameter?: string };

async function start(fault: Body, argument?: string): Promise<Sandbox> {
  const definition: FaultDefinition = {
    id: "test.fault",
    description: "A fault of a test.",
    trips: [],
    ...fault,
  };
  const call = argument === undefined ? definition.id : `${definition.id}:${argument}`;
  const sandbox = await startSandbox({ faults: [call], furtherFaults: [definition], patients: 3 });
  running.push(sandbox);
  return sandbox;
}

const CONFIGURATION = "/.well-known/smart-configuration";
const onConfiguration = { path: CONFIGURATION };
const ask = (sandbox: Sandbox, path = CONFIGURATION, init: RequestInit = {}) =>
  fetch(`${base(sandbox)}${path}`, { redirect: "manual", ...init });

describe("an operation", () => {
  it.each<[string, FaultDefinition["change"], (response: Response, sandbox: Sandbox) => Promise<void>]>([
    [
      "set, with names filled in",
      [{ set: "/issuer", value: "{otherBase}/{tenant}/{otherTenant}" }],
      async (response, sandbox) => {
        const other = base(sandbox, "provider/patient-access", HARBOR);
        expect((await json(response))["issuer"]).toBe(`${other}/${RIVERBEND}/${HARBOR}`);
      },
    ],
    [
      "json",
      [{ json: { only: ["{origin}"] } }],
      async (response, sandbox) => expect(await json(response)).toEqual({ only: [sandbox.origin] }),
    ],
    [
      "body and mediaType",
      [{ body: "<html>", mediaType: "text/html" }],
      async (response) => {
        expect(response.headers.get("content-type")).toBe("text/html");
        expect(await response.text()).toBe("<html>");
      },
    ],
    [
      "bytes",
      [{ bytes: "//4=" }],
      async (response) =>
        expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.from([0xff, 0xfe])),
    ],
    ["status", [{ status: 503 }], async (response) => expect(response.status).toBe(503)],
    [
      "header",
      [{ header: { "X-Other": "{tenant}", "access-control-allow-origin": null } }],
      async (response) => {
        expect(response.headers.get("x-other")).toBe(RIVERBEND);
        expect(response.headers.get("access-control-allow-origin")).toBeNull();
      },
    ],
    [
      "redirect",
      [{ redirect: "https://elsewhere.example/{tenant}", status: 307 }],
      async (response) => {
        expect(response.status).toBe(307);
        expect(response.headers.get("location")).toBe(`https://elsewhere.example/${RIVERBEND}`);
      },
    ],
    [
      "outcome",
      [{ outcome: "No.", status: 403 }],
      async (response) => {
        expect(response.status).toBe(403);
        expect(await json(response)).toMatchObject({ issue: [{ code: "forbidden", diagnostics: "No." }] });
      },
    ],
    [
      "gzip and pad",
      [{ pad: 1_000_000 }, { gzip: true }],
      async (response) => {
        expect(Number(response.headers.get("content-length"))).toBeLessThan(10_000);
        expect((await response.text()).length).toBe(1_000_000);
      },
    ],
    ["delay", [{ delay: 20 }], async (response) => expect(response.status).toBe(200)],
    [
      "drip",
      [{ drip: { bytes: 2000, milliseconds: 1 } }],
      async (response) => expect(await json(response)).toHaveProperty("issuer"),
    ],
  ])("%s does what it says", async (_name, change, judge) => {
    const sandbox = await start({ on: onConfiguration, change });
    await judge(await ask(sandbox), sandbox);
    expect(sandbox.faults[0]).toMatchObject({ met: 1, applied: 1 });
  });

  it("truncate and reset leave the client without the whole answer", async () => {
    for (const change of [
      [{ truncate: 10 }],
      [{ reset: "within" as const }],
      [{ reset: "before" as const }],
    ]) {
      const sandbox = await start({ on: onConfiguration, change });
      await expect(ask(sandbox).then((response) => response.text())).rejects.toThrow(
        /fetch failed|terminated/,
      );
    }
  });

  it("changes a request before it is answered", async () => {
    const sandbox = await start(
      {
        on: { path: "/Patient", header: { authorization: null } },
        change: [{ requestHeader: { authorization: "Bearer {argument}" } }, { query: { _count: "1" } }],
        parameter: "{token}",
      },
      "none",
    );
    // The argument is a token of no sandbox: the request is refused, but as one that had a token.
    const response = await ask(sandbox, "/Patient");
    expect(response.headers.get("www-authenticate")).toContain("invalid_token");
  });

  it("changes a form before it is answered", async () => {
    const sandbox = await start({
      on: { auth: "/token", form: { grant_type: "client_credentials" } },
      change: [{ form: { scope: "system/Observation.rs" } }],
    });
    const token = await systemToken(sandbox, { scope: "system/*.cruds" });
    const url = base(sandbox, "provider/system-access");
    expect((await fetch(`${url}/Observation`, { headers: bearer(token) })).status).toBe(200);
    expect((await fetch(`${url}/Patient`, { headers: bearer(token) })).status).toBe(403);
  });

  it("setting changes how the sandbox is set up", async () => {
    const sandbox = await start({ change: [{ setting: "accessTokenLifetime", value: 1 }] });
    const token = await systemToken(sandbox);
    const url = `${base(sandbox, "provider/system-access")}/Patient`;
    expect((await fetch(url, { headers: bearer(token) })).status).toBe(200);
    let status = 200;
    while (status === 200) status = (await fetch(url, { headers: bearer(token) })).status;
    expect(status).toBe(401);
  });

  it.each<[string, FaultDefinition["change"], RegExp]>([
    ["an unknown behaviour", [{ behaviour: "no-such" }], /names the behaviour "no-such"/],
    ["an unknown setting", [{ setting: "noSuch", value: 1 }], /There is no setting/],
    ["a setting of another type", [{ setting: "accessTokenLifetime", value: "long" }], /is a number/],
  ])("does not start with %s", async (_name, change, message) => {
    await expect(start({ change })).rejects.toThrow(message);
  });
});

describe("what a fault is on", () => {
  const mark: FaultDefinition["change"] = [{ header: { "x-fault": "here" } }];
  const isMarked = (response: Response) => response.headers.get("x-fault") === "here";

  it.each<[string, FaultOn, (sandbox: Sandbox) => Promise<Response>, boolean]>([
    ["the path", { path: CONFIGURATION }, (sandbox) => ask(sandbox), true],
    ["another path", { path: "/metadata" }, (sandbox) => ask(sandbox), false],
    ["a pattern", { path: "/.well-known/*" }, (sandbox) => ask(sandbox), true],
    ["a pattern of one segment", { path: "/*" }, (sandbox) => ask(sandbox), false],
    ["any path", { path: "/**" }, (sandbox) => ask(sandbox), true],
    ["another API", { api: ["payer-patient-access"], path: "/**" }, (sandbox) => ask(sandbox), false],
    ["the method", { method: ["HEAD", "GET"] }, (sandbox) => ask(sandbox), true],
    ["another method", { method: "POST" }, (sandbox) => ask(sandbox), false],
    [
      "a header",
      { header: { accept: "*xml*" } },
      (sandbox) => ask(sandbox, "/metadata", { headers: { accept: "application/fhir+xml" } }),
      true,
    ],
    ["an absent header", { header: { "x-none": null } }, (sandbox) => ask(sandbox), true],
    ["the query", { query: { _format: "xml" } }, (sandbox) => ask(sandbox, "/metadata?_format=xml"), true],
    ["the format", { format: "xml" }, (sandbox) => ask(sandbox, "/metadata"), false],
    ["the status", { status: [404, 401] }, (sandbox) => ask(sandbox, "/Patient"), true],
    ["the first tenant", { tenant: "first" }, (sandbox) => ask(sandbox), true],
    ["the second tenant", { tenant: "second" }, (sandbox) => ask(sandbox), false],
    [
      "an unknown tenant",
      { tenant: "unknown" },
      (sandbox) => fetch(`${base(sandbox, "provider/patient-access", "x")}/metadata`),
      true,
    ],
    [
      "a tenant's authorization server",
      { auth: "/jwks", server: "tenant" },
      (sandbox) => fetch(`${sandbox.origin}/auth/${RIVERBEND}/oauth2/v1/jwks`),
      true,
    ],
    [
      "the legacy authorization server",
      { auth: "/jwks", server: "tenant" },
      (sandbox) => fetch(`${sandbox.legacyOrigin}/jwks`),
      false,
    ],
    ["the second time only", { nth: 2 }, (sandbox) => ask(sandbox), false],
  ])("%s", async (_name, on, send, expected) => {
    const sandbox = await start({ on, change: mark });
    expect(isMarked(await send(sandbox))).toBe(expected);
  });

  it("counts the times", async () => {
    const sandbox = await start({ on: { ...onConfiguration, nth: [2, 3] }, change: mark });
    const marks = [];
    for (let time = 0; time < 4; time += 1) marks.push(isMarked(await ask(sandbox)));
    expect(marks).toEqual([false, true, true, false]);
  });
});

describe("a HEAD request", () => {
  it("has the headers and no body", async () => {
    const sandbox = await startSandbox();
    running.push(sandbox);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${base(sandbox)}/metadata`, { method: "HEAD", agent: false }, resolve).once("error", reject);
    });
    expect(response.statusCode).toBe(200);
    expect(Number(response.headers["content-length"])).toBeGreaterThan(1000);
    response.resume();
  });
});
