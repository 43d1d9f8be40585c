/** Checks on searches by values of the tenant's own data: what is found matches, and what matches is found. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import { Blocked, NoData, NotApplicable, type CheckContext } from "../../../lib/checks/context.ts";
import { declaredInteraction } from "../../../lib/checks/records/declared.ts";
import { patientsInReach } from "../../../lib/checks/records/patients.ts";
import type { RecordedResource } from "../../../lib/checks/records/records.ts";
import { matchSearch } from "../../../lib/checks/records/search-values.ts";
import { searchWithStatuses } from "../../../lib/checks/records/send-search.ts";
import { FURTHER_VALUES, STATUS_VALUES } from "../../../lib/checks/records/status-values.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import { spanOf } from "../../../lib/fhir/matching/date.ts";
import type { SearchMethod } from "../../../lib/fhir/requests.ts";
import {
  candidatesFor,
  listed,
  MOST_TRIED,
  noValues,
  parametersOf,
  usual,
  type AskedValue,
  type Candidate,
  type WriteValue,
} from "./candidates.ts";
import {
  candidateFindings,
  concerned,
  needsAnswer,
  refusalFindings,
  resultFindings,
  showSearch,
} from "./judging.ts";
import { poolOf } from "./pool.ts";
import { isTelling, valuesToAsk, type SearchValue } from "./values.ts";

/** The row of a check on searches. */
interface Row {
  readonly type: string;
  /** Canonical of the profile; absent where any resource of the type will do. */
  readonly profile?: string;
  readonly names: readonly string[];
  /** The parameter in question, of those. */
  readonly parameter: string;
  /** The check that says whether the search is answered at all. */
  readonly by: string;
}

function rowOf(parameters: Readonly<Record<string, unknown>>): Row {
  const { type, profile, search, parameter, by } = parameters;
  return {
    type: String(type),
    ...(typeof profile === "string" ? { profile } : {}),
    names: String(search).split("+"),
    parameter: typeof parameter === "string" ? parameter : "",
    by: typeof by === "string" ? by : "",
  };
}

/** @throws NotApplicable where the tenant does not declare the search, which another suite judges */
async function mustBeDeclared(context: CheckContext, type: string, names: readonly string[]): Promise<void> {
  const declared = await declaredInteraction(context, type, "search-type");
  const absent = names.filter((name) => !declared.searchParameters.has(name));
  if (absent.length > 0)
    throw new NotApplicable(
      `the CapabilityStatement does not declare a search of ${type} by ${listed(absent)}`,
    );
}

/** A search by values of the tenant's data: what it finds matches, and what matches is found. */
const searchByValues: Procedure = async (context, parameters) => {
  const { type, profile, names } = rowOf(parameters);
  const method: SearchMethod = parameters["method"] === "POST" ? "POST" : "GET";
  await mustBeDeclared(context, type, names);
  const { candidates, known, guessed } = await candidatesOrGuesses(context, type, names, profile);
  let refused: readonly Finding[] = [];
  for (const candidate of candidates.slice(0, MOST_TRIED)) {
    const query = { type, parameters: parametersOf(candidate), method };
    const purpose = `search of ${type} by ${listed(names)}`;
    const { result, withStatuses } = await searchWithStatuses(context, query, { purpose });
    if (result.kind === "found") {
      if (guessed !== undefined) throw guessed;
      const note = withStatuses
        ? "the server asks for a status, so that every status was named (US Core, servers requiring status)"
        : undefined;
      showSearch(context, candidate, result, note);
      return candidateFindings(context, candidate, result, known);
    }
    refused = refusalFindings(result, `a search of ${type} by ${listed(names)} to be answered`);
    showSearch(context, candidate, result);
  }
  return refused;
};

interface Askable {
  readonly candidates: readonly Candidate[];
  readonly known: readonly RecordedResource[];
  /** Why nothing is known, where the candidates are guesses: an answer to one of them proves nothing. */
  readonly guessed?: unknown;
}

/**
 * Searches by values of the data; where there are no data because searches are refused, searches that any server can
 * answer, so that the refusal is told by the check it belongs to.
 *
 * @throws NoData where nothing can be asked
 */
