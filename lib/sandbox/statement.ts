import { usCore, type ApiDefinition, type ResourceFacts, type Tenant } from "./data.ts";
import type { Json, JsonObject } from "./json.ts";
import { apiBase, authorizationBase, authorizationEndpoints } from "./places.ts";

const OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";
const COMBINATION =
  "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination";
const BULK_DATA = "http://hl7.org/fhir/uv/bulkdata";
const BASE_SEARCH = "http://hl7.org/fhir/SearchParameter";

/** Search parameters of the sandbox beside those of US Core: [name, type, definition, path in the resource]. */
const FURTHER_SEARCH: Readonly<Record<string, readonly (readonly [string, string, string, string])[]>> = {
  Provenance: [
    [
      "patient",
      "reference",
      `${BASE_SEARCH}/Provenance-patient`,
      "Provenance.target.where(resolve() is Patient)",
    ],
    ["target", "reference", `${BASE_SEARCH}/Provenance-target`, "Provenance.target"],
  ],
  ExplanationOfBenefit: [
    ["patient", "reference", `${BASE_SEARCH}/ExplanationOfBenefit-patient`, "ExplanationOfBenefit.patient"],
    [
      "identifier",
      "token",
      `${BASE_SEARCH}/ExplanationOfBenefit-identifier`,
      "ExplanationOfBenefit.identifier",
    ],
    [
      "type",
      "token",
      "http://hl7.org/fhir/us/carin-bb/SearchParameter/explanationofbenefit-type",
      "ExplanationOfBenefit.type",
    ],
    [
      "service-date",
      "date",
      "http://hl7.org/fhir/us/carin-bb/SearchParameter/explanationofbenefit-service-date",
      "ExplanationOfBenefit.billablePeriod",
    ],
  ],
  Endpoint: [["name", "string", `${BASE_SEARCH}/Endpoint-name`, "Endpoint.name"]],
  HealthcareService: [["name", "string", `${BASE_SEARCH}/HealthcareService-name`, "HealthcareService.name"]],
  InsurancePlan: [["name", "string", `${BASE_SEARCH}/InsurancePlan-name`, "InsurancePlan.name"]],
  OrganizationAffiliation: [
    [
      "primary-organization",
      "reference",
      `${BASE_SEARCH}/OrganizationAffiliation-primary-organization`,
      "OrganizationAffiliation.organization",
    ],
  ],
  Group: [["identifier", "token", `${BASE_SEARCH}/Group-identifier`, "Group.identifier"]],
};

export interface SearchParameter {
  readonly name: string;
  readonly type: string;
  readonly definition: string;
  readonly expression: string;
  /** Chained searches that are offered: parameters of the types that it refers to. */
  readonly chain?: readonly string[];
  readonly target?: readonly string[];
}

const EVERY_TYPE: readonly SearchParameter[] = [
  { name: "_id", type: "token", definition: `${BASE_SEARCH}/Resource-id`, expression: "Resource.id" },
  {
    name: "_lastUpdated",
    type: "date",
    definition: `${BASE_SEARCH}/Resource-lastUpdated`,
    expression: "Resource.meta.lastUpdated",
  },
];

/** Resource types that an API answers, in the order of its CapabilityStatement. */
export function resourceTypes(api: ApiDefinition): string[] {
  const types = api.usCore === undefined ? [] : usCore(api.usCore).resource.map((each) => each.type);
  const further = [
    ...(api.resources ?? []),
    // What documents and reports are attached to.
    ...(api.usCore === undefined ? [] : ["Binary"]),
    ...(api.bulkData === true ? ["Group"] : []),
    ...(api.claims === true ? ["ExplanationOfBenefit"] : []),
  ];
  return [...new Set([...types, ...further])].toSorted();
}

function factsOf(api: ApiDefinition, type: string): ResourceFacts | undefined {
  const own = api.usCore === undefined ? undefined : usCore(api.usCore);
  // An API that declares types only takes their searches from US Core, and none of its profiles.
  const source = own ?? usCore("6.1.0");
  const facts = source.resource.find((each) => each.type === type);
  return facts === undefined || own !== undefined
    ? facts
    : { ...facts, supportedProfile: [], combination: [] };
}

const knownParameters = new Map<string, readonly SearchParameter[]>();

