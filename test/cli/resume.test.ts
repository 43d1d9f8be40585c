import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { CheckResult, RunDescription } from "../../lib/checks/results.ts";
import { command, filesBelow, inTemporaryFolder } from "./process.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const DOCUMENTS: Readonly<Record<string, object>> = {
  "/.well-known/smart-configuration": { token_endpoint: "https://login.example/token" },
  "/metadata": { resourceType: "CapabilityStatement", fhirVersion: "4.0.1", status: "active" },
};

/** A server slow enough for a kill to fall between two verdicts; it counts what it is asked. */
async function serveSlowly(closedBy = servers): Promise<{ base: string; asked: () => number }> {
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    const document = DOCUMENTS[request.url ?? ""];
    setTimeout(() => {
      response.writeHead(document === undefined ? 404 : 200, { "content-type": "application/json" });
      response.end(document === undefined ? "" : JSON.stringify(document));
    }, 100);
  });
  closedBy.push(server);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
}

function configure(folder: string, base: string, name = "Acme"): string {
  const config = join(folder, "conf");
  mkdirSync(join(config, "tenants"), { recursive: true });
  writeFileSync(
    join(config, "tenants", "acme.yaml"),
    `name: ${name}\nenvironments:\n  preview:\n    apis:\n      ours:\n        fhirBase: ${base}\n        access: patient\n`,
  );
  return config;
}

