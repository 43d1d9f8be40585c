import type { Procedure } from "../../lib/checks/answer.ts";
import { NoData, NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { capabilityStatement } from "../../lib/checks/facts.ts";
import { jsonOf } from "../../lib/checks/outcome.ts";
import type { ResultCell } from "../../lib/checks/results.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import { isWithin } from "../../lib/checks/urls.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import { bearerOf, closedFindings, homeToken } from "./doors.ts";
import { isAmong, resourcesOf, type Resource } from "./foreign.ts";

/** Types that can be searched by a patient alone (US Core 6.1.0). */
const BY_PATIENT = ["AllergyIntolerance", "Condition", "Encounter", "Immunization", "Procedure"];
/** Types of which a tenant usually has several. */
const SEVERAL = ["Practitioner", "Location", "Organization", ...BY_PATIENT, "Observation", "Patient"];

async function typesOf(context: CheckContext): Promise<readonly string[]> {
  const { json } = await context.fact(capabilityStatement);
  return select(json, "/rest/0/resource/*/type").map(({ value }) => String(value));
}

/** A request for JSON with the token of the API that a context is about. */
async function ask(context: CheckContext, path: string, purpose: string): Promise<HttpResponse> {
  const url = /^https?:/.test(path) ? path : `${context.target.base}/${path}`;
  return await context.send({
    method: "GET",
    url,
    headers: { accept: "application/fhir+json" },
    bearer: bearerOf(context, await homeToken(context)),
    redirect: "manual",
    purpose,
  });
}

/** One resource of each type that the other tenant has, as its own registration sees it. */
const theirResources: Fact<readonly Resource[]> = {
  name: "resources of the other tenant",
  explainedBy: "capability-statement.served",
  async provide(context) {
    const found: Resource[] = [];
    for (const type of await typesOf(context)) {
      const response = await ask(context, `${type}?_count=1`, "what another tenant has");
      if (response.status !== 200) continue;
      const first = resourcesOf(response).find(({ resourceType }) => resourceType === type);
      if (first !== undefined) found.push(first);
    }
    return found;
  },
};

async function theirs(other: CheckContext): Promise<readonly Resource[]> {
  await homeToken(other);
  const found = await other.fact(theirResources);
  if (found.length > 0) return found;
  throw new NoData(
    "the other tenant shows no resources to its own registration",
    "any data at the other tenant",
  );
}

/** Ids of another tenant's resources lead nowhere. Parameter: `types` (`Patient`, `all`). */
export const foreignIdsLeadNowhere: Procedure = async (context, { types }) => {
  await homeToken(context);
  const all = await theirs(context.atOtherTenant());
  const wanted = types === "all" ? all : all.filter(({ resourceType }) => resourceType === types);
  if (wanted.length === 0)
    throw new NoData(`the other tenant shows no ${String(types)}`, "a patient at the other tenant");
  const findings: Finding[] = [];
  const rows: ResultCell[][] = [];
  for (const resource of wanted) {
    const { resourceType, id } = resource;
    const response = await ask(context, `${resourceType}/${encodeURIComponent(id)}`, "id of another tenant");
    const isLeak = response.status === 200 && isAmong(resource, resourcesOf(response));
    const text = `status ${response.status}`;
    rows.push([resourceType, { text, state: isLeak ? "bad" : "good", exchange: response.exchange }]);
    if (isLeak) findings.push(leak(response, resourceType));
  }
  context.table({
    id: "foreign-ids",
    title: "Ids of another tenant's resources, asked for here",
    columns: ["type", "answer"],
    rows,
    note: "One id of each type. Red is a resource of the other tenant.",
  });
  return findings;
};

const leak = (response: HttpResponse, type: string): Finding => ({
  code: "isolation.foreign-data",
  expected: "nothing of the other tenant",
  actual: `its ${type}`,
  exchange: response.exchange,
});

/** What both answers have, resource by resource. */
function shared(here: HttpResponse, there: HttpResponse): readonly Finding[] {
  if (here.status !== 200) return [];
  const known = resourcesOf(there);
  const found = resourcesOf(here).filter((one) => isAmong(one, known));
  return [...new Set(found.map(({ resourceType }) => resourceType))].map((type) => leak(here, type));
}

/** A search by another tenant's patient finds nothing of theirs. Parameter: `by` (`id`, `absolute`). */
export const foreignPatientFindsNothing: Procedure = async (context, { by }) => {
  await homeToken(context);
  const other = context.atOtherTenant();
  const patient = (await theirs(other)).find(({ resourceType }) => resourceType === "Patient");
  if (patient === undefined)
    throw new NoData("the other tenant shows no Patient", "a patient at the other tenant");
  const offered = await typesOf(context);
  const findings: Finding[] = [];
  let compared = 0;
  for (const type of BY_PATIENT.filter((one) => offered.includes(one))) {
    const there = await ask(
      other,
      `${type}?patient=${encodeURIComponent(patient.id)}`,
      "search at the other tenant",
    );
    if (there.status !== 200 || resourcesOf(there).length === 0) continue;
    compared += 1;
    const value = by === "absolute" ? `${other.target.base}/Patient/${patient.id}` : patient.id;
    const here = await ask(
      context,
      `${type}?patient=${encodeURIComponent(value)}`,
      "search by another tenant's patient",
    );
    findings.push(...shared(here, there));
  }
  if (compared === 0)
    throw new NoData(
      "the other tenant's patient has no data",
      "a patient with a condition at the other tenant",
    );
  return findings;
};

/** A link to the next page at the other tenant. */
const theirNextPage: Fact<string> = {
  name: "next page of the other tenant",
  explainedBy: "capability-statement.served",
  async provide(context) {
    const offered = await typesOf(context);
    for (const type of SEVERAL.filter((one) => offered.includes(one))) {
      const response = await ask(context, `${type}?_count=1`, "a page of the other tenant");
      if (response.status !== 200) continue;
      const next = nextOf(response);
      if (next !== undefined && new URL(next).origin === new URL(context.target.base).origin) return next;
    }
    throw new NoData(
      "no search of the other tenant has a second page",
      "two resources of a type at the other tenant",
    );
  },
};

function nextOf(response: HttpResponse): string | undefined {
  const json = jsonOf(response);
  const links = isObject(json) && Array.isArray(json["link"]) ? json["link"] : [];
  const next: unknown = links.filter(isObject).find((link) => link["relation"] === "next")?.["url"];
  return typeof next === "string" && URL.canParse(next) ? next : undefined;
}

/** Another tenant's paging links are no way in. Parameter: `moved`: their query, on the target's own base. */
export const foreignPageClosed: Procedure = async (context, { moved }) => {
  await homeToken(context);
  const other = context.atOtherTenant();
  await homeToken(other);
  const next = await other.fact(theirNextPage);
  if (moved !== true) return closedFindings(await ask(context, next, "another tenant's next page"));
  if (!isWithin(next, other.target.base))
    throw new NotApplicable("paging links are not below the tenant's base URL");
  const there = await ask(other, next, "the next page, where it belongs");
  const here = await ask(
    context,
    `${context.target.base}${next.slice(other.target.base.length)}`,
    "another tenant's next page, here",
  );
  return shared(here, there);
};
