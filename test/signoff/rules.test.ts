import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { CheckResult, RunDescription } from "../../lib/checks/results.ts";
import { loadSuites } from "../../lib/checks/load.ts";
import { DecisionNotAllowed } from "../../lib/report/signoff/assemble.ts";
import type { Signoff } from "../../lib/report/signoff/model.ts";
import { patternOf } from "../../lib/runner/plan.ts";
import { verdict } from "../report/fixture.ts";
import { inTemporaryFolder } from "../cli/process.ts";
import { ATTESTED, GREEN, settings, signOff, writeRun } from "./example.ts";

const broken = (signoff: Signoff) =>
  signoff.rules.filter(({ count }) => count > 0).map(({ rule }) => rule.id);
const waiver = { id: "W-1", reason: "It is being corrected.", owner: "Somebody", expires: "2026-12-31" };
const runWaiver = { ...waiver, check: "auth-flows.one", verdicts: 1, findings: 1 } as const;
const waived = (complete: boolean): Partial<CheckResult> => ({
  waived: { complete, waivers: [{ ...waiver, findings: [0] }] },
});

test("go when every rule holds", async () => {
  await inTemporaryFolder(async (folder) => {
    writeRun(folder);
    const signoff = signOff(folder);
    expect(broken(signoff)).toEqual([]);
    expect(signoff.ruled).toBe("go");
    expect(signoff.checklist).toHaveLength(9);
    expect(signoff.checklist.map(({ state }) => state)).toEqual([
      "attested",
      "attested",
      "attested",
      "attested",
      "met",
      "met",
      "attested",
      "attested",
      "met",
    ]);
  });
});

interface Case {
  readonly results?: readonly CheckResult[];
  readonly run?: Partial<RunDescription>;
  readonly input?: Parameters<typeof signOff>[1];
  readonly append?: string;
}

describe("no go, whoever decides, when", () => {
  test.each<[string, string, Case]>([
    ["the results are of another tenant", "right-target", { input: { tenant: "elsewhere" } }],
    ["the results are of another environment", "right-target", { input: { environment: "production" } }],
    ["the run was interrupted", "complete", { run: { state: "interrupted" } }],
    ["verdicts are missing", "complete", { run: { planned: 100 } }],
    ["nothing was asked", "complete", { results: [], run: { planned: 0 } }],
    [
      "only a suite was asked",
      "whole",
      { run: { selection: { apis: [], suites: ["us-core"], checks: [] } } },
    ],
    ["only an API was asked", "whole", { run: { selection: { apis: ["ccd"], suites: [], checks: [] } } }],
    ["a line cannot be read", "readable", { append: '{"cut' }],
    ["the results are too old", "recent", { run: { startedAt: "2026-11-15T11:59:00Z" } }],
    ["the results are of the future", "recent", { run: { startedAt: "2026-11-22T14:00:00Z" } }],
    ["the configuration was changed", "same-configuration", { input: { changed: ["config/apis.yaml"] } }],
    ["the harness failed", "no-errors", { results: [...GREEN, verdict("auth-flows.one", "error")] }],
    [
      "a requirement is not met",
      "requirements-met",
      { results: [...GREEN, verdict("auth-flows.one", "fail")] },
    ],
    [
      "one finding of several is not waived",
      "requirements-met",
      { results: [...GREEN, verdict("auth-flows.one", "fail", waived(false))] },
    ],
    [
      "a required question is blocked",
      "nothing-required-is-blocked",
      { results: [...GREEN, verdict("other.one", "blocked")] },
    ],
    [
      "a waiver had expired in the run",
      "waivers-hold",
      { run: { waivers: [{ ...runWaiver, state: "expired" }] } },
    ],
    [
      "a waiver has expired since",
      "waivers-hold",
      { run: { waivers: [{ ...runWaiver, state: "applied", expires: "2026-11-21" }] } },
    ],
    [
      "a check contradicts the checklist",
      "checklist-met",
      { results: [...GREEN, verdict("scopes.one", "fail")] },
    ],
  ])("%s", async (_, rule, { results, run, input, append }) => {
    await inTemporaryFolder(async (folder) => {
      writeRun(folder, results, run);
      if (append !== undefined) appendFileSync(join(folder, "results.ndjson"), append);
      const signoff = signOff(folder, input);
      expect(broken(signoff)).toContain(rule);
      expect(signoff.ruled).toBe("no-go");
      for (const decision of ["go", "conditional"] as const) {
        const decided = { decision, by: "Ada", role: "Lead", note: "Never mind." };
        expect(() => signOff(folder, { ...input, decided })).toThrow(DecisionNotAllowed);
      }
      const decided = { decision: "no-go", by: "Ada", role: "Lead" } as const;
      expect(signOff(folder, { ...input, decided }).decided).toEqual(decided);
    });
  });
});

