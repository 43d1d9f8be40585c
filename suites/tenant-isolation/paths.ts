import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable, RequestFailed, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { capabilityStatement } from "../../lib/checks/facts.ts";
import { assureThat } from "../../lib/checks/refusals.ts";
import { select } from "../../lib/checks/select.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { BearerToken, HttpResponse } from "../../lib/http/types.ts";
import { bearerOf, homeToken } from "./doors.ts";
import { foreignFindings, resourcesOf } from "./foreign.ts";

interface Tenants {
  /** Path of the API, up to the tenant. */
  readonly prefix: string;
  readonly own: string;
  readonly other: string;
}

interface Way {
  /** Path and query, as sent. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Trick = (tenants: Tenants, rest: string) => Way;

const encoded = (text: string) => Buffer.from(text).toString("hex").replaceAll(/../g, "%$&");

const path =
  (write: (tenants: Tenants) => string): Trick =>
  (tenants, rest) => ({ target: `${tenants.prefix}${write(tenants)}${rest}` });

/** Ways to write a path so that one part of a server may take it for one tenant, and another part for another. */
const TRICKS: Readonly<Record<string, Trick>> = {
  "dot-segments": path(({ own, other }) => `/${own}/../${other}`),
  "encoded-dot-segments": path(({ own, other }) => `/${own}/%2e%2e/${other}`),
  "encoded-slashes": path(({ own, other }) => `/${own}%2f..%2f${other}`),
  "encoded-twice": path(({ own, other }) => `/${own}/%252e%252e/${other}`),
  "double-slash": path(({ other }) => `//${other}`),
  backslash: path(({ own, other }) => `/${own}%5c..%5c${other}`),
  "null-byte": path(({ own, other }) => `/${own}%00${other}`),
  "trailing-dot": path(({ other }) => `/${other}.`),
  "trailing-space": path(({ other }) => `/${other}%20`),
  "upper-case": path(({ other }) => `/${other.toUpperCase()}`),
  "encoded-id": path(({ other }) => `/${encoded(other)}`),
  "path-parameter": path(({ own, other }) => `/${other};tenant=${own}`),
  "no-tenant": path(() => ""),
  "two-tenants": path(({ own, other }) => `/${own},${other}`),
  "tenant-below-tenant": path(({ own, other }) => `/${own}/${other}`),
  "tenant-in-query": ({ prefix, own, other }, rest) => ({
    target: `${prefix}/${own}${rest}&tenant=${other}&tenantId=${other}&tenant_id=${other}`,
  }),
  "tenant-in-header": ({ prefix, own, other }, rest) => ({
    target: `${prefix}/${own}${rest}`,
    headers: {
      "x-tenant": other,
      "x-tenant-id": other,
      "x-original-url": `${prefix}/${other}${rest}`,
      "x-rewrite-url": `${prefix}/${other}${rest}`,
      "x-forwarded-prefix": `${prefix}/${other}`,
    },
  }),
};

/** Types that show whose data an answer has: patients, and what every tenant has. */
const SHOWN = ["Patient", "Organization", "Practitioner"];

const shownTypes: Fact<readonly string[]> = {
  name: "types that tell tenants apart",
  explainedBy: "capability-statement.served",
  async provide(context) {
    const { json } = await context.fact(capabilityStatement);
    const types = select(json, "/rest/0/resource/*/type").map(({ value }) => String(value));
    const shown = SHOWN.filter((type) => types.includes(type));
    return shown.length > 0 ? shown : types.slice(0, 1);
  },
};

function tenantsOf({ target }: CheckContext): Tenants {
  const { uuid, otherTenant } = target;
  const { pathname } = new URL(target.base);
  if (uuid === undefined || otherTenant === undefined || !pathname.endsWith(`/${uuid}`)) {
    throw new NotApplicable(
      "the configuration names no second tenant, or the base URL does not end with the tenant",
    );
  }
  return { prefix: pathname.slice(0, -uuid.length - 1), own: uuid, other: otherTenant };
}

async function send(
  context: CheckContext,
  { target, headers }: Way,
  bearer: BearerToken | undefined,
  purpose: string,
): Promise<HttpResponse | undefined> {
  try {
    return await context.send({
      method: "GET",
      url: context.target.base,
      rawTarget: target,
      headers: { accept: "application/fhir+json", ...headers },
      ...(bearer === undefined ? {} : { bearer }),
      redirect: "manual",
      purpose,
    });
  } catch (error) {
    // A connection that is closed on such a request is closed.
    if (error instanceof RequestFailed) return undefined;
    throw error;
  }
}

/** A path that is written so as to confuse never gives another tenant's data. Parameter: `trick`. */
export const trickShowsNothing: Procedure = async (context, { trick }) => {
  const name = String(trick);
  const make = TRICKS[name];
  if (make === undefined) throw new Error(`there is no trick ${name}`);
  const tenants = tenantsOf(context);
  const bearer = bearerOf(context, await homeToken(context));
  const findings: Finding[] = [];
  for (const type of await context.fact(shownTypes)) {
    const rest = `/${type}?_count=2`;
    const way = make(tenants, rest);
    assureThat(
      way.target !== `${tenants.prefix}/${tenants.own}${rest}` || way.headers !== undefined,
      "it is an ordinary request",
    );
    const response = await send(context, way, bearer, `path that confuses: ${name}`);
    if (response !== undefined) findings.push(...(await foreignFindings(context, bearer, response)));
  }
  return findings;
};

/** Without a token such a path gives nothing at all. */
export const tricksNeedToken: Procedure = async (context) => {
  const tenants = tenantsOf(context);
  const [type = "Patient"] = await context.fact(shownTypes);
  const findings: Finding[] = [];
  for (const [name, make] of Object.entries(TRICKS)) {
    const response = await send(
      context,
      make(tenants, `/${type}?_count=2`),
      undefined,
      `path that confuses, without a token: ${name}`,
    );
    if (response === undefined || response.status > 299 || resourcesOf(response).length === 0) continue;
    findings.push({
      code: "isolation.open",
      expected: "nothing without a token",
      actual: `status ${response.status} with resources`,
      location: name,
      exchange: response.exchange,
    });
  }
  return findings;
};
