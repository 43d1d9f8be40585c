import type {
  AccessToken,
  AdapterPayload,
  ClientCredentials,
  Configuration,
  KoaContextWithOIDC,
  Provider,
} from "oidc-provider";
import { apis, registrations, type ApiDefinition, type Application, type Tenant } from "../data.ts";
import { smartConfiguration, TOKEN_ENDPOINT_AUTHENTICATION } from "../discovery.ts";
import type { Reply, SandboxRequest } from "../exchange.ts";
import type { JsonObject } from "../json.ts";
import { serverKey } from "../keys.ts";
import { apiBase, authorizationBase } from "../places.ts";
import { REDIRECT_URI } from "../redirect.ts";
import { LAUNCH_SCOPES, readClinicalScope, readMisspelled } from "../scopes.ts";
import type { SandboxState } from "../state.ts";
import { answerByHandler } from "./capture.ts";
import { createInteractions, type Interactions } from "./interaction.ts";
import { launchParameters, type LaunchContext, type Launches } from "./launch.ts";
import { overlooking } from "./overlooking.ts";
import { errorPage } from "./pages.ts";
import { createTokenStore, type TokenStore } from "./store.ts";
import { isApproved } from "./tenant-owner.ts";

/** An access token that an authorization server knows and that has not expired. */
export interface KnownToken {
  readonly application: Application;
  /** Base URL it was issued for. */
  readonly audience: string;
  readonly scopes: readonly string[];
  /** Id of the user who allowed it; absent for a system's. */
  readonly user: string | undefined;
  readonly context: LaunchContext | undefined;
  readonly issuedAt: number;
}

/** The authorization server of a tenant, or the legacy one. */
export interface AuthorizationServer {
  /** Answers a request under the server's base; `path` is what follows it. */
  answer(request: SandboxRequest, path: string): Promise<Reply>;
  findToken(value: string): Promise<KnownToken | undefined>;
  readonly store: TokenStore;
}

export interface AuthorizationServerOptions {
  readonly state: SandboxState;
  /** The tenant whose server it is; undefined is the legacy server. */
  readonly tenant: Tenant | undefined;
  readonly base: string;
  readonly launches: Launches;
}

// oidc-provider says on every import that it prefers Node 22. It works on 20 (the sandbox's tests run there).
async function importProvider(): Promise<typeof import("oidc-provider")> {
  const { warn } = console;
  console.warn = () => {};
  try {
    return await import("oidc-provider");
  } finally {
    console.warn = warn;
  }
}

let libraryOfProcess: ReturnType<typeof importProvider> | undefined;

/** Starts the authorization server of a tenant, or the legacy one. */
export async function createAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const { state, tenant, base } = options;
  libraryOfProcess ??= importProvider();
  const library = await libraryOfProcess;
  const clients = new Map(
    registrations()
      .applications.filter((each) => isClientOf(each, tenant))
      .map((each) => [each.id, each]),
  );
  const store = createTokenStore((id) => {
    const application = clients.get(id) ?? foreignClient(id);
    return application === undefined || !isApproved(state, id)
      ? undefined
      : clientMetadata(state, application);
  });
  const contexts = new Map<string, LaunchContext>();
  const key = await serverKey(tenant?.id ?? "legacy");
  const provider: Provider = new library.Provider(
    base,
    configuration(options, store, contexts, key.privateJwk, library.errors),
  );
  const mount = new URL(base).pathname.replace(/\/$/, "");
  finishResponses(provider, {
    contexts,
    styleUrl: `${state.origin}/smart-style.json`,
    published: () => publishedConfiguration(state, tenant, base),
  });
  const interactions: Interactions = createInteractions({ ...options, provider, store, contexts, mount });
  const handler = provider.callback();

  const known = async (
    token: AccessToken | ClientCredentials | undefined,
  ): Promise<KnownToken | undefined> => {
    const application = clients.get(token?.clientId ?? "");
    if (token === undefined || application === undefined) return undefined;
    const { aud, scope, iat } = token;
    const grantId = "grantId" in token ? token.grantId : undefined;
    return {
      application,
      audience: Array.isArray(aud) ? (aud[0] ?? "") : (aud ?? ""),
      scopes: scope?.split(" ") ?? [],
      user: "accountId" in token ? token.accountId : undefined,
      context: grantId === undefined ? undefined : contexts.get(grantId),
      issuedAt: iat ?? 0,
    };
  };
  return {
    store,
    answer(request, path) {
      if (path.startsWith("/interaction/") || path === "/manage") return interactions.answer(request, path);
      return answerByHandler(handler, prepareAuthorize(request, path), mount);
    },
    async findToken(value) {
      const token =
        (await provider.AccessToken.find(value)) ?? (await provider.ClientCredentials.find(value));
      return token === undefined || token.isExpired ? undefined : known(token);
    },
  };
}