describe("go at most under conditions when", () => {
  test.each<[string, string, Case]>([
    [
      "a failure is waived",
      "no-waived-failures",
      { results: [...GREEN, verdict("auth-flows.one", "fail", waived(true))] },
    ],
    [
      "there was no test data for a required question",
      "data-to-test-with",
      { results: [...GREEN, verdict("us-core.one", "no-data", { level: "SHALL" })] },
    ],
    [
      "an item is not attested",
      "checklist-attested",
      { input: { attestations: ATTESTED.filter(({ item }) => item !== "error-handling") } },
    ],
    [
      "an attestation is of another environment",
      "checklist-attested",
      { input: { attestations: ATTESTED.map((one) => ({ ...one, environment: "sandbox" })) } },
    ],
    [
      "an attestation is too old",
      "checklist-attested",
      { input: { attestations: ATTESTED.map((one) => ({ ...one, at: "2026-08-01" })) } },
    ],
    [
      "an attestation is of a day to come",
      "checklist-attested",
      { input: { attestations: ATTESTED.map((one) => ({ ...one, at: "2026-11-23" })) } },
    ],
    [
      "an item has no answer",
      "checklist-answered",
      { results: GREEN.filter(({ suite }) => suite !== "capability-statement") },
    ],
  ])("%s", async (_, rule, { results, run, input }) => {
    await inTemporaryFolder(async (folder) => {
      writeRun(folder, results, run);
      expect(broken(signOff(folder, input))).toEqual([rule]);
      expect(signOff(folder, input).ruled).toBe("conditional");
      const go = { decision: "go", by: "Ada", role: "Lead" } as const;
      expect(() => signOff(folder, { ...input, decided: go })).toThrow(/cannot be go, at best conditional/);
      const conditional = { ...go, decision: "conditional", note: "Until then, v1 stays." } as const;
      expect(signOff(folder, { ...input, decided: conditional }).decided?.decision).toBe("conditional");
    });
  });
});

test("an attestation cannot contradict a failed check, and answers an item for which no check could", async () => {
  await inTemporaryFolder(async (folder) => {
    const item = { ...ATTESTED[0]!, item: "scope-syntax" };
    const withoutScopes = GREEN.filter(({ check }) => !check.endsWith("-scope"));
    writeRun(folder, withoutScopes);
    const stateOf = () =>
      signOff(folder, { attestations: [...ATTESTED, item] }).checklist.find(({ id }) => id === item.item)
        ?.state;
    expect(stateOf()).toBe("attested");
    writeRun(folder, [...withoutScopes, verdict("scopes.one", "fail")]);
    expect(stateOf()).toBe("not-met");
  });
});

test("warnings and what is not applicable stand in nobody's way, and are told", async () => {
  await inTemporaryFolder(async (folder) => {
    writeRun(folder, [...GREEN, verdict("us-core.one", "warn"), verdict("us-core.two", "not-applicable")]);
    const signoff = signOff(folder);
    expect(signoff.ruled).toBe("go");
    expect(signoff.warnings).toHaveLength(1);
    expect(signoff.warnings[0]?.means).toBe(settings.meaning.suites["us-core"]);
    expect(signoff.untested.map(({ kind }) => kind)).toEqual(["not-applicable", "not-asked"]);
  });
});

test("of the comparison of v1 and v2, summaries come first, and only what differs in detail", async () => {
  await inTemporaryFolder(async (folder) => {
    const compared = (check: string, status: "pass" | "fail") =>
      verdict(check, status, { tables: [{ id: "t", title: check, columns: ["A"], rows: [["a"]] }] });
    writeRun(folder, [
      ...GREEN,
      compared("migration.contents:Goal", "fail"),
      compared("migration.contents:Patient", "pass"),
      compared("migration.ids", "pass"),
      compared("migration.what-changes", "pass"),
      compared("migration.totals", "fail"),
    ]);
    expect(signOff(folder).parity.map(({ title }) => title)).toEqual([
      "migration.totals",
      "migration.what-changes",
      "migration.ids",
      "migration.contents:Goal",
    ]);
  });
});

test("every item that checks answer names checks that there are", () => {
  const suites = loadSuites();
  const ids = suites.flatMap(({ checks }) => checks.map(({ id }) => id));
  for (const { id, checks = [] } of settings.checklist) {
    const found = checks.filter((pattern) => ids.some((one) => patternOf(pattern).test(one)));
    expect(checks.length === 0 || found.length > 0, id).toBe(true);
    // Of the suites that are there, no id may be wrong.
    const unknown = checks.filter(
      (pattern) => suites.some((suite) => pattern.startsWith(`${suite.id}.`)) && !found.includes(pattern),
    );
    expect(unknown, id).toEqual([]);
  }
});
