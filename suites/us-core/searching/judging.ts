/** What is found wrong with the answer to a search. */
import { Blocked, NotApplicable, type CheckContext } from "../../../lib/checks/context.ts";
import type { RecordedResource } from "../../../lib/checks/records/records.ts";
import { matchParameter, matchSearch } from "../../../lib/checks/records/search-values.ts";
import type { FoundResource, SearchResult } from "../../../lib/checks/records/searching.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import type { SearchParameters } from "../../../lib/fhir/requests.ts";
import { referenceTo, type Resource } from "../../../lib/fhir/resource.ts";
import { listed, parametersOf, type Candidate } from "./candidates.ts";

/** Findings of one kind that are listed; the others are counted. */
const SHOWN = 5;

type Found = Extract<SearchResult, { kind: "found" }>;

/**
 * The findings of a search that was not answered with a Bundle.
 *
 * @throws NotApplicable when the token does not reach so far
 */
export function refusalFindings(result: Exclude<SearchResult, Found>, what: string): readonly Finding[] {
  if (result.kind === "unusable") return [result.finding];
  const { status, exchange, query } = result;
  if (status === 403)
    throw new NotApplicable(`the token of this application does not reach a search of ${query.type} (403)`);
  return [
    {
      code: "search.refused",
      expected: what,
      actual: `status ${status}${result.explained ? " with an OperationOutcome" : ""}`,
      exchange,
    },
  ];
}

/**
 * Ends a check whose question is about the form of a search that is not answered at all: another check says so.
 *
 * @throws Blocked
 */
export function needsAnswer(result: SearchResult, by: string): Found {
  if (result.kind === "found") return result;
  const how =
    result.kind === "refused" ? `refused with status ${result.status}` : "not answered with a Bundle";
  throw new Blocked(`the search itself is ${how}`, by);
}

/** Everything that is wrong with what a search found: what does not match, and what is missing. */
export function resultFindings(
  context: CheckContext,
  result: Found,
  parameters: SearchParameters,
  known: readonly RecordedResource[],
): readonly Finding[] {
  return [...strangers(context, result, parameters), ...missing(context, result, parameters, known)];
}

/** Resources in a result that do not match the search, with the first parameter that they do not match. */
export function strangers(
  context: CheckContext,
  result: Found,
  parameters: SearchParameters,
): readonly Finding[] {
  const { base } = context.target;
  const { type } = result.query;
  const names = listed([...new Set(parameters.map(([name]) => name))]);
  return capped(
    result.matches.flatMap(({ resource, exchange }): Finding[] => {
      if (resource.resourceType !== type) {
        return [
          {
            code: "search.wrong-type",
            expected: `only ${type} resources as matches`,
            actual: `a ${resource.resourceType}`,
            exchange,
          },
        ];
      }
      const broken = parameters.find(([name, value]) => matchParameter(resource, name, value, base) === "no");
      if (broken === undefined) return [];
      return [
        {
          code: "search.wrong-match",
          expected: `only ${type} resources that match ${names}`,
          actual: `${nameOf(context, resource)}, which does not match ${broken[0]}`,
          location: broken[0],
          exchange,
        },
      ];
    }),
  );
}

/** Known resources that have to be in a result and are not. Nothing is said of a result that was cut. */
export function missing(
  context: CheckContext,
  result: Found,
  parameters: SearchParameters,
  known: readonly RecordedResource[],
): readonly Finding[] {
  if (result.cut !== undefined) return [];
  const { base } = context.target;
  const found = new Set(result.matches.map(({ resource }) => referenceTo(resource)));
  const names = listed([...new Set(parameters.map(([name]) => name))]);
  return capped(
    known
      .filter(({ resource }) => matchSearch(resource, parameters, base) === "yes")
      .filter(({ resource }) => !found.has(referenceTo(resource)))
      .map(({ resource, type }) => ({
        code: "search.missing",
        expected: `every ${type} that matches ${names}`,
        actual: `a result without ${nameOf(context, resource)}, which matches and was found before`,
        exchange: result.exchange,
      })),
  );
}

/** `Type/id`, masked where health data is. */
export function nameOf(context: CheckContext, resource: Resource): string {
  const reference = referenceTo(resource);
  return reference === undefined ? `a ${resource.resourceType} without an id` : context.health(reference);
}

/** The first findings, and how many more there are of the same kind. */
export function capped(findings: readonly Finding[]): readonly Finding[] {
  const more = findings.length - SHOWN;
  const last = findings[SHOWN - 1];
  if (more <= 0 || last === undefined) return findings;
  return [...findings.slice(0, SHOWN - 1), { ...last, actual: `${last.actual}; and ${more} more` }];
}

/** Shows what was searched for, which resource each value came from, and what was found. */
export function showSearch(
  context: CheckContext,
  candidate: Candidate,
  result: SearchResult,
  note?: string,
): void {
  const found =
    result.kind === "found"
      ? `${count(result.matches)} found on ${result.pages.length} page${result.pages.length === 1 ? "" : "s"}`
      : "not answered with a Bundle";
  const cut =
    result.kind === "found" && result.cut !== undefined
      ? `; ${result.cut}, so that nothing is called missing`
      : "";
  context.table({
    id: "search",
    title: `${result.query.method ?? "GET"} search of ${result.query.type}`,
    columns: ["parameter", "value", "taken from"],
    rows: candidate.asked.map(({ name, value, from }) => [
      name,
      context.health(value),
      from === undefined ? "" : nameOf(context, from.resource),
    ]),
    note: `${found}${cut}${note === undefined ? "" : `; ${note}`}`,
  });
}

function count(found: readonly FoundResource[]): string {
  return found.length === 1 ? "1 resource" : `${found.length} resources`;
}

/** Known resources that a search by a candidate is about: the patient's, or all. */
export function concerned(
  candidate: Candidate,
  known: readonly RecordedResource[],
): readonly RecordedResource[] {
  return candidate.patient === undefined
    ? known
    : known.filter(({ patient }) => patient === candidate.patient);
}

/** The result judged by the parameters of its candidate, whatever the server was sent in addition. */
export function candidateFindings(
  context: CheckContext,
  candidate: Candidate,
  result: Found,
  known: readonly RecordedResource[],
): readonly Finding[] {
  return resultFindings(context, result, parametersOf(candidate), concerned(candidate, known));
}
