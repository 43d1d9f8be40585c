/** Other patients: who is known, and whose a resource is. */
import {
  Blocked,
  NotApplicable,
  RequestFailed,
  type CheckContext,
  type Fact,
} from "../../lib/checks/context.ts";
import { declaredTypes } from "../../lib/checks/records/declared.ts";
import { patientsInReach } from "../../lib/checks/records/patients.ts";
import { readOnce, recordsOf, referencesIn } from "../../lib/checks/records/records.ts";
import { search } from "../../lib/checks/records/searching.ts";
import { searchWithStatuses } from "../../lib/checks/records/send-search.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import type { Target } from "../../lib/config/targets.ts";
import { readReference } from "../../lib/fhir/reference.ts";
import type { Resource } from "../../lib/fhir/resource.ts";
import { patientGrant, patientOf } from "./grants.ts";
import { attachedBinaries } from "./probes.ts";

/** Targets of a Provenance whose subjects are looked up. */
const MOST_TARGETS = 10;

/** Resources of a type of another patient that are asked for. */
const MOST_IDS = 2;

/** The patients that a patient-level token is for: the one in context, and those that its record is linked with. */
export const ownPatients: Fact<ReadonlySet<string>> = {
  name: "own patients",
  explainedBy: "auth-flows.standalone-patient",
  async provide(context) {
    const { ids } = await context.fact(patientsInReach);
    const named = patientOf(await patientGrant(context));
    const records = await recordsOf(context, "Patient");
    const linked = records.resources.flatMap(({ resource }) =>
      select(resource, "/link/*/other/reference").flatMap(({ value }) =>
        typeof value === "string" ? (patientIn(value, context.target.base) ?? []) : [],
      ),
    );
    return new Set([...ids, ...(named === undefined ? [] : [named]), ...linked]);
  },
};

/** What is known of other patients. */
interface Strangers {
  /** One of them, to ask for. */
  readonly patient: string | undefined;
  /** The tenant's API for system access that knows them. */
  readonly source: string | undefined;
  /** Why nobody is known, or where from. */
  readonly words: string;
}

/** Another patient of the tenant, by the configuration or by an API for system access. */
export const strangers: Fact<Strangers> = {
  name: "another patient",
  explainedBy: "auth-flows.backend-granted",
  async provide(context) {
    const own = await context.fact(ownPatients);
    const configured = context.target.otherPatients?.find((id) => !own.has(id));
    const [first = ""] = own;
    const found = await beside(context, first);
    if (typeof found === "string") {
      return {
        patient: configured,
        source: undefined,
        words: configured === undefined ? found : "another patient is configured (otherPatients)",
      };
    }
    const patient = configured ?? (await anotherPatient(found, own));
    return {
      patient,
      source: found.target.api,
      words:
        patient === undefined
          ? `${found.target.api} knows no other patient`
          : `another patient is known from ${found.target.api}`,
    };
  },
};

/** An API for system access that has the same patients; else why there is none. */
async function beside(context: CheckContext, own: string): Promise<CheckContext | string> {
  let reason = "no API for system access of this tenant is configured, and no otherPatients";
  for (const api of context.otherApis) {
    try {
      const other = context.elsewhere(api);
      if (other.target.access !== "system" || !isSameServer(context.target, other.target)) continue;
      const read = await readOnce(other, "Patient", own);
      if (read.resource !== undefined) return other;
      reason = `${api} does not know the patient in context by the same id (status ${read.status})`;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      reason = `${api} could not be asked: ${error.message}`;
    }
  }
  return reason;
}

/** Whether two APIs have the same records: of one tenant and party, or at one host where the vendor's form says nothing. */
function isSameServer(one: Target, other: Target): boolean {
  if (one.fhirVersion !== other.fhirVersion || one.vendor !== other.vendor) return false;
  if (!one.vendor) return new URL(one.base).origin === new URL(other.base).origin;
  return one.party === other.party && one.uuid === other.uuid && one.generation === other.generation;
}

