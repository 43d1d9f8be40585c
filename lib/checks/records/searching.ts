/**
 * Searches as facts: one that was made is not made again, whoever asks. A search is followed from page to page as
 * far as a bound, and what it found keeps the exchange that it came with.
 */
import { isMatch, readSearchPage, type SearchEntry, type SearchPage } from "../../fhir/bundle.ts";
import { FHIR_JSON, queryText, searchRequest, type SearchQuery } from "../../fhir/requests.ts";
import { isResource, referenceTo, type Resource } from "../../fhir/resource.ts";
import { Blocked, RequestFailed, type CheckContext, type Fact } from "../context.ts";
import { subjectOf } from "../subject.ts";
import { accessToken } from "../tokens.ts";
import type { Finding } from "../verdict.ts";

/** Pages that are followed, and matches that are kept, of one search. */
const MOST_PAGES = 20;
const MOST_MATCHES = 1000;

/** A resource of a search result, with the exchange of its page. */
export interface FoundResource {
  readonly resource: Resource;
  readonly exchange: string;
}

/** One page as it came. */
export interface FoundPage {
  readonly url: string;
  readonly exchange: string;
  /** Its Bundle without the resources in it, which `matches` and `included` hold. */
  readonly bundle: Readonly<Record<string, unknown>>;
  readonly page: SearchPage;
}

/** What came of a search. */
export type SearchResult =
  | {
      readonly kind: "found";
      readonly query: SearchQuery;
      readonly matches: readonly FoundResource[];
      readonly included: readonly FoundResource[];
      readonly outcomes: readonly FoundResource[];
      readonly pages: readonly FoundPage[];
      /** Why there may be more than was read: a bound of ours, or a page that could not be had. */
      readonly cut?: string;
      /** What was wrong with a later page; findings for the checks on paging. */
      readonly defects: readonly Finding[];
      readonly exchange: string;
    }
  | {
      readonly kind: "refused";
      readonly query: SearchQuery;
      readonly status: number;
      /** Whether the refusal is an OperationOutcome. */
      readonly explained: boolean;
      readonly exchange: string;
    }
  | {
      readonly kind: "unusable";
      readonly query: SearchQuery;
      readonly finding: Finding;
      readonly exchange: string;
    };

/** Resources that are equal are kept once, however many searches find them. */
interface Shelf {
  readonly intern: (resource: Resource) => Resource;
}

const shelf: Fact<Shelf> = {
  name: "resources seen",
  explainedBy: "declared-answers.read",
  provide: () => {
    const kept = new Map<string, { readonly text: string; readonly resource: Resource }>();
    return Promise.resolve({
      intern(resource: Resource) {
        const name = referenceTo(resource);
        if (name === undefined) return resource;
        const text = JSON.stringify(resource);
        const before = kept.get(name);
        if (before?.text === text) return before.resource;
        if (before === undefined) kept.set(name, { text, resource });
        return resource;
      },
    });
  },
};

/** The same resource as one object, so that results of many searches cost little memory. */
export async function interned(context: CheckContext, resource: Resource): Promise<Resource> {
  return (await context.fact(shelf)).intern(resource);
}

export interface SearchOptions {
  /** Pages that are followed. Default 20. */
  readonly pages?: number;
  /** Why it is made, for readers of the evidence. */
  readonly purpose?: string;
}

/**
 * Makes a search with the target's own token, once for all who ask for the same.
 *
 * @throws Blocked when the API does not accept the token
 * @throws RequestFailed when there was no answer at all
 */
export async function search(
  context: CheckContext,
  query: SearchQuery,
  options: SearchOptions = {},
): Promise<SearchResult> {
  const { type, parameters, method = "GET", handling = "", accept = FHIR_JSON } = query;
  const pages = options.pages ?? MOST_PAGES;
  const result = await context.fact({
    name: `search ${method} ${type}?${queryText(parameters)} ${handling} ${accept} ${pages}`,
    explainedBy: "declared-answers.read",
    async provide(own): Promise<SearchResult | RequestFailed> {
      try {
        return await makeSearch(own, query, pages, options.purpose ?? `search of ${type}`);
      } catch (error) {
        // The name of this fact may be about a patient: a failure is handed on as it is, without it.
        if (error instanceof RequestFailed) return error;
        throw error;
      }
    },
  });
  if (result instanceof RequestFailed) throw result;
  return result;
}

/** Whether no token is sent: none is needed, or a server for services was configured without a client. */
function isOpen({ target }: CheckContext): boolean {
  return (
    target.authorization === "none" ||
    (target.authorization === "client-credentials" && target.client === undefined)
  );
}

