import { apiRequest } from "../../lib/checks/attempts.ts";
import type { CheckContext } from "../../lib/checks/context.ts";
import {
  authorizeAnew,
  clientCredentials,
  defaultScopes,
  endpointOf,
  exchangeToken,
  explained,
  granted,
  proofOf,
} from "../../lib/checks/tokens.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import type { BearerToken, HttpResponse } from "../../lib/http/types.ts";
import { refreshRequest } from "../../lib/smart/token-request.ts";
import type { GrantedToken, TokenAnswer } from "../../lib/smart/token-response.ts";

/** How much longer than a revocation may take a token has to last, in seconds. */
export const SPARE_SECONDS = 30;

/** Statuses that say: no access. */
export const CLOSED = new Set([401, 403]);

/** Statuses by which a server may refuse without saying why (US Core 6.1.0, server behaviour). */
export const REFUSED = new Set([...CLOSED, 404, 410]);

export function isService({ target }: CheckContext): boolean {
  return target.authorization === "client-credentials";
}

export function bearerOf({ target }: CheckContext, token: string): BearerToken {
  return { value: token, origin: new URL(target.base).origin };
}

/** The token endpoint's answer to client credentials. */
export async function requestToken(context: CheckContext, client: ClientRegistration): Promise<TokenAnswer> {
  const scopes = await defaultScopes(context, client);
  return await exchangeToken(context, await clientCredentials(context, client, scopes), "client credentials");
}

/** The token endpoint's answer to a refresh. */
export async function requestRefresh(
  context: CheckContext,
  client: ClientRegistration,
  refreshToken: string,
): Promise<TokenAnswer> {
  const endpoint = await endpointOf(context, "tokenEndpoint");
  const proof = await proofOf(context, client, endpoint);
  return await exchangeToken(context, refreshRequest(endpoint, refreshToken, undefined, proof), "refresh");
}

/**
 * A token of its own for a registration: by client credentials, or by a login.
 *
 * @throws Blocked when none can be had
 */
export async function ownToken(
  context: CheckContext,
  client: ClientRegistration,
  role: string | undefined,
): Promise<GrantedToken> {
  return await explained(context, async () =>
    isService(context)
      ? granted(await requestToken(context, client))
      : granted((await authorizeAnew(context, role === undefined ? {} : { client: role })).answer),
  );
}

/** Calls the API with a token. */
export async function callApi(
  context: CheckContext,
  token: GrantedToken,
  purpose: string,
): Promise<HttpResponse> {
  return await context.send({
    ...(await apiRequest(context, token)),
    bearer: bearerOf(context, token.accessToken),
    redirect: "manual",
    purpose,
  });
}

/** When a token ends by itself, in milliseconds since 1970; infinite where the server does not say. */
export function endOf({ receivedAt, expiresIn }: GrantedToken): number {
  return expiresIn === undefined ? Number.POSITIVE_INFINITY : receivedAt + expiresIn * 1000;
}

/**
 * Whether an application has lost its access. A token that would end by itself is renewed, so that its end is no sign.
 *
 * @param seconds how long the token has to last from now
 */
export async function lost(
  context: CheckContext,
  client: ClientRegistration,
  token: GrantedToken,
  seconds: number,
): Promise<{ isLost: boolean; token: GrantedToken }> {
  const endsSoon = Date.now() > endOf(token) - seconds * 1000;
  const refreshToken = token.refreshToken;
  if (isService(context) || (endsSoon && refreshToken !== undefined)) {
    const answer = isService(context)
      ? await requestToken(context, client)
      : await requestRefresh(context, client, refreshToken ?? "");
    if (answer.kind === "refused") return { isLost: answer.status < 500 && answer.status !== 429, token };
    if (!endsSoon)
      return { isLost: CLOSED.has((await callApi(context, token, "is it revoked?")).status), token };
    const kept = answer.refreshToken === undefined && refreshToken !== undefined ? { refreshToken } : {};
    return { isLost: false, token: { ...answer, ...kept } };
  }
  if (endsSoon) return { isLost: false, token };
  return { isLost: CLOSED.has((await callApi(context, token, "is it revoked?")).status), token };
}
