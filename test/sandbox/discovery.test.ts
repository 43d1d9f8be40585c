import { Fhir } from "fhir/fhir.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import { authorization, base, HARBOR, json, RIVERBEND, statusOf } from "./client.ts";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

const configuration = (at: string) => fetch(`${at}/.well-known/smart-configuration`);

describe("the SMART configuration", () => {
  it("is served without a token, as JSON, to any origin", async () => {
    const response = await configuration(base(sandbox));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
  });

  it("has what SMART 2.0.0 asks of a server that launches applications", async () => {
    const own = authorization(sandbox);
    const body = await json<Record<string, string[]>>(await configuration(base(sandbox)));
    expect(body).toMatchObject({
      issuer: own,
      jwks_uri: `${own}/jwks`,
      authorization_endpoint: `${own}/authorize`,
      token_endpoint: `${own}/token`,
      introspection_endpoint: `${own}/introspect`,
      revocation_endpoint: `${own}/revoke`,
      code_challenge_methods_supported: ["S256"],
      response_types_supported: ["code"],
    });
    expect(body["grant_types_supported"]).toContain("authorization_code");
    expect(body["capabilities"]).toEqual(
      expect.arrayContaining([
        "launch-ehr",
        "launch-standalone",
        "client-public",
        "sso-openid-connect",
        "permission-v2",
      ]),
    );
    expect(body["token_endpoint_auth_signing_alg_values_supported"]).toEqual(["RS384", "ES384"]);
    expect(body["scopes_supported"]).toEqual(
      expect.arrayContaining([
        "openid",
        "fhirUser",
        "launch/patient",
        "patient/Patient.rs",
        "patient/Patient.read",
      ]),
    );
  });

  it("has the Backend Services form on system access", async () => {
    const body = await json<Record<string, string[]>>(
      await configuration(base(sandbox, "provider/system-access")),
    );
    expect(body["grant_types_supported"]).toEqual(["client_credentials"]);
    expect(body["capabilities"]).toContain("client-confidential-asymmetric");
    expect(body["capabilities"]).not.toContain("launch-standalone");
    expect(body["scopes_supported"]).toContain("system/Patient.rs");
  });

  it("names only endpoints that answer", async () => {
    const body = await json<Record<string, string>>(await configuration(base(sandbox)));
    const answers = await Promise.all(
      Object.entries(body)
        .filter(([name]) => name.endsWith("_endpoint") || name === "jwks_uri")
        .map(async ([name, url]) => [name, (await fetch(url, { redirect: "manual" })).status]),
    );
    // 404 is what a POST endpoint of the library answers to a GET; none may be missing when it is posted to.
    const posted = await Promise.all(
      ["token_endpoint", "introspection_endpoint", "revocation_endpoint"].map(
        async (name) => (await fetch(body[name] ?? "", { method: "POST" })).status,
      ),
    );
    expect(Object.fromEntries(answers)).toMatchObject({
      jwks_uri: 200,
      authorization_endpoint: 400,
      management_endpoint: 200,
    });
    expect(posted.every((status) => status === 400 || status === 401)).toBe(true);
  });

  it("agrees with the OpenID configuration and the CapabilityStatement", async () => {
    const smart = await json(await configuration(base(sandbox)));
    const openid = await json(await fetch(`${authorization(sandbox)}/.well-known/openid-configuration`));
    for (const name of [
      "issuer",
      "jwks_uri",
      "authorization_endpoint",
      "token_endpoint",
      "introspection_endpoint",
      "revocation_endpoint",
      "token_endpoint_auth_methods_supported",
      "token_endpoint_auth_signing_alg_values_supported",
      "code_challenge_methods_supported",
      "scopes_supported",
    ]) {
      expect(openid[name], name).toEqual(smart[name]);
    }
    const statement = await json<{
      rest: { security: { extension: { extension: { url: string; valueUri: string }[] }[] } }[];
    }>(await fetch(`${base(sandbox)}/metadata`));
    const uris = statement.rest[0]?.security.extension[0]?.extension ?? [];
    expect(Object.fromEntries(uris.map(({ url, valueUri }) => [url, valueUri]))).toMatchObject({
      authorize: smart["authorization_endpoint"],
      token: smart["token_endpoint"],
      manage: smart["management_endpoint"],
    });
  });

  it("is another tenant's own at another tenant, and nobody's at an unknown one", async () => {
    const other = await json(await configuration(base(sandbox, "provider/patient-access", HARBOR)));
    expect(other["issuer"]).toBe(authorization(sandbox, HARBOR));
    const unknown = await configuration(
      base(sandbox, "provider/patient-access", "00000000-0000-4000-8000-000000000000"),
    );
    expect(unknown.status).toBe(404);
    expect(await json(unknown)).toMatchObject({
      resourceType: "OperationOutcome",
      issue: [{ code: "not-found" }],
    });
  });

  it("does not take a tenant id in another form", async () => {
    const forms = [
      RIVERBEND.toUpperCase(),
      RIVERBEND.replace("6", "%36"),
      "",
      `${HARBOR}/../${RIVERBEND}`,
      `${HARBOR}/%2e%2e/${RIVERBEND}`,
      `/${RIVERBEND}`,
    ];
    const statuses = await Promise.all(
      forms.map((form) =>
        statusOf(sandbox, `/provider/patient-access/v2/${form}/.well-known/smart-configuration`),
      ),
    );
    expect(statuses.every((status) => status === 404 || status === 400)).toBe(true);
  });

  it("names the legacy authorization server for v1, and is missing where no authorization is needed", async () => {
    const first = await json<Record<string, string>>(await configuration(`${sandbox.origin}/uscore/v1`));
    expect(first["token_endpoint"]).toBe(`${sandbox.legacyOrigin}/token`);
    expect((await configuration(base(sandbox, "payer/provider-directory"))).status).toBe(404);
  });

  it("answers a preflight", async () => {
    const response = await fetch(`${authorization(sandbox)}/token`, {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-method": "POST" },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-methods")).toContain("POST");
  });
});

