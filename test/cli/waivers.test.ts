import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import formats from "ajv-formats";
import { describe, expect, test } from "vitest";
import type { CheckResult, RunDescription } from "../../lib/checks/results.ts";
import { command, inTemporaryFolder } from "./process.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const ajv = new Ajv();
(formats as unknown as (ajv: Ajv) => void)(ajv);
const schema = (name: string) =>
  ajv.compile(
    JSON.parse(readFileSync(join(root, "config", "schema", `${name}.schema.json`), "utf8")) as object,
  );
const isResult = schema("result");
const isRun = schema("run");

const FAULT = { env: { CARECONNECT_SANDBOX_FAULTS: "smart-configuration.without-s256" } };
const CHECK = "smart-configuration.pkce-s256";

function configure(folder: string, waivers: string | undefined): string {
  const config = join(folder, "conf");
  mkdirSync(join(config, "tenants"), { recursive: true });
  const demo = readFileSync(join(root, "config", "tenants", "demo.yaml"));
  writeFileSync(join(config, "tenants", "demo.yaml"), demo);
  if (waivers !== undefined) writeFileSync(join(config, "waivers.yaml"), waivers);
  return config;
}

function waiver(more: Readonly<Record<string, unknown>> = {}): string {
  const entry = {
    id: "NX-1234",
    check: CHECK,
    tenant: "demo",
    environment: "sandbox",
    finding: { code: "json.not-contained", location: "/code_challenge_methods_supported" },
    reason: "The vendor announces a correction with its next release.",
    owner: "Integration team",
    expires: "2999-12-31",
    link: "https://issues.example.org/NX-1234",
    ...more,
  };
  return JSON.stringify({ waivers: [entry] });
}

async function runWith(folder: string, waivers: string | undefined, more: readonly string[] = []) {
  const out = join(folder, "out");
  const config = configure(folder, waivers);
  const args = ["run", "--config", config, "--tenant", "demo", "--environment", "sandbox", "--out", out];
  const api = ["--api", "provider-patient-access,provider-system-access"];
  const ended = await command([...args, ...api, "--check", CHECK, ...more], FAULT);
  const read = (name: string) => readFileSync(join(out, name), "utf8");
  if (ended.code === 2) return { ended, run: undefined, results: [], read };
  const run = JSON.parse(read("run.json")) as RunDescription;
  expect(isRun(run), JSON.stringify(isRun.errors)).toBe(true);
  const results = read("results.ndjson")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as CheckResult);
  for (const result of results) expect(isResult(result), JSON.stringify(isResult.errors)).toBe(true);
  return { ended, run, results, read };
}