/** An application of another tenant, where a fault says that it is known. */
function foreignClient(id: string): Application | undefined {
  const overlooked = overlooking.getStore();
  if (overlooked?.foreignClients !== true) return undefined;
  const application = registrations().applications.find((each) => each.id === id);
  if (application !== undefined) overlooked.changed();
  return application;
}

function isClientOf(application: Application, tenant: Tenant | undefined): boolean {
  if (tenant === undefined) return application.generation === "v1";
  return application.generation === "v2" && application.tenant === tenant.id;
}

/** The APIs an application is registered for: one in v2; in v1 all of its kind of access, the first by default. */
function apisOf(application: Application): readonly ApiDefinition[] {
  return apis().filter(
    (api) =>
      api.generation === application.generation &&
      api.party === application.party &&
      api.access === application.access,
  );
}

const patientApiOf = (tenant: Tenant | undefined): ApiDefinition | undefined =>
  apis().find((api) => api.access === "patient" && api.generation === (tenant === undefined ? "v1" : "v2"));

/** What OpenID configuration says differently from the library: the same as the SMART configuration beside it. */
function publishedConfiguration(state: SandboxState, tenant: Tenant | undefined, base: string): JsonObject {
  const home = tenant ?? registrations().tenants[0];
  const api = patientApiOf(tenant);
  const smart = api === undefined || home === undefined ? undefined : smartConfiguration(state, api, home);
  return {
    token_endpoint_auth_methods_supported: [...TOKEN_ENDPOINT_AUTHENTICATION],
    scopes_supported: smart?.["scopes_supported"] ?? [],
    capabilities: smart?.["capabilities"] ?? [],
    management_endpoint: `${base}/manage`,
  };
}

/**
 * authorize-post (SMART 2.0.0): the form's parameters count as the query's. And a refresh token is only given with
 * consent (OpenID Connect Core, 11), which SMART applications do not ask for by `prompt`.
 */
function prepareAuthorize(request: SandboxRequest, path: string): SandboxRequest {
  if (path !== "/authorize") return request;
  const url = new URL(request.url);
  const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true;
  if (request.method === "POST" && isForm) {
    for (const [name, value] of new URLSearchParams(request.body.toString("utf8"))) {
      url.searchParams.append(name, value);
    }
  }
  const scopes = url.searchParams.get("scope")?.split(" ") ?? [];
  const prompts = new Set(url.searchParams.get("prompt")?.split(" "));
  if (scopes.includes("offline_access") && !prompts.has("none")) {
    url.searchParams.set("prompt", [...prompts.add("consent")].filter((each) => each !== "").join(" "));
  }
  return {
    ...request,
    method: request.method === "POST" && isForm ? "GET" : request.method,
    url,
    body: Buffer.alloc(0),
  };
}

