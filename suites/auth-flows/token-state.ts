import { randomBytes } from "node:crypto";
import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { isObject } from "../../lib/checks/select.ts";
import { introspectionResponse } from "../../lib/checks/token-facts.ts";
import {
  authorizationServer,
  authorizeAnew,
  clientCredentials,
  clockSkew,
  defaultScopes,
  exchangeToken,
  explained,
  granted,
  grantedToken,
  proofOf,
  sendTokenRequest,
} from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import { refreshRequest, tokenOperationRequest } from "../../lib/smart/token-request.ts";
import type { GrantedToken } from "../../lib/smart/token-response.ts";
import { apiRequest } from "../../lib/checks/attempts.ts";
import { assureThat, refusalFindings } from "../../lib/checks/refusals.ts";
import { assureOwnLogin, registration } from "../../lib/checks/registrations.ts";

type Operation = "introspection" | "revocation";

/** Asks the introspection or the revocation endpoint about a token. */
async function ask(
  context: CheckContext,
  operation: Operation,
  token: string,
  client: ClientRegistration,
  hint?: "access_token" | "refresh_token",
): Promise<HttpResponse> {
  const endpoint = await offered(context, operation);
  const proof = await explained(context, () => proofOf(context, client, endpoint));
  return await sendTokenRequest(context, tokenOperationRequest(endpoint, token, hint, proof), operation);
}

async function offered(context: CheckContext, operation: Operation): Promise<string> {
  const server = await context.fact(authorizationServer);
  const endpoint = operation === "introspection" ? server.introspectionEndpoint : server.revocationEndpoint;
  if (endpoint === undefined)
    throw new NotApplicable(`the SMART configuration names no ${operation}_endpoint`);
  return endpoint;
}

/** A client that can prove who it is, and so may ask about tokens. */
function confidential(context: CheckContext): ClientRegistration {
  const client = registration(context);
  if (client.authentication === "public") {
    throw new NotApplicable("the registration is a public client's, which cannot prove who it is");
  }
  return client;
}

/** A token of one's own, to be used up. */
async function freshToken(context: CheckContext): Promise<GrantedToken> {
  if (context.target.authorization !== "client-credentials") {
    assureOwnLogin(context);
    const flow = await authorizeAnew(context);
    return await explained(context, () => Promise.resolve(granted(flow.answer)));
  }
  return await explained(context, async () => {
    const client = registration(context);
    const request = await clientCredentials(context, client, await defaultScopes(context, client));
    return granted(await exchangeToken(context, request, "a token to be revoked"));
  });
}

function activeOf(response: HttpResponse): unknown {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(response.body));
    return isObject(json) ? json["active"] : undefined;
  } catch {
    return undefined;
  }
}

const inactive = (response: HttpResponse): readonly Finding[] => {
  const active = activeOf(response);
  const { exchange, status } = response;
  if (status !== 200)
    return [{ code: "http.status", expected: "status 200", actual: `status ${status}`, exchange }];
  return active === false
    ? []
    : [
        {
          code: "introspection.active",
          expected: "active: false",
          actual: `active: ${String(active)}`,
          exchange,
        },
      ];
};

/** A token that nobody issued is not active (RFC 7662 §2.2). */
export const bogusInactive: Procedure = async (context) => {
  const client = confidential(context);
  return inactive(
    await ask(context, "introspection", `bogus-${randomBytes(24).toString("base64url")}`, client),
  );
};

/** A revoked token is not active. */
export const revokedInactive: Procedure = async (context) => {
  const client = confidential(context);
  await offered(context, "revocation");
  await offered(context, "introspection");
  const { accessToken } = await freshToken(context);
  await ask(context, "revocation", accessToken, client, "access_token");
  return inactive(await ask(context, "introspection", accessToken, client, "access_token"));
};

