import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { assureThat, refusalFindings } from "../../lib/checks/refusals.ts";
import { assureOwnLogin, registration } from "../../lib/checks/registrations.ts";
import { authorizationServer, explained, proofOf, sendTokenRequest } from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import type { ClientProof } from "../../lib/smart/client-authentication.ts";
import { tokenOperationRequest, type TokenRequest } from "../../lib/smart/token-request.ts";
import type { GrantedToken } from "../../lib/smart/token-response.ts";
import { callApi, CLOSED, isService, ownToken, requestRefresh } from "./access.ts";

const NOBODY: ClientProof = { parameters: [], headers: {} };

async function endpointOffered(context: CheckContext): Promise<string> {
  const { revocationEndpoint } = await context.fact(authorizationServer);
  if (revocationEndpoint !== undefined) return revocationEndpoint;
  throw new NotApplicable("the SMART configuration names no revocation_endpoint");
}

/** A token to be used up. */
async function freshToken(context: CheckContext): Promise<GrantedToken> {
  const client = registration(context);
  if (!isService(context)) assureOwnLogin(context);
  return await ownToken(context, client, undefined);
}

async function send(context: CheckContext, request: TokenRequest): Promise<HttpResponse> {
  return await sendTokenRequest(context, request, "revocation");
}

async function revoke(
  context: CheckContext,
  token: string,
  hint?: string,
  client: ClientRegistration = registration(context),
): Promise<HttpResponse> {
  const endpoint = await endpointOffered(context);
  const proof = await explained(context, () => proofOf(context, client, endpoint));
  const request = tokenOperationRequest(endpoint, token, undefined, proof);
  const parameters =
    hint === undefined ? request.parameters : [...request.parameters, ["token_type_hint", hint] as const];
  return await send(context, { ...request, parameters });
}

const not = (response: HttpResponse, expected: string, code = "http.status"): readonly Finding[] => [
  { code, expected, actual: `status ${response.status}`, exchange: response.exchange },
];

/** A hint that is wrong, or unknown, does not keep a token alive (RFC 7009 §2.1, §2.2). Parameter: `hint`. */
export const hintDoesNotMatter: Procedure = async (context, { hint }) => {
  await endpointOffered(context);
  const token = await freshToken(context);
  const answer = await revoke(context, token.accessToken, String(hint));
  if (answer.status !== 200) return not(answer, "status 200 whatever the hint");
  const response = await callApi(context, token, "token after its revocation");
  return CLOSED.has(response.status) ? [] : not(response, "status 401", "token.alive");
};

/** A revocation may be repeated (RFC 7009 §2.2). */
export const revokedAgain: Procedure = async (context) => {
  await endpointOffered(context);
  const { accessToken } = await freshToken(context);
  await revoke(context, accessToken);
  const again = await revoke(context, accessToken);
  return again.status === 200 ? [] : not(again, "status 200 the second time too");
};

/** A request without a token is refused (RFC 7009 §2.1). */
export const tokenMissing: Procedure = async (context) => {
  const endpoint = await endpointOffered(context);
  const client = registration(context);
  const proof = await explained(context, () => proofOf(context, client, endpoint));
  const request = tokenOperationRequest(endpoint, "", undefined, proof);
  const parameters = request.parameters.filter(([name]) => name !== "token");
  assureThat(parameters.length < request.parameters.length, "it has a token");
  const response = await send(context, { ...request, parameters });
  return response.status === 400 ? [] : not(response, "status 400");
};

/** Nobody but the client itself may revoke (RFC 7009 §2.1): without its credentials the token lives on. */
export const revocationByNobody: Procedure = async (context) => {
  const endpoint = await endpointOffered(context);
  const client = registration(context);
  if (client.authentication === "public") {
    throw new NotApplicable("the registration is a public client's, which has no credentials");
  }
  const token = await freshToken(context);
  const request = tokenOperationRequest(endpoint, token.accessToken, "access_token", {
    ...NOBODY,
    parameters: [["client_id", client.id]],
  });
  assureThat(
    request.parameters.every(([name]) => !/^client_(secret|assertion)/.test(name)),
    "the client proves itself",
  );
  const answer = await send(context, request);
  const response = await callApi(context, token, "token after nobody revoked it");
  if (response.status !== 200)
    return not(response, "status 200: only its own client may revoke it", "token.dead");
  return answer.status >= 400 ? [] : not(answer, "status 401");
};

/** With a refresh token go the access tokens of the same grant (RFC 7009 §2.1). */
export const refreshTokenTakesAccess: Procedure = async (context) => {
  await endpointOffered(context);
  const token = await freshToken(context);
  if (token.refreshToken === undefined) throw new NotApplicable("no refresh token was issued");
  await revoke(context, token.refreshToken, "refresh_token");
  const response = await callApi(context, token, "token whose refresh token was revoked");
  return CLOSED.has(response.status) ? [] : not(response, "status 401", "token.alive");
};

/** A refresh token cannot be revoked by another client (RFC 7009 §2.1). */
export const refreshTokenByAnother: Procedure = async (context) => {
  const other = registration(context, "second");
  await endpointOffered(context);
  const client = registration(context);
  assureThat(other.id !== client.id, "the second registration is the first");
  const token = await freshToken(context);
  if (token.refreshToken === undefined) throw new NotApplicable("no refresh token was issued");
  await revoke(context, token.refreshToken, "refresh_token", other);
  const answer = await explained(context, () => requestRefresh(context, client, token.refreshToken ?? ""));
  if (answer.kind === "granted") return [];
  const { exchange } = answer;
  return [
    {
      code: "token.dead",
      expected: "an access token: only its own client may revoke it",
      actual: answer.error ?? `status ${answer.status}`,
      exchange,
    },
  ];
};

/** A revocation concerns one grant: tokens of another one live on. */
export const otherGrantsLive: Procedure = async (context) => {
  await endpointOffered(context);
  const [doomed, spared] = [await freshToken(context), await freshToken(context)];
  await revoke(context, doomed.accessToken, "access_token");
  const response = await callApi(context, spared, "token of another grant");
  return response.status === 200 ? [] : not(response, "status 200: it was not revoked", "token.dead");
};

/** A refresh by a token that was revoked without a hint is refused. */
export const refreshTokenWithoutHint: Procedure = async (context) => {
  await endpointOffered(context);
  const client = registration(context);
  const { refreshToken } = await freshToken(context);
  if (refreshToken === undefined) throw new NotApplicable("no refresh token was issued");
  await revoke(context, refreshToken);
  const answer = await explained(context, () => requestRefresh(context, client, refreshToken));
  return refusalFindings(answer, { errors: ["invalid_grant"] });
};
