import type { HttpRequest } from "../http/types.ts";
import type { AuthorizationRequest } from "./authorization-request.ts";
import type { ClientProof } from "./client-authentication.ts";
import { encodeParameters, type Parameters } from "./parameters.ts";

/** A request to the token endpoint before it is encoded, so that a check can change it and look at it. */
export interface TokenRequest {
  readonly endpoint: string;
  readonly parameters: Parameters;
  readonly headers: Readonly<Record<string, string>>;
}

function combine(endpoint: string, grant: Parameters, proof: ClientProof): TokenRequest {
  return { endpoint, parameters: [...grant, ...proof.parameters], headers: proof.headers };
}

/** Redeems a code (RFC 6749 §4.1.3, RFC 7636 §4.5). */
export function codeRequest(
  endpoint: string,
  authorization: Pick<AuthorizationRequest, "redirectUri" | "pkce">,
  code: string,
  proof: ClientProof,
): TokenRequest {
  const grant: Parameters = [
    ["grant_type", "authorization_code"],
    ["code", code],
    ["redirect_uri", authorization.redirectUri],
    ["code_verifier", authorization.pkce.verifier],
  ];
  return combine(endpoint, grant, proof);
}

/** Client credentials (SMART 2.0.0, backend-services §request). */
export function clientCredentialsRequest(
  endpoint: string,
  scopes: readonly string[],
  proof: ClientProof,
): TokenRequest {
  const grant: Parameters = [
    ["grant_type", "client_credentials"],
    ["scope", scopes.join(" ")],
  ];
  return combine(endpoint, grant, proof);
}

/** Refresh (SMART 2.0.0, app-launch §refresh-access-token). Without scopes, those of the first grant are meant. */
export function refreshRequest(
  endpoint: string,
  refreshToken: string,
  scopes: readonly string[] | undefined,
  proof: ClientProof,
): TokenRequest {
  const grant: Parameters = [
    ["grant_type", "refresh_token"],
    ["refresh_token", refreshToken],
    ...(scopes === undefined ? [] : ([["scope", scopes.join(" ")]] as const)),
  ];
  return combine(endpoint, grant, proof);
}

/** Introspection (RFC 7662 §2.1) or revocation (RFC 7009 §2.1): both are asked by the token alone. */
export function tokenOperationRequest(
  endpoint: string,
  token: string,
  hint: "access_token" | "refresh_token" | undefined,
  proof: ClientProof,
): TokenRequest {
  const parameters: Parameters = [
    ["token", token],
    ...(hint === undefined ? [] : ([["token_type_hint", hint]] as const)),
  ];
  return combine(endpoint, parameters, proof);
}

/** The request as it goes over the wire. It is never repeated: codes, assertions and refresh tokens serve once. */
export function tokenHttpRequest(request: TokenRequest, purpose: string): HttpRequest {
  return {
    method: "POST",
    url: request.endpoint,
    headers: { accept: "application/json", ...request.headers },
    body: encodeParameters(request.parameters),
    redirect: "manual",
    retry: "never",
    purpose,
  };
}
