import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { applyTerminology, openTerminologyService as open } from "../../lib/validator/terminology.ts";
import type { TerminologyOptions, TerminologyService } from "../../lib/validator/terminology.ts";
import { openTerminologyHttp, type TerminologyHttp } from "../../lib/validator/terminology-http.ts";
import type { NotVerified, ValidationResult } from "../../lib/validator/result.ts";

const VALUE_SET = "http://e.org/vs|2";

function code(name: string, strength: "required" | "extensible" = "required"): NotVerified {
  return {
    valueSet: VALUE_SET,
    strength,
    system: "http://loinc.org",
    code: name,
    expression: `Observation.code.coding[0]`,
  };
}

function resultWith(notVerified: readonly NotVerified[]): ValidationResult {
  return {
    resourceType: "Observation",
    profiles: [],
    assumedProfiles: [],
    valid: true,
    counts: { fatal: 0, error: 0, warning: 0, information: 0 },
    findings: [],
    notVerified,
    notVerifiedCount: notVerified.length,
  };
}

let https: TerminologyHttp[] = [];

function openTerminologyService(
  options: Omit<TerminologyOptions, "fetch"> & { readonly timeoutMs?: number },
): TerminologyService {
  const http = openTerminologyHttp(options.timeoutMs, options.concurrency);
  https.push(http);
  return open({ ...options, fetch: http.fetch });
}

let server: Server;
let base: string;
let cacheFolder: string;
let requests: URL[];
let atOnce: number;
let most: number;
let answer: (url: URL, response: ServerResponse) => void;

function parameters(response: ServerResponse, ...parameter: object[]): void {
  response.writeHead(200, { "content-type": "application/fhir+json" });
  response.end(JSON.stringify({ resourceType: "Parameters", parameter }));
}

beforeEach(async () => {
  requests = [];
  atOnce = 0;
  most = 0;
  answer = (url, response) =>
    parameters(response, {
      name: "result",
      valueBoolean: url.searchParams.get("code")?.startsWith("good") === true,
    });
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    requests.push(url);
    atOnce += 1;
    most = Math.max(most, atOnce);
    setTimeout(() => {
      atOnce -= 1;
      answer(url, response);
    }, 5);
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir/`;
  cacheFolder = mkdtempSync(join(tmpdir(), "terminology-"));
});

afterEach(async () => {
  await Promise.all(https.map((http) => http.close()));
  https = [];
  await new Promise((closed) => {
    server.close(closed);
    server.closeAllConnections();
  });
  rmSync(cacheFolder, { recursive: true, force: true });
});

describe("a terminology service", () => {
  it("is asked by $validate-code, and its answers become findings by the binding's strength", async () => {
    const service = openTerminologyService({ url: base, cacheFolder });
    const codes = [code("good-1"), code("bad-1"), code("bad-2", "extensible")];
    const answers = await service.lookUp(codes);
    expect(answers).toEqual([true, false, false]);
    const result = applyTerminology(resultWith(codes), answers);
    expect(result.valid).toBe(false);
    expect(result.counts).toMatchObject({ error: 1, warning: 1 });
    expect(result.notVerified).toEqual([]);
    expect(
      result.findings.map(({ severity, code: kind, expression }) => [severity, kind, expression]),
    ).toEqual([
      ["error", "code-invalid", "Observation.code.coding[0]"],
      ["warning", "code-invalid", "Observation.code.coding[0]"],
    ]);
    expect(requests[0]?.pathname).toBe("/fhir/ValueSet/$validate-code");
    expect(Object.fromEntries(requests[0]?.searchParams ?? [])).toEqual({
      url: "http://e.org/vs",
      valueSetVersion: "2",
      system: "http://loinc.org",
      code: "good-1",
    });
  });

  it("is asked once for each code, also by the next command", async () => {
    const first = openTerminologyService({ url: base, cacheFolder });
    await first.lookUp([code("good-1"), code("good-1")]);
    await first.lookUp([code("good-1"), code("bad-1")]);
    expect(requests.length).toBe(2);
    const second = openTerminologyService({ url: base, cacheFolder });
    expect(await second.lookUp([code("good-1"), code("bad-1")])).toEqual([true, false]);
    expect(requests.length).toBe(2);
    const later = openTerminologyService({ url: base, cacheFolder, maxAgeMs: -1 });
    await later.lookUp([code("good-1")]);
    expect(requests.length).toBe(3);
  });

  it("never gets more requests at one time than it was promised", async () => {
    const service = openTerminologyService({ url: base, cacheFolder, concurrency: 3 });
    await service.lookUp(Array.from({ length: 30 }, (_, i) => code(`good-${i}`)));
    expect(requests.length).toBe(30);
    expect(most).toBe(3);
  });

  it("that cannot be reached gives a notice and no verdict", async () => {
    const unreachable = openTerminologyService({ url: "http://127.0.0.1:9/", cacheFolder });
    const codes = Array.from({ length: 20 }, (_, i) => code(`c${i}`));
    const answers = await unreachable.lookUp(codes);
    expect(answers.every((one) => one === undefined)).toBe(true);
    expect(unreachable.notice).toContain("http://127.0.0.1:9");
    const result = applyTerminology(resultWith(codes), answers);
    expect(result).toEqual(resultWith(codes));
  });

  it.each([
    ["a server error", (_url: URL, response: ServerResponse) => response.writeHead(500).end()],
    ["a refusal", (_url: URL, response: ServerResponse) => response.writeHead(401).end()],
    ["text", (_url: URL, response: ServerResponse) => response.writeHead(200).end("<html>")],
    ["silence", () => undefined],
  ])("that answers with %s gives a notice and no verdict", async (_what, broken) => {
    answer = broken;
    const service = openTerminologyService({ url: base, cacheFolder, timeoutMs: 200 });
    expect(await service.lookUp([code("good-1")])).toEqual([undefined]);
    expect(service.notice).toBeDefined();
  });

  it("that does not know the value set or the code system gives no verdict on the code", async () => {
    answer = (_url, response) => response.writeHead(404).end('{"resourceType":"OperationOutcome"}');
    const service = openTerminologyService({ url: base, cacheFolder });
    expect(await service.lookUp([code("good-1")])).toEqual([undefined]);
    answer = (_url, response) =>
      parameters(
        response,
        { name: "result", valueBoolean: false },
        { name: "x-caused-by-unknown-system", valueCanonical: "x" },
      );
    expect(await service.lookUp([code("good-2")])).toEqual([undefined]);
    expect(service.notice).toBeUndefined();
  });
});
