/** Checks for applications that come from US Core 3.1.1, and for what a read and a search say of the same resource. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import { NoData, NotApplicable, type CheckContext, type Fact } from "../../../lib/checks/context.ts";
import { declaredInteraction, declaredTypes } from "../../../lib/checks/records/declared.ts";
import { readOnce, recordsOf, type RecordedResource } from "../../../lib/checks/records/records.ts";
import { search } from "../../../lib/checks/records/searching.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import type { Resource } from "../../../lib/fhir/resource.ts";
import { differences } from "../../../lib/fhir/xml.ts";
import { judgeCompatibility, type Compatibility } from "./compatibility.ts";
import { guide } from "./guides.ts";
import { articled, judgedIfAny, shortName } from "./judged.ts";
import { hasCode, nameOf, valuesAt } from "./seen.ts";
import { defectFindings } from "./validity.ts";

const facts = new Map<string, Fact<ReadonlyMap<string, readonly Compatibility[]>>>();

/** The resources of a type as a client of 3.1.1 sees them, judged once. */
async function compatibility(
  context: CheckContext,
  type: string,
): Promise<ReadonlyMap<string, readonly Compatibility[]>> {
  let fact = facts.get(type);
  if (fact === undefined) {
    fact = {
      name: `${type} in reach, judged by US Core 3.1.1`,
      explainedBy: "declared-answers.read",
      async provide(own) {
        const { resources } = await recordsOf(own, type);
        return judgeCompatibility(guide("us-core-6.1.0"), guide("us-core-3.1.1"), resources);
      },
    };
    facts.set(type, fact);
  }
  return await context.fact(fact);
}

const compatible: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const profile = String(parameters["profile"]);
  const found = (await compatibility(context, type)).get(profile) ?? [];
  if (found.length === 0)
    throw new NoData(
      `no ${type} that is right by US Core 6.1.0 and of ${shortName(profile)} by 3.1.1 is in reach`,
      `a patient with ${articled(type)} (${shortName(profile)})`,
    );
  return regressions(context, found, shortName(profile));
};

const compatibleOthers: Procedure = async (context, parameters) => {
  const withOwnCheck = parameters["except"] as readonly string[];
  const found: Compatibility[] = [];
  for (const type of (await context.fact(declaredTypes)).keys()) {
    if ((await judgedIfAny(context, type)) === undefined) continue;
    for (const [profile, list] of await compatibility(context, type))
      if (!withOwnCheck.includes(shortName(profile))) found.push(...list);
  }
  if (found.length === 0)
    throw new NoData(
      "nothing else that 3.1.1 has a profile of is in reach",
      "a patient with an allergy, a condition and a device",
    );
  return regressions(context, found, "its other profiles");
};

function regressions(
  context: CheckContext,
  found: readonly Compatibility[],
  what: string,
): readonly Finding[] {
  const known = new Map<string, number>();
  for (const reason of found.flatMap(({ contradictions }) => contradictions))
    known.set(reason, (known.get(reason) ?? 0) + 1);
  if (known.size > 0) {
    context.table({
      id: "contradictions",
      title: "Where the two versions of US Core contradict each other",
      columns: ["What", "Places"],
      rows: [...known].map(([reason, count]) => [reason, { text: String(count), state: "muted" }]),
      note: "A server of 6.1.0 cannot do otherwise, so this is no failure; an application that checks by 3.1.1 has to know of it.",
    });
  }
  return defectFindings(
    found.map(({ judged }) => judged),
    `what is right by US Core 6.1.0 to be right by 3.1.1 too (${what}), for applications that have not moved yet`,
    (value) => context.health(value),
  );
}

/** Resources of a type that are compared. */
const COMPARED = 2;
const DIFFERENCES = 5;
const SUBSETTED = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/** A resource as a read gives it is what a search gave, in content and in version. */
const readEqualsSearch: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  await declaredInteraction(context, type, "read");
  const sample = (await searched(context, type)).slice(0, COMPARED);
  if (sample.length === 0) throw new NoData(`a search found no ${type}`, `a patient with ${articled(type)}`);
  const findings: Finding[] = [];
  let compared = 0;
  for (const one of sample) {
    if (hasCode(valuesAt(one.resource, "meta.tag"), SUBSETTED, "SUBSETTED")) continue;
    const read = await readOnce(context, type, one.id);
    if (read.status === 401 || read.status === 403) continue;
    const name = context.health(nameOf(one.resource));
    if (read.resource === undefined) {
      findings.push({
        code: "agreement.not-read",
        expected: `a read of what a search found`,
        actual: `a read of ${name} gave ${read.status === 200 ? (read.problem ?? "something else") : `status ${read.status}`}`,
        exchange: read.exchange,
      });
      continue;
    }
    compared += 1;
    const [before, now] = [versionOf(one.resource), versionOf(read.resource)];
    const places = differences(without(one.resource), without(read.resource), DIFFERENCES);
    if (places.length === 0 && before === now) continue;
    // Between the two it may have been changed; then both are right.
    if (before !== now && (await isChanged(context, type, one.id, now))) continue;
    findings.push({
      code: before === now ? "agreement.content" : "agreement.version",
      expected: "a read to give what the search gave",
      actual:
        before === now ? `in ${name} they differ at ${places.join(", ")}` : `the versions of ${name} differ`,
      location: places[0] ?? "/meta/versionId",
      exchange: read.exchange,
    });
  }
  if (compared === 0 && findings.length === 0)
    throw new NotApplicable(`the token of this application finds ${type} and does not reach reads of it`);
  return findings;
};

async function searched(context: CheckContext, type: string): Promise<readonly RecordedResource[]> {
  const { resources } = await recordsOf(context, type);
  const found = resources.filter(({ source }) => source !== "read");
  if (found.length > 0 || type !== "Patient") return found;
  // Patients are read; a search for one of them is made for the purpose.
  const [patient] = resources;
  if (patient === undefined) return [];
  const result = await search(context, { type, parameters: [["_id", patient.id]] });
  if (result.kind !== "found") return [];
  return result.matches
    .filter(({ resource }) => resource["id"] === patient.id)
    .map(({ resource, exchange }) => ({ ...patient, resource, exchange, source: "search" }));
}

function versionOf(resource: Resource): unknown {
  return valuesAt(resource, "meta.versionId")[0];
}

/** What can differ without meaning anything: how a narrative is laid out. */
function without(resource: Resource): object {
  return Object.fromEntries(Object.entries(resource).filter(([name]) => name !== "text"));
}

/** Whether a search made now finds the version that the read gave. */
async function isChanged(
  context: CheckContext,
  type: string,
  id: string,
  version: unknown,
): Promise<boolean> {
  const result = await search(
    context,
    { type, parameters: [["_id", id]] },
    { purpose: "the same, once more" },
  );
  return result.kind === "found" && result.matches.some(({ resource }) => versionOf(resource) === version);
}

export const compatibilityProcedures: Readonly<Record<string, Procedure>> = {
  compatible,
  compatibleOthers,
  readEqualsSearch,
};