function clientMetadata(state: SandboxState, application: Application): AdapterPayload {
  const { id, authentication, access, algorithm } = application;
  const secret = state.credentials.secrets.get(id);
  const key = state.credentials.keys.get(id);
  return {
    client_id: id,
    client_name: id,
    // Native, so that any port of the loopback interface will do.
    application_type: "native",
    token_endpoint_auth_method: authentication === "public" ? "none" : authentication,
    redirect_uris: access === "patient" ? [REDIRECT_URI] : [],
    response_types: access === "patient" ? ["code"] : [],
    grant_types: access === "patient" ? ["authorization_code", "refresh_token"] : ["client_credentials"],
    ...(secret === undefined ? {} : { client_secret: secret }),
    ...(key === undefined
      ? {}
      : { jwks: { keys: [key.publicJwk] }, token_endpoint_auth_signing_alg: algorithm ?? "ES384" }),
  };
}

/** Scopes of a request that an application may have at its API, as they were asked for. */
function grantableScopes(
  application: Application,
  requested: readonly string[],
  lenientScopes: string,
): string[] {
  return requested.filter((scope) => {
    if (LAUNCH_SCOPES.includes(scope)) return application.access === "patient";
    const clinical = readClinicalScope(scope) ?? readMisspelled(scope, lenientScopes);
    if (clinical === undefined) return false;
    return application.access === "system" ? clinical.level === "system" : clinical.level !== "system";
  });
}

type Errors = typeof import("oidc-provider").errors;

