import { Blocked, type CheckContext } from "../../lib/checks/context.ts";
import { jsonOf } from "../../lib/checks/outcome.ts";
import { isObject } from "../../lib/checks/select.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { BearerToken, HttpResponse } from "../../lib/http/types.ts";

/** As many resources of an answer are looked up at home as this. */
const MOST = 5;

/** What a tenant answers that does not have a resource, or does not show it. */
const NOT_THERE = new Set([400, 403, 404, 405, 410]);

export type Resource = Readonly<Record<string, unknown>> & {
  readonly resourceType: string;
  readonly id: string;
};

/** The resources of an answer: one, or those of a Bundle. */
export function resourcesOf(response: Pick<HttpResponse, "body">): readonly Resource[] {
  const json = jsonOf(response);
  if (isResource(json) && json.resourceType !== "OperationOutcome") return [json];
  const entries = isObject(json) && Array.isArray(json["entry"]) ? json["entry"] : [];
  return entries
    .map((entry: unknown) => (isObject(entry) ? entry["resource"] : undefined))
    .filter((one): one is Resource => isResource(one) && one.resourceType !== "OperationOutcome");
}

function isResource(value: unknown): value is Resource {
  return isObject(value) && typeof value["resourceType"] === "string" && typeof value["id"] === "string";
}

/**
 * Findings where an answer has data that is not the tenant's own. What an answer shows must be what the same token
 * reads at home, word for word: an id alone may exist at two tenants.
 */
export async function foreignFindings(
  context: CheckContext,
  bearer: BearerToken,
  response: HttpResponse,
): Promise<readonly Finding[]> {
  if (response.status < 200 || response.status > 299) return [];
  const findings: Finding[] = [];
  for (const resource of resourcesOf(response).slice(0, MOST)) {
    if (await isHome(context, bearer, resource)) continue;
    findings.push({
      code: "isolation.foreign-data",
      expected: "nothing but the tenant's own data",
      actual: `a ${resource.resourceType} that the tenant does not have`,
      exchange: response.exchange,
    });
  }
  return findings;
}

/** Whether the tenant itself has a resource, as its token reads it or, where it may not read, finds it. */
async function isHome(context: CheckContext, bearer: BearerToken, resource: Resource): Promise<boolean> {
  const { resourceType, id } = resource;
  const name = encodeURIComponent(id);
  for (const path of [`${resourceType}/${name}`, `${resourceType}?_id=${name}`]) {
    const own = await context.send({
      method: "GET",
      url: `${context.target.base}/${path}`,
      headers: { accept: "application/fhir+json" },
      bearer,
      redirect: "manual",
      purpose: "is it the tenant's own?",
    });
    if (own.status === 200 && isAmong(resource, resourcesOf(own))) return true;
    if (own.status !== 200 && !NOT_THERE.has(own.status)) {
      throw new Blocked(
        `what was answered could not be compared with the tenant's own: status ${own.status}`,
      );
    }
  }
  return false;
}

/** Whether a resource is one of several, word for word. */
export function isAmong(resource: Resource, others: readonly Resource[]): boolean {
  return others.some((one) => substance(one) === substance(resource));
}

/** What a resource says, without what a server may write anew with each answer. */
function substance(resource: Resource): string {
  const { meta: _meta, text: _text, ...rest } = resource;
  return JSON.stringify(sorted(rest));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, sorted(value[key])]),
  );
}
