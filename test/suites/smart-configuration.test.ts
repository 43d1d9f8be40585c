import * as fc from "fast-check";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerSuite, having, startServer, targetAt, type Page, type TestServer } from "./server.ts";

const SUITE = "smart-configuration";
const CONFIGURATION = "/fhir/.well-known/smart-configuration";
const METADATA = "/fhir/metadata";

let server: TestServer;
let publicKey: JWK;

beforeAll(async () => {
  server = await startServer();
  const pair = await generateKeyPair("RS256", { extractable: true });
  publicKey = { ...(await exportJWK(pair.publicKey)), use: "sig", kid: "one" };
});

afterAll(async () => {
  await server.close();
});

function pages(configuration: unknown, more: Readonly<Record<string, Page>> = {}): void {
  server.pages = {
    [CONFIGURATION]: {
      headers: { "content-type": "application/json; charset=UTF-8", "access-control-allow-origin": "*" },
      body: JSON.stringify(configuration),
    },
    [METADATA]: {
      headers: { "content-type": "application/fhir+json" },
      body: { resourceType: "CapabilityStatement" },
    },
    ...more,
  };
}

function backendOnly(): Record<string, unknown> {
  return {
    token_endpoint: `${server.origin}/token`,
    grant_types_supported: ["client_credentials"],
    token_endpoint_auth_methods_supported: ["private_key_jwt"],
    token_endpoint_auth_signing_alg_values_supported: ["RS384"],
    scopes_supported: ["system/*.rs"],
    capabilities: ["client-confidential-asymmetric", "permission-v2"],
  };
}

function launching(): Record<string, unknown> {
  return {
    authorization_endpoint: `${server.origin}/authorize`,
    token_endpoint: `${server.origin}/token`,
    grant_types_supported: [
      "authorization_code",
      "refresh_token",
      "urn:ietf:params:oauth:grant-type:device_code",
    ],
    response_types_supported: ["code"],
    scopes_supported: [
      "launch/patient",
      "patient/*.rs",
      "patient/Observation.rs?category=laboratory",
      "offline_access",
    ],
    capabilities: [
      "launch-standalone",
      "client-public",
      "context-standalone-patient",
      "permission-patient",
      "permission-v2",
    ],
    code_challenge_methods_supported: ["S256"],
  };
}

describe("a server that is different and right", () => {
  it("may serve backend services only: no authorization endpoint, no PKCE, no secrets, no OpenID", async () => {
    pages(backendOnly());
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "system"));
    expect(having(verdicts, "fail", "error", "blocked")).toEqual([]);
    expect(having(verdicts, "warn").map((line) => line.split(":")[0])).toEqual([
      "smart-configuration.permission-v1",
      "smart-configuration.introspection-endpoint",
      "smart-configuration.revocation-endpoint",
    ]);
  });

  it("may launch without OpenID, without confidential clients, and with grants of its own", async () => {
    pages(launching());
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    expect(having(verdicts, "fail", "error", "blocked")).toEqual([]);
  });

  it("may have members that nobody knows, capabilities of later versions and methods of OAuth", async () => {
    pages({
      ...launching(),
      capabilities: [...(launching()["capabilities"] as string[]), "smart-app-state", "authorize-post"],
      token_endpoint_auth_methods_supported: ["none", "client_secret_jwt", "tls_client_auth"],
      user_access_brand_bundle: "https://example.org/brands.json",
      https_example_org_own: { anything: [1, null] },
      associated_endpoints: [{ url: `${server.origin}/other`, capabilities: ["launch-ehr"] }],
    });
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    expect(having(verdicts, "fail", "error", "info")).toEqual([]);
  });

  it("may write the same URL in another way in its CapabilityStatement", async () => {
    const uri = (url: string, valueUri: string) => ({ url, valueUri });
    pages(launching(), {
      [METADATA]: {
        body: {
          resourceType: "CapabilityStatement",
          rest: [
            {
              mode: "server",
              security: {
                extension: [
                  {
                    url: "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                    extension: [
                      uri("token", `${server.origin.replace("http", "HTTP")}/token/`),
                      uri("authorize", `${server.origin}/authorize`),
                    ],
                  },
                ],
              },
            },
          ],
        },
      },
    });
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    expect(verdicts.get("smart-configuration.agrees-on-token-endpoint")?.verdict.status).toBe("pass");
    expect(verdicts.get("smart-configuration.agrees-on-authorization-endpoint")?.verdict.status).toBe("pass");
  });

  it("may have an issuer with a slash at its end and one key without a name", async () => {
    const issuer = `${server.origin}/op/`;
    const { kid: _, ...key } = publicKey;
    pages(
      {
        ...launching(),
        capabilities: [...(launching()["capabilities"] as string[]), "sso-openid-connect"],
        scopes_supported: ["openid", "fhirUser", "launch/patient", "patient/*.rs"],
        issuer,
        jwks_uri: `${server.origin}/keys`,
      },
      {
        "/keys": {
          body: { keys: [key] },
        },
        "/op/.well-known/openid-configuration": {
          body: {
            issuer,
            authorization_endpoint: `${server.origin}/authorize`,
            token_endpoint: `${server.origin}/token`,
            jwks_uri: `${server.origin}/keys`,
            response_types_supported: ["code"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["RS256", "ES256"],
          },
        },
      },
    );
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    expect(having(verdicts, "fail", "error", "blocked")).toEqual([]);
    expect(verdicts.get("smart-configuration.jwks-usable")?.verdict.status).toBe("pass");
    expect(verdicts.get("smart-configuration.openid-issuer")?.verdict.status).toBe("pass");
  });
});

