import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import type { BrowserStep } from "../../config/login.ts";
import { authorizationUrl, isRedirectTo, type AuthorizationRequest } from "../authorization-request.ts";
import { SmartError } from "../errors.ts";
import { encodeParameters, parameter } from "../parameters.ts";
import {
  fillIn,
  type AuthorizationOutcome,
  type Decision,
  type LoginDriver,
  type LoginValues,
} from "./driver.ts";

export interface BrowserOptions {
  readonly steps: readonly BrowserStep[];
  readonly values: LoginValues;
  readonly timeoutSeconds: number;
  /** Program to start; by default what the environment variable CARECONNECT_CHROMIUM names, or what Playwright finds. */
  readonly executable: string | undefined;
  /** Folder for the screenshot of a login that failed; none is made without it. */
  readonly screenshots: string | undefined;
  /** PEM bundles do not reach Chromium: whether to trust a private authority of the configuration. */
  readonly trustPrivateAuthority: boolean;
}

/** Drives Chromium through pages that need scripts; steps are data. One browser for all logins, a fresh profile each. */
export function createBrowserDriver(options: BrowserOptions): LoginDriver & { close(): Promise<void> } {
  let running: Promise<Browser> | undefined;
  let shots = 0;
  return {
    id: "browser",
    unattended: true,
    async authorize(request, decision) {
      running ??= launch(options.executable);
      const browser = await running;
      const context = await browser.newContext({ ignoreHTTPSErrors: options.trustPrivateAuthority });
      context.setDefaultTimeout(options.timeoutSeconds * 1000);
      try {
        const page = await context.newPage();
        try {
          return await workThrough(page, request, decision, options);
        } catch (cause) {
          shots += 1;
          const shot = await screenshot(page, options.screenshots, `login-${process.pid}-${shots}.png`);
          if (cause instanceof SmartError) throw cause;
          const message = `the browser login did not end at the redirect URI: ${firstLine(cause)}${shot === undefined ? "" : ` (screenshot: ${shot})`}`;
          throw new SmartError("login-failed", message);
        }
      } finally {
        await context.close();
      }
    },
    async close() {
      // One that could not be started needs no end.
      const browser = await running?.catch(() => undefined);
      running = undefined;
      await browser?.close();
    },
  };
}

async function launch(executable: string | undefined): Promise<Browser> {
  let playwright: typeof import("playwright-core");
  try {
    playwright = await import("playwright-core");
  } catch (cause) {
    throw new SmartError(
      "not-installed",
      "the login driver browser needs the package playwright-core: npm install playwright-core",
      { cause },
    );
  }
  const path = executable ?? process.env["CARECONNECT_CHROMIUM"];
  try {
    return await playwright.chromium.launch({
      ...(path === undefined ? { channel: "chromium" } : { executablePath: path }),
      headless: true,
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
  } catch (cause) {
    throw new SmartError(
      "not-installed",
      `Chromium could not be started (${firstLine(cause)}); name its program as login.executable or CARECONNECT_CHROMIUM`,
    );
  }
}

async function workThrough(
  page: Page,
  request: AuthorizationRequest,
  decision: Decision,
  options: BrowserOptions,
): Promise<AuthorizationOutcome> {
  const wanted = parameter(request.parameters, "redirect_uri") ?? request.redirectUri;
  let arrived: string | undefined;
  // Redirects to a loopback port where nobody listens still show as requests.
  const arrival = new Promise<string>((resolve) => {
    page.on("request", (one) => {
      const url = one.url();
      if (!one.isNavigationRequest()) return;
      if (isRedirectTo(url, wanted) || isRedirectTo(url, request.redirectUri)) {
        arrived ??= url;
        resolve(url);
      }
    });
  });
  const status = await begin(page, request).catch((cause: unknown) => {
    if (arrived === undefined) throw cause;
    return 0;
  });
  if (arrived !== undefined) return { kind: "redirected", url: arrived };
  if (status >= 400) return { kind: "page", status, words: "a page of the server" };
  for (const step of options.steps) {
    await Promise.race([take(page, step, decision, options.values), arrival]).catch((cause: unknown) => {
      if (arrived === undefined) throw cause;
    });
    if (arrived !== undefined) return { kind: "redirected", url: arrived };
  }
  const timeout = new Promise<never>((_, reject) => {
    setTimeout(
      () => reject(new Error(`after the last step nothing led to the redirect URI`)),
      options.timeoutSeconds * 1000,
    ).unref();
  });
  return { kind: "redirected", url: await Promise.race([arrival, timeout]) };
}

async function begin(page: Page, request: AuthorizationRequest): Promise<number> {
  if (request.method === "GET") return (await page.goto(authorizationUrl(request)))?.status() ?? 0;
  const inputs = [...encodeParameters(request.parameters)]
    .map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`)
    .join("");
  await page.setContent(`<form method="post" action="${escape(request.endpoint)}">${inputs}</form>`);
  const [response] = await Promise.all([
    page.waitForNavigation(),
    page.$eval("form", (form) => (form as unknown as { submit(): void }).submit()),
  ]);
  return response?.status() ?? 0;
}

async function take(page: Page, step: BrowserStep, decision: Decision, values: LoginValues): Promise<void> {
  const selector =
    decision === "deny" && step.deny !== undefined ? step.deny : (step.fill ?? step.press ?? step.choose);
  if (selector === undefined) return;
  const element = page.locator(selector).first();
  if (step.optional === true) {
    const there = await element.waitFor({ state: "visible", timeout: 1500 }).then(
      () => true,
      () => false,
    );
    if (!there) return;
  }
  const text = fillIn(step.with ?? "", values);
  if (step.fill !== undefined) await element.fill(text);
  else if (step.choose !== undefined) await element.selectOption(text);
  else await element.click({ noWaitAfter: true });
}

/** Everything that a person typed or chose is covered: passwords and health data stay out of the evidence. */
async function screenshot(page: Page, folder: string | undefined, name: string): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  try {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, name);
    await page.screenshot({
      path,
      timeout: 5000,
      mask: [page.locator("input, textarea, select, output, code")],
    });
    return path;
  } catch {
    return undefined;
  }
}

const firstLine = (cause: unknown) =>
  (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]?.replaceAll(/[?&]\S*/g, "") ?? "";

const escape = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
