/** Pages as a person opens them: from disk, in Chromium. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildReports } from "../../lib/report/build.ts";
import { CHROMIUM, launchChromium } from "./chromium.ts";
import { finding, verdict, writeExchange, writeResultsFolder, writeSampleRun } from "./fixture.ts";
import { HOSTILE } from "./hostile.ts";

async function visit(page: Page, hash: string): Promise<void> {
  await page.evaluate((to) => {
    (globalThis as unknown as { location: { hash: string } }).location.hash = to;
  }, hash);
}

describe.skipIf(!existsSync(CHROMIUM))(`a report opened from disk (skipped without ${CHROMIUM})`, () => {
  const root = mkdtempSync(join(tmpdir(), "pages-"));
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(root, { recursive: true, force: true });
  });

  interface Opened {
    readonly page: Page;
    readonly outside: string[];
    readonly complaints: string[];
  }

  async function open(folder: string): Promise<Opened> {
    const page = await browser.newPage({ viewport: { width: 1400, height: 1600 } });
    const outside: string[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => {
      if (!/^(file|data|blob|about):/.test(request.url())) outside.push(request.url());
    });
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(pathToFileURL(join(folder, "report.html")).href);
    await page.waitForSelector('[data-testid="tree-leaf"]');
    return { page, outside, complaints };
  }

  it("shows a failure with expected, seen, what to do and the exchange, and asks nobody for anything", async () => {
    const folder = join(root, "sample");
    writeSampleRun(folder);
    await buildReports({ resultsDirs: [folder], out: folder, formats: ["allure"] });
    const { page, outside, complaints } = await open(folder);
    await page.getByTestId("tree-leaf").filter({ hasText: "JSON and XML are served" }).click();
    await page.getByTestId("test-result-attachment-header").first().click();
    await page.getByText("<html><body><script>alert(1)</script>Oops</body></html>").waitFor();
    const text = await page.locator("body").innerText();
    expect(text).toContain("Expected: application/fhir+xml");
    expect(text).toContain("Seen: text/html");
    expect(text).toContain("What to do: Serve XML or take it out of the declared formats.");
    expect(text).toMatch(/GET\s+https:\/\/fhir\.example\.org\S+metadata\?_format=xml/);

    await page.goto(pathToFileURL(join(folder, "report.html")).href);
    await page.getByTestId("nav-tab-categories").click();
    await page.getByText("Warning: a SHOULD is not met").waitFor();
    await page.getByText("Failed: a SHALL is not met").waitFor();
    await visit(page, "charts");
    await page.getByText("Verdicts over the last runs").waitFor();
    expect(outside).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it("shows the trend from the second run on", async () => {
    const folder = join(root, "trend");
    writeSampleRun(folder, { run: "run-1", startedAt: "2026-11-20T06:00:00.000Z" });
    await buildReports({ resultsDirs: [folder], out: folder, formats: ["allure"] });
    writeSampleRun(folder, { run: "run-2", startedAt: "2026-11-21T06:00:00.000Z" });
    await buildReports({ resultsDirs: [folder], out: folder, formats: ["allure"] });
    const { page } = await open(folder);
    await page.getByTestId("tree-leaf").filter({ hasText: "PKCE with S256" }).click();
    await page.getByTestId("test-result-tab-history").click();
    expect(await page.getByTestId("test-result-tab-history").innerText()).toMatch(/1/);
    await page.close();
  });

  it("runs nothing that a server sent", async () => {
    const folder = join(root, "hostile");
    const results = Object.entries(HOSTILE).map(([name, text], index) => {
      const exchange = writeExchange(folder, `x000${index}`, text);
      return verdict(`hostile.${name}`, "fail", {
        title: text,
        suiteTitle: text,
        summary: text,
        remedy: text,
        findings: [
          finding({ code: text, expected: text, actual: text, location: text, message: text, exchange }),
        ],
        requirements: [{ id: text, url: text }],
        exchanges: [exchange],
      });
    });
    writeResultsFolder(folder, results, { tenantName: HOSTILE.markup });
    await buildReports({ resultsDirs: [folder], out: folder, formats: ["allure", "junit"] });
    const { page, outside, complaints } = await open(folder);
    const leaves = page.getByTestId("tree-leaf");
    const count = await leaves.count();
    expect(count).toBe(results.length);
    for (let index = 0; index < count; index++) {
      await page.goto(pathToFileURL(join(folder, "report.html")).href);
      await leaves.nth(index).click();
      await page.getByTestId("test-result-error").first().waitFor();
      await page.getByTestId("test-result-attachment-header").first().click();
      const broken = await Promise.all(
        page.frames().map((frame) => frame.evaluate("window.broken").catch(() => undefined)),
      );
      expect(broken.every((value) => value === undefined)).toBe(true);
    }
    expect(outside).toEqual([]);
    expect(complaints).toEqual([]);

    const xml = readFileSync(join(folder, "junit.xml"), "utf8");
    const errors = await page.evaluate((text) => {
      type Parsed = { querySelectorAll(selector: string): { length: number } };
      type Parser = new () => { parseFromString(xml: string, type: string): Parsed };
      const { DOMParser } = globalThis as unknown as { DOMParser: Parser };
      const parsed = new DOMParser().parseFromString(text, "application/xml");
      return [parsed.querySelectorAll("parsererror").length, parsed.querySelectorAll("failure").length];
    }, xml);
    expect(errors).toEqual([0, results.length]);
    await page.close();
  });
});
