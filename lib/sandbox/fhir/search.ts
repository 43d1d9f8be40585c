import type { ApiDefinition } from "../data.ts";
import { isObject, type JsonObject } from "../json.ts";
import { includes, searchParameters, type SearchParameter } from "../statement.ts";
import type { Access, Find } from "./access.ts";
import { ofPatient, referringTo } from "./indexes.ts";
import { alternatives, InvalidSearch, readComparison, type Test } from "./match.ts";
import { valuesAt } from "./paths.ts";
import { localReference, present } from "./present.ts";

const DEFAULT_COUNT = 100;
const LARGEST_COUNT = 500;

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
  /** What stands behind the parameter's name, `:` or `.` and all; empty where nothing does. */
  readonly suffix: string;
  readonly value: string;
  readonly test: Test;
}

/** A search as it was understood. */
interface Query {
  readonly criteria: readonly Criterion[];
  readonly include: readonly string[];
  readonly revinclude: readonly string[];
  readonly count: number;
  /** How many matches come before the page. */
  readonly first: number;
  /** `_summary=count`, or `_count=0`: no resources. */
  readonly isCounted: boolean;
  /** Without the page: what links repeat. */
  readonly understood: URLSearchParams;
}

function numberOf(text: string | null, name: string): number | undefined {
  if (text === null) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new InvalidSearch(`${name} is a whole number.`);
  return Number(text);
}

/** How to give the result: whether a parameter of that kind is understood. */
function readResultParameter(request: SearchRequest, key: string, value: string): boolean | undefined {
  switch (key) {
    case "_count":
      numberOf(value, key);
      return true;
    case "_include":
    case "_revinclude":
      return isOffered(request, key, value);
    case "_summary":
      if (!["true", "text", "data", "count", "false"].includes(value))
        throw new InvalidSearch(`There is no summary "${value}".`);
      return value === "count" || value === "false";
    case "_total":
      if (!["none", "estimate", "accurate"].includes(value))
        throw new InvalidSearch("_total is none, estimate or accurate.");
      // It is always accurate.
      return true;
    default:
      return undefined;
  }
}

function isOffered(request: SearchRequest, key: "_include" | "_revinclude", value: string): boolean {
  const [source, parameter] = value.split(":");
  if (source === undefined || parameter === undefined || parameter === "")
    throw new InvalidSearch(`${key} is a type and a parameter, with a colon between them: ${value}`);
  const offered = includes(request.api, request.type)[key === "_include" ? "include" : "revinclude"];
  return offered.some((one) => one === value || `${one}:`.startsWith(`${source}:${parameter}:`));
}

/** Parameters that have no part in the links: the page is put in anew, the format is negotiated. */
const OWN = new Set(["_format", "_pretty", "page", "_offset"]);

function readQuery(request: SearchRequest): Query {
  const { parameters, type } = request;
  const offered = searchParameters(request.api, type);
  const criteria: Criterion[] = [];
  const understood = new URLSearchParams();
  for (const [key, value] of parameters) {
    if (OWN.has(key)) continue;
    if (key.startsWith("_has:")) throw new InvalidSearch(`${key}: reverse chains are not supported.`);
    let isUnderstood = readResultParameter(request, key, value);
    if (isUnderstood === undefined) {
      const [name = ""] = /^[^:.]+/.exec(key) ?? [];
      const parameter = offered.find((one) => one.name === name);
      const suffix = key.slice(name.length);
      if (parameter === undefined && suffix.includes("."))
        throw new InvalidSearch(`${key} is not supported.`);
      if (parameter !== undefined) {
        if (value === "") throw new InvalidSearch(`The parameter ${key} has no value.`);
        criteria.push({ parameter, suffix, value, test: readTest(request, parameter, suffix, value) });
        isUnderstood = true;
      }
    }
    if (isUnderstood === true) understood.append(key, value);
    else if (request.isStrict) throw new InvalidSearch(`${key}=${value} is not supported for ${type}.`);
  }
  const count = Math.min(numberOf(parameters.get("_count"), "_count") ?? DEFAULT_COUNT, LARGEST_COUNT);
  return {
    criteria,
    include: understood.getAll("_include"),
    revinclude: understood.getAll("_revinclude"),
    count,
    first: isByOffset(request)
      ? (numberOf(parameters.get("_offset"), "_offset") ?? 0)
      : (Math.max(numberOf(parameters.get("page"), "page") ?? 1, 1) - 1) * count,
    isCounted: count === 0 || understood.get("_summary") === "count",
    understood,
  };
}

function readTest(request: SearchRequest, parameter: SearchParameter, suffix: string, value: string): Test {
  if (suffix.includes(".")) return readChain(request, parameter, suffix, value);
  const modifier = suffix === "" ? undefined : suffix.slice(1);
  return readComparison({ parameter, modifier, value, base: request.base });
}

