/** Enforcement: what a token with one scope opens, type by type. */
import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NoData, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { declaredTypes } from "../../lib/checks/records/declared.ts";
import { recordsOf } from "../../lib/checks/records/records.ts";
import type { ResultCell } from "../../lib/checks/results.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { typesWithCheck } from "./rows.ts";
import {
  fillScopes,
  grantOf,
  permits,
  refusedFindings,
  secondType,
  subjectType,
  toldWords,
  type Grant,
} from "./grants.ts";
import {
  answerWords,
  getOf,
  isTelling,
  issueCodes,
  knownId,
  plainSearch,
  probe,
  readOf,
  searchOf,
  type Probe,
  type Question,
} from "./probes.ts";

type Interaction = "read" | "search" | "search by POST";

const LETTER: Readonly<Record<Interaction, "r" | "s">> = { read: "r", search: "s", "search by POST": "s" };

/** One answer of the matrix. */
interface Cell {
  readonly type: string;
  readonly interaction: Interaction;
  readonly inside: boolean;
  /** Whether the registration's usual token finds something this way. */
  readonly found: boolean;
  /** Absent where there was nothing to ask with. */
  readonly probe?: Probe;
}

async function questionOf(
  context: CheckContext,
  type: string,
  interaction: Interaction,
): Promise<Question | undefined> {
  const declared = (await context.fact(declaredTypes)).get(type);
  if (interaction === "read") {
    if (declared?.interactions.has("read") !== true) return undefined;
    const id = await knownId(context, type);
    return id === undefined ? undefined : readOf(context, type, id);
  }
  if (declared?.interactions.has("search-type") !== true) return undefined;
  return searchOf(context, type, await plainSearch(context, type), interaction === "search" ? "GET" : "POST");
}

async function cellOf(
  context: CheckContext,
  grant: Grant,
  type: string,
  interaction: Interaction,
): Promise<Cell> {
  const inside = permits(grant, type, LETTER[interaction]);
  const question = await questionOf(context, type, interaction);
  const found = question !== undefined && (interaction === "read" || (await isFound(context, type)));
  const cell = { type, interaction, inside, found };
  return question === undefined ? cell : { ...cell, probe: await probe(context, grant, question) };
}

async function isFound(context: CheckContext, type: string): Promise<boolean> {
  const { found, resources } = await recordsOf(context, type);
  return resources.length > 0 && found.includes(`${type}?patient`);
}

/** What came that the grant does not permit. Includes count too: an answer is what is in it. */
function leakOf(grant: Grant, cell: Cell): Finding | undefined {
  const { type, interaction, inside, probe: seen } = cell;
  if (inside || seen?.kind !== "data") return undefined;
  return {
    code: "scope.leak",
    expected: `no ${type} with ${toldWords(grant)}`,
    actual: answerWords(seen),
    location: `${interaction} of ${type}`,
    exchange: seen.exchange,
  };
}

/** What is permitted and does not work. */
function lossOf(grant: Grant, cell: Cell): Finding | undefined {
  const { type, interaction, inside, probe: seen } = cell;
  if (!inside || seen === undefined || seen.kind === "data" || !isTelling(seen)) return undefined;
  // A search may truly find nothing, where nothing was found by the same search before.
  if (seen.kind === "empty" && !cell.found) return undefined;
  return {
    code: "scope.not-honoured",
    expected: `${type} by ${interaction} with ${toldWords(grant)}`,
    actual: answerWords(seen),
    location: `${interaction} of ${type}`,
    exchange: seen.exchange,
  };
}

const present = <T>(value: T | undefined): value is T => value !== undefined;

/** The scopes of a check as a grant that really confines, with the type it is about. */
async function grantFor(
  context: CheckContext,
  parameters: Readonly<Record<string, unknown>>,
): Promise<Grant> {
  return await grantOf(context, await fillScopes(context, parameters["scopes"]));
}

/**
 * What a token permits works. Parameters: `scopes`, `interactions`, `types` (`{type}` by default, `{second}` too).
 */
export const insideWorks: Procedure = async (context, parameters) => {
  const scopes = await fillScopes(context, parameters["scopes"]);
  let grant: Grant;
  try {
    grant = await grantOf(context, scopes);
  } catch (error) {
    return refusedFindings(error, scopes);
  }
  const types = await fillScopes(context, parameters["types"] ?? "{type}");
  const findings: Finding[] = [];
  const seen: Probe[] = [];
  for (const type of types) {
    for (const interaction of parameters["interactions"] as readonly Interaction[]) {
      const cell = await cellOf(context, grant, type, interaction);
      if (!cell.inside) {
        findings.push({
          code: "scope.narrowed",
          expected: `${scopes.join(" ")} granted, or the request refused`,
          actual: toldWords(grant),
          location: `${interaction} of ${type}`,
          exchange: grant.token.exchange,
        });
        continue;
      }
      if (cell.probe !== undefined) seen.push(cell.probe);
      findings.push(...[lossOf(grant, cell)].filter(present));
    }
  }
  if (findings.length > 0) return findings;
  const silent = seen.find((one) => one.kind === "failed") ?? (seen.some(isTelling) ? undefined : seen[0]);
  if (silent !== undefined) throw new Blocked(`a request was answered with ${answerWords(silent)}`);
  if (seen.length === 0) {
    throw new NotApplicable(`the CapabilityStatement does not declare how to reach ${types.join(" and ")}`);
  }
  return findings;
};

