/** Checks on what resources hold: valid by their profiles, and with all that their profiles mark as must-support. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import { NoData } from "../../../lib/checks/context.ts";
import { declaredTypes } from "../../../lib/checks/records/declared.ts";
import { guide } from "./guides.ts";
import { judgedBy, judgedIfAny, shortName, wantedOf } from "./judged.ts";
import { itemName, missing, sightings, sightingsTable } from "./must-support.ts";
import { defectFindings, NO_PROFILE, unverifiedTable, type Judged } from "./validity.ts";

/** Elements that are named in a sentence; the table has them all. */
const NAMED = 12;

/** Every resource that has to meet a profile meets it. */
const validByProfile: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const profile = String(parameters["profile"]);
  const { judged } = await judgedBy(context, type, profile);
  const table = unverifiedTable(judged);
  if (table !== undefined) context.table(table);
  return defectFindings(judged, `every ${type} to meet ${shortName(profile)}`, (value) =>
    context.health(value),
  );
};

/** Every resource that no profile of US Core is for is valid by R4. */
const validWithoutProfile: Procedure = async (context) => {
  const judged: Judged[] = [];
  for (const type of (await context.fact(declaredTypes)).keys()) {
    const records = await judgedIfAny(context, type);
    judged.push(...(records?.judgement.byProfile.get(NO_PROFILE) ?? []));
  }
  if (judged.length === 0)
    throw new NoData(
      "a profile of US Core is for every resource in reach",
      "a patient with a resource that no profile of US Core is for: such as an Observation of another kind",
    );
  const table = unverifiedTable(judged);
  if (table !== undefined) context.table(table);
  return defectFindings(judged, "every resource to be valid FHIR R4", (value) => context.health(value));
};

/** Every must-support element of a profile is shown by some resource. */
const mustSupportShown: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const profile = String(parameters["profile"]);
  const { judged, records } = await judgedBy(context, type, profile);
  const found = sightings(guide("us-core-6.1.0").definitions, profile, judged);
  context.table(sightingsTable(profile, found, (value) => context.health(value)));
  const names = missing(found).map((item) => itemName(item));
  if (names.length === 0) return [];
  const some =
    names.slice(0, NAMED).join(", ") + (names.length > NAMED ? ` and ${names.length - NAMED} more` : "");
  throw new NoData(
    `${names.length} of ${found.length} must-support elements of ${shortName(profile)} stand in none of ${judged.length} resources: ${some}${records.incomplete === undefined ? "" : ` (${records.incomplete})`}`,
    `${wantedOf(type, profile)}: ${names.join(", ")}`,
  );
};

export const resourceProcedures: Readonly<Record<string, Procedure>> = {
  mustSupportShown,
  validByProfile,
  validWithoutProfile,
};
