import { createHash, createPrivateKey, randomBytes, randomUUID, sign } from "node:crypto";
import { get } from "node:http";
import type { Sandbox } from "../../lib/sandbox/index.ts";

// A client that knows nothing of the harness's own: the sandbox is tested by what goes over the wire.

export const RIVERBEND = "6f1d0f3e-2b64-4c58-9a55-0d3c7a1e4b21";
export const HARBOR = "b84f2c07-91d5-4e3a-8c60-52f7e9a0d314";
export const REDIRECT = "http://127.0.0.1:9123/callback";
export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

export const base = (sandbox: Sandbox, api = "provider/patient-access", tenant = RIVERBEND) =>
  `${sandbox.origin}/${api}/v2/${tenant}`;
export const authorization = (sandbox: Sandbox, tenant = RIVERBEND) =>
  `${sandbox.origin}/auth/${tenant}/oauth2/v1`;

export function credential(sandbox: Sandbox, id: string, kind: "SECRET" | "KEY" | "PASSWORD"): string {
  const value = sandbox.env[`CARECONNECT_SANDBOX_${id.toUpperCase().replaceAll("-", "_")}_${kind}`];
  if (value === undefined) throw new Error(`The sandbox has no ${kind} of ${id}.`);
  return value;
}

export async function json<T = Record<string, unknown>>(response: Response): Promise<T> {
  return (await response.json()) as T;
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A client assertion, claims and header changed as a test wants. */
export function assertion(
  sandbox: Sandbox,
  id: string,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  audience = `${authorization(sandbox)}/token`,
): string {
  const jwk = JSON.parse(credential(sandbox, id, "KEY")) as { alg: string; kid: string };
  const now = Math.floor(Date.now() / 1000);
  const signed = [
    encode({ alg: jwk.alg, kid: jwk.kid, typ: "JWT", ...header }),
    encode({ iss: id, sub: id, aud: audience, exp: now + 240, jti: randomUUID(), ...claims }),
  ].join(".");
  const key = createPrivateKey({ key: jwk as never, format: "jwk" });
  const signature = sign(
    "sha384",
    Buffer.from(signed),
    jwk.alg === "ES384" ? { key, dsaEncoding: "ieee-p1363" } : key,
  );
  return `${signed}.${signature.toString("base64url")}`;
}

export function post(url: string, form: Record<string, string>, headers: Record<string, string> = {}) {
  return fetch(url, { method: "POST", headers, body: new URLSearchParams(form), redirect: "manual" });
}

/** Client credentials with a signed assertion. */
export function requestSystemToken(
  sandbox: Sandbox,
  options: {
    id?: string;
    scope?: string;
    tenant?: string;
    claims?: Record<string, unknown>;
    header?: Record<string, unknown>;
  } = {},
): Promise<Response> {
  const { id = "riverbend-system-es384", scope = "system/*.rs", tenant = RIVERBEND } = options;
  const endpoint = `${authorization(sandbox, tenant)}/token`;
  return post(endpoint, {
    grant_type: "client_credentials",
    scope,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion(sandbox, id, options.claims, options.header, endpoint),
  });
}

export async function systemToken(sandbox: Sandbox, options: Parameters<typeof requestSystemToken>[1] = {}) {
  const { access_token: token } = await json<{ access_token: string }>(
    await requestSystemToken(sandbox, options),
  );
  return token;
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export interface LoginOptions {
  readonly client?: string;
  readonly scope?: string;
  readonly user?: string;
  readonly patient?: string;
  readonly decision?: "allow" | "deny";
  readonly allowScopes?: readonly string[];
  readonly parameters?: Record<string, string | undefined>;
  readonly method?: "GET" | "POST";
  /** Base of the authorization server; by default the first tenant's. */
  readonly server?: string;
}

/** Goes from the authorization request to the application's redirect, through the pages, as a browser does. */
export async function logIn(sandbox: Sandbox, options: LoginOptions = {}) {
  const verifier = randomBytes(32).toString("base64url");
  const parameters: Record<string, string | undefined> = {
    response_type: "code",
    client_id: options.client ?? "riverbend-patient-public",
    redirect_uri: REDIRECT,
    scope: options.scope ?? "openid fhirUser launch/patient offline_access patient/*.rs",
    state: "a-state",
    aud: base(sandbox),
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    ...options.parameters,
  };
  const query = new URLSearchParams(
    Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const cookies = new Map<string, string>();
  const browse = async (url: string, form?: URLSearchParams) => {
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
      ...(form === undefined ? {} : { method: "POST", body: form }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [name = "", value = ""] = (cookie.split(";")[0] ?? "").split("=");
      cookies.set(name, value);
    }
    return response;
  };
  const start = `${options.server ?? authorization(sandbox)}/authorize`;
  let response =
    options.method === "POST" ? await browse(start, query) : await browse(`${start}?${query.toString()}`);
  for (let hop = 0; hop < 10; hop += 1) {
    const location = response.headers.get("location");
    if (location === null) return { response, verifier, redirect: undefined };
    if (location.startsWith(REDIRECT)) {
      const { search, hash } = new URL(location);
      return {
        response,
        verifier,
        redirect: Object.fromEntries(new URLSearchParams(search || hash.slice(1))),
      };
    }
    const url = new URL(location, start).href;
    response = await browse(url);
    if (response.status !== 200) continue;
    response = await browse(url, answerPage(sandbox, await response.text(), options));
  }
  throw new Error("The login did not end.");
}

function answerPage(sandbox: Sandbox, page: string, options: LoginOptions): URLSearchParams {
  const user = options.user ?? "riverbend-patient";
  if (page.includes('name="username"')) {
    return new URLSearchParams({
      username: user,
      password: credential(sandbox, user, "PASSWORD"),
      action: "login",
    });
  }
  const form = new URLSearchParams({ decision: options.decision ?? "allow" });
  if (page.includes('name="patient"')) form.set("patient", options.patient ?? "riverbend-patient-3");
  for (const scope of options.allowScopes ?? []) form.append("scope", scope);
  return form;
}

export function exchange(
  sandbox: Sandbox,
  login: { readonly redirect: Record<string, string> | undefined; readonly verifier: string },
  form: Record<string, string> = {},
  headers: Record<string, string> = {},
  server = authorization(sandbox),
): Promise<Response> {
  return post(
    `${server}/token`,
    {
      grant_type: "authorization_code",
      code: login.redirect?.["code"] ?? "",
      redirect_uri: REDIRECT,
      code_verifier: login.verifier,
      client_id: "riverbend-patient-public",
      ...form,
    },
    headers,
  );
}

/** The status of a GET whose path is sent as it is: fetch would resolve dot segments. */
export function statusOf(sandbox: Sandbox, path: string): Promise<number> {
  const { hostname, port } = new URL(sandbox.origin);
  return new Promise((resolve, reject) => {
    get({ hostname, port, path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).once("error", reject);
  });
}
