import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { authorizeAnew, grantedToken } from "../../lib/checks/tokens.ts";
import type { Target } from "../../lib/config/targets.ts";
import { createFormDriver } from "../../lib/smart/drivers/form.ts";
import { openOnSandbox, type Opened } from "./sandbox-session.ts";

let opened: Opened | undefined;
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

const byHand =
  (port: number, timeoutSeconds: number) =>
  (target: Target): Target => {
    if (target.client === undefined) throw new Error("the demo has no client");
    return {
      ...target,
      client: { ...target.client, redirectUri: `http://127.0.0.1:${port}/callback` },
      login: { driver: "manual", user: "riverbend-patient", timeoutSeconds, repeat: false },
    };
  };

/** Does what a person does in a browser window: works through the pages, then follows the last redirect. */
async function actAsPerson(url: string, one: Opened, password: string): Promise<void> {
  const driver = createFormDriver(
    [
      { has: ["username"], fill: { username: "{user}", password: "{password}" }, press: { action: "login" } },
      { has: ["decision"], press: { decision: "allow" } },
    ],
    { user: "riverbend-patient", password },
  );
  const { searchParams, origin, pathname } = new URL(url);
  const outcome = await driver.authorize(
    {
      endpoint: `${origin}${pathname}`,
      method: "GET",
      parameters: [...searchParams],
      redirectUri: searchParams.get("redirect_uri") ?? "",
      state: searchParams.get("state") ?? "",
      nonce: "",
      pkce: { verifier: "", challenge: "" },
    },
    "allow",
    (request) => one.context().send(request),
  );
  if (outcome.kind !== "redirected") throw new Error("the person got nowhere");
  // Somebody else's answer comes first: it must not be taken for the person's.
  const forged = new URL(outcome.url);
  forged.searchParams.set("state", "forged");
  await fetch(forged);
  expect((await fetch(outcome.url)).status).toBe(200);
}

describe("the manual driver", () => {
  test("prints the URL, waits at the loopback redirect and goes on with the person's code", async () => {
    const said: string[] = [];
    let acted: Promise<void> | undefined;
    const session = await openOnSandbox("provider-patient-access", {
      change: byHand(await freePort(), 30),
      surroundings: {
        attended: true,
        announce(text) {
          said.push(text);
          const url = /https?:\/\/\S*authorize\S*/.exec(text)?.[0];
          if (url === undefined) return;
          const password = session.sandbox.env["CARECONNECT_SANDBOX_RIVERBEND_PATIENT_PASSWORD"] ?? "";
          acted = actAsPerson(url, session, password);
        },
      },
    });
    opened = session;
    const tokens = await Promise.all([grantedToken(session.context()), grantedToken(session.context())]);
    await acted;
    expect(tokens[0].accessToken).toBe(tokens[1].accessToken);
    expect(said[0]).toContain("Log in as riverbend-patient and allow the access");
    expect(said.filter((text) => text.includes("Log in as"))).toHaveLength(1);
    expect(said.at(-1)).toContain("logged in");
  });

  test("gives up after the set time, and says for whom it waited", async () => {
    opened = await openOnSandbox("provider-patient-access", {
      change: byHand(await freePort(), 1),
      surroundings: { attended: true },
    });
    await expect(authorizeAnew(opened.context())).rejects.toThrow(
      /nobody came back to .*callback within 1 seconds/,
    );
  });

  test("never waits for a person in a scheduled run", async () => {
    opened = await openOnSandbox("provider-patient-access", { change: byHand(await freePort(), 600) });
    await expect(authorizeAnew(opened.context())).rejects.toThrow(/nobody is there to log in/);
  });
});
