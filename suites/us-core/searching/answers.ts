/** Checks on how searches are answered, whatever they find: Bundles, pages, errors, and what nobody knows. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import { NoData, NotApplicable, type CheckContext } from "../../../lib/checks/context.ts";
import { declaredInteraction } from "../../../lib/checks/records/declared.ts";
import { patientsInReach } from "../../../lib/checks/records/patients.ts";
import { searchThatFinds, type RecordedResource } from "../../../lib/checks/records/records.ts";
import { search, type SearchResult } from "../../../lib/checks/records/searching.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import type { SearchParameters, SearchQuery } from "../../../lib/fhir/requests.ts";
import { referenceTo } from "../../../lib/fhir/resource.ts";
import { guide } from "../content/guides.ts";
import { candidatesFor, noValues, parametersOf, usual, type Candidate } from "./candidates.ts";
import { capped, missing, nameOf, needsAnswer, refusalFindings, showSearch, strangers } from "./judging.ts";
import { poolOf } from "./pool.ts";

type Found = Extract<SearchResult, { kind: "found" }>;

interface Base {
  readonly type: string;
  /** The check that says whether the search is answered at all. */
  readonly by: string;
  /** A search that finds something. */
  readonly query: SearchQuery;
  readonly candidate: Candidate;
  readonly known: readonly RecordedResource[];
}

/**
 * A search of a type that finds something: by the patient with most resources, or where there is no patient, by values.
 */
async function findingSearch(
  context: CheckContext,
  parameters: Readonly<Record<string, unknown>>,
): Promise<Base> {
  const type = String(parameters["type"]);
  const by = String(parameters["by"]);
  const names = String(parameters["search"]).split("+");
  await declaredInteraction(context, type, "search-type");
  const { records } = await poolOf(context, type);
  const known = records.resources;
  if (names.includes("patient")) {
    const counts = new Map<string, RecordedResource[]>();
    for (const record of known) {
      if (record.patient !== undefined)
        counts.set(record.patient, [...(counts.get(record.patient) ?? []), record]);
    }
    const [most] = [...counts].toSorted(([, one], [, other]) => other.length - one.length);
    const asked = most === undefined ? undefined : await searchThatFinds(context, type, most[0]);
    if (most !== undefined && asked !== undefined) {
      const candidate = {
        asked: asked.map(([name, value]) => ({ name, value, from: most[1][0] })),
        patient: most[0],
      };
      return { type, by, query: { type, parameters: asked }, candidate, known: most[1] };
    }
  }
  const [candidate] = candidatesFor(context, known, [], names, usual(type));
  if (candidate === undefined) throw noValues(type, names, undefined);
  return { type, by, query: { type, parameters: parametersOf(candidate) }, candidate, known };
}

/** Every page is a valid Bundle of search results, and the pages agree with each other. */
const searchBundle: Procedure = async (context, parameters) => {
  const { type, by, query } = await findingSearch(context, parameters);
  const result = needsAnswer(await search(context, query, { purpose: `search of ${type}` }), by);
  return capped([...result.pages.flatMap((page) => pageFindings(context, page)), ...totals(result)]);
};

function pageFindings(context: CheckContext, { bundle, page, exchange }: Found["pages"][number]): Finding[] {
  const findings: Finding[] = [];
  const say = (code: string, expected: string, actual: string, location: string) =>
    void findings.push({ code, expected, actual, location, exchange });
  if (page.type !== "searchset")
    say("bundle.type", "a Bundle of type searchset", `type ${JSON.stringify(page.type ?? null)}`, "/type");
  if (page.links["self"] === undefined)
    say("bundle.self-link", "a self link with the search as it was understood", "none", "/link");
  for (const [index, { fullUrl, mode, resource }] of page.entries.entries()) {
    if (fullUrl === undefined && mode !== "outcome")
      say("bundle.full-url", "a fullUrl for every entry", "none", `/entry/${index}/fullUrl`);
    if (mode !== undefined && !["match", "include", "outcome"].includes(mode))
      say("bundle.mode", "match, include or outcome", "another mode", `/entry/${index}/search/mode`);
    if (fullUrl !== undefined && resource !== undefined && !fullUrl.startsWith("urn:")) {
      const reference = referenceTo(resource);
      if (reference !== undefined && !fullUrl.split("/_history/")[0]?.endsWith(`/${reference}`)) {
        say(
          "bundle.full-url",
          "a fullUrl that ends with the type and id of its resource",
          `another one (${context.health(fullUrl)})`,
          `/entry/${index}/fullUrl`,
        );
      }
    }
  }
  const { findings: defects } = guide("us-core-6.1.0").validator.validateResource(bundle);
  for (const defect of defects) {
    const serious = defect.severity === "error" || defect.severity === "fatal";
    // The resources themselves are judged elsewhere: here they are only named.
    if (
      !serious ||
      /\.entry\[\d+\]\.resource/.test(defect.expression) ||
      defect.rule.startsWith("bundle-full-url")
    )
      continue;
    say("bundle.invalid", "a valid Bundle", `the rule ${defect.rule} broken`, defect.expression);
  }
  return findings;
}

