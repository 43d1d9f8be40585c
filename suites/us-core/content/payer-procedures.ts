/** Checks on what payers have beside clinical records: coverage and claims. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import { NoData, NotApplicable, type CheckContext, type Fact } from "../../../lib/checks/context.ts";
import { declaredInteraction } from "../../../lib/checks/records/declared.ts";
import { someRecordsOf } from "../../../lib/checks/records/records.ts";
import { search } from "../../../lib/checks/records/searching.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import { createValidator } from "../../../lib/validator/index.ts";
import { loadDefinitions } from "../../../lib/validator/pack/load.ts";
import type { Guide } from "./guides.ts";
import { articled, judgedRecords, shortName } from "./judged.ts";
import { lastTwo } from "./notes.ts";
import { nameOf, textAt, valuesAt, type Seen } from "./seen.ts";
import { defectFindings, judgeAll, NO_PROFILE, unverifiedTable } from "./validity.ts";

/** The guides that the configuration names for this API. */
const configuredGuide: Fact<Guide | undefined> = {
  name: "guides of the configuration",
  explainedBy: "us-core.payer-valid:ExplanationOfBenefit",
  async provide({ target: { guides = [] } }) {
    if (guides.length === 0) return undefined;
    const definitions = await loadDefinitions(guides);
    return { definitions, validator: createValidator(definitions) };
  },
};

const payerValid: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  await someRecordsOf(context, type);
  const { judgement } = await judgedRecords(context, type);
  const judged = [...judgement.byProfile.values()].flat();
  const table = unverifiedTable(judged);
  if (table !== undefined) context.table(table);
  return defectFindings(judged, `every ${type} to be valid`, (value) => context.health(value));
};

const payerGuide: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const guide = await context.fact(configuredGuide);
  if (guide === undefined)
    throw new NotApplicable(
      "the configuration names no guide for this API (guides), such as the package of CARIN Blue Button",
    );
  const profiles = guide.definitions.profilesOf(type);
  if (profiles.length === 0) throw new NotApplicable(`the configured guides have no profile of ${type}`);
  const { resources } = await someRecordsOf(context, type);
  const { byProfile } = judgeAll(guide, resources);
  const judged = [...byProfile].filter(([profile]) => profile !== NO_PROFILE).flatMap(([, list]) => list);
  if (judged.length === 0)
    throw new NoData(
      `none of ${resources.length} ${type} resources is of a profile of the configured guides`,
      `a patient with ${articled(type)}: of ${profiles.map(({ url }) => shortName(url)).join(" or ")}`,
    );
  const table = unverifiedTable(judged);
  if (table !== undefined) context.table(table);
  return defectFindings(judged, `every ${type} to meet its profile of the configured guides`, (value) =>
    context.health(value),
  );
};

/** A search by patient finds that patient's and no other's; one by id finds the one that has it. */
const payerSearch: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  await declaredInteraction(context, type, "search-type");
  const { resources } = await someRecordsOf(context, type);
  const one = resources.find(({ patient }) => patient !== undefined);
  if (one?.patient === undefined)
    throw new NoData(`no ${type} of a patient is in reach`, `a patient with ${articled(type)}`);
  const findings: Finding[] = [];
  const byPatient = await found(context, type, "patient", one.patient, findings);
  const foreign = byPatient.filter(({ resource }) => !isOf(resource, one.patient ?? ""));
  findings.push(
    ...foreign.slice(0, 1).map(({ resource, exchange }) => ({
      code: "payer.other-patient",
      expected: `${type} of the patient that was asked for`,
      actual: `${foreign.length} of ${byPatient.length} are of somebody else, such as ${context.health(nameOf(resource))}`,
      exchange,
    })),
  );
  const byId = await found(context, type, "_id", one.id, findings);
  if (findings.length === 0 && !(byId.length === 1 && byId[0]?.resource["id"] === one.id)) {
    findings.push({
      code: "payer.by-id",
      expected: "the one resource with the id that was asked for",
      actual: `${byId.length} resources`,
      location: "_id",
      exchange: byId[0]?.exchange ?? one.exchange,
    });
  }
  return findings;
};

const isOf = (resource: Seen["resource"], patient: string) =>
  [...valuesAt(resource, "patient"), ...valuesAt(resource, "beneficiary")].some(
    (reference) => lastTwo(textAt(reference, "reference"))[0] === `Patient/${patient}`,
  );

async function found(
  context: CheckContext,
  type: string,
  parameter: string,
  value: string,
  findings: Finding[],
): Promise<readonly Seen[]> {
  const result = await search(context, { type, parameters: [[parameter, value]] });
  if (result.kind === "found") return result.matches;
  findings.push(
    result.kind === "unusable"
      ? result.finding
      : {
          code: "payer.search-refused",
          expected: `an answer to a search of ${type} by ${parameter}`,
          actual: `status ${result.status}`,
          exchange: result.exchange,
        },
  );
  return [];
}

export const payerProcedures: Readonly<Record<string, Procedure>> = { payerGuide, payerSearch, payerValid };
