import { Blocked, NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { capabilityStatement } from "../../lib/checks/facts.ts";
import { registration } from "../../lib/checks/registrations.ts";
import { select } from "../../lib/checks/select.ts";
import { endpointOf, grantedToken } from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { Target } from "../../lib/config/targets.ts";
import type { BearerToken, HttpResponse } from "../../lib/http/types.ts";
import type { GrantedToken } from "../../lib/smart/token-response.ts";

/** Where a key of the target's must not work, or where one comes from that must not work here. */
export type Relation = "other-tenant" | "other-access" | "other-party" | "other-party-and-access" | "v1";

const FHIR_STANDARDS = /^(us-core|bulk-data|smart)/;

const IS: Readonly<Record<Exclude<Relation, "other-tenant">, (own: Target, other: Target) => boolean>> = {
  "other-access": (own, other) => isV2(other) && own.party === other.party && own.access !== other.access,
  "other-party": (own, other) => isV2(other) && own.party !== other.party && own.access === other.access,
  "other-party-and-access": (own, other) =>
    isV2(other) && own.party !== other.party && own.access !== other.access,
  v1: (own, other) =>
    other.generation === "v1" &&
    own.access === other.access &&
    other.standards.some((standard) => FHIR_STANDARDS.test(standard)),
};

const isV2 = (target: Target) => target.generation === "v2" && target.authorization !== "none";

/** The contexts that stand in a relation to the target. */
export function related(context: CheckContext, relation: Relation): readonly CheckContext[] {
  if (relation === "other-tenant") return [context.atOtherTenant()];
  const found = context.otherApis
    .map((api) => context.elsewhere(api))
    .filter((one) => one.target.vendor && IS[relation](context.target, one.target));
  if (found.length > 0) return found;
  throw new NotApplicable(`the tenant's configuration has no API to compare with (${relation})`);
}

/** The relation in a check's parameters. */
export function relationOf(value: unknown): Relation {
  return value as Relation;
}

export function isService({ target }: CheckContext): boolean {
  return target.authorization === "client-credentials";
}

export function bearerOf({ target }: CheckContext, token: GrantedToken): BearerToken {
  return { value: token.accessToken, origin: new URL(target.base).origin };
}

/** What of an API can be asked for knowing nothing: a search, of patients where they are searched, or a configured group. */
const knocker: Fact<string> = {
  name: "request that needs nothing but a token",
  explainedBy: "capability-statement.served",
  async provide(context) {
    const { json } = await context.fact(capabilityStatement);
    const searched = select(json, "/rest/0/resource/*")
      .map(({ value }) => value)
      .filter((one) => select(one, "/interaction/*/code").some(({ value }) => value === "search-type"))
      .flatMap((one) => select(one, "/type").map(({ value }) => String(value)));
    const [first] = searched;
    if (first !== undefined) return `${searched.includes("Patient") ? "Patient" : first}?_count=1`;
    const [group] = context.target.groups;
    if (group !== undefined) return `Group/${encodeURIComponent(group)}`;
    throw new NotApplicable(`${context.target.api} offers no search, and the configuration names no group`);
  },
};

/** The API's answer to a search that needs nothing but a token. */
export async function knock(
  context: CheckContext,
  bearer: BearerToken | undefined,
  purpose: string,
  base = context.target.base,
): Promise<HttpResponse> {
  const path = await context.fact(knocker);
  return await context.send({
    method: "GET",
    url: `${base}/${path}`,
    headers: { accept: "application/fhir+json" },
    ...(bearer === undefined ? {} : { bearer }),
    redirect: "manual",
    purpose,
  });
}

/** A token that works where it was issued: only then does it say something that it works nowhere else. */
const provenToken: Fact<GrantedToken> = {
  name: "token that works at home",
  explainedBy: "auth-flows.standalone-granted",
  async provide(context) {
    const token = await grantedToken(context);
    const response = await knock(context, bearerOf(context, token), "token where it was issued");
    if (response.status === 200) return token;
    throw new Blocked(`the token does not work where it was issued: status ${response.status}`);
  },
};

/**
 * A token of the API that a context is about.
 *
 * @throws NotApplicable where there is no registration for it
 */
export async function homeToken(context: CheckContext): Promise<GrantedToken> {
  assureRegistration(context);
  await context.fact(provenToken);
  // Renewed when it has grown old since.
  return await grantedToken(context);
}

/** Makes sure that there is a registration at the API that a context is about. */
export function assureRegistration(context: CheckContext): void {
  const { target } = context;
  if (target.client !== undefined) {
    registration(context);
    return;
  }
  throw new NotApplicable(`the configuration gives no registration at ${target.base} (atOtherTenant.client)`);
}

/** Findings where a door that must be closed is open, or where its server fell over. */
export function closedFindings(response: HttpResponse, code = "isolation.open"): readonly Finding[] {
  const { status, exchange } = response;
  // The query may be about a patient.
  const location = new URL(response.url).pathname;
  if (status >= 200 && status < 300) {
    return [{ code, expected: "a refusal", actual: `status ${status}`, location, exchange }];
  }
  if (status < 500) return [];
  return [{ code: "http.status", expected: "a refusal", actual: `status ${status}`, location, exchange }];
}

/**
 * The token endpoint of another server, where it may be sent credentials: only at the origin of the own one.
 *
 * @throws NotApplicable elsewhere
 */
export async function tokenEndpointNear(context: CheckContext, other: CheckContext): Promise<string> {
  const own = await endpointOf(context, "tokenEndpoint");
  const theirs = await endpointOf(other, "tokenEndpoint");
  if (new URL(own).origin === new URL(theirs).origin) return theirs;
  throw new NotApplicable(
    "the other authorization server is at another origin, which credentials are not sent to",
  );
}