/** The search parameters that an API offers for a resource type, its own before those of every type. */
export function searchParameters(api: ApiDefinition, type: string): readonly SearchParameter[] {
  const key = `${api.id}/${type}`;
  let parameters = knownParameters.get(key);
  if (parameters === undefined) knownParameters.set(key, (parameters = readSearchParameters(api, type)));
  return parameters;
}

/** What an API offers to include in the results of a search of a type. */
export function includes(
  api: ApiDefinition,
  type: string,
): { readonly include: readonly string[]; readonly revinclude: readonly string[] } {
  const facts = factsOf(api, type);
  return {
    include: (facts?.searchInclude ?? []).map((each) => each.value),
    revinclude: (facts?.searchRevInclude ?? []).map((each) => each.value),
  };
}

function readSearchParameters(api: ApiDefinition, type: string): SearchParameter[] {
  const facts = factsOf(api, type);
  const definitions = usCore(api.usCore ?? "6.1.0").searchParameter;
  const own = (facts?.searchParam ?? []).map((each) => {
    const known =
      definitions.find((definition) => definition.url === each.definition) ??
      definitions.find((definition) => definition.code === each.name && definition.base.includes(type));
    const expression = known?.expression ?? `${type}.${each.name.replace(/^_/, "")}`;
    return {
      name: each.name,
      type: each.type,
      definition: each.definition,
      expression,
      ...(known?.chain === undefined ? {} : { chain: known.chain }),
      ...(known?.target === undefined ? {} : { target: known.target }),
    };
  });
  const further = (FURTHER_SEARCH[type] ?? []).map(([name, kind, definition, expression]) => ({
    name,
    type: kind,
    definition,
    expression,
  }));
  const named = new Set([...own, ...further].map((each) => each.name));
  return [...own, ...further, ...EVERY_TYPE.filter((each) => !named.has(each.name))];
}

/** Interactions with a resource type: what US Core asks for or recommends, and searching wherever there is data. */
export function interactions(api: ApiDefinition, type: string): string[] {
  if (type === "ValueSet") return [];
  if (type === "Binary") return ["read"];
  const facts = factsOf(api, type);
  if (facts === undefined || api.usCore === undefined) return ["read", "search-type"];
  const asked = facts.interaction.filter((each) => each.verb !== "MAY").map((each) => each.code);
  return [...new Set([...asked, "read", "search-type"])];
}

const operation = (name: string, definition: string): JsonObject => ({ name, definition });

function operations(api: ApiDefinition, type: string): JsonObject[] {
  const own = api.usCore === undefined ? [] : (factsOf(api, type)?.operation ?? []);
  const listed = own.map((each) => operation(each.name, each.definition));
  if (api.bulkData === true && type === "Group") {
    listed.push(operation("export", `${BULK_DATA}/OperationDefinition/group-export`));
  }
  if (api.bulkData === true && api.usCore !== undefined && type === "Patient") {
    listed.push(operation("export", `${BULK_DATA}/OperationDefinition/patient-export`));
  }
  return listed;
}

const CARIN = "http://hl7.org/fhir/us/carin-bb/StructureDefinition";
const CLAIM_PROFILES: Readonly<Record<string, readonly string[]>> = {
  Coverage: [`${CARIN}/C4BB-Coverage`],
  ExplanationOfBenefit: [
    "Inpatient-Institutional",
    "Outpatient-Institutional",
    "Professional-NonClinician",
    "Pharmacy",
  ].map((kind) => `${CARIN}/C4BB-ExplanationOfBenefit-${kind}`),
};

/** Leaves out members whose list is empty: FHIR has no empty arrays. */
function withoutEmpty(object: Record<string, Json | undefined>): JsonObject {
  return Object.fromEntries(
    Object.entries(object).filter(
      (entry): entry is [string, Json] =>
        entry[1] !== undefined && !(Array.isArray(entry[1]) && entry[1].length === 0),
    ),
  );
}

