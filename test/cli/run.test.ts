import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import formats from "ajv-formats";
import { afterEach, describe, expect, test } from "vitest";
import type { CheckResult, RunDescription } from "../../lib/checks/results.ts";
import { command, filesBelow, inTemporaryFolder, type Ended } from "./process.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const ajv = new Ajv();
(formats as unknown as (ajv: Ajv) => void)(ajv);
const schema = (name: string) =>
  ajv.compile(
    JSON.parse(readFileSync(join(root, "config", "schema", `${name}.schema.json`), "utf8")) as object,
  );
const isResult = schema("result");
const isRun = schema("run");

function readRun(out: string): { run: RunDescription; results: readonly CheckResult[] } {
  const run = JSON.parse(readFileSync(join(out, "run.json"), "utf8")) as RunDescription;
  expect(isRun(run), JSON.stringify(isRun.errors)).toBe(true);
  const results = readFileSync(join(out, "results.ndjson"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as CheckResult);
  for (const result of results) expect(isResult(result), JSON.stringify(isResult.errors)).toBe(true);
  return { run, results };
}

const DEMO = ["run", "--tenant", "demo", "--environment", "sandbox"];

describe("a run against the sandbox", () => {
  test(
    "asks every suite of every API, passes, and leaves the whole contract behind",
    { timeout: 300_000 },
    async () => {
      await inTemporaryFolder(async (out) => {
        const ended = await command([...DEMO, "--out", out]);
        expect(ended.stderr).not.toMatch(/FAIL|ERROR/);
        expect(ended.code).toBe(0);
        const { run, results } = readRun(out);
        expect(run.state).toBe("complete");
        expect(results).toHaveLength(run.planned);
        expect(run.counts.fail + run.counts.error + run.counts.blocked).toBe(0);
        expect(run.counts.pass).toBeGreaterThan(0);
        for (const name of ["report.html", "junit.xml", "summary.md", "history.ndjson"])
          expect(existsSync(join(out, name))).toBe(true);
        for (const id of new Set(results.flatMap((result) => result.exchanges)))
          expect(existsSync(join(out, "evidence", `${id}.json`))).toBe(true);
        for (const result of results) {
          if (result.status === "not-applicable") expect(result.reason).toBeTruthy();
          expect(result.summary).toMatch(/\.$/);
        }
      });
    },
  );

  test("asks one check alone", async () => {
    await inTemporaryFolder(async (out) => {
      const args = [
        ...DEMO,
        "--api",
        "provider-patient-access",
        "--check",
        "smart-configuration.pkce-s256",
        "--out",
        out,
        "--json",
      ];
      const ended = await command(args);
      expect(ended.code).toBe(0);
      const { results } = readRun(out);
      expect(results.map(({ check, status }) => [check, status])).toEqual([
        ["smart-configuration.pkce-s256", "pass"],
      ]);
      expect(JSON.parse(ended.stdout)).toMatchObject({ state: "complete", planned: 1, exitCode: 0 });
    });
  });

  test("fails with exit code 1 when a SHALL is not met, and says what to do", async () => {
    await inTemporaryFolder(async (out) => {
      const args = [
        ...DEMO,
        "--api",
        "provider-patient-access",
        "--suite",
        "smart-configuration",
        "--out",
        out,
      ];
      const ended = await command(args, {
        env: { CARECONNECT_SANDBOX_FAULTS: "smart-configuration.without-s256" },
      });
      expect(ended.code).toBe(1);
      const failed = readRun(out).results.filter(({ status }) => status === "fail");
      expect(failed.map(({ check }) => check)).toContain("smart-configuration.pkce-s256");
      expect(failed[0]?.remedy).toBeTruthy();
      expect(ended.stderr).toContain("FAIL  provider-patient-access smart-configuration.pkce-s256: Expected");
    });
  });

  test("keeps history in the same directory, and replaces results", async () => {
    await inTemporaryFolder(async (out) => {
      const args = [...DEMO, "--check", "smart-configuration.pkce-s256", "--out", out];
      await command(args);
      await command(args, { env: { CARECONNECT_SANDBOX_FAULTS: "smart-configuration.without-s256" } });
      expect(readRun(out).results).toHaveLength(4);
      expect(readFileSync(join(out, "history.ndjson"), "utf8").trim().split("\n")).toHaveLength(2);
      expect(readFileSync(join(out, "summary.md"), "utf8")).toContain("New failures (4)");
    });
  });
});

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

async function serve(handler: Parameters<typeof createServer>[1]): Promise<string> {
  const listening = createServer(handler as never);
  server = listening;
  await new Promise<void>((ready) => listening.listen(0, "127.0.0.1", ready));
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

function configure(folder: string, base: string, more = ""): string {
  mkdirSync(join(folder, "conf", "tenants"), { recursive: true });
  writeFileSync(
    join(folder, "conf", "tenants", "acme.yaml"),
    `name: Acme\nenvironments:\n  preview:\n    apis:\n      ours:\n        fhirBase: ${base}\n        access: patient\n${more}`,
  );
  return join(folder, "conf");
}

describe("a run that is stopped half-way", () => {
  test("keeps every finished verdict in results.ndjson and in Allure, and ends with 3", async () => {
    await inTemporaryFolder(async (folder) => {
      // Slow enough that a signal falls in the middle.
      const base = await serve((_, response) => setTimeout(() => response.writeHead(404).end(), 150));
      const config = configure(folder, base);
      const out = join(folder, "out");
      const written = () =>
        existsSync(join(out, "results.ndjson"))
          ? readFileSync(join(out, "results.ndjson"), "utf8").split("\n").length - 1
          : 0;
      const ended: Ended = await command(
        [
          "run",
          "--config",
          config,
          "--tenant",
          "acme",
          "--environment",
          "preview",
          "--concurrency",
          "1",
          "--out",
          out,
        ],
        {
          started: (child) => {
            const watch = setInterval(() => {
              if (written() < 5) return;
              clearInterval(watch);
              child.kill("SIGTERM");
            }, 10);
            child.on("close", () => clearInterval(watch));
          },
        },
      );
      expect(ended.code).toBe(3);
      const { run, results } = readRun(out);
      expect(run.state).toBe("interrupted");
      expect(results.length).toBeGreaterThanOrEqual(5);
      expect(results.length).toBeLessThan(run.planned);
      const allure = readdirSync(join(out, "allure-results"))
        .filter((name) => name.endsWith("-result.json"))
        .map(
          (name) => JSON.parse(readFileSync(join(out, "allure-results", name), "utf8")) as { status: string },
        );
      expect(allure).toHaveLength(results.length);
      expect(readFileSync(join(out, "summary.md"), "utf8")).toMatch(/[Ii]ncomplete|[Ff]ailed/);
    });
  });
});

test(
  "a second signal ends the run at once, and leaves it marked as interrupted",
  { timeout: 300_000 },
  async () => {
    await inTemporaryFolder(async (folder) => {
      const out = join(folder, "out");
      const written = () =>
        existsSync(join(out, "results.ndjson")) ? statSync(join(out, "results.ndjson")).size : 0;
      const args = ["run", "--tenant", "demo", "--environment", "sandbox", "--suite", "capability-statement"];
      const ended = await command([...args, "--out", out], {
        started: (child) => {
          const watch = setInterval(() => {
            if (written() === 0) return;
            clearInterval(watch);
            child.kill("SIGTERM");
            child.kill("SIGINT");
          }, 10);
          child.on("close", () => clearInterval(watch));
        },
      });
      expect(ended.code).toBe(3);
      const run = JSON.parse(readFileSync(join(out, "run.json"), "utf8")) as { state: string };
      expect(run.state).toBe("interrupted");
      expect(existsSync(join(out, ".run.lock"))).toBe(false);
    });
  },
);

/** A file's text, and what its long base64 runs hold: reports carry their data encoded. */
function readable(content: Buffer): string[] {
  const text = content.toString("utf8");
  const encoded = text.match(/[A-Za-z0-9+/]{200,}={0,2}/g) ?? [];
  return [text, ...encoded.map((run) => Buffer.from(run, "base64").toString("utf8"))];
}

describe("secrets", () => {
  const PLANTED = {
    secret: "planted-client-secret-7f3a9",
    token: "planted-access-token-51c0e2",
    code: "planted-code-aa9173bb",
    assertion: "eyJhbGciOiJFUzM4NCJ9.eyJzdWIiOiJwbGFudGVkLWFzc2VydGlvbiJ9.cGxhbnRlZC1zaWduYXR1cmU",
    cookie: "planted-cookie-6610d",
  };

  test("appear nowhere: not under the output directory, on the terminal, or in an error", async () => {
    await inTemporaryFolder(async (folder) => {
      const base = await serve((request, response) => {
        // A server that says back all it should keep to itself, in every place.
        const { secret, token, code, assertion, cookie } = PLANTED;
        const nested = encodeURIComponent(`https://app.example/callback?code=${code}&state=1`);
        const body = {
          issuer: `https://user:${secret}@issuer.example`,
          token_endpoint: `https://token.example/token?access_token=${token}&client_assertion=${assertion}`,
          authorization_endpoint: `https://token.example/authorize?redirect_uri=${nested}`,
          code_challenge_methods_supported: [
            secret,
            encodeURIComponent(secret),
            Buffer.from(`app:${secret}`).toString("base64"),
            `Bearer ${token}`,
          ],
          capabilities: [assertion, `access_token=${token}`, JSON.stringify({ refresh_token: token })],
          access_token: token,
          resourceType: "CapabilityStatement",
          description: `client_secret=${secret} and {"client_assertion":"${assertion}"}`,
        };
        response.setHeader("set-cookie", `session=${cookie}`);
        response.setHeader("www-authenticate", `Bearer error_description="${secret}"`);
        if (request.url?.includes("metadata") !== true)
          response.setHeader("location", `${base}/?code=${code}&access_token=${token}`);
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(body));
      });
      const config = configure(
        folder,
        base,
        '        client: { id: app, authentication: client_secret_basic, secret: "${env:PLANTED}" }\n',
      );
      const out = join(folder, "out");
      for (const evidence of ["full", "masked", "none"]) {
        const ended = await command(
          [
            "run",
            "--config",
            config,
            "--tenant",
            "acme",
            "--environment",
            "preview",
            "--evidence",
            evidence,
            "--out",
            out,
          ],
          {
            env: { PLANTED: PLANTED.secret },
          },
        );
        expect(ended.code).toBe(1);
        const shown = [
          ended.stdout,
          ended.stderr,
          ...[...filesBelow(out).entries()].flatMap(([name, content]) => [name, ...readable(content)]),
        ];
        for (const [label, value] of Object.entries(PLANTED)) {
          for (const form of [
            value,
            encodeURIComponent(value),
            Buffer.from(`app:${value}`).toString("base64"),
            Buffer.from(value).toString("base64"),
          ]) {
            const found = shown.find((text) => text.includes(form));
            expect(
              found === undefined
                ? undefined
                : `${label} (${evidence}): …${found.slice(Math.max(0, found.indexOf(form) - 200), found.indexOf(form))}`,
            ).toBeUndefined();
          }
        }
      }
    });
    // Three whole runs, and every file that they wrote.
  }, 300_000);
});

describe("the package, installed elsewhere", () => {
  test("runs with --config, and writes nothing into its own folder", async () => {
    await inTemporaryFolder(async (folder) => {
      const packed = execFileSync(
        "npm",
        ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder],
        { cwd: root, encoding: "utf8" },
      ).trim();
      execFileSync("tar", ["xzf", join(folder, packed.split("\n").at(-1) ?? ""), "-C", folder]);
      const installed = join(folder, "node_modules", "careconnect-conformance");
      mkdirSync(dirname(installed), { recursive: true });
      execFileSync("mv", [join(folder, "package"), installed]);
      symlinkSync(join(root, "node_modules"), join(installed, "node_modules"));
      const before = [...filesBelow(installed).keys()].filter((name) => !name.startsWith("node_modules"));
      execFileSync("chmod", ["-R", "a-w", installed]);
      const program = join(installed, "dist", "lib", "cli", "main.js");
      const work = join(folder, "work");
      mkdirSync(work);
      const demo = await command([...DEMO, "--api", "provider-system-access", "--out", join(work, "out")], {
        program,
        cwd: work,
      });
      expect(demo.stderr).not.toMatch(/FAIL|ERROR|careconnect-conformance:/);
      expect(demo.code).toBe(0);
      const base = await serve((_, response) => response.writeHead(404).end());
      const ended = await command(
        ["run", "--config", configure(work, base), "--tenant", "acme", "--environment", "preview"],
        { program, cwd: work },
      );
      expect(ended.code).toBe(1);
      expect(existsSync(join(work, "reports", "out", "preview", "acme", "report.html"))).toBe(true);
      expect([...filesBelow(installed).keys()].filter((name) => !name.startsWith("node_modules"))).toEqual(
        before,
      );
      execFileSync("chmod", ["-R", "u+w", installed]);
    });
  });
});
