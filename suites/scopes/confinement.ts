/** Confinement: a token of patient level shows one patient's record, whatever is asked and however. */
import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NoData, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { declaredTypes, type DeclaredType } from "../../lib/checks/records/declared.ts";
import { recordsOf } from "../../lib/checks/records/records.ts";
import type { ResultCell } from "../../lib/checks/results.ts";
import type { Resource } from "../../lib/fhir/resource.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { endExport } from "./around.ts";
import { foreignAmong, foreignIds, mentions, ownPatients, strangers } from "./foreign.ts";
import { typesWithCheck } from "./rows.ts";
import { patientGrant, permits, subjectType, type Grant } from "./grants.ts";
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

/** A search that names nobody: what it shows is a leak, what it does not show says little. */
const UNGUIDED = "search without a patient";

/** Pages of a search that are looked at. */
const MOST_PAGES = 5;

/** What to do that a check could be made, for the shopping list. */
const WANTED =
  "ids of another patient's data: a registration for the tenant's API for system access, or otherPatients and foreignResources in its configuration";

/** One question with what came of it. */
interface Asked {
  readonly how: string;
  readonly probe: Probe;
  /** How many resources of another patient came, and of which types. */
  readonly foreign: number;
  readonly types: readonly string[];
}

function asked(how: string, seen: Probe, foreign: readonly Resource[]): Asked {
  const types = [...new Set(foreign.map(({ resourceType }) => resourceType))];
  return { how, probe: seen, foreign: foreign.length, types };
}

async function ask(context: CheckContext, grant: Grant, question: Question): Promise<Asked> {
  const seen = await probe(context, grant, question);
  return asked(question.how, seen, await foreignAmong(context, seen.resources));
}

/** A read of what is another patient's: what comes back with this id is a leak, unless it names the own patient. */
async function askForeign(
  context: CheckContext,
  grant: Grant,
  question: Question,
  id: string,
): Promise<Asked> {
  const seen = await probe(context, grant, question);
  const own = await context.fact(ownPatients);
  const came = seen.resources.filter(
    (resource) => resource["id"] === id && !mentions(resource, own, context.target.base),
  );
  const others = await foreignAmong(context, seen.resources);
  return asked(question.how, seen, [...new Set([...came, ...others])]);
}

function leakOf(type: string, { how, probe: seen, foreign, types }: Asked): readonly Finding[] {
  return foreign === 0
    ? []
    : [
        {
          code: "patient.leak",
          expected: `no ${type} of another patient`,
          actual: `${foreign} of another patient (${types.join(", ")}), with status ${seen.status}`,
          location: how,
          exchange: seen.exchange,
        },
      ];
}

/** What was asked about one type. */
interface TypeAnswers {
  readonly type: string;
  readonly answers: readonly Asked[];
  /** Whether anything of another patient was there to be asked for. */
  readonly known: boolean;
}

/** Every way to ask for a type of another patient, asked once. */
async function answersFor(context: CheckContext, type: string): Promise<TypeAnswers> {
  return await context.fact({
    name: `confinement of ${type}`,
    explainedBy: "declared-answers.read",
    provide: (own) => askAll(own, type),
  });
}

async function askAll(context: CheckContext, type: string): Promise<TypeAnswers> {
  const declared = (await context.fact(declaredTypes)).get(type);
  if (declared === undefined) {
    throw new NotApplicable(`the CapabilityStatement does not declare the resource type ${type}`);
  }
  const grant = await patientGrant(context);
  if (!permits(grant, type, "r") && !permits(grant, type, "s")) {
    throw new Blocked(`the token has no scope for ${type}: nothing of it would come anyway`);
  }
  const ids = await foreignIds(context, type);
  const { patient } = await context.fact(strangers);
  const reads = permits(grant, type, "r") && declared.interactions.has("read") ? ids : [];
  const searches =
    permits(grant, type, "s") && declared.interactions.has("search-type")
      ? await searchesFor(context, declared, ids, patient)
      : [];
  const answers = await Promise.all([
    ...reads.map((id) => askForeign(context, grant, readOf(context, type, id), id)),
    ...searches.map((question) => ask(context, grant, question)),
  ]);
  const telling = answers.filter((one) => isTelling(one.probe) && one.how !== UNGUIDED);
  if (ids.length > 0 && telling.length === 0 && answers.every(({ foreign }) => foreign === 0)) {
    const [first] = answers;
    throw new Blocked(
      first === undefined
        ? `the CapabilityStatement declares no way to reach ${type}`
        : `no request for ${type} of another patient was answered (${answerWords(first.probe)})`,
    );
  }
  return { type, answers, known: ids.length > 0 };
}

