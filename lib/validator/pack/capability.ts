import { RawReader, type RawObject } from "./raw.ts";

/** From the `capabilitystatement-expectation` extension; absent where a statement gives none. */
export type Conformance = "SHALL" | "SHOULD" | "MAY" | "SHALL NOT" | "SHOULD NOT";

/** A code, canonical or path with the verb that stands at it. */
export interface Expected {
  readonly value: string;
  readonly conformance?: Conformance;
}

export interface SearchParamCapability {
  readonly name: string;
  readonly type: string;
  readonly definition?: string;
  readonly conformance?: Conformance;
  /** Forms of a token (`code`, `system|code`) or reference (`id`, `Type/id`) that a server SHALL support. */
  readonly serverForms?: readonly string[];
  /** Precision of a date that a server SHALL support. */
  readonly serverPrecision?: "day" | "second";
}

export interface OperationCapability {
  readonly name: string;
  readonly definition: string;
  readonly conformance?: Conformance;
}

export interface ResourceCapability {
  readonly type: string;
  readonly conformance?: Conformance;
  readonly profiles: readonly Expected[];
  readonly interactions: readonly Expected[];
  readonly referencePolicies: readonly Expected[];
  readonly searchParams: readonly SearchParamCapability[];
  /** From the `capabilitystatement-search-parameter-combination` extension. */
  readonly combinations: readonly {
    readonly required: readonly string[];
    readonly optional?: readonly string[];
    readonly conformance?: Conformance;
  }[];
  readonly searchIncludes: readonly Expected[];
  readonly searchRevIncludes: readonly Expected[];
  readonly operations: readonly OperationCapability[];
}

/** What a guide asks of servers (R4 CapabilityStatement of kind `requirements`). */
export interface CapabilityFacts {
  readonly url: string;
  readonly version?: string;
  readonly fhirVersion?: string;
  readonly formats: readonly Expected[];
  readonly patchFormats: readonly Expected[];
  readonly implementationGuides: readonly Expected[];
  readonly systemInteractions: readonly Expected[];
  readonly systemOperations: readonly OperationCapability[];
  readonly resources: readonly ResourceCapability[];
}

export interface SearchParameterFacts {
  readonly url: string;
  readonly version?: string;
  readonly name: string;
  readonly code: string;
  readonly base: readonly string[];
  readonly type: string;
  readonly derivedFrom?: string;
  readonly expression?: string;
  readonly target?: readonly string[];
  readonly comparators: readonly Expected[];
  readonly modifiers: readonly Expected[];
  readonly chains: readonly Expected[];
  readonly multipleOr?: { readonly value: boolean; readonly conformance?: Conformance };
  readonly multipleAnd?: { readonly value: boolean; readonly conformance?: Conformance };
  readonly components?: readonly { readonly definition: string; readonly expression: string }[];
}

const base = "http://hl7.org/fhir/StructureDefinition/";
const verbs = ["SHALL", "SHOULD", "MAY", "SHALL NOT", "SHOULD NOT"] as const;

/** Nothing but the verb, so that it can be spread beside what it stands at. */
function expectation(
  reader: RawReader,
  object: RawObject | null | undefined,
): { readonly conformance?: Conformance } {
  if (!object) return {};
  const [extension] = reader.extensions(object, `${base}capabilitystatement-expectation`);
  const code = extension?.["valueCode"];
  const conformance = verbs.find((verb) => verb === code);
  return conformance === undefined ? {} : { conformance };
}

/** A primitive array with the verbs of its `_` companion. */
function expectedTexts(reader: RawReader, object: RawObject, key: string): readonly Expected[] {
  const companions = reader.companions(object, `_${key}`);
  return reader.sparseTexts(object, key).flatMap((value, index) => {
    if (value === null) return [];
    const { conformance } = expectation(reader, companions[index]);
    return conformance === undefined ? [{ value }] : [{ value, conformance }];
  });
}

function expectedCodes(reader: RawReader, object: RawObject, key: string): readonly Expected[] {
  return reader.objects(object, key).map((item) => {
    const { conformance } = expectation(reader, item);
    const value = reader.requiredText(item, "code");
    return conformance === undefined ? { value } : { value, conformance };
  });
}

function operations(reader: RawReader, object: RawObject): readonly OperationCapability[] {
  return reader.objects(object, "operation").map((operation) =>
    Object.assign(
      {
        name: reader.requiredText(operation, "name"),
        definition: reader.requiredText(operation, "definition"),
      },
      expectation(reader, operation),
    ),
  );
}

/** What US Core says of a parameter's values in its documentation only, in one of a few set phrases. */
function documentedForms(
  type: string,
  documentation: string,
): Pick<SearchParamCapability, "serverForms" | "serverPrecision"> {
  const [, both] = /server \*\*SHALL\*\* support (both)\./.exec(documentation) ?? [];
  if (both !== undefined && type === "token") return { serverForms: ["code", "system|code"] };
  if (both !== undefined && type === "reference") return { serverForms: ["id", "Type/id"] };
  const [, precision] =
    /server \*\*SHALL\*\* support a value (?:a value )?precise to the \*(day|second)/.exec(documentation) ??
    [];
  if (type === "date" && (precision === "day" || precision === "second"))
    return { serverPrecision: precision };
  return {};
}

