import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { CheckResult } from "../../lib/checks/results.ts";
import type { Changes } from "../../lib/report/history.ts";
import { buildReports } from "../../lib/report/build.ts";
import { verdict, writeResultsFolder, type FixtureOptions } from "./fixture.ts";

const root = mkdtempSync(join(tmpdir(), "history-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let out: string;
let runs = 0;
beforeEach(() => {
  out = join(root, `out-${++runs}`);
});

let day = 0;
/** Runs of one output directory, a day apart. */
async function run(results: CheckResult[], options: FixtureOptions = {}): Promise<Changes> {
  day++;
  const startedAt = new Date(Date.UTC(2026, 0, day)).toISOString();
  writeResultsFolder(out, results, { run: `run-${day}`, startedAt, ...options });
  await buildReports({ resultsDirs: [out], out, formats: [] });
  return JSON.parse(readFileSync(join(out, "changes.json"), "utf8")) as Changes;
}

const checks = (changes: readonly { readonly check: string }[]): string[] =>
  changes.map(({ check }) => check);

describe("history of an output directory", () => {
  it("calls nothing new on the first run", async () => {
    const changes = await run([verdict("s.a", "fail")]);
    expect(changes.since).toBeNull();
    expect(changes.newFailures).toEqual([]);
  });

  it("tells new failures from fixed and from continuing ones", async () => {
    await run([
      verdict("s.a", "pass"),
      verdict("s.b", "fail"),
      verdict("s.c", "fail"),
      verdict("s.d", "warn"),
    ]);
    const changes = await run([
      verdict("s.a", "fail"),
      verdict("s.b", "pass"),
      verdict("s.c", "fail"),
      verdict("s.d", "pass"),
      verdict("s.e", "warn"),
    ]);
    expect(changes.newFailures).toMatchObject([{ check: "s.a", before: "pass" }]);
    expect(changes.fixed).toMatchObject([{ check: "s.b", before: "fail", status: "pass" }]);
    expect(changes.stillFailing).toBe(1);
    expect(checks(changes.resolvedWarnings)).toEqual(["s.d"]);
    expect(checks(changes.newWarnings)).toEqual(["s.e"]);
    expect(readFileSync(join(out, "summary.md"), "utf8")).toMatch(/\*\*Fixed \(1\)\*\*\n\n- `s\.b`/);
  });

  it("does not call a failure fixed that was blocked or not run, nor new when it comes back", async () => {
    await run([verdict("s.a", "fail"), verdict("s.b", "fail")]);
    const partial = await run([verdict("s.a", "blocked")]);
    expect(partial.fixed).toEqual([]);
    expect(checks(partial.noLongerAnswered)).toEqual(["s.a"]);
    expect(checks(partial.failuresNotRunAgain)).toEqual(["s.b"]);
    const back = await run([verdict("s.a", "fail"), verdict("s.b", "pass")]);
    expect(back.newFailures).toEqual([]);
    expect(back.stillFailing).toBe(1);
    expect(checks(back.fixed)).toEqual(["s.b"]);
  });

  it("keeps tenants, environments and APIs apart", async () => {
    await run([verdict("s.a", "pass")]);
    expect((await run([verdict("s.a", "fail")], { environment: "production" })).since).toBeNull();
    const other = await run([verdict("s.a", "fail", { api: "provider-system-access" })]);
    expect(other.newFailures).toMatchObject([{ check: "s.a", api: "provider-system-access" }]);
    expect(other.newFailures[0]).not.toHaveProperty("before");
  });

  it("survives a line that was cut off, and a report that is built twice", async () => {
    await run([verdict("s.a", "pass")]);
    appendFileSync(join(out, "history.ndjson"), '{"schema":1,"run":"run-x","ten');
    const changes = await run([verdict("s.a", "fail")]);
    await buildReports({ resultsDirs: [out], out, formats: [] });
    expect(JSON.parse(readFileSync(join(out, "changes.json"), "utf8"))).toEqual(changes);
    expect(checks(changes.newFailures)).toEqual(["s.a"]);
    expect(readFileSync(join(out, "history.ndjson"), "utf8").trim().split("\n")).toHaveLength(2);
  });
});
