import { createHash } from "node:crypto";
import { apis, registrations, type Tenant } from "../data.ts";
import { jsonReply, outcomeReply, type Reply, type SandboxRequest } from "../exchange.ts";
import type { JsonObject } from "../json.ts";
import { apiBase } from "../places.ts";

const EXTENSION = "http://hl7.org/fhir/StructureDefinition";

/** A UUID that is always the same for the same thing. */
function urnOf(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `5${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return `urn:uuid:${parts.join("-")}`;
}

/**
 * Answers the public brand bundles (SMART App Launch 2.2, User-access Brands): `/brands/endpoints.json` lists every
 * tenant, `/brands/<tenant UUID>.json` one.
 *
 * @returns undefined for a path that is none of them
 */
export function answerBrands(origin: string, request: SandboxRequest, path: string): Reply | undefined {
  const name = /^\/brands\/([^/]+)\.json$/.exec(path)?.[1];
  if (name === undefined || (request.method !== "GET" && request.method !== "HEAD")) return undefined;
  const { tenants } = registrations();
  const shown = name === "endpoints" ? tenants : tenants.filter(({ uuid }) => uuid === name);
  if (shown.length === 0) return outcomeReply(404, "There is no such bundle.");
  const bundle = {
    resourceType: "Bundle",
    type: "collection",
    timestamp: "2026-02-01T08:00:00Z",
    entry: shown.flatMap((tenant) => brandOf(origin, tenant)),
  };
  const etag = `"${createHash("sha256").update(JSON.stringify(bundle)).digest("hex").slice(0, 16)}"`;
  const reply = jsonReply(200, bundle, "application/fhir+json");
  reply.headers["etag"] = etag;
  reply.headers["access-control-allow-origin"] = "*";
  if (request.headers["if-none-match"] === etag) return { ...reply, status: 304, content: { kind: "none" } };
  return reply;
}

function brandOf(origin: string, tenant: Tenant): JsonObject[] {
  const offered = apis().filter((api) => api.generation === "v2" && api.access !== "system");
  const endpoints = offered.map((api) => ({ api, urn: urnOf(`${tenant.id}/${api.id}`) }));
  const organization: JsonObject = {
    fullUrl: urnOf(tenant.id),
    resource: {
      resourceType: "Organization",
      id: urnOf(tenant.id).slice("urn:uuid:".length),
      extension: [
        {
          extension: [{ url: "brandLogo", valueUrl: `https://${tenant.id}.example/logo.svg` }],
          url: `${EXTENSION}/organization-brand`,
        },
        {
          extension: [
            { url: "portalName", valueString: `${tenant.name} portal` },
            { url: "portalUrl", valueUrl: `https://${tenant.id}.example/portal` },
            ...endpoints.map(({ urn }) => ({ url: "portalEndpoint", valueReference: { reference: urn } })),
          ],
          url: `${EXTENSION}/organization-portal`,
        },
      ],
      identifier: [{ system: "urn:ietf:rfc:3986", value: `https://${tenant.id}.example` }],
      active: true,
      type: [
        {
          coding: [{ system: "http://terminology.hl7.org/CodeSystem/organization-type", code: "prov" }],
        },
      ],
      name: tenant.name,
      telecom: [{ system: "url", value: `https://${tenant.id}.example` }],
      address: [{ city: "Fairhaven", state: "KS", postalCode: "66212" }],
      endpoint: endpoints.map(({ urn }) => ({ reference: urn })),
    },
  };
  return [
    organization,
    ...endpoints.map(({ api, urn }) => ({
      fullUrl: urn,
      resource: {
        resourceType: "Endpoint",
        id: urn.slice("urn:uuid:".length),
        extension: [{ url: `${EXTENSION}/endpoint-fhir-version`, valueCode: api.fhirVersion }],
        status: "active",
        connectionType: {
          system: "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
          code: "hl7-fhir-rest",
        },
        name: `${tenant.name}: ${api.id}`,
        managingOrganization: { reference: urnOf(tenant.id) },
        contact: [{ system: "url", value: `https://${tenant.id}.example/developers` }],
        payloadType: [
          {
            coding: [{ system: "http://terminology.hl7.org/CodeSystem/endpoint-payload-type", code: "none" }],
          },
        ],
        address: apiBase(origin, api, tenant),
      },
    })),
  ];
}