function resourceEntry(api: ApiDefinition, type: string): JsonObject {
  const facts = factsOf(api, type);
  const combinations = (facts?.combination ?? []).map((each) => ({
    extension: [
      ...each.required.map((name) => ({ url: "required", valueString: name })),
      ...each.optional.map((name) => ({ url: "optional", valueString: name })),
    ],
    url: COMBINATION,
  }));
  const profiles = [
    ...(facts?.supportedProfile ?? []),
    ...(api.claims === true ? (CLAIM_PROFILES[type] ?? []) : []),
  ];
  const searchable = interactions(api, type).includes("search-type");
  return withoutEmpty({
    extension: combinations,
    type,
    supportedProfile: profiles,
    interaction: interactions(api, type).map((code) => ({ code })),
    versioning: type === "ValueSet" ? undefined : "versioned",
    referencePolicy: facts === undefined || type === "ValueSet" ? [] : ["resolves"],
    searchInclude: searchable ? [...includes(api, type).include] : [],
    searchRevInclude: searchable ? [...includes(api, type).revinclude] : [],
    searchParam: searchable
      ? searchParameters(api, type).map(({ name, definition, type: kind }) => ({
          name,
          definition,
          type: kind,
        }))
      : [],
    operation: operations(api, type),
  });
}

function security(authorization: string, api: ApiDefinition): JsonObject {
  const endpoints = authorizationEndpoints(authorization);
  // The extension has these parts and `register`; introspection and revocation are in the SMART configuration only.
  const uris: Record<string, string> = {
    authorize: endpoints.authorization_endpoint,
    token: endpoints.token_endpoint,
    ...(api.access === "patient" ? { manage: endpoints.management_endpoint } : {}),
  };
  const system = api.fhirVersion.startsWith("3.")
    ? "http://hl7.org/fhir/restful-security-service"
    : "http://terminology.hl7.org/CodeSystem/restful-security-service";
  return {
    extension: [
      { extension: Object.entries(uris).map(([url, valueUri]) => ({ url, valueUri })), url: OAUTH_URIS },
    ],
    cors: true,
    service: [{ coding: [{ system, code: "SMART-on-FHIR" }] }],
  };
}

function instantiated(api: ApiDefinition): string[] {
  const usCoreServer =
    api.usCore === undefined ? [] : [`${usCore(api.usCore).statement}|${usCore(api.usCore).version}`];
  const bulk = api.bulkData === true ? [`${BULK_DATA}/CapabilityStatement/bulk-data`] : [];
  const directory =
    api.access === "public"
      ? ["http://hl7.org/fhir/us/davinci-pdex-plan-net/CapabilityStatement/plan-net"]
      : [];
  return [...usCoreServer, ...bulk, ...directory];
}

/**
 * The CapabilityStatement of an API (FHIR R4 CapabilityStatement, kind `instance`): what US Core's own statement asks
 * of a server, and the sandbox's further operations. Properties stand in the order of the definition, for XML.
 */
export function capabilityStatement(
  origins: { readonly origin: string; readonly legacyOrigin: string },
  api: ApiDefinition,
  tenant: Tenant,
): JsonObject {
  const base = apiBase(origins.origin, api, tenant);
  const isR4 = api.fhirVersion.startsWith("4.");
  return withoutEmpty({
    resourceType: "CapabilityStatement",
    id: api.id,
    url: `${base}/metadata`,
    version: "1.0.0",
    name: `Sandbox${api.id.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    title: `Sandbox: ${api.id}`,
    status: "active",
    experimental: true,
    date: "2026-01-01",
    publisher: tenant.name,
    description: "A reference tenant with synthetic data.",
    kind: "instance",
    instantiates: isR4 ? instantiated(api) : [],
    software: { name: "careconnect-conformance sandbox", version: "1.0.0" },
    implementation: { description: `${tenant.name} (synthetic)`, url: base },
    fhirVersion: api.fhirVersion,
    acceptUnknown: isR4 ? undefined : "no",
    format: ["json", "xml", "application/fhir+json", "application/fhir+xml"],
    patchFormat: api.usCore === "6.1.0" ? ["application/json-patch+json"] : [],
    implementationGuide:
      api.usCore === "6.1.0"
        ? [
            "http://hl7.org/fhir/us/core/ImplementationGuide/hl7.fhir.us.core",
            "http://hl7.org/fhir/smart-app-launch/ImplementationGuide/hl7.fhir.uv.smart-app-launch",
          ]
        : [],
    rest: [
      withoutEmpty({
        mode: "server",
        security:
          api.access === "public" ? undefined : security(authorizationBase(origins, api, tenant), api),
        resource: resourceTypes(api).map((type) => resourceEntry(api, type)),
        searchParam: EVERY_TYPE.map(({ name, definition, type }) => ({ name, definition, type })),
        operation:
          api.bulkData === true && api.usCore !== undefined
            ? [operation("export", `${BULK_DATA}/OperationDefinition/export`)]
            : [],
      }),
    ],
  });
}