async function candidatesOrGuesses(
  context: CheckContext,
  type: string,
  names: readonly string[],
  profile: string | undefined,
): Promise<Askable> {
  try {
    const { records, pool } = await poolOf(context, type, profile);
    const known = records.resources;
    const candidates = candidatesFor(context, pool, known, names, usual(type));
    if (candidates.length === 0) throw noValues(type, names, profile?.slice(profile.lastIndexOf("/") + 1));
    return { candidates, known };
  } catch (error) {
    const { ids } = error instanceof Blocked ? await context.fact(patientsInReach) : { ids: [] };
    const guesses = ids.slice(0, 1).flatMap((patient) => {
      const asked = names.flatMap((name): readonly AskedValue[] => {
        const value = guess(type, name, patient);
        return value === undefined ? [] : [{ name, value, from: undefined }];
      });
      return asked.length === names.length ? [{ asked, patient }] : [];
    });
    if (guesses.length === 0) throw error;
    return { candidates: guesses, known: [], guessed: error };
  }
}

/** A value that a parameter can have at any server. */
function guess(type: string, name: string, patient: string): string | undefined {
  if (name === "patient") return patient;
  return [STATUS_VALUES[type], FURTHER_VALUES[type]].find((one) => one?.parameter === name)?.values[0];
}

/** Searches for one parameter written in several ways, each judged like any search. */
async function inEveryForm(
  context: CheckContext,
  row: Row,
  forms: readonly { readonly words: string; readonly write: WriteValue }[],
): Promise<readonly Finding[]> {
  const { type, names, parameter, by } = row;
  await mustBeDeclared(context, type, names);
  const { records, pool } = await poolOf(context, type);
  const findings: Finding[] = [];
  let answered = 0;
  const refusals: Finding[] = [];
  const written = forms.map(({ words, write }) => ({
    words,
    candidates: candidatesFor(context, pool, records.resources, names, write),
  }));
  if (written.some(({ candidates }) => candidates.length === 0)) throw noValues(type, names, undefined);
  for (const { words, candidates } of written) {
    const [candidate] = candidates;
    if (candidate === undefined) continue;
    const query = { type, parameters: parametersOf(candidate) };
    const purpose = `search of ${type} by ${listed(names)}, ${parameter} as ${words}`;
    const { result } = await searchWithStatuses(context, query, { purpose });
    showSearch(context, candidate, result, `${parameter} as ${words}`);
    if (result.kind === "found") {
      answered += 1;
      findings.push(...candidateFindings(context, candidate, result, records.resources));
    } else refusals.push(...refusalFindings(result, `${parameter} to be taken as ${words}`));
  }
  if (answered === 0) throw new Blocked("the search is not answered in any form", by);
  return [...refusals, ...findings];
}

const plainly = (type: string, parameter: string, form: WriteValue): WriteValue => {
  const write = usual(type);
  return (name, value) => (name === parameter ? form(name, value) : write(name, value));
};

/** A token is taken as a code alone and with its system (US Core 6.1.0, general requirements, token). */
const tokenForms: Procedure = async (context, parameters) => {
  const row = rowOf(parameters);
  return await inEveryForm(context, row, [
    {
      words: "code",
      write: plainly(row.type, row.parameter, (_, { text, withSystem }) =>
        withSystem === undefined ? undefined : text,
      ),
    },
    { words: "system|code", write: plainly(row.type, row.parameter, (_, { withSystem }) => withSystem) },
  ]);
};

/** A reference is taken as an id alone and with its type (US Core 6.1.0, general requirements, reference). */
const referenceForms: Procedure = async (context, parameters) => {
  const row = rowOf(parameters);
  return await inEveryForm(context, row, [
    { words: "id", write: plainly(row.type, row.parameter, (_, { text }) => text) },
    { words: "Type/id", write: plainly(row.type, row.parameter, (_, { withSystem }) => withSystem) },
  ]);
};

/** A date is taken to the day, and where the data have times, to the second with an offset. */
const datePrecision: Procedure = async (context, parameters) => {
  const row = rowOf(parameters);
  const prefix = parameters["comparators"] === true ? "ge" : "";
  const { pool } = await poolOf(context, row.type);
  const texts = pool.flatMap((record) => valuesToAsk(record, row.parameter, context.target.base));
  const toTheDay = ({ text, edge }: SearchValue): string | undefined => {
    if (edge !== "start" || text.length < 10) return undefined;
    if (!text.includes("T")) return `${prefix}${text}`;
    // Days before, so that no time zone in which the server may see the day makes a difference.
    return prefix === "" ? undefined : `${prefix}${dayBefore(text, 2)}`;
  };
  const toTheSecond = ({ text, edge }: SearchValue): string | undefined =>
    edge === "start" && isToTheSecond(text) ? `${prefix}${text}` : undefined;
  const forms = [
    { words: "a day", value: toTheDay },
    { words: "a time to the second, with an offset", value: toTheSecond },
  ].filter(({ value }) => texts.some((text) => value(text) !== undefined));
  if (forms.length === 0) throw noValues(row.type, row.names, undefined);
  return await inEveryForm(
    context,
    row,
    forms.map(({ words, value }) => ({
      words,
      write: plainly(row.type, row.parameter, (_, given) => value(given)),
    })),
  );
};