/** As {@link answersFor}, for several types; one that cannot be asked about has no answers. */
async function answersForAll(
  context: CheckContext,
  types: readonly string[],
): Promise<readonly TypeAnswers[]> {
  return await Promise.all(
    types.map(async (type) => {
      try {
        return await answersFor(context, type);
      } catch (error) {
        if (!(error instanceof Blocked)) throw error;
        return { type, answers: [], known: false };
      }
    }),
  );
}

async function searchesFor(
  context: CheckContext,
  { type, searchParameters }: DeclaredType,
  ids: readonly string[],
  patient: string | undefined,
): Promise<readonly Question[]> {
  const own = await ownPatient(context);
  const name = type === "Patient" ? "_id" : "patient";
  const byPatient =
    patient === undefined || (type !== "Patient" && !searchParameters.has("patient"))
      ? []
      : [
          searchOf(context, type, [[name, patient]], "GET", "search by the other patient"),
          searchOf(context, type, [[name, patient]], "POST", "search by the other patient, by POST"),
          searchOf(context, type, [[name, `${own},${patient}`]], "GET", "search by both patients"),
        ];
  const byId = ids
    .slice(0, 1)
    .map((id) => searchOf(context, type, [["_id", id]], "GET", "search by the resource's id"));
  return [
    searchOf(context, type, [["_count", "50"]], "GET", UNGUIDED),
    ...byPatient,
    ...(type === "Patient" ? [] : byId),
  ];
}

/** No way to ask gives a type of another patient. Parameter: `type`. */
export const confined: Procedure = async (context, parameters) => {
  const answers = await answersFor(context, String(parameters["type"]));
  const findings = answers.answers.flatMap((one) => leakOf(answers.type, one));
  if (findings.length === 0 && !answers.known) throw await unknown(context, answers.type);
  return findings;
};

async function unknown(context: CheckContext, type: string): Promise<NoData> {
  const { words, patient } = await context.fact(strangers);
  const why = patient === undefined ? words : `no ${type} of another patient is known`;
  return new NoData(`only a search without a patient could be made, and showed nothing (${why})`, WANTED);
}

/** As {@link confined}, for the declared types that have no check of their own. Parameter: `except`: how their ids begin. */
export const othersConfined: Procedure = async (context, parameters) => {
  const except = typesWithCheck(String(parameters["except"]));
  const types = await typesInReach(context, except);
  if (types.length === 0)
    throw new NotApplicable("the CapabilityStatement declares no further types in reach");
  const answers = await answersForAll(context, types);
  const findings = answers.flatMap(({ type, answers: asked }) => asked.flatMap((one) => leakOf(type, one)));
  const told = answers.some(({ answers: asked }) => asked.some(({ probe: { kind } }) => kind !== "failed"));
  if (findings.length === 0 && !told) throw await unknown(context, types.join(", "));
  return findings;
};

async function typesInReach(
  context: CheckContext,
  except: ReadonlySet<string> = new Set(),
): Promise<readonly string[]> {
  const grant = await patientGrant(context);
  return [...(await context.fact(declaredTypes)).values()]
    .filter(({ type, interactions }) => {
      const isReached =
        (interactions.has("read") && permits(grant, type, "r")) ||
        (interactions.has("search-type") && permits(grant, type, "s"));
      return isReached && !except.has(type);
    })
    .map(({ type }) => type)
    .toSorted();
}

const COLUMNS = [
  "read",
  UNGUIDED,
  "search by the other patient",
  "search by the other patient, by POST",
  "search by both patients",
  "search by the resource's id",
];