/** `total` counts matches, on all pages together, and no page has one that another has. */
function totals(result: Found): readonly Finding[] {
  const findings: Finding[] = [];
  const [first] = result.pages;
  const total = first?.page.total;
  if (
    first !== undefined &&
    total !== undefined &&
    result.cut === undefined &&
    total !== result.matches.length
  ) {
    findings.push({
      code: "bundle.total",
      expected: `total ${result.matches.length}, the number of matches on all pages`,
      actual: `total ${JSON.stringify(total)}`,
      location: "/total",
      exchange: first.exchange,
    });
  }
  return findings;
}

/** Most pages that a walk through a result may take. */
const MOST_PAGES = 15;

/** A result asked for in small pages is whole: nothing lost, nothing twice, and no link that leads elsewhere. */
const pagesAreWhole: Procedure = async (context, parameters) => {
  const base = await findingSearch(context, parameters);
  const { type, by } = base;
  const first = needsAnswer(await search(context, base.query, { purpose: `search of ${type}` }), by);
  const { query, whole } =
    first.matches.length > 1 ? { query: base.query, whole: first } : await byIds(context, type);
  const wanted = new Set(whole.matches.map(({ resource }) => referenceTo(resource)));
  const count = Math.max(1, Math.ceil(wanted.size / 4));
  const asked: SearchParameters = [...query.parameters, ["_count", String(count)]];
  const result = await search(
    context,
    { type, parameters: asked },
    { purpose: `search of ${type} in pages of ${count}`, pages: MOST_PAGES },
  );
  showSearch(context, base.candidate, result, `pages of ${count}`);
  if (result.kind === "refused" && !context.target.vendor)
    throw new NotApplicable(`the server refuses _count (${result.status}), which nobody promises of it`);
  if (result.kind !== "found")
    return refusalFindings(result, `a search of ${type} with _count=${count} to be answered`);
  return [...result.defects, ...pageSizes(result, count), ...pageLosses(context, result, whole)];
};

/** Where no search finds two: all that is known at once, by their ids. */
async function byIds(context: CheckContext, type: string): Promise<{ query: SearchQuery; whole: Found }> {
  const { records } = await poolOf(context, type);
  const ids = records.resources.slice(0, 12).map(({ id }) => id);
  const query: SearchQuery = { type, parameters: [["_id", ids.join(",")]] };
  const declared = await declaredInteraction(context, type, "search-type");
  if (ids.length > 1 && declared.searchParameters.has("_id")) {
    const whole = await search(context, query, { purpose: `search of ${type} by several ids` });
    if (whole.kind === "found" && whole.matches.length > 1) return { query, whole };
  }
  throw new NoData(
    `no search of ${type} finds two resources, to be put on two pages`,
    `a patient with at least three ${type} resources`,
  );
}

function pageSizes(result: Found, count: number): readonly Finding[] {
  return capped(
    result.pages.flatMap(({ page, exchange }) => {
      const matches = page.entries.filter(
        ({ mode, resource }) => mode === "match" || (mode === undefined && resource !== undefined),
      );
      if (matches.length <= count) return [];
      return [
        {
          code: "paging.too-many",
          expected: `no more than the ${count} matches that _count asks for`,
          actual: `${matches.length} on one page`,
          exchange,
        },
      ];
    }),
  );
}