/** A chained search (FHIR R4, 3.1.1.5.6): of what is referred to, where that is offered and may be searched. */
function readChain(request: SearchRequest, parameter: SearchParameter, suffix: string, value: string): Test {
  const {
    type,
    name = "",
    modifier,
  } = /^(?::(?<type>[A-Z]\w+))?\.(?<name>[^.:]+)(?::(?<modifier>\w+))?$/.exec(suffix)?.groups ?? {};
  const targets = (parameter.target ?? []).filter((one) => type === undefined || one === type);
  if (parameter.chain?.includes(name) !== true || targets.length === 0)
    throw new InvalidSearch(`The chain ${parameter.name}${suffix} is not supported for ${request.type}.`);
  const tests = new Map(
    targets.flatMap((target) => {
      const chained = searchParameters(request.api, target).find((one) => one.name === name);
      if (chained === undefined) return [];
      const test = readComparison({ parameter: chained, modifier, value, base: request.base });
      return [[target, (resource: JsonObject) => test(valuesAt(resource, chained.expression))] as const];
    }),
  );
  return (values) =>
    values.some((one) => {
      const reference = localReference(isObject(one) ? one["reference"] : undefined);
      const [target = "", id = ""] = reference?.split("/") ?? [];
      const found = request.find(target, id);
      return found !== undefined && request.access.sees(found, "s") && tests.get(target)?.(found) === true;
    });
}

// The directory pages by an offset from zero, everything else by a page from one.
const isByOffset = ({ api }: SearchRequest) => api.access === "public";

const referenceOf = (resource: JsonObject) =>
  `${resource["resourceType"] as string}/${resource["id"] as string}`;

/** The resources that may match: those with the ids asked for, those of the patients asked for, or all of the type. */
function candidates(request: SearchRequest, criteria: readonly Criterion[]): readonly JsonObject[] {
  const all = request.ofType(request.type);
  const byId = criteria.find(({ parameter, suffix }) => parameter.name === "_id" && suffix === "");
  if (byId !== undefined) {
    const ids = new Set(alternatives(byId.value).map((id) => id.slice(id.indexOf("|") + 1)));
    return [...ids].map((id) => request.find(request.type, id)).filter((one) => one !== undefined);
  }
  const byPatient = criteria.find(
    ({ parameter, suffix }) => parameter.name === "patient" && (suffix === "" || suffix === ":Patient"),
  );
  if (byPatient === undefined) return all;
  const patients = new Set(
    alternatives(byPatient.value).map((value) => value.slice(value.lastIndexOf("/") + 1)),
  );
  const found = [...patients].map((patient) => ofPatient(all, patient, request.find));
  return found.length === 1 ? (found[0] ?? []) : [...new Set(found.flat())];
}

function matching(request: SearchRequest, criteria: readonly Criterion[]): JsonObject[] {
  return candidates(request, criteria).filter(
    (resource) =>
      criteria.every(({ parameter, test }) => test(valuesAt(resource, parameter.expression))) &&
      request.access.sees(resource, "s"),
  );
}

/** Parameters of includes that lead further than the element of their name. */
const INCLUDE_PATHS: Readonly<Record<string, string>> = {
  "CareTeam:participant": "CareTeam.participant.member",
};

function targetsOf(request: SearchRequest, matched: readonly JsonObject[], include: string): JsonObject[] {
  const [source = "", name = "", target] = include.split(":");
  const parameter = searchParameters(request.api, request.type).find((one) => one.name === name);
  const expression = INCLUDE_PATHS[`${source}:${name}`] ?? parameter?.expression ?? `${source}.${name}`;
  return matched
    .flatMap((resource) => valuesAt(resource, expression))
    .map((value) => {
      const reference = localReference(isObject(value) ? value["reference"] : undefined);
      const [type = "", id = ""] = reference?.split("/") ?? [];
      return target === undefined || target === type ? request.find(type, id) : undefined;
    })
    .filter((found) => found !== undefined);
}

function pointersTo(
  request: SearchRequest,
  matched: readonly JsonObject[],
  revinclude: string,
): JsonObject[] {
  const [source = "", name] = revinclude.split(":");
  const parameter = searchParameters(request.api, source).find((one) => one.name === name);
  if (parameter === undefined) return [];
  const all = request.ofType(source);
  return matched.flatMap((resource) => referringTo(all, parameter.expression, referenceOf(resource)));
}

function included(request: SearchRequest, query: Query, matched: readonly JsonObject[]): JsonObject[] {
  const found = [
    ...query.include.flatMap((one) => targetsOf(request, matched, one)),
    ...query.revinclude.flatMap((one) => pointersTo(request, matched, one)),
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
  const { base, type } = request;
  const query = readQuery(request);
  const { count, first } = query;
  const all = matching(request, query.criteria);
  const matched = query.isCounted ? [] : all.slice(first, first + count);
  const link = (relation: string, at: number): JsonObject => {
    const parameters = new URLSearchParams(query.understood);
    if (at > 0 && isByOffset(request)) parameters.set("_offset", String(at));
    else if (at > 0) parameters.set("page", String(at / count + 1));
    const text = parameters.toString();
    return { relation, url: `${base}/${type}${text === "" ? "" : `?${text}`}` };
  };
  const entry =
    (mode: string) =>
    (resource: JsonObject): JsonObject => ({
      fullUrl: `${base}/${referenceOf(resource)}`,
      resource: present(resource, base),
      search: { mode },
    });
  const entries = [
    ...matched.map(entry("match")),
    ...included(request, query, matched).map(entry("include")),
  ];
  return {
    resourceType: "Bundle",
    type: "searchset",
    total: all.length,
    link: [
      link("self", first),
      ...(!query.isCounted && first + count < all.length ? [link("next", first + count)] : []),
      ...(!query.isCounted && first > 0 ? [link("previous", Math.max(first - count, 0))] : []),
    ],
    ...(entries.length === 0 ? {} : { entry: entries }),
  };
}