/** Every type in reach and every way to ask for another patient's, in one table. */
export const confinementMatrix: Procedure = async (context) => {
  const types = await typesInReach(context);
  const answers = await answersForAll(context, types);
  const { words } = await context.fact(strangers);
  context.table({
    id: "confinement-matrix",
    title: "Confinement: what a patient's token shows of another patient",
    columns: ["Resource type", ...COLUMNS],
    rows: answers.map(({ type, answers: asked }) => [
      type,
      ...COLUMNS.map((column) => confinementCell(asked.filter(({ how }) => how === column))),
    ]),
    note: `Nothing of another patient may come, whatever the status. A dash: not declared, or nothing known to ask for. Known of others: ${words}.`,
  });
  const findings = answers.flatMap(({ type, answers: asked }) => asked.flatMap((one) => leakOf(type, one)));
  if (findings.length === 0 && !answers.some(({ known }) => known)) throw await unknown(context, "resource");
  return findings;
};

function confinementCell(asked: readonly Asked[]): ResultCell {
  const [first] = asked;
  if (first === undefined) return { text: "–", state: "muted" };
  const leak = asked.find(({ foreign }) => foreign > 0);
  if (leak !== undefined) {
    const { status, exchange } = leak.probe;
    return { text: `LEAK: ${status}, ${leak.foreign} of another`, state: "bad", exchange };
  }
  const { kind, exchange, status } = first.probe;
  const words = status === 0 ? "no answer" : String(status);
  const text = kind === "data" ? `${words}, none of another` : kind === "empty" ? `${words}, nothing` : words;
  if (kind === "failed") return { text, state: "warning", exchange };
  return { text, state: kind === "unsupported" ? "muted" : "good", exchange };
}

/** Another patient to ask for. */
async function stranger(context: CheckContext): Promise<string> {
  const { patient, words } = await context.fact(strangers);
  if (patient === undefined) throw new NoData(`no other patient is known: ${words}`, WANTED);
  return patient;
}

/** A search by both the own and another patient, in the ways in which one may slip past a filter. */
const WAYS: Readonly<
  Record<string, (context: CheckContext, type: string, other: string) => Promise<readonly Question[]>>
> = {
  "reference forms": (context, type, other) =>
    Promise.resolve([
      searchOf(context, type, [["patient", `Patient/${other}`]], "GET", "search by Patient/id"),
      searchOf(context, type, [["patient:Patient", other]], "GET", "search by patient:Patient"),
      searchOf(
        context,
        type,
        [["patient", `${context.target.base}/Patient/${other}`]],
        "GET",
        "search by the patient's URL",
      ),
    ]),
  subject: (context, type, other) =>
    Promise.resolve([searchOf(context, type, [["subject", `Patient/${other}`]], "GET", "search by subject")]),
  "url and form": async (context, type, other) => {
    const { request } = searchOf(context, type, [["patient", other]], "POST");
    const url = `${request.url}?patient=${encodeURIComponent(await ownPatient(context))}`;
    return [{ how: "own patient in the URL, the other in the form", request: { ...request, url } }];
  },
  compartment: (context, type, other) =>
    Promise.resolve([getOf(context, `Patient/${other}/${type}`, [], "search of the other's compartment")]),
  everything: (context, _type, other) =>
    Promise.resolve([getOf(context, `Patient/${other}/$everything`, [], "$everything of the other")]),
  docref: (context, _type, other) =>
    Promise.resolve([
      getOf(context, "DocumentReference/$docref", [["patient", other]], "$docref of the other"),
    ]),
  has: async (context, type, _other) => {
    const [id] = await foreignIds(context, type);
    if (id === undefined) throw new NoData(`no ${type} of another patient is known`, WANTED);
    return [
      searchOf(
        context,
        "Patient",
        [[`_has:${type}:patient:_id`, id]],
        "GET",
        "search of Patient by what refers to it",
      ),
    ];
  },
};

