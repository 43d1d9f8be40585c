/** The reporter under vitest as the runner uses it, in a process of its own that can be killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { TestResult } from "allure-js-commons";
import { afterAll, describe, expect, it } from "vitest";
import type { CheckResult } from "../../lib/checks/results.ts";
import { exchangeReader } from "../../lib/report/evidence.ts";
import { mapToAllure } from "../../lib/report/allure/mapping.ts";
import { verdict, writeExchange } from "./fixture.ts";

const packageRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
// `npm test` builds first: workers of a nested vitest get the compiled reporter, as users do.
const REPORTER = pathToFileURL(join(packageRoot, "dist", "lib", "report", "allure", "reporter.js")).href;

const root = mkdtempSync(join(tmpdir(), "reporter-"));
symlinkSync(join(packageRoot, "node_modules"), join(root, "node_modules"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Starts a run whose tests hand these verdicts over; one that `waits` never ends. */
function startRun(
  folder: string,
  results: readonly (CheckResult | "waits" | "throws")[],
  options: { readonly recorded?: number } = {},
) {
  const project = join(folder, "project");
  mkdirSync(project, { recursive: true });
  writeFileSync(
    join(project, "entry.test.mjs"),
    `import { appendFileSync } from "node:fs";
     import { describe, test } from "vitest";
     describe.concurrent("suite", () => {
       for (const [index, result] of ${JSON.stringify(results)}.entries()) {
         test("check " + index, async (context) => {
           if (result === "waits") await new Promise((end) => setTimeout(end, 3_600_000));
           if (result === "throws") throw new Error("outside of any check");
           if (index < ${options.recorded ?? 0}) appendFileSync(${JSON.stringify(join(folder, "results.ndjson"))}, JSON.stringify(result) + "\\n");
           context.task.meta.careconnect = result;
           if (result.status === "fail" || result.status === "error") throw new Error("expected x to be y");
           if (result.status === "blocked" || result.status === "not-applicable") context.skip(result.reason);
         });
       }
     });`,
  );
  const script = join(project, "run.mjs");
  writeFileSync(
    script,
    `import { startVitest } from "vitest/node";
     import { AllureReporter } from ${JSON.stringify(REPORTER)};
     const reporter = new AllureReporter({ folder: ${JSON.stringify(folder)}, apiTitles: new Map([["provider-patient-access", "Patient access"]]) });
     const vitest = await startVitest("test", [], {
       root: ${JSON.stringify(project)}, config: false, watch: false, include: ["entry.test.mjs"], cache: false,
       maxWorkers: 1, maxConcurrency: 20, testTimeout: 0, reporters: [reporter],
       // A thread ends with its process, also when that is killed; a forked worker would stay.
       pool: "threads",
     });
     await vitest.close();
     process.exit(0);`,
  );
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^VITEST|^NODE_ENV|^TEST$/.test(name)),
  );
  const child = spawn(process.execPath, [script], {
    cwd: project,
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  return child;
}

function writtenResults(folder: string): TestResult[] {
  const results = join(folder, "allure-results");
  if (!existsSync(results)) return [];
  return readdirSync(results)
    .filter((name) => name.endsWith("-result.json"))
    .map((name) => JSON.parse(readFileSync(join(results, name), "utf8")) as TestResult);
}

const byId = (a: TestResult, b: TestResult): number => a.uuid.localeCompare(b.uuid);

describe.skipIf(!existsSync(fileURLToPath(REPORTER)))(
  "the reporter (skipped without `npm run build`)",
  () => {
    it("writes what a rebuild from results would write, for every status", async () => {
      const folder = join(root, "all");
      const exchange = writeExchange(folder, "x0001", "a body");
      const results = (["pass", "fail", "warn", "info", "blocked", "not-applicable", "error"] as const).map(
        (status) => verdict(`suite.${status}`, status, { exchanges: [exchange] }),
      );
      const stale = join(folder, "allure-results");
      mkdirSync(stale, { recursive: true });
      writeFileSync(join(stale, "of-an-earlier-run-result.json"), "{}");
      const child = startRun(folder, results);
      const [code] = (await once(child, "exit")) as [number];
      expect(code).toBe(0);
      const expected = results.map((result) =>
        mapToAllure(result, { readExchange: exchangeReader(folder), apiTitle: "Patient access" }),
      );
      expect(writtenResults(folder).toSorted(byId)).toEqual(
        expected.map(({ test }) => JSON.parse(JSON.stringify(test)) as TestResult).toSorted(byId),
      );
      for (const { fileName, content } of expected.flatMap(({ files }) => files)) {
        expect(readFileSync(join(stale, fileName), "utf8")).toBe(content);
      }
    });

    it("has written every recorded verdict when the run is killed, also what vitest held back", async () => {
      const folder = join(root, "killed");
      const verdicts = Array.from({ length: 20 }, (_, index) =>
        verdict(`suite.check-${index}`, index % 2 === 0 ? "pass" : "fail"),
      );
      const child = startRun(folder, [...verdicts.slice(0, 19), "waits"], { recorded: 19 });
      const deadline = Date.now() + 45_000;
      while (writtenResults(folder).length < 19 && Date.now() < deadline) await pause(50);
      child.kill("SIGKILL");
      await once(child, "exit");
      expect(new Set(writtenResults(folder).map(({ fullName, status }) => `${fullName} ${status}`))).toEqual(
        new Set(
          verdicts
            .slice(0, 19)
            .map(
              ({ check, status }) =>
                `provider-patient-access/${check} ${status === "pass" ? "passed" : "failed"}`,
            ),
        ),
      );
    });

    it("reports a test without a verdict as what it is", async () => {
      const folder = join(root, "plain");
      await once(startRun(folder, ["throws"]), "exit");
      expect(writtenResults(folder)).toMatchObject([
        { name: "check 0", status: "broken", statusDetails: { message: "outside of any check" } },
      ]);
    });
  },
);