function isToTheSecond(text: string): boolean {
  return /T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(text);
}

/** The day so many days before a date. */
function dayBefore(text: string, days: number): string {
  const span = spanOf(text);
  if (span === undefined) return text;
  return new Date(span.start - days * 86_400_000).toISOString().slice(0, 10);
}

/** The day so many days after what a date covers. */
function dayAfter(text: string, days: number): string {
  const span = spanOf(text);
  if (span === undefined) return text;
  return new Date(span.end - 1 + days * 86_400_000).toISOString().slice(0, 10);
}

/** The dates of a parameter in known resources, each once and in order. */
function datesOf(
  records: readonly RecordedResource[],
  parameter: string,
  base: string,
): readonly { readonly text: string; readonly from: RecordedResource }[] {
  const dates = new Map<string, RecordedResource>();
  for (const record of records) {
    for (const { text } of valuesToAsk(record, parameter, base)) {
      if (!dates.has(text)) dates.set(text, record);
    }
  }
  return [...dates]
    .map(([text, from]) => ({ text, from }))
    .toSorted((one, other) => (spanOf(one.text)?.start ?? 0) - (spanOf(other.text)?.start ?? 0));
}

/** Dates that parts of the known resources lie before and after: the dates themselves, and days around them. */
function pivots(dates: ReturnType<typeof datesOf>): ReturnType<typeof datesOf> {
  const chosen =
    dates.length > 24 ? dates.filter((_, index) => index % Math.ceil(dates.length / 24) === 0) : dates;
  return chosen.flatMap(({ text, from }) => [
    ...(text.length < 10 ? [] : [{ text, from }]),
    { text: dayBefore(text, 2), from },
    { text: dayAfter(text, 2), from },
  ]);
}

/** Candidates with other values for one parameter, by how many known resources they find and leave. */
function withDates(
  context: CheckContext,
  row: Row,
  pool: readonly RecordedResource[],
  write: (around: readonly RecordedResource[]) => readonly (readonly AskedValue[])[],
  mayBeEmpty = false,
): readonly Candidate[] {
  const { type, names, parameter } = row;
  const others = names.filter((name) => name !== parameter);
  const { base } = context.target;
  const scored = candidatesFor(context, pool, pool, others, usual(type))
    .slice(0, 8)
    .flatMap((candidate) => {
      const around = concerned(candidate, pool).filter(
        (record) =>
          valuesToAsk(record, parameter, base).length > 0 &&
          matchSearch(record.resource, parametersOf(candidate), base) === "yes",
      );
      return write(around).map((asked) => {
        const whole = { ...candidate, asked: [...candidate.asked, ...asked] };
        const matches = around.map(({ resource }) => matchSearch(resource, parametersOf(whole), base));
        const yes = matches.filter((match) => match === "yes").length;
        const no = matches.filter((match) => match === "no").length;
        return { whole, score: Math.min(yes, 1) * 2 + Math.min(no, 1), balance: Math.min(yes, no) };
      });
    });
  return scored
    .filter(({ score }) => score >= (mayBeEmpty ? 1 : 2))
    .toSorted((one, other) => other.score - one.score || other.balance - one.balance)
    .map(({ whole }) => whole);
}

/** One comparator of a date parameter: it finds what it should, and nothing else. */
const dateComparator: Procedure = async (context, parameters) => {
  const row = rowOf(parameters);
  const comparator = String(parameters["comparator"]);
  const { type, names, parameter, by } = row;
  await mustBeDeclared(context, type, names);
  const { records } = await poolOf(context, type);
  const write = (around: readonly RecordedResource[]) =>
    pivots(datesOf(around, parameter, context.target.base)).map(({ text, from }) => [
      { name: parameter, value: `${comparator}${text}`, from },
    ]);
  const finding = withDates(context, row, records.resources, write);
  const findings = await judgeFirst(context, row, finding, records.resources, by);
  const [first] = finding;
  if (first === undefined || findings.length > 0 || tellsApart(context, first, records.resources))
    return findings;
  // What it finds is all there is: whether it leaves anything out needs a date at the other side.
  const leaving = withDates(context, row, records.resources, write, true).filter((candidate) =>
    tellsApart(context, candidate, records.resources),
  );
  return leaving.length === 0
    ? findings
    : [...findings, ...(await judgeFirst(context, row, leaving, records.resources, by))];
};

