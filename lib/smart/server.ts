/** Endpoints of an authorization server, as its SMART configuration names them (SMART 2.0.0, conformance §metadata). */
export interface AuthorizationServer {
  readonly issuer?: string;
  readonly authorizationEndpoint?: string;
  readonly tokenEndpoint?: string;
  readonly introspectionEndpoint?: string;
  readonly revocationEndpoint?: string;
  readonly jwksUri?: string;
  readonly capabilities: readonly string[];
  readonly scopes: readonly string[];
}

/** Reads the endpoints of a SMART configuration; what is not an absolute http(s) URL counts as absent. */
export function authorizationServerOf(configuration: Readonly<Record<string, unknown>>): AuthorizationServer {
  const url = (name: string) => {
    const value = configuration[name];
    return typeof value === "string" && /^https?:/.test(value) && URL.canParse(value) ? value : undefined;
  };
  const named = {
    issuer: url("issuer"),
    authorizationEndpoint: url("authorization_endpoint"),
    tokenEndpoint: url("token_endpoint"),
    introspectionEndpoint: url("introspection_endpoint"),
    revocationEndpoint: url("revocation_endpoint"),
    jwksUri: url("jwks_uri"),
  };
  const present = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
  return {
    ...present,
    capabilities: strings(configuration["capabilities"]),
    scopes: strings(configuration["scopes_supported"]),
  };
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((member) => typeof member === "string") : [];
}
