import { isResource, type Resource } from "./resource.ts";

/** One entry of a search result. */
export interface SearchEntry {
  readonly fullUrl?: string;
  readonly resource?: Resource;
  /** `match`, `include` or `outcome`; absent where the server does not say. */
  readonly mode?: string;
}

/** What one page of a search result says (FHIR R4, bundle.html#searchset). */
export interface SearchPage {
  readonly type: unknown;
  readonly total: unknown;
  readonly entries: readonly SearchEntry[];
  /** URLs of links by relation; only those that are text. */
  readonly links: Readonly<Record<string, string>>;
}

type JsonObject = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** Reads a Bundle, however odd it is: what has the wrong form is left out. */
export function readSearchPage(bundle: Resource): SearchPage {
  const links: Record<string, string> = {};
  for (const link of listOf(bundle["link"])) {
    if (!isObject(link)) continue;
    const relation = textOf(link["relation"]);
    const url = textOf(link["url"]);
    if (relation !== undefined && url !== undefined) links[relation] ??= url;
  }
  return {
    type: bundle["type"],
    total: bundle["total"],
    entries: listOf(bundle["entry"]).filter(isObject).map(readEntry),
    links,
  };
}

function readEntry(entry: JsonObject): SearchEntry {
  const fullUrl = textOf(entry["fullUrl"]);
  const resource = entry["resource"];
  const search = entry["search"];
  const mode = isObject(search) ? textOf(search["mode"]) : undefined;
  return {
    ...(fullUrl === undefined ? {} : { fullUrl }),
    ...(isResource(resource) ? { resource } : {}),
    ...(mode === undefined ? {} : { mode }),
  };
}

/**
 * Whether an entry is a match of a search for a type. Where the server does not say (`search.mode` is optional), a
 * resource of the type that was searched for counts as one.
 */
export function isMatch(entry: SearchEntry, type: string): boolean {
  return entry.mode === undefined ? entry.resource?.resourceType === type : entry.mode === "match";
}
