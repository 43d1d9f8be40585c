import type { Procedure } from "../../lib/checks/answer.ts";
import {
  countOf,
  duplicates,
  guideOf,
  holds,
  ofOtherPatients,
  unresolved,
  unresolvedTargets,
} from "../../lib/checks/bulk/content.ts";
import { bearerOf, mainContent, type ExportContent } from "../../lib/checks/bulk/index.ts";
import { Blocked, NoData, NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { capabilityStatement } from "../../lib/checks/facts.ts";
import { search, type FoundResource } from "../../lib/checks/records/searching.ts";
import type { ResultCell } from "../../lib/checks/results.ts";
import { isObject } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { reachOf } from "../../lib/bulk/index.ts";
import { getRequest } from "../../lib/fhir/requests.ts";
import { describeFinding, mustSupport } from "../../lib/validator/index.ts";
import { digestMembers, type Sample } from "../../lib/validator/files/census.ts";
import { loadDefinitions } from "../../lib/validator/pack/load.ts";
import { manifestExchange, noFiles } from "./manifest.ts";
import { countsInWords, some } from "./words.ts";

/** The main export's content, where there is some. */
async function exported(context: CheckContext): Promise<ExportContent> {
  const content = await context.fact(mainContent);
  if (content.census.resources > 0) return content;
  if (content.files.some(({ facts }) => facts.problem !== undefined))
    throw new Blocked("no file could be downloaded", "bulk-export.files-accessible");
  throw noFiles();
}

/** As {@link exported}, for questions about what is not there: all files must have been read. */
async function exportedWhole(context: CheckContext): Promise<ExportContent> {
  const content = await exported(context);
  if (!content.isWhole)
    throw new Blocked("not every file could be downloaded", "bulk-export.files-accessible");
  return content;
}

/**
 * Every resource is valid. Parameter `by`: `claims`, by FHIR and the profiles that it claims; `guide`, by the profiles
 * that the guide has for its type and code where it claims none.
 */
export const resourcesValid: Procedure = async (context, { by: judges }) => {
  const content = await exported(context);
  const { census, files } = content;
  const isAssumed = judges === "guide";
  if (isAssumed) await promisesGuide(context);
  const invalid = isAssumed ? census.invalidAssumed : census.invalid;
  if (invalid === 0) return [];
  const rules = Object.values(census.broken)
    .filter(({ assumed }) => assumed === isAssumed)
    .toSorted((a, b) => b.count - a.count);
  context.table({
    id: "broken-rules",
    title: "Rules that exported resources break",
    columns: ["Rule", "Where", "Resources", "Profile", "First in"],
    rows: rules
      .slice(0, 100)
      .map(({ rule, constraint, expression, count, profile }): ResultCell[] => [
        constraint ?? rule,
        expression,
        { text: String(count), state: "bad" },
        profile ?? "",
        firstPlace(content, rule, expression),
      ]),
    note: `${invalid} of ${census.resources} resources break at least one rule. The words of a rule are in the findings.`,
  });
  const shown = (value: string) => context.health(value);
  return rules.slice(0, 10).map(({ rule, constraint, expression, count, profile, details }) => {
    const by = `${profile === undefined ? "" : ` by ${profile}`}${constraint === undefined ? "" : ` (${constraint})`}`;
    const file = files.find(({ census: own }) => has(own, rule, expression));
    return {
      code: `validation.${rule}`,
      expected: `resources that are valid${by}`,
      actual: `${count} findings such as: ${describeFinding({ rule, details }, shown)}`,
      location: expression,
      ...(file?.facts.exchange === undefined ? {} : { exchange: file.facts.exchange }),
    };
  });
};

function has({ broken }: ExportContent["census"], rule: string, expression: string): boolean {
  return Object.values(broken).some((one) => one.rule === rule && one.expression === expression);
}

/**
 * Judging by profiles that nobody claims needs a promise: the vendor's, or the server's own statement.
 *
 * @throws NotApplicable without one
 */
async function promisesGuide(context: CheckContext): Promise<void> {
  if (context.target.vendor) return;
  const { json } = await context.fact(capabilityStatement);
  if (JSON.stringify(json).includes("http://hl7.org/fhir/us/core/")) return;
  throw new NotApplicable("neither the resources nor the CapabilityStatement claim US Core");
}

function firstPlace({ files }: ExportContent, rule: string, expression: string): string {
  for (const { file, census } of files) {
    const found = Object.values(census.broken).find(
      (one) => one.rule === rule && one.expression === expression,
    );
    if (found !== undefined) return `/${file.kind}/${file.index}, line ${found.line}`;
  }
  return "";
}

/** No resource is there twice: only its latest version is exported. */
export const noDuplicates: Procedure = async (context) => {
  const content = await exported(context);
  const twice = duplicates(content);
  if (twice.size === 0) return [];
  const expected = "each resource once, in its latest version";
  return [
    {
      code: "export.duplicate",
      expected,
      actual: `repeated: ${countsInWords(twice)}`,
      ...manifestExchange(content),
    },
  ];
};

/** References to types that are exported lead to resources of the export. */
export const referencesResolve: Procedure = async (context) => {
  const content = await exportedWhole(context);
  const dangling = new Map(
    [...unresolved(content)].filter(
      ([type]) => content.census.types[type] !== undefined && OF_PATIENTS.has(type),
    ),
  );
  if (dangling.size === 0) return [];
  return [
    {
      code: "export.reference-unresolved",
      expected: "references to resources of the export, where it has the type",
      actual: `resources that are referred to and not there: ${countsInWords(dangling)}`,
      ...manifestExchange(content),
    },
  ];
};

/**
 * Types of which a patient's record has its own: whoever refers to one in an export of patients refers to one of them.
 * Others, such as Practitioner, may be left out one by one (Bulk Data 2.0.0 §kick-off).
 */
const OF_PATIENTS = new Set([
  "AllergyIntolerance",
  "CarePlan",
  "CareTeam",
  "Condition",
  "Coverage",
  "DiagnosticReport",
  "DocumentReference",
  "Encounter",
  "ExplanationOfBenefit",
  "Goal",
  "Immunization",
  "MedicationDispense",
  "MedicationRequest",
  "Observation",
  "Patient",
  "Procedure",
  "QuestionnaireResponse",
  "ServiceRequest",
  "Specimen",
]);

/** References are relative, absolute, or to something contained. */
export const referencesWritten: Procedure = async (context) => {
  const content = await exported(context);
  if (content.census.oddReferences === 0) return [];
  return [
    {
      code: "export.reference-form",
      expected: "references of the form type/id, or absolute URLs",
      actual: `${content.census.oddReferences} of another form`,
      ...manifestExchange(content),
    },
  ];
};

/** Every resource of a patient belongs to a patient of the export. */
export const resourcesBelong: Procedure = async (context) => {
  const content = await exportedWhole(context);
  if (content.census.types["Patient"] === undefined)
    throw new NotApplicable("no Patient is exported, so that it cannot be told to whom resources belong");
  const others = ofOtherPatients(content);
  if (others.size === 0) return [];
  return [
    {
      code: "export.other-patient",
      expected: "resources of the patients of this export",
      actual: `of patients who are not in it: ${countsInWords(others)}`,
      ...manifestExchange(content),
    },
  ];
};

/** Provenance is about resources of the export. */
export const provenanceBelongs: Procedure = async (context) => {
  const content = await exportedWhole(context);
  if (content.census.types["Provenance"] === undefined) throw new NotApplicable("no Provenance is exported");
  // Of a type that is not exported it may be about anything.
  const strange = new Map(
    [...unresolvedTargets(content)].filter(([type]) => content.census.types[type] !== undefined),
  );
  if (strange.size === 0) return [];
  return [
    {
      code: "export.provenance-target",
      expected: "Provenance of resources of the export",
      actual: `of resources that are not in it: ${countsInWords(strange)}`,
      ...manifestExchange(content),
    },
  ];
};

/** The members of the exported group, as the Group resource lists them. */
const members: Fact<readonly string[]> = {
  name: "members of the exported group",
  explainedBy: "bulk-export.group-readable",
  async provide(context) {
    const { level } = (await context.fact(mainContent)).completed.started.kickOff;
    if (level.kind !== "group")
      throw new NotApplicable("no group is exported: the configuration names none (groups)");
    const response = await context.send(
      getRequest(context.target.base, `Group/${level.id}`, await bearerOf(context), "the exported group"),
    );
    const { json } = subjectOf("the Group", response);
    if (response.status !== 200 || !isObject(json) || json["resourceType"] !== "Group") {
      throw new NotApplicable(`the exported group cannot be read: status ${response.status}`);
    }
    const listed: readonly unknown[] = Array.isArray(json["member"]) ? json["member"] : [];
    const references = listed.filter(isObject).map((member) => {
      const entity = isObject(member["entity"]) ? member["entity"]["reference"] : undefined;
      return typeof entity === "string"
        ? /(?:^|\/)Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(entity)?.[1]
        : undefined;
    });
    if (listed.length === 0 || references.includes(undefined)) {
      throw new NotApplicable("the Group does not list its patients one by one");
    }
    const inactive = listed
      .filter(isObject)
      .some((member) => member["inactive"] === true || member["period"] !== undefined);
    if (inactive) throw new NotApplicable("the Group has members who come and go (inactive, period)");
    return references.filter((id) => id !== undefined);
  },
};

/** Only patients of the group are exported. */
export const noPatientTooMany: Procedure = async (context) => {
  const ids = await context.fact(members);
  const content = await exported(context);
  const patients = content.census.types["Patient"]?.resources ?? 0;
  const found = new Set(ids.filter((id) => holds(content, "Patient", id))).size;
  if (patients === 0) throw new NotApplicable("no Patient is exported");
  const repeated = duplicates(content).get("Patient") ?? 0;
  const beyond = patients - repeated - found;
  if (beyond <= 0) return [];
  const expected = "patients of the group only";
  return [
    {
      code: "export.not-a-member",
      expected,
      actual: `${beyond} of ${patients} patients are not members`,
      ...manifestExchange(content),
    },
  ];
};

/** All patients of the group are exported. */
export const noPatientMissing: Procedure = async (context) => {
  const ids = await context.fact(members);
  const content = await exportedWhole(context);
  const missing = ids.filter((id) => !holds(content, "Patient", id));
  if (missing.length === 0) return [];
  const expected = "the Patient of every member of the group";
  return [
    {
      code: "export.member-missing",
      expected,
      actual: `${missing.length} of ${ids.length} are not there`,
      ...manifestExchange(content),
    },
  ];
};

/** Patients of the export are compared with what searches find, so many. */
const SAMPLE = 1;

interface Compared {
  readonly type: string;
  readonly patient: string;
  readonly found: readonly FoundResource[];
  readonly exchange: string;
}

/** What searches find of a few exported patients, by type. */
const searched: Fact<readonly Compared[]> = {
  name: "searches for exported patients",
  explainedBy: "declared-answers.search",
  async provide(context) {
    const content = await exported(context);
    const types = Object.keys(content.census.types).filter(
      (type) => OF_PATIENTS.has(type) && type !== "Patient",
    );
    const compared: Compared[] = [];
    for (const patient of content.census.patients.slice(0, SAMPLE)) {
      for (const type of types) {
        const query = { type, parameters: [["patient", patient]] as const };
        const result = await search(context, query, { purpose: "compares the export with a search" });
        if (result.kind !== "found" || result.cut !== undefined) continue;
        compared.push({ type, patient, found: result.matches, exchange: result.exchange });
      }
    }
    if (compared.length > 0) return compared;
    throw new NotApplicable("this API answers no searches by patient for the exported types");
  },
};

/** What searches find of a few patients is exported. */
export const asSearched: Procedure = async (context) => {
  const compared = await context.fact(searched);
  const content = await exportedWhole(context);
  const time = Date.parse(content.completed.manifest?.transactionTime ?? "");
  const findings: Finding[] = [];
  const rows: ResultCell[][] = [];
  for (const { type, patient, found, exchange } of compared) {
    // What came after the export's time cannot be in it.
    const due = found.filter(({ resource }) => !(updatedAt(resource) > time));
    const missing = due.filter(({ resource }) => !holds(content, type, String(resource["id"])));
    const count = countOf(content, patient, type);
    rows.push([
      `${context.health(patient)} ${type}`,
      String(found.length),
      { text: String(count), state: missing.length === 0 ? "good" : "bad", exchange },
    ]);
    if (missing.length === 0) continue;
    findings.push({
      code: "export.incomplete",
      expected: `the ${due.length} resources of type ${type} that a search finds for a patient`,
      actual: `${missing.length} of them are not exported`,
      exchange,
    });
  }
  context.table({
    id: "as-searched",
    title: "Resources by search and by export, for a few patients",
    columns: ["Patient and type", "Found by search", "Exported"],
    rows,
  });
  return findings;
};

function updatedAt(resource: Readonly<Record<string, unknown>>): number {
  const meta = resource["meta"];
  return Date.parse(isObject(meta) && typeof meta["lastUpdated"] === "string" ? meta["lastUpdated"] : "");
}

/** Members that a server may write anew at each answer; and attachments, whose content may be inside or elsewhere. */
const PASSING = new Set(["meta", "text", "content", "photo", "presentedForm"]);
const MOST_READS = 6;

/** An exported resource is the resource that a read gives. */
export const asRead: Procedure = async (context) => {
  const { census, completed } = await exported(context);
  const findings: Finding[] = [];
  let compared = 0;
  const samples = Object.entries(census.samples).toSorted(([a], [b]) => rankOf(a) - rankOf(b));
  for (const [type, sample] of samples.slice(0, MOST_READS)) {
    const purpose = "compares an exported resource with the one that is read";
    const path = `${type}/${sample.id}`;
    const response = await context.send(
      getRequest(context.target.base, path, await bearerOf(context), purpose),
    );
    const { json } = subjectOf("the resource", response);
    if (response.status !== 200 || !isObject(json) || json["resourceType"] !== type) continue;
    // Changed since: then it is another version, and no comparison.
    const time = Date.parse(completed.manifest?.transactionTime ?? "");
    if (updatedAt(json) > time || !sameVersion(sample, json)) continue;
    const read = digestMembers(json, context.target.base);
    compared += 1;
    const different = [...new Set([...Object.keys(sample.members), ...Object.keys(read)])].filter(
      (name) => !PASSING.has(name) && sample.members[name] !== read[name],
    );
    if (different.length === 0) continue;
    findings.push({
      code: "export.differs-from-read",
      expected: `the ${type} as a read gives it`,
      actual: `different in ${some(different)}`,
      location: type,
      exchange: response.exchange,
    });
  }
  if (compared === 0) throw new NotApplicable("this API gives no exported resource by a read");
  return findings;
};

/** What clinicians look at first is compared first. */
function rankOf(type: string): number {
  const rank = ["Patient", "Observation", "Condition", "MedicationRequest", "AllergyIntolerance"].indexOf(
    type,
  );
  return rank < 0 ? 9 : rank;
}

function sameVersion({ version }: Sample, { meta }: Readonly<Record<string, unknown>>): boolean {
  const other = isObject(meta) ? meta["versionId"] : undefined;
  return version === undefined || other === undefined || version === other;
}

/** What searches show of must-support elements is there in the export too. */
export const mustSupportSeen: Procedure = async (context) => {
  const content = await exportedWhole(context);
  const guide = guideOf(context);
  const definitions = await loadDefinitions([guide]);
  const unseen = new Map<string, readonly string[]>();
  const rows: ResultCell[][] = [];
  for (const [profile, items] of Object.entries(content.census.seen)) {
    const all = mustSupport(definitions, profile).items;
    const missing = all.filter(({ id }) => !items.includes(id)).map(({ id }) => id);
    if (missing.length > 0) unseen.set(profile, missing);
    rows.push([
      profile.slice(profile.lastIndexOf("/") + 1),
      `${all.length - missing.length} of ${all.length}`,
      { text: some(missing, 8), state: missing.length === 0 ? "good" : "warning" },
    ]);
  }
  if (rows.length === 0) throw new NotApplicable(`no exported resource has a profile of ${guide}`);
  context.table({
    id: "must-support",
    title: "Must-support elements in the export",
    columns: ["Profile", "Populated", "In no resource"],
    rows,
  });
  if (unseen.size === 0) return [];
  const findings = await shownBySearch(context, unseen);
  // What no search shows either is no question of the export.
  if (findings !== undefined) return findings;
  const count = [...unseen.values()].reduce((sum, items) => sum + items.length, 0);
  throw new NoData(
    `${count} must-support elements are in no exported resource, and no search can tell whether they should be`,
    `patients in the exported group whose data populate ${some([...unseen.values()].flat(), 8)}`,
  );
};

/** Elements that are in no exported resource, but in those that searches find; undefined where there are no searches. */
async function shownBySearch(
  context: CheckContext,
  unseen: ReadonlyMap<string, readonly string[]>,
): Promise<readonly Finding[] | undefined> {
  let compared: readonly Compared[];
  try {
    compared = await context.fact(searched);
  } catch (error) {
    if (error instanceof NotApplicable) return undefined;
    throw error;
  }
  const definitions = await loadDefinitions([guideOf(context)]);
  const findings: Finding[] = [];
  for (const [profile, items] of unseen) {
    for (const { found, exchange } of compared) {
      const observer = mustSupport(definitions, profile);
      const claims = found.filter(({ resource }) => claimsOf(resource).includes(profile));
      const shown = new Set(claims.flatMap(({ resource }) => observer.observe(resource)));
      const lost = items.filter((item) => shown.has(item));
      if (lost.length === 0) continue;
      findings.push({
        code: "export.element-lost",
        expected: "the must-support elements that a search shows",
        actual: `in no exported resource: ${some(lost)}`,
        location: profile,
        exchange,
      });
      break;
    }
  }
  return findings;
}

function claimsOf(resource: Readonly<Record<string, unknown>>): readonly string[] {
  const meta = resource["meta"];
  const profiles: readonly unknown[] =
    isObject(meta) && Array.isArray(meta["profile"]) ? meta["profile"] : [];
  return profiles.flatMap((one) => (typeof one === "string" ? [one.split("|")[0] ?? ""] : []));
}

/** Attachments of exported resources are as they have to be. Parameters: `flaw`, `expected`. */
export const attachmentsFreeOf: Procedure = async (context, { flaw, expected }) => {
  const content = await exported(context);
  const { attachments } = content.census;
  if (attachments.all === 0) throw new NotApplicable("no exported resource has an attachment");
  const count = attachments[flaw as "withoutType" | "withoutContent" | "relativeUrl"];
  if (count === 0) return [];
  return [
    {
      code: "export.attachment",
      expected: String(expected),
      actual: `${count} of ${attachments.all} attachments without`,
      ...manifestExchange(content),
    },
  ];
};

/** Attachments that lie elsewhere can be had with the token that opens the files. */
export const attachmentsReachable: Procedure = async (context) => {
  const { census } = await exported(context);
  const own = Object.values(census.attachments.urls)
    .flat()
    .filter((url) => reachOf(url, context.target.base) === "own");
  if (own.length === 0)
    throw new NotApplicable("no exported resource has an attachment at a URL of this server");
  const bearer = await bearerOf(context);
  const findings: Finding[] = [];
  for (const url of own) {
    const response = await context.send({
      method: "GET",
      url,
      ...(bearer === undefined ? {} : { bearer: { ...bearer, origin: new URL(url).origin } }),
      limits: { recordedBodyBytes: 1024 },
      purpose: "the content of an attachment",
    });
    if (response.status === 200) continue;
    findings.push({
      code: "http.status",
      expected: "the content of an attachment, with the token that opens the files",
      actual: `status ${response.status}`,
      exchange: response.exchange,
    });
  }
  return findings;
};

/** An export of patients has the patients. */
export const patientsExported: Procedure = async (context) => {
  const content = await exportedWhole(context);
  if (content.completed.started.kickOff.level.kind === "system")
    throw new NotApplicable("everything is exported, not patients");
  if (content.census.types["Patient"] !== undefined) return [];
  const expected = "the Patient resources of those who are exported";
  return [
    {
      code: "export.no-patients",
      expected,
      actual: `only ${some(Object.keys(content.census.types))}`,
      ...manifestExchange(content),
    },
  ];
};