function configuration(
  options: AuthorizationServerOptions,
  store: TokenStore,
  contexts: ReadonlyMap<string, LaunchContext>,
  key: JsonObject | Record<string, unknown>,
  errors: Errors,
): Configuration {
  const { state, tenant, base, launches } = options;
  const { settings } = state;
  const { users, applications, tenants } = registrations();
  const home = tenant ?? tenants[0];
  const applicationOf = (id: string) => applications.find((each) => each.id === id);
  const audiencesOf = (clientId: string): [string, ...string[]] => {
    const application = applicationOf(clientId);
    if (application === undefined || home === undefined) return [base];
    const [first = base, ...others] = apisOf(application).map((api) => apiBase(state.origin, api, home));
    return [first, ...others];
  };
  const { port } = new URL(base);
  const path = new URL(base).pathname;

  return {
    adapter: (model) => store.adapter(model),
    jwks: { keys: [key] },
    findAccount: (ctx, sub) => {
      const user = users.find((each) => each.id === sub);
      if (user === undefined) return undefined;
      return {
        accountId: sub,
        claims: async () => ({
          sub,
          fhirUser: `${audiencesOf(ctx.oidc.client?.clientId ?? "")[0]}/${user.fhirUser}`,
          profile: user.fhirUser,
        }),
      };
    },
    claims: { openid: ["sub"], fhirUser: ["fhirUser"], profile: ["profile"] },
    conformIdTokenClaims: false,
    scopes: [...LAUNCH_SCOPES],
    responseTypes: ["code"],
    routes: {
      authorization: "/authorize",
      token: "/token",
      jwks: "/jwks",
      introspection: "/introspect",
      revocation: "/revoke",
    },
    clientAuthMethods: ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
    enabledJWA: {
      clientAuthSigningAlgValues: ["RS384", "ES384"],
      idTokenSigningAlgValues: ["RS256"],
    },
    pkce: { required: () => settings.requirePkce },
    rotateRefreshToken: settings.rotateRefreshTokens,
    issueRefreshToken: async (_ctx, client, source) =>
      client.grantTypeAllowed("refresh_token") &&
      (source.scopes.has("offline_access") || source.scopes.has("online_access")),
    ttl: {
      AccessToken: (_ctx, _token, client) =>
        applicationOf(client.clientId)?.shortLived === "tokens"
          ? settings.shortTokenLifetime
          : settings.accessTokenLifetime,
      ClientCredentials: settings.accessTokenLifetime,
      AuthorizationCode: (_ctx, _code, client) =>
        applicationOf(client.clientId)?.shortLived === "codes"
          ? settings.shortCodeLifetime
          : settings.authorizationCodeLifetime,
      RefreshToken: settings.refreshTokenLifetime,
      IdToken: settings.idTokenLifetime,
      Interaction: 600,
      Session: 3600,
      Grant: settings.refreshTokenLifetime,
    },
    // Browsers share cookies between the ports of a host, and tenants share a host: names and paths keep them apart.
    cookies: {
      keys: [state.cookieKey],
      names: {
        session: `sandbox_${port}_session`,
        interaction: `sandbox_${port}_interaction`,
        resume: `sandbox_${port}_resume`,
      },
      long: { path, signed: true },
      short: { signed: true },
    },
    interactions: { url: (_ctx, interaction) => `${path.replace(/\/$/, "")}/interaction/${interaction.uid}` },
    extraParams: {
      aud: () => {},
      launch: (ctx, value) => {
        const isAsked = ctx.oidc.requestParamScopes.has("launch");
        if (value === undefined && !isAsked) return;
        const launched = value === undefined ? undefined : launches.find(value);
        if (launched === undefined || !audiencesOf(ctx.oidc.client?.clientId ?? "").includes(launched.base)) {
          throw new errors.InvalidRequest("launch is unknown, or was made for another API");
        }
      },
    },
    assertJwtClientAuthClaimsAndHeader: async (ctx, claims, header, client) => {
      const now = Math.floor(Date.now() / 1000);
      const expires = Number(claims["exp"]);
      if (typeof header["kid"] !== "string") throw new errors.InvalidClientAuth("kid is missing");
      if (claims["sub"] !== client.clientId) throw new errors.InvalidClientAuth("sub is not the client");
      if (claims["aud"] !== `${base}/token`)
        throw new errors.InvalidClientAuth("aud is not the token endpoint");
      if (expires > now + settings.assertionLifetime) {
        throw new errors.InvalidClientAuth("exp is too far ahead");
      }
      void ctx;
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      dPoP: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId,
      },
      revocation: {
        enabled: true,
        // RFC 7009, 2.1: a token of another client is refused, not revoked.
        allowedPolicy: async (_ctx, client, token) => {
          if (token.clientId === client.clientId) return true;
          throw new errors.InvalidRequest("the token was issued to another client");
        },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client, oneOf) => {
          if (oneOf !== undefined) return Array.isArray(oneOf) ? (oneOf[0] ?? "") : oneOf;
          const audiences = audiencesOf(client?.clientId ?? "");
          return ctx.oidc.route === "authorization" ? audienceAsked(ctx, audiences, errors) : audiences[0];
        },
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource, client) => {
          if (!audiencesOf(client.clientId).includes(resource)) throw new errors.InvalidTarget();
          const application = applicationOf(client.clientId);
          const { scope } = ctx.oidc.params as { scope?: string };
          const requested = scope?.split(" ") ?? [];
          const source = ctx.oidc.entities.AuthorizationCode ?? ctx.oidc.entities.RefreshToken;
          const scopes =
            application === undefined
              ? []
              : grantableScopes(
                  application,
                  [...requested, ...(source?.scope?.split(" ") ?? [])],
                  settings.lenientScopes,
                );
          const asksNow =
            ctx.oidc.route === "authorization" || ctx.oidc.params?.["grant_type"] === "client_credentials";
          if (asksNow && scopes.length === 0) {
            throw new errors.InvalidScope("no scope that was asked for can be granted", scope ?? "");
          }
          return {
            scope: [...new Set(scopes)].join(" "),
            audience: resource,
            accessTokenFormat: "opaque" as const,
            accessTokenTTL:
              application?.shortLived === "tokens"
                ? settings.shortTokenLifetime
                : settings.accessTokenLifetime,
          };
        },
      },
    },
    extraTokenClaims: (_ctx, token) => {
      if (!("grantId" in token) || token.grantId === undefined) return undefined;
      const context = contexts.get(token.grantId);
      return context?.patient === undefined ? undefined : { patient: context.patient };
    },
    clientBasedCORS: () => true,
    renderError: (ctx, out) => {
      const { headers, content } = errorPage(ctx.status, out.error, out.error_description ?? "");
      for (const [name, value] of Object.entries(headers)) ctx.set(name, value);
      ctx.body = content.kind === "bytes" ? content.bytes : "";
    },
  };
}