/** What one of a type's permissions does not give. Parameters: `scopes`, `ask` (an interaction, or `vread`). */
export const letterRefuses: Procedure = async (context, parameters) => {
  const grant = await grantFor(context, parameters);
  const type = await context.fact(subjectType);
  const ask = String(parameters["ask"]);
  const letter = ask.startsWith("search") ? "s" : "r";
  if (permits(grant, type, letter)) {
    throw new NotApplicable(`the server granted ${toldWords(grant)}, which permits it`);
  }
  if (!permits(grant, type, letter === "s" ? "r" : "s")) {
    throw new NotApplicable(`the server granted ${toldWords(grant)} for ${grant.asked.join(" ")}`);
  }
  const question =
    ask === "vread" ? await versionOf(context, type) : await questionOf(context, type, ask as Interaction);
  if (question === undefined) throw new NotApplicable(`${ask} of ${type} is not declared`);
  const seen = await probe(context, grant, question);
  if (seen.kind !== "data") return [];
  return [
    {
      code: "scope.leak",
      expected: `no ${ask} of ${type} with ${toldWords(grant)}`,
      actual: answerWords(seen),
      location: `${ask} of ${type}`,
      exchange: seen.exchange,
    },
  ];
};

async function versionOf(context: CheckContext, type: string): Promise<Question | undefined> {
  const declared = (await context.fact(declaredTypes)).get(type);
  if (declared?.interactions.has("vread") !== true) return undefined;
  const id = await knownId(context, type);
  return id === undefined ? undefined : getOf(context, `${type}/${id}/_history/1`, [], "vread");
}

const EVERY_WAY: readonly Interaction[] = ["read", "search", "search by POST"];

/** The grant of one scope that does not permit a type. */
async function grantWithout(context: CheckContext, type: string): Promise<Grant> {
  const first = await context.fact(subjectType);
  const other = type === first ? await context.fact(secondType) : first;
  const grant = await grantOf(context, await fillScopes(context, `{level}/${other}.rs`));
  if (permits(grant, type, "r") || permits(grant, type, "s")) {
    throw new NotApplicable(`the server granted ${toldWords(grant)}, which permits ${type}`);
  }
  return grant;
}

/** A type outside of the token's one scope does not come. Parameter: `type`. */
export const outsideRefused: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  if (!(await context.fact(declaredTypes)).has(type)) {
    throw new NotApplicable(`the CapabilityStatement does not declare the resource type ${type}`);
  }
  const { findings, told } = await outside(context, type);
  if (findings.length === 0 && !told) {
    throw new NoData(
      `the server neither gave nor refused ${type}, and none is known to read`,
      `a resource of type ${type}`,
    );
  }
  return findings;
};

/** As {@link outsideRefused}, for every declared type that has no check of its own. Parameter: `except`: how their ids begin. */
export const othersRefused: Procedure = async (context, parameters) => {
  const except = typesWithCheck(String(parameters["except"]));
  const types = [...(await context.fact(declaredTypes)).keys()].filter((type) => !except.has(type));
  if (types.length === 0) throw new NotApplicable("the CapabilityStatement declares no further types");
  const found = await Promise.all(types.map((type) => outside(context, type)));
  if (!found.some(({ told }) => told)) {
    throw new NoData(
      `the server neither gave nor refused ${types.join(", ")}, and none is known to read`,
      `a resource of type ${types.join(" or ")}`,
    );
  }
  return found.flatMap(({ findings }) => findings);
};

/** `told`: whether an answer says anything at all about access. */
async function outside(
  context: CheckContext,
  type: string,
): Promise<{ readonly findings: readonly Finding[]; readonly told: boolean }> {
  const grant = await grantWithout(context, type);
  const cells = await Promise.all(EVERY_WAY.map((way) => cellOf(context, grant, type, way)));
  const told = cells.some(({ probe: seen }) => seen !== undefined && isTelling(seen));
  return { findings: cells.map((cell) => leakOf(grant, cell)).filter(present), told };
}