interface Statement {
  kind: string;
  fhirVersion: string;
  instantiates?: string[];
  implementation: { url: string };
  rest: {
    resource: {
      type: string;
      supportedProfile?: string[];
      interaction?: { code: string }[];
      operation?: { definition: string }[];
      searchParam?: { name: string }[];
    }[];
    operation?: { definition: string }[];
    security?: unknown;
  }[];
}

const APIS = [
  "/provider/patient-access/v2/{tenant}",
  "/provider/system-access/v2/{tenant}",
  "/payer/patient-access/v2/{tenant}",
  "/payer/system-access/v2/{tenant}",
  "/payer/provider-directory/v2/{tenant}",
  "/uscore/v1",
  "/uscore/v1/bulk-data",
  "/v4",
  "/fhir",
].map((path) => path.replace("{tenant}", RIVERBEND));

describe("the CapabilityStatement", () => {
  it.each(APIS)("is served at %s without a token, in JSON and in XML of the same content", async (path) => {
    const inJson = await fetch(`${sandbox.origin}${path}/metadata`, {
      headers: { accept: "application/fhir+json" },
    });
    expect(inJson.headers.get("content-type")).toBe("application/fhir+json; charset=utf-8");
    const inXml = await fetch(`${sandbox.origin}${path}/metadata?_format=xml`);
    expect(inXml.headers.get("content-type")).toBe("application/fhir+xml; charset=utf-8");
    const body = await json<Statement>(inJson);
    expect(body.kind).toBe("instance");
    expect(body.implementation.url).toBe(`${sandbox.origin}${path}`);
    if (path !== "/fhir") expect(new Fhir().xmlToObj(await inXml.text())).toEqual(body);
  });

  it("declares US Core 6.1.0 with its resources, profiles and searches", async () => {
    const body = await json<Statement>(await fetch(`${base(sandbox)}/metadata`));
    expect(body.instantiates).toEqual([
      "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server|6.1.0",
    ]);
    expect(body.fhirVersion).toBe("4.0.1");
    const patient = body.rest[0]?.resource.find((each) => each.type === "Patient");
    expect(patient?.supportedProfile).toEqual([
      "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient",
    ]);
    expect(patient?.interaction?.map((each) => each.code)).toEqual(
      expect.arrayContaining(["read", "vread", "search-type", "history-instance"]),
    );
    expect(patient?.searchParam?.map((each) => each.name)).toEqual(
      expect.arrayContaining(["_id", "identifier", "name"]),
    );
  });

  it("declares exports on system access only", async () => {
    const system = await json<Statement>(await fetch(`${base(sandbox, "provider/system-access")}/metadata`));
    const patient = await json<Statement>(await fetch(`${base(sandbox)}/metadata`));
    const exports = (statement: Statement) =>
      [
        ...(statement.rest[0]?.operation ?? []),
        ...(statement.rest[0]?.resource ?? []).flatMap((each) => each.operation ?? []),
      ]
        .map((each) => each.definition)
        .filter((definition) => definition.includes("bulkdata"));
    expect(exports(system).toSorted()).toEqual(
      ["export", "group-export", "patient-export"].map(
        (name) => `http://hl7.org/fhir/uv/bulkdata/OperationDefinition/${name}`,
      ),
    );
    expect(exports(patient)).toEqual([]);
  });

  it("has no security where no authorization is needed", async () => {
    const body = await json<Statement>(await fetch(`${base(sandbox, "payer/provider-directory")}/metadata`));
    expect(body.rest[0]?.security).toBeUndefined();
  });

  it("is XML by default on the general purpose R4 API", async () => {
    const response = await fetch(`${sandbox.origin}/v4/metadata`, { headers: { accept: "*/*" } });
    expect(response.headers.get("content-type")).toContain("application/fhir+xml");
  });

  it("is refused in a format that is not offered", async () => {
    const response = await fetch(`${base(sandbox)}/metadata?_format=text/turtle`);
    expect(response.status).toBe(406);
    expect(await json(response)).toMatchObject({ resourceType: "OperationOutcome" });
  });

  it("echoes a request id that is a UUID, and makes its own instead of another", async () => {
    const id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    const echoed = await fetch(`${base(sandbox)}/metadata`, { headers: { "x-request-id": id } });
    expect(echoed.headers.get("x-request-id")).toBe(id);
    const own = await fetch(`${base(sandbox)}/metadata`, { headers: { "x-request-id": "<script>" } });
    expect(own.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });
});