function pageLosses(context: CheckContext, result: Found, whole: Found): readonly Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, number>();
  for (const { resource, exchange } of result.matches) {
    const name = referenceTo(resource) ?? "";
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    if (times === 2) {
      findings.push({
        code: "paging.duplicate",
        expected: "every match on one page only",
        actual: `${nameOf(context, resource)} twice`,
        exchange,
      });
    }
  }
  const isCut = result.cut !== undefined && result.defects.length === 0;
  if (!isCut && whole.cut === undefined) {
    const lost = whole.matches.filter(({ resource }) => !seen.has(referenceTo(resource) ?? ""));
    findings.push(
      ...lost.map(({ resource }) => ({
        code: "paging.lost",
        expected: "on the pages together what one page has",
        actual: `${nameOf(context, resource)} on none of them`,
        exchange: result.exchange,
      })),
    );
  }
  return capped(findings);
}

/** A date that no record has. */
const FAR_AWAY = "2199-01-01";
/** An id that nobody has. */
const NO_ID = "no-such-id-3f6c2b9e";

/** A search that matches nothing is answered with an empty Bundle. */
const emptyResult: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const declared = await declaredInteraction(context, type, "search-type");
  const { date, dateSearch } = parameters;
  const names = typeof dateSearch === "string" ? dateSearch.split("+") : [];
  const asked: SearchParameters =
    typeof date === "string" &&
    names.includes("patient") &&
    names.every((name) => declared.searchParameters.has(name))
      ? await farAway(context, type, names, date)
      : [["_id", NO_ID]];
  if (asked[0]?.[0] === "_id" && !declared.searchParameters.has("_id"))
    throw new NotApplicable(
      `the CapabilityStatement declares no search of ${type} that surely matches nothing`,
    );
  const result = await search(
    context,
    { type, parameters: asked },
    { purpose: `search of ${type} that matches nothing` },
  );
  if (result.kind !== "found") {
    return refusalFindings(result, "an empty Bundle for a search that matches nothing").map((finding) => ({
      ...finding,
      code: finding.code === "search.refused" ? "search.empty-refused" : finding.code,
    }));
  }
  // Whatever matches after all, such as a period without a beginning, is rightly there.
  return strangers(context, result, asked);
};

async function farAway(
  context: CheckContext,
  type: string,
  names: readonly string[],
  date: string,
): Promise<SearchParameters> {
  const { records } = await poolOf(context, type);
  const [candidate] = candidatesFor(context, records.resources, [], names, usual(type));
  if (candidate === undefined) return [["_id", NO_ID]];
  const open = records.resources.some(({ resource }) => JSON.stringify(resource).includes('"start"'));
  // What has begun and not ended reaches into any future, and nothing into a past before there were records.
  return parametersOf(candidate).map(([name, value]) =>
    name === date ? ([name, open ? "lt1800-01-01" : `gt${FAR_AWAY}`] as const) : ([name, value] as const),
  );
}

/** A value that cannot be read is refused with 400 and an OperationOutcome. */
const invalidValue: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const declared = await declaredInteraction(context, type, "search-type");
  const named = [parameters["date"], "_lastUpdated"].find(
    (name) => typeof name === "string" && declared.searchParameters.has(name),
  );
  if (typeof named !== "string")
    throw new NotApplicable(`no search parameter of ${type} is declared whose values can be wrong`);
  const asked: (readonly [string, string])[] = [[named, "not-a-date"]];
  if (declared.searchParameters.has("patient")) {
    const { ids } = await context.fact(patientsInReach);
    if (ids[0] !== undefined) asked.unshift(["patient", ids[0]]);
  }
  const result = await search(
    context,
    { type, parameters: asked, handling: "strict" },
    { purpose: `search of ${type} by a date that is none` },
  );
  return refusedWith(result, "search.invalid-accepted", `a date that is none (${named}) to be refused`);
};

/** The findings of an answer that should be 400 with an OperationOutcome. */
function refusedWith(result: SearchResult, accepted: string, expected: string): readonly Finding[] {
  const { exchange } = result;
  if (result.kind !== "refused")
    return [{ code: accepted, expected, actual: "an answer with status 200", exchange }];
  if (result.status === 403)
    throw new NotApplicable("the token of this application does not reach so far (403)");
  const findings: Finding[] = [];
  if (result.status !== 400)
    findings.push({
      code: "http.status",
      expected: "status 400",
      actual: `status ${result.status}`,
      exchange,
    });
  if (!result.explained)
    findings.push({
      code: "fhir.operation-outcome",
      expected: "an OperationOutcome that says why",
      actual: "another body",
      exchange,
    });
  return findings;
}

