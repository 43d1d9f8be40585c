/** Ways around a type's scope: includes, chains and exports. */
import type { Procedure } from "../../lib/checks/answer.ts";
import {
  Blocked,
  NoData,
  NotApplicable,
  RequestFailed,
  type CheckContext,
} from "../../lib/checks/context.ts";
import { declaredTypes, type DeclaredType } from "../../lib/checks/records/declared.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { SearchParameters } from "../../lib/fhir/requests.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import {
  fillScopes,
  grantOf,
  permits,
  secondType,
  subjectType,
  toldWords,
  usualGrant,
  type Grant,
} from "./grants.ts";
import { getOf, knownId, ownPatient, probe, searchOf, type Probe } from "./probes.ts";

/** The grant of one type's scope, which has to leave other types out. */
async function narrowGrant(context: CheckContext, type: string): Promise<Grant> {
  const grant = await grantOf(context, await fillScopes(context, `{level}/${type}.rs`));
  const declared = [...(await context.fact(declaredTypes)).keys()];
  if (declared.every((one) => permits(grant, one, "s"))) {
    throw new NotApplicable(`the server granted ${toldWords(grant)}, which permits every type`);
  }
  return grant;
}

type By = "_include" | "_revinclude";

/** What may be included in a search of a type: what is declared, and what every server may be asked. */
function includable(type: string, declared: DeclaredType | undefined, by: By): readonly string[] {
  const listed = [...(by === "_include" ? (declared?.includes ?? []) : (declared?.revIncludes ?? []))];
  const usual =
    by === "_include" ? [`${type}:patient`, `${type}:subject`, `${type}:encounter`] : ["Provenance:target"];
  return [...new Set([...listed, ...usual])];
}

/**
 * Types outside of the scope do not come as includes. It is asked of the type with data and of one that declares
 * includes; where the usual token is not given any either, nothing can be said. Parameter: `by` (`_include`,
 * `_revinclude`).
 */
export const includesRefused: Procedure = async (context, parameters) => {
  const by = String(parameters["by"]) as By;
  const declared = await context.fact(declaredTypes);
  const including = [...declared.values()].find(
    ({ interactions, searchParameters, includes, revIncludes }) =>
      interactions.has("search-type") &&
      searchParameters.has("patient") &&
      (by === "_include" ? includes : revIncludes).size > 0,
  );
  const types = new Set([
    await context.fact(subjectType),
    ...(including === undefined ? [] : [including.type]),
  ]);
  let told = false;
  for (const type of types) {
    const searched: SearchParameters = [
      ["patient", await ownPatient(context)],
      ["_count", "10"],
      ...includable(type, declared.get(type), by).map((value) => [by, value] as const),
    ];
    const question = searchOf(context, type, searched, "GET", `search with ${by}`);
    const narrow = await narrowGrant(context, type);
    const [wide, seen] = await Promise.all([
      probe(context, await usualGrant(context), question),
      probe(context, narrow, question),
    ]);
    const leaked = outsideOf(narrow, seen);
    if (leaked.length > 0) {
      return [
        {
          code: "scope.leak",
          expected: `nothing but ${type} with ${toldWords(narrow)}`,
          actual: `${leaked.length} included: ${[...new Set(leaked)].join(", ")}`,
          location: by,
          exchange: seen.exchange,
        },
      ];
    }
    if (outsideOf(narrow, wide).length > 0) told = true;
  }
  if (!told) throw new NotApplicable(`the server includes nothing by ${by} with any token`);
  return [];
};

/** Types in an answer that a grant does not permit. */
function outsideOf(grant: Grant, { resources }: Probe): readonly string[] {
  return resources
    .map(({ resourceType }) => resourceType)
    .filter((type) => !permits(grant, type, "r") && !permits(grant, type, "s"));
}

const GENDERS = ["female", "male", "other", "unknown"];
const NOBODY = "00000000-0000-4000-8000-000000000000";

/**
 * A chained parameter does not tell of types outside of the scope: answers that differ by what is asked of them do.
 * Parameter: `by` (`chain`: of the patient; `_has`: of what refers to the patient).
 */