/** A way to ask for another patient's data that gives none. Parameter: `way`. */
export const wayConfined: Procedure = async (context, parameters) => {
  const way = String(parameters["way"]);
  const make = WAYS[way];
  if (make === undefined) throw new Error(`there is no way ${way}`);
  const other = await stranger(context);
  const type = way === "docref" ? "DocumentReference" : await context.fact(subjectType);
  if ((await foreignIds(context, type)).length === 0) {
    throw new NoData(`no ${type} of another patient is known`, WANTED);
  }
  const grant = await patientGrant(context);
  const answers = await Promise.all(
    (await make(context, type, other)).map((question) => ask(context, grant, question)),
  );
  if (answers.every(({ probe: { kind } }) => kind === "failed")) {
    throw new Blocked("the server answered no such request");
  }
  return answers.flatMap((one) => leakOf("resource", one));
};

/** Versions and histories of another patient's resources do not come. */
export const versionsConfined: Procedure = async (context) => {
  const grant = await patientGrant(context);
  const declared = await context.fact(declaredTypes);
  const types = [await context.fact(subjectType), "Patient", "Condition"].filter((type) => {
    const interactions = declared.get(type)?.interactions;
    return interactions?.has("vread") === true || interactions?.has("history-instance") === true;
  });
  if (types.length === 0) throw new NotApplicable("neither vread nor history-instance is declared");
  await stranger(context);
  const findings: Finding[] = [];
  let known = false;
  for (const type of new Set(types)) {
    for (const id of (await foreignIds(context, type)).slice(0, 1)) {
      known = true;
      const questions = [
        getOf(context, `${type}/${id}/_history/1`, [], `vread of ${type}`),
        getOf(context, `${type}/${id}/_history`, [], `history of ${type}`),
      ];
      for (const question of questions) {
        findings.push(...leakOf(type, await askForeign(context, grant, question, id)));
      }
    }
  }
  if (!known) throw new NoData("no resource of another patient is known", WANTED);
  return findings;
};

/** The pages of a search, by the links that the server gives. */
async function pagesOf(
  context: CheckContext,
  grant: Grant,
  question: Question,
): Promise<readonly (Asked & { readonly next?: string })[]> {
  const pages: (Asked & { readonly next?: string })[] = [];
  let current: Question | undefined = question;
  while (current !== undefined && pages.length < MOST_PAGES) {
    const asked = await ask(context, grant, current);
    const { next } = asked.probe;
    pages.push(next === undefined ? asked : { ...asked, next });
    current =
      next === undefined || !URL.canParse(next) || new URL(next).origin !== grant.bearer.origin
        ? undefined
        : { how: `page ${pages.length + 1}`, request: { ...withoutBody(question), url: next } };
  }
  return pages;
}

function withoutBody({ request }: Question): Question["request"] {
  const { body: _, ...rest } = request;
  return { ...rest, method: "GET" };
}

/** A search of few a page, with the links followed. */
async function pagedSearch(context: CheckContext): Promise<readonly (Asked & { readonly next?: string })[]> {
  const type = await context.fact(subjectType);
  const grant = await patientGrant(context);
  const count: readonly (readonly [string, string])[] = [
    ["patient", await ownPatient(context)],
    ["_count", "5"],
  ];
  return await pagesOf(context, grant, searchOf(context, type, count, "GET", "page 1"));
}

/** No page that the server links to shows another patient's resources. */
export const pagesConfined: Procedure = async (context) => {
  const pages = await pagedSearch(context);
  if (pages.length < 2 && pages[0]?.next === undefined) {
    throw new NoData("the search has one page only", `a patient with more than five resources of one type`);
  }
  return pages.flatMap((one) => leakOf("resource", one));
};

/** A paging link does not lead to another patient when that one's id is put into it. */
export const linkConfined: Procedure = async (context) => {
  const other = await stranger(context);
  const own = await ownPatient(context);
  const pages = await pagedSearch(context);
  const next = pages.find((page) => page.next !== undefined)?.next;
  if (next === undefined) {
    throw new NoData("the search has one page only", `a patient with more than five resources of one type`);
  }
  const url = next.replaceAll(encodeURIComponent(own), encodeURIComponent(other));
  if (url === next)
    throw new NotApplicable("the paging links do not name the patient: there is nothing to change");
  const grant = await patientGrant(context);
  const type = await context.fact(subjectType);
  if (new URL(url).origin !== grant.bearer.origin) {
    throw new NotApplicable("the paging links lead to another host, which gets no token from here");
  }
  const { request } = searchOf(context, type, []);
  const asked = await ask(context, grant, {
    how: "paging link with the other patient in it",
    request: { ...request, url },
  });
  return leakOf("resource", asked);
};