/** What introspection says agrees with the token response. Parameter: `member`. */
export const introspectionAgrees: Procedure = async (context, parameters) => {
  confidential(context);
  const { json, exchange } = await context.fact(introspectionResponse);
  const token = await grantedToken(context);
  const said = isObject(json) ? json : {};
  const shown = exchange === undefined ? {} : { exchange };
  const differ = (name: string, expected: string, actual: string): readonly Finding[] => [
    { code: "introspection.disagrees", expected, actual, location: `/${name}`, ...shown },
  ];
  switch (parameters["member"]) {
    case "scope": {
      const scopes = typeof said["scope"] === "string" ? said["scope"].split(" ").toSorted().join(" ") : "";
      const expected = [...(token.scopes ?? [])].toSorted().join(" ");
      return scopes === expected ? [] : differ("scope", expected, scopes || "nothing");
    }
    case "exp": {
      const exp = said["exp"];
      if (typeof exp !== "number") return differ("exp", "a number", typeof exp);
      if (token.expiresIn === undefined) return [];
      // The server's idea of now at the token response; a token may have been renewed in between.
      const left = exp - token.receivedAt / 1000 - (await context.fact(clockSkew));
      const skew = Math.abs(left - token.expiresIn);
      return skew <= 90
        ? []
        : differ(
            "exp",
            `${token.expiresIn} seconds after the token was issued`,
            `${Math.round(left)} seconds`,
          );
    }
    case "patient": {
      const patient = token.json["patient"];
      if (patient === undefined) throw new NotApplicable("the token response carries no patient");
      return said["patient"] === patient
        ? []
        : differ(
            "patient",
            "the patient of the token response",
            said["patient"] === undefined ? "nothing" : "another",
          );
    }
    default: {
      const { id } = registration(context);
      return said["client_id"] === id
        ? []
        : differ("client_id", id, JSON.stringify(said["client_id"] ?? null));
    }
  }
};

/** Introspection is not for everybody (RFC 7662 §2.1). */
export const introspectionProtected: Procedure = async (context) => {
  const endpoint = await offered(context, "introspection");
  const { accessToken } = await grantedToken(context);
  const request = tokenOperationRequest(endpoint, accessToken, "access_token", {
    parameters: [],
    headers: {},
  });
  assureThat(
    request.parameters.every(([name]) => !name.startsWith("client")),
    "a client proves itself",
  );
  const response = await sendTokenRequest(context, request, "introspection by nobody");
  const { status, exchange } = response;
  return activeOf(response) === true
    ? [
        {
          code: "introspection.open",
          expected: "a refusal",
          actual: `status ${status} and what the token may do`,
          exchange,
        },
      ]
    : [];
};

/** Revocation is answered with 200, for unknown tokens too (RFC 7009 §2.2). Parameter: `token` (`access`, `unknown`). */
export const revocationAnswered: Procedure = async (context, parameters) => {
  const client = registration(context);
  await offered(context, "revocation");
  const token =
    parameters["token"] === "unknown"
      ? `bogus-${randomBytes(24).toString("base64url")}`
      : (await freshToken(context)).accessToken;
  const { status, exchange } = await ask(context, "revocation", token, client);
  return status === 200
    ? []
    : [{ code: "http.status", expected: "status 200", actual: `status ${status}`, exchange }];
};

/** A revoked access token opens nothing. */
export const revokedTokenDies: Procedure = async (context) => {
  const client = registration(context);
  await offered(context, "revocation");
  const token = await freshToken(context);
  await ask(context, "revocation", token.accessToken, client, "access_token");
  const response = await context.send({
    ...(await apiRequest(context, token)),
    bearer: { value: token.accessToken, origin: new URL(context.target.base).origin },
    purpose: "revoked token on the API",
  });
  return response.status === 401
    ? []
    : [
        {
          code: "token.alive",
          expected: "status 401",
          actual: `status ${response.status}`,
          exchange: response.exchange,
        },
      ];
};

/** A revoked refresh token is refused. */
export const revokedRefreshTokenDies: Procedure = async (context) => {
  const client = registration(context);
  await offered(context, "revocation");
  const { refreshToken } = await freshToken(context);
  if (refreshToken === undefined) throw new NotApplicable("no refresh token was issued");
  await ask(context, "revocation", refreshToken, client, "refresh_token");
  const { tokenEndpoint = "" } = await context.fact(authorizationServer);
  const proof = await explained(context, () => proofOf(context, client, tokenEndpoint));
  const request = refreshRequest(tokenEndpoint, refreshToken, undefined, proof);
  return refusalFindings(await exchangeToken(context, request, "refresh by a revoked token"), {
    errors: ["invalid_grant"],
  });
};

/** A client cannot revoke another's token (RFC 7009 §2.1). */
export const revocationByAnother: Procedure = async (context) => {
  const other = registration(context, "second");
  await offered(context, "revocation");
  const token = await freshToken(context);
  assureThat(other.id !== registration(context).id, "the second registration is the first");
  await ask(context, "revocation", token.accessToken, other, "access_token");
  const response = await context.send({
    ...(await apiRequest(context, token)),
    bearer: { value: token.accessToken, origin: new URL(context.target.base).origin },
    purpose: "token after another client tried to revoke it",
  });
  return response.status === 200
    ? []
    : [
        {
          code: "token.dead",
          expected: "status 200: only its own client may revoke it",
          actual: `status ${response.status}`,
          exchange: response.exchange,
        },
      ];
};
