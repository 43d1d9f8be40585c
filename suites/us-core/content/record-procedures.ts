/** Checks on single elements of records: how missing data are told, who recorded what, categories, medications. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import { NoData, type CheckContext, type Fact } from "../../../lib/checks/context.ts";
import { declaredTypes } from "../../../lib/checks/records/declared.ts";
import { patientsInReach } from "../../../lib/checks/records/patients.ts";
import { recordsOf, someRecordsOf, withProvenance } from "../../../lib/checks/records/records.ts";
import type { FoundResource } from "../../../lib/checks/records/searching.ts";
import { Blocked } from "../../../lib/checks/context.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import { guide } from "./guides.ts";
import { articled, judgedIfAny, judgedRecords } from "./judged.ts";
import {
  absencesIn,
  contradictsItself,
  isNeedless,
  lacksCode,
  tellsOfMasking,
  type Absence,
} from "./missing-data.ts";
import { lastTwo } from "./notes.ts";
import { referencesOf } from "./references.ts";
import { followAll } from "./resolution.ts";
import {
  codingsOf,
  grouped,
  hasCode,
  isEnteredInError,
  listAt,
  nameOf,
  textAt,
  valuesAt,
  type Seen,
} from "./seen.ts";
import { defectFindings, NO_PROFILE } from "./validity.ts";

/** Examples of one kind that are told; all are counted. */
const SHOWN = 5;

interface Absences {
  readonly all: readonly Absence[];
  readonly resources: number;
}

/** Every place in reach at which a resource says that data are missing. */
const absences: Fact<Absences> = {
  name: "missing data in reach",
  explainedBy: "declared-answers.read",
  async provide(context) {
    const { definitions } = guide("us-core-6.1.0");
    const all: Absence[] = [];
    let resources = 0;
    for (const type of (await context.fact(declaredTypes)).keys()) {
      const known = await judgedIfAny(context, type);
      if (known === undefined) continue;
      resources += known.records.resources.length;
      const profiles = new Map<unknown, string[]>();
      for (const [profile, judged] of known.judgement.byProfile) {
        for (const { resource } of judged)
          profiles.set(resource, [
            ...(profiles.get(resource) ?? []),
            ...(profile === NO_PROFILE ? [] : [profile]),
          ]);
      }
      for (const one of known.records.resources) {
        const owed = profiles.get(one.resource);
        if (owed !== undefined) all.push(...absencesIn(definitions, one, owed));
      }
    }
    if (resources === 0) throw new NoData("nothing is in reach", "a patient with records");
    return { all, resources };
  },
};

/** One finding for each element at which it happens, with how often it does. */
function absenceFindings(
  context: CheckContext,
  list: readonly Absence[],
  code: string,
  expected: string,
): readonly Finding[] {
  return [...grouped(list, ({ path }) => path).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    return [
      {
        code,
        expected,
        actual: `${group.length} of them, such as in ${context.health(nameOf(first.holder.resource))}, with the reason ${first.reason ?? "left out"}`,
        location: first.path,
        exchange: first.holder.exchange,
      },
    ];
  });
}

const missingOptional: Procedure = async (context) => {
  const { all } = await context.fact(absences);
  return absenceFindings(
    context,
    all.filter((one) => isNeedless(one)),
    "missing-data.needless",
    "elements that need not be there to be left out when the reason is not known",
  );
};

const missingCoded: Procedure = async (context) => {
  const { all } = await context.fact(absences);
  const wrong = all.filter((one) => lacksCode(one));
  if (wrong.length === 0 && !all.some(({ by, demanded }) => by === "code" && demanded === true))
    throw new NoData(
      "no coded element that has to be there is missing its data",
      "a patient with records that lack a code that has to be there: such as a care team member whose role is not known",
    );
  return absenceFindings(
    context,
    wrong,
    "missing-data.extension-for-code",
    "a text, or a code for unknown, where a coded element that has to be there lacks its data",
  );
};

const missingNotCoded: Procedure = async (context) => {
  const { all } = await context.fact(absences);
  const here = all.filter(({ by, demanded, coded }) => by === "extension" && demanded === true && !coded);
  const contradictory = all.filter((one) => contradictsItself(one));
  if (here.length + contradictory.length === 0)
    throw new NoData(
      "no element without codes that has to be there is missing its data",
      "a patient with records that lack something that has to be there: such as a care team member whose person is not known",
    );
  return [
    ...absenceFindings(
      context,
      contradictory,
      "missing-data.contradiction",
      "either a value or the reason why there is none",
    ),
    ...absenceFindings(
      context,
      here.filter(({ reason }) => reason === undefined),
      "missing-data.without-reason",
      "the reason, as a code",
    ),
  ];
};

const maskingUntold: Procedure = async (context) => {
  const { all } = await context.fact(absences);
  return absenceFindings(
    context,
    all.filter((one) => tellsOfMasking(one)),
    "missing-data.masked",
    "nothing that tells of hidden data",
  );
};