function searchParams(reader: RawReader, resource: RawObject): readonly SearchParamCapability[] {
  return reader.objects(resource, "searchParam").map((param) => {
    const type = reader.requiredText(param, "type");
    const definition = reader.text(param, "definition");
    return Object.assign(
      { name: reader.requiredText(param, "name"), type },
      definition === undefined ? {} : { definition },
      expectation(reader, param),
      documentedForms(type, reader.text(param, "documentation") ?? ""),
    );
  });
}

function combinations(reader: RawReader, resource: RawObject): ResourceCapability["combinations"] {
  return reader
    .extensions(resource, `${base}capabilitystatement-search-parameter-combination`)
    .map((extension) => {
      const named = (url: string) =>
        reader
          .extensions(extension, url)
          .map((part) => part["valueString"])
          .filter((value) => typeof value === "string");
      const optional = named("optional");
      return Object.assign(
        { required: named("required") },
        optional.length > 0 ? { optional } : {},
        expectation(reader, extension),
      );
    });
}

function resourceCapability(reader: RawReader, resource: RawObject): ResourceCapability {
  return {
    type: reader.requiredText(resource, "type"),
    ...expectation(reader, resource),
    profiles: expectedTexts(reader, resource, "supportedProfile"),
    interactions: expectedCodes(reader, resource, "interaction"),
    referencePolicies: expectedTexts(reader, resource, "referencePolicy"),
    searchParams: searchParams(reader, resource),
    combinations: combinations(reader, resource),
    searchIncludes: expectedTexts(reader, resource, "searchInclude"),
    searchRevIncludes: expectedTexts(reader, resource, "searchRevInclude"),
    operations: operations(reader, resource),
  };
}

/** Facts of a guide's CapabilityStatement for servers, in its own order. */
export function capabilityFacts(statement: RawObject, file: string): CapabilityFacts {
  const reader = new RawReader(file);
  const version = reader.text(statement, "version");
  const fhirVersion = reader.text(statement, "fhirVersion");
  const rest = reader.objects(statement, "rest").filter((part) => part["mode"] === "server");
  return {
    url: reader.requiredText(statement, "url"),
    ...(version === undefined ? {} : { version }),
    ...(fhirVersion === undefined ? {} : { fhirVersion }),
    formats: expectedTexts(reader, statement, "format"),
    patchFormats: expectedTexts(reader, statement, "patchFormat"),
    implementationGuides: expectedTexts(reader, statement, "implementationGuide"),
    systemInteractions: rest.flatMap((part) => expectedCodes(reader, part, "interaction")),
    systemOperations: rest.flatMap((part) => operations(reader, part)),
    resources: rest.flatMap((part) =>
      reader.objects(part, "resource").map((resource) => resourceCapability(reader, resource)),
    ),
  };
}

function expectedTruth(
  reader: RawReader,
  object: RawObject,
  key: string,
): { readonly value: boolean; readonly conformance?: Conformance } | undefined {
  const value = reader.truth(object, key);
  if (value === undefined) return undefined;
  const { conformance } = expectation(reader, reader.object(object, `_${key}`));
  return conformance === undefined ? { value } : { value, conformance };
}

/** Facts of a SearchParameter. */
export function searchParameterFacts(definition: RawObject, file: string): SearchParameterFacts {
  const reader = new RawReader(file);
  const optional = (key: string): Record<string, string> => {
    const value = reader.text(definition, key);
    return value === undefined ? {} : { [key]: value };
  };
  const target = reader.texts(definition, "target");
  const multipleOr = expectedTruth(reader, definition, "multipleOr");
  const multipleAnd = expectedTruth(reader, definition, "multipleAnd");
  const components = reader.objects(definition, "component").map((component) => ({
    definition: reader.requiredText(component, "definition"),
    expression: reader.requiredText(component, "expression"),
  }));
  return {
    url: reader.requiredText(definition, "url"),
    ...optional("version"),
    name: reader.requiredText(definition, "name"),
    code: reader.requiredText(definition, "code"),
    base: reader.texts(definition, "base"),
    type: reader.requiredText(definition, "type"),
    ...optional("derivedFrom"),
    ...optional("expression"),
    ...(target.length > 0 ? { target } : {}),
    comparators: expectedTexts(reader, definition, "comparator"),
    modifiers: expectedTexts(reader, definition, "modifier"),
    chains: expectedTexts(reader, definition, "chain"),
    ...(multipleOr ? { multipleOr } : {}),
    ...(multipleAnd ? { multipleAnd } : {}),
    ...(components.length > 0 ? { components } : {}),
  };
}
