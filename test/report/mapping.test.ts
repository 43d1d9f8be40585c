import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { exchangeReader } from "../../lib/report/evidence.ts";
import { mapToAllure } from "../../lib/report/allure/mapping.ts";
import type { Status } from "../../lib/checks/verdict.ts";
import { finding, verdict, writeExchange } from "./fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "mapping-"));
const readExchange = exchangeReader(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const labelsOf = (result: ReturnType<typeof mapToAllure>, name: string): string[] =>
  result.test.labels.filter((label) => label.name === name).map(({ value }) => value);

describe("a verdict in Allure", () => {
  it.each<[Status, string]>([
    ["pass", "passed"],
    ["fail", "failed"],
    ["warn", "passed"],
    ["info", "passed"],
    ["blocked", "skipped"],
    ["not-applicable", "skipped"],
    ["error", "broken"],
  ])("has for %s the status %s", (status, expected) => {
    const mapped = mapToAllure(verdict("suite.check", status), { readExchange });
    expect(mapped.test.status).toBe(expected);
    expect(labelsOf(mapped, "verdict")).toEqual([status]);
  });

  it("tells of a warning in its name, a label and a tag", () => {
    const mapped = mapToAllure(verdict("suite.check", "warn"), { readExchange });
    expect(mapped.test.name).toMatch(/^⚠ /);
    expect(labelsOf(mapped, "conformance")).toEqual(["warning"]);
    expect(labelsOf(mapped, "tag")).toContain("Warning");
  });

  it("says what was expected, seen and what to do", () => {
    const { test } = mapToAllure(verdict("suite.check", "fail"), { readExchange });
    expect(test.statusDetails.message).toMatch(/Expected: an array with S256/);
    expect(test.statusDetails.message).toMatch(/Seen: \["plain"\]/);
    expect(test.statusDetails.message).toMatch(/What to do: Offer S256/);
    expect(test.statusDetails.expected).toMatch(/S256/);
    expect(test.statusDetails.actual).toBe('["plain"]');
    expect(test.description).toContain("--check suite.check");
  });

  it("keeps the reason of what was not answered", () => {
    const blocked = mapToAllure(verdict("suite.check", "blocked"), { readExchange });
    expect(blocked.test.statusDetails.message).toBe(
      "Blocked: the SMART configuration could not be read (explained by smart-configuration.served)",
    );
    const other = mapToAllure(verdict("suite.check", "not-applicable"), { readExchange });
    expect(other.test.statusDetails.message).toBe("Not applicable: the tenant does not offer OpenID Connect");
  });

  it("is the same test case in every run, tenant and environment, with a history for each target", () => {
    const result = verdict("suite.check", "pass");
    const here = mapToAllure(result, { readExchange }).test;
    const later = mapToAllure(
      { ...result, run: "run-2", title: "Renamed" },
      { readExchange: exchangeReader("/elsewhere") },
    ).test;
    const there = mapToAllure({ ...result, environment: "production" }, { readExchange }).test;
    expect(later.testCaseId).toBe(here.testCaseId);
    expect(later.historyId).toBe(here.historyId);
    expect(later.fullName).toBe("provider-patient-access/suite.check");
    expect(later.uuid).not.toBe(here.uuid);
    expect(there.testCaseId).toBe(here.testCaseId);
    expect(there.historyId).not.toBe(here.historyId);
  });

  it("shows each exchange once, at the finding it proves", () => {
    const first = writeExchange(folder, "x0001", "first body");
    const second = writeExchange(folder, "x0002", "second body");
    const mapped = mapToAllure(
      verdict("suite.check", "fail", {
        findings: [finding({ exchange: second }), finding({ exchange: second, message: "again" })],
        exchanges: [first, second],
      }),
      { readExchange },
    );
    const [step, again, requests] = mapped.test.steps;
    expect(step?.attachments.map(({ name }) => name)).toEqual([
      expect.stringMatching(/^x0002: GET .* → 200$/),
    ]);
    expect(again?.attachments).toEqual([]);
    expect(requests?.attachments).toHaveLength(1);
    expect(mapped.files.map(({ content }) => content).join("\n")).toMatch(/second body[^]*first body/);
    expect(new Set(mapped.files.map(({ fileName }) => fileName)).size).toBe(2);
  });

  it("says so when exchanges were not kept, and reads no file outside of the evidence", () => {
    const mapped = mapToAllure(
      verdict("suite.check", "pass", { exchanges: ["../run", "..", "/etc/hostname", "x9999"] }),
      { readExchange },
    );
    expect(mapped.files).toEqual([]);
    expect(mapped.test.steps[0]?.steps[0]?.name).toMatch(/4 exchanges were not kept/);
  });

  it("counts every finding and shows the first twenty", () => {
    const findings = Array.from({ length: 57 }, (_, index) => finding({ message: `finding ${index}` }));
    const { test } = mapToAllure(verdict("suite.check", "fail", { findings }), { readExchange });
    expect(test.steps).toHaveLength(21);
    expect(test.steps.at(-1)?.name).toMatch(/37 more findings/);
    expect(test.statusDetails.message).toMatch(/Finding 20 of 57/);
  });

  it("marks a known issue without changing its status", () => {
    const knownIssue = {
      id: "TRACK-7",
      check: "suite.check",
      reason: "fix announced",
      url: "https://example.org/7",
    };
    const { test } = mapToAllure(verdict("suite.check", "fail"), { readExchange, knownIssue });
    expect(test.status).toBe("failed");
    expect(test.links).toContainEqual({ name: "TRACK-7", url: "https://example.org/7", type: "issue" });
    expect(test.labels).toContainEqual({ name: "tag", value: "Known issue" });
  });

  it("links requirements to web addresses only", () => {
    const requirements = [
      { id: "a#1", url: "https://example.org/a" },
      { id: "a#2", url: "javascript:alert(1)" },
    ];
    const { test } = mapToAllure(verdict("suite.check", "pass", { requirements }), { readExchange });
    expect(test.links.map(({ url }) => url)).toEqual(["https://example.org/a"]);
    expect(test.labels.filter(({ name }) => name === "requirement").map(({ value }) => value)).toEqual([
      "a#1",
      "a#2",
    ]);
    expect(test.description).not.toContain("javascript:");
  });
});
