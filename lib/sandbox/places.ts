import { apis, registrations, type ApiDefinition, type Tenant } from "./data.ts";
import type { Place } from "./exchange.ts";

/** Path of a tenant's authorization server under the main origin. */
export const AUTHORIZATION_PATH = "/auth/{tenant}/oauth2/v1";

interface Pattern {
  readonly prefix: string;
  readonly api: ApiDefinition;
  readonly hasTenant: boolean;
}

let sorted: readonly Pattern[] | undefined;

// Longest first: /uscore/v1/bulk-data is not a path under /uscore/v1.
function patterns(): readonly Pattern[] {
  sorted ??= apis()
    .map((api) => ({
      api,
      hasTenant: api.path.endsWith("/{tenant}"),
      prefix: api.path.replace(/\/\{tenant\}$/, ""),
    }))
    .toSorted((a, b) => b.prefix.length - a.prefix.length);
  return sorted;
}

/** The rest of a path under a prefix, "" or starting with a slash; undefined when it is not under it. */
function under(path: string, prefix: string): string | undefined {
  if (!path.startsWith(prefix)) return undefined;
  const rest = path.slice(prefix.length);
  return rest === "" || rest.startsWith("/") ? rest : undefined;
}

const tenantOf = (segment: string): Tenant | undefined =>
  registrations().tenants.find((each) => each.uuid === segment);

/**
 * Which API or authorization server a path belongs to. The path is taken as sent, percent-encoding and all: an
 * encoded tenant id is an unknown tenant.
 */
export function locate(origin: string, listener: "main" | "legacy", path: string): Place {
  if (listener === "legacy") return { kind: "legacy", base: origin, path };
  for (const { prefix, api, hasTenant } of patterns()) {
    const rest = under(path, prefix);
    if (rest === undefined) continue;
    if (!hasTenant) {
      return {
        kind: "api",
        api,
        segment: undefined,
        tenant: registrations().tenants[0],
        base: `${origin}${prefix}`,
        path: rest,
      };
    }
    const segment = rest.split("/")[1] ?? "";
    const base = `${origin}${prefix}/${segment}`;
    return {
      kind: "api",
      api,
      segment,
      tenant: tenantOf(segment),
      base,
      path: rest.slice(segment.length + 1),
    };
  }
  const match = /^\/auth\/([^/]*)\/oauth2\/v1(\/.*)?$/.exec(path);
  if (match !== null) {
    const segment = match[1] ?? "";
    return {
      kind: "authorization",
      segment,
      tenant: tenantOf(segment),
      base: `${origin}/auth/${segment}/oauth2/v1`,
      path: match[2] ?? "",
    };
  }
  return { kind: "other", base: origin, path };
}

/** Base URL of an API for a tenant. */
export function apiBase(origin: string, api: ApiDefinition, tenant: Tenant): string {
  return `${origin}${api.path.replace("{tenant}", tenant.uuid)}`;
}

/** Issuer and base of the authorization server that guards an API: the tenant's own (v2) or the legacy one (v1). */
export function authorizationBase(
  origins: { readonly origin: string; readonly legacyOrigin: string },
  api: Pick<ApiDefinition, "generation">,
  tenant: Tenant,
): string {
  return api.generation === "v1"
    ? origins.legacyOrigin
    : `${origins.origin}${AUTHORIZATION_PATH.replace("{tenant}", tenant.uuid)}`;
}

/** Endpoints of an authorization server; the same for discovery, CapabilityStatement and OpenID configuration. */
export function authorizationEndpoints(base: string) {
  return {
    authorization_endpoint: `${base}/authorize`,
    token_endpoint: `${base}/token`,
    introspection_endpoint: `${base}/introspect`,
    revocation_endpoint: `${base}/revoke`,
    management_endpoint: `${base}/manage`,
    jwks_uri: `${base}/jwks`,
  };
}
