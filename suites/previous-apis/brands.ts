import type { Procedure } from "../../lib/checks/answer.ts";
import { type CheckContext } from "../../lib/checks/context.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { ask, unexpectedStatus } from "./request.ts";

interface Entry {
  readonly fullUrl: unknown;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly location: string;
}

const ENDPOINT_VERSION = "http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version";

async function bundle(
  context: CheckContext,
): Promise<{ readonly entries: readonly Entry[]; readonly exchange: string } | Finding> {
  const response = await ask(context, {
    path: "",
    accept: "application/fhir+json",
    authorization: "none",
    purpose: "the brand bundle",
  });
  if (response.status !== 200) return unexpectedStatus(response, "the brand bundle");
  const { json } = subjectOf("the brand bundle", response);
  const entries = select(json, "/entry/*").flatMap(({ pointer, value }) =>
    isObject(value) && isObject(value["resource"])
      ? [{ fullUrl: value["fullUrl"], resource: value["resource"], location: pointer }]
      : [],
  );
  return { entries, exchange: response.exchange };
}

const isHttp = (value: unknown) => typeof value === "string" && /^https?:\/\/[^\s]+$/.test(value);

/** What an Endpoint has to say (SMART App Launch 2.2, User-access Endpoint): path and what it is. */
const DEMANDED: readonly {
  readonly at: string;
  readonly name: string;
  readonly is: (value: unknown) => boolean;
}[] = [
  { at: "/status", name: "status", is: (value) => typeof value === "string" },
  {
    at: "/connectionType/code",
    name: "connectionType hl7-fhir-rest",
    is: (value) => value === "hl7-fhir-rest",
  },
  { at: "/name", name: "name", is: (value) => typeof value === "string" && value !== "" },
  { at: "/contact/0/value", name: "contact", is: (value) => typeof value === "string" && value !== "" },
  { at: "/address", name: "absolute address", is: isHttp },
  {
    at: `/extension[url=${ENDPOINT_VERSION}]/valueCode`,
    name: "FHIR version",
    is: (value) => typeof value === "string",
  },
];

/** Entries are told by urn:uuid, endpoints are complete, and what a brand refers to is there. */
export const brandsComplete: Procedure = async (context) => {
  const read = await bundle(context);
  if (!("entries" in read)) return [read];
  const { entries, exchange } = read;
  const known = new Set(entries.map(({ fullUrl }) => fullUrl));
  const findings: Finding[] = [];
  if (entries.length === 0)
    findings.push({
      code: "brands.incomplete",
      expected: "brands and endpoints",
      actual: "no entry",
      exchange,
    });
  for (const { fullUrl, resource, location } of entries) {
    if (
      typeof fullUrl !== "string" ||
      !/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(fullUrl)
    ) {
      findings.push({
        code: "brands.full-url",
        expected: "a urn:uuid as fullUrl",
        actual: JSON.stringify(fullUrl ?? null),
        location,
        exchange,
      });
    }
    if (resource["resourceType"] === "Endpoint") {
      for (const { at, name, is } of DEMANDED) {
        if (select(resource, at).some(({ value }) => is(value))) continue;
        findings.push({
          code: "brands.incomplete",
          expected: `an Endpoint with ${name}`,
          actual: "none",
          location: `${location}/resource`,
          exchange,
        });
      }
    }
    if (resource["resourceType"] === "Organization") {
      if (typeof resource["name"] !== "string")
        findings.push({
          code: "brands.incomplete",
          expected: "an Organization with a name",
          actual: "none",
          location: `${location}/resource`,
          exchange,
        });
      for (const { value, pointer } of select(resource, "/endpoint/*/reference")) {
        if (known.has(value)) continue;
        findings.push({
          code: "brands.endpoint-missing",
          expected: "every endpoint of a brand in the bundle",
          actual: `none with the fullUrl ${JSON.stringify(value)}`,
          location: `${location}/resource${pointer}`,
          exchange,
        });
      }
    }
  }
  return findings;
};

/** The tenant's own base URL is the address of an endpoint. */
export const brandsListTenant: Procedure = async (context, parameters) => {
  const api = String(parameters["api"]);
  const { base } = context.elsewhere(api).target;
  const read = await bundle(context);
  if (!("entries" in read)) return [read];
  const addresses = read.entries.map(({ resource }) => resource["address"]);
  if (addresses.some((address) => address === base || address === `${base}/`)) return [];
  return [
    {
      code: "brands.tenant-missing",
      expected: `an Endpoint with the address ${base}`,
      actual: `${read.entries.filter(({ resource }) => resource["resourceType"] === "Endpoint").length} endpoints with other addresses`,
      exchange: read.exchange,
    },
  ];
};
