// Takes the pictures of a sign-off for the docs:
//   node scripts/screenshot-signoff.mjs <signoff.html> [docs/images]
// 1280 and 400 pixels wide, light and dark, and a PDF of it beside. Needs a Chromium (CHROMIUM, or /usr/bin/chromium).
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { launchChromium } from "./chromium.mjs";

const [page, folder = "docs/images"] = process.argv.slice(2);
if (page === undefined) {
  console.error("usage: node scripts/screenshot-signoff.mjs <signoff.html> [folder]");
  process.exit(2);
}
const browser = await launchChromium();
try {
  mkdirSync(folder, { recursive: true });
  for (const width of [1280, 400]) {
    for (const colorScheme of ["light", "dark"]) {
      const view = await browser.newPage({ viewport: { width, height: 1100 }, colorScheme });
      await view.goto(pathToFileURL(resolve(page)).href);
      const path = join(folder, `signoff-${width}-${colorScheme}.png`);
      await view.screenshot({ path });
      console.log(`${path} written`);
      await view.close();
    }
  }
  const view = await browser.newPage();
  await view.goto(pathToFileURL(resolve(page)).href);
  await view.pdf({ path: join(folder, "signoff.pdf"), format: "A4", preferCSSPageSize: false });
} finally {
  await browser.close();
}
