import type { ApiDefinition } from "../data.ts";
import { each, isObject, type JsonObject } from "../json.ts";
import { searchParameters, type SearchParameter } from "../statement.ts";
import type { Access, Find } from "./access.ts";
import { alternatives, InvalidSearch, matches } from "./match.ts";
import { valuesAt } from "./paths.ts";
import { localReference, present } from "./present.ts";

const DEFAULT_COUNT = 100;
const LARGEST_COUNT = 500;
const RESULT_PARAMETERS = new Set([
  "_count",
  "_format",
  "_include",
  "_revinclude",
  "_pretty",
  "page",
  "_offset",
  "_total",
  "_summary",
]);

export interface SearchRequest {
  readonly api: ApiDefinition;
  readonly base: string;
  readonly type: string;
  readonly parameters: URLSearchParams;
  /** `Prefer: handling=strict`: an unknown parameter is an error. */
  readonly isStrict: boolean;
  readonly access: Access;
  /** Whether an included resource needs a scope of its own. */
  readonly enforceOnIncludes: boolean;
  readonly ofType: (type: string) => readonly JsonObject[];
  readonly find: Find;
}

interface Criterion {
  readonly parameter: SearchParameter;
  readonly modifier: string | undefined;
  readonly value: string;
}

function readCriteria(request: SearchRequest): { criteria: Criterion[]; understood: URLSearchParams } {
  const offered = searchParameters(request.api, request.type);
  const criteria: Criterion[] = [];
  const understood = new URLSearchParams();
  for (const [key, value] of request.parameters) {
    if (RESULT_PARAMETERS.has(key.split(":")[0] ?? "")) {
      if (key !== "_format" && key !== "page" && key !== "_offset") understood.append(key, value);
      continue;
    }
    const [name = "", modifier] = key.split(":", 2);
    const parameter = offered.find((one) => one.name === name);
    if (parameter === undefined) {
      if (request.isStrict)
        throw new InvalidSearch(`The parameter ${key} is not supported for ${request.type}.`);
      continue;
    }
    if (value === "") throw new InvalidSearch(`The parameter ${key} has no value.`);
    criteria.push({ parameter, modifier, value });
    understood.append(key, value);
  }
  return { criteria, understood };
}

function fulfils(resource: JsonObject, { parameter, modifier, value }: Criterion, base: string): boolean {
  const values = valuesAt(resource, parameter.expression);
  // :not is true when none of the alternatives is there.
  const one = (asked: string) => matches(values, parameter, modifier, asked, base);
  return modifier === "not" ? alternatives(value).every(one) : alternatives(value).some(one);
}

/** A search that matches nothing must still refuse a value that cannot be read. */
function checkValues(criteria: readonly Criterion[], base: string): void {
  for (const { parameter, modifier, value } of criteria) {
    for (const asked of alternatives(value)) matches([], parameter, modifier, asked, base);
  }
}

function numberOf(text: string | null, name: string): number | undefined {
  if (text === null) return undefined;
  if (!/^\d+$/.test(text)) throw new InvalidSearch(`${name} is a number.`);
  return Number(text);
}

const referenceOf = (resource: JsonObject) =>
  `${resource["resourceType"] as string}/${resource["id"] as string}`;

function targetsOf(request: SearchRequest, matched: readonly JsonObject[], include: string): JsonObject[] {
  const [source, name, target] = include.split(":");
  if (source !== request.type) return [];
  const parameter = searchParameters(request.api, request.type).find((one) => one.name === name);
  const expression = parameter?.expression ?? `${request.type}.${name ?? ""}`;
  return matched
    .flatMap((resource) => valuesAt(resource, expression))
    .flatMap((value) => {
      const reference = localReference(isObject(value) ? value["reference"] : undefined);
      const [type = "", id = ""] = reference?.split("/") ?? [];
      const found = target === undefined || target === type ? request.find(type, id) : undefined;
      return found === undefined ? [] : [found];
    });
}

function pointersTo(
  request: SearchRequest,
  matched: readonly JsonObject[],
  revinclude: string,
): JsonObject[] {
  const [source = "", name] = revinclude.split(":");
  const parameter = searchParameters(request.api, source).find((one) => one.name === name);
  if (parameter === undefined) return [];
  const wanted = new Set(matched.map(referenceOf));
  return request
    .ofType(source)
    .filter((resource) =>
      valuesAt(resource, parameter.expression).some((value) =>
        wanted.has(localReference(isObject(value) ? value["reference"] : undefined) ?? ""),
      ),
    );
}

function included(request: SearchRequest, matched: readonly JsonObject[]): JsonObject[] {
  const found = [
    ...request.parameters.getAll("_include").flatMap((one) => targetsOf(request, matched, one)),
    ...request.parameters.getAll("_revinclude").flatMap((one) => pointersTo(request, matched, one)),
  ].filter((resource) => !request.enforceOnIncludes || request.access.sees(resource, "s"));
  const seen = new Set(matched.map(referenceOf));
  return found.filter((resource) => {
    const reference = referenceOf(resource);
    if (seen.has(reference)) return false;
    seen.add(reference);
    return true;
  });
}

/**
 * Searches a type (FHIR R4, 3.1.1): a Bundle of what matches and may be seen, page by page.
 *
 * @throws InvalidSearch for parameters that cannot be read
 */
export function search(request: SearchRequest): JsonObject {
  const { base, type, parameters, access } = request;
  const { criteria, understood } = readCriteria(request);
  checkValues(criteria, base);
  const count = Math.min(numberOf(parameters.get("_count"), "_count") ?? DEFAULT_COUNT, LARGEST_COUNT);
  const isOffset = request.api.access === "public";
  const first = isOffset
    ? (numberOf(parameters.get("_offset"), "_offset") ?? 0)
    : (Math.max(numberOf(parameters.get("page"), "page") ?? 1, 1) - 1) * count;

  const all = request
    .ofType(type)
    .filter(
      (resource) => access.sees(resource, "s") && criteria.every((one) => fulfils(resource, one, base)),
    );
  const matched = all.slice(first, first + count);
  const link = (relation: string, at: number): JsonObject => {
    const query = new URLSearchParams(understood);
    if (at > 0) query.set(isOffset ? "_offset" : "page", String(isOffset ? at : at / count + 1));
    const text = query.toString();
    return { relation, url: `${base}/${type}${text === "" ? "" : `?${text}`}` };
  };
  const entry =
    (mode: string) =>
    (resource: JsonObject): JsonObject => ({
      fullUrl: `${base}/${referenceOf(resource)}`,
      resource: present(resource, base),
      search: { mode },
    });
  const entries = [...matched.map(entry("match")), ...included(request, matched).map(entry("include"))];
  return {
    resourceType: "Bundle",
    type: "searchset",
    total: all.length,
    link: [
      link("self", first),
      ...(count > 0 && first + count < all.length ? [link("next", first + count)] : []),
      ...(count > 0 && first > 0 ? [link("previous", Math.max(first - count, 0))] : []),
    ],
    ...(entries.length === 0 ? {} : { entry: each(entries) }),
  };
}
