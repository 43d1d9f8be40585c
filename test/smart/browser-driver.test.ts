import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { authorizeAnew, prepareAuthorization, runAuthorization } from "../../lib/checks/tokens.ts";
import type { BrowserStep } from "../../lib/config/login.ts";
import { secretOf } from "../../lib/config/secret.ts";
import type { Target } from "../../lib/config/targets.ts";
import { readAuthorizationResponse } from "../../lib/smart/authorization-request.ts";
import { openOnSandbox, type Opened } from "./sandbox-session.ts";

const CHROMIUM = process.env["CARECONNECT_CHROMIUM"] ?? "/usr/bin/chromium";
const STEPS: readonly BrowserStep[] = [
  { fill: "input[name=username]", with: "{user}" },
  { fill: "input[name=password]", with: "{password}" },
  { press: "button[value=login]" },
  { press: "button[value=allow]", deny: "button[value=deny]" },
];

let opened: Opened | undefined;
let folder: string | undefined;
afterEach(async () => {
  await opened?.close();
  opened = undefined;
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
});

const byBrowser =
  (steps: readonly BrowserStep[], timeoutSeconds = 20, password?: string) =>
  (target: Target): Target => {
    const { login } = target;
    if (login?.driver !== "form" || login.password === undefined)
      throw new Error("the demo has no form login");
    return {
      ...target,
      login: {
        driver: "browser",
        user: login.user ?? "",
        password: password === undefined ? login.password : secretOf("password", password),
        steps,
        executable: CHROMIUM,
        timeoutSeconds,
      },
    };
  };

// Skipped, and said so by vitest, where there is no Chromium.
describe.skipIf(!existsSync(CHROMIUM))(`login in real Chromium (${CHROMIUM})`, () => {
  test("a user logs in and allows, and the code brings a token", { timeout: 60_000 }, async () => {
    opened = await openOnSandbox("provider-patient-access", { change: byBrowser(STEPS) });
    const flow = await authorizeAnew(opened.context());
    expect(flow.answer.kind).toBe("granted");
    expect(flow.response.state).toBe(flow.request.state);
  });

  test("a launch by POST starts from a form of the browser's own", { timeout: 60_000 }, async () => {
    opened = await openOnSandbox("provider-patient-access", { change: byBrowser(STEPS) });
    const flow = await authorizeAnew(opened.context(), { method: "POST" });
    expect(flow.answer.kind).toBe("granted");
  });

  test("a user who denies comes back with access_denied", { timeout: 60_000 }, async () => {
    opened = await openOnSandbox("provider-patient-access", { change: byBrowser(STEPS) });
    const context = opened.context();
    const { request } = await prepareAuthorization(context);
    const outcome = await runAuthorization(context, request, "deny");
    expect(outcome.kind === "redirected" && readAuthorizationResponse(outcome.url).error).toBe(
      "access_denied",
    );
  });

  test("a login that fails leaves a screenshot and says where", { timeout: 60_000 }, async () => {
    folder = mkdtempSync(join(tmpdir(), "careconnect-"));
    opened = await openOnSandbox("provider-patient-access", {
      change: byBrowser(STEPS, 3, "not-the-password"),
      surroundings: { screenshots: folder },
    });
    await expect(authorizeAnew(opened.context())).rejects.toThrow(/screenshot/);
    const [shot] = readdirSync(folder);
    expect(
      readFileSync(join(folder, shot ?? ""))
        .subarray(1, 4)
        .toString(),
    ).toBe("PNG");
  });

  test("a Chromium that is not there is said by name", async () => {
    opened = await openOnSandbox("provider-patient-access", {
      change: (target) => {
        const changed = byBrowser(STEPS)(target);
        return changed.login?.driver === "browser"
          ? { ...changed, login: { ...changed.login, executable: "/no/such/chromium" } }
          : changed;
      },
    });
    await expect(authorizeAnew(opened.context())).rejects.toThrow(
      /login\.executable or CARECONNECT_CHROMIUM/,
    );
  });
});
