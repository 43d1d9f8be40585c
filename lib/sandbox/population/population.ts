import { registrations, type Tenant } from "../data.ts";
import type { Json, JsonObject } from "../json.ts";
import {
  makeAllergies,
  makeCarePlans,
  makeCareTeams,
  makeConditions,
  makeDevices,
  makeGoals,
  makeImmunizations,
  makeProcedures,
  makeServiceRequests,
} from "./care.ts";
import { openChart, type Chart } from "./chart.ts";
import { makeCoverages, makeExplanationsOfBenefit } from "./claims.ts";
import { makeDirectory } from "./directory.ts";
import { makeBinaries, makeDocuments } from "./documents.ts";
import { makeEncounters } from "./encounters.ts";
import {
  makeAssessments,
  makeQuestionnaire,
  makeQuestionnaireResponses,
  makeSimpleObservations,
  makeSocialHistory,
} from "./life.ts";
import { earlierVersions } from "./versions.ts";
import { makeMedicationDispenses, makeMedicationRequests, makeMedications } from "./medications.ts";
import { makeOrganizations } from "./organization.ts";
import { makeGroups, makePatient, makeRelatedPersons } from "./patient.ts";
import { makeProvenance, WITH_PROVENANCE } from "./provenance.ts";
import { createRandom } from "./random.ts";
import {
  makeClinicalResults,
  makeLaboratoryResults,
  makeMedia,
  makeReports,
  makeSpecimens,
} from "./results.ts";
import { makeVitalSigns } from "./vital-signs.ts";

/** The synthetic data of one tenant. Nobody can change it: it is frozen, and shared by all sandboxes of a process. */
export interface Population {
  /** Patients by id and name, in order. */
  patients(): readonly { readonly id: string; readonly name: string }[];
  /** Resources of a type, patient by patient. */
  ofType(type: string): readonly JsonObject[];
  find(type: string, id: string): JsonObject | undefined;
  /** Former versions of a resource, the latest first. */
  earlier(resource: JsonObject): readonly JsonObject[];
}

/** The resources of a patient, by type. */
const RECORD: Readonly<Record<string, (chart: Chart) => JsonObject[]>> = {
  AllergyIntolerance: makeAllergies,
  Binary: makeBinaries,
  CarePlan: makeCarePlans,
  CareTeam: makeCareTeams,
  Condition: makeConditions,
  Coverage: makeCoverages,
  Device: makeDevices,
  DiagnosticReport: makeReports,
  DocumentReference: makeDocuments,
  Encounter: makeEncounters,
  ExplanationOfBenefit: makeExplanationsOfBenefit,
  Goal: makeGoals,
  Immunization: makeImmunizations,
  Media: makeMedia,
  MedicationDispense: makeMedicationDispenses,
  MedicationRequest: makeMedicationRequests,
  Observation: (chart) => [
    ...makeVitalSigns(chart),
    ...makeLaboratoryResults(chart),
    ...makeClinicalResults(chart),
    ...makeSocialHistory(chart),
    ...makeSimpleObservations(chart),
    ...makeAssessments(chart),
  ],
  Patient: makePatient,
  Procedure: makeProcedures,
  QuestionnaireResponse: makeQuestionnaireResponses,
  RelatedPerson: makeRelatedPersons,
  ServiceRequest: makeServiceRequests,
  Specimen: makeSpecimens,
};

const remembered = new Map<string, Population>();

/**
 * The data of a tenant: the same for the same seed and number of patients, in every process. Ids start with the
 * tenant's, so that no id exists at two tenants. A type is made when it is first asked for.
 */
export function populate(tenantId: string, seed: number, patients: number): Population {
  const key = `${tenantId}/${seed}/${patients}`;
  let population = remembered.get(key);
  if (population === undefined) {
    const tenant = registrations().tenants.find((each) => each.id === tenantId);
    if (tenant === undefined) throw new Error(`There is no tenant "${tenantId}".`);
    population = createPopulation(tenant, seed, patients);
    remembered.set(key, population);
  }
  return population;
}

function createPopulation(tenant: Tenant, seed: number, patients: number): Population {
  const charts = Array.from({ length: patients }, (_, index) => openChart(tenant, seed, index + 1));
  const shared = [
    ...makeOrganizations(tenant, createRandom(seed, `${tenant.id}/staff`)),
    ...makeDirectory(tenant),
    ...makeMedications(tenant),
    makeQuestionnaire(tenant),
    ...makeGroups(tenant, patients),
  ];
  const made = new Map<
    string,
    { readonly all: readonly JsonObject[]; readonly byId: Map<string, JsonObject> }
  >();
  const make = (type: string): JsonObject[] => {
    if (type === "Provenance") return makeProvenances();
    const maker = RECORD[type];
    return maker === undefined
      ? shared.filter((each) => each["resourceType"] === type)
      : charts.flatMap((chart) => maker(chart));
  };
  const makeProvenances = () =>
    WITH_PROVENANCE.flatMap((type) => collect(type).all.map((target) => makeProvenance(tenant, target)));
  const collect = (type: string) => {
    let collected = made.get(type);
    if (collected === undefined) {
      const all = make(type).map(freeze);
      collected = { all, byId: new Map(all.map((each) => [textOf(each["id"]), each])) };
      made.set(type, collected);
    }
    return collected;
  };
  return {
    patients: () =>
      collect("Patient").all.map((patient) => {
        const [name] = patient["name"] as { family?: string; given?: string[] }[];
        return { id: textOf(patient["id"]), name: `${name?.given?.join(" ") ?? ""} ${name?.family ?? ""}` };
      }),
    ofType: (type) => collect(type).all,
    find: (type, id) => collect(type).byId.get(id),
    earlier: (resource) =>
      collect(textOf(resource["resourceType"])).byId.get(textOf(resource["id"])) === resource
        ? earlierVersions(resource)
        : [],
  };
}

function freeze<T extends Json>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}

const textOf = (value: unknown) => (typeof value === "string" ? value : "");
