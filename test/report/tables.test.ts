/** Tables of a verdict, as text and as a person sees them in Chromium. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ResultCell, ResultTable } from "../../lib/checks/results.ts";
import { buildReports } from "../../lib/report/build.ts";
import { tableHtml, tableMarkdown, tablePage } from "../../lib/report/tables.ts";
import { CHROMIUM, launchChromium } from "./chromium.ts";
import { finding, verdict, writeResultsFolder } from "./fixture.ts";
import { HOSTILE } from "./hostile.ts";

const LEAK: ResultCell = { text: "200, 3 resources", state: "bad", exchange: "x0001" };

function matrix(types: readonly string[], columns: number, leakAt: string): ResultTable {
  const scopes = Array.from({ length: columns }, (_, index) => `patient/Observation${index}.rs: search`);
  return {
    id: "matrix",
    title: "Enforcement matrix",
    columns: ["Resource type", ...scopes],
    rows: types.map((type) => [
      type,
      ...scopes.map(
        (_, index): ResultCell => (type === leakAt && index === 1 ? LEAK : { text: "403", state: "good" }),
      ),
    ]),
    note: "A row for each resource type.",
  };
}

const manyTypes = Array.from({ length: 80 }, (_, index) => `Type${index}`);

describe("a table as text", () => {
  it("tells states by a sign and a word, not by colour alone", () => {
    const table: ResultTable = {
      id: "t",
      title: "States",
      columns: ["a", "b", "c", "d", "e"],
      rows: [
        [
          "row",
          LEAK,
          { text: "403", state: "good" },
          { text: "401", state: "warning" },
          { text: "none", state: "muted" },
        ],
      ],
    };
    expect(tableMarkdown(table).split("\n").at(-1)).toBe(
      "| row | **❌ 200, 3 resources** | ✓ 403 | ⚠️ 401 | none |",
    );
    const html = tableHtml(table, "t");
    expect(html).toContain('✗</span><span class="heard">not as expected: </span>');
    expect(html).toContain('✓</span><span class="heard">as expected: </span>');
    expect(html).toContain('!</span><span class="heard">warning: </span>');
  });

  it("keeps every row that tells of something wrong when Markdown gets too long", () => {
    const text = tableMarkdown(matrix(manyTypes, 2, "Type77"));
    expect(text).toContain("| Type77 |");
    expect(text).toContain("… and 20 more rows");
  });

  it.each(Object.entries(HOSTILE))("gives no meaning to what a server sent: %s", (_, text) => {
    const table: ResultTable = {
      id: text,
      title: text,
      note: text,
      columns: [text, text],
      rows: [[text, { text, state: "bad", exchange: text }]],
    };
    const page = tablePage(table);
    expect(page).not.toMatch(/<script|<img|<a |style=/i);
    expect(tableMarkdown(table)).not.toMatch(/<script|<img/i);
    // One line for each row: nothing breaks out of the table.
    expect(
      tableMarkdown(table)
        .split("\n")
        .filter((line) => line.startsWith("|")),
    ).toHaveLength(3);
  });
});

describe.skipIf(!existsSync(CHROMIUM))(`a table in the report (skipped without ${CHROMIUM})`, () => {
  const root = mkdtempSync(join(tmpdir(), "tables-"));
  let browser: Browser;
  beforeAll(async () => {
    const table = matrix(manyTypes, 12, "Type40");
    writeResultsFolder(root, [
      verdict("scopes.matrix", "fail", {
        title: "Enforcement matrix",
        tables: [table],
        findings: [finding()],
      }),
    ]);
    await buildReports({ resultsDirs: [root], out: root, formats: ["allure", "github"] });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(root, { recursive: true, force: true });
  });

  async function open(width: number): Promise<{ page: Page; outside: string[] }> {
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    const outside: string[] = [];
    page.on("request", (request) => {
      if (!/^(file|data|blob|about):/.test(request.url())) outside.push(request.url());
    });
    await page.goto(pathToFileURL(join(root, "report.html")).href);
    await page.getByTestId("tree-leaf").first().click();
    await page.getByTestId("test-result-description-frame").waitFor();
    return { page, outside };
  }

  it.each([1280, 400])(
    "shows at %i pixels, header and first column staying while it scrolls",
    async (width) => {
      const { page, outside } = await open(width);
      const frame = page.frameLocator('[data-testid="test-result-description-frame"]');
      const scroll = frame.locator(".table-scroll");
      await scroll.waitFor();
      await scroll.evaluate((element) =>
        (element as unknown as { scrollTo(x: number, y: number): void }).scrollTo(500, 900),
      );
      const box = await scroll.boundingBox();
      const corner = await frame.locator("thead th").first().boundingBox();
      expect(Math.round((corner?.x ?? 0) - (box?.x ?? 0))).toBeLessThan(5);
      expect(Math.round((corner?.y ?? 0) - (box?.y ?? 0))).toBeLessThan(5);
      const type = await frame.locator("tbody th", { hasText: "Type40" }).boundingBox();
      expect(Math.round((type?.x ?? 0) - (box?.x ?? 0))).toBeLessThan(5);
      // The page itself does not grow sideways.
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(width);
      const leak = frame.locator("td.bad");
      expect(await leak.count()).toBe(1);
      const red = await leak.evaluate(
        (element) =>
          (
            globalThis as unknown as { getComputedStyle(of: unknown): { backgroundColor: string } }
          ).getComputedStyle(element).backgroundColor,
      );
      expect(red).toBe("rgb(255, 224, 224)");
      expect(outside).toEqual([]);
      await page.close();
    },
  );

  it("has nothing that axe finds wrong, alone as an attachment", async () => {
    const page = await browser.newPage();
    await page.setContent(tablePage(matrix(manyTypes, 12, "Type40")));
    const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    await page.evaluate(axe);
    const violations = await page.evaluate<string[]>(
      "axe.run().then(({ violations }) => violations.map(({ id }) => id))",
    );
    expect(violations).toEqual([]);
    await page.close();
  });

  it("stands in the summary", () => {
    const summary = readFileSync(join(root, "summary.md"), "utf8");
    expect(summary).toContain("### Tables");
    expect(summary).toContain("**❌ 200, 3 resources**");
  });
});
