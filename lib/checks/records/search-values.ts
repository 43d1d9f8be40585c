/**
 * Search parameters over resources: which values a parameter looks at, told by the FHIRPath expression of its
 * SearchParameter, and whether a resource matches a search.
 */
import { allOf, type Match } from "../../fhir/matching/truth.ts";
import { matchValues } from "../../fhir/matching/match.ts";
import { readReference } from "../../fhir/reference.ts";
import type { SearchParameters } from "../../fhir/requests.ts";
import type { Resource } from "../../fhir/resource.ts";
import {
  compileItems,
  createTypeModel,
  type CompiledItems,
  type TypeModel,
} from "../../validator/fhirpath/index.ts";
import { loadBuiltIn, loadSearchParameters } from "../../validator/pack/load.ts";

/** A search parameter of a resource type. */
export interface SearchParameter {
  readonly name: string;
  readonly type: string;
  readonly items: CompiledItems;
}

/** What holds for every type (FHIR R4, search.html#all), and what US Core takes from R4 without a definition of its own. */
const OF_R4: Readonly<Record<string, { readonly type: string; readonly expression: string }>> = {
  _id: { type: "token", expression: "id" },
  _lastUpdated: { type: "date", expression: "meta.lastUpdated" },
};

/** Parameters that say how to answer, not what to find. */
const OF_RESULT: ReadonlySet<string> = new Set([
  "_count",
  "_elements",
  "_format",
  "_include",
  "_pretty",
  "_revinclude",
  "_sort",
  "_summary",
  "_total",
]);

let model: TypeModel | undefined;
let compiled: Map<string, SearchParameter> | undefined;

function typeModel(): TypeModel {
  model ??= createTypeModel(loadBuiltIn(["us-core-6.1.0"]));
  return model;
}

/** A search parameter of a type as US Core 6.1.0, or R4 for every type, defines it. */
export function searchParameter(type: string, name: string): SearchParameter | undefined {
  compiled ??= new Map();
  const key = `${type}.${name}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const facts =
    loadSearchParametersOnce().find(({ code, base }) => code === name && base.includes(type)) ?? OF_R4[name];
  if (facts?.expression === undefined) return undefined;
  const parameter = { name, type: facts.type, items: compileItems(facts.expression, typeModel()) };
  compiled.set(key, parameter);
  return parameter;
}

let definitions: ReturnType<typeof loadSearchParameters> | undefined;

function loadSearchParametersOnce() {
  definitions ??= loadSearchParameters("us-core-6.1.0");
  return definitions;
}

/** The values of a resource that a parameter looks at. */
export function valuesOf(resource: Resource, parameter: SearchParameter): readonly unknown[] {
  return parameter
    .items(resource, {
      resource,
      rootResource: resource,
      focusType: resource.resourceType,
      // Only the type of what is referred to is ever asked for: `resolve() is Patient`.
      resolve: (reference) => {
        const parsed = readReference(reference, "");
        return parsed.kind === "restful" ? { resourceType: parsed.type, id: parsed.id } : undefined;
      },
    })
    .flatMap(({ value }) => (value === undefined || value === null ? [] : [value]));
}

/** Whether a resource matches one parameter of a search; `maybe` for a parameter that is not known. */
export function matchParameter(resource: Resource, name: string, value: string, base: string): Match {
  const [plain = "", modifier] = name.split(":");
  // A chain, a reverse chain, or a parameter of the result: nothing that the resource itself could tell.
  if (OF_RESULT.has(plain) || name.includes(".") || plain === "_has") return "yes";
  const parameter = searchParameter(resource.resourceType, plain);
  if (parameter === undefined) return "maybe";
  return matchValues(
    valuesOf(resource, parameter),
    { type: parameter.type, ...(modifier === undefined ? {} : { modifier }), value },
    base,
  );
}

/** Whether a resource matches a search: every parameter of it. */
export function matchSearch(resource: Resource, parameters: SearchParameters, base: string): Match {
  return allOf(parameters.map(([name, value]) => matchParameter(resource, name, value, base)));
}
