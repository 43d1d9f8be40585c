/** The page of a sign-off as people open and print it: from disk, in Chromium. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ResultTable } from "../../lib/checks/results.ts";
import { signoffPage } from "../../lib/report/signoff/html.ts";
import { signoffMarkdown } from "../../lib/report/signoff/markdown.ts";
import { CHROMIUM, launchChromium } from "../report/chromium.ts";
import { finding, verdict } from "../report/fixture.ts";
import { HOSTILE as HOSTILE_TEXTS } from "../report/hostile.ts";
import { GREEN, signOff, writeRun } from "./example.ts";

const HOSTILE = Object.values(HOSTILE_TEXTS).join(" ");
const LONG = "a-name-without-any-space-".repeat(12);

const PARITY: ResultTable = {
  id: "parity",
  title: "Elements by v1 and by v2",
  columns: ["Element", "v1", "v2", "Same"],
  rows: Array.from({ length: 60 }, (_, index) => [
    `Observation.component[${index}].valueQuantity.value`,
    String(index),
    String(index + 1),
    { text: "changed", state: "bad" as const, exchange: "x0001" },
  ]),
};

/** Something of everything, with names that are long and texts that want to be markup. */
function everything(folder: string): void {
  const waived = {
    complete: true,
    waivers: [{ id: "W-1", reason: HOSTILE, owner: "Somebody", expires: "2026-12-31", findings: [0] }],
  };
  writeRun(
    folder,
    [
      ...GREEN,
      verdict("auth-flows.one", "fail", {
        title: `Title ${HOSTILE}`,
        findings: [finding({ expected: LONG, actual: HOSTILE, location: `/${LONG}`, exchange: "x0001" })],
      }),
      verdict("auth-flows.two", "fail", { waived }),
      verdict("us-core.three", "warn"),
      verdict("us-core.four", "blocked", { reason: HOSTILE }),
      verdict("us-core.five", "no-data", { reason: "nobody has one", wanted: "a patient with an implant" }),
      verdict("us-core.six", "error"),
      verdict("migration.parity", "pass", { tables: [PARITY] }),
    ],
    {
      tenantName: "Riverside <b>Behavioral</b> Health",
      digests: { [`config/tenants/${LONG}.yaml`]: `sha256:${"0a".repeat(32)}` },
      waivers: [
        {
          id: "W-1",
          check: "auth-flows.two",
          reason: HOSTILE,
          owner: "Somebody",
          expires: "2026-12-31",
          state: "applied",
          verdicts: 1,
          findings: 1,
        },
      ],
    },
  );
}

