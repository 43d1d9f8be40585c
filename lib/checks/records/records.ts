/**
 * The resources in reach, by type: what every check on a tenant's data starts from. They are fetched once for a
 * target, by whoever asks first for a type, and remembered with the exchange each came with.
 */
import { getRequest, type SearchParameters } from "../../fhir/requests.ts";
import { readReference } from "../../fhir/reference.ts";
import { isResource, type Resource } from "../../fhir/resource.ts";
import { Blocked, NoData, NotApplicable, RequestFailed, type CheckContext, type Fact } from "../context.ts";
import { isObject } from "../select.ts";
import { subjectOf } from "../subject.ts";
import { accessToken } from "../tokens.ts";
import { declaredType } from "./declared.ts";
import { patientsInReach } from "./patients.ts";
import { interned, search, type SearchResult } from "./searching.ts";
import { searchWithStatuses } from "./send-search.ts";
import { FURTHER_VALUES } from "./status-values.ts";

/** Resources of one type that are kept for a target. More are counted, and `capped` says so. */
const MOST_OF_A_TYPE = 1000;
/** Resources of a type that is only known by references which are read. */
const MOST_READ = 15;

/** A resource of the tenant. */
export interface RecordedResource {
  readonly resource: Resource;
  readonly type: string;
  readonly id: string;
  /** Id of the patient in whose record it was found; absent for what belongs to nobody's. */
  readonly patient?: string;
  /** The exchange that it came with. */
  readonly exchange: string;
  readonly source: "search" | "read" | "include";
}

/** A reference that did not lead to a resource. */
export interface UnresolvedReference {
  readonly reference: string;
  /** The resource that refers to it. */
  readonly from: RecordedResource;
  readonly status: number;
  readonly exchange: string;
}

/** The resources of one type in reach. */
export interface Records {
  readonly type: string;
  readonly resources: readonly RecordedResource[];
  /** Set where there were more than are kept, or more than were read: nothing may be concluded from an absence. */
  readonly incomplete?: string;
  /** Searches that were refused, so that an empty list is not taken for an empty record. */
  readonly refusals: readonly Extract<SearchResult, { kind: "refused" | "unusable" }>[];
  readonly unresolved: readonly UnresolvedReference[];
  /** How the resources were found, in words: the searches sent (without values), or references that were read. */
  readonly found: readonly string[];
}

/** Types whose resources are part of a patient's record and are found by a search with `patient`. */
const OF_PATIENT: ReadonlySet<string> = new Set([
  "AllergyIntolerance",
  "CarePlan",
  "CareTeam",
  "Condition",
  "Coverage",
  "Device",
  "DiagnosticReport",
  "DocumentReference",
  "Encounter",
  "ExplanationOfBenefit",
  "Goal",
  "Immunization",
  "MedicationDispense",
  "MedicationRequest",
  "Observation",
  "Procedure",
  "QuestionnaireResponse",
  "RelatedPerson",
  "ServiceRequest",
  "Specimen",
]);

/** Where references to the other types stand, the likeliest first. */
const REFERRERS: Readonly<Record<string, readonly string[]>> = {
  Endpoint: ["PractitionerRole", "Organization"],
  HealthcareService: ["PractitionerRole"],
  Location: ["Encounter", "Immunization", "Procedure", "PractitionerRole", "ServiceRequest"],
  Media: ["DiagnosticReport"],
  Medication: ["MedicationRequest", "MedicationDispense"],
  Organization: [
    "Encounter",
    "Coverage",
    "Provenance",
    "DocumentReference",
    "DiagnosticReport",
    "CareTeam",
    "Immunization",
    "PractitionerRole",
  ],
  Practitioner: [
    "Encounter",
    "CareTeam",
    "MedicationRequest",
    "DocumentReference",
    "DiagnosticReport",
    "Procedure",
    "Immunization",
    "Provenance",
  ],
  PractitionerRole: ["CareTeam", "Encounter", "MedicationRequest", "Procedure"],
  RelatedPerson: ["CareTeam", "QuestionnaireResponse"],
  Specimen: ["DiagnosticReport", "Observation"],
};