async function makeSearch(
  context: CheckContext,
  query: SearchQuery,
  mostPages: number,
  purpose: string,
): Promise<SearchResult> {
  const { base } = context.target;
  const bearer = isOpen(context) ? undefined : await accessToken(context);
  const { intern } = await context.fact(shelf);
  const first = await context.send(searchRequest(base, query, bearer, purpose));
  const { status, exchange } = first;
  if (status === 401) {
    throw new Blocked("the API does not accept the token (401)", "declared-answers.read", [
      { code: "http.status", expected: "the token to be accepted", actual: "status 401", exchange },
    ]);
  }
  const subject = subjectOf("the answer to a search", first);
  const body = isResource(subject.json) ? subject.json : undefined;
  if (status < 200 || status >= 300)
    return { kind: "refused", query, status, explained: body?.resourceType === "OperationOutcome", exchange };
  if (body?.resourceType !== "Bundle") {
    const actual =
      subject.problem ?? (body === undefined ? "other JSON" : `a resource of type ${body.resourceType}`);
    return {
      kind: "unusable",
      query,
      exchange,
      finding: { code: "fhir.resource-type", expected: "a Bundle with what was found", actual, exchange },
    };
  }

  const matches: FoundResource[] = [];
  const included: FoundResource[] = [];
  const outcomes: FoundResource[] = [];
  const pages: FoundPage[] = [];
  const defects: Finding[] = [];
  const seen = new Set<string>([first.url]);
  let cut: string | undefined;
  let bundle: Resource = body;
  let url = first.url;
  let from: string = exchange;
  for (;;) {
    const page = readSearchPage(bundle);
    for (const entry of page.entries) {
      if (entry.resource === undefined) continue;
      const found = { resource: intern(entry.resource), exchange: from };
      listOf(entry, query.type, { matches, included, outcomes }).push(found);
    }
    pages.push({ url, exchange: from, bundle: withoutResources(bundle), page: light(page) });
    const next = page.links["next"];
    if (next === undefined) break;
    if (matches.length >= MOST_MATCHES || pages.length >= mostPages) {
      cut = `after ${pages.length} pages with ${matches.length} matches nothing more was read`;
      break;
    }
    const turned = await turnPage(context, next, url, seen);
    if ("code" in turned) {
      defects.push(turned);
      cut = "a page could not be had";
      break;
    }
    ({ bundle, url, exchange: from } = turned);
  }
  return {
    kind: "found",
    query,
    matches,
    included,
    outcomes,
    pages,
    ...(cut === undefined ? {} : { cut }),
    defects,
    exchange,
  };
}

function listOf(
  entry: SearchEntry,
  type: string,
  lists: { matches: FoundResource[]; included: FoundResource[]; outcomes: FoundResource[] },
): FoundResource[] {
  if (isMatch(entry, type)) return lists.matches;
  return entry.mode === "outcome" || entry.resource?.resourceType === "OperationOutcome"
    ? lists.outcomes
    : lists.included;
}

/** Follows a link to the next page, which has to stay on the API: a token is never taken elsewhere. */
async function turnPage(
  context: CheckContext,
  link: string,
  from: string,
  seen: Set<string>,
): Promise<{ readonly bundle: Resource; readonly url: string; readonly exchange: string } | Finding> {
  const { base } = context.target;
  const url = URL.canParse(link, `${base}/`) ? new URL(link, `${base}/`) : undefined;
  if (url === undefined)
    return { code: "paging.link", expected: "a next link that is a URL", actual: "text that is none" };
  if (url.origin !== new URL(base).origin) {
    return {
      code: "paging.elsewhere",
      expected: "a next link on the API that was asked",
      actual: `a link to ${url.origin}`,
    };
  }
  if (seen.has(url.href)) {
    return {
      code: "paging.loop",
      expected: "next links that lead on",
      actual: url.href === from ? "a link back to the same page" : "a link back to an earlier page",
    };
  }
  seen.add(url.href);
  const bearer = isOpen(context) ? undefined : await accessToken(context);
  const response = await context.send({
    method: "GET",
    url: url.href,
    headers: { accept: FHIR_JSON },
    ...(bearer === undefined ? {} : { bearer }),
    purpose: "the next page of a search",
  });
  const { exchange } = response;
  const { json, problem } = subjectOf("the next page", response);
  if (response.status === 200 && isResource(json) && json.resourceType === "Bundle")
    return { bundle: json, url: url.href, exchange };
  return {
    code: "paging.page",
    expected: "a Bundle at the next link",
    actual: response.status === 200 ? (problem ?? "something else") : `status ${response.status}`,
    exchange,
  };
}

/** The Bundle itself, for checks of its form: entries keep all but what their resources hold. */
function withoutResources(bundle: Resource): Readonly<Record<string, unknown>> {
  const { entry } = bundle;
  if (!Array.isArray(entry)) return bundle;
  return {
    ...bundle,
    entry: entry.map((one: unknown) =>
      typeof one === "object" && one !== null && "resource" in one && isResource(one.resource)
        ? { ...one, resource: { resourceType: one.resource.resourceType, id: one.resource["id"] } }
        : one,
    ),
  };
}

function light(page: SearchPage): SearchPage {
  return {
    ...page,
    entries: page.entries.map(({ resource, ...entry }) =>
      resource === undefined
        ? entry
        : { ...entry, resource: { resourceType: resource.resourceType, id: resource["id"] } },
    ),
  };
}
