import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { authorizeAnew, grantedToken } from "../../lib/checks/tokens.ts";
import type { Target } from "../../lib/config/targets.ts";
import { openOnSandbox, type Opened } from "./sandbox-session.ts";

let folder = "";
const opened: Opened[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "careconnect-"));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
  rmSync(folder, { recursive: true, force: true });
});

const byFile =
  (path: string) =>
  (target: Target): Target => ({
    ...target,
    login: { driver: "refresh-token", file: path, shown: "tokens/refresh", timeoutSeconds: 60 },
  });

describe("the refresh-token driver", () => {
  test("gets tokens with nobody there, and stores each new refresh token safely", async () => {
    const path = join(folder, "refresh");
    // The file is opened anew for every token: two scope sets take two turns.
    const session = await openOnSandbox("provider-patient-access", { change: byFile(path) });
    opened.push(session);
    const form = await withFormLogin(session);
    writeFileSync(path, `${form}\n`, { mode: 0o600 });
    const [one, two] = await Promise.all([
      grantedToken(session.context()),
      grantedToken(session.context(), { scopes: ["openid", "launch/patient", "offline_access"] }),
    ]);
    expect(one.accessToken).not.toBe(two.accessToken);
    const stored = readFileSync(path, "utf8").trim();
    expect(stored).not.toBe(form);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["refresh"]);
    expect(JSON.stringify(session.exchanges)).not.toContain(stored);
  });

  test("says what is missing when there is no token yet", async () => {
    const session = await openOnSandbox("provider-patient-access", { change: byFile(join(folder, "none")) });
    opened.push(session);
    await expect(grantedToken(session.context())).rejects.toThrow(
      /refresh token file tokens\/refresh does not exist: log in once by hand/,
    );
  });

  test("says so when the token is no longer good", async () => {
    const path = join(folder, "refresh");
    writeFileSync(path, "a-token-from-long-ago\n", { mode: 0o600 });
    const session = await openOnSandbox("provider-patient-access", { change: byFile(path) });
    opened.push(session);
    await expect(grantedToken(session.context())).rejects.toThrow(/no longer good/);
    expect(readFileSync(path, "utf8")).toBe("a-token-from-long-ago\n");
  });

  test.skipIf(process.platform === "win32")("refuses a file that others can read", async () => {
    const path = join(folder, "refresh");
    writeFileSync(path, "secret-token\n");
    chmodSync(path, 0o644);
    const session = await openOnSandbox("provider-patient-access", { change: byFile(path) });
    opened.push(session);
    await expect(grantedToken(session.context())).rejects.toThrow(/can be read by others: chmod 600/);
  });
});

/** A refresh token of the same sandbox, as a person would get one by logging in once. */
async function withFormLogin(session: Opened): Promise<string> {
  const { openSession } = await import("../../lib/checks/context.ts");
  const { loadConfiguration } = await import("../../lib/config/load.ts");
  const { resolveTargets } = await import("../../lib/config/targets.ts");
  const { createHttpClient } = await import("../../lib/http/client.ts");
  const { createSecretVault } = await import("../../lib/http/secret-vault.ts");
  const selection = { tenant: "demo", environment: "sandbox", apis: ["provider-patient-access"] };
  const [target] = resolveTargets(loadConfiguration(), selection, process.env, session.sandbox).targets;
  if (target === undefined) throw new Error("no target");
  const http = createHttpClient({ vault: createSecretVault(), record: () => undefined });
  try {
    const { answer } = await authorizeAnew(openSession(target, http).context([]));
    return answer.kind === "granted" ? (answer.refreshToken ?? "") : "";
  } finally {
    await http.close();
  }
}
