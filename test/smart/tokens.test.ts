import { afterEach, describe, expect, test } from "vitest";
import { accessToken, authorizeAnew, grantedToken, tokenCounts } from "../../lib/checks/tokens.ts";
import { openOnSandbox, type Opened } from "./sandbox-session.ts";

let opened: Opened | undefined;
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

const tokenRequests = (one: Opened) =>
  one.exchanges.filter(({ request }) => request.method === "POST" && request.url.endsWith("/token")).length;
const logins = (one: Opened) =>
  one.exchanges.filter(
    ({ request }) =>
      request.method === "POST" &&
      request.url.includes("/interaction/") &&
      request.body?.text?.includes("username") === true,
  ).length;

describe("tokens of a run", () => {
  test.each(["client-public", "client-secret-basic", "client-secret-post", "client-es384", "client-rs384"])(
    "a user logs in for a registration of kind %s, and the token opens the API",
    async (client) => {
      opened = await openOnSandbox("provider-patient-access");
      const token = await grantedToken(opened.context(), { client });
      expect(token.json["patient"]).toBe("riverbend-patient-1");
      const response = await opened.context().send({
        method: "GET",
        url: `${opened.target.base}/Patient/riverbend-patient-1`,
        bearer: await accessToken(opened.context(), { client }),
      });
      expect(response.status).toBe(200);
    },
  );

  test.each(["client-es384", "client-rs384", "client-secret-basic", "client-secret-post"])(
    "a service gets a token by %s",
    async (client) => {
      opened = await openOnSandbox("provider-system-access");
      const token = await grantedToken(opened.context(), { client });
      expect(token.scopes).toEqual(["system/*.rs"]);
    },
  );

  test("fifty at once share one login for each user and scope set", async () => {
    opened = await openOnSandbox("provider-patient-access");
    const one = opened;
    const sets = [undefined, ["openid", "launch/patient", "patient/Patient.rs"]];
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, index) => {
        const scopes = sets[index % 2];
        return accessToken(one.context(), scopes === undefined ? {} : { scopes });
      }),
    );
    expect(new Set(tokens.map(({ value }) => value)).size).toBe(2);
    expect(logins(one)).toBe(2);
    expect(tokenRequests(one)).toBe(2);
    const counts = await tokenCounts(one.context());
    expect([...counts.values()]).toEqual([
      { obtained: 1, refreshed: 0 },
      { obtained: 1, refreshed: 0 },
    ]);
    process.stderr.write(
      `50 requests for tokens: ${JSON.stringify(Object.fromEntries(counts))}, ${logins(one)} logins\n`,
    );
  });

  test("an EHR launch brings the EHR's context", async () => {
    opened = await openOnSandbox("provider-patient-access");
    const flow = await authorizeAnew(opened.context(), { launch: "ehr" });
    expect(flow.answer.kind).toBe("granted");
    expect(flow.scopes).toContain("launch");
    if (flow.answer.kind === "granted") {
      expect(flow.answer.json["encounter"]).toBeTypeOf("string");
      expect(flow.answer.json["patient"]).toBeTypeOf("string");
    }
  });

  test("authorization by POST works as by GET", async () => {
    opened = await openOnSandbox("provider-patient-access");
    expect((await authorizeAnew(opened.context(), { method: "POST" })).answer.kind).toBe("granted");
  });

  test("nothing secret stands in the recorded exchanges", async () => {
    opened = await openOnSandbox("provider-patient-access");
    const flow = await authorizeAnew(opened.context());
    const evidence = JSON.stringify(opened.exchanges);
    if (flow.answer.kind !== "granted") throw new Error("not granted");
    for (const secret of [
      flow.answer.accessToken,
      flow.answer.refreshToken ?? "",
      flow.answer.idToken ?? "",
      flow.request.pkce.verifier,
      flow.response.code ?? "",
      flow.client.secret?.reveal() ?? "",
      opened.sandbox.env["CARECONNECT_SANDBOX_RIVERBEND_PATIENT_PASSWORD"] ?? "",
    ]) {
      expect(secret.length).toBeGreaterThan(8);
      expect(evidence).not.toContain(secret);
    }
  });
});
