import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerCheck } from "../../lib/checks/answer.ts";
import { openSession } from "../../lib/checks/context.ts";
import { loadSuites } from "../../lib/checks/load.ts";
import type { Verdict } from "../../lib/checks/verdict.ts";
import { secretOf } from "../../lib/config/secret.ts";
import { BULK_DEFAULTS, type Target } from "../../lib/config/targets.ts";
import { createHttpClient } from "../../lib/http/client.ts";
import { createSecretVault } from "../../lib/http/secret-vault.ts";
import { procedures } from "../../suites/index.ts";
import { targetAt } from "../suites/server.ts";
import { startHostileBulkServer, TOKEN, type AttackName, type HostileBulkServer } from "./bulk.ts";

const MEGABYTE = 1024 * 1024;
/** Far less than any attack would make of it; what is collected as garbage in between is part of it. */
const MOST_MEMORY = 700 * MEGABYTE;
const TIME_LIMIT_SECONDS = 3;

let server: HostileBulkServer;
beforeEach(async () => {
  server = await startHostileBulkServer();
});
afterEach(() => server.close());

interface Suffered {
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** How much the process grew, in bytes. */
  readonly grown: number;
}

/** Puts some checks to an attack, as a run does, with little time for exports. */
async function suffer(attack: AttackName, ...checks: readonly string[]): Promise<Suffered> {
  const http = createHttpClient({
    vault: createSecretVault(),
    record: () => undefined,
    limits: { connectMs: 2000, headersMs: 2000, bodyIdleMs: 2000, totalMs: 8000, retryDelayMs: 10 },
  });
  const target: Target = {
    ...targetAt(server.base(attack), "system"),
    client: { id: "client", authentication: "client_secret_basic", secret: secretOf("secret", "a secret") },
    bulk: {
      ...BULK_DEFAULTS,
      timeLimitSeconds: TIME_LIMIT_SECONDS,
      pollSeconds: 0.05,
      maxLineBytes: MEGABYTE,
    },
  };
  const session = openSession(target, http);
  const before = process.memoryUsage.rss();
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  const verdicts = new Map<string, Verdict>();
  try {
    const known = loadSuites().flatMap((suite) => suite.checks);
    for (const id of checks) {
      const check = known.find((one) => one.id === `bulk-export.${id}`);
      if (check === undefined) throw new Error(`there is no check ${id}`);
      verdicts.set(id, (await answerCheck(check, session, procedures)).verdict);
    }
  } finally {
    clearInterval(timer);
    await session.close();
    await http.close();
  }
  return { verdicts, grown: peak - before };
}

/** A verdict in a few words: its status, and the codes of its findings. */
function inWords(verdict: Verdict | undefined): string {
  if (verdict === undefined) return "nothing";
  const codes = "findings" in verdict ? verdict.findings.map(({ code }) => code) : [];
  const reason = "reason" in verdict ? verdict.reason : "";
  return [verdict.status, ...new Set(codes), reason].filter((word) => word !== "").join(" ");
}

const DOWNLOADED = ["status-completes", "files-accessible", "lines-json"] as const;

describe("a hostile bulk data server", () => {
  it.each<[AttackName, string, RegExp]>([
    ["none", "files-accessible", /^pass/],
    ["none", "lines-json", /^pass/],
    ["endless-202", "status-completes", /^(fail|blocked).*not complete within/],
    ["retry-after-a-year", "status-completes", /^pass/],
    ["retry-after-zero", "status-completes", /^(fail|blocked).*not complete within/],
    ["retry-after-text", "status-completes", /^pass/],
    ["retry-after-long-ago", "status-completes", /^pass/],
    ["retry-after-a-year", "status-retry-after-form", /export\.retry-after/],
    ["retry-after-text", "status-retry-after-form", /export\.retry-after/],
    ["status-elsewhere", "status-url-own-origin", /url\.elsewhere/],
    ["status-elsewhere", "status-completes", /^blocked/],
    ["status-redirects-elsewhere", "status-completes", /^(fail|blocked)/],
    ["status-redirect-loop", "status-completes", /^(fail|blocked)/],
    ["endless-manifest", "status-completes", /^(fail|blocked)/],
    ["deep-manifest", "manifest-schema", /^(fail|blocked)/],
    ["hundred-thousand-files", "files-accessible", /^(fail|blocked|pass)/],
    ["files-elsewhere", "files-own-origin", /url\.elsewhere/],
    ["files-at-a-private-address", "files-accessible", /url\.private/],
    ["files-in-the-file-system", "files-accessible", /^fail url\./],
    ["files-with-a-password", "files-accessible", /^fail url\./],
    ["file-redirects-elsewhere", "files-own-origin", /url\.elsewhere/],
    ["file-redirect-loop", "files-accessible", /http\.redirect-loop/],
    ["file-redirect-chain", "files-accessible", /http\.too-many-redirects/],
    ["long-line", "lines-json", /file\.line/],
    ["cut-line", "lines-whole", /file\.cut/],
    ["short-file", "files-accessible", /^fail http\./],
    // What broke on the way was not written so.
    ["short-file", "lines-whole", /^(pass|blocked)/],
    ["short-file", "lines-json", /^(pass|blocked)/],
    ["shrinking-file", "files-accessible", /^fail export\.file-/],
    ["shrinking-range", "files-accessible", /^fail export\.file-/],
    ["changing-file", "files-accessible", /^fail export\.file-/],
    ["reset-with-ranges", "files-accessible", /^pass/],
    ["reset-with-ranges", "lines-json", /^pass/],
    ["reset-without-ranges", "files-accessible", /^pass/],
    ["gzip-bomb", "files-accessible", /^fail http\.decompressed-too-large/],
    ["gzip-cut", "files-accessible", /^fail http\./],
    ["dripping-file", "files-accessible", /^(blocked|fail)/],
    // What would go on for ever, or for gigabytes, would not end within the test's own time.
  ])("%s: %s answers %s", { timeout: 60_000 }, async (attack, check, expected) => {
    const { verdicts, grown } = await suffer(attack, check);
    expect(inWords(verdicts.get(check))).toMatch(expected);
    expect(grown).toBeLessThan(MOST_MEMORY);
    expect(server.strays).toEqual([]);
  });

  it("never gets the token to another origin, whatever it tries", { timeout: 120_000 }, async () => {
    const attempts: AttackName[] = [
      "status-elsewhere",
      "status-redirects-elsewhere",
      "files-elsewhere",
      "file-redirects-elsewhere",
    ];
    for (const attack of attempts) await suffer(attack, ...DOWNLOADED);
    expect(server.strays.filter(({ authorization = "" }) => authorization.includes(TOKEN))).toEqual([]);
    expect(server.strays).toEqual([]);
  });

  it("is not flooded with looks when it says Retry-After: 0", async () => {
    await suffer("retry-after-zero", "status-completes");
    expect(server.asked("/jobs/1")).toBeLessThan(40);
  });
});
