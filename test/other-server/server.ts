/**
 * Conformant FHIR servers that share nothing with the sandbox but the specifications: other paths, other optional
 * members, other ways to say the same. What a check has against them is a false verdict.
 */
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import type { CapabilityStatement, CapabilityStatementRestResource } from "fhir/r4.js";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface CapabilityRow {
  readonly type: string;
  readonly conformance: string;
  readonly profiles: readonly { readonly value: string; readonly conformance: string }[];
  readonly interactions: readonly { readonly value: string; readonly conformance: string }[];
  readonly searchParams: readonly {
    readonly name: string;
    readonly type: string;
    readonly conformance: string;
  }[];
  readonly combinations: readonly { readonly required: readonly string[]; readonly conformance: string }[];
  readonly searchRevIncludes: readonly { readonly value: string; readonly conformance: string }[];
  readonly operations: readonly {
    readonly name: string;
    readonly definition: string;
    readonly conformance: string;
  }[];
}

type Json = Readonly<Record<string, unknown>>;

/** What US Core's own statement says with SHALL, and nothing else. */
function requiredResources(): CapabilityStatementRestResource[] {
  const file = new URL("../../profiles/us-core-6.1.0/capability.json", import.meta.url);
  const { resources } = JSON.parse(readFileSync(file, "utf8")) as { resources: readonly CapabilityRow[] };
  const shall = <T extends { readonly conformance: string }>(rows: readonly T[]) =>
    rows.filter(({ conformance }) => conformance === "SHALL");
  return shall(resources).map((row) => {
    const combined = new Set(shall(row.combinations).flatMap(({ required }) => required));
    const parameters = row.searchParams.filter(
      ({ name, conformance }) => conformance === "SHALL" || combined.has(name),
    );
    const lists = {
      supportedProfile: shall(row.profiles).map(({ value }) => value),
      interaction: shall(row.interactions).map(({ value }) => ({ code: value })),
      // Whoever has declared a wildcard has declared each.
      searchRevInclude: shall(row.searchRevIncludes).length === 0 ? [] : ["*"],
      // Definitions are optional.
      searchParam: parameters.map(({ name, type }) => ({ name, type })),
      operation: shall(row.operations).map(({ name, definition }) => ({ name, definition })),
    };
    return {
      type: row.type as CapabilityStatementRestResource["type"],
      ...Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)),
    };
  });
}

/** Typed, so that the compiler holds it to R4. */
function capabilityStatement(): CapabilityStatement {
  return {
    resourceType: "CapabilityStatement",
    status: "active",
    date: "2025-02-28T23:59:60.123+14:00",
    publisher: "Zoë & Söhne <IT>",
    description: 'Says "all" that it does.\n\n* in lists\n* with\ttabs, and trailing space ',
    kind: "instance",
    instantiates: [
      "http://example.org/fhir/CapabilityStatement/other|2.0",
      "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server|6.1.0",
    ],
    software: { name: "Another server", version: "7.2" },
    // Behind a proxy, a server may go by another address than the one it was asked at.
    implementation: { description: "The clinic in A", url: "https://fhir.clinic.example.org/R4" },
    fhirVersion: "4.0.1",
    format: ["application/fhir+xml; fhirVersion=4.0", "xml", "application/fhir+json; fhirVersion=4.0"],
    rest: [
      { mode: "client", documentation: "It also asks others." },
      {
        mode: "server",
        security: {
          extension: [
            {
              url: "http://fhir-registry.smarthealthit.org/StructureDefinition/capabilities",
              valueCode: "launch-standalone",
            },
          ],
          cors: true,
        },
        resource: [...requiredResources()].toReversed(),
      },
    ],
  };
}