const isUnavailable = (error: unknown): error is Error =>
  error instanceof Blocked || error instanceof NotApplicable || error instanceof RequestFailed;

async function anotherPatient(system: CheckContext, own: ReadonlySet<string>): Promise<string | undefined> {
  try {
    const { ids } = await system.fact(patientsInReach);
    const other = ids.find((id) => !own.has(id));
    if (other !== undefined) return other;
    const found = await search(system, { type: "Patient", parameters: [["_count", "10"]] }, { pages: 1 });
    if (found.kind !== "found") return undefined;
    return found.matches.flatMap(({ resource }) => idOf(resource)).find((id) => !own.has(id));
  } catch (error) {
    if (isUnavailable(error)) return undefined;
    throw error;
  }
}

const idOf = ({ id }: Resource): readonly string[] => (typeof id === "string" ? [id] : []);

/** Ids of resources of a type that are another patient's; none where none are known. */
export async function foreignIds(context: CheckContext, type: string): Promise<readonly string[]> {
  return await context.fact({
    name: `${type} of another patient`,
    explainedBy: "auth-flows.backend-granted",
    provide: (own) => findForeign(own, type),
  });
}

async function findForeign(context: CheckContext, type: string): Promise<readonly string[]> {
  const configured = context.target.foreignResources?.[type] ?? [];
  const { patient, source } = await context.fact(strangers);
  if (configured.length > 0 || patient === undefined) return configured.slice(0, MOST_IDS);
  if (type === "Patient") return [patient];
  if (source === undefined) return [];
  const system = context.elsewhere(source);
  try {
    const declared = (await system.fact(declaredTypes)).get(type);
    if (type === "Provenance") return await provenanceOf(system, patient);
    if (type === "Group") return await groupsOf(system);
    if (type === "Binary") return await binariesOf(system, patient);
    if (declared?.searchParameters.has("patient") !== true) return [];
    const { result } = await searchWithStatuses(
      system,
      {
        type,
        parameters: [
          ["patient", patient],
          ["_count", "5"],
        ],
      },
      { pages: 1, purpose: `${type} of another patient, to be asked for by the wrong one` },
    );
    if (result.kind !== "found") return [];
    const own = await context.fact(ownPatients);
    return result.matches
      .filter(({ resource }) => !mentions(resource, own, system.target.base))
      .flatMap(({ resource }) => idOf(resource))
      .slice(0, MOST_IDS);
  } catch (error) {
    if (isUnavailable(error)) return [];
    throw error;
  }
}

async function provenanceOf(system: CheckContext, patient: string): Promise<readonly string[]> {
  const result = await search(
    system,
    {
      type: "Encounter",
      parameters: [
        ["patient", patient],
        ["_revinclude", "Provenance:target"],
      ],
    },
    { pages: 1 },
  );
  if (result.kind !== "found") return [];
  return result.included
    .filter(({ resource }) => resource.resourceType === "Provenance")
    .flatMap(({ resource }) => idOf(resource))
    .slice(0, MOST_IDS);
}

async function binariesOf(system: CheckContext, patient: string): Promise<readonly string[]> {
  const { result } = await searchWithStatuses(
    system,
    { type: "DocumentReference", parameters: [["patient", patient]] },
    { pages: 1, purpose: "documents of another patient, to be asked for by the wrong one" },
  );
  if (result.kind !== "found") return [];
  const documents = result.matches.map(({ resource }) => resource);
  return attachedBinaries(documents, system.target.base).slice(0, MOST_IDS);
}

async function groupsOf(system: CheckContext): Promise<readonly string[]> {
  const result = await search(system, { type: "Group", parameters: [["_count", "2"]] }, { pages: 1 });
  return result.kind === "found" ? result.matches.flatMap(({ resource }) => idOf(resource)) : [];
}

