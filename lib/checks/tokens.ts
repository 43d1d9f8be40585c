/**
 * Access tokens as facts: what every suite needs. `accessToken` gives a token for given scopes, obtained once for a
 * run and renewed in time; `authorizeAnew` goes through a whole authorization of its own.
 */
import type { ClientRegistration } from "../config/targets.ts";
import type { BearerToken, HttpResponse } from "../http/types.ts";
import {
  createAuthorizationRequest,
  readAuthorizationResponse,
  type AuthorizationRequest,
  type AuthorizationResponse,
} from "../smart/authorization-request.ts";
import { proveClient } from "../smart/client-authentication.ts";
import { clockSkewSeconds, NOTABLE_SKEW_SECONDS } from "../smart/clock.ts";
import { createBrowserDriver } from "../smart/drivers/browser.ts";
import type { AuthorizationOutcome, Decision, LoginDriver, LoginValues } from "../smart/drivers/driver.ts";
import { createFormDriver } from "../smart/drivers/form.ts";
import { createManualDriver, openInBrowser } from "../smart/drivers/manual.ts";
import { openRefreshTokenFile } from "../smart/drivers/refresh-token-file.ts";
import { SmartError } from "../smart/errors.ts";
import { withParameters } from "../smart/parameters.ts";
import { scopeKey } from "../smart/scopes/algebra.ts";
import { authorizationServerOf, type AuthorizationServer } from "../smart/server.ts";
import {
  clientCredentialsRequest,
  codeRequest,
  refreshRequest,
  tokenHttpRequest,
  type TokenRequest,
} from "../smart/token-request.ts";
import { readTokenResponse, type GrantedToken, type TokenAnswer } from "../smart/token-response.ts";
import { createTokenStore, type TokenNeed, type TokenSource, type TokenStore } from "../smart/token-store.ts";
import { Blocked, RequestFailed, type CheckContext, type Fact } from "./context.ts";
import { smartConfiguration } from "./facts.ts";
import { isObject } from "./select.ts";
import { createTurns } from "./turns.ts";

/** Where the harness waits when a registration names no redirect URI. */
const DEFAULT_REDIRECT_URI = "http://127.0.0.1:8765/callback";

/** The check that explains why there is no token. */
const EXPLAINED_BY = { user: "auth-flows.standalone-granted", system: "auth-flows.backend-granted" } as const;

/** What somebody needs a token for; what is not given is the target's own. */
export interface TokenWish {
  readonly scopes?: readonly string[];
  /** Role of the registration: a member of `otherClients`; the target's `client` when absent. */
  readonly client?: string;
  /** `ehr`: launched by the EHR, with its context. */
  readonly launch?: "standalone" | "ehr";
  readonly method?: "GET" | "POST";
}

/** A whole authorization, step by step. */
export interface Flow {
  readonly client: ClientRegistration;
  readonly scopes: readonly string[];
  readonly request: AuthorizationRequest;
  readonly response: AuthorizationResponse;
  /** The exchange with the redirect; absent where a browser saw it. */
  readonly redirectExchange?: string;
  readonly tokenRequest: TokenRequest;
  readonly tokenResponse: HttpResponse;
  readonly answer: TokenAnswer;
}

/** The target's authorization server, as the SMART configuration names it. */
export const authorizationServer: Fact<AuthorizationServer> = {
  name: "authorization server",
  explainedBy: "smart-configuration.served",
  async provide(context) {
    const documented = documentedServer(context);
    try {
      const { json } = await context.fact(smartConfiguration);
      return authorizationServerOf(isObject(json) ? json : {});
    } catch (error) {
      if (documented === undefined || !(error instanceof Blocked)) throw error;
      return documented;
    }
  },
};

/** Where the vendor documents the server of its v1 APIs to be: not all of them have a discovery of their own. */
function documentedServer({ target }: CheckContext): AuthorizationServer | undefined {
  const base = target.generation === "v1" ? target.authorizationBase : undefined;
  if (base === undefined) return undefined;
  return authorizationServerOf({
    authorization_endpoint: `${base}/authorize`,
    token_endpoint: `${base}/token`,
  });
}

