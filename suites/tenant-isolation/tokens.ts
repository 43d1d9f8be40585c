import type { Procedure } from "../../lib/checks/answer.ts";
import { attemptAuthorization } from "../../lib/checks/attempts.ts";
import { Blocked, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { jwks } from "../../lib/checks/facts.ts";
import { jsonOf } from "../../lib/checks/outcome.ts";
import { assureThat } from "../../lib/checks/refusals.ts";
import { assureOwnLogin, registration } from "../../lib/checks/registrations.ts";
import { isObject } from "../../lib/checks/select.ts";
import {
  authorizationServer,
  authorizeAnew,
  defaultScopes,
  endpointOf,
  exchangeToken,
  explained,
  granted,
  obtainCode,
  prepareAuthorization,
  proofOf,
  redirectUriOf,
  sendTokenRequest,
  serverSeconds,
} from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import {
  createAuthorizationRequest,
  readAuthorizationResponse,
  type AuthorizationRequest,
} from "../../lib/smart/authorization-request.ts";
import type { AuthorizationOutcome } from "../../lib/smart/drivers/driver.ts";
import { proveClient } from "../../lib/smart/client-authentication.ts";
import {
  clientCredentialsRequest,
  codeRequest,
  refreshRequest,
  tokenOperationRequest,
} from "../../lib/smart/token-request.ts";
import type { TokenAnswer } from "../../lib/smart/token-response.ts";
import {
  assureRegistration,
  bearerOf,
  closedFindings,
  homeToken,
  isService,
  knock,
  related,
  relationOf,
  tokenEndpointNear,
} from "./doors.ts";

/** The target's token opens nothing elsewhere. Parameter: `at`. */
export const tokenRefusedAt: Procedure = async (context, { at }) => {
  const bearer = bearerOf(context, await homeToken(context));
  if (at === "unknown-tenant") {
    const base = context.variables["unknownBase"];
    if (typeof base !== "string") throw new NotApplicable("there is no tenant in the base URL");
    return closedFindings(await knock(context, bearer, "token at a tenant that nobody knows", base));
  }
  const findings: Finding[] = [];
  for (const other of near(context, related(context, relationOf(at)))) {
    findings.push(...closedFindings(await knock(other, bearer, `token at ${String(at)}`)));
  }
  return findings;
};

/** Those at the target's own origin: a token goes to no other. */
function near(context: CheckContext, others: readonly CheckContext[]): readonly CheckContext[] {
  const { origin } = new URL(context.target.base);
  const found = others.filter(({ target }) => new URL(target.base).origin === origin);
  if (found.length > 0) return found;
  throw new NotApplicable("the other API is at another origin, which tokens are not sent to");
}

/** A token from elsewhere opens nothing here. Parameter: `from`. */
export const foreignTokenRefused: Procedure = async (context, { from }) => {
  const findings: Finding[] = [];
  for (const other of near(context, related(context, relationOf(from)))) {
    const bearer = bearerOf(other, await homeToken(other));
    findings.push(...closedFindings(await knock(context, bearer, `token of ${String(from)}`)));
  }
  return findings;
};

const grantFindings = (answer: TokenAnswer): readonly Finding[] =>
  answer.kind === "refused"
    ? []
    : [
        {
          code: "oauth.granted",
          expected: "a refusal",
          actual: "an access token",
          exchange: answer.exchange,
        },
      ];

/** Whether a client is let in at the authorization server that guards an API. */
async function clientFindings(at: CheckContext, client: ClientRegistration): Promise<readonly Finding[]> {
  const scopes = await defaultScopes(at, client);
  if (isService(at)) {
    const endpoint = await endpointOf(at, "tokenEndpoint");
    const proof = await proveClient(client, endpoint, await serverSeconds(at));
    const request = clientCredentialsRequest(endpoint, scopes, proof);
    return grantFindings(await exchangeToken(at, request, "client of another server"));
  }
  const endpoint = await endpointOf(at, "authorizationEndpoint");
  const request = await createAuthorizationRequest(endpoint, {
    clientId: client.id,
    redirectUri: redirectUriOf(client),
    scopes,
    audience: at.target.base,
  });
  const outcome = await attemptedAt(at, request);
  const shown = outcome.exchange === undefined ? {} : { exchange: outcome.exchange };
  if (outcome.kind === "page" || readAuthorizationResponse(outcome.url).code === undefined) return [];
  return [{ code: "oauth.granted", expected: "no code", actual: "a code", ...shown }];
}

/** Where nobody can log in at another tenant, only what its server says before that is known. */
async function attemptedAt(at: CheckContext, request: AuthorizationRequest): Promise<AuthorizationOutcome> {
  try {
    return await attemptAuthorization(at, request);
  } catch (error) {
    if (!(error instanceof Blocked) || at.target.login !== undefined) throw error;
    throw new NotApplicable(
      "the other server asks the user to log in before it says more, and the configuration has no login there (atOtherTenant.login)",
    );
  }
}

/** The target's registration is unknown elsewhere. Parameter: `at`. */
export const clientRefusedAt: Procedure = async (context, { at }) => {
  const client = registration(context);
  const findings: Finding[] = [];
  for (const other of related(context, relationOf(at))) {
    await assureMayKnow(context, other, client);
    findings.push(...(await explained(other, () => clientFindings(other, client))));
  }
  return findings;
};

/** A registration of elsewhere is unknown here. Parameter: `from`. */
export const foreignClientRefused: Procedure = async (context, { from }) => {
  const findings: Finding[] = [];
  for (const other of related(context, relationOf(from))) {
    assureRegistration(other);
    const client = registration(other);
    await assureMayKnow(other, context, client);
    findings.push(...(await explained(context, () => clientFindings(context, client))));
  }
  return findings;
};

/** A secret is told to no other origin than that of its own server; an id and a signature may be. */
async function assureMayKnow(
  own: CheckContext,
  other: CheckContext,
  client: ClientRegistration,
): Promise<void> {
  const isTold = isService(other) && client.authentication.startsWith("client_secret");
  if (isTold) await tokenEndpointNear(own, other);
}

/** A code of one tenant, brought to the token endpoint of another. */
async function codeFindings(
  from: CheckContext,
  to: CheckContext,
  by: ClientRegistration,
): Promise<readonly Finding[]> {
  const endpoint = await tokenEndpointNear(from, to);
  assureOwnLogin(from);
  return await explained(from, async () => {
    const { request } = await prepareAuthorization(from);
    const { response } = await obtainCode(from, request);
    const proof = await proofOf(to, by, endpoint);
    const redeeming = codeRequest(endpoint, request, response.code ?? "", proof);
    assureThat(
      redeeming.endpoint !== (await endpointOf(from, "tokenEndpoint")),
      "the token endpoint is its own",
    );
    return grantFindings(await exchangeToken(to, redeeming, "code of another tenant"));
  });
}

/** The target's codes are no good elsewhere. */
export const codeRefusedAt: Procedure = async (context) =>
  await codeFindings(context, context.atOtherTenant(), registration(context));

/** Codes of elsewhere are no good here. */
export const foreignCodeRefused: Procedure = async (context) => {
  const other = context.atOtherTenant();
  assureRegistration(other);
  return await codeFindings(other, context, registration(context));
};

/** A refresh token of one tenant, brought to the token endpoint of another. */
async function refreshFindings(from: CheckContext, to: CheckContext, by: ClientRegistration) {
  const endpoint = await tokenEndpointNear(from, to);
  assureOwnLogin(from);
  return await explained(from, async () => {
    const token = granted((await authorizeAnew(from)).answer);
    if (token.refreshToken === undefined) throw new NotApplicable("no refresh token was issued");
    const proof = await proofOf(to, by, endpoint);
    const request = refreshRequest(endpoint, token.refreshToken, undefined, proof);
    assureThat(
      request.endpoint !== (await endpointOf(from, "tokenEndpoint")),
      "the token endpoint is its own",
    );
    return grantFindings(await exchangeToken(to, request, "refresh token of another tenant"));
  });
}

/** The target's refresh tokens are no good elsewhere. */
export const refreshRefusedAt: Procedure = async (context) =>
  await refreshFindings(context, context.atOtherTenant(), registration(context));

/** Refresh tokens of elsewhere are no good here. */
export const foreignRefreshRefused: Procedure = async (context) => {
  const other = context.atOtherTenant();
  assureRegistration(other);
  return await refreshFindings(other, context, registration(context));
};

/** An assertion made for one server is no good at another. Parameter: `to` (`home`, `other-tenant`). */
export const assertionRefused: Procedure = async (context, { to }) => {
  const other = context.atOtherTenant();
  const [at, audienceOf] = to === "home" ? [context, other] : [other, context];
  assureRegistration(at);
  const client = registration(at);
  if (client.authentication !== "private_key_jwt") {
    throw new NotApplicable("the registration does not authenticate with a private key");
  }
  return await explained(at, async () => {
    const endpoint = await endpointOf(at, "tokenEndpoint");
    const audience = await endpointOf(audienceOf, "tokenEndpoint");
    assureThat(audience !== endpoint, "the audience is right");
    const proof = await proveClient(client, audience, await serverSeconds(at));
    const request = clientCredentialsRequest(endpoint, await defaultScopes(at, client), proof);
    return grantFindings(await exchangeToken(at, request, "client assertion for another tenant's server"));
  });
};

/** Another tenant's server says nothing about the target's tokens, and ends none. Parameter: `operation`. */
export const operationPowerless: Procedure = async (context, { operation }) => {
  const other = context.atOtherTenant();
  assureRegistration(other);
  const server = await other.fact(authorizationServer);
  const endpoint = operation === "introspection" ? server.introspectionEndpoint : server.revocationEndpoint;
  if (endpoint === undefined)
    throw new NotApplicable(`the SMART configuration names no ${String(operation)}_endpoint`);
  const asker = registration(other);
  if (asker.authentication === "public") {
    throw new NotApplicable("the registration there is a public client's, which cannot prove who it is");
  }
  const own = await tokenEndpointNear(other, context);
  if (new URL(endpoint).origin !== new URL(own).origin) {
    throw new NotApplicable(
      `the other tenant's ${String(operation)} is at another origin, which tokens are not sent to`,
    );
  }
  const token = operation === "introspection" ? await homeToken(context) : await tokenToLose(context);
  const proof = await explained(other, () => proofOf(other, asker, endpoint));
  const request = tokenOperationRequest(endpoint, token.accessToken, "access_token", proof);
  const answer = await sendTokenRequest(other, request, `${String(operation)} at another tenant`);
  if (operation === "introspection") {
    const { exchange } = answer;
    return isActive(answer)
      ? [{ code: "introspection.active", expected: "active: false", actual: "active: true", exchange }]
      : [];
  }
  const response = await knock(context, bearerOf(context, token), "token after another tenant revoked it");
  const { status, exchange } = response;
  return status === 200
    ? []
    : [
        {
          code: "token.dead",
          expected: "status 200: it is not theirs to revoke",
          actual: `status ${status}`,
          exchange,
        },
      ];
};

async function tokenToLose(context: CheckContext) {
  const client = registration(context);
  return await explained(context, async () => {
    if (!isService(context)) {
      assureOwnLogin(context);
      return granted((await authorizeAnew(context)).answer);
    }
    const endpoint = await endpointOf(context, "tokenEndpoint");
    const proof = await proofOf(context, client, endpoint);
    const request = clientCredentialsRequest(endpoint, await defaultScopes(context, client), proof);
    return granted(await exchangeToken(context, request, "a token that another tenant tries to revoke"));
  });
}

function isActive(response: HttpResponse): boolean {
  const json = jsonOf(response);
  return isObject(json) && json["active"] === true;
}

/** The servers of two tenants sign with keys of their own. */
export const keysDiffer: Procedure = async (context) => {
  const [own, theirs] = [await context.fact(jwks), await context.atOtherTenant().fact(jwks)];
  const shared = keysOf(own.json).filter((key) => keysOf(theirs.json).includes(key));
  if (shared.length === 0) return [];
  const shown = theirs.exchange === undefined ? {} : { exchange: theirs.exchange };
  return [
    {
      code: "keys.shared",
      expected: "keys of its own for each tenant",
      actual: `${shared.length} that both publish`,
      location: "/keys",
      ...shown,
    },
  ];
};

function keysOf(json: unknown): readonly string[] {
  const keys = isObject(json) && Array.isArray(json["keys"]) ? json["keys"] : [];
  return keys.filter(isObject).flatMap((key) => {
    // What makes a public key: the modulus, or the point of a curve.
    const material = [key["n"], key["x"], key["y"]].filter((part) => typeof part === "string");
    return material.length === 0 ? [] : [material.join(".")];
  });
}