function patientIn(reference: string, base: string): string | undefined {
  const parsed = readReference(reference, base);
  return parsed.kind === "restful" && parsed.type === "Patient" && parsed.base === undefined
    ? parsed.id
    : undefined;
}

/** Elements that say whose record a resource belongs to, in one type or another (FHIR R4, patient compartment). */
const SUBJECTS = [
  "/subject/reference",
  "/patient/reference",
  "/beneficiary/reference",
  "/individual/reference",
  "/for/reference",
  "/participant/*/actor/reference",
  "/member/*/entity/reference",
];

/** Ids of the patients whose record a resource belongs to; none where it does not say. */
export function subjectsOf(resource: Resource, base: string): readonly string[] {
  if (resource.resourceType === "Patient") return idOf(resource);
  return SUBJECTS.flatMap((path) =>
    select(resource, path).flatMap(({ value }) =>
      typeof value === "string" ? (patientIn(value, base) ?? []) : [],
    ),
  );
}

/** Whether a resource is one of some patients, or refers to one, wherever. */
export function mentions(resource: Resource, patients: ReadonlySet<string>, base: string): boolean {
  if (resource.resourceType === "Patient") return idOf(resource).some((id) => patients.has(id));
  return referencesIn(resource).some((reference) => {
    const id = patientIn(reference, base);
    return id !== undefined && patients.has(id);
  });
}

/**
 * Those of some resources that are another patient's. What does not say whose it is counts as nobody's; Provenance
 * is whose its targets are, which an API for system access can tell.
 */
export async function foreignAmong(
  context: CheckContext,
  resources: readonly Resource[],
): Promise<readonly Resource[]> {
  const own = await context.fact(ownPatients);
  const { base } = context.target;
  const isForeign = async (resource: Resource): Promise<boolean> => {
    if (resource.resourceType === "Group") return subjectsOf(resource, base).some((id) => !own.has(id));
    // A family's insurance is everybody's of whom it speaks: what names an own patient anywhere is no stranger's.
    if (mentions(resource, own, base)) return false;
    const subjects =
      resource.resourceType === "Provenance"
        ? await targetSubjects(context, resource)
        : subjectsOf(resource, base);
    return subjects.length > 0 && !subjects.some((id) => own.has(id));
  };
  const verdicts = await Promise.all(resources.map(isForeign));
  return resources.filter((_, index) => verdicts[index] === true);
}

/** Whose the targets of a Provenance are, as far as an API for system access tells. */
async function targetSubjects(context: CheckContext, provenance: Resource): Promise<readonly string[]> {
  const { source } = await context.fact(strangers);
  const { base } = context.target;
  const found: string[] = [];
  for (const { value } of select(provenance, "/target/*/reference").slice(0, MOST_TARGETS)) {
    if (typeof value !== "string") continue;
    const direct = patientIn(value, base);
    const parsed = readReference(value, base);
    if (direct !== undefined) found.push(direct);
    else if (parsed.kind === "restful" && parsed.base === undefined) {
      const target = await targetOf(context, source, parsed.type, parsed.id);
      if (target !== undefined) found.push(...subjectsOf(target, base));
    }
  }
  return found;
}

async function targetOf(
  context: CheckContext,
  source: string | undefined,
  type: string,
  id: string,
): Promise<Resource | undefined> {
  const known = (await recordsIfDeclared(context, type)).find((one) => one["id"] === id);
  if (known !== undefined || source === undefined) return known;
  try {
    const { resource } = await readOnce(context.elsewhere(source), type, id);
    return isObject(resource) ? resource : undefined;
  } catch (error) {
    if (isUnavailable(error)) return undefined;
    throw error;
  }
}

async function recordsIfDeclared(context: CheckContext, type: string): Promise<readonly Resource[]> {
  try {
    return (await recordsOf(context, type)).resources.map(({ resource }) => resource);
  } catch (error) {
    if (isUnavailable(error)) return [];
    throw error;
  }
}
