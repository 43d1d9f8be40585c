import { randomBytes } from "node:crypto";
import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import {
  accessToken,
  authorizeAnew,
  endpointOf,
  exchangeToken,
  explained,
  granted,
  obtainCode,
  prepareAuthorization,
  proofOf,
  sendTokenRequest,
} from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { secretOf } from "../../lib/config/secret.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import { calculateChallenge, createPkce } from "../../lib/smart/authorization-request.ts";
import { proveClient } from "../../lib/smart/client-authentication.ts";
import { parameter, withParameters } from "../../lib/smart/parameters.ts";
import { codeRequest, type TokenRequest } from "../../lib/smart/token-request.ts";
import { readTokenResponse } from "../../lib/smart/token-response.ts";
import { apiRequest } from "../../lib/checks/attempts.ts";
import { assureThat, refusalFindings, texts } from "../../lib/checks/refusals.ts";
import { assureOwnLogin, registration, wishOf } from "../../lib/checks/registrations.ts";

/** Codes of a registration with the role `short-lived-codes` have ended after this. */
const SHORT_CODE_MS = 2600;

interface Redeemable {
  readonly client: ClientRegistration;
  readonly request: TokenRequest;
  readonly challenge: string;
}

/** A fresh code, with the request that would redeem it. */
async function redeemable(context: CheckContext, wish: { client?: string }): Promise<Redeemable> {
  assureOwnLogin(context);
  return await explained(context, async () => {
    const { client, request } = await prepareAuthorization(context, wish);
    const { response } = await obtainCode(context, request);
    const endpoint = await endpointOf(context, "tokenEndpoint");
    const proof = await proofOf(context, client, endpoint);
    return {
      client,
      request: codeRequest(endpoint, request, response.code ?? "", proof),
      challenge: request.pkce.challenge,
    };
  });
}

/** A request that is in order but for its code, which nobody ever issued. No login is needed for it. */
async function withBogusCode(context: CheckContext, wish: { client?: string }): Promise<Redeemable> {
  return await explained(context, async () => {
    const { client, request } = await prepareAuthorization(context, wish);
    const endpoint = await endpointOf(context, "tokenEndpoint");
    const proof = await proofOf(context, client, endpoint);
    const code = `bogus-${randomBytes(24).toString("base64url")}`;
    return {
      client,
      request: codeRequest(endpoint, request, code, proof),
      challenge: request.pkce.challenge,
    };
  });
}

type Alteration = (context: CheckContext, good: Redeemable) => Promise<TokenRequest> | TokenRequest;

const set =
  (changes: Readonly<Record<string, string | null>>): Alteration =>
  (_context, { request }) => ({ ...request, parameters: withParameters(request.parameters, changes) });

/** What can be wrong with a request for a token by code. */
const ALTERATIONS: Readonly<Record<string, Alteration>> = {
  "wrong-verifier": async (_context, { request, challenge }) => {
    const { verifier } = await createPkce();
    assureThat((await calculateChallenge(verifier)) !== challenge, "the verifier fits the challenge");
    return { ...request, parameters: withParameters(request.parameters, { code_verifier: verifier }) };
  },
  "missing-verifier": set({ code_verifier: null }),
  "blank-verifier": set({ code_verifier: "" }),
  "challenge-as-verifier": (_context, { request, challenge }) => ({
    ...request,
    parameters: withParameters(request.parameters, { code_verifier: challenge }),
  }),
  "other-redirect-uri": (_context, { request }) => {
    const uri = new URL(parameter(request.parameters, "redirect_uri") ?? "");
    uri.pathname = `${uri.pathname}/other`;
    return { ...request, parameters: withParameters(request.parameters, { redirect_uri: uri.href }) };
  },
  "missing-redirect-uri": set({ redirect_uri: null }),
  "missing-code": set({ code: null }),
  "missing-grant-type": set({ grant_type: null }),
  "unsupported-grant-type": set({ grant_type: "urn:careconnect-conformance:no-such-grant" }),
  "bogus-code": (_context, { request }) => request,
  "expired-code": async (_context, { request }) => {
    await new Promise((resolve) => setTimeout(resolve, SHORT_CODE_MS));
    return request;
  },
  "other-client": async (context, { client, request }) => {
    const other = registration(context, "second");
    assureThat(other.id !== client.id, "the second registration is the first");
    const proof = await proofOf(context, other, request.endpoint);
    const kept = withParameters(request.parameters, {
      client_id: null,
      client_secret: null,
      client_assertion: null,
      client_assertion_type: null,
    });
    return { endpoint: request.endpoint, headers: proof.headers, parameters: [...kept, ...proof.parameters] };
  },
  "wrong-secret": async (_context, { client, request }) => {
    const wrong = {
      ...client,
      secret: secretOf("client_secret", `wrong-${randomBytes(18).toString("base64url")}`),
    };
    assureThat(wrong.secret.reveal() !== client.secret?.reveal(), "the secret is right");
    const proof = await proveClient(wrong, request.endpoint);
    const kept = withParameters(request.parameters, { client_id: null, client_secret: null });
    return { endpoint: request.endpoint, headers: proof.headers, parameters: [...kept, ...proof.parameters] };
  },
  "no-authentication": (_context, { client, request }) => ({
    endpoint: request.endpoint,
    headers: {},
    parameters: withParameters(request.parameters, {
      client_id: client.id,
      client_secret: null,
      client_assertion: null,
      client_assertion_type: null,
    }),
  }),
  "unknown-client": (_context, { request }) => ({
    endpoint: request.endpoint,
    headers: {},
    parameters: withParameters(request.parameters, {
      client_id: "careconnect-conformance-no-such-client",
      client_secret: null,
      client_assertion: null,
      client_assertion_type: null,
    }),
  }),
};