/** FHIR R4 §xml: primitives as attributes, `url` of an extension too; no narrative, no contained resources here. */
function toXml(resource: Json): string {
  const { resourceType, ...members } = resource;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${String(resourceType)} xmlns="http://hl7.org/fhir">${children(members)}</${String(resourceType)}>\n`;
}

function children(members: Json): string {
  return Object.entries(members)
    .flatMap(([name, value]) => [value].flat().map((one) => element(name, one)))
    .join("");
}

function element(name: string, value: unknown): string {
  if (typeof value !== "object" || value === null) return `<${name} value="${attribute(String(value))}"/>`;
  const { url, ...rest } = value as Json;
  const isExtension = name === "extension";
  return isExtension
    ? `<extension url="${attribute(String(url))}">${children(rest)}</extension>`
    : `<${name}>${children(value as Json)}</${name}>`;
}

function attribute(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll('"', "&quot;")
    .replaceAll("\n", "&#10;")
    .replaceAll("\t", "&#9;");
}

/** Keys for several purposes, some of which an application does not know and has to pass over (RFC 7517 §5). */
function keySet(): Json {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" });
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" });
  const bitcoin = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey.export({ format: "jwk" });
  const agreement = generateKeyPairSync("x25519").publicKey.export({ format: "jwk" });
  return {
    keys: [
      { ...agreement, kid: "a", use: "enc", alg: "ECDH-ES" },
      { ...bitcoin, kid: "b", use: "sig", alg: "ES256K" },
      { kty: "AKP", kid: "c", alg: "ML-DSA-44", pub: "AAAA" },
      // The same name for equivalent keys of different types (RFC 7517 §4.5).
      { ...p256, kid: "d", use: "sig" },
      { ...rsa, kid: "d", key_ops: ["verify"], "x-note": "an additional member" },
    ],
  };
}

function forUsers(origin: string): Json {
  return {
    issuer: `${origin}/login/`,
    jwks_uri: `${origin}/login/keys?v=2`,
    authorization_endpoint: `${origin}/login/start?realm=clinic`,
    token_endpoint: `${origin}/login/token`,
    grant_types_supported: [
      "authorization_code",
      "refresh_token",
      "urn:ietf:params:oauth:grant-type:token-exchange",
    ],
    code_challenge_methods_supported: ["S512", "S256"],
    capabilities: [
      "launch-standalone",
      "client-public",
      "client-confidential-symmetric",
      "context-standalone-patient",
      "permission-patient",
      "permission-v2",
      "sso-openid-connect",
      "smart-app-state",
      "x-ours",
    ],
    user_access_brand_bundle: `${origin}/brands.json`,
    user_access_brand_identifier: { system: "urn:ietf:rfc:3986", value: "https://clinic.example.org" },
  };
}

/** No user ever logs in here, so nothing about that is said. */
function forBackends(origin: string): Json {
  return {
    token_endpoint: `${origin}/machines/token`,
    grant_types_supported: ["client_credentials"],
    token_endpoint_auth_methods_supported: ["private_key_jwt"],
    token_endpoint_auth_signing_alg_values_supported: ["ES384"],
    scopes_supported: ["system/*.rs"],
    capabilities: ["client-confidential-asymmetric", "permission-v2"],
  };
}

function openidConfiguration(origin: string): Json {
  const { issuer, jwks_uri, authorization_endpoint, token_endpoint } = forUsers(origin);
  return {
    issuer,
    jwks_uri,
    authorization_endpoint,
    token_endpoint,
    response_types_supported: ["code"],
    subject_types_supported: ["pairwise"],
    id_token_signing_alg_values_supported: ["ES256", "RS256"],
  };
}

export interface OtherServer {
  /** FHIR base URL of the API for users. */
  readonly users: string;
  /** FHIR base URL of the API for backend services. */
  readonly backends: string;
  close(): Promise<void>;
}

/** Starts the servers on 127.0.0.1. */
export async function startOtherServer(): Promise<OtherServer> {
  const keys = keySet();
  const statement: Json = { ...capabilityStatement() };
  const server = createServer((request, response) => answer(request, response, keys, statement));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = originOf(server);
  return {
    users: `${origin}/clinic.a/R4`,
    backends: `${origin}/machines/R4`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answer(request: IncomingMessage, response: ServerResponse, keys: Json, statement: Json): void {
  const origin = `http://${request.headers.host ?? ""}`;
  const url = new URL(request.url ?? "/", origin);
  const json = (body: Json, type = "application/json;charset=UTF-8") =>
    response
      .writeHead(200, {
        "content-type": type,
        "access-control-allow-origin": request.headers.origin ?? "*",
        vary: "Origin",
      })
      .end(JSON.stringify(body));
  switch (url.pathname) {
    case "/clinic.a/R4/.well-known/smart-configuration":
      return void json(forUsers(origin));
    case "/machines/R4/.well-known/smart-configuration":
      return void json(forBackends(origin));
    case "/login/.well-known/openid-configuration":
      return void json(openidConfiguration(origin));
    case "/login/keys":
      return void json(keys, "application/jwk-set+json");
    case "/clinic.a/R4/metadata":
    case "/machines/R4/metadata": {
      if (wantsXml(request, url))
        return void response
          .writeHead(200, { "content-type": "application/fhir+xml; charset=utf-8" })
          .end(toXml(statement));
      return void json(statement, "application/fhir+json; fhirVersion=4.0; charset=utf-8");
    }
    default:
      response.writeHead(401, { "www-authenticate": "Bearer" }).end();
  }
}

function wantsXml(request: IncomingMessage, url: URL): boolean {
  const wanted = url.searchParams.get("_format") ?? request.headers.accept ?? "";
  return wanted.includes("xml");
}