describe.skipIf(!existsSync(CHROMIUM))(`the page (skipped without ${CHROMIUM})`, { timeout: 60_000 }, () => {
  const root = mkdtempSync(join(tmpdir(), "signoff-"));
  const page = (name: string) => pathToFileURL(join(root, `${name}.html`)).href;
  let browser: Browser;
  beforeAll(async () => {
    everything(root);
    writeFileSync(join(root, "full.html"), signoffPage(signOff(root, { key: "the-key" })));
    const green = join(root, "green");
    writeRun(green);
    const decided = { decision: "go", by: "Ada Example", role: "Integration lead" } as const;
    writeFileSync(join(root, "go.html"), signoffPage(signOff(green, { decided })));
    const conditional = signOff(green, { attestations: [] });
    writeFileSync(join(root, "conditional.html"), signoffPage(conditional));
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(root, { recursive: true, force: true });
  });

  async function open(context: BrowserContext, name: string) {
    const view = await context.newPage();
    const outside: string[] = [];
    const complaints: string[] = [];
    view.on("request", (request) => {
      if (!request.url().startsWith("file:")) outside.push(request.url());
    });
    view.on("console", (message) => complaints.push(message.text()));
    view.on("pageerror", (error) => complaints.push(error.message));
    await view.goto(page(name));
    return { view, outside, complaints };
  }

  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  const sizes = [1280, 400];
  const schemes = ["light", "dark"] as const;
  const views = sizes.flatMap((width) => schemes.map((scheme) => [width, scheme] as const));

  test.each(views)(
    "has nothing that axe finds wrong, and fits, %i pixels wide and %s",
    async (width, scheme) => {
      const context = await browser.newContext({
        viewport: { width, height: 900 },
        colorScheme: scheme,
        bypassCSP: true,
      });
      for (const name of ["full", "go", "conditional"]) {
        const { view } = await open(context, name);
        await view.evaluate(axe);
        const violations = await view.evaluate(
          "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))",
        );
        expect(violations, name).toEqual([]);
        const wide = await view.evaluate("document.documentElement.scrollWidth - window.innerWidth");
        expect(wide, name).toBeLessThanOrEqual(0);
      }
      await context.close();
    },
  );

  test("asks nobody for anything, runs nothing, and shows what servers sent as text", async () => {
    const context = await browser.newContext();
    const { view, outside, complaints } = await open(context, "full");
    const text = await view.locator("body").innerText();
    expect(text).toContain("Riverside <b>Behavioral</b> Health");
    expect(await view.locator("main b, main img, main script, main iframe").count()).toBe(0);
    expect(outside).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test.each([
    ["full", "No go", "Applications must not move to v2"],
    ["go", "Go", "Applications may move to v2 for Riverside Behavioral Health in preview."],
    ["conditional", "Conditional go", "once the conditions below are met"],
  ])("says the verdict first: %s", async (name, words, sentence) => {
    const context = await browser.newContext();
    const { view } = await open(context, name);
    const first = view.locator("main section").first();
    expect((await first.locator("h2").innerText()).trim()).toMatch(new RegExp(`${words}$`));
    expect(await first.innerText()).toContain(sentence);
    expect((await first.boundingBox())?.y).toBeLessThan(200);
    await context.close();
  });

  test("has what an auditor asks for", async () => {
    const context = await browser.newContext();
    const { view } = await open(context, "full");
    const headings = await view.locator("h2").allInnerTexts();
    expect(headings.map((heading) => heading.trim())).toEqual([
      "✗ No go",
      "What stands in the way",
      "The migration checklist",
      "Results by suite and level",
      "Failures (3)",
      "Warnings (1)",
      "Waivers",
      "What was not tested, and why",
      "How v1 and v2 compare",
      "Readiness, step by step",
      "The rules",
      "What it rests on, and how to repeat it",
    ]);
    const text = await view.locator("main").innerText();
    for (const said of ["a patient with an implant", "For the application:", "Elements by v1 and by v2"])
      expect(text).toContain(said);
    expect(await view.locator("#checklist ~ table tbody tr").count()).toBe(9);
    await context.close();
  });

  test.each(["A4", "Letter"] as const)("prints to %s, light, with nothing cut off", async (format) => {
    const context = await browser.newContext({ colorScheme: "dark" });
    const { view } = await open(context, "full");
    await view.emulateMedia({ media: "print" });
    // What fits between the margins of the narrower sheet.
    await view.setViewportSize({ width: 690, height: 1000 });
    expect(await view.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(255, 255, 255)");
    const beyond = await view.evaluate(
      "[...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1).length",
    );
    expect(beyond).toBe(0);
    const clipped = await view.evaluate(
      "[...document.querySelectorAll('main .table-scroll')].filter((one) => one.scrollHeight > one.clientHeight + 1).length",
    );
    expect(clipped).toBe(0);
    const pdf = await view.pdf({ format });
    expect(pdf.subarray(0, 5).toString()).toBe("%PDF-");
    await context.close();
  });
});

test("Markdown shows what servers sent as text", () => {
  const folder = mkdtempSync(join(tmpdir(), "signoff-"));
  try {
    everything(folder);
    const markdown = signoffMarkdown(signOff(folder));
    expect(markdown).toMatch(/^# No go: /);
    expect(markdown).not.toMatch(/<(script|img|b)\b/);
    expect(markdown).toContain("## The migration checklist");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
