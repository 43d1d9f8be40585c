import type { Procedure } from "../../lib/checks/answer.ts";
import {
  bearerOf,
  contentOf,
  exportLevel,
  exportOf,
  mainExport,
  type Asker,
  type CompletedExport,
  type ExportParameters,
  type KickOff,
} from "../../lib/checks/bulk/index.ts";
import { tryKickOff } from "../../lib/checks/bulk/session.ts";
import { Blocked, NoData, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { capabilityStatement } from "../../lib/checks/facts.ts";
import { isObject } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import { defaultScopes, grantedToken } from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import { covers } from "../../lib/smart/scopes/algebra.ts";
import { parseScope } from "../../lib/smart/scopes/scope.ts";

/** A group that nobody has. */
const UNKNOWN_GROUP = "00000000-0000-4000-8000-000000000000";

/** Types of R4 of which few servers have anything: one that the server does not declare is asked for. */
const RARE_TYPES = ["MolecularSequence", "SubstanceSpecification", "TestScript", "VerificationResult"];

type LevelKind = KickOff["level"]["kind"];

const isRefused = ({ status }: HttpResponse) => status >= 400;

const shown = (response: HttpResponse) =>
  ({ actual: `status ${response.status}`, exchange: response.exchange }) as const;

function accepted(response: HttpResponse, expected: string): Finding {
  return { code: "export.not-refused", expected, ...shown(response) };
}

/** The finding of an answer that is neither an export nor a refusal (Bulk Data 2.0.0 §kick-off, responses). */
function neither(response: HttpResponse): readonly Finding[] {
  if (response.status === 202 || isRefused(response)) return [];
  return [{ code: "http.status", expected: "status 202, or a refusal with 4xx or 5xx", ...shown(response) }];
}

/** The finding of a kick-off that had to be accepted. */
function acceptanceExpected(response: HttpResponse, what: string): readonly Finding[] {
  return response.status === 202
    ? []
    : [{ code: "http.status", expected: `${what} to be accepted with status 202`, ...shown(response) }];
}

/** What is wrong with the body of a refusal, which is an OperationOutcome in JSON. */
function outcomeExpected(response: HttpResponse): readonly Finding[] {
  const { json, problem, exchange } = subjectOf("the refusal", response);
  const expected = "an OperationOutcome in JSON as the body of the refusal";
  if (problem !== undefined)
    return [{ code: "json.syntax", expected, actual: problem, exchange: exchange ?? "" }];
  if (isObject(json) && json["resourceType"] === "OperationOutcome") return [];
  return [{ code: "fhir.resource-type", expected, actual: "other JSON", exchange: exchange ?? "" }];
}

/** Parameters as check data write them: an object, whose members may be lists. */
function parametersOf(value: unknown): ExportParameters {
  return Object.entries(isObject(value) ? value : {}).flatMap(([name, values]) =>
    [values].flat().map((one): [string, string] => [name, String(one)]),
  );
}

const namesOf = (parameters: ExportParameters) =>
  parameters.map(([name, value]) => `${name}=${value}`).join("&");

/** The level that check data name, for the configured group. */
function levelOf(context: CheckContext, kind: unknown): KickOff["level"] {
  if (kind === "system" || kind === "patient") return { kind };
  const [id] = context.target.groups;
  if (id === undefined) throw new NotApplicable("the configuration names no group to export (groups)");
  return { kind: "group", id };
}

function operationsIn(holder: unknown): readonly Record<string, unknown>[] {
  const list = isObject(holder) ? holder["operation"] : undefined;
  return Array.isArray(list) ? list.filter(isObject) : [];
}

const membersOf = (value: unknown, name: string) => {
  const list = isObject(value) ? value[name] : undefined;
  return Array.isArray(list) ? list : [];
};

/** Levels at which a CapabilityStatement declares exports: by the operation's definition, or by where it stands. */
function declaredLevels(statement: unknown): ReadonlySet<LevelKind> {
  const found = new Set<LevelKind>();
  const note = (operation: Record<string, unknown>, where: LevelKind | undefined) => {
    const { name, definition } = operation;
    const defined =
      typeof definition === "string" ? /(group-|patient-)?export(?:\|.*)?$/.exec(definition) : null;
    if (defined !== null) {
      found.add(
        defined[1] === "group-" ? "group" : defined[1] === "patient-" ? "patient" : (where ?? "system"),
      );
    } else if (typeof name === "string" && /^\$?(?:.*-)?export$/.test(name) && where !== undefined) {
      found.add(where);
    }
  };
  for (const rest of membersOf(statement, "rest")) {
    for (const operation of operationsIn(rest)) note(operation, "system");
    for (const resource of membersOf(rest, "resource")) {
      const type = isObject(resource) ? resource["type"] : undefined;
      const where = type === "Patient" ? "patient" : type === "Group" ? "group" : undefined;
      for (const operation of operationsIn(resource)) note(operation, where);
    }
  }
  return found;
}

/** The CapabilityStatement; undefined where there is none to read. */
async function statementOf(context: CheckContext): Promise<unknown> {
  try {
    return (await context.fact(capabilityStatement)).json;
  } catch (error) {
    if (error instanceof Blocked) return undefined;
    throw error;
  }
}

/** A level that is declared can be exported. Parameter: `level`. */
const levelOffered: Procedure = async (context, { level: kind }) => {
  const level = levelOf(context, kind);
  const { response } = await tryKickOff(context, { level });
  if (response.status === 202) return [];
  const isDeclared = declaredLevels(await statementOf(context)).has(level.kind);
  if (!isDeclared) {
    throw new NotApplicable(
      `it is not offered: the CapabilityStatement does not declare it, and the answer has status ${response.status}`,
    );
  }
  if (response.status === 403) {
    throw new NotApplicable("it is declared, and this client is not permitted to use it: status 403");
  }
  return acceptanceExpected(response, "an export that the CapabilityStatement declares");
};

/** The levels at which exports can be started are declared. */
const levelsDeclared: Procedure = async (context) => {
  const { json, exchange } = await context.fact(capabilityStatement);
  const declared = declaredLevels(json);
  const [group] = context.target.groups;
  const levels: KickOff["level"][] = [
    { kind: "system" },
    { kind: "patient" },
    ...(group === undefined ? [] : [{ kind: "group", id: group } as const]),
  ];
  const undeclared: string[] = [];
  for (const level of levels.filter(({ kind }) => !declared.has(kind))) {
    if ((await tryKickOff(context, { level })).response.status === 202) undeclared.push(level.kind);
  }
  return undeclared.length === 0
    ? []
    : [
        {
          code: "export.undeclared",
          expected: "every kind of export that is accepted to be declared in the CapabilityStatement",
          actual: `accepted and not declared: ${undeclared.join(", ")}`,
          location: "/rest/0",
          ...(exchange === undefined ? {} : { exchange }),
        },
      ];
};

/** Each of several sets of parameters is accepted. Parameter: `variants`. */
const parametersAccepted: Procedure = async (context, { variants }) => {
  const level = await exportLevel(context);
  const findings: Finding[] = [];
  for (const variant of Array.isArray(variants) ? variants : []) {
    const parameters = parametersOf(variant);
    const { response } = await tryKickOff(context, { level, parameters });
    findings.push(...acceptanceExpected(response, `a kick-off with ${namesOf(parameters)}`));
  }
  return findings;
};

/** Parameters that cannot be answered are refused. Parameters: `parameters`, `method`, `prefer`. */
const parametersRefused: Procedure = async (context, { parameters: given, method, prefer }) => {
  const parameters = parametersOf(given);
  const level = await exportLevel(context);
  if (level.kind === "system" && parameters.some(([name]) => name === "patient"))
    throw new NotApplicable("only exports of everything are offered, and patient is not for them");
  const { response } = await tryKickOff(context, {
    level,
    parameters,
    ...(method === "POST" ? { method } : {}),
    ...(typeof prefer === "string" ? { headers: { prefer } } : {}),
  });
  if (response.status !== 202) return neither(response);
  return [accepted(response, `a kick-off with ${namesOf(parameters)} to be refused`)];
};

/** Most patients who are looked through for one who is no member of a group. */
const MOST_PATIENTS = 100;

/** A resource of the server as JSON; undefined where it is not given. */
async function readJson(context: CheckContext, path: string, purpose: string): Promise<unknown> {
  const bearer = await bearerOf(context);
  const response = await context.send({
    method: "GET",
    url: `${context.target.base}/${path}`,
    headers: { accept: "application/fhir+json" },
    ...(bearer === undefined ? {} : { bearer }),
    purpose,
  });
  return response.status === 200 ? subjectOf(purpose, response).json : undefined;
}

/** A patient of the server who is no member of the configured group. */
async function strangerTo(context: CheckContext, group: string): Promise<string> {
  const read = await readJson(context, `Group/${encodeURIComponent(group)}`, "members of the group");
  if (read === undefined) throw new NotApplicable("the group cannot be read, so nobody knows its members");
  const members = new Set(
    membersOf(read, "member")
      .map((member) =>
        isObject(member) && isObject(member["entity"]) ? member["entity"]["reference"] : undefined,
      )
      .map((reference) => String(reference).split("/").at(-1)),
  );
  const found = await readJson(context, `Patient?_count=${MOST_PATIENTS}`, "patients of the server");
  if (found === undefined) throw new NotApplicable("patients cannot be searched for without criteria");
  const ids = membersOf(found, "entry")
    .map((entry) => (isObject(entry) && isObject(entry["resource"]) ? entry["resource"] : {}))
    .filter(({ resourceType }) => resourceType === "Patient")
    .flatMap(({ id }) => (typeof id === "string" && !members.has(id) ? [id] : []));
  const [stranger] = ids;
  if (stranger === undefined)
    throw new NoData(
      "every patient who was found is a member of the group",
      "a patient who is no member of the group",
    );
  return stranger;
}

/** A patient who is no member of the group is refused. */
const nonMemberRefused: Procedure = async (context) => {
  const level = await exportLevel(context);
  if (level.kind !== "group") throw new NotApplicable("the configuration names no group to export (groups)");
  const patient = await strangerTo(context, level.id);
  const parameters: ExportParameters = [["patient", `Patient/${patient}`]];
  const { response } = await tryKickOff(context, { level, parameters, method: "POST" });
  if (response.status !== 202) return neither(response);
  return [accepted(response, "patient with somebody who is no member of the group to be refused")];
};

/** A type of R4 that the server does not declare. */
async function undeclaredType(context: CheckContext): Promise<string> {
  const json = await statementOf(context);
  const declared = new Set(
    membersOf(json, "rest")
      .flatMap((rest) => membersOf(rest, "resource"))
      .map((resource) => (isObject(resource) ? resource["type"] : undefined)),
  );
  return RARE_TYPES.find((type) => !declared.has(type)) ?? "NoSuchResource";
}

/** A type that the server does not have is refused. */
const unsupportedTypeRefused: Procedure = async (context) => {
  const level = await exportLevel(context);
  const type = await undeclaredType(context);
  const { response } = await tryKickOff(context, { level, parameters: [["_type", type]] });
  if (response.status !== 202) return neither(response);
  return [accepted(response, `_type=${type}, which the CapabilityStatement does not declare, to be refused`)];
};

/** Types outside the Patient compartment alone are refused where patients are exported. */
const outsideCompartmentRefused: Procedure = async (context) => {
  const level = await exportLevel(context);
  if (level.kind === "system") throw new NotApplicable("only exports of everything are offered");
  const { response } = await tryKickOff(context, { level, parameters: [["_type", "Organization"]] });
  if (response.status !== 202) return neither(response);
  return [
    accepted(response, "_type=Organization alone, which is outside the Patient compartment, to be refused"),
  ];
};

/**
 * A kick-off without a header is answered with an export or with an OperationOutcome. Parameter: `header`. Without
 * Accept of its own a request carries one for anything.
 */
const headerOptional: Procedure = async (context, { header }) => {
  const level = await exportLevel(context);
  const { response } = await tryKickOff(context, { level, headers: { [String(header)]: null } });
  if (response.status === 202) return [];
  return isRefused(response) ? outcomeExpected(response) : neither(response);
};

/** Nobody without a good token starts an export. Parameter: `asker`, `nobody` or `stranger`. */
const strangerRefused: Procedure = async (context, { asker }) => {
  if (context.target.client === undefined) {
    throw new NotApplicable("the configuration gives no client: the server is asked without a token");
  }
  const level = await exportLevel(context);
  const { response } = await tryKickOff(context, { level }, asker === "stranger" ? "stranger" : "nobody");
  if (response.status >= 400 && response.status < 500) return [];
  if (response.status === 202) return [accepted(response, "a refusal with status 401")];
  return [{ code: "http.status", expected: "a refusal with status 401", ...shown(response) }];
};

/** What an accepted kick-off leads to; undefined where the export fails in the end, which is a refusal too. */
async function outcomeOf(
  context: CheckContext,
  kickOff: KickOff,
  asker?: Asker,
): Promise<CompletedExport | undefined> {
  try {
    return await context.fact(exportOf(kickOff, asker));
  } catch (error) {
    const isFailed = error instanceof Blocked && error.findings.some(({ code }) => code === "http.status");
    if (error instanceof NotApplicable || isFailed) return undefined;
    throw error;
  }
}

/** Types of the output files that an export says to have, those without resources left out. */
function typesOf({ manifest }: CompletedExport): readonly string[] {
  const output = manifest?.files.filter(({ kind, count }) => kind === "output" && count !== 0) ?? [];
  return [...new Set(output.map(({ type }) => type))];
}

/** A group that is not the client's to export gives nothing. Parameter: `group`, `unknown` or `foreign`. */
const groupRefused: Procedure = async (context, { group }) => {
  if (context.target.groups.length === 0)
    throw new NotApplicable("the configuration names no group to compare with (groups)");
  const foreign = context.target.foreignResources?.["Group"]?.[0];
  if (group === "foreign" && foreign === undefined) {
    throw new NotApplicable(
      "the configuration names no group that the client may not export (foreignResources.Group)",
    );
  }
  const id = group === "foreign" && foreign !== undefined ? foreign : UNKNOWN_GROUP;
  const kickOff: KickOff = { level: { kind: "group", id } };
  const { response } = await tryKickOff(context, kickOff);
  if (response.status !== 202) return neither(response);
  // A server may notice later: an export that fails, or holds nothing, gives nobody anything.
  const completed = await outcomeOf(context, kickOff);
  const types = completed === undefined ? [] : typesOf(completed);
  return types.length === 0
    ? []
    : [
        {
          code: "export.not-refused",
          expected: "a group that the client may not export, or that does not exist, to give nothing",
          actual: `an export with files of ${types.join(", ")}`,
          exchange: response.exchange,
        },
      ];
};

/** A refusal holds an OperationOutcome: of an unknown group, or of a format that nobody has. */
const refusalExplained: Procedure = async (context) => {
  const level = await exportLevel(context);
  const kickOff: KickOff =
    level.kind === "group"
      ? { level: { kind: "group", id: UNKNOWN_GROUP } }
      : { level, parameters: [["_outputFormat", "application/x-unheard-of"]] };
  const { response } = await tryKickOff(context, kickOff);
  if (isRefused(response)) return outcomeExpected(response);
  throw new NotApplicable(`what should be refused is not refused at once: status ${response.status}`);
};

/** A token for one type exports nothing else. */
const narrowScopeHeld: Procedure = async (context) => {
  const { client } = context.target;
  if (client === undefined) throw new NotApplicable("the server is asked without a token");
  const level = await exportLevel(context);
  const syntax = (await defaultScopes(context, client)).some((scope) => /\.(?:read|\*)$/.test(scope))
    ? "read"
    : "rs";
  const asker = { scopes: [`system/Patient.${syntax}`] };
  await narrowToken(context, asker.scopes);

  const findings: Finding[] = [];
  for (const parameters of [[["_type", "Observation"]], []] as const) {
    const kickOff: KickOff = { level, parameters: parameters.map(([name, value]) => [name, value] as const) };
    const { response } = await tryKickOff(context, kickOff, asker);
    if (response.status !== 202) {
      findings.push(...neither(response));
      continue;
    }
    const beyond = await typesBeyond(context, kickOff, asker);
    if (beyond.length === 0) continue;
    findings.push({
      code: "export.beyond-scopes",
      expected: `an export with a token for ${asker.scopes.join(" ")} to hold Patient resources only`,
      actual: `files of ${beyond.join(", ")}`,
      exchange: response.exchange,
    });
  }
  return findings;
};

const isBeyond = (type: string) => type !== "Patient" && type !== "OperationOutcome";

/** Types other than Patient of which an export really has resources. */
async function typesBeyond(
  context: CheckContext,
  kickOff: KickOff,
  asker: Asker,
): Promise<readonly string[]> {
  const completed = await outcomeOf(context, kickOff, asker);
  if (completed === undefined || !typesOf(completed).some(isBeyond)) return [];
  // A file may be listed and be empty.
  const { census } = await context.fact(contentOf(exportOf(kickOff, asker)));
  return Object.entries(census.types).flatMap(([type, { resources }]) =>
    resources > 0 && isBeyond(type) ? [type] : [],
  );
}

/** Makes sure that a token for a few scopes can be had, and permits no more. */
async function narrowToken(context: CheckContext, scopes: readonly string[]): Promise<void> {
  let granted: readonly string[];
  try {
    granted = (await grantedToken(context, { scopes })).scopes ?? scopes;
  } catch (error) {
    if (!(error instanceof Blocked)) throw error;
    throw new NotApplicable(`the authorization server gives no token for ${scopes.join(" ")} alone`);
  }
  const permitted = granted.flatMap((text) => parseScope(text) ?? []);
  const beyond = parseScope("system/Observation.r");
  if (beyond !== undefined && covers(permitted, [beyond])) {
    throw new NotApplicable(
      `the authorization server gives more than ${scopes.join(" ")} when that is asked for`,
    );
  }
}

/** How many resources of each type an export holds. */
async function countsOf(context: CheckContext, kickOff: KickOff): Promise<ReadonlyMap<string, number>> {
  const { census } = await context.fact(contentOf(exportOf(kickOff)));
  return new Map(Object.entries(census.types).map(([type, { resources }]) => [type, resources]));
}

const inWords = (counts: ReadonlyMap<string, number>) =>
  counts.size === 0 ? "nothing" : [...counts].map(([type, count]) => `${count} ${type}`).join(", ");

/** Two ways to say the same give the same. */
async function compare(
  context: CheckContext,
  [one, other]: readonly [KickOff, KickOff],
  expected: string,
): Promise<readonly Finding[]> {
  const reference = await countsOf(context, one);
  const counts = await countsOf(context, other);
  const types = new Set([...reference.keys(), ...counts.keys()]);
  const agree = (others: ReadonlyMap<string, number>) =>
    [...types].every((type) => reference.get(type) === others.get(type));
  if (agree(counts)) return [];
  // A tenant lives: only what stays the same when it is asked for in the same way can be compared.
  if (!agree(await countsOf(context, { ...one, headers: { "cache-control": "no-cache" } }))) {
    throw new Blocked("the tenant's data changed while two exports were compared");
  }
  return [
    {
      code: "export.differs",
      expected: `${expected}: ${inWords(reference)}`,
      actual: inWords(counts),
    },
  ];
}

/** POST is supported. */
const postAccepted: Procedure = async (context) => {
  const { response } = await tryKickOff(context, { level: await exportLevel(context), method: "POST" });
  return acceptanceExpected(response, "a kick-off by POST with a Parameters resource");
};

const ONE_TYPE: ExportParameters = [["_type", "Patient"]];

/** An export by POST is the one by GET with the same parameters. */
const postEqualsGet: Procedure = async (context) => {
  const level = await exportLevel(context);
  return await compare(
    context,
    [
      { level, parameters: ONE_TYPE },
      { level, parameters: ONE_TYPE, method: "POST" },
    ],
    "the same with _type=Patient by POST as by GET",
  );
};

/** A parameter that is repeated means what its values with commas mean. Parameter: `method`. */
const repetitionEqualsList: Procedure = async (context, { method }) => {
  const level = await exportLevel(context);
  const types = typesOf(await context.fact(mainExport));
  // Patient is one of them, since types outside the Patient compartment alone may be refused.
  const one = "Patient";
  const other = types.find((type) => type !== one);
  if (!types.includes(one) || other === undefined) {
    throw new NoData("the export has no Patient, or nothing else", "an export of patients and their data");
  }
  const shared = { level, ...(method === "POST" ? ({ method } as const) : {}) };
  const repeated: ExportParameters = [one, other].map((type) => ["_type", type]);
  return await compare(
    context,
    [
      { ...shared, parameters: [["_type", `${one},${other}`]] },
      { ...shared, parameters: repeated },
    ],
    "the same with _type repeated as with its values in a list",
  );
};

/** What is left out for the sake of leniency is told among the errors. */
const leniencyTold: Procedure = async (context) => {
  const level = await exportLevel(context);
  const type = await undeclaredType(context);
  const completed = await context.fact(
    exportOf({
      level,
      parameters: [["_type", `Patient,${type}`]],
      headers: { prefer: "respond-async, handling=lenient" },
    }),
  );
  const { manifest, completed: status } = completed;
  if (manifest === undefined)
    throw new Blocked("the status holds no manifest", "bulk-export.manifest-schema");
  if (typesOf(completed).includes(type)) throw new NotApplicable(`the server exports ${type}`);
  return manifest.files.some(({ kind }) => kind === "error")
    ? []
    : [
        {
          code: "export.no-message",
          expected: `a file of OperationOutcomes that tells that ${type} was left out`,
          actual: "error lists no file",
          location: "/error",
          ...(status.exchange === undefined ? {} : { exchange: status.exchange }),
        },
      ];
};

/** The procedures of the kick-off, by name. */
export const kickOffProcedures: Readonly<Record<string, Procedure>> = {
  groupRefused,
  headerOptional,
  leniencyTold,
  levelOffered,
  levelsDeclared,
  narrowScopeHeld,
  nonMemberRefused,
  outsideCompartmentRefused,
  parametersAccepted,
  parametersRefused,
  postAccepted,
  postEqualsGet,
  refusalExplained,
  repetitionEqualsList,
  strangerRefused,
  unsupportedTypeRefused,
};