/** Whether the last parameter of a search leaves out what the others would find. */
function tellsApart(
  context: CheckContext,
  candidate: Candidate,
  known: readonly RecordedResource[],
): boolean {
  const { base } = context.target;
  const parameters = parametersOf(candidate);
  const last = parameters.at(-1)?.[0] ?? "";
  return concerned(candidate, known).some(
    (record) =>
      // What has no such date is left out by every date.
      valuesToAsk(record, last, base).length > 0 &&
      matchSearch(record.resource, parameters.slice(0, -1), base) === "yes" &&
      matchSearch(record.resource, parameters.slice(-1), base) === "no",
  );
}

/** Asks the best of some candidates and judges the result. */
async function judgeFirst(
  context: CheckContext,
  { type, names }: Row,
  candidates: readonly Candidate[],
  known: readonly RecordedResource[],
  by: string,
): Promise<readonly Finding[]> {
  const [candidate] = candidates;
  if (candidate === undefined) throw noValues(type, names, undefined);
  const query = { type, parameters: parametersOf(candidate) };
  const { result } = await searchWithStatuses(context, query, {
    purpose: `search of ${type} by ${listed(names)}`,
  });
  showSearch(context, candidate, result);
  if (result.kind !== "found") {
    const refused = refusalFindings(result, `a search of ${type} by ${listed(names)} to be answered`);
    // Where the search is refused in every form, its own check says so; here it is the form that is refused.
    await baseSearchIsAnswered(context, type, names, known, by);
    return refused;
  }
  return candidateFindings(context, candidate, result, known);
}

async function baseSearchIsAnswered(
  context: CheckContext,
  type: string,
  names: readonly string[],
  known: readonly RecordedResource[],
  by: string,
): Promise<void> {
  const [plain] = candidatesFor(context, known, known, names, usual(type));
  if (plain === undefined) return;
  const { result } = await searchWithStatuses(context, { type, parameters: parametersOf(plain) });
  needsAnswer(result, by);
}

/** Several values of a parameter, parted by commas: what has one of them is found. */
const multipleOr: Procedure = async (context, parameters) => {
  const row = rowOf(parameters);
  const { type, names, parameter, by } = row;
  await mustBeDeclared(context, type, names);
  const { records } = await poolOf(context, type);
  const known = records.resources;
  const write = usual(type);
  const candidates = candidatesFor(context, known, known, names, write).flatMap((candidate) => {
    const own = candidate.asked.find(({ name }) => name === parameter);
    if (own === undefined) return [];
    const other = otherValue(context, row, candidate, concerned(candidate, known), own);
    if (other === undefined) return [];
    const value = other.from === undefined ? `${other.value},${own.value}` : `${own.value},${other.value}`;
    return [
      {
        tells: other.from === undefined ? 0 : 1,
        candidate: {
          ...candidate,
          asked: candidate.asked.map((one) => (one === own ? { ...one, value } : one)),
        },
      },
    ];
  });
  if (candidates.length === 0) {
    throw new NoData(
      `no two values of ${parameter} are known for ${type}`,
      `a patient with two ${type} resources that differ in ${parameter}`,
    );
  }
  const best = candidates.toSorted((one, other) => other.tells - one.tells).map(({ candidate }) => candidate);
  return await judgeFirst(context, row, best, known, by);
};

/** Codes of a parameter's binding, for where the data hold but one. */
const FURTHER_CODES: Readonly<Record<string, readonly string[]>> = {
  "MedicationDispense.type": ["FF", "RF"],
  "MedicationRequest.intent": ["order", "plan"],
};

/** Another value of a parameter: of another resource that the rest of the search finds, else a code that none has. */
function otherValue(
  context: CheckContext,
  { type, parameter }: Row,
  candidate: Candidate,
  around: readonly RecordedResource[],
  own: AskedValue,
): AskedValue | undefined {
  const { base } = context.target;
  const rest = parametersOf(candidate).filter(([name]) => name !== parameter);
  for (const record of around) {
    if (matchSearch(record.resource, rest, base) !== "yes") continue;
    if (matchSearch(record.resource, [[parameter, own.value]], base) !== "no") continue;
    const [value] = valuesToAsk(record, parameter, base);
    if (value !== undefined) return { name: parameter, value: value.text, from: record };
  }
  const statuses = STATUS_VALUES[type];
  const others =
    statuses?.parameter === parameter ? statuses.values : (FURTHER_CODES[`${type}.${parameter}`] ?? []);
  const spare = others.find((value) => value !== own.value && isTelling(value));
  return spare === undefined ? undefined : { name: parameter, value: spare, from: undefined };
}

