import { exportTypes } from "../data.ts";
import { patientsOf, type Access, type Find } from "../fhir/access.ts";
import { InvalidSearch } from "../fhir/match.ts";
import { search, type SearchRequest } from "../fhir/search.ts";
import { each, isObject, type JsonObject } from "../json.ts";

/** What an export is about, read and found possible. */
export interface Selection {
  readonly types: readonly string[];
  /** Ids of the patients; undefined is everything there is. */
  readonly patients: ReadonlySet<string> | undefined;
  /** Milliseconds since 1970: only what changed later. */
  readonly since: number | undefined;
  /** Ids that match the queries about a type; a type without queries is not there. */
  readonly matching: ReadonlyMap<string, ReadonlySet<string>>;
  /** Which Provenance resources accompany the others; undefined: as any type. */
  readonly provenance: "latest" | "relevant" | undefined;
}

/** Where the resources come from. */
export interface Source {
  readonly access: Access;
  readonly find: Find;
  ofType(type: string): readonly JsonObject[];
}

const updatedAt = (resource: JsonObject) => {
  const { meta } = resource;
  return isObject(meta) && typeof meta["lastUpdated"] === "string"
    ? Date.parse(meta["lastUpdated"])
    : undefined;
};

/** The resources of an export by type, types without any left out. */
export function selectResources(
  { types, patients, since, matching, provenance }: Selection,
  source: Source,
): ReadonlyMap<string, readonly JsonObject[]> {
  const isIncluded = (resource: JsonObject) => {
    const type = resource["resourceType"] as string;
    if (!source.access.sees(resource, "r")) return false;
    // A resource whose time is not known may be given whatever `_since` says (Bulk Data 2.0.0, `_since`).
    if (since !== undefined && (updatedAt(resource) ?? Infinity) <= since) return false;
    if (matching.get(type)?.has(resource["id"] as string) === false) return false;
    if (patients === undefined) return true;
    // A group lists patients, some of whom may not be of this export.
    if (type === "Group") return false;
    const own = patientsOf(resource, source.find);
    return own.length === 0 ? !isOfPatients(type) : own.every((id) => patients.has(id));
  };
  const found = new Map<string, readonly JsonObject[]>();
  for (const type of types) {
    if (type === "Provenance" && provenance !== undefined) continue;
    found.set(type, source.ofType(type).filter(isIncluded));
  }
  if (provenance !== undefined && source.access.permits("Provenance", "r")) {
    found.set("Provenance", accompanying(provenance, found, source));
  }
  return new Map([...found].filter(([, resources]) => resources.length > 0));
}

/** Whether resources of a type are about one patient each. */
export const isOfPatients = (type: string): boolean => exportTypes()[type]?.ofPatients === true;

const referenceOf = (resource: JsonObject) =>
  `${resource["resourceType"] as string}/${resource["id"] as string}`;

const recordedAt = ({ recorded }: JsonObject) =>
  typeof recorded === "string" ? Date.parse(recorded) : -Infinity;

const targetsOf = (provenance: JsonObject) =>
  each(provenance["target"]).flatMap((target) =>
    isObject(target) && typeof target["reference"] === "string" ? [target["reference"]] : [],
  );

/** Provenance of the resources that are given: all of it, or the latest of each (`includeAssociatedData`). */
function accompanying(
  which: "latest" | "relevant",
  given: ReadonlyMap<string, readonly JsonObject[]>,
  source: Source,
): JsonObject[] {
  const references = new Set([...given.values()].flat().map(referenceOf));
  const about = source
    .ofType("Provenance")
    .filter((one) => source.access.sees(one, "r") && targetsOf(one).some((target) => references.has(target)));
  if (which === "relevant") return about;
  const latest = new Map<string, JsonObject>();
  for (const one of about) {
    for (const target of targetsOf(one)) {
      const before = latest.get(target);
      const isLater = before === undefined || recordedAt(one) > recordedAt(before);
      if (references.has(target) && isLater) latest.set(target, one);
    }
  }
  const kept = new Set(latest.values());
  return about.filter((one) => kept.has(one));
}

/** A query of `_typeFilter`. */
export interface TypeQuery {
  readonly type: string;
  readonly parameters: URLSearchParams;
}

/** Splits the values of `_typeFilter`: at commas behind which another query begins, not at those within one. */
export function readTypeQueries(values: readonly string[]): {
  queries: TypeQuery[];
  unreadable: string[];
} {
  const queries: TypeQuery[] = [];
  const unreadable: string[] = [];
  for (const value of values.flatMap((one) => one.split(/,(?=[A-Z][A-Za-z]*\?)/))) {
    const { type, query } = /^(?<type>[A-Z][A-Za-z]+)\?(?<query>.+)$/.exec(value)?.groups ?? {};
    if (type === undefined) unreadable.push(value);
    else queries.push({ type, parameters: new URLSearchParams(query) });
  }
  return { queries, unreadable };
}

/** Parameters of a search that say how to give the result, not what it is: no place for them in an export. */
const RESULT = /^_(?:count|sort|include|revinclude|summary|total|elements|contained|containedType|format)\b/;

const PAGE = "500";

/**
 * Ids of the resources that match a query, through the search engine itself.
 *
 * @returns undefined when the query cannot be answered
 */
export function runTypeQuery(
  { type, parameters }: TypeQuery,
  request: Omit<SearchRequest, "type" | "parameters" | "isStrict">,
): Set<string> | undefined {
  if ([...parameters.keys()].some((name) => RESULT.test(name))) return undefined;
  const ids = new Set<string>();
  try {
    for (let page = 1; ; page += 1) {
      const asked = new URLSearchParams(parameters);
      asked.set("_count", PAGE);
      asked.set("page", String(page));
      const bundle = search({ ...request, type, parameters: asked, isStrict: true });
      for (const entry of each(bundle["entry"])) {
        const resource = isObject(entry) ? entry["resource"] : undefined;
        if (isObject(resource)) ids.add(resource["id"] as string);
      }
      const hasNext = each(bundle["link"]).some((link) => isObject(link) && link["relation"] === "next");
      if (!hasNext) return ids;
    }
  } catch (error) {
    if (error instanceof InvalidSearch) return undefined;
    throw error;
  }
}
