import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import {
  ASSERTION_TYPE,
  assertion,
  authorization,
  base,
  bearer,
  credential,
  exchange,
  HARBOR,
  json,
  logIn,
  post,
  REDIRECT,
  requestSystemToken,
  systemToken,
} from "./client.ts";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox({ patients: 6 });
});
afterAll(() => sandbox.close());

interface TokenResponse {
  access_token: string;
  token_type: string;
  expires_in: number;
  scope: string;
  refresh_token?: string;
  id_token?: string;
  patient?: string;
  encounter?: string;
  need_patient_banner?: boolean;
  smart_style_url?: string;
}

const refresh = (token: string | undefined, form: Record<string, string> = {}) =>
  post(`${authorization(sandbox)}/token`, {
    grant_type: "refresh_token",
    refresh_token: token ?? "",
    client_id: "riverbend-patient-public",
    ...form,
  });

const now = () => Math.floor(Date.now() / 1000);

describe("backend services", () => {
  it.each(["riverbend-system-es384", "riverbend-system-rs384"])("gives %s a short token", async (id) => {
    const response = await requestSystemToken(sandbox, {
      id,
      scope: "system/Patient.rs system/Observation.read",
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const body = await json<TokenResponse>(response);
    expect(body).toMatchObject({
      token_type: "Bearer",
      expires_in: 300,
      scope: "system/Patient.rs system/Observation.read",
    });
    expect(body.refresh_token).toBeUndefined();
  });

  it("takes a client secret in the header or in the form, as registered", async () => {
    const basic = Buffer.from(
      `riverbend-system-basic:${credential(sandbox, "riverbend-system-basic", "SECRET")}`,
    ).toString("base64");
    const endpoint = `${authorization(sandbox)}/token`;
    const grant = { grant_type: "client_credentials", scope: "system/*.rs" };
    expect((await post(endpoint, grant, { authorization: `Basic ${basic}` })).status).toBe(200);
    const posted = {
      ...grant,
      client_id: "riverbend-system-post",
      client_secret: credential(sandbox, "riverbend-system-post", "SECRET"),
    };
    expect((await post(endpoint, posted)).status).toBe(200);
    expect((await post(endpoint, { ...posted, client_secret: "wrong" })).status).toBe(401);
  });

  it.each<[string, () => Record<string, unknown>, Record<string, unknown>?]>([
    ["another audience", () => ({ aud: "https://elsewhere.example/token" })],
    ["the issuer as audience", () => ({ aud: authorization(sandbox) })],
    [
      "another tenant's token endpoint as audience",
      () => ({ aud: `${authorization(sandbox, HARBOR)}/token` }),
    ],
    ["another issuer", () => ({ iss: "someone-else" })],
    ["another subject", () => ({ sub: "riverbend-system-rs384" })],
    ["an expiry in the past", () => ({ exp: now() - 60 })],
    ["an expiry ten minutes ahead", () => ({ exp: now() + 600 })],
    ["a begin in the future", () => ({ nbf: now() + 200 })],
    ["no expiry", () => ({ exp: undefined })],
    ["no jti", () => ({ jti: undefined })],
    ["an unknown key id", () => ({}), { kid: "unknown" }],
    ["no key id", () => ({}), { kid: undefined }],
    ["no algorithm", () => ({}), { alg: "none" }],
    ["a symmetric algorithm", () => ({}), { alg: "HS256" }],
  ])("refuses an assertion with %s", async (_name, claims, header = {}) => {
    const response = await requestSystemToken(sandbox, { claims: claims(), header });
    expect(response.status).toBe(401);
    expect(await json(response)).toMatchObject({ error: "invalid_client" });
  });

  it("refuses an assertion with a bad signature, of a wrong type, used twice, or none", async () => {
    const endpoint = `${authorization(sandbox)}/token`;
    const grant = {
      grant_type: "client_credentials",
      scope: "system/*.rs",
      client_assertion_type: ASSERTION_TYPE,
    };
    const signed = assertion(sandbox, "riverbend-system-es384");
    const used = { ...grant, client_assertion: signed };
    expect((await post(endpoint, used)).status).toBe(200);
    const refused = [
      used,
      { ...grant, client_assertion: `${assertion(sandbox, "riverbend-system-es384").slice(0, -8)}AAAAAAAA` },
      {
        ...grant,
        client_assertion: assertion(sandbox, "riverbend-system-es384"),
        client_assertion_type: "jwt",
      },
      { grant_type: "client_credentials", scope: "system/*.rs", client_id: "riverbend-system-es384" },
      { grant_type: "client_credentials", scope: "system/*.rs" },
    ];
    for (const form of refused) {
      const response = await post(endpoint, form);
      expect(response.status).toBe(401);
      expect(await json(response)).toMatchObject({ error: "invalid_client" });
    }
  });

  it.each(["riverbend-system-requested", "riverbend-system-revoked", "riverbend-system-rejected"])(
    "refuses %s, which the tenant has not approved",
    async (id) => {
      const response = await requestSystemToken(sandbox, { id });
      expect(response.status).toBe(401);
      expect(await json(response)).toMatchObject({ error: "invalid_client" });
    },
  );

  it("refuses an application at another tenant than its own", async () => {
    expect((await requestSystemToken(sandbox, { tenant: HARBOR })).status).toBe(401);
    expect((await requestSystemToken(sandbox, { id: "harbor-system-es384", tenant: HARBOR })).status).toBe(
      200,
    );
  });

  it("says which grant or scope it does not know", async () => {
    expect(await json(await requestSystemToken(sandbox, { scope: "patient/*.rs" }))).toMatchObject({
      error: "invalid_scope",
    });
    const response = await post(`${authorization(sandbox)}/token`, {
      grant_type: "password",
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: assertion(sandbox, "riverbend-system-es384"),
    });
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({ error: "unsupported_grant_type" });
  });
});

describe("an application launch", () => {
  it("ends with a token, its context and a signed identity", async () => {
    const login = await logIn(sandbox, { parameters: { nonce: "n-1" } });
    expect(login.redirect).toMatchObject({ state: "a-state", iss: authorization(sandbox) });
    const response = await exchange(sandbox, login);
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const body = await json<TokenResponse>(response);
    expect(body).toMatchObject({
      scope: "openid fhirUser launch/patient offline_access patient/*.rs",
      patient: "riverbend-patient-1",
      need_patient_banner: true,
    });
    expect((await fetch(body.smart_style_url ?? "")).status).toBe(200);
    const keys = await json<JSONWebKeySet & Record<string, unknown>>(
      await fetch(`${authorization(sandbox)}/jwks`),
    );
    const { payload } = await jwtVerify(body.id_token ?? "", createLocalJWKSet(keys), {
      issuer: authorization(sandbox),
      audience: "riverbend-patient-public",
    });
    expect(payload).toMatchObject({ nonce: "n-1", fhirUser: `${base(sandbox)}/Patient/riverbend-patient-1` });
    const user = await fetch(String(payload["fhirUser"]), { headers: bearer(body.access_token) });
    expect(await json(user)).toMatchObject({ resourceType: "Patient", id: "riverbend-patient-1" });
  });

  it("takes a posted authorization request", async () => {
    const login = await logIn(sandbox, { method: "POST" });
    expect((await exchange(sandbox, login)).status).toBe(200);
  });

  it("lets a practitioner choose the patient", async () => {
    const login = await logIn(sandbox, { user: "riverbend-practitioner", patient: "riverbend-patient-4" });
    const body = await json<TokenResponse>(await exchange(sandbox, login));
    expect(body.patient).toBe("riverbend-patient-4");
  });

  it("starts from an EHR, with its patient and encounter", async () => {
    const query = new URLSearchParams({
      launch_url: "http://127.0.0.1:9/launch",
      patient: "riverbend-patient-2",
    });
    const launched = await fetch(`${sandbox.origin}/ehr/launch?${query.toString()}`, { redirect: "manual" });
    const target = new URL(launched.headers.get("location") ?? "");
    expect(target.searchParams.get("iss")).toBe(base(sandbox));
    const login = await logIn(sandbox, {
      user: "riverbend-practitioner",
      scope: "openid launch patient/*.rs",
      parameters: { launch: target.searchParams.get("launch") ?? "" },
    });
    const body = await json<TokenResponse>(await exchange(sandbox, login));
    expect(body).toMatchObject({
      patient: "riverbend-patient-2",
      encounter: "riverbend-encounter-2",
      need_patient_banner: false,
    });
  });

  it.each([
    ["riverbend-patient-basic", "client_secret_basic"],
    ["riverbend-patient-post", "client_secret_post"],
    ["riverbend-patient-es384", "private_key_jwt"],
    ["riverbend-patient-rs384", "private_key_jwt"],
  ])("authenticates %s by %s, and not otherwise", async (client, method) => {
    const credentials = (): [Record<string, string>, Record<string, string>] => {
      if (method === "client_secret_basic") {
        const pair = `${client}:${credential(sandbox, client, "SECRET")}`;
        return [{ client_id: client }, { authorization: `Basic ${Buffer.from(pair).toString("base64")}` }];
      }
      if (method === "client_secret_post") {
        return [{ client_id: client, client_secret: credential(sandbox, client, "SECRET") }, {}];
      }
      return [
        {
          client_id: client,
          client_assertion_type: ASSERTION_TYPE,
          client_assertion: assertion(sandbox, client),
        },
        {},
      ];
    };
    const first = await logIn(sandbox, { client });
    expect((await exchange(sandbox, first, { client_id: client })).status).toBe(401);
    const second = await logIn(sandbox, { client });
    expect((await exchange(sandbox, second, ...credentials())).status).toBe(200);
  });

  it.each<[string, Record<string, string | undefined>, string]>([
    [
      "without a code challenge",
      { code_challenge: undefined, code_challenge_method: undefined },
      "invalid_request",
    ],
    ["with a plain challenge", { code_challenge_method: "plain" }, "invalid_request"],
    ["without aud", { aud: undefined }, "invalid_request"],
    ["with another aud", { aud: "https://elsewhere.example/fhir" }, "invalid_request"],
    ["without a response type", { response_type: undefined }, "invalid_request"],
    ["with another response type", { response_type: "token" }, "unsupported_response_type"],
    ["with scopes that nobody knows", { scope: "bogus" }, "invalid_scope"],
    ["with a launch that nobody made", { scope: "openid launch", launch: "made-up" }, "invalid_request"],
  ])("is refused by a redirect with the state %s", async (_name, parameters, error) => {
    const { redirect } = await logIn(sandbox, { parameters });
    expect(redirect).toMatchObject({ error, state: "a-state" });
    expect(redirect?.["code"]).toBeUndefined();
  });

  it.each<[string, Record<string, string | undefined>]>([
    ["an unknown client", { client_id: "nobody" }],
    ["another redirect URI", { redirect_uri: "http://127.0.0.1:9123/elsewhere" }],
    ["a redirect URI on another host", { redirect_uri: "https://evil.example/callback" }],
    ["an application of another tenant", { client_id: "harbor-patient-public" }],
    ["an application that is not approved yet", { client_id: "riverbend-patient-requested" }],
    ["a revoked application", { client_id: "riverbend-patient-revoked" }],
  ])("is refused without any redirect for %s", async (_name, parameters) => {
    const { redirect, response } = await logIn(sandbox, { parameters });
    expect(redirect).toBeUndefined();
    expect(response.status).toBe(400);
  });

  it("tells the application when the user says no", async () => {
    const { redirect } = await logIn(sandbox, { decision: "deny" });
    expect(redirect).toMatchObject({ error: "access_denied", state: "a-state" });
  });

  it("grants the scopes that the user leaves, and no others", async () => {
    const login = await logIn(sandbox, {
      scope: "openid launch/patient patient/Patient.rs patient/Observation.rs",
      allowScopes: ["openid", "launch/patient", "patient/Patient.rs"],
    });
    const body = await json<TokenResponse>(await exchange(sandbox, login));
    expect(body.scope).toBe("openid launch/patient patient/Patient.rs");
    const refused = await fetch(`${base(sandbox)}/Observation`, { headers: bearer(body.access_token) });
    expect(refused.status).toBe(403);
  });

  it.each<[string, Record<string, string>]>([
    ["a wrong verifier", { code_verifier: "x".repeat(43) }],
    ["another redirect URI", { redirect_uri: "http://127.0.0.1:9124/callback" }],
    ["another client", { client_id: "riverbend-patient-second" }],
    ["a made-up code", { code: "made-up" }],
  ])("does not exchange a code with %s", async (_name, form) => {
    const response = await exchange(sandbox, await logIn(sandbox), form);
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({ error: "invalid_grant" });
  });

  it("does not exchange a code twice, and ends the tokens of the first time", async () => {
    const login = await logIn(sandbox);
    const { access_token: token } = await json<TokenResponse>(await exchange(sandbox, login));
    expect((await exchange(sandbox, login)).status).toBe(400);
    expect((await fetch(`${base(sandbox)}/Patient`, { headers: bearer(token) })).status).toBe(401);
  });
});

const tokensFor = async (scope: string) =>
  json<TokenResponse>(await exchange(sandbox, await logIn(sandbox, { scope })));

describe("a refresh token", () => {
  it("is given for offline or online access only", async () => {
    expect((await tokensFor("openid patient/*.rs")).refresh_token).toBeUndefined();
    expect((await tokensFor("openid online_access patient/*.rs")).refresh_token).toBeDefined();
  });

  it("rotates, keeps the context, and is dead with its whole family when used twice", async () => {
    const first = await json<TokenResponse>(await exchange(sandbox, await logIn(sandbox)));
    const second = await json<TokenResponse>(await refresh(first.refresh_token));
    expect(second.patient).toBe("riverbend-patient-1");
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect((await refresh(first.refresh_token)).status).toBe(400);
    expect((await refresh(second.refresh_token)).status).toBe(400);
  });

  it("narrows scopes and does not widen them", async () => {
    const { refresh_token: token } = await json<TokenResponse>(await exchange(sandbox, await logIn(sandbox)));
    const narrowed = await json<TokenResponse>(await refresh(token, { scope: "openid launch/patient" }));
    expect(narrowed.scope).toBe("openid launch/patient");
    const widened = await refresh(narrowed.refresh_token, { scope: "openid user/*.rs" });
    expect(await json(widened)).toMatchObject({ error: "invalid_scope" });
  });
});

describe("introspection, revocation and management", () => {
  it("tells a client of its own tokens, and of nobody else's", async () => {
    const { access_token: token } = await json<TokenResponse>(await exchange(sandbox, await logIn(sandbox)));
    const ask = (client: string) =>
      post(`${authorization(sandbox)}/introspect`, { token, client_id: client }).then((answer) =>
        json(answer),
      );
    expect(await ask("riverbend-patient-public")).toMatchObject({
      active: true,
      patient: "riverbend-patient-1",
    });
    expect(await ask("riverbend-patient-second")).toEqual({ active: false });
  });

  it("ends a revoked token", async () => {
    const { access_token: token } = await json<TokenResponse>(await exchange(sandbox, await logIn(sandbox)));
    const revoked = await post(`${authorization(sandbox)}/revoke`, {
      token,
      client_id: "riverbend-patient-public",
    });
    expect(revoked.status).toBe(200);
    expect((await fetch(`${base(sandbox)}/Patient`, { headers: bearer(token) })).status).toBe(401);
  });

  it("lets a user withdraw what was allowed", async () => {
    const { access_token: token } = await json<TokenResponse>(
      await exchange(sandbox, await logIn(sandbox, { user: "riverbend-patient-2" })),
    );
    const withdrawn = await post(`${authorization(sandbox)}/manage`, {
      username: "riverbend-patient-2",
      password: credential(sandbox, "riverbend-patient-2", "PASSWORD"),
      application: "riverbend-patient-public",
    });
    expect(withdrawn.status).toBe(200);
    expect((await fetch(`${base(sandbox)}/Patient`, { headers: bearer(token) })).status).toBe(401);
  });
});

describe("the tenant's authorization of an application", () => {
  it("ends tokens and refuses new ones when it is revoked, and works again when it is given again", async () => {
    const own = await startSandbox({ patients: 2 });
    try {
      const url = `${base(own, "provider/system-access")}/Patient`;
      const token = await systemToken(own);
      expect((await fetch(url, { headers: bearer(token) })).status).toBe(200);
      await own.authorize("riverbend-system-es384", "revoked");
      expect((await fetch(url, { headers: bearer(token) })).status).toBe(401);
      expect((await requestSystemToken(own)).status).toBe(401);
      expect((await requestSystemToken(own, { id: "riverbend-system-rs384" })).status).toBe(200);
      await own.authorize("riverbend-system-es384", "approved");
      expect((await fetch(url, { headers: bearer(await systemToken(own)) })).status).toBe(200);
    } finally {
      await own.close();
    }
  });
});

describe("the legacy authorization server", () => {
  it("authorizes v1 applications for v1 APIs, and nobody else", async () => {
    const endpoint = `${sandbox.legacyOrigin}/token`;
    const form = (id: string) => ({
      grant_type: "client_credentials",
      scope: "system/*.read",
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: assertion(sandbox, id, {}, {}, endpoint),
    });
    const response = await post(endpoint, form("v1-system-es384"));
    expect(response.status).toBe(200);
    const { access_token: token } = await json<TokenResponse>(response);
    const group = `Group/riverbend-group-all`;
    expect(
      (await fetch(`${sandbox.origin}/uscore/v1/bulk-data/${group}`, { headers: bearer(token) })).status,
    ).toBe(200);
    expect(
      (await fetch(`${base(sandbox, "provider/system-access")}/${group}`, { headers: bearer(token) })).status,
    ).toBe(401);
    expect((await post(endpoint, form("riverbend-system-es384"))).status).toBe(401);
  });

  it("logs users in for each of the v1 APIs, by aud", async () => {
    const server = sandbox.legacyOrigin;
    const client = "v1-patient-public";
    const tokenFor = async (aud: string) => {
      const scope = "openid launch/patient patient/*.read";
      const login = await logIn(sandbox, { client, server, scope, parameters: { aud } });
      return json<TokenResponse>(await exchange(sandbox, login, { client_id: client }, {}, server));
    };
    const first = `${sandbox.origin}/uscore/v1`;
    const general = `${sandbox.origin}/v4`;
    const { access_token: token, scope } = await tokenFor(general);
    expect(scope).toBe("openid launch/patient patient/*.read");
    const answer = await fetch(`${general}/Patient/riverbend-patient-1`, { headers: bearer(token) });
    expect(answer.headers.get("content-type")).toContain("xml");
    expect(await answer.text()).toContain('<id value="riverbend-patient-1"/>');
    expect((await fetch(`${first}/Patient`, { headers: bearer(token) })).status).toBe(401);
    const { access_token: other } = await tokenFor(first);
    expect((await fetch(`${first}/Patient`, { headers: bearer(other) })).status).toBe(200);
  });

  it("keeps its cookies from the tenants' servers", async () => {
    const query = new URLSearchParams({
      response_type: "code",
      client_id: "v1-patient-public",
      redirect_uri: REDIRECT,
      scope: "openid launch/patient patient/*.read",
      state: "s",
      aud: `${sandbox.origin}/uscore/v1`,
      code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
      code_challenge_method: "S256",
    });
    const response = await fetch(`${sandbox.legacyOrigin}/authorize?${query.toString()}`, {
      redirect: "manual",
    });
    expect(response.status).toBe(303);
    const names = response.headers.getSetCookie().map((cookie) => cookie.split("=")[0]);
    expect(names.some((name) => name?.includes(new URL(sandbox.legacyOrigin).port))).toBe(true);
  });
});