const runOf = (out: string) => JSON.parse(readFileSync(join(out, "run.json"), "utf8")) as RunDescription;
const resultsOf = (out: string) =>
  readFileSync(join(out, "results.ndjson"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as CheckResult);
const isFinal = ({ status }: CheckResult) => status !== "blocked" && status !== "error";
const numberOf = (exchange: string) => Number(exchange.slice(1));

/** Runs until so many verdicts are written, then ends the process by a signal. */
function stopAfter(verdicts: number, signal: NodeJS.Signals, args: readonly string[], out: string) {
  const written = () =>
    existsSync(join(out, "results.ndjson"))
      ? readFileSync(join(out, "results.ndjson"), "utf8").split("\n").length - 1
      : 0;
  return command(args, {
    started: (child) => {
      const watch = setInterval(() => {
        if (written() < verdicts) return;
        clearInterval(watch);
        child.kill(signal);
      }, 5);
      child.on("close", () => clearInterval(watch));
    },
  });
}

describe("a run that was killed", { timeout: 120_000 }, () => {
  test("goes on where it was: same run, same verdicts, nothing asked or numbered twice", async () => {
    await inTemporaryFolder(async (folder) => {
      const { base, asked } = await serveSlowly();
      const config = configure(folder, base);
      const whole = join(folder, "whole");
      const out = join(folder, "out");
      const args = ["run", "--config", config, "--tenant", "acme", "--environment", "preview"];
      const some = [...args, "--suite", "smart-configuration,capability-statement", "--concurrency", "1"];
      await command([...some, "--out", whole]);
      const inOne = asked();

      const killed = await stopAfter(20, "SIGKILL", [...some, "--out", out], out);
      expect(killed.code).toBeNull();
      expect(runOf(out).state).toBe("running");
      expect(existsSync(join(out, ".run.lock"))).toBe(true);
      const before = resultsOf(out);
      const id = runOf(out).run;
      // What a kill in the middle of writing leaves behind.
      appendFileSync(join(out, "results.ndjson"), '{"schema":1,"run":"');
      writeFileSync(join(out, "evidence", "x0900.json"), '{"id":"x0900","req');
      mkdirSync(join(out, "state", "ours"), { recursive: true });
      writeFileSync(join(out, "state", "ours", "export.json"), "{}");
      const evidence = filesBelow(join(out, "evidence"));
      const askedByThen = asked();

      const resumed = await command([...args, "--concurrency", "1", "--out", out, "--resume"]);
      expect(resumed.stderr).not.toContain("--resume");
      expect(resumed.code).toBe(1);
      const run = runOf(out);
      const results = resultsOf(out);
      expect(run).toMatchObject({ run: id, state: "complete", selection: runOf(whole).selection });
      expect(run.resumed).toEqual([
        { at: expect.any(String) as string, kept: before.filter(isFinal).length },
      ]);
      expect(new Set(results.map(({ check }) => check)).size).toBe(run.planned);
      expect(results).toHaveLength(run.planned);
      expect(new Set(results.map((result) => result.run))).toEqual(new Set([id]));
      // Verdicts that had fallen stand, word for word.
      expect(results.slice(0, before.filter(isFinal).length)).toEqual(before.filter(isFinal));
      const verdicts = (list: readonly CheckResult[]) =>
        Object.fromEntries(list.map(({ check, status }) => [check, status]));
      expect(verdicts(results)).toEqual(verdicts(resultsOf(whole)));
      // Less is asked than from the beginning, and no evidence is written over.
      expect(asked() - askedByThen).toBeLessThan(inOne);
      const after = filesBelow(join(out, "evidence"));
      for (const [name, content] of evidence) {
        if (name === "x0900.json") expect(after.has(name)).toBe(false);
        else expect(after.get(name)?.equals(content), name).toBe(true);
      }
      const kept = new Set(before.filter(isFinal).map(({ check }) => check));
      const newIds = results.filter(({ check }) => !kept.has(check)).flatMap(({ exchanges }) => exchanges);
      expect(newIds.length).toBeGreaterThan(0);
      for (const exchange of newIds) {
        expect(numberOf(exchange)).toBeGreaterThan(900);
        expect(after.has(`${exchange}.json`)).toBe(true);
      }
      expect(existsSync(join(out, "state", "ours", "export.json"))).toBe(true);
      const allure = readdirSync(join(out, "allure-results")).filter((name) => name.endsWith("-result.json"));
      expect(allure).toHaveLength(run.planned);
      expect(readFileSync(join(out, "junit.xml"), "utf8")).toContain(`tests="${run.planned}"`);
      expect(readFileSync(join(out, "summary.md"), "utf8")).toContain("Resumed ");
      expect(readFileSync(join(out, "history.ndjson"), "utf8").trim().split("\n")).toHaveLength(1);

      // A new run starts from nothing.
      await command([...some, "--check", "smart-configuration.pkce-s256", "--out", out]);
      expect(existsSync(join(out, "state"))).toBe(false);
      expect(runOf(out).run).not.toBe(id);
      expect(runOf(out).resumed).toBeUndefined();
    });
  });

  test("goes on after an interruption too, and may be resumed more than once", async () => {
    await inTemporaryFolder(async (folder) => {
      const { base } = await serveSlowly();
      const out = join(folder, "out");
      const args = [
        "run",
        "--config",
        configure(folder, base),
        "--tenant",
        "acme",
        "--environment",
        "preview",
      ];
      const some = [...args, "--suite", "smart-configuration", "--concurrency", "1", "--out", out];
      const stopped = await stopAfter(2, "SIGINT", some, out);
      expect(stopped.code).toBe(3);
      const first = runOf(out);
      expect(first.state).toBe("interrupted");
      await stopAfter(resultsOf(out).filter(isFinal).length + 2, "SIGKILL", [...some, "--resume"], out);
      expect(runOf(out)).toMatchObject({ run: first.run, state: "running" });
      const ended = await command([...some, "--resume"]);
      expect(ended.code).toBe(1);
      const run = runOf(out);
      expect(run).toMatchObject({ run: first.run, state: "complete", startedAt: first.startedAt });
      expect(run.resumed).toHaveLength(2);
      expect(resultsOf(out)).toHaveLength(run.planned);
      const { counts } = run;
      expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(run.planned);
    });
  });
});

const DEMO = ["run", "--tenant", "demo", "--environment", "sandbox"];
const ONE = [...DEMO, "--api", "provider-patient-access", "--suite", "smart-configuration"];

describe("a run that came to its end", { timeout: 60_000 }, () => {
  test("has nothing to resume, says so, and ends by its verdicts", async () => {
    await inTemporaryFolder(async (out) => {
      const fault = { env: { CARECONNECT_SANDBOX_FAULTS: "smart-configuration.without-s256" } };
      const one = [...DEMO, "--check", "smart-configuration.pkce-s256", "--out", out];
      expect((await command(one, fault)).code).toBe(1);
      const before = readFileSync(join(out, "results.ndjson"), "utf8");
      const again = await command([...one, "--resume"]);
      expect(again.code).toBe(1);
      expect(again.stderr).toContain("Nothing to resume: the run is complete.");
      expect(readFileSync(join(out, "results.ndjson"), "utf8")).toBe(before);
      expect(runOf(out).resumed).toBeUndefined();
    });
  });

  test("is asked again for what was blocked, and keeps what failed", async () => {
    await inTemporaryFolder(async (out) => {
      const fault = { env: { CARECONNECT_SANDBOX_FAULTS: "smart-configuration.html-page" } };
      await command([...ONE, "--out", out], fault);
      const before = resultsOf(out);
      const blocked = before.filter(({ status }) => status === "blocked");
      const failed = before.filter(({ status }) => status === "fail");
      expect(blocked.length).toBeGreaterThan(0);
      expect(failed.length).toBeGreaterThan(0);
      const ended = await command([...ONE, "--out", out, "--resume"]);
      expect(ended.code).toBe(1);
      const after = new Map(resultsOf(out).map((result) => [result.check, result]));
      for (const one of failed) expect(after.get(one.check)).toEqual(one);
      for (const one of blocked) expect(after.get(one.check)?.status).not.toBe("blocked");
      expect(runOf(out).state).toBe("complete");
    });
  });
});

describe("a run that cannot be continued is refused before anything is asked or changed", () => {
  const lasting: Server[] = [];
  let finished: string;
  let asked: () => number;
  beforeAll(async () => {
    const slow = await serveSlowly(lasting);
    asked = slow.asked;
    finished = mkdtempSync(join(tmpdir(), "careconnect-"));
    const config = configure(finished, slow.base);
    const args = ["run", "--config", config, "--tenant", "acme", "--environment", "preview"];
    await command([
      ...args,
      "--check",
      "smart-configuration.pkce-s256,smart-configuration.served",
      "--out",
      join(finished, "out"),
    ]);
  });
  afterAll(() => {
    rmSync(finished, { recursive: true, force: true });
    lasting[0]?.closeAllConnections();
    lasting[0]?.close();
  });

  const refused = async (folder: string, change: (out: string) => readonly string[] | void) => {
    cpSync(finished, folder, { recursive: true });
    const out = join(folder, "out");
    const more = change(out) ?? [];
    const before = filesBelow(out);
    const askedByThen = asked();
    const args = ["run", "--config", join(folder, "conf"), "--tenant", "acme", "--environment", "preview"];
    const ended = await command([...args, "--out", out, "--resume", ...more]);
    expect(ended.code).toBe(2);
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
    expect(asked()).toBe(askedByThen);
    expect([...filesBelow(out).keys()]).toEqual([...before.keys()]);
    return ended.stderr;
  };
  const rewrite = (out: string, part: Partial<RunDescription>) =>
    writeFileSync(join(out, "run.json"), JSON.stringify({ ...runOf(out), ...part }));

  test.each<[string, string, (out: string) => readonly string[] | void]>([
    ["tenant", "the tenant was other, now acme", (out) => rewrite(out, { tenant: "other" })],
    [
      "environment",
      "the environment was production, now preview",
      (out) => rewrite(out, { environment: "production" }),
    ],
    [
      "version",
      "the version of the harness was 0.0.1, now",
      (out) => rewrite(out, { harness: { ...runOf(out).harness, version: "0.0.1" } }),
    ],
    [
      "suites",
      "suites/smart-configuration/checks.yaml has changed",
      (out) =>
        rewrite(out, {
          digests: { ...runOf(out).digests, "suites/smart-configuration/checks.yaml": "sha256:00" },
        }),
    ],
    [
      "configuration",
      "config/tenants/acme.yaml has changed",
      (out) => {
        const file = join(out, "..", "conf", "tenants", "acme.yaml");
        writeFileSync(file, readFileSync(file, "utf8").replace("Acme", "Acme Two"));
      },
    ],
    ["selection", "--suite was not given, now smart-configuration", () => ["--suite", "smart-configuration"]],
    ["evidence", "--evidence was masked, now full", () => ["--evidence", "full"]],
    ["nothing there", "no run.json, so there is no run to continue", (out) => rmSync(join(out, "run.json"))],
    ["something else", "not of this version", (out) => writeFileSync(join(out, "run.json"), '{"schema":2}')],
    [
      "at use",
      `another run (process ${process.pid}) is writing there`,
      (out) => writeFileSync(join(out, ".run.lock"), String(process.pid)),
    ],
  ])("%s", async (_, says, change) => {
    await inTemporaryFolder(async (folder) => {
      expect(await refused(folder, change)).toContain(says);
    });
  });

  test("a directory that is not there is not made", async () => {
    await inTemporaryFolder(async (folder) => {
      const out = join(folder, "none");
      const ended = await command([...DEMO, "--out", out, "--resume"]);
      expect(ended.code).toBe(2);
      expect(ended.stderr).toContain("there is no run to continue");
      expect(existsSync(out)).toBe(false);
      expect(statSync(folder).isDirectory()).toBe(true);
    });
  });
});