/** `aud` names the API the application wants to use (SMART 2.0.0, "Request authorization code"). */
function audienceAsked(ctx: KoaContextWithOIDC, audiences: readonly string[], errors: Errors): string {
  const asked = (ctx.oidc.params as { aud?: string } | undefined)?.aud;
  if (asked === undefined) throw new errors.InvalidRequest("aud is missing");
  const audience = audiences.find((each) => each === asked.replace(/\/$/, ""));
  if (audience === undefined) throw new errors.InvalidRequest("aud is not an API of this application");
  return audience;
}

// A client that does not authenticate as it is registered to is told so, whichever way it failed (RFC 6749, 5.2).
const FAILED_AUTHENTICATION =
  /^(invalid client_assertion|client_assertion_type must|no client authentication|client_id and client_secret in|client_secret must be|invalid authorization header|client_id mismatch)/;

interface Completion {
  readonly contexts: ReadonlyMap<string, LaunchContext>;
  readonly styleUrl: string;
  readonly published: () => JsonObject;
}

/**
 * Completes what the library answers: launch context beside the token, `invalid_client` for failed authentication,
 * and what SMART adds to the OpenID configuration.
 */
function finishResponses(provider: Provider, { contexts, styleUrl, published }: Completion): void {
  provider.use(async (ctx: KoaContextWithOIDC, next: () => Promise<unknown>) => {
    await next();
    const { body } = ctx;
    if (typeof body !== "object" || body === null) return;
    const answer = body as Record<string, unknown>;
    // SMART 2.0.0 asks for both headers: there are caches that know only the older one.
    if (ctx.path === "/token") ctx.set("pragma", "no-cache");
    if (ctx.path.startsWith("/.well-known/") && ctx.status === 200) {
      Object.assign(answer, published());
      return;
    }
    if (
      answer["error"] === "invalid_request" &&
      FAILED_AUTHENTICATION.test(answer["error_description"] as string)
    ) {
      ctx.status = 401;
      answer["error"] = "invalid_client";
      return;
    }
    const grantId = ctx.oidc?.entities.AccessToken?.grantId;
    const context = grantId === undefined ? undefined : contexts.get(grantId);
    if (ctx.path !== "/token" || ctx.status !== 200 || context === undefined) return;
    Object.assign(answer, launchParameters(context, styleUrl));
  });
}

/** The authorization servers of a sandbox, each started when it is first needed. */
export interface AuthorizationServers {
  ofTenant(tenant: Tenant): Promise<AuthorizationServer>;
  legacy(): Promise<AuthorizationServer>;
  /** The server that guards an API. */
  guarding(api: ApiDefinition, tenant: Tenant): Promise<AuthorizationServer>;
  /** Those that have started. */
  started(): Promise<AuthorizationServer[]>;
}

/** The authorization servers of a sandbox that is about to run. */
export function createAuthorizationServers(
  state: () => SandboxState,
  launches: Launches,
): AuthorizationServers {
  const servers = new Map<string, Promise<AuthorizationServer>>();
  const start = (tenant: Tenant | undefined) => {
    const id = tenant?.uuid ?? "legacy";
    let server = servers.get(id);
    if (server === undefined) {
      const running = state();
      const base =
        tenant === undefined
          ? running.legacyOrigin
          : authorizationBase(running, { generation: "v2" }, tenant);
      server = createAuthorizationServer({ state: running, tenant, base, launches });
      servers.set(id, server);
    }
    return server;
  };
  return {
    ofTenant: start,
    legacy: () => start(undefined),
    guarding: (api, tenant) => start(api.generation === "v1" ? undefined : tenant),
    started: () => Promise.all(servers.values()),
  };
}