describe("a waiver", { timeout: 60_000 }, () => {
  test("keeps a failure from failing the run, and hides nothing of it", async () => {
    await inTemporaryFolder(async (folder) => {
      const { ended, run, results, read } = await runWith(folder, waiver());
      expect(ended.code).toBe(0);
      expect(results.map(({ status }) => status)).toEqual(["fail", "fail"]);
      expect(results[0]?.findings).toHaveLength(1);
      expect(results[0]?.waived).toMatchObject({
        complete: true,
        waivers: [{ id: "NX-1234", owner: "Integration team", expires: "2999-12-31", findings: [0] }],
      });
      expect(run?.counts.fail).toBe(2);
      expect(run?.waivers).toMatchObject([{ id: "NX-1234", state: "applied", verdicts: 2, findings: 2 }]);
      expect(ended.stdout).toContain("waived: fail 2   warn 0");
      expect(ended.stderr).toContain("(waived: NX-1234 until 2999-12-31)");
      const summary = read("summary.md");
      expect(summary).toContain("Passed");
      expect(summary).toContain("2 failed (2 of them waived)");
      expect(summary).toContain("### Waived failures (2)");
      expect(summary).toContain("The vendor announces a correction");
      const junit = read("junit.xml");
      expect(junit).toMatch(/<testsuites [^>]*failures="0" errors="0" skipped="2"/);
      expect(junit).toContain("Waived until 2999-12-31 by Integration team (NX-1234)");
      expect(read("report.html")).toContain("report");
    });
  });

  test("of one API leaves the same failure on another as it is", async () => {
    await inTemporaryFolder(async (folder) => {
      const { ended, results } = await runWith(folder, waiver({ api: "provider-patient-access" }));
      expect(ended.code).toBe(1);
      expect(Object.fromEntries(results.map(({ api, waived }) => [api, waived?.complete === true]))).toEqual({
        "provider-patient-access": true,
        "provider-system-access": false,
      });
    });
  });

  test("that has expired holds no longer, and fails the run", async () => {
    await inTemporaryFolder(async (folder) => {
      const { ended, run, results, read } = await runWith(folder, waiver({ expires: "2020-01-31" }));
      expect(ended.code).toBe(1);
      expect(results.every(({ waived }) => waived === undefined)).toBe(true);
      expect(run?.waivers).toMatchObject([{ state: "expired" }]);
      expect(ended.stdout).toContain("waiver NX-1234 expired on 2020-01-31 and fails this run");
      expect(read("junit.xml")).toContain('message="Waiver NX-1234 expired on 2020-01-31"');
    });
  });

  test("that has expired fails the run also when its finding is gone", async () => {
    await inTemporaryFolder(async (folder) => {
      const gone = waiver({ expires: "2020-01-31", finding: { code: "http.status" } });
      const config = configure(folder, gone);
      const args = ["run", "--config", config, "--tenant", "demo", "--environment", "sandbox"];
      const ended = await command([...args, "--check", CHECK, "--out", join(folder, "out")]);
      expect(ended.code).toBe(1);
      expect(readFileSync(join(folder, "out", "summary.md"), "utf8")).toContain("❌ Failed");
    });
  });

  test("that has nothing to waive is said, and no failure", async () => {
    await inTemporaryFolder(async (folder) => {
      const config = configure(folder, waiver());
      const args = ["run", "--config", config, "--tenant", "demo", "--environment", "sandbox"];
      const ended = await command([...args, "--check", CHECK, "--out", join(folder, "out")]);
      expect(ended.code).toBe(0);
      expect(ended.stdout).toContain("note: waiver NX-1234 has nothing left to waive");
    });
  });

  test("is applied anew when a run is resumed", async () => {
    await inTemporaryFolder(async (folder) => {
      expect((await runWith(folder, undefined)).ended.code).toBe(1);
      const { ended, results, run } = await runWith(folder, waiver(), ["--resume"]);
      expect(ended.stderr).toContain("Nothing to resume");
      expect(ended.code).toBe(0);
      expect(results.every(({ waived }) => waived?.complete === true)).toBe(true);
      expect(run?.waivers).toHaveLength(1);
    });
  });
});

test.each([
  [
    "an unknown check",
    waiver({ check: "smart-configuration.pkce-s265" }),
    /waiver NX-1234: no check has the id .* Did you mean "smart-configuration.pkce-s256"\?/,
  ],
  ["an unknown tenant", waiver({ tenant: "demmo" }), /there is no tenant "demmo"\. Did you mean "demo"\?/],
  [
    "an unknown API",
    waiver({ api: ["provider-pateint-access"] }),
    /there is no API "provider-pateint-access"/,
  ],
  ["an unknown environment", waiver({ environment: "prewiev" }), /there is no environment "prewiev"/],
  ["no owner", waiver({ owner: undefined }), /waivers\.yaml:1: waivers\.0: lacks "owner"/],
  ["a date that is none", waiver({ expires: "2027-02-30" }), /is not a date such as 2027-01-31/],
  [
    "a regular expression",
    waiver({ finding: { code: "json.not-contained", actual: { matches: ".*" } } }),
    /waivers\.yaml:1/,
  ],
  ["no finding", waiver({ finding: undefined }), /lacks "finding"/],
])("a waiver with %s is refused in one line", async (_, waivers, says) => {
  await inTemporaryFolder(async (folder) => {
    const { ended } = await runWith(folder, waivers);
    expect(ended.code).toBe(2);
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
    expect(ended.stderr).toMatch(says);
  });
});