describe("a server that is wrong", () => {
  it("with a 1024 bit key has no usable RS256 key", async () => {
    pages(
      {
        ...launching(),
        capabilities: ["sso-openid-connect"],
        issuer: server.origin,
        jwks_uri: `${server.origin}/keys`,
      },
      {
        "/keys": {
          body: {
            keys: [{ kty: "RSA", kid: "small", e: "AQAB", n: Buffer.alloc(128, 0xff).toString("base64url") }],
          },
        },
      },
    );
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    expect(verdicts.get("smart-configuration.jwks-rs256")?.verdict).toMatchObject({
      status: "fail",
      findings: [{ code: "jwks.no-rs256-key" }],
    });
  });

  it("never shows the private part of a key that it publishes", async () => {
    const secret = "c2VjcmV0LXByaXZhdGUta2V5LW1hdGVyaWFs";
    pages(
      {
        ...launching(),
        capabilities: ["sso-openid-connect"],
        issuer: server.origin,
        jwks_uri: `${server.origin}/keys`,
      },
      {
        "/keys": {
          body: {
            keys: [
              { kty: "oct", kid: "one", k: secret },
              { kty: "RSA", kid: "two", d: secret },
            ],
          },
        },
      },
    );
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    expect(verdicts.get("smart-configuration.jwks-public")?.verdict.status).toBe("fail");
    expect(JSON.stringify([...verdicts])).not.toContain(secret);
  });

  it("that answers nothing at all has one failure that explains the rest", async () => {
    server.pages = {};
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    const failed = having(verdicts, "fail").map((line) => line.split(":")[0]);
    expect(failed).toContain("smart-configuration.served");
    const blocked = [...verdicts.values()].filter(({ verdict }) => verdict.status === "blocked");
    expect(blocked.length).toBeGreaterThan(30);
    expect(new Set(blocked.map(({ verdict }) => verdict.status === "blocked" && verdict.by))).toEqual(
      new Set(["smart-configuration.served"]),
    );
  });
});

describe("a server that makes no sense", () => {
  it("never makes a check stumble, whatever JSON it sends", async () => {
    const members = [
      "issuer",
      "jwks_uri",
      "authorization_endpoint",
      "token_endpoint",
      "grant_types_supported",
      "capabilities",
      "scopes_supported",
      "code_challenge_methods_supported",
      "response_types_supported",
      "associated_endpoints",
      "token_endpoint_auth_methods_supported",
      "token_endpoint_auth_signing_alg_values_supported",
    ];
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(
        "http://",
        "https://[",
        "/x",
        "",
        ["sso-openid-connect"],
        ["client-confidential-asymmetric", 7],
      ),
    );
    const document = fc.oneof(
      fc.dictionary(fc.constantFrom(...members), value, { minKeys: 3 }),
      fc.jsonValue({ maxDepth: 2 }),
    );
    await fc.assert(
      fc.asyncProperty(document, async (configuration) => {
        pages(configuration);
        const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
        expect(having(verdicts, "error").slice(0, 3)).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});