/** Types in whose searches Provenance is asked for along, the likeliest first. */
const WITH_PROVENANCE: readonly string[] = [
  "AllergyIntolerance",
  "Condition",
  "Immunization",
  "Procedure",
  "MedicationRequest",
  "DocumentReference",
  "DiagnosticReport",
  "Encounter",
];

const facts = new Map<string, Fact<Records>>();

/**
 * The resources of a type in reach of the target's token: those of the patients in reach, found by the searches that
 * US Core requires; of types that belong to nobody's record, those that such resources refer to, read one by one.
 *
 * @throws NotApplicable where the CapabilityStatement does not declare the type
 * @throws Blocked where nothing can be had at all
 */
export async function recordsOf(context: CheckContext, type: string): Promise<Records> {
  let fact = facts.get(type);
  if (fact === undefined) {
    fact = {
      name: `${type} in reach`,
      explainedBy: "declared-answers.read",
      provide: (own) => gather(own, type),
    };
    facts.set(type, fact);
  }
  return await context.fact(fact);
}

/**
 * As {@link recordsOf}, where there has to be one at least.
 *
 * @throws NoData where the tenant has none, naming the test data that is wanted
 */
export async function someRecordsOf(context: CheckContext, type: string): Promise<Records> {
  const records = await recordsOf(context, type);
  if (records.resources.length > 0) return records;
  const [refusal] = records.refusals;
  const why =
    refusal === undefined
      ? ""
      : refusal.kind === "refused"
        ? ` (a search was refused with status ${refusal.status})`
        : " (a search was answered with something else than a Bundle)";
  throw new NoData(`no ${type} is in reach${why}`, `a patient with ${articled(type)}`);
}

/** As {@link recordsOf}; undefined where they cannot be had, whatever the reason. */
async function recordsIfAny(context: CheckContext, type: string): Promise<Records | undefined> {
  try {
    return await recordsOf(context, type);
  } catch (error) {
    if (error instanceof NotApplicable || error instanceof Blocked || error instanceof RequestFailed)
      return undefined;
    throw error;
  }
}

function articled(type: string): string {
  return /^[AEIOU]/.test(type) ? `an ${type}` : `a ${type}`;
}

async function gather(context: CheckContext, type: string): Promise<Records> {
  await declaredType(context, type);
  if (type === "Patient") return await gatherPatients(context);
  if (type === "Provenance") return await gatherProvenance(context);
  const collected = collect(context, type);
  const declared = await declaredType(context, type);
  if (
    OF_PATIENT.has(type) &&
    declared.interactions.has("search-type") &&
    declared.searchParameters.has("patient")
  )
    await searchRecords(context, type, collected);
  else if (type === "PractitionerRole" && declared.searchParameters.has("practitioner"))
    await searchRoles(context, collected);
  if (collected.count() === 0 && REFERRERS[type] !== undefined)
    await readReferenced(context, type, collected);
  return collected.records();
}

/** Gathers what is found, each resource once and no more than the cap. */
function collect(context: CheckContext, type: string) {
  const resources = new Map<string, RecordedResource>();
  const refusals: Records["refusals"][number][] = [];
  const unresolved: UnresolvedReference[] = [];
  const found = new Set<string>();
  let incomplete: string | undefined;
  return {
    count: () => resources.size,
    add(
      resource: Resource,
      patient: string | undefined,
      exchange: string,
      source: RecordedResource["source"],
    ) {
      const id = resource["id"];
      if (resource.resourceType !== type || typeof id !== "string" || resources.has(id)) return;
      if (resources.size >= MOST_OF_A_TYPE) {
        incomplete = `only the first ${MOST_OF_A_TYPE} of them were kept`;
        return;
      }
      resources.set(id, {
        resource,
        type,
        id,
        ...(patient === undefined ? {} : { patient }),
        exchange,
        source,
      });
    },
    take(result: SearchResult, patient: string | undefined) {
      if (result.kind !== "found") {
        refusals.push(result);
        return;
      }
      if (result.cut !== undefined) incomplete ??= result.cut;
      for (const { resource, exchange } of result.matches) this.add(resource, patient, exchange, "search");
    },
    refuse: (result: Records["refusals"][number]) => void refusals.push(result),
    say: (words: string) => void found.add(words),
    leave: (one: UnresolvedReference) => void unresolved.push(one),
    records: (): Records => ({
      type,
      resources: [...resources.values()],
      ...(incomplete === undefined ? {} : { incomplete }),
      refusals,
      unresolved,
      found: [...found],
    }),
  };
}