const WITHOUT_CODE = new Set([
  "bogus-code",
  "missing-code",
  "missing-grant-type",
  "unsupported-grant-type",
  "unknown-client",
]);

async function altered(
  context: CheckContext,
  parameters: Readonly<Record<string, unknown>>,
): Promise<TokenRequest> {
  const name = String(parameters["alter"]);
  const alter = ALTERATIONS[name];
  if (alter === undefined) throw new Error(`there is no alteration ${name}`);
  const wish = wishOf(context, parameters);
  if (name === "other-client") registration(context, "second");
  const prepare = WITHOUT_CODE.has(name) ? withBogusCode : redeemable;
  return await alter(context, await prepare(context, wish));
}

/** A token request with something wrong is refused. Parameters: `alter`, `client`, `errors`. */
export const exchangeRefused: Procedure = async (context, parameters) => {
  const request = await altered(context, parameters);
  const answer = await exchangeToken(
    context,
    request,
    `token request that is wrong: ${String(parameters["alter"])}`,
  );
  return refusalFindings(answer, { errors: texts(parameters["errors"]) });
};

/** A code is redeemed once (RFC 6749 §4.1.2): the second time is refused. */
export const codeReplayed: Procedure = async (context, parameters) => {
  const { request } = await redeemable(context, wishOf(context, parameters));
  await explained(context, async () => granted(await exchangeToken(context, request, "first use of a code")));
  const again = await exchangeToken(
    context,
    await freshProof(context, request, parameters),
    "second use of a code",
  );
  return refusalFindings(again, { errors: ["invalid_grant"] });
};

/** After a code was used twice, what the first use gave is dead (RFC 6749 §4.1.2, SHOULD). */
export const replayedCodeTokensDie: Procedure = async (context, parameters) => {
  const { request } = await redeemable(context, wishOf(context, parameters));
  const first = await explained(context, async () =>
    granted(await exchangeToken(context, request, "first use of a code")),
  );
  await exchangeToken(context, await freshProof(context, request, parameters), "second use of a code");
  const response = await context.send({
    ...(await apiRequest(context, first)),
    bearer: { value: first.accessToken, origin: new URL(context.target.base).origin },
    purpose: "token of a code that was used twice",
  });
  return response.status === 401 || response.status === 403
    ? []
    : [
        {
          code: "token.alive",
          expected: "status 401: the code was used twice",
          actual: `status ${response.status}`,
          exchange: response.exchange,
        },
      ];
};

/** An assertion serves once too: the second request needs one of its own. */
async function freshProof(
  context: CheckContext,
  request: TokenRequest,
  parameters: Readonly<Record<string, unknown>>,
): Promise<TokenRequest> {
  const role = parameters["client"];
  const client = registration(context, typeof role === "string" ? role : undefined);
  if (client.authentication !== "private_key_jwt") return request;
  const proof = await proofOf(context, client, request.endpoint);
  const kept = withParameters(request.parameters, { client_assertion: null, client_assertion_type: null });
  return { ...request, parameters: [...kept, ...proof.parameters] };
}

