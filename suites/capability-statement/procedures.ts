import { randomUUID } from "node:crypto";
import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable } from "../../lib/checks/context.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import { sameUrl } from "../../lib/checks/urls.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { xmlSame, xmlServed } from "./formats.ts";
import { entries, readStatement, splitCanonical, type Entry, type Statement } from "./statement.ts";
import {
  anotherProfile,
  combinationsDeclared,
  declaresInclude,
  declaresOperation,
  declaresParameters,
  declaresProfile,
  parameterDefinitions,
  parameterTypes,
  referencesResolve,
} from "./us-core.ts";
import { validR4 } from "./validity.ts";

/** `implementation.url` is the base URL that was asked, apart from case of the host and a slash at the end. */
const implementationUrl: Procedure = async (context) => {
  const { document, evidence } = await readStatement(context);
  const implementation = document["implementation"];
  const url = isObject(implementation) ? implementation["url"] : undefined;
  if (url === undefined) throw new NotApplicable("the statement gives no implementation.url");
  if (typeof url === "string" && sameUrl(url, context.target.base)) return [];
  return [
    {
      code: "url.elsewhere",
      expected: context.target.base,
      actual: JSON.stringify(url),
      location: "/implementation/url",
      ...evidence,
    },
  ];
};

/** No resource type stands twice, and no search parameter twice within one (invariants cpb-9 and cpb-12). */
const uniqueEntries: Procedure = async (context) => {
  const statement = await readStatement(context);
  const findings: Finding[] = [];
  const report = (list: readonly Entry[], key: string, at: string) => {
    for (const [index, name] of repeated(list, key)) {
      findings.push({
        code: "capability.duplicate",
        expected: `${name} once`,
        actual: "it stands here a second time",
        location: `${at}/${index}`,
        ...statement.evidence,
      });
    }
  };
  const resources = entries(statement.server["resource"]);
  report(resources, "type", `${statement.serverAt}/resource`);
  for (const [index, resource] of resources.entries()) {
    report(entries(resource["searchParam"]), "name", `${statement.serverAt}/resource/${index}/searchParam`);
  }
  return findings;
};

function repeated(list: readonly Entry[], key: string): readonly (readonly [number, string])[] {
  const seen = new Set<unknown>();
  return [...list.entries()].flatMap(([index, entry]) => {
    const value = entry[key];
    if (typeof value !== "string") return [];
    if (seen.has(value)) return [[index, value] as const];
    seen.add(value);
    return [];
  });
}

const BULK_DATA = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/";

/**
 * A `$export` operation is declared: on its resource type, or for the whole server with a definition that tells which
 * it is. Servers differ in whether they name it `export` or after its definition.
 */
const exportDeclared: Procedure = async (context, parameters) => {
  const definition = String(parameters["definition"]);
  const type = typeof parameters["type"] === "string" ? parameters["type"] : undefined;
  const statement = await readStatement(context);
  const everywhere = [statement.server, ...entries(statement.server["resource"])].flatMap((part) =>
    entries(part["operation"]),
  );
  if (everywhere.some((operation) => definitionOf(operation) === BULK_DATA + definition)) return [];
  if (exportOperations(statement, type).some((operation) => !isOtherExport(operation, definition))) return [];
  return [
    {
      code: "capability.operation",
      expected: `the operation ${type === undefined ? "$export" : `$export of ${type}`} (${BULK_DATA}${definition})`,
      actual: "it is not declared",
      location: statement.serverAt,
      ...statement.evidence,
    },
  ];
};

function definitionOf(operation: Entry): string | undefined {
  const { definition } = operation;
  return typeof definition === "string" ? splitCanonical(definition).url : undefined;
}

/** Operations that are named `export` where the operation on that level would be declared. */
function exportOperations(statement: Statement, type: string | undefined): readonly Entry[] {
  const parts =
    type === undefined
      ? [statement.server]
      : entries(statement.server["resource"]).filter((resource) => resource["type"] === type);
  return parts
    .flatMap((part) => entries(part["operation"]))
    .filter((operation) => /^\$?(export|(group|patient)-export)$/.test(String(operation["name"])));
}

/** Whether an operation's own definition says that it is another of the three exports. */
function isOtherExport(operation: Entry, definition: string): boolean {
  const url = definitionOf(operation);
  return url !== undefined && url.startsWith(BULK_DATA) && url !== BULK_DATA + definition;
}

const OAUTH_URI =
  "/rest/*/security/extension[url=http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris]/extension[url=token]/valueUri";

/** The statement of a second tenant is about that tenant: its base URL and its token endpoint are others. */
const otherTenantDiffers: Procedure = async (context) => {
  const { otherTenant, baseOf } = context.target;
  if (otherTenant === undefined || baseOf === undefined) {
    throw new NotApplicable("the tenant's file names no otherTenant to compare with");
  }
  const { document } = await readStatement(context);
  const response = await context.send({
    method: "GET",
    url: `${baseOf(otherTenant)}/metadata`,
    headers: { accept: "application/fhir+json" },
    purpose: "the CapabilityStatement of another tenant",
  });
  const other = subjectOf("the CapabilityStatement of another tenant", response);
  if (response.status !== 200 || !isObject(other.json)) {
    throw new NotApplicable(`the other tenant has no readable statement here (status ${response.status})`);
  }
  const findings: Finding[] = [];
  for (const path of ["/implementation/url", OAUTH_URI]) {
    const mine = select(document, path)[0]?.value;
    const [theirs] = select(other.json, path);
    if (typeof mine !== "string" || typeof theirs?.value !== "string") continue;
    if (!sameUrl(mine, theirs.value)) continue;
    findings.push({
      code: "capability.other-tenant",
      expected: "an address of the other tenant's own",
      actual: JSON.stringify(mine),
      location: theirs.pointer,
      exchange: response.exchange,
    });
  }
  return findings;
};

/** The caller's X-Request-ID is echoed, or answered in X-Correlation-Id. */
const requestId: Procedure = async (context) => {
  const sent = randomUUID();
  const response = await context.send({
    method: "GET",
    url: `${context.target.base}/metadata`,
    headers: { accept: "application/fhir+json", "x-request-id": sent },
    purpose: "a request with an X-Request-ID",
  });
  const answered = ["x-request-id", "x-correlation-id"].map((name) => response.headers.get(name));
  if (answered.some((value) => value?.toLowerCase() === sent)) return [];
  const came = answered.filter((value) => value !== undefined);
  return [
    {
      code: came.length === 0 ? "http.header-missing" : "http.header",
      expected: "the value that was sent, in x-request-id or x-correlation-id",
      actual: came.length === 0 ? "neither header" : `another value in ${came.length === 1 ? "it" : "both"}`,
      location: "x-request-id",
      exchange: response.exchange,
    },
  ];
};

/** What data cannot say about a CapabilityStatement. */
export const procedures: Readonly<Record<string, Procedure>> = {
  anotherProfile,
  combinationsDeclared,
  declaresInclude,
  declaresOperation,
  declaresParameters,
  declaresProfile,
  exportDeclared,
  implementationUrl,
  otherTenantDiffers,
  parameterDefinitions,
  parameterTypes,
  referencesResolve,
  requestId,
  uniqueEntries,
  validR4,
  xmlSame,
  xmlServed,
};
