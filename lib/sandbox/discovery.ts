import { apis, type ApiDefinition, type Tenant } from "./data.ts";
import type { JsonObject } from "./json.ts";
import { apiBase, authorizationBase, authorizationEndpoints } from "./places.ts";
import { supportedScopes } from "./scopes.ts";

export const TOKEN_ENDPOINT_AUTHENTICATION = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
const ASSERTION_ALGORITHMS = ["RS384", "ES384"];

const LAUNCH_CAPABILITIES = [
  "launch-ehr",
  "launch-standalone",
  "authorize-post",
  "client-public",
  "client-confidential-symmetric",
  "client-confidential-asymmetric",
  "sso-openid-connect",
  "context-banner",
  "context-style",
  "context-ehr-patient",
  "context-ehr-encounter",
  "context-standalone-patient",
  "permission-offline",
  "permission-online",
  "permission-patient",
  "permission-user",
  "permission-v1",
  "permission-v2",
];
const SYSTEM_CAPABILITIES = [
  "client-confidential-symmetric",
  "client-confidential-asymmetric",
  "permission-v1",
  "permission-v2",
];
/** SMART App Launch 1.0.0 knew neither the permission versions nor asymmetric clients. */
const FIRST_VERSION_CAPABILITIES = [
  "launch-ehr",
  "launch-standalone",
  "client-public",
  "client-confidential-symmetric",
  "sso-openid-connect",
  "context-ehr-patient",
  "context-standalone-patient",
  "permission-offline",
  "permission-patient",
  "permission-user",
];

/**
 * The SMART configuration of an API (SMART App Launch 2.0.0, conformance.html#using-well-known): the launch form for
 * patient access, the Backend Services form for system access, the 1.0.0 form for v1.
 *
 * @returns undefined for an API that needs no authorization
 */
export function smartConfiguration(
  origins: { readonly origin: string; readonly legacyOrigin: string },
  api: ApiDefinition,
  tenant: Tenant,
): JsonObject | undefined {
  if (api.access === "public") return undefined;
  const base = authorizationBase(origins, api, tenant);
  const endpoints = authorizationEndpoints(base);
  const shared = {
    token_endpoint: endpoints.token_endpoint,
    token_endpoint_auth_methods_supported: [...TOKEN_ENDPOINT_AUTHENTICATION],
    token_endpoint_auth_signing_alg_values_supported: [...ASSERTION_ALGORITHMS],
    scopes_supported: supportedScopes(api),
    introspection_endpoint: endpoints.introspection_endpoint,
    revocation_endpoint: endpoints.revocation_endpoint,
    code_challenge_methods_supported: ["S256"],
  };
  if (api.access === "system") {
    return {
      issuer: base,
      jwks_uri: endpoints.jwks_uri,
      // Required of every server by SMART 2.0.0, though nobody logs in at a system-access API.
      authorization_endpoint: endpoints.authorization_endpoint,
      ...shared,
      response_types_supported: ["code"],
      grant_types_supported: ["client_credentials"],
      capabilities: capabilitiesOf(api),
      ...associatedEndpoints(origins, api, tenant),
    };
  }
  return {
    issuer: base,
    jwks_uri: endpoints.jwks_uri,
    authorization_endpoint: endpoints.authorization_endpoint,
    ...shared,
    management_endpoint: endpoints.management_endpoint,
    response_types_supported: ["code"],
    grant_types_supported: ["authorization_code", "refresh_token"],
    capabilities: capabilitiesOf(api),
    ...associatedEndpoints(origins, api, tenant),
  };
}

function capabilitiesOf(api: ApiDefinition): string[] {
  if (api.access === "system") return [...SYSTEM_CAPABILITIES];
  return [...(api.generation === "v1" ? FIRST_VERSION_CAPABILITIES : LAUNCH_CAPABILITIES)];
}

/** The tenant's other v2 APIs that the same authorization server guards (SMART App Launch, conformance, metadata). */
function associatedEndpoints(
  origins: { readonly origin: string },
  api: ApiDefinition,
  tenant: Tenant,
): JsonObject {
  if (api.generation === "v1") return {};
  const others = apis().filter(
    (other) => other !== api && other.generation === "v2" && other.access !== "public",
  );
  return {
    associated_endpoints: others.map((other) => ({
      url: apiBase(origins.origin, other, tenant),
      capabilities: capabilitiesOf(other),
    })),
  };
}