type Collected = ReturnType<typeof collect>;

/** A patient's resources of a type: by `patient` alone, else by the further parameters that US Core requires. */
async function searchRecords(context: CheckContext, type: string, collected: Collected): Promise<void> {
  const { ids } = await context.fact(patientsInReach);
  for (const patient of ids) {
    const parameters: SearchParameters = [["patient", patient]];
    const purpose = `the ${type} resources of a patient`;
    const { result, withStatuses } = await searchWithStatuses(context, { type, parameters }, { purpose });
    if (result.kind === "found") {
      collected.say(withStatuses ? `${type}?patient, with every status` : `${type}?patient`);
      collected.take(result, patient);
      continue;
    }
    const further = FURTHER_VALUES[type];
    if (further === undefined) {
      collected.take(result, patient);
      continue;
    }
    let answered = false;
    for (const value of further.values) {
      const narrower = [...parameters, [further.parameter, value] as const];
      const part = (await searchWithStatuses(context, { type, parameters: narrower }, { purpose })).result;
      if (part.kind !== "found") continue;
      answered = true;
      collected.take(part, patient);
    }
    if (answered) collected.say(`${type}?patient&${further.parameter}`);
    else collected.take(result, patient);
  }
}

async function gatherPatients(context: CheckContext): Promise<Records> {
  const collected = collect(context, "Patient");
  const { ids } = await context.fact(patientsInReach);
  for (const id of ids) {
    const read = await readOnce(context, "Patient", id);
    if (read.resource === undefined) {
      const result = await search(context, { type: "Patient", parameters: [["_id", id]] });
      collected.say("Patient?_id");
      collected.take(result, id);
    } else {
      collected.say("read of Patient");
      collected.add(read.resource, id, read.exchange, "read");
    }
  }
  return collected.records();
}

/** Provenance is not searched for: it comes along with what it is about (US Core 6.1.0, basic provenance). */
async function gatherProvenance(context: CheckContext): Promise<Records> {
  const collected = collect(context, "Provenance");
  const { ids } = await context.fact(patientsInReach);
  for (const type of WITH_PROVENANCE) {
    if (collected.count() >= MOST_READ) break;
    for (const patient of ids) {
      const result = await withProvenance(context, type, patient);
      if (result === undefined) continue;
      if (result.kind !== "found") {
        collected.refuse(result);
        continue;
      }
      collected.say(`${type}?patient&_revinclude=Provenance:target`);
      for (const { resource, exchange } of result.included)
        collected.add(resource, patient, exchange, "include");
    }
  }
  return collected.records();
}

/**
 * A patient's resources of a type with the Provenance about them, by `_revinclude=Provenance:target`.
 *
 * @returns undefined where the type is not declared, or is not searched for by patient
 */
export async function withProvenance(
  context: CheckContext,
  type: string,
  patient: string,
): Promise<SearchResult | undefined> {
  const parameters = await searchThatFinds(context, type, patient);
  if (parameters === undefined) return undefined;
  return await search(
    context,
    { type, parameters: [...parameters, ["_revinclude", "Provenance:target"]] },
    { purpose: `${type} resources of a patient with their Provenance` },
  );
}

/** The parameters of the search that found a patient's resources of a type, to be extended. */
export async function searchThatFinds(
  context: CheckContext,
  type: string,
  patient: string,
): Promise<SearchParameters | undefined> {
  if (type === "Patient") return [["_id", patient]];
  const records = await recordsIfAny(context, type);
  if (records === undefined || !OF_PATIENT.has(type)) return undefined;
  const [how = ""] = records.found;
  if (how === `${type}?patient`) return [["patient", patient]];
  const parameters: SearchParameters = [["patient", patient]];
  const { result } = await searchWithStatuses(context, { type, parameters });
  if (result.kind === "found") return result.query.parameters;
  const further = FURTHER_VALUES[type];
  for (const value of further?.values ?? []) {
    const narrower: SearchParameters = [...parameters, [further?.parameter ?? "", value]];
    const part = (await searchWithStatuses(context, { type, parameters: narrower })).result;
    if (part.kind === "found" && part.matches.length > 0) return part.query.parameters;
  }
  return undefined;
}

