import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CheckResult } from "../../lib/checks/results.ts";
import { startHostileServer, type HostileServer } from "../hostile/server.ts";
import { command, inTemporaryFolder, type Ended } from "./process.ts";

/** What a server does, and the finding by which its SMART configuration fails. */
const ATTACKS: Readonly<Record<string, RegExp>> = {
  reset: /^http\.connection-reset$/,
  "reset-in-body": /^http\.(connection-reset|body-incomplete)$/,
  hangup: /^http\.connection-reset$/,
  silence: /^http\.timeout-headers$/,
  "slow-headers": /^http\.timeout-(headers|total)$/,
  "slow-drip": /^http\.timeout-(body|total)$/,
  stall: /^http\.timeout-body$/,
  "truncated-json": /^json\.syntax$/,
  "content-length": /^http\.(body-incomplete|connection-reset)$/,
  html: /^(json\.syntax|http\.media-type)$/,
  "big-json": /^http\.body-too-large$/,
  "gzip-bomb": /^http\.(decompressed-too-large|body-too-large)$/,
  "bad-gzip": /^http\.content-encoding$/,
  "redirect-loop": /^http\.redirect-loop$/,
  "redirect-chain": /^http\.too-many-redirects$/,
  "invalid-utf8": /^json\.syntax$/,
  busy: /^http\.status$/,
  "busy-for-ever": /^http\.status$/,
  "huge-headers": /^http\.(headers-too-large|invalid-http)$/,
  "not-http": /^http\./,
  "bad-chunking": /^http\./,
  nowhere: /^http\.connection-refused$/,
};

describe("hostile servers", () => {
  let server: HostileServer;
  let ended: Ended;
  let results: readonly CheckResult[];

  beforeAll(async () => {
    server = await startHostileServer();
    await inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, "tenants"), { recursive: true });
      const api = (name: string) => {
        // Port 1 on loopback has nobody listening.
        const base = name === "nowhere" ? "http://127.0.0.1:1/fhir" : `${server.origin}/${name}`;
        return `      ${name}:\n        fhirBase: ${base}\n        client: { id: app, authentication: client_secret_basic, secret: "\${env:SECRET}" }\n`;
      };
      const limits =
        "    limits: { connectSeconds: 1, headersSeconds: 0.4, bodyIdleSeconds: 0.4, exchangeSeconds: 1, totalSeconds: 2, retryWaitSeconds: 0.05, attempts: 2, connectionsPerOrigin: 64 }\n";
      const apis = [...Object.keys(ATTACKS), "wrong-media-type"].map(api).join("");
      writeFileSync(
        join(folder, "tenants", "hostile.yaml"),
        `name: Hostile\nenvironments:\n  preview:\n${limits}    apis:\n${apis}`,
      );
      const out = join(folder, "out");
      ended = await command(
        [
          "run",
          "--config",
          folder,
          "--tenant",
          "hostile",
          "--environment",
          "preview",
          "--suite",
          "smart-configuration",
          "--concurrency",
          "64",
          "--format",
          "junit",
          "--out",
          out,
        ],
        { env: { SECRET: "never-to-be-sent-1234" } },
      );
      results = readFileSync(join(out, "results.ndjson"), "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as CheckResult);
    });
  });
  afterAll(() => server.close());

  test("do not crash or hang the run: every check of every target has its verdict", () => {
    expect(ended.code).toBe(1);
    expect(results.filter(({ status }) => status === "error")).toEqual([]);
    const counts = new Map<string, number>();
    for (const { api } of results) counts.set(api, (counts.get(api) ?? 0) + 1);
    expect(new Set(counts.values()).size).toBe(1);
    expect(counts.size).toBe(Object.keys(ATTACKS).length + 1);
  });

  test.each(Object.entries(ATTACKS))("%s becomes a finding", (name, code) => {
    const served = results.find(({ api, check }) => api === name && check === "smart-configuration.served");
    expect(served?.status).toBe("fail");
    expect(served?.findings.map((finding) => finding.code).join(" ")).toMatch(code);
    expect(served?.summary).toMatch(/^Expected .+; saw .+\.$/);
    expect(served?.remedy).toBeTruthy();
  });

  test("never lead to a pass of what the server did not show", () => {
    const passed = results.filter(({ status, api }) => status === "pass" && api !== "wrong-media-type");
    // What can be true of a server that serves no configuration: that it serves none to strangers either; and a header
    // that is right is right, whatever the bytes that follow it.
    expect(
      passed
        .map(({ api, check }) => `${api} ${check}`)
        .filter(
          (line) => !/unknown-tenant|other-tenant|^invalid-utf8 smart-configuration.content-type$/.test(line),
        ),
    ).toEqual([]);
  });

  test("have checks blocked by the check that explains why", () => {
    const blocked = results.filter(({ status }) => status === "blocked");
    expect(blocked.length).toBeGreaterThan(0);
    for (const { blockedBy, api } of blocked) {
      const cause = results.find((result) => result.api === api && result.check === blockedBy);
      expect(["fail", "warn", "blocked"]).toContain(cause?.status);
    }
  });

  test("answer with the wrong media type: a finding of its own", () => {
    const wrong = results.filter(({ api, status }) => api === "wrong-media-type" && status === "fail");
    expect(wrong.flatMap(({ findings }) => findings.map(({ code }) => code))).toContain("http.media-type");
  });

  test("never see a secret", () => {
    for (const request of server.requests) {
      expect(request.headers.has("authorization")).toBe(false);
      expect(JSON.stringify([request.path, request.body, ...request.headers])).not.toContain(
        "never-to-be-sent",
      );
    }
  });
});
