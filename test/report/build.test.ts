import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  appendFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildReports } from "../../lib/report/build.ts";
import { outsideLoads } from "../../lib/report/allure/seal.ts";
import { readResults, UnreadableResults } from "../../lib/report/read.ts";
import type { CheckResult } from "../../lib/checks/results.ts";
import { finding, verdict, writeExchange, writeResultsFolder, writeSampleRun } from "./fixture.ts";
import { HOSTILE } from "./hostile.ts";

const root = mkdtempSync(join(tmpdir(), "reports-"));
let folders = 0;
const newFolder = (): string => join(root, `run-${++folders}`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("reports of a sample run", () => {
  const folder = newFolder();
  const printed: string[] = [];
  let files: readonly { kind: string; path: string }[];
  const stepSummary = join(root, "step-summary.md");
  beforeAll(async () => {
    writeSampleRun(folder);
    ({ files } = await buildReports({
      resultsDirs: [folder],
      out: folder,
      formats: ["allure", "junit", "github"],
      print: (line) => printed.push(line),
      environment: { GITHUB_STEP_SUMMARY: stepSummary },
      environmentVariables: { Build: "42" },
    }));
  });

  it("are all there, under the paths that are returned", () => {
    expect(files.map(({ kind }) => kind).toSorted()).toEqual([
      "allure",
      "allure-history",
      "allure-results",
      "changes",
      "history",
      "junit",
      "summary",
    ]);
    for (const { path } of files) expect(existsSync(path), path).toBe(true);
    expect(
      readdirSync(folder).filter((name) => name.startsWith(".allure-") || name.endsWith(".new")),
    ).toEqual([]);
  });

  it("hold a page with a policy and nothing that loads from elsewhere", () => {
    const html = readFileSync(join(folder, "report.html"), "utf8");
    expect(html).toContain(`http-equiv="Content-Security-Policy" content="default-src 'none'`);
    expect(outsideLoads(html)).toEqual([]);
    expect(html).not.toContain("googletagmanager");
    expect(/window\.allureReportOptions = (.*)/.exec(html)?.[1]).not.toMatch(/"ci":|branch|repoName/i);
    expect(html).toContain("CareConnect conformance — Riverside Behavioral Health · preview");
  });

  it("hold JUnit with failures, errors, reasons of skips, and warnings as output", () => {
    const xml = readFileSync(join(folder, "junit.xml"), "utf8");
    expect(XMLValidator.validate(xml)).toBe(true);
    const document = new XMLParser({ ignoreAttributes: false, isArray: (name) => name === "testcase" }).parse(
      xml,
    ) as {
      testsuites: Record<string, unknown> & {
        testsuite: { "@_name": string; testcase: Record<string, unknown>[] }[];
      };
    };
    expect(document.testsuites).toMatchObject({
      "@_tests": "12",
      "@_failures": "3",
      "@_errors": "1",
      "@_skipped": "3",
    });
    const cases = document.testsuites.testsuite.flatMap(({ testcase }) => testcase);
    const named = (check: string): Record<string, unknown> | undefined =>
      cases.find((entry) => String(entry["@_name"]).startsWith(`${check}:`));
    expect(named("smart-configuration.pkce-s256")?.["failure"]).toMatchObject({ "@_type": "json.value" });
    expect(JSON.stringify(named("smart-configuration.pkce-s256"))).toMatch(
      /Expected: .*Seen: .*What to do: /,
    );
    expect(named("capability-statement.spot-read")?.["skipped"]).toEqual({
      "@_message":
        "Blocked: the SMART configuration could not be read (explained by smart-configuration.served)",
    });
    expect(named("smart-configuration.scopes-supported")?.["system-out"]).toMatch(/^Warning \(SHOULD\): /);
    expect(named("capability-statement.digest")?.["error"]).toMatchObject({ "@_type": "harness-error" });
  });

  it("hold a summary with the verdict on top, what to do, reasons, and the table", () => {
    const summary = readFileSync(join(folder, "summary.md"), "utf8");
    expect(summary).toMatch(/^## ❌ Failed: Riverside Behavioral Health · preview\n/);
    expect(summary).toContain("3 failed, 1 warning");
    expect(summary).toContain("### Failures (3)");
    expect(summary).toContain("**What to do:** Offer S256");
    expect(summary).toContain("### Warnings (1)");
    expect(summary).toMatch(/\*\*1×\*\* no group is configured for this tenant/);
    expect(summary).toContain("### Not asked");
    expect(summary).toMatch(/\| `provider-patient-access` \| SMART configuration \| SHALL \| 1 \| 1 \|/);
    expect(readFileSync(stepSummary, "utf8")).toBe(summary);
  });

  it("print one annotation for each failure, error and warning", () => {
    expect(printed.map((line) => line.slice(0, line.indexOf(" ")))).toEqual([
      "::error",
      "::error",
      "::error",
      "::error",
      "::warning",
    ]);
  });

  it("hold the same Allure results when they are built again", async () => {
    const names = readdirSync(join(folder, "allure-results")).toSorted();
    mkdirSync(join(folder, ".allure-killed"));
    await buildReports({ resultsDirs: [folder], out: folder, formats: ["allure"] });
    expect(readdirSync(join(folder, "allure-results")).toSorted()).toEqual(names);
    expect(existsSync(join(folder, ".allure-killed"))).toBe(false);
    expect(readFileSync(join(folder, "history.jsonl"), "utf8").trim().split("\n")).toHaveLength(1);
    expect(readFileSync(join(folder, "history.ndjson"), "utf8").trim().split("\n")).toHaveLength(1);
  });
});

describe("a results directory", () => {
  it("is read up to where a kill cut it off, and the report says so", async () => {
    const folder = newFolder();
    writeResultsFolder(folder, [verdict("suite.one", "pass"), verdict("suite.two", "pass")], {
      state: "running",
      planned: 10,
    });
    appendFileSync(join(folder, "results.ndjson"), '{"schema":1,"check":"suite.thr');
    const { results, problems } = readResults(folder);
    expect(results.map(({ check }) => check)).toEqual(["suite.one", "suite.two"]);
    expect(problems).toEqual(["results.ndjson line 3 was cut off and is not in this report"]);
    await buildReports({ resultsDirs: [folder], out: folder, formats: ["allure"] });
    const summary = readFileSync(join(folder, "summary.md"), "utf8");
    expect(summary).toMatch(/^## ⚠️ Incomplete/);
    expect(summary).toContain("2 of 10 planned verdicts");
  });

  it("without results is refused by the name of the missing file", async () => {
    await expect(buildReports({ resultsDirs: [root], out: newFolder(), formats: [] })).rejects.toThrow(
      UnreadableResults,
    );
  });

  it("counts the later of two answers to one check", () => {
    const folder = newFolder();
    writeResultsFolder(folder, [verdict("suite.one", "fail"), verdict("suite.one", "pass")]);
    expect(readResults(folder).results.map(({ status }) => status)).toEqual(["pass"]);
  });
});

/** First line of the summary of such a run. */
async function headingOf(results: CheckResult[], options = {}): Promise<string> {
  const folder = newFolder();
  writeResultsFolder(folder, results, options);
  await buildReports({ resultsDirs: [folder], out: folder, formats: [] });
  return readFileSync(join(folder, "summary.md"), "utf8").split("\n")[0] ?? "";
}

describe("the result of a run as a whole", () => {
  it("passes only when every required question was answered well", async () => {
    expect(await headingOf([verdict("s.a", "pass"), verdict("s.b", "warn")])).toMatch(/✅ Passed/);
    expect(await headingOf([verdict("s.a", "pass"), verdict("s.b", "blocked")])).toMatch(/❌ Not verified/);
    expect(await headingOf([verdict("s.a", "not-applicable")])).toMatch(/❌ Not verified/);
    expect(await headingOf([])).toMatch(/❌ Not verified/);
  });

  it("fails on warnings when it is told to", async () => {
    expect(await headingOf([verdict("s.a", "warn")], { failOn: "warn" })).toMatch(/❌ Failed/);
  });

  it("is incomplete when the harness failed, and failed when both did", async () => {
    expect(await headingOf([verdict("s.a", "pass"), verdict("s.b", "error")])).toMatch(/Incomplete/);
    expect(await headingOf([verdict("s.a", "fail"), verdict("s.b", "error")])).toMatch(/❌ Failed/);
  });
});

describe("a run with many large answers", () => {
  it("makes a page of bounded size in which every failure still says what was expected and seen", async () => {
    const folder = newFolder();
    const body = JSON.stringify({ filler: "0123456789".repeat(6_000) });
    const results = Array.from({ length: 400 }, (_, index) => {
      const exchange = writeExchange(folder, `x${String(index).padStart(4, "0")}`, body);
      return verdict(`suite.check-${index}`, index % 2 === 0 ? "fail" : "pass", {
        findings: index % 2 === 0 ? [finding({ exchange, actual: `value ${index}` })] : [],
        exchanges: [exchange],
      });
    });
    writeResultsFolder(folder, results);
    await buildReports({ resultsDirs: [folder], out: folder, formats: ["allure"] });
    const files = readdirSync(join(folder, "allure-results"));
    const sizes = files.map((name) => readFileSync(join(folder, "allure-results", name)).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(20_000_000);
    const failures = files
      .filter((name) => name.endsWith("-result.json"))
      .map((name) => readFileSync(join(folder, "allure-results", name), "utf8"))
      .filter((text) => text.includes('"status":"failed"'));
    expect(failures).toHaveLength(200);
    for (const text of failures) expect(text).toMatch(/Expected: an array.*Seen: value \d+.*What to do/);
    expect(readFileSync(join(folder, "summary.md"), "utf8")).toMatch(/### Failures \(200\)[^]*#### 160 more/);
  });
});

describe("a known issue", () => {
  it("is named beside its failure, which counts all the same", async () => {
    const folder = newFolder();
    writeResultsFolder(folder, [verdict("suite.one", "fail"), verdict("suite.two", "pass")]);
    const knownIssues = ["suite.one", "suite.two"].map((check) => ({
      id: `TRACK-${check}`,
      check,
      reason: "a fix is announced",
      url: "https://example.org/issue",
    }));
    await buildReports({ resultsDirs: [folder], out: folder, formats: [], knownIssues });
    const summary = readFileSync(join(folder, "summary.md"), "utf8");
    expect(summary).toContain("❌ Failed");
    expect(summary).toContain(
      "**Known issue:** [TRACK-suite.one](<https://example.org/issue>), a fix is announced",
    );
    expect(summary).not.toContain("TRACK-suite.two");
  });
});

describe("several results directories", () => {
  it("become one page with an environment each, even with names Allure would refuse", async () => {
    const [one, two, out] = [newFolder(), newFolder(), newFolder()];
    writeSampleRun(one, { run: "run-a", tenant: "riverside", tenantName: "Riverside / North" });
    writeSampleRun(two, {
      run: "run-b",
      tenant: "lakeside",
      tenantName: "Lakeside",
      environment: "production",
    });
    await buildReports({ resultsDirs: [one, two], out, formats: ["allure", "junit"] });
    const html = readFileSync(join(out, "report.html"), "utf8");
    expect(outsideLoads(html)).toEqual([]);
    const data = /d\("widgets\/environments\.json","([^"]+)"\)/.exec(html)?.[1] ?? "";
    expect(Buffer.from(data, "base64").toString("utf8")).toMatch(
      /Riverside ∕ North · preview.*Lakeside · production/,
    );
    expect(readFileSync(join(out, "summary.md"), "utf8")).toMatch(
      /\| Riverside \/ North \| preview \| ❌ Failed \|/,
    );
    expect(JSON.parse(readFileSync(join(out, "changes.json"), "utf8"))).toHaveLength(2);
    expect(XMLValidator.validate(readFileSync(join(out, "junit.xml"), "utf8"))).toBe(true);
  });
});

describe("hostile content", () => {
  const folder = newFolder();
  const printed: string[] = [];
  beforeAll(async () => {
    const results = Object.entries(HOSTILE).map(([name, text], index) => {
      const exchange = writeExchange(folder, `x000${index}`, text, { purpose: text });
      return verdict(`hostile.${name}`, index % 2 === 0 ? "fail" : "warn", {
        api: index === 0 ? text : "provider-patient-access",
        title: text,
        suiteTitle: text,
        summary: text,
        remedy: text,
        findings: [
          finding({ code: text, expected: text, actual: text, location: text, message: text, exchange }),
        ],
        requirements: [{ id: text, url: text }],
        exchanges: [exchange, text],
      });
    });
    results.push(
      verdict(HOSTILE.command, "blocked", { reason: HOSTILE.markup, blockedBy: HOSTILE.markdown }),
    );
    writeResultsFolder(folder, results, {
      tenant: HOSTILE.template,
      tenantName: HOSTILE.markup + HOSTILE.controls,
      environment: "../../up",
    });
    await buildReports({
      resultsDirs: [folder],
      out: folder,
      formats: ["allure", "junit", "github"],
      print: (line) => printed.push(line),
      environment: {},
    });
  });

  it("leaves JUnit well-formed, without characters that XML forbids", () => {
    const xml = readFileSync(join(folder, "junit.xml"), "utf8");
    expect(XMLValidator.validate(xml)).toBe(true);
    // oxlint-disable-next-line no-control-regex
    expect(xml).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/);
    expect(xml).toMatch(/&lt;script&gt;window\.broken=1/);
  });

  it("starts no workflow command and breaks no line", () => {
    for (const line of printed) expect(line).toMatch(/^::(error|warning) title=[^:,\n]*::[^\n\r]*$/);
    expect(printed).toHaveLength(Object.keys(HOSTILE).length);
  });

  it("has no effect in the summary", () => {
    const summary = readFileSync(join(folder, "summary.md"), "utf8");
    const outsideOfCode = summary.replace(/(`+)[^`].*?(?<!`)\1(?!`)/gs, "");
    expect(outsideOfCode).not.toMatch(/<(script|img|!--)/);
    expect(outsideOfCode).not.toMatch(/(?<!\\)\]\(<?javascript/);
    expect(summary.length).toBeLessThan(100_000);
  });

  it("leaves the page's own markup alone", () => {
    const html = readFileSync(join(folder, "report.html"), "utf8");
    expect(outsideLoads(html)).toEqual([]);
    expect(html).not.toContain("<script>window.broken");
    expect(html).not.toContain("<img src=x");
  });

  it("is not read as a line of results", () => {
    writeFileSync(join(root, "noise"), "");
    const noisy = newFolder();
    writeResultsFolder(noisy, [verdict("suite.one", "pass")]);
    appendFileSync(
      join(noisy, "results.ndjson"),
      `[]\n"text"\n{"check":5}\n{"check":"x","status":"maybe"}\n\u0000\n`,
    );
    expect(readResults(noisy).problems).toHaveLength(5);
  });
});
