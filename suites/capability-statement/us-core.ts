import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { ResourceCapability } from "../../lib/validator/pack/capability.ts";
import { loadCapability } from "../../lib/validator/pack/load.ts";
import {
  entries,
  readStatement,
  resourceOf,
  searchParametersOf,
  splitCanonical,
  texts,
  type Entry,
} from "./statement.ts";

const US_CORE = "http://hl7.org/fhir/us/core/";
const US_CORE_VERSION = "6.1.0";
const US_CORE_PROFILE = `${US_CORE}StructureDefinition/`;
const COMBINATION =
  "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination";

let rows: readonly ResourceCapability[] | undefined;

/** What US Core's own CapabilityStatement says of each resource type. */
function usCoreRows(): readonly ResourceCapability[] {
  rows ??= loadCapability("us-core-6.1.0").resources;
  return rows;
}

function notDeclared(type: string): NotApplicable {
  return new NotApplicable(
    `the statement does not declare ${type}; capability-statement.resource:${type} says so`,
  );
}

/**
 * A resource type lists a profile, without a version or, for a profile of US Core, with the version that is asked
 * about.
 */
export const declaresProfile: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const profile = String(parameters["profile"]);
  const statement = await readStatement(context);
  const resource = resourceOf(statement, type);
  if (resource === undefined) throw notDeclared(type);
  const versions = texts(resource.entry["supportedProfile"])
    .map((canonical) => splitCanonical(canonical))
    .filter(({ url }) => url === profile)
    .map(({ version }) => version);
  const accepts = (version: string | undefined) =>
    version === undefined || version === US_CORE_VERSION || !profile.startsWith(US_CORE);
  if (versions.some((version) => accepts(version))) return [];
  return [
    {
      code: versions.length === 0 ? "capability.profile" : "capability.profile-version",
      expected: `the profile ${profile} among those supported`,
      actual:
        versions.length === 0
          ? `not there, among ${texts(resource.entry["supportedProfile"]).length} profiles`
          : `it is there for ${versions.join(" and ")} only`,
      location: `${resource.at}/supportedProfile`,
      ...statement.evidence,
    },
  ];
};

/** A resource type declares every one of some search parameters. */
export const declaresParameters: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const names = texts([parameters["parameters"]].flat());
  const statement = await readStatement(context);
  const resource = resourceOf(statement, type);
  if (resource === undefined) throw notDeclared(type);
  const declared = new Set(searchParametersOf(statement, resource.entry).map((one) => one["name"]));
  const findings: Finding[] = [];
  for (const name of names) {
    if (declared.has(name)) continue;
    findings.push({
      code: "capability.search-parameter",
      expected: `the search parameter ${name}`,
      actual: "it is not declared",
      location: `${resource.at}/searchParam`,
      ...statement.evidence,
    });
  }
  return findings;
};

/**
 * A resource type declares an `_include` or `_revinclude`: itself, without the target type, or by a wildcard
 * (FHIR R4 §search.include).
 */
export const declaresInclude: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const list = String(parameters["list"]);
  const value = String(parameters["value"]);
  const statement = await readStatement(context);
  const resource = resourceOf(statement, type);
  if (resource === undefined) throw notDeclared(type);
  const [source, parameter] = value.split(":");
  const covering = [value, `${source}:${parameter}`, `${source}:*`, "*"];
  const declared = texts(resource.entry[list]);
  if (covering.some((one) => declared.includes(one))) return [];
  return [
    {
      code: "capability.include",
      expected: value,
      actual: declared.length === 0 ? "nothing is declared" : `not among ${declared.join(", ")}`,
      location: `${resource.at}/${list}`,
      ...statement.evidence,
    },
  ];
};

/** Every declared type of US Core whose references should resolve says so. */
export const referencesResolve: Procedure = async (context) => {
  const statement = await readStatement(context);
  const findings: Finding[] = [];
  for (const row of usCoreRows()) {
    const resource = resourceOf(statement, row.type);
    if (resource === undefined) continue;
    const declared = texts(resource.entry["referencePolicy"]);
    for (const { value } of row.referencePolicies) {
      if (declared.includes(value)) continue;
      findings.push({
        code: "capability.reference-policy",
        expected: `${value} for ${row.type}`,
        actual: declared.length === 0 ? "nothing is declared" : declared.join(", "),
        location: `${resource.at}/referencePolicy`,
        ...statement.evidence,
      });
    }
  }
  return findings;
};

/** A resource type declares an operation, by its definition or by its name. */
export const declaresOperation: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const name = String(parameters["name"]);
  const definition = String(parameters["definition"]);
  const statement = await readStatement(context);
  const resource = resourceOf(statement, type);
  if (resource === undefined) throw notDeclared(type);
  if (entries(resource.entry["operation"]).some((operation) => isOperation(operation, name, definition)))
    return [];
  return [
    {
      code: "capability.operation",
      expected: `the operation $${name}`,
      actual: "it is not declared",
      location: `${resource.at}/operation`,
      ...statement.evidence,
    },
  ];
};

