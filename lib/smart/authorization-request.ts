import {
  calculatePKCECodeChallenge,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
} from "oauth4webapi";
import type { HttpRequest } from "../http/types.ts";
import { encodeParameters, parameter, type Parameters } from "./parameters.ts";

/** A code verifier with its S256 challenge (RFC 7636 §4). */
export interface Pkce {
  readonly verifier: string;
  readonly challenge: string;
}

/** The S256 challenge of a verifier (RFC 7636 §4.2). */
export function calculateChallenge(verifier: string): Promise<string> {
  return calculatePKCECodeChallenge(verifier);
}

/** Makes a new verifier and its S256 challenge. */
export async function createPkce(): Promise<Pkce> {
  const verifier = generateRandomCodeVerifier();
  return { verifier, challenge: await calculatePKCECodeChallenge(verifier) };
}

export interface AuthorizationOptions {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scopes: readonly string[];
  /** FHIR base URL. */
  readonly audience: string;
  /** Opaque value of an EHR launch. */
  readonly launch?: string;
}

/** An authorization request with what is needed to verify its answer and to redeem the code. */
export interface AuthorizationRequest {
  readonly endpoint: string;
  readonly method: "GET" | "POST";
  readonly parameters: Parameters;
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly pkce: Pkce;
}

/**
 * An authorization request (SMART 2.0.0, app-launch §request-authorization-code) with fresh state, nonce and PKCE.
 *
 * @param method POST where the server lists `authorize-post`
 */
export async function createAuthorizationRequest(
  endpoint: string,
  options: AuthorizationOptions,
  method: "GET" | "POST" = "GET",
): Promise<AuthorizationRequest> {
  const pkce = await createPkce();
  const state = generateRandomState();
  const nonce = generateRandomNonce();
  const parameters: Parameters = [
    ["response_type", "code"],
    ["client_id", options.clientId],
    ["redirect_uri", options.redirectUri],
    ["scope", options.scopes.join(" ")],
    ["state", state],
    ["aud", options.audience],
    ["code_challenge", pkce.challenge],
    ["code_challenge_method", "S256"],
    ...(options.scopes.includes("openid") ? ([["nonce", nonce]] as const) : []),
    ...(options.launch === undefined ? [] : ([["launch", options.launch]] as const)),
  ];
  return { endpoint, method, parameters, redirectUri: options.redirectUri, state, nonce, pkce };
}

/** The URL that a browser is sent to. */
export function authorizationUrl(request: AuthorizationRequest): string {
  const url = new URL(request.endpoint);
  for (const [name, value] of request.parameters) url.searchParams.append(name, value);
  return url.href;
}

/** The request as sent by a browser, redirects left to whoever sends it. */
export function authorizationHttpRequest(request: AuthorizationRequest): HttpRequest {
  const shared = {
    redirect: "manual",
    headers: { accept: "text/html,application/xhtml+xml" },
    purpose: "authorization request",
  } as const;
  return request.method === "GET"
    ? { method: "GET", url: authorizationUrl(request), ...shared }
    : { method: "POST", url: request.endpoint, body: encodeParameters(request.parameters), ...shared };
}

/** What came back to the redirect URI (RFC 6749 §4.1.2). */
export interface AuthorizationResponse {
  readonly url: string;
  readonly parameters: Parameters;
  readonly code?: string;
  readonly state?: string;
  readonly error?: string;
  readonly errorDescription?: string;
}

/** Reads the URL by which a user agent came back. */
export function readAuthorizationResponse(url: string): AuthorizationResponse {
  const { searchParams, hash } = new URL(url);
  // Errors about response types that answer in the fragment come there too.
  const parameters = searchParams.size > 0 ? [...searchParams] : [...new URLSearchParams(hash.slice(1))];
  const named = {
    code: parameter(parameters, "code"),
    state: parameter(parameters, "state"),
    error: parameter(parameters, "error"),
    errorDescription: parameter(parameters, "error_description"),
  };
  return {
    url,
    parameters,
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
  };
}

/** Whether a URL is the redirect URI, with whatever query. */
export function isRedirectTo(url: string, redirectUri: string): boolean {
  if (!URL.canParse(url) || !URL.canParse(redirectUri)) return false;
  const [came, wanted] = [new URL(url), new URL(redirectUri)];
  return came.origin === wanted.origin && came.pathname === wanted.pathname;
}