/** The resources of a type with the Provenance about them, of the first patient who has both. */
async function provenanceOf(
  context: CheckContext,
  type: string,
): Promise<{ readonly matches: readonly FoundResource[]; readonly provenance: readonly FoundResource[] }> {
  const { ids } = await context.fact(patientsInReach);
  let matches: readonly FoundResource[] = [];
  for (const patient of ids) {
    const result = await withProvenance(context, type, patient);
    if (result === undefined) continue;
    if (result.kind !== "found")
      throw new Blocked(
        `a search of ${type} with _revinclude=Provenance:target ${result.kind === "refused" ? `was refused with status ${result.status}` : "was not answered with a Bundle"}`,
      );
    const provenance = result.included.filter(({ resource }) => resource.resourceType === "Provenance");
    if (provenance.length > 0 && result.matches.length > 0) return { matches: result.matches, provenance };
    if (matches.length === 0) matches = result.matches;
  }
  return { matches, provenance: [] };
}

const targetsOf = ({ resource }: Seen) =>
  valuesAt(resource, "target").flatMap((target) => lastTwo(textAt(target, "reference")));

const provenanceShown: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  await recordsOf(context, type);
  const { matches, provenance } = await provenanceOf(context, type);
  if (matches.length === 0) throw new NoData(`no ${type} is in reach`, `a patient with ${articled(type)}`);
  const found = new Set(matches.map(({ resource }) => nameOf(resource)));
  if (provenance.some((one) => targetsOf(one).some((target) => found.has(target)))) return [];
  throw new NoData(
    `none of ${matches.length} ${type} resources came with a Provenance about it`,
    `a patient with ${articled(type)}: a Provenance about it`,
  );
};

const provenanceComplete: Procedure = async (context) => {
  const { resources } = await someRecordsOf(context, "Provenance");
  const flaws: (readonly [code: string, expected: string, one: Seen, location: string])[] = [];
  for (const one of resources) {
    const { resource } = one;
    const agents = listAt(resource, "agent");
    if (valuesAt(resource, "target.reference").length === 0)
      flaws.push(["provenance.no-target", "what it is about", one, "Provenance.target"]);
    if (textAt(resource, "recorded") === undefined && !("_recorded" in resource))
      flaws.push(["provenance.no-time", "when it was recorded", one, "Provenance.recorded"]);
    if (agents.length === 0)
      flaws.push(["provenance.no-agent", "somebody who took part", one, "Provenance.agent"]);
    for (const agent of agents) {
      const [who] = listAt(agent, "who");
      if (who === undefined) flaws.push(["provenance.no-who", "who took part", one, "Provenance.agent.who"]);
      const person = lastTwo(textAt(who, "reference"))[0]?.split("/")[0];
      if ((person === "Practitioner" || person === "Device") && listAt(agent, "onBehalfOf").length === 0)
        flaws.push([
          "provenance.no-organization",
          "the organization on whose behalf a practitioner or device acted",
          one,
          "Provenance.agent.onBehalfOf",
        ]);
    }
  }
  return [...grouped(flaws, ([code]) => code).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const [code, expected, one, location] = first;
    const count = new Set(group.map(([, , { resource }]) => resource)).size;
    return [
      {
        code,
        expected,
        actual: `missing in ${count} of ${resources.length} Provenance resources, such as ${context.health(nameOf(one.resource))}`,
        location,
        exchange: one.exchange,
      },
    ];
  });
};

const CATEGORIES = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category";

/** A resource of a type, and of a profile where one is given, has a category of US Core's screening and assessments. */
const assessmentShown: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const profile = String(parameters["profile"]);
  const code = String(parameters["category"]);
  const { judgement } = await judgedRecords(context, type);
  const judged = judgement.byProfile.get(profile) ?? [];
  if (judged.some(({ resource }) => hasCode(resource["category"], CATEGORIES, code))) return [];
  const name = profile.slice(profile.lastIndexOf("/") + 1);
  throw new NoData(
    judged.length === 0
      ? `no ${type} of ${name} is in reach`
      : `none of ${judged.length} ${type} resources of ${name} has the category ${code}`,
    `a patient with ${articled(type)} (${name}): the category ${code}`,
  );
};

/** Observations of a kind in which no value belongs. */
const withoutValue: Procedure = async (context, parameters) => {
  const profile = String(parameters["profile"]);
  const panelsOnly = parameters["panels"] === true;
  const { judgement } = await judgedRecords(context, "Observation");
  const judged = (judgement.byProfile.get(profile) ?? []).filter(
    ({ resource }) => !panelsOnly || listAt(resource, "hasMember").length > 0,
  );
  if (judged.length === 0) throw new NoData("no such Observation is in reach", String(parameters["wanted"]));
  const wrong = judged.filter(({ resource }) => Object.keys(resource).some((key) => /^value[A-Z]/.test(key)));
  return wrong.slice(0, 1).map(({ resource, exchange }) => ({
    code: "observation.value",
    expected: "no value beside what the parts say",
    actual: `${wrong.length} of ${judged.length} have one, such as ${context.health(nameOf(resource))}`,
    location: "Observation.value[x]",
    exchange,
  }));
};