export const chainsTellNothing: Procedure = async (context, parameters) => {
  const patient = await ownPatient(context);
  const type = await context.fact(subjectType);
  const isChain = parameters["by"] === "chain";
  const scope = isChain ? "{level}/{type}.rs" : "{level}/Patient.rs";
  const grant = await grantOf(context, await fillScopes(context, scope));
  const hidden = isChain ? "Patient" : type;
  if (permits(grant, hidden, "r") || permits(grant, hidden, "s")) {
    throw new NotApplicable(`the server granted ${toldWords(grant)}, which permits ${hidden}`);
  }
  const questions = isChain
    ? GENDERS.map((gender) =>
        searchOf(context, type, [
          ["patient", patient],
          ["patient.gender", gender],
          ["_count", "1"],
        ]),
      )
    : [await knownId(context, type), NOBODY].map((id) =>
        searchOf(context, "Patient", [
          ["_id", patient],
          [`_has:${type}:patient:_id`, id ?? NOBODY],
        ]),
      );
  if (!isChain && (await knownId(context, type)) === undefined) {
    throw new NoData(`no ${type} is in reach`, `a patient with a ${type}`);
  }
  const answers = await Promise.all(questions.map((question) => probe(context, grant, question)));
  const kinds = new Set(answers.map(({ kind }) => kind));
  if (!kinds.has("data") || !kinds.has("empty")) return [];
  const shown = answers.find(({ kind }) => kind === "data");
  return [
    {
      code: "scope.told-by-chain",
      expected: `answers that do not depend on ${hidden}, with ${toldWords(grant)}`,
      actual: `${answers.filter(({ kind }) => kind === "data").length} of ${answers.length} values found something`,
      location: isChain ? "patient.gender" : `_has:${type}:patient`,
      ...(shown === undefined ? {} : { exchange: shown.exchange }),
    },
  ];
};

/** How long a check waits for an export to end, in milliseconds. */
const LONGEST_EXPORT = 20_000;

/**
 * An export gives no type outside of the scope. Parameter: `types`: `outside` (asked for that type alone: refused) or
 * `mixed` (asked for both: refused, or without it).
 */
export const exportKept: Procedure = async (context, parameters) => {
  if (!declaresExport(context)) throw new NotApplicable("the API promises no export");
  const type = await context.fact(subjectType);
  const other = await context.fact(secondType);
  const grant = await narrowGrant(context, type);
  const isMixed = parameters["types"] === "mixed";
  const [group] = context.target.groups;
  const path = group === undefined ? "Patient/$export" : `Group/${group}/$export`;
  const kickOff = getOf(context, path, [["_type", isMixed ? `${type},${other}` : other]], path);
  const response = await context.send({
    ...kickOff.request,
    headers: { accept: "application/fhir+json", prefer: "respond-async" },
    bearer: grant.bearer,
    redirect: "manual",
    purpose: `${path} with ${toldWords(grant)}`,
  });
  const { status, exchange } = response;
  if (status === 404 || status === 405 || status === 501) {
    throw new NotApplicable(`${path} is answered with status ${status}`);
  }
  if (status >= 500) throw new Blocked(`${path} is answered with status ${status}`);
  if (status !== 202) return [];
  const location = response.headers.get("content-location");
  if (location === undefined || !URL.canParse(location) || new URL(location).origin !== grant.bearer.origin) {
    throw new Blocked(
      "the export that was started has no usable Content-Location",
      "bulk-export.kick-off-accepted",
    );
  }
  try {
    if (!isMixed) {
      return [
        {
          code: "export.started",
          expected: `${path} of ${other} refused with ${toldWords(grant)}`,
          actual: "status 202",
          location: path,
          exchange,
        },
      ];
    }
    return exportedOutside(await manifestOf(context, grant, location), grant);
  } finally {
    await endExport(context, grant, location);
  }
};

/** Ends an export, if it can be; whether it can is no question of scopes. */
export async function endExport(context: CheckContext, grant: Grant, url: string): Promise<void> {
  try {
    await context.send({ method: "DELETE", url, bearer: grant.bearer, purpose: "end of the export" });
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
  }
}

function declaresExport({ target }: CheckContext): boolean {
  return target.access === "system" && target.standards.some((standard) => standard.startsWith("bulk-data"));
}

async function manifestOf(context: CheckContext, grant: Grant, url: string): Promise<HttpResponse> {
  const end = Date.now() + LONGEST_EXPORT;
  for (;;) {
    const response = await context.send({
      method: "GET",
      url,
      headers: { accept: "application/json" },
      bearer: grant.bearer,
      purpose: "the export's manifest",
    });
    if (response.status !== 202) return response;
    if (Date.now() > end) {
      throw new NoData(
        "the export did not end within 20 seconds, so what is in it is not known",
        "a small group to export (groups)",
      );
    }
    const seconds = Number(response.headers.get("retry-after") ?? "1");
    const wait = Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0.2), 5) : 1;
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
  }
}

function exportedOutside(response: HttpResponse, grant: Grant): readonly Finding[] {
  const { status } = response;
  // Whoever may not follow an export that was started does not get its files either.
  if (status === 401 || status === 403 || status === 404) return [];
  if (status !== 200)
    throw new Blocked(`the export ended with status ${status}`, "bulk-export.status-completes");
  const { json } = subjectOf("the manifest", response);
  const types = select(json, "/output/*").flatMap(({ value }) =>
    isObject(value) && typeof value["type"] === "string" ? [value["type"]] : [],
  );
  const outside = [...new Set(types)].filter(
    (type) => !permits(grant, type, "r") && !permits(grant, type, "s"),
  );
  return outside.length === 0
    ? []
    : [
        {
          code: "scope.leak",
          expected: `no files of other types with ${toldWords(grant)}`,
          actual: `files of ${outside.join(", ")}`,
          location: "$export",
          exchange: response.exchange,
        },
      ];
}
