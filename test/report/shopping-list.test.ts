import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { buildReports } from "../../lib/report/build.ts";
import { shoppingList } from "../../lib/report/shopping-list.ts";
import { CHROMIUM, launchChromium } from "./chromium.ts";
import { verdict, writeResultsFolder } from "./fixture.ts";

const wanting = (check: string, wanted: string, api = "provider-patient-access") =>
  verdict(check, "no-data", { api, reason: "there is none", wanted });
const RESULTS = [
  verdict("us-core.valid:us-core-patient", "pass"),
  wanting("us-core.valid:us-core-goal", "a patient with a Goal (us-core-goal)"),
  wanting("us-core.must-support:us-core-goal", "a patient with a Goal (us-core-goal): Goal.target"),
  wanting("us-core.must-support:us-core-goal", "a patient with a Goal (us-core-goal): Goal.target", "other"),
  wanting("us-core.note:18842-5", "a patient with a clinical note: <b>Discharge</b> summary (18842-5)"),
];

describe("the list of test data that are wanted", () => {
  const root = mkdtempSync(join(tmpdir(), "shopping-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it("groups by who would have them, the most useful first", () => {
    expect(shoppingList(RESULTS)).toEqual([
      {
        what: "a patient with a Goal (us-core-goal)",
        details: ["Goal.target"],
        checks: ["us-core.valid:us-core-goal", "us-core.must-support:us-core-goal"],
        apis: ["provider-patient-access", "other"],
      },
      {
        what: "a patient with a clinical note",
        details: ["<b>Discharge</b> summary (18842-5)"],
        checks: ["us-core.note:18842-5"],
        apis: ["provider-patient-access"],
      },
    ]);
  });

  it("stands in the summary, and not at all where nothing is wanted", async () => {
    const folder = join(root, "summary");
    writeResultsFolder(folder, RESULTS);
    await buildReports({ resultsDirs: [folder], out: folder, formats: [] });
    const summary = readFileSync(join(folder, "summary.md"), "utf8");
    expect(summary).toContain("### Test data wanted (2)");
    expect(summary).toContain("- [ ] **a patient with a Goal (us-core-goal)** makes 2 checks possible");
    expect(summary).not.toContain("<b>Discharge");

    const other = join(root, "nothing");
    writeResultsFolder(other, [verdict("us-core.valid:us-core-patient", "pass")]);
    await buildReports({ resultsDirs: [other], out: other, formats: [] });
    expect(readFileSync(join(other, "summary.md"), "utf8")).not.toContain("Test data wanted");
  });

  it.skipIf(!existsSync(CHROMIUM))(
    `stands on the page (skipped without ${CHROMIUM})`,
    { timeout: 60_000 },
    async () => {
      const folder = join(root, "page");
      writeResultsFolder(folder, RESULTS);
      await buildReports({ resultsDirs: [folder], out: folder, formats: ["allure"] });
      const browser = await launchChromium();
      try {
        const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
        await page.goto(pathToFileURL(join(folder, "report.html")).href);
        await page.getByText("Global Attachments").first().click();
        await page.getByText("Test data wanted").first().click();
        const table = page.frameLocator("iframe").getByText("a patient with a Goal (us-core-goal)");
        await table.first().waitFor();
      } finally {
        await browser.close();
      }
    },
  );
});