/** A parameter given twice: what is found lies within both bounds. */
const multipleAnd: Procedure = async (context, parameters) => {
  const row = rowOf(parameters);
  const { type, names, parameter, by } = row;
  await mustBeDeclared(context, type, names);
  const { records } = await poolOf(context, type);
  const known = records.resources;
  const { base } = context.target;
  const bounds = (around: readonly RecordedResource[]) => {
    const dates = datesOf(around, parameter, base);
    const matching = (value: string) =>
      around.filter(({ resource }) => matchSearch(resource, [[parameter, value]], base) === "no").length;
    const points = pivots(dates);
    const lower = points.map(({ text, from }) => ({ name: parameter, value: `ge${text}`, from }));
    const upper = points
      .map(({ text, from }) => ({ name: parameter, value: `le${text}`, from }))
      // The second bound has to leave something out, or nobody could see whether it is heeded.
      .filter(({ value }) => matching(value) > 0);
    return lower.slice(0, 12).flatMap((low) => upper.slice(-12).map((high) => [low, high]));
  };
  const candidates = withDates(context, row, known, bounds, true);
  const telling = candidates.filter((candidate) => {
    const [first, last] = candidate.asked.filter(({ name }) => name === parameter);
    const own = concerned(candidate, known).map(({ resource }) => resource);
    const rest = parametersOf(candidate).filter(([name]) => name !== parameter);
    return own.some(
      (resource) =>
        matchSearch(resource, [...rest, [parameter, first?.value ?? ""]], base) === "yes" &&
        matchSearch(resource, [[parameter, last?.value ?? ""]], base) === "no",
    );
  });
  if (telling.length === 0) {
    throw new NoData(
      `no ${type} in reach has a usable value for ${listed(names)}`,
      `a patient with a ${type} that has a date for ${parameter}, to the day`,
    );
  }
  return await judgeFirst(context, row, telling, known, by);
};

/** A chained search: by a value of what is referred to. */
const chainedSearch: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const parameter = String(parameters["parameter"]);
  const chained = String(parameters["chained"]);
  await mustBeDeclared(context, type, [parameter]);
  const { records } = await poolOf(context, type);
  const targets = new Map(
    (await poolOf(context, "Practitioner")).records.resources.map((record) => [record.id, record]),
  );
  const { base } = context.target;
  for (const record of records.resources) {
    const [reference] = valuesToAsk(record, parameter, base);
    const target = reference === undefined ? undefined : targets.get(reference.text);
    const [value] = target === undefined ? [] : valuesToAsk(target, chained, base);
    if (target === undefined || value === undefined) continue;
    const candidate: Candidate = {
      asked: [{ name: `${parameter}.${chained}`, value: value.withSystem ?? value.text, from: target }],
    };
    const query = { type, parameters: parametersOf(candidate) };
    const { result } = await searchWithStatuses(context, query, {
      purpose: `search of ${type} by ${chained} of its ${parameter}`,
    });
    showSearch(context, candidate, result);
    if (result.kind !== "found")
      return refusalFindings(result, `a search of ${type} by ${parameter}.${chained} to be answered`);
    const asked = [[chained, value.withSystem ?? value.text]] as const;
    const mustNot = [...targets.values()].filter(
      ({ resource }) => matchSearch(resource, asked, base) === "no",
    );
    const pointing = (one: RecordedResource) =>
      [...targets.values()].some(
        ({ id, resource }) =>
          matchSearch(one.resource, [[parameter, id]], base) === "yes" &&
          matchSearch(resource, asked, base) === "yes",
      );
    const strangers = result.matches.filter(({ resource }) =>
      mustNot.some(({ id }) => matchSearch(resource, [[parameter, id]], base) === "yes"),
    );
    return [
      ...strangers.map(({ exchange }) => ({
        code: "search.wrong-match",
        expected: `only ${type} resources whose ${parameter} has this ${chained}`,
        actual: `a ${type} of another ${parameter}`,
        exchange,
      })),
      ...resultFindings(context, result, [], records.resources.filter(pointing)),
    ];
  }
  throw new NoData(
    `no ${type} in reach refers to a Practitioner with a usable ${chained}`,
    `a ${type} whose practitioner has a value for ${chained}`,
  );
};

export const searchProcedures: Readonly<Record<string, Procedure>> = {
  chainedSearch,
  dateComparator,
  datePrecision,
  multipleAnd,
  multipleOr,
  referenceForms,
  searchByValues,
  tokenForms,
};