/** A failed HTTP Basic authentication is answered with 401 and a challenge of that scheme (RFC 6749 §5.2). */
export const basicChallenge: Procedure = async (context, parameters) => {
  const role = parameters["client"];
  const client = registration(context, typeof role === "string" ? role : undefined);
  if (client.authentication !== "client_secret_basic") {
    throw new NotApplicable("the registration does not authenticate by HTTP Basic");
  }
  const wrong = {
    ...client,
    secret: secretOf("client_secret", `wrong-${randomBytes(18).toString("base64url")}`),
  };
  const endpoint = await endpointOf(context, "tokenEndpoint");
  const proof = await proveClient(wrong, endpoint);
  assureThat("authorization" in proof.headers, "there is no Authorization header");
  const request: TokenRequest = {
    endpoint,
    headers: proof.headers,
    parameters: [
      ["grant_type", context.target.access === "system" ? "client_credentials" : "authorization_code"],
      ["code", "none"],
      ...proof.parameters,
    ],
  };
  const response = await sendTokenRequest(context, request, "failed HTTP Basic authentication");
  const challenge = response.headers.get("www-authenticate") ?? "";
  const findings: Finding[] = [];
  const { exchange, status } = response;
  if (status !== 401)
    findings.push({ code: "oauth.status", expected: "status 401", actual: `status ${status}`, exchange });
  if (!/^basic\b/i.test(challenge)) {
    const actual = challenge === "" ? "none" : "another scheme";
    findings.push({
      code: "http.challenge",
      expected: "WWW-Authenticate: Basic",
      actual,
      location: "www-authenticate",
      exchange,
    });
  }
  return findings;
};

/** Errors of the token endpoint are JSON with `error` (RFC 6749 §5.2). */
export const errorBody: Procedure = async (context) => {
  const isSystem = context.target.access === "system";
  const client = registration(context);
  const endpoint = await endpointOf(context, "tokenEndpoint");
  const proof = await explained(context, () => proofOf(context, client, endpoint));
  const request: TokenRequest = {
    endpoint,
    headers: proof.headers,
    parameters: [["grant_type", isSystem ? "no-such-grant" : "authorization_code"], ...proof.parameters],
  };
  const response = await sendTokenRequest(context, request, "a request that must end in an error");
  const answer = readTokenResponse(response);
  const { exchange } = response;
  const type = response.headers.get("content-type") ?? "none";
  const findings: Finding[] = [];
  if (!/^application\/json\b/i.test(type)) {
    findings.push({
      code: "http.media-type",
      expected: "application/json",
      actual: type,
      location: "content-type",
      exchange,
    });
  }
  const codes = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
  ];
  return [...findings, ...refusalFindings(answer, { errors: codes })];
};

/** A public client must prove possession of the verifier even though it has no other proof: its flow works only so. */
export const flowGranted: Procedure = async (context, parameters) => {
  const wish = wishOf(context, parameters);
  const method = parameters["method"] === "POST" ? ({ method: "POST" } as const) : {};
  assureOwnLogin(context);
  try {
    const { answer } = await authorizeAnew(context, { ...wish, ...method });
    if (answer.kind === "granted") return [];
    const actual = `status ${answer.status} and ${answer.error ?? answer.problem ?? "no token"}`;
    return [{ code: "oauth.refused", expected: "an access token", actual, exchange: answer.exchange }];
  } catch (error) {
    // What explains elsewhere why there is no token is the very question here.
    if (error instanceof Blocked && error.findings.length > 0) return error.findings;
    throw error;
  }
};

/** Whether the shared token opens the API. */
export const tokenWorks: Procedure = async (context) => {
  const request = await apiRequest(context);
  const response = await context.send({
    ...request,
    bearer: await accessToken(context),
    purpose: "the token on the API",
  });
  return response.status === 200
    ? []
    : [
        {
          code: "api.refused",
          expected: "status 200",
          actual: `status ${response.status}`,
          exchange: response.exchange,
        },
      ];
};