/** What own resources include is not another patient's, `_include` and `_revinclude` alike. */
export const includesConfined: Procedure = async (context) => {
  const grant = await patientGrant(context);
  const own = await ownPatient(context);
  const types = [...(await context.fact(declaredTypes)).values()].filter(
    ({ type, searchParameters, interactions, includes, revIncludes }) =>
      interactions.has("search-type") &&
      searchParameters.has("patient") &&
      permits(grant, type, "s") &&
      includes.size + revIncludes.size > 0,
  );
  if (types.length === 0) throw new NotApplicable("no _include and no _revinclude is declared");
  const asked = await Promise.all(
    types.map(async ({ type, includes, revIncludes }) => ({
      type,
      answer: await ask(
        context,
        grant,
        searchOf(
          context,
          type,
          [
            ["patient", own],
            ...[...includes].map((one) => ["_include", one] as const),
            ...[...revIncludes].map((one) => ["_revinclude", one] as const),
          ],
          "GET",
          `search of ${type} with everything that can be included`,
        ),
      ),
    })),
  );
  return asked.flatMap(({ answer }) => leakOf("resource", answer));
};

/** Types that belong to nobody's record, and that many patients' resources refer to. */
const SHARED = ["Practitioner", "Organization", "Location", "PractitionerRole", "Medication"];

/** What refers to a practitioner, an organization or a location is not shown when it is another patient's. */
export const sharedConfined: Procedure = async (context) => {
  const grant = await patientGrant(context);
  const declared = await context.fact(declaredTypes);
  const own = await context.fact(ownPatients);
  if (own.size === 0) throw new NoData("no patient is known", "a patient");
  const asked: Asked[] = [];
  for (const type of SHARED) {
    if (declared.get(type)?.interactions.has("search-type") !== true || !permits(grant, type, "s")) continue;
    const [one] = (await recordsOf(context, type)).resources;
    if (one === undefined) continue;
    const revincludes = [...declared.values()].flatMap(({ type: source, searchParameters }) =>
      [...searchParameters]
        .filter((name) => REFERRING.has(name))
        .map((name) => ["_revinclude", `${source}:${name}`] as const),
    );
    if (revincludes.length === 0) continue;
    asked.push(
      await ask(
        context,
        grant,
        searchOf(
          context,
          type,
          [["_id", one.id], ...revincludes],
          "GET",
          `search of ${type} with what refers to it`,
        ),
      ),
    );
  }
  if (asked.length === 0) throw new NotApplicable("nothing that many patients share can be searched");
  return asked.flatMap((one) => leakOf("resource", one));
};

/** Search parameters by which patients' resources refer to what they share. */
const REFERRING = new Set([
  "location",
  "practitioner",
  "performer",
  "participant",
  "service-provider",
  "organization",
  "author",
  "requester",
  "agent",
]);

/** An export cannot be started with a patient's token. */
export const exportClosed: Procedure = async (context) => {
  const grant = await patientGrant(context);
  const findings: Finding[] = [];
  for (const path of ["$export", "Patient/$export"]) {
    const { request } = getOf(context, path, [], path);
    const headers = { ...(request.headers as Record<string, string>), prefer: "respond-async" };
    const response = await context.send({
      ...request,
      headers,
      bearer: grant.bearer,
      redirect: "manual",
      purpose: `${path} with a patient's token`,
    });
    if (response.status !== 202) continue;
    const status = response.headers.get("content-location");
    if (status !== undefined && URL.canParse(status) && new URL(status).origin === grant.bearer.origin) {
      await endExport(context, grant, status);
    }
    findings.push({
      code: "export.started",
      expected: "no export with a token of patient level",
      actual: "status 202",
      location: path,
      exchange: response.exchange,
    });
  }
  return findings;
};