async function searchRoles(context: CheckContext, collected: Collected): Promise<void> {
  const practitioners = await recordsIfAny(context, "Practitioner");
  for (const { id } of practitioners?.resources.slice(0, 5) ?? []) {
    collected.take(
      await search(
        context,
        { type: "PractitionerRole", parameters: [["practitioner", id]] },
        { purpose: "roles of a practitioner" },
      ),
      undefined,
    );
    collected.say("PractitionerRole?practitioner");
  }
}

/** Reads what other resources refer to, type by type until there is enough. */
async function readReferenced(context: CheckContext, type: string, collected: Collected): Promise<void> {
  const tried = new Set<string>();
  for (const referrer of REFERRERS[type] ?? []) {
    if (collected.count() >= MOST_READ) return;
    const records = await recordsIfAny(context, referrer);
    for (const from of records?.resources ?? []) {
      for (const reference of referencesIn(from.resource)) {
        const parsed = readReference(reference, context.target.base);
        if (parsed.kind !== "restful" || parsed.type !== type || parsed.base !== undefined) continue;
        if (tried.has(parsed.id) || collected.count() >= MOST_READ) continue;
        tried.add(parsed.id);
        const read = await readOnce(context, type, parsed.id);
        if (read.resource === undefined)
          collected.leave({ reference, from, status: read.status, exchange: read.exchange });
        else collected.add(read.resource, undefined, read.exchange, "read");
        collected.say(`references of ${referrer}, read`);
      }
    }
  }
}

/** What a read gave. */
export interface ReadResult {
  readonly status: number;
  readonly exchange: string;
  /** Absent where the answer is not this type of resource with status 200. */
  readonly resource?: Resource;
  /** What came instead of it. */
  readonly problem?: string;
  readonly etag?: string;
  readonly lastModified?: string;
  readonly contentType?: string;
}

/**
 * Reads a resource with the target's own token, once for all who ask.
 *
 * @throws RequestFailed when there was no answer
 */
export async function readOnce(context: CheckContext, type: string, id: string): Promise<ReadResult> {
  const result = await context.fact({
    name: `read ${type}/${id}`,
    explainedBy: "declared-answers.read",
    async provide(own): Promise<ReadResult | RequestFailed> {
      try {
        return await read(own, type, id);
      } catch (error) {
        if (error instanceof RequestFailed) return error;
        throw error;
      }
    },
  });
  if (result instanceof RequestFailed) throw result;
  return result;
}

async function read(context: CheckContext, type: string, id: string): Promise<ReadResult> {
  const bearer = context.target.authorization === "none" ? undefined : await accessToken(context);
  const path = `${type}/${encodeURIComponent(id)}`;
  const response = await context.send(getRequest(context.target.base, path, bearer, `read of ${type}`));
  const { status, exchange, headers } = response;
  const { json, problem } = subjectOf("the answer to a read", response);
  const header = (name: "etag" | "lastModified" | "contentType", key: string) => {
    const value = headers.get(key);
    return value === undefined ? {} : { [name]: value };
  };
  const shared = {
    status,
    exchange,
    ...header("etag", "etag"),
    ...header("lastModified", "last-modified"),
    ...header("contentType", "content-type"),
  };
  if (status === 200 && isResource(json) && json.resourceType === type)
    return { ...shared, resource: await interned(context, json) };
  const actual =
    problem ?? (isResource(json) ? `a resource of type ${json.resourceType}` : "JSON that is no resource");
  return { ...shared, problem: actual };
}

/** Every `reference` in a resource, contained resources included, in document order. */
export function referencesIn(resource: Resource): readonly string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const member of value) visit(member);
    else if (isObject(value)) {
      for (const [name, member] of Object.entries(value)) {
        if (name === "reference" && typeof member === "string") found.push(member);
        else visit(member);
      }
    }
  };
  visit(resource);
  return found;
}