/** A parameter that no server knows. */
const UNKNOWN = "careconnect-conformance-unknown";

/** Under strict handling, an unknown parameter is an error. */
const unknownParameterStrict: Procedure = async (context, parameters) => {
  const { type, by, query } = await findingSearch(context, parameters);
  needsAnswer(await search(context, query, { purpose: `search of ${type}` }), by);
  const result = await search(
    context,
    { ...query, parameters: [...query.parameters, [UNKNOWN, "1"]], handling: "strict" },
    { purpose: `search of ${type} by an unknown parameter, to be handled strictly` },
  );
  if (result.kind === "refused" && result.status >= 400 && result.status < 500) {
    return result.explained ? [] : refusedWith({ ...result, status: 400 }, "", "");
  }
  return refusedWith(
    result,
    "search.unknown-accepted",
    "an unknown parameter to be refused under strict handling",
  );
};

/** Under lenient handling, an unknown parameter changes nothing. */
const unknownParameterLenient: Procedure = async (context, parameters) => {
  const { type, by, query, known } = await findingSearch(context, parameters);
  needsAnswer(await search(context, query, { purpose: `search of ${type}` }), by);
  const result = await search(
    context,
    { ...query, parameters: [...query.parameters, [UNKNOWN, "1"]], handling: "lenient" },
    { purpose: `search of ${type} by an unknown parameter, to be handled leniently` },
  );
  if (result.kind !== "found")
    return refusalFindings(result, "an unknown parameter to be passed over under lenient handling");
  const used = result.pages[0]?.page.links["self"] ?? "";
  const claimed: readonly Finding[] = used.includes(UNKNOWN)
    ? [
        {
          code: "search.unknown-claimed",
          expected: "a self link without the parameter that was passed over",
          actual: "a self link with it",
          location: "/link",
          exchange: result.exchange,
        },
      ]
    : [];
  return [
    ...claimed,
    ...missing(context, result, query.parameters, known),
    ...strangers(context, result, query.parameters),
  ];
};

/** What is asked for by the time of its last change is what has changed since. */
const lastUpdated: Procedure = async (context, parameters) => {
  const { type, by, query, known } = await findingSearch(context, parameters);
  const declared = await declaredInteraction(context, type, "search-type");
  if (!declared.searchParameters.has("_lastUpdated"))
    throw new NotApplicable(`the CapabilityStatement does not declare _lastUpdated for ${type}`);
  needsAnswer(await search(context, query, { purpose: `search of ${type}` }), by);
  const times = known
    .flatMap((record) => {
      const { meta } = record.resource;
      const text =
        typeof meta === "object" && meta !== null
          ? (meta as { lastUpdated?: unknown }).lastUpdated
          : undefined;
      return typeof text === "string" ? [{ text, record }] : [];
    })
    .toSorted((one, other) => Date.parse(one.text) - Date.parse(other.text));
  const middle = times[Math.floor(times.length / 2)];
  if (middle === undefined)
    throw new NoData(
      `no ${type} in reach says when it was last updated`,
      `a patient with a ${type} with meta.lastUpdated`,
    );
  const findings: Finding[] = [];
  for (const comparator of ["ge", "lt"]) {
    const asked: SearchParameters = [...query.parameters, ["_lastUpdated", `${comparator}${middle.text}`]];
    const result = await search(
      context,
      { type, parameters: asked },
      { purpose: `search of ${type} by _lastUpdated` },
    );
    showSearch(
      context,
      { asked: asked.map(([name, value]) => ({ name, value, from: middle.record })) },
      result,
    );
    if (result.kind !== "found")
      return refusalFindings(result, `_lastUpdated of ${type} to be answered, as declared`);
    findings.push(...strangers(context, result, asked), ...missing(context, result, asked, known));
  }
  return findings;
};

export const answerProcedures: Readonly<Record<string, Procedure>> = {
  emptyResult,
  invalidValue,
  lastUpdated,
  pagesAreWhole,
  searchBundle,
  unknownParameterLenient,
  unknownParameterStrict,
};
