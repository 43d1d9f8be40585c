/** Checks on what comes along with what is found: includes, and the Provenance about it. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import { NoData, NotApplicable, type CheckContext } from "../../../lib/checks/context.ts";
import { declaredInteraction, declaredType } from "../../../lib/checks/records/declared.ts";
import {
  referencesIn,
  searchThatFinds,
  withProvenance,
  type RecordedResource,
} from "../../../lib/checks/records/records.ts";
import { search, type SearchResult } from "../../../lib/checks/records/searching.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import { readReference } from "../../../lib/fhir/reference.ts";
import { referenceTo, type Resource } from "../../../lib/fhir/resource.ts";
import { isObject } from "../../../lib/checks/select.ts";
import { listAt } from "../content/seen.ts";
import { capped, nameOf, refusalFindings, showSearch } from "./judging.ts";
import { poolOf } from "./pool.ts";

type Found = Extract<SearchResult, { kind: "found" }>;

/** Where the references of includes stand, where that is not the parameter's name. */
const INCLUDE_ELEMENTS: Readonly<Record<string, readonly string[]>> = {
  "CareTeam:participant": ["participant", "member"],
  "MedicationDispense:medication": ["medicationReference"],
  "MedicationRequest:medication": ["medicationReference"],
};

/** Local references of a resource at the element that an include is about, to resources of the wanted type. */
function included(context: CheckContext, resource: Resource, include: string): readonly string[] {
  const [type = "", parameter = "", target] = include.split(":");
  const path = INCLUDE_ELEMENTS[`${type}:${parameter}`] ?? [parameter];
  const values = path.reduce<readonly unknown[]>(
    (found, name) => found.flatMap((value) => listAt(value, name)),
    [resource],
  );
  return values.flatMap((value) => {
    const text = isObject(value) ? value["reference"] : undefined;
    if (typeof text !== "string") return [];
    const parsed = readReference(text, context.target.base);
    if (parsed.kind !== "restful" || parsed.base !== undefined) return [];
    return target === undefined || target === parsed.type ? [`${parsed.type}/${parsed.id}`] : [];
  });
}

/** What the resources found refer to comes along when that is asked for. */
const includesComeAlong: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const include = String(parameters["include"]);
  await declaredInteraction(context, type, "search-type");
  const declared = await declaredType(context, type);
  const short = include.split(":").slice(0, 2).join(":");
  if (![include, short, "*", include.split(":")[1] ?? ""].some((one) => declared.includes.has(one)))
    throw new NotApplicable(`the CapabilityStatement does not declare _include=${include}`);
  const { records } = await poolOf(context, type);
  const record = records.resources.find(({ resource }) => included(context, resource, include).length > 0);
  const target = include.split(":")[2] ?? "another resource";
  if (record === undefined) {
    throw new NoData(
      `no ${type} in reach refers to ${target} at ${short}`,
      `a patient with a ${type} that refers to ${target} (${short})`,
    );
  }
  const asked = await searchOf(context, record);
  const result = await search(
    context,
    { type, parameters: [...asked, ["_include", include]] },
    { purpose: `search of ${type} with _include=${include}` },
  );
  showSearch(
    context,
    { asked: asked.map(([name, value]) => ({ name, value, from: record })) },
    result,
    include,
  );
  if (result.kind !== "found")
    return refusalFindings(result, `a search of ${type} with _include=${include} to be answered`);
  return includeFindings(context, result, include);
};

/** A search that finds a known resource. */
async function searchOf(
  context: CheckContext,
  record: RecordedResource,
): Promise<readonly (readonly [string, string])[]> {
  const known =
    record.patient === undefined ? undefined : await searchThatFinds(context, record.type, record.patient);
  if (known !== undefined) return known;
  const practitioner = record.resource["practitioner"];
  const reference = isObject(practitioner) ? practitioner["reference"] : undefined;
  const parsed = typeof reference === "string" ? readReference(reference, context.target.base) : undefined;
  return parsed?.kind === "restful" ? [["practitioner", parsed.id]] : [["_id", record.id]];
}

function includeFindings(context: CheckContext, result: Found, include: string): readonly Finding[] {
  const came = new Set([...result.included, ...result.matches].map(({ resource }) => referenceTo(resource)));
  const wanted = new Set(result.matches.flatMap(({ resource }) => included(context, resource, include)));
  if (result.cut !== undefined) return [];
  return capped([
    ...[...wanted]
      .filter((reference) => !came.has(reference))
      .map((reference) => ({
        code: "include.missing",
        expected: `everything that the matches refer to at ${include}`,
        actual: `a result without ${context.health(reference)}`,
        exchange: result.exchange,
      })),
    ...result.included
      .filter(
        ({ resource }) =>
          resource.resourceType !== "OperationOutcome" && !wanted.has(referenceTo(resource) ?? ""),
      )
      .map(({ resource, exchange }) => ({
        code: "include.unasked",
        expected: `only what the matches refer to at ${include}`,
        actual: `${nameOf(context, resource)} too`,
        exchange,
      })),
  ]);
}

/** The Provenance about what is found comes along when that is asked for. */
const provenanceComesAlong: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const profile = String(parameters["profile"]);
  await declaredInteraction(context, type, "search-type");
  const { pool } = await poolOf(context, type, profile);
  const patients = [
    ...new Set(pool.flatMap(({ id, patient }) => patient ?? (type === "Patient" ? [id] : []))),
  ];
  const own = new Set(pool.map(({ resource }) => referenceTo(resource)));
  const name = profile.slice(profile.lastIndexOf("/") + 1);
  for (const patient of patients) {
    const result = await withProvenance(context, type, patient);
    if (result === undefined) continue;
    if (result.kind !== "found")
      return refusalFindings(result, `a search of ${type} with _revinclude=Provenance:target to be answered`);
    const strangers = unrelated(context, result);
    if (strangers.length > 0) return strangers;
    const about = result.included.filter(
      ({ resource }) =>
        resource.resourceType === "Provenance" &&
        targets(context, resource).some((target) => own.has(target)),
    );
    if (about.length > 0) return [];
  }
  throw new NoData(
    `no ${type} of ${name} in reach came with a Provenance about it`,
    `a patient with a ${type} (${name}) about which there is a Provenance`,
  );
};

/** What a Provenance is about. */
function targets(context: CheckContext, provenance: Resource): readonly string[] {
  return listAt(provenance, "target").flatMap((target) => {
    const text = isObject(target) ? target["reference"] : undefined;
    if (typeof text !== "string") return [];
    const parsed = readReference(text, context.target.base);
    return parsed.kind === "restful" ? [`${parsed.type}/${parsed.id}`] : [];
  });
}

/** Provenance in a result that is about nothing in it. */
function unrelated(context: CheckContext, result: Found): readonly Finding[] {
  const found = new Set(result.matches.map(({ resource }) => referenceTo(resource)));
  if (result.cut !== undefined) return [];
  return capped(
    result.included
      .filter(({ resource }) => resource.resourceType === "Provenance")
      .filter(
        ({ resource }) =>
          referencesIn(resource).length > 0 && !targets(context, resource).some((one) => found.has(one)),
      )
      .map(({ resource, exchange }) => ({
        code: "include.unasked",
        expected: "only Provenance about the resources found",
        actual: `${nameOf(context, resource)}, which is about something else`,
        exchange,
      })),
  );
}

export const includeProcedures: Readonly<Record<string, Procedure>> = {
  includesComeAlong,
  provenanceComesAlong,
};
