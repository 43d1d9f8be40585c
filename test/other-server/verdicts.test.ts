import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CheckResult } from "../../lib/checks/results.ts";
import { command, inTemporaryFolder } from "../cli/process.ts";
import { startOtherServer } from "./server.ts";

test("servers that conform in their own way have nothing to fail", { timeout: 120_000 }, async () => {
  const server = await startOtherServer();
  try {
    await inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, "conf", "tenants"), { recursive: true });
      writeFileSync(
        join(folder, "conf", "tenants", "clinic.yaml"),
        [
          "name: Clinic",
          "environments:",
          "  preview:",
          "    apis:",
          `      users: { fhirBase: "${server.users}", access: patient }`,
          `      backends: { fhirBase: "${server.backends}", access: system }`,
        ].join("\n"),
      );
      const args = [
        "run",
        "--config",
        "conf",
        "--tenant",
        "clinic",
        "--environment",
        "preview",
        "--out",
        "out",
      ];
      const suites = ["--suite", "smart-configuration,capability-statement", "--format", "junit"];
      const ended = await command([...args, ...suites], { cwd: folder });
      const results = readFileSync(join(folder, "out", "results.ndjson"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as CheckResult);
      const against = results.filter(({ status }) => ["fail", "blocked", "error"].includes(status));
      expect(against.map(({ api, check, summary, findings }) => ({ api, check, summary, findings }))).toEqual(
        [],
      );
      expect(results.filter(({ status }) => status === "pass").length).toBeGreaterThan(500);
      expect(ended.code).toBe(0);
    });
  } finally {
    await server.close();
  }
});
