/** Scopes restricted by search parameters: Condition and Observation by category (US Core 6.1.0). */
import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NoData, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { declaredType } from "../../lib/checks/records/declared.ts";
import { recordsOf } from "../../lib/checks/records/records.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { SearchParameters } from "../../lib/fhir/requests.ts";
import type { Resource } from "../../lib/fhir/resource.ts";
import { beyond } from "../../lib/smart/scopes/algebra.ts";
import { grantOf, levelOf, permits, refusedFindings, scopeSet, toldWords, type Grant } from "./grants.ts";
import {
  answerWords,
  getOf,
  isTelling,
  ownPatient,
  probe,
  readOf,
  searchOf,
  type Probe,
  type Question,
} from "./probes.ts";

/** A category of Condition or Observation that a scope is confined to. */
interface Category {
  readonly type: string;
  readonly system: string;
  readonly code: string;
}

/** Pages of a search that are followed. */
const MOST_PAGES = 20;

function categoryOf(parameters: Readonly<Record<string, unknown>>): Category {
  return {
    type: String(parameters["type"]),
    system: String(parameters["system"]),
    code: String(parameters["code"]),
  };
}

const isIn =
  ({ system, code }: Category) =>
  (resource: Resource): boolean =>
    select(resource, "/category/*/coding/*").some(
      ({ value }) => isObject(value) && value["system"] === system && value["code"] === code,
    );

const idOf = (resource: Resource): string => String(resource["id"]);

const scopeOf = (context: CheckContext, { type, system, code }: Category) =>
  `${levelOf(context)}/${type}.rs?category=${system}|${code}`;

interface Restricted {
  readonly grant: Grant;
  /** The patient's resources of the type, by the usual token: in the category, and outside of it. */
  readonly inside: readonly Resource[];
  readonly outside: readonly Resource[];
}

/** The grant with what it has to show and what not. */
async function restrictedTo(context: CheckContext, category: Category): Promise<Restricted> {
  await declaredType(context, category.type);
  const patient = await ownPatient(context);
  const records = await recordsOf(context, category.type);
  if (records.incomplete !== undefined) {
    throw new Blocked(`not all resources of type ${category.type} are known: ${records.incomplete}`);
  }
  const all = records.resources.filter((one) => one.patient === patient).map((one) => one.resource);
  const inside = all.filter(isIn(category));
  const outside = all.filter((resource) => !inside.includes(resource));
  const { type, code } = category;
  if (inside.length === 0)
    throw new NoData(
      `the patient has no ${type} of category ${code}`,
      `a patient with a ${type} of category ${code}`,
    );
  if (outside.length === 0)
    throw new NoData(
      `the patient has no ${type} outside of category ${code}`,
      `a patient with a ${type} of another category than ${code}`,
    );
  return { grant: await grantOf(context, [scopeOf(context, category)]), inside, outside };
}

/** As {@link restrictedTo}, where the grant has to be as asked: what is wrong with it is another check's finding. */
async function grantedRestricted(context: CheckContext, category: Category): Promise<Restricted> {
  const restricted = await restrictedTo(context, category);
  const { grant } = restricted;
  if (addedTo(context, grant).length > 0 || !permits(grant, category.type, "s")) {
    throw new Blocked(
      `the server granted ${toldWords(grant)}`,
      `scopes.granular:${category.type}-${category.code}`,
    );
  }
  return restricted;
}

const addedTo = (context: CheckContext, grant: Grant) =>
  beyond(grant.told ?? [], scopeSet(context, grant.asked));

interface Followed {
  readonly pages: readonly Probe[];
  readonly resources: readonly Resource[];
}

/** A search with all its pages. */
async function follow(context: CheckContext, grant: Grant, question: Question): Promise<Followed> {
  const pages = [await probe(context, grant, question)];
  for (let next = pages[0]?.next; next !== undefined && pages.length < MOST_PAGES; ) {
    if (!URL.canParse(next) || new URL(next).origin !== grant.bearer.origin) break;
    const request = { ...question.request, method: "GET" as const, url: next };
    const { body: _, ...withoutBody } = request as typeof request & { body?: unknown };
    const page = await probe(context, grant, { how: "next page", request: withoutBody });
    pages.push(page);
    next = page.next;
  }
  return { pages, resources: pages.flatMap((page) => page.resources) };
}

/** What came of a restricted search that is outside of the restriction, page by page. */
function leaksOf(pages: readonly Probe[], category: Category, grant: Grant, how: string): readonly Finding[] {
  const { type, code } = category;
  return pages.flatMap((page) => {
    const outside = page.resources.filter(
      (resource) => resource.resourceType === type && !isIn(category)(resource),
    );
    return outside.length === 0
      ? []
      : [
          {
            code: "scope.leak",
            expected: `no ${type} outside of category ${code} with ${toldWords(grant)}`,
            actual: `${outside.length} of ${page.resources.length} outside of it`,
            location: how,
            exchange: page.exchange,
          },
        ];
  });
}