function isOperation(operation: Entry, name: string, definition: string): boolean {
  const { name: given, definition: canonical } = operation;
  return (
    (typeof canonical === "string" && splitCanonical(canonical).url === definition) ||
    (typeof given === "string" && given.replace(/^\$/, "") === name)
  );
}

/** Beside Patient there is at least one more profile of US Core. */
export const anotherProfile: Procedure = async (context) => {
  const statement = await readStatement(context);
  const others = entries(statement.server["resource"])
    .filter((resource) => resource["type"] !== "Patient")
    .flatMap((resource) => texts(resource["supportedProfile"]))
    .filter((profile) => profile.startsWith(US_CORE_PROFILE));
  if (others.length > 0) return [];
  return [
    {
      code: "capability.profile",
      expected: "a profile of US Core for at least one type beside Patient",
      actual: "none",
      location: `${statement.serverAt}/resource`,
      ...statement.evidence,
    },
  ];
};

type SearchParameterRow = ResourceCapability["searchParams"][number];

/** Looks at every declared search parameter that US Core has too. */
async function compareParameters(
  context: CheckContext,
  compare: (declared: Entry, known: SearchParameterRow, type: string, at: string) => Finding | undefined,
): Promise<readonly Finding[]> {
  const statement = await readStatement(context);
  const findings: Finding[] = [];
  for (const row of usCoreRows()) {
    const resource = resourceOf(statement, row.type);
    if (resource === undefined) continue;
    for (const [index, declared] of entries(resource.entry["searchParam"]).entries()) {
      const known = row.searchParams.find(({ name }) => name === declared["name"]);
      if (known === undefined) continue;
      const finding = compare(declared, known, row.type, `${resource.at}/searchParam/${index}`);
      if (finding !== undefined) findings.push({ ...finding, ...statement.evidence });
    }
  }
  return findings;
}

/** A search parameter of US Core has the type that US Core gives it. */
export const parameterTypes: Procedure = async (context) =>
  await compareParameters(context, (declared, known, type, at) =>
    declared["type"] === known.type
      ? undefined
      : {
          code: "capability.search-parameter-type",
          expected: `${type}.${known.name} of type ${known.type}`,
          actual: `type ${JSON.stringify(declared["type"] ?? null)}`,
          location: `${at}/type`,
        },
  );

/** Where the statement gives a search parameter of US Core a definition, it is US Core's or FHIR's own. */
export const parameterDefinitions: Procedure = async (context) =>
  await compareParameters(context, (declared, known, _type, at) => {
    const { definition } = declared;
    if (typeof definition !== "string" || definesParameter(definition, known.name, known.definition))
      return undefined;
    return {
      code: "capability.search-parameter-definition",
      expected: `${known.definition ?? "a definition of US Core"}, or FHIR's own definition of ${known.name}`,
      actual: definition,
      location: `${at}/definition`,
    };
  });

/**
 * Whether a canonical may define a parameter: US Core's own, one of FHIR's core (whose ids end with the parameter's
 * name, such as `clinical-patient`), or one of the server's own making, of which nothing can be said.
 */
function definesParameter(canonical: string, name: string, usCore: string | undefined): boolean {
  const { url } = splitCanonical(canonical);
  if (url === usCore) return true;
  const known = url.startsWith("http://hl7.org/fhir/");
  return !known || url.endsWith(`-${name.replace(/^_/, "")}`);
}

/** The combinations that US Core requires are declared by FHIR's extension for it. */
export const combinationsDeclared: Procedure = async (context) => {
  const statement = await readStatement(context);
  const findings: Finding[] = [];
  for (const row of usCoreRows()) {
    const resource = resourceOf(statement, row.type);
    if (resource === undefined) continue;
    const declared = new Set(
      entries(resource.entry["extension"])
        .filter((extension) => extension["url"] === COMBINATION)
        .map((extension) => combinationLabel(extension)),
    );
    for (const { required, conformance } of row.combinations) {
      if (conformance !== "SHALL" || declared.has(required.toSorted().join("+"))) continue;
      findings.push({
        code: "capability.combination",
        expected: `the combination ${required.join("+")} of ${row.type}`,
        actual: "it is not declared",
        location: `${resource.at}/extension`,
        ...statement.evidence,
      });
    }
  }
  return findings;
};

function combinationLabel(extension: Entry): string {
  return entries(extension["extension"])
    .filter((part) => part["url"] === "required")
    .map((part) => String(part["valueString"]))
    .toSorted()
    .join("+");
}
