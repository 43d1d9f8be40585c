// Takes the picture of a report for the README:
//   node scripts/screenshot-report.mjs <report.html> [docs/images/report.png] [title of the check to open]
// Needs a Chromium (CHROMIUM, or /usr/bin/chromium). The page opens from disk; that it asks nobody for anything is
// asserted here too.
import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { launchChromium } from "./chromium.mjs";

const [page, picture = "docs/images/report.png", check] = process.argv.slice(2);
if (page === undefined) {
  console.error("usage: node scripts/screenshot-report.mjs <report.html> [picture.png] [title of a check]");
  process.exit(2);
}
const browser = await launchChromium();
try {
  const view = await browser.newPage({
    viewport: { width: 1600, height: 1000 },
    deviceScaleFactor: 2,
    colorScheme: "light",
  });
  const outside = [];
  view.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) outside.push(request.url());
  });
  await view.goto(pathToFileURL(resolve(page)).href);
  const first =
    check === undefined ? '[data-testid="tree-leaf"]' : `[data-testid="tree-leaf"]:has-text("${check}")`;
  await view.waitForSelector('[data-testid="tree-leaf"]');
  // The list and the check beside each other say more than either.
  await view.getByTestId("toggle-layout-button").click();
  await view.waitForSelector('[data-testid="tree-leaf"]');
  await view.locator(first).first().click();
  await view.waitForTimeout(700);
  mkdirSync(dirname(resolve(picture)), { recursive: true });
  await view.screenshot({ path: picture });
  if (outside.length > 0) throw new Error(`the page asked for ${outside.join(", ")}`);
  console.log(`${picture} written`);
} finally {
  await browser.close();
}