/** Seconds that the server's clock is ahead of ours, where that is notable; else 0. */
export const clockSkew: Fact<number> = {
  name: "server's clock",
  explainedBy: "smart-configuration.served",
  async provide(context) {
    const response = await context.send({
      method: "GET",
      url: `${context.target.base}/.well-known/smart-configuration`,
      headers: { accept: "application/json" },
      purpose: "the server's clock",
    });
    const skew = clockSkewSeconds(response) ?? 0;
    return Math.abs(skew) >= NOTABLE_SKEW_SECONDS ? skew : 0;
  },
};

interface SharedTokens {
  readonly store: TokenStore;
  /** Refresh tokens from a file serve one at a time. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** Tokens of a session. */
const sharedTokens: Fact<SharedTokens> = {
  name: "tokens",
  explainedBy: EXPLAINED_BY.user,
  provide(context) {
    const store = createTokenStore();
    context.onClose(() => {
      const counts = [...store.counts.values()];
      const sum = (name: "obtained" | "refreshed") => counts.reduce((total, count) => total + count[name], 0);
      context.surroundings.announce(
        `${context.target.api}: shared tokens, one for each user and scope set: ${counts.length}; obtained: ${sum("obtained")}, renewed: ${sum("refreshed")}\n`,
      );
      return Promise.resolve();
    });
    return Promise.resolve({
      store,
      inTurn: createTurns(),
    });
  },
};

/** How often each token was obtained and renewed in this session, by holder and scope set. */
export async function tokenCounts(context: CheckContext): Promise<TokenStore["counts"]> {
  return (await context.fact(sharedTokens)).store.counts;
}

/** The registration with a role; the target's own without one. */
export function registrationOf(context: CheckContext, role?: string): ClientRegistration | undefined {
  const { client, otherClients } = context.target;
  return role === undefined ? client : otherClients[role];
}

/** The URL at which a registration gets its answers. */
export function redirectUriOf(client: ClientRegistration): string {
  return client.redirectUri ?? DEFAULT_REDIRECT_URI;
}

/**
 * The endpoint of the authorization server.
 *
 * @throws Blocked when the SMART configuration does not name it
 */
export async function endpointOf(
  context: CheckContext,
  name:
    | "authorizationEndpoint"
    | "tokenEndpoint"
    | "introspectionEndpoint"
    | "revocationEndpoint"
    | "jwksUri",
): Promise<string> {
  const url = (await context.fact(authorizationServer))[name];
  if (url !== undefined) return url;
  const member = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  throw new Blocked(
    `the SMART configuration names no usable ${member}`,
    `smart-configuration.${member.replaceAll("_", "-")}`,
  );
}

/** What is asked for when nothing else is said: the registration's scopes, or what the API's kind needs. */
export async function defaultScopes(
  context: CheckContext,
  client: ClientRegistration,
): Promise<readonly string[]> {
  if (client.scopes !== undefined) return client.scopes;
  const { scopes } = await context.fact(authorizationServer);
  const isSystem = context.target.authorization === "client-credentials";
  const level = isSystem ? "system" : "patient";
  const wishes = [`${level}/*.rs`, `${level}/*.read`, `${level}/Patient.rs`, `${level}/Patient.read`];
  const usual = context.target.generation === "v1" ? `${level}/*.read` : `${level}/*.rs`;
  const clinical = wishes.find((one) => scopes.includes(one)) ?? usual;
  return isSystem ? [clinical] : ["openid", "fhirUser", "launch/patient", "offline_access", clinical];
}

/** A token for use at the target: shared by all who need the same, renewed before it ends. */
export async function accessToken(context: CheckContext, wish: TokenWish = {}): Promise<BearerToken> {
  const token = await grantedToken(context, wish);
  return { value: token.accessToken, origin: new URL(context.target.base).origin };
}

/**
 * As {@link accessToken}, with all that came with the token: scopes, `patient`, refresh token.
 *
 * @throws Blocked when none can be had
 */
export async function grantedToken(context: CheckContext, wish: TokenWish = {}): Promise<GrantedToken> {
  const client = registrationOf(context, wish.client);
  if (client === undefined) throw missingRegistration(wish.client);
  const scopes = wish.scopes ?? (await explained(context, () => defaultScopes(context, client)));
  const user =
    context.target.authorization === "client-credentials"
      ? "itself"
      : (context.target.login?.user ?? "a user");
  const holder = `${client.id} / ${user}${wish.launch === "ehr" ? " (EHR launch)" : ""}`;
  const need: TokenNeed = { holder, scopes };
  const { store } = await context.fact(sharedTokens);
  // As a fact first, so that the exchanges that led to the token are evidence of everyone who uses it.
  await context.fact({
    name: `access token of ${holder} for ${scopeKey(scopes)}`,
    explainedBy: explainedBy(context),
    provide: (own) => store.token(need, sourceOf(own, client, { ...wish, scopes })),
  });
  return await explained(context, () => store.token(need, sourceOf(context, client, { ...wish, scopes })));
}

function sourceOf(
  context: CheckContext,
  client: ClientRegistration,
  wish: TokenWish & { scopes: readonly string[] },
): TokenSource {
  const { target } = context;
  return {
    async obtain() {
      return await explained(context, async () => {
        if (target.authorization === "client-credentials") {
          const request = await clientCredentials(context, client, wish.scopes);
          return granted(await exchangeToken(context, request, "access token by client credentials"));
        }
        if (target.login?.driver === "refresh-token")
          return await byStoredRefreshToken(context, client, wish.scopes);
        return granted((await authorizeAnew(context, wish)).answer);
      });
    },
    async refresh(token) {
      const endpoint = await endpointOf(context, "tokenEndpoint");
      const proof = await proofOf(context, client, endpoint);
      const request = refreshRequest(endpoint, token.refreshToken ?? "", undefined, proof);
      return granted(await exchangeToken(context, request, "the next access token, by refresh"));
    },
  };
}

async function byStoredRefreshToken(
  context: CheckContext,
  client: ClientRegistration,
  scopes: readonly string[],
): Promise<GrantedToken> {
  const { login } = context.target;
  if (login?.driver !== "refresh-token") throw new Error("unreachable: no refresh token");
  const shared = await context.fact(sharedTokens);
  return await shared.inTurn(async () => {
    const file = openRefreshTokenFile(login.file, login.shown);
    const current = file.current();
    context.surroundings.keepSecret(current, "refresh_token");
    const endpoint = await endpointOf(context, "tokenEndpoint");
    const proof = await proofOf(context, client, endpoint);
    const answer = await exchangeToken(context, refreshRequest(endpoint, current, scopes, proof), "refresh");
    if (answer.kind === "refused" && answer.error === "invalid_grant") {
      throw new SmartError(
        "needs-person",
        `the refresh token in ${login.shown} is no longer good (invalid_grant): log in once by hand and store the new one`,
        { exchange: answer.exchange },
      );
    }
    const token = granted(answer);
    if (token.refreshToken !== undefined && token.refreshToken !== current) file.replace(token.refreshToken);
    // The file is the one owner of the refresh token: the store must not use it up behind its back.
    const { refreshToken: _, ...rest } = token;
    return rest;
  });
}

/** A token request by client credentials, ready to be sent or changed. */
export async function clientCredentials(
  context: CheckContext,
  client: ClientRegistration,
  scopes: readonly string[],
): Promise<TokenRequest> {
  const endpoint = await endpointOf(context, "tokenEndpoint");
  return clientCredentialsRequest(endpoint, scopes, await proofOf(context, client, endpoint));
}

/** What proves a registration's identity at an endpoint, dated by the server's clock. */
export async function proofOf(context: CheckContext, client: ClientRegistration, endpoint: string) {
  const tokenEndpoint = (await context.fact(authorizationServer)).tokenEndpoint ?? endpoint;
  return await proveClient(client, tokenEndpoint, await serverSeconds(context));
}

/** Seconds since 1970 by the server's clock, as near as it is known. */
export async function serverSeconds(context: CheckContext): Promise<number> {
  return Math.floor(Date.now() / 1000) + (await context.fact(clockSkew));
}

/** Sends a token request and reads the answer; every secret in it is made known. */
export async function exchangeToken(
  context: CheckContext,
  request: TokenRequest,
  purpose: string,
): Promise<TokenAnswer> {
  return readAnswer(context, await sendTokenRequest(context, request, purpose));
}

export async function sendTokenRequest(
  context: CheckContext,
  request: TokenRequest,
  purpose: string,
): Promise<HttpResponse> {
  for (const [name, value] of request.parameters) {
    if (
      /^(code|code_verifier|client_assertion|client_secret|refresh_token|token)$/.test(name) &&
      value !== ""
    )
      context.surroundings.keepSecret(value, name);
  }
  return await context.send(tokenHttpRequest(request, purpose));
}

export function readAnswer(context: CheckContext, response: HttpResponse): TokenAnswer {
  const answer = readTokenResponse(response);
  if (answer.kind === "granted") {
    context.surroundings.keepSecret(answer.accessToken, "access_token");
    if (answer.refreshToken !== undefined)
      context.surroundings.keepSecret(answer.refreshToken, "refresh_token");
    if (answer.idToken !== undefined) context.surroundings.keepSecret(answer.idToken, "id_token");
  }
  return answer;
}

/**
 * The token of an answer.
 *
 * @throws SmartError `refused` when there is none
 */
export function granted(answer: TokenAnswer): GrantedToken {
  if (answer.kind === "granted") return answer;
  throw new SmartError(
    "refused",
    `the token endpoint answered with status ${answer.status} and ${answer.error ?? answer.problem ?? "no token"}`,
    { exchange: answer.exchange },
  );
}

/** The login driver of the target. */
export const loginDriver: Fact<LoginDriver> = {
  name: "login",
  explainedBy: EXPLAINED_BY.user,
  provide(context) {
    const { login, patients } = context.target;
    const { surroundings } = context;
    if (login === undefined) {
      throw new Blocked(
        "the configuration says nothing about how a user logs in (login); docs/authorization.md shows how",
      );
    }
    const secret = "password" in login ? login.password?.reveal() : undefined;
    if (secret !== undefined) surroundings.keepSecret(secret, "password");
    const values: LoginValues = {
      ...(login.user === undefined ? {} : { user: login.user }),
      ...(secret === undefined ? {} : { password: secret }),
      ...(patients[0] === undefined ? {} : { patient: patients[0] }),
    };
    switch (login.driver) {
      case "form":
        return Promise.resolve(createFormDriver(login.pages, values));
      case "manual":
        return Promise.resolve(
          createManualDriver({
            attended: surroundings.attended,
            timeoutSeconds: login.timeoutSeconds,
            user: login.user,
            announce: (text) => surroundings.announce(text),
            open: openInBrowser,
          }),
        );
      case "browser": {
        const driver = createBrowserDriver({
          steps: login.steps,
          values,
          timeoutSeconds: login.timeoutSeconds,
          executable: login.executable,
          screenshots: surroundings.screenshots,
          trustPrivateAuthority: context.certificateAuthority !== undefined,
        });
        context.onClose(() => driver.close());
        return Promise.resolve(driver);
      }
      case "refresh-token":
        throw new Blocked(
          "the login driver refresh-token has no user to log in; what needs a login of its own needs form, browser or manual",
        );
    }
  },
};

/**
 * Goes through a whole authorization, a login of its own.
 *
 * @throws Blocked when it cannot be gone through; the finding says what the server did
 */
export async function authorizeAnew(context: CheckContext, wish: TokenWish = {}): Promise<Flow> {
  return await explained(
    context,
    async () => {
      const { client, scopes, request } = await prepareAuthorization(context, wish);
      const { response, redirectExchange } = await obtainCode(context, request);
      const endpoint = await endpointOf(context, "tokenEndpoint");
      const tokenRequest = codeRequest(
        endpoint,
        request,
        response.code ?? "",
        await proofOf(context, client, endpoint),
      );
      const tokenResponse = await sendTokenRequest(context, tokenRequest, "access token for the code");
      const answer = readAnswer(context, tokenResponse);
      return {
        client,
        scopes,
        request,
        response,
        ...(redirectExchange === undefined ? {} : { redirectExchange }),
        tokenRequest,
        tokenResponse,
        answer,
      };
    },
    wish.launch === "ehr" ? "auth-flows.ehr-granted" : undefined,
  );
}

/** An authorization request of the target, ready to be sent or changed. */
export async function prepareAuthorization(context: CheckContext, wish: TokenWish = {}) {
  const client = registrationOf(context, wish.client);
  if (client === undefined) throw missingRegistration(wish.client);
  const endpoint = await endpointOf(context, "authorizationEndpoint");
  const base = wish.scopes ?? (await defaultScopes(context, client));
  const launch = wish.launch === "ehr" ? await launchByEhr(context) : undefined;
  const scopes =
    launch === undefined ? base : ["launch", ...base.filter((scope) => !/^launch(\/|$)/.test(scope))];
  const request = await createAuthorizationRequest(
    endpoint,
    {
      clientId: client.id,
      redirectUri: redirectUriOf(client),
      scopes,
      audience: context.target.base,
      ...(launch === undefined ? {} : { launch }),
    },
    wish.method ?? "GET",
  );
  context.surroundings.keepSecret(request.pkce.verifier, "code_verifier");
  return { client, scopes, request };
}

interface LoginGate {
  /** Whether somebody has come through. */
  proven: boolean;
  /** Why nobody will: a wrong password is not tried again and again, or the account would be locked. */
  failure: SmartError | undefined;
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

const loginGate: Fact<LoginGate> = {
  name: "login gate",
  explainedBy: EXPLAINED_BY.user,
  provide: () => Promise.resolve({ proven: false, failure: undefined, inTurn: createTurns() }),
};

/** Sends the user agent off and reads what it comes back with. */
export async function runAuthorization(
  context: CheckContext,
  request: AuthorizationRequest,
  decision: Decision = "allow",
): Promise<AuthorizationOutcome> {
  return await logIn(context, request, decision, false);
}

async function logIn(
  context: CheckContext,
  request: AuthorizationRequest,
  decision: Decision,
  isInOrder: boolean,
): Promise<AuthorizationOutcome> {
  const driver = await context.fact(loginDriver);
  const gate = await context.fact(loginGate);
  const attempt = async () => {
    if (gate.failure !== undefined) throw gate.failure;
    try {
      const outcome = await driver.authorize(request, decision, (one) => context.send(one));
      const code = outcome.kind === "redirected" ? readAuthorizationResponse(outcome.url).code : undefined;
      if (code !== undefined) {
        gate.proven = true;
        context.surroundings.keepSecret(code, "code");
      }
      return outcome;
    } catch (error) {
      // A page that the form driver meets again is the login's; a browser may also be lost on an error page.
      const isLasting = isInOrder || driver.id === "form";
      if (error instanceof SmartError && error.code !== "unexpected-page" && isLasting) gate.failure = error;
      throw error;
    }
  };
  // Until one has come through, they go one by one.
  return gate.proven ? await attempt() : await gate.inTurn(attempt);
}

/**
 * Gets a code for a request that is in order.
 *
 * @throws SmartError `refused` when none comes
 */
export async function obtainCode(context: CheckContext, request: AuthorizationRequest) {
  const outcome = await logIn(context, request, "allow", true);
  const shown = outcome.exchange === undefined ? {} : { exchange: outcome.exchange };
  if (outcome.kind === "page") {
    throw new SmartError(
      "refused",
      `the authorization ended at ${outcome.words} with status ${outcome.status}`,
      shown,
    );
  }
  const response = readAuthorizationResponse(outcome.url);
  if (response.code === undefined) {
    const said = response.error === undefined ? "neither code nor error" : `the error ${response.error}`;
    throw new SmartError("refused", `the user came back with ${said}`, shown);
  }
  if (response.state !== request.state) {
    throw new SmartError("invalid-response", "the user came back with another state than was sent", shown);
  }
  return { response, ...(outcome.exchange === undefined ? {} : { redirectExchange: outcome.exchange }) };
}

/** A launch by what acts as the EHR: its opaque value. A new one each time, for a launch serves once. */
async function launchByEhr(context: CheckContext): Promise<string> {
  const { ehrLaunch, base, api, uuid, client } = context.target;
  if (ehrLaunch === undefined) {
    throw new Blocked("the configuration names nothing that acts as the EHR (ehrLaunch.start)");
  }
  const redirect = client === undefined ? DEFAULT_REDIRECT_URI : redirectUriOf(client);
  const values: Readonly<Record<string, string>> = {
    base,
    api,
    origin: new URL(base).origin,
    uuid: uuid ?? "",
    launchUrl: encodeURIComponent(new URL("/launch", redirect).href),
  };
  const url = ehrLaunch.start.replaceAll(/\{([A-Za-z]+)\}/g, (whole, name: string) => values[name] ?? whole);
  const response = await context.send({
    method: "GET",
    url,
    redirect: "manual",
    purpose: "launch by the EHR",
  });
  const location = response.headers.get("location");
  const came = location !== undefined && URL.canParse(location, url) ? new URL(location, url) : undefined;
  const launch = came?.searchParams.get("launch") ?? undefined;
  const iss = came?.searchParams.get("iss");
  if (launch !== undefined && iss === base) return launch;
  const actual = launch === undefined ? `status ${response.status} without a launch` : `iss ${String(iss)}`;
  // What acts as the EHR stands in the configuration: the authorization server is not to blame for it.
  throw new Blocked(
    `the EHR did not launch the application (ehrLaunch.start): ${actual}, not a redirect with launch and iss`,
  );
}

/** One refresh, with the authorization it goes on from. */
export interface Refreshed {
  readonly flow: Flow;
  readonly before: GrantedToken;
  readonly response: HttpResponse;
  readonly answer: TokenAnswer;
}

/** A refresh without scopes, of an authorization of its own, looked at by many. */
export const refreshedOnce: Fact<Refreshed> = {
  name: "refresh",
  explainedBy: "auth-flows.refresh-granted",
  provide: (context) => refreshAnew(context),
};

/**
 * Authorizes and refreshes at once.
 *
 * @param scopes what the refresh asks for; by default it does not say
 * @throws Blocked when there is nothing to refresh
 */
export async function refreshAnew(
  context: CheckContext,
  wish: TokenWish = {},
  scopes?: readonly string[],
): Promise<Refreshed> {
  const flow = await authorizeAnew(context, wish);
  return await explained(context, async () => {
    const before = granted(flow.answer);
    if (before.refreshToken === undefined) {
      throw new Blocked("no refresh token was issued", "auth-flows.refresh-token-issued");
    }
    const endpoint = await endpointOf(context, "tokenEndpoint");
    const proof = await proofOf(context, flow.client, endpoint);
    const request = refreshRequest(endpoint, before.refreshToken, scopes, proof);
    const response = await sendTokenRequest(context, request, "refresh");
    return { flow, before, response, answer: readAnswer(context, response) };
  });
}

/** A request with parameters set (string) or left out (null); what it is verified against stays. */
export function changed(
  request: AuthorizationRequest,
  changes: Readonly<Record<string, string | null>>,
): AuthorizationRequest {
  return { ...request, parameters: withParameters(request.parameters, changes) };
}

function missingRegistration(role: string | undefined): Blocked {
  return new Blocked(
    role === undefined
      ? "the configuration gives no client registration for this API (client)"
      : `the configuration gives no registration otherClients.${role} for this API`,
  );
}

function explainedBy(context: CheckContext): string {
  return context.target.authorization === "client-credentials" ? EXPLAINED_BY.system : EXPLAINED_BY.user;
}

/** Turns what goes wrong on the way to a token into Blocked: with a finding where the server is the cause. */
export async function explained<T>(
  context: CheckContext,
  work: () => Promise<T>,
  by: string = explainedBy(context),
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RequestFailed) {
      throw new Blocked(`no token could be had: ${error.message}`, by, [error.finding()]);
    }
    if (!(error instanceof SmartError)) throw error;
    const isServers = error.code === "refused" || error.code === "invalid-response";
    const finding = {
      code: "oauth.refused",
      expected: "an authorization that succeeds",
      actual: error.message,
      ...(error.exchange === undefined ? {} : { exchange: error.exchange }),
    };
    throw isServers
      ? new Blocked(`no token could be had: ${error.message}`, by, [finding])
      : new Blocked(`no token could be had: ${error.message}`);
  }
}