/** An extension of patients is there, and well made. */
const patientExtension: Procedure = async (context, parameters) => {
  const url = String(parameters["url"]);
  const name = url.slice(url.lastIndexOf("/") + 1);
  const { judgement } = await judgedRecords(context, "Patient");
  const patients =
    [...judgement.byProfile].find(([profile]) => profile.endsWith("/us-core-patient"))?.[1] ?? [];
  const showing = patients.filter(({ resource }) =>
    listAt(resource, "extension").some((one) => textAt(one, "url") === url),
  );
  if (showing.length === 0)
    throw new NoData(
      `none of ${patients.length} patients in reach has the extension ${name}`,
      `a patient: ${name}`,
    );
  const own = showing.map((one) => {
    const places = listAt(one.resource, "extension").flatMap((extension, index) =>
      textAt(extension, "url") === url ? [`Patient.extension[${index}]`] : [],
    );
    return {
      ...one,
      defects: one.defects.filter(
        ({ expression, profile }) =>
          profile === url ||
          places.some((place) => expression === place || expression.startsWith(`${place}.`)),
      ),
    };
  });
  return defectFindings(own, `the extension ${name} as it is defined`, (value) => context.health(value));
};

/** Every medication that is ordered or dispensed is named: by a code, or by a resource that can be had. */
const medicationNamed: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const { resources } = await someRecordsOf(context, type);
  const valid = resources.filter(({ resource }) => !isEnteredInError(resource));
  const followed = await followAll(
    context,
    valid.flatMap((one) => referencesOf(one).filter(({ path }) => path === `${type}.medicationReference`)),
  );
  const findings: Finding[] = [];
  const lost = followed.filter(({ resolution }) =>
    ["gone", "wrong", "not contained"].includes(resolution.kind),
  );
  for (const { reference, resolution } of lost.slice(0, SHOWN)) {
    findings.push({
      code: "medication.not-found",
      expected: "a Medication that can be had, contained or by a read",
      actual: `${lost.length} of ${followed.length} references lead to none, such as that of ${context.health(nameOf(reference.holder.resource))}`,
      location: reference.path,
      exchange: "exchange" in resolution ? resolution.exchange : reference.holder.exchange,
    });
    break;
  }
  const nameless = followed.filter(
    ({ resolution }) =>
      resolution.kind === "resolved" &&
      codingsOf(resolution.resource["code"]).length === 0 &&
      valuesAt(resolution.resource, "code.text").length === 0,
  );
  const bare = valid.filter(
    ({ resource }) => !("medicationReference" in resource) && !("medicationCodeableConcept" in resource),
  );
  const without = [...nameless.map(({ reference }) => reference.holder), ...bare];
  for (const { resource, exchange } of without.slice(0, 1)) {
    findings.push({
      code: "medication.nameless",
      expected: "a code or a text for the medication",
      actual: `${without.length} of ${valid.length} have none, such as ${context.health(nameOf(resource))}`,
      location: `${type}.medication[x]`,
      exchange,
    });
  }
  const kinds = new Map([
    ["coded", valid.filter(({ resource }) => "medicationCodeableConcept" in resource).length],
    ["contained", followed.filter(({ reference }) => reference.to?.startsWith("#") === true).length],
    ["by reference", followed.filter(({ reference }) => reference.to?.startsWith("#") === false).length],
  ]);
  context.table({
    id: "medications",
    title: `How ${type} names the medication`,
    columns: ["How", "Resources"],
    rows: [...kinds].map(([how, count]) => [how, String(count)]),
    note: "One way is enough.",
  });
  return findings;
};

/** Every Observation with a profile's code has the category that goes with it, by which searches and scopes find it. */
const categoryAgrees: Procedure = async (context, parameters) => {
  const code = parameters["code"] as { system: string; code: string };
  const category = parameters["category"] as { system: string; code: string };
  const { resources } = await someRecordsOf(context, "Observation");
  const coded = resources.filter(
    ({ resource }) => !isEnteredInError(resource) && hasCode(resource["code"], code.system, code.code),
  );
  if (coded.length === 0)
    throw new NoData(
      `no Observation with the code ${code.code} is in reach`,
      `a patient with an Observation: the code ${code.code}`,
    );
  const wrong = coded.filter(
    ({ resource }) => !hasCode(resource["category"], category.system, category.code),
  );
  return wrong.slice(0, 1).map(({ resource, exchange }) => ({
    code: "category.missing",
    expected: `the category ${category.code} on every Observation with the code ${code.code}`,
    actual: `${wrong.length} of ${coded.length} lack it, such as ${context.health(nameOf(resource))}`,
    location: "Observation.category",
    exchange,
  }));
};

export const recordProcedures: Readonly<Record<string, Procedure>> = {
  assessmentShown,
  categoryAgrees,
  maskingUntold,
  medicationNamed,
  missingCoded,
  missingNotCoded,
  missingOptional,
  patientExtension,
  provenanceComplete,
  provenanceShown,
  withoutValue,
};