/** A search with the restricted token gives exactly the subset. Parameters: `type`, `system`, `code`. */
export const granularSubset: Procedure = async (context, parameters) => {
  const category = categoryOf(parameters);
  let restricted: Restricted;
  try {
    restricted = await restrictedTo(context, category);
  } catch (error) {
    return refusedFindings(error, [scopeOf(context, category)]);
  }
  const { grant, inside } = restricted;
  const { type, code } = category;
  const more = addedTo(context, grant);
  if (more.length > 0 || !permits(grant, type, "s")) {
    return [
      {
        code: more.length > 0 ? "scope.beyond" : "scope.narrowed",
        expected: `${grant.asked.join(" ")} granted as it was asked for`,
        actual: toldWords(grant),
        location: "scope",
        exchange: grant.token.exchange,
      },
    ];
  }
  const { pages, resources } = await follow(
    context,
    grant,
    searchOf(context, type, [["patient", await ownPatient(context)]]),
  );
  const [first] = pages;
  if (first === undefined) throw new Error("unreachable: a search has a first page");
  if (first.kind === "refused" || first.kind === "absent") {
    return [
      {
        code: "scope.not-honoured",
        expected: `a search of ${type} with ${toldWords(grant)}`,
        actual: answerWords(first),
        location: "search",
        exchange: first.exchange,
      },
    ];
  }
  if (!isTelling(first)) {
    throw new Blocked(`the search by patient alone was answered with ${answerWords(first)}`);
  }
  const found = new Set(resources.map(idOf));
  const missing = inside.filter((resource) => !found.has(idOf(resource)));
  const findings = [...leaksOf(pages, category, grant, "search")];
  if (missing.length > 0)
    findings.push({
      code: "scope.not-honoured",
      expected: `all ${inside.length} ${type} resources of category ${code}`,
      actual: `${missing.length} missing`,
      location: "search",
      exchange: first.exchange,
    });
  return findings;
};

/** Ways around a restriction, as questions about resources outside of it. */
const WAYS: Readonly<
  Record<
    string,
    (context: CheckContext, category: Category, restricted: Restricted) => Promise<readonly Question[]>
  >
> = {
  read: (context, { type }, { outside }) =>
    Promise.resolve(outside.slice(0, 3).map((one) => readOf(context, type, idOf(one)))),
  vread: async (context, { type }, { outside }) => {
    const declared = await declaredType(context, type);
    if (!declared.interactions.has("vread")) throw new NotApplicable(`vread of ${type} is not declared`);
    return outside.slice(0, 1).map((one) => {
      const told = isObject(one["meta"]) ? one["meta"]["versionId"] : undefined;
      const version = typeof told === "string" ? told : "1";
      return getOf(context, `${type}/${idOf(one)}/_history/${version}`, [], "vread");
    });
  },
  "search by id": (context, { type }, { outside }) =>
    Promise.resolve(
      outside.slice(0, 2).map((one) => searchOf(context, type, [["_id", idOf(one)]], "GET", "search by _id")),
    ),
  "search by POST": async (context, { type }) => [
    searchOf(context, type, [["patient", await ownPatient(context)]], "POST"),
  ],
  "or values": async (context, category, { outside }) => [
    await searchWith(
      context,
      category,
      `${token(category)},${otherToken(category, outside)}`,
      "search with OR values",
    ),
  ],
  "other category": async (context, category, { outside }) => [
    await searchWith(context, category, otherToken(category, outside), "search of another category"),
  ],
  paging: async (context, { type }) => [
    searchOf(
      context,
      type,
      [
        ["patient", await ownPatient(context)],
        ["_count", "2"],
      ],
      "GET",
      "paging links",
    ),
  ],
};

const token = ({ system, code }: Category) => `${system}|${code}`;

function otherToken(category: Category, outside: readonly Resource[]): string {
  const codings = outside.flatMap((resource) => select(resource, "/category/*/coding/*"));
  const found = codings.find(
    ({ value }) => isObject(value) && typeof value["code"] === "string" && value["code"] !== category.code,
  )?.value;
  if (!isObject(found))
    throw new NoData("no other category is coded", `a ${category.type} of another category`);
  const { system, code } = found;
  return typeof system === "string" ? `${system}|${String(code)}` : String(code);
}

async function searchWith(
  context: CheckContext,
  { type }: Category,
  value: string,
  how: string,
): Promise<Question> {
  const parameters: SearchParameters = [
    ["patient", await ownPatient(context)],
    ["category", value],
  ];
  return searchOf(context, type, parameters, "GET", how);
}

/** There is no way around a restriction. Parameters: `type`, `system`, `code`, `way`. */
export const granularHolds: Procedure = async (context, parameters) => {
  const category = categoryOf(parameters);
  const way = String(parameters["way"]);
  const make = WAYS[way];
  if (make === undefined) throw new Error(`there is no way ${way}`);
  const restricted = await grantedRestricted(context, category);
  const questions = await make(context, category, restricted);
  const findings: Finding[] = [];
  let told = false;
  for (const question of questions) {
    const { pages } = await follow(context, restricted.grant, question);
    told ||= pages.some(isTelling);
    findings.push(...leaksOf(pages, category, restricted.grant, question.how));
  }
  if (!told) throw new NotApplicable("the server does not answer such a request, whatever the token");
  return findings;
};

/** What is inside of a restriction can be read. Parameters: `type`, `system`, `code`. */
export const granularInside: Procedure = async (context, parameters) => {
  const category = categoryOf(parameters);
  const { grant, inside } = await grantedRestricted(context, category);
  const findings: Finding[] = [];
  for (const one of inside.slice(0, 3)) {
    const seen = await probe(context, grant, readOf(context, category.type, idOf(one)));
    if (!isTelling(seen)) throw new Blocked(`a read was answered with ${answerWords(seen)}`);
    if (seen.kind === "data") continue;
    findings.push({
      code: "scope.not-honoured",
      expected: `a read of ${category.type} of category ${category.code} with ${toldWords(grant)}`,
      actual: answerWords(seen),
      location: "read",
      exchange: seen.exchange,
    });
  }
  return findings;
};
