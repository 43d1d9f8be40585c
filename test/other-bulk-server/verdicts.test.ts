import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CheckResult } from "../../lib/checks/results.ts";
import { command, inTemporaryFolder } from "../cli/process.ts";
import { CLIENT, startOtherBulkServer, type BulkVariant, type OtherBulkServer } from "./server.ts";

interface Asked {
  readonly server: OtherBulkServer;
  readonly results: readonly CheckResult[];
}

/** Asks a server everything about exports, told only its base, a client and a group. */
async function ask(
  variant: BulkVariant,
  more: (server: OtherBulkServer) => readonly string[] = () => [],
): Promise<Asked> {
  const server = await startOtherBulkServer(variant);
  try {
    return await inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, "conf", "tenants"), { recursive: true });
      const client = [
        "        client:",
        `          id: ${CLIENT}`,
        "          authentication: client_secret_basic",
        "          secret: ${env:CLINIC_SECRET}",
      ];
      const lines = [
        "name: Clinic",
        "environments:",
        "  preview:",
        "    apis:",
        "      bulk:",
        `        fhirBase: "${server.base}"`,
        ...(variant.isPublic === true
          ? ["        access: public", "        standards: [bulk-data-2.0.0, us-core-6.1.0]"]
          : ["        access: system", ...client]),
        ...(variant.levels.includes("group") ? [`        groups: [${server.group}]`] : []),
        ...more(server),
      ];
      writeFileSync(join(folder, "conf", "tenants", "clinic.yaml"), lines.join("\n"));
      const args = ["--config", "conf", "--tenant", "clinic", "--environment", "preview", "--out", "out"];
      const ended = await command(["run", ...args, "--suite", "bulk-export"], {
        cwd: folder,
        env: { CLINIC_SECRET: server.secret },
      });
      const results = readFileSync(join(folder, "out", "results.ndjson"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as CheckResult);
      expect(ended.stderr).not.toContain("Error");
      return { server, results };
    });
  } finally {
    await server.close();
  }
}

/** What was found, in a form that a failed test shows at once. */
const found = (results: readonly CheckResult[], ...statuses: CheckResult["status"][]) =>
  results
    .filter(({ status }) => statuses.includes(status))
    .map(({ check, status, summary }) => `${status} ${check}: ${summary}`);

const checksWith = (results: readonly CheckResult[], status: CheckResult["status"]) =>
  results.filter((each) => each.status === status).map(({ check }) => check);

const WRONG = ["fail", "blocked", "error"] as const;

// They wait more than they work: all at once takes as long as the slowest.
describe.concurrent(
  "a server that conforms in its own way has nothing to fail:",
  { timeout: 240_000 },
  () => {
    it("patients and everything, no group, by GET only, slow, and sparing with words", async () => {
      const { server, results } = await ask({
        levels: ["system", "patient"],
        looks: 2,
        retryAfter: "date",
      });
      expect(found(results, ...WRONG)).toEqual([]);
      expect(checksWith(results, "not-applicable")).toEqual(
        expect.arrayContaining(["bulk-export.kick-off-level-group", "bulk-export.kick-off-post-equals-get"]),
      );
      expect(server.left()).toBe(0);
    });

    it("one group only, strict about headers, talkative", async () => {
      const { server, results } = await ask({
        levels: ["group"],
        looks: 1,
        retryAfter: "seconds",
        isTalkative: true,
        isStrict: true,
        filtersTypes: true,
        takesPost: true,
        readsGroups: true,
      });
      expect(found(results, ...WRONG)).toEqual([]);
      expect(checksWith(results, "not-applicable")).toEqual(
        expect.arrayContaining(["bulk-export.kick-off-level-system", "bulk-export.kick-off-level-patient"]),
      );
      expect(checksWith(results, "pass")).toEqual(
        expect.arrayContaining([
          "bulk-export.kick-off-post-equals-get",
          "bulk-export.kick-off-repeated-type",
        ]),
      );
      expect(server.left()).toBe(0);
    });

    it("public, at every level, finished at once, its exports declared nowhere", async () => {
      const { results } = await ask({
        levels: ["system", "patient", "group"],
        isPublic: true,
        isSilent: true,
        looks: 0,
        retryAfter: "nothing",
        filtersTypes: true,
      });
      expect(found(results, ...WRONG)).toEqual([]);
      expect(checksWith(results, "warn")).toContain("bulk-export.kick-off-levels-declared");
    });

    it("files in a storage at another origin that the configuration allows, which gets no token", async () => {
      const { server, results } = await ask(
        {
          levels: ["system", "patient", "group"],
          looks: 1,
          retryAfter: "seconds",
          hasStorage: true,
          isTalkative: true,
        },
        ({ storage }) => [`        bulk: { fileOrigins: ["${storage}"] }`],
      );
      expect(found(results, ...WRONG)).toEqual([]);
      expect(server.tokensAtStorage).toEqual([]);
    });

    it("files in a storage at another origin of which the configuration says nothing: not asked, not failed", async () => {
      const { server, results } = await ask({
        levels: ["group"],
        looks: 1,
        retryAfter: "seconds",
        hasStorage: true,
      });
      expect(found(results, "fail", "error")).toEqual([]);
      expect(server.tokensAtStorage).toEqual([]);
    });
  },
);