/** The cells outside of the token's one scope, of all types. */
async function outsideCells(context: CheckContext): Promise<readonly Cell[]> {
  const grant = await grantOf(context, await fillScopes(context, "{level}/{type}.rs"));
  const types = [...(await context.fact(declaredTypes)).keys()];
  const cells = await Promise.all(
    types.flatMap((type) => (["read", "search"] as const).map((way) => cellOf(context, grant, type, way))),
  );
  const refused = cells.filter(({ inside, probe: seen }) => !inside && seen !== undefined);
  if (refused.length === 0) throw new NotApplicable("the token's scopes permit every declared type");
  return refused;
}

/**
 * How what is outside of the scopes is refused. Parameter: `as`: `refused` (by a status that says so), `forbidden`
 * (by 403 alone), `outcome` (with an OperationOutcome), `issue` (with issue code forbidden).
 */
export const refusedAs: Procedure = async (context, parameters) => {
  const cells = await outsideCells(context);
  const as = String(parameters["as"]);
  const findings: Finding[] = [];
  let refusals = 0;
  for (const { type, interaction, probe: seen } of cells) {
    if (seen === undefined) continue;
    const found = { location: `${interaction} of ${type}`, exchange: seen.exchange };
    if (seen.status === 403) refusals += 1;
    if (as === "refused") {
      if (seen.kind === "empty" || (seen.kind === "failed" && seen.status > 0))
        findings.push({
          code: "scope.not-refused",
          expected: "status 403",
          actual: answerWords(seen),
          ...found,
        });
    } else if (as === "forbidden") {
      if (seen.status === 401 || seen.kind === "absent")
        findings.push({ code: "http.status", expected: "status 403", actual: answerWords(seen), ...found });
    } else if (seen.status === 403) {
      const codes = issueCodes(seen);
      if (codes === undefined && as === "outcome")
        findings.push({
          code: "fhir.operation-outcome",
          expected: "an OperationOutcome with status 403",
          actual: "a body that is none",
          ...found,
        });
      if (codes !== undefined && as === "issue" && !codes.includes("forbidden"))
        findings.push({
          code: "fhir.issue-code",
          expected: "issue code forbidden",
          actual: codes.join(", ") || "none",
          ...found,
        });
    }
  }
  if (refusals === 0 && (as === "outcome" || as === "issue")) {
    throw new NotApplicable("nothing was refused with status 403");
  }
  return findings;
};

/** Types of one scope only, and both syntaxes, in one table: what opens, what is refused, what leaks. */
export const matrix: Procedure = async (context) => {
  const columns = [
    ...(await fillScopes(context, ["{level}/{type}.rs", "{level}/{type}.read", "{level}/{second}.rs"])),
  ];
  const grants = await Promise.all(columns.map((scope) => grantOf(context, [scope])));
  const types = [...(await context.fact(declaredTypes)).keys()].toSorted();
  const ways = ["read", "search"] as const;
  const rows = await Promise.all(
    types.map(async (type) => ({
      type,
      cells: await Promise.all(
        grants.flatMap((grant) =>
          ways.map(async (way) => ({ grant, cell: await cellOf(context, grant, type, way) })),
        ),
      ),
    })),
  );
  context.table({
    id: "enforcement-matrix",
    title: "Enforcement matrix: scope × interaction × resource type",
    columns: ["Resource type", ...columns.flatMap((scope) => ways.map((way) => `${way} with ${scope}`))],
    rows: rows.map(({ type, cells }) => [type, ...cells.map(({ grant, cell }) => shownCell(grant, cell))]),
    note: "Each cell is the answer to one request with a token that has this one scope. What the scope permits has to come, everything else has to be refused with 403. A dash: not declared, or nothing known to ask for.",
  });
  return rows.flatMap(({ cells }) =>
    cells.flatMap(({ grant, cell }) => [leakOf(grant, cell), lossOf(grant, cell)].filter(present)),
  );
};

function shownCell(grant: Grant, cell: Cell): ResultCell {
  const { inside, probe: seen } = cell;
  if (seen === undefined) return { text: "–", state: "muted" };
  const { exchange, status, kind, resources } = seen;
  const shown = { exchange } as const;
  const words = status === 0 ? "no answer" : String(status);
  if (leakOf(grant, cell) !== undefined) {
    return { ...shown, text: `LEAK: ${words}, ${resources.length} came`, state: "bad" };
  }
  if (lossOf(grant, cell) !== undefined) return { ...shown, text: `${words}, though in scope`, state: "bad" };
  if (inside)
    return { ...shown, text: kind === "data" ? `${words}, in scope` : `${words}, nothing`, state: "good" };
  if (status === 403) return { ...shown, text: words, state: "good" };
  if (kind === "unsupported") return { ...shown, text: words, state: "muted" };
  return { ...shown, text: kind === "empty" ? `${words}, nothing` : words, state: "warning" };
}
