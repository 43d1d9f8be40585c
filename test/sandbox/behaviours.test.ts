import { afterEach, describe, expect, it } from "vitest";
import type { FaultDefinition } from "../../lib/sandbox/catalogue.ts";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import { base, bearer, exchange, HARBOR, json, logIn, requestSystemToken, systemToken } from "./client.ts";

const running: Sandbox[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((sandbox) => sandbox.close()));
});

async function start(
  change: FaultDefinition["change"],
  on: FaultDefinition["on"] = {},
  argument = "",
): Promise<Sandbox> {
  const definition: FaultDefinition = {
    id: "test.fault",
    description: "A fault of a test.",
    trips: [],
    on,
    change,
    ...(argument === "" ? {} : { parameter: "{type}" }),
  };
  const call = argument === "" ? definition.id : `${definition.id}:${argument}`;
  const sandbox = await startSandbox({ faults: [call], furtherFaults: [definition], patients: 4 });
  running.push(sandbox);
  return sandbox;
}

const now = () => Math.floor(Date.now() / 1000);

describe("acceptAssertion", () => {
  it.each<[string, () => Record<string, unknown>, Record<string, unknown>?]>([
    ["audience", () => ({ aud: "https://elsewhere.example" })],
    ["issuer", () => ({ iss: "someone-else" })],
    ["expired", () => ({ exp: now() - 60 })],
    ["far-expiry", () => ({ exp: now() + 900 })],
    ["no-expiry", () => ({ exp: undefined })],
    ["not-yet-valid", () => ({ nbf: now() + 200 })],
    ["no-jti", () => ({ jti: undefined })],
    ["unknown-key", () => ({}), { kid: "unknown" }],
    ["no-algorithm", () => ({}), { alg: "none" }],
    ["symmetric", () => ({}), { alg: "HS256" }],
  ])("forgives %s, and nothing else", async (flaw, claims, header = {}) => {
    const sandbox = await start([{ behaviour: "acceptAssertion", with: { flaw } }], { auth: "/token" });
    expect((await requestSystemToken(sandbox, { claims: claims(), header })).status).toBe(200);
    const other = flaw === "audience" ? { iss: "someone-else" } : { aud: "https://elsewhere.example" };
    expect((await requestSystemToken(sandbox, { claims: other })).status).toBe(401);
    expect((await requestSystemToken(sandbox)).status).toBe(200);
    expect(sandbox.faults[0]?.applied).toBeGreaterThan(0);
  });
});

describe("ignorePkce", () => {
  it("takes any verifier, or none", async () => {
    const sandbox = await start([{ behaviour: "ignorePkce" }], { auth: "/*" });
    const parameters = { code_challenge: undefined, code_challenge_method: undefined };
    expect(
      (await exchange(sandbox, await logIn(sandbox, { parameters }), { code_verifier: "" })).status,
    ).toBe(200);
    expect((await exchange(sandbox, await logIn(sandbox), { code_verifier: "x".repeat(43) })).status).toBe(
      200,
    );
  });
});

describe("acceptCodeAgain", () => {
  it("gives the same tokens for the same code", async () => {
    const sandbox = await start([{ behaviour: "acceptCodeAgain" }], { auth: "/token" });
    const login = await logIn(sandbox);
    const first = await exchange(sandbox, login);
    const second = await exchange(sandbox, login);
    expect(second.status).toBe(200);
    expect(await json(second)).toEqual(await json(first));
    expect(sandbox.faults[0]?.applied).toBe(1);
  });
});

describe("redirectAnywhere", () => {
  it("sends the code to a redirect URI that nobody registered, and leaves others alone", async () => {
    const sandbox = await start([{ behaviour: "redirectAnywhere" }], { auth: "/**" });
    const parameters = { redirect_uri: "http://127.0.0.1:9123/callback/evil" };
    const login = await logIn(sandbox, { parameters });
    expect(login.response.headers.get("location")).toContain("/callback/evil?code=");
    expect((await exchange(sandbox, login, parameters)).status).toBe(200);
    expect((await exchange(sandbox, await logIn(sandbox))).status).toBe(200);
  });
});

async function patientToken(sandbox: Sandbox, scope = "openid launch/patient patient/*.rs"): Promise<string> {
  const { access_token: token } = await json<{ access_token: string }>(
    await exchange(sandbox, await logIn(sandbox, { scope })),
  );
  return token;
}

const total = async (url: string, token: string) =>
  (await json<{ total?: number }>(await fetch(url, { headers: bearer(token) }))).total;

describe("settings of access", () => {
  it("leak the other patients of one type", async () => {
    const sandbox = await start([{ setting: "unconfinedTypes", value: "{type}" }], {}, "Condition");
    const token = await patientToken(sandbox);
    expect(await total(`${base(sandbox)}/Condition`, token)).toBe(4 * 4);
    expect(await total(`${base(sandbox)}/Patient`, token)).toBe(1);
  });

  it("open one type without a scope", async () => {
    const sandbox = await start([{ setting: "unscopedTypes", value: "Observation" }]);
    const token = await systemToken(sandbox, { scope: "system/Patient.rs" });
    const api = base(sandbox, "provider/system-access");
    expect((await fetch(`${api}/Observation`, { headers: bearer(token) })).status).toBe(200);
    expect((await fetch(`${api}/Condition`, { headers: bearer(token) })).status).toBe(403);
  });

  it("forget the restriction of a granular scope", async () => {
    const sandbox = await start([{ setting: "enforceRestrictions", value: false }]);
    const token = await systemToken(sandbox, { scope: "system/Observation.rs?category=laboratory" });
    const all = `${base(sandbox, "provider/system-access")}/Observation`;
    expect(await total(all, token)).toBeGreaterThan((await total(`${all}?category=laboratory`, token)) ?? 0);
  });

  it("include what no scope names", async () => {
    const sandbox = await start([{ setting: "enforceOnIncludes", value: false }]);
    const token = await systemToken(sandbox, { scope: "system/Coverage.rs" });
    const url = `${base(sandbox, "provider/system-access")}/Coverage?_revinclude=Provenance:target`;
    expect(await (await fetch(url, { headers: bearer(token) })).text()).toContain("Provenance");
  });

  it("take a token of one tenant at the other", async () => {
    const sandbox = await start([{ setting: "enforceAudience", value: false }]);
    const token = await systemToken(sandbox);
    expect(await total(`${base(sandbox, "provider/system-access", HARBOR)}/Patient`, token)).toBe(4);
  });
});
