import { Blocked, NoData, NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { declaredTypes } from "../../lib/checks/records/declared.ts";
import { patientsInReach } from "../../lib/checks/records/patients.ts";
import { recordsOf } from "../../lib/checks/records/records.ts";
import { accessToken, grantedToken } from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { BearerToken } from "../../lib/http/types.ts";
import { scopeKey } from "../../lib/smart/scopes/algebra.ts";
import { formatScope, parseScope, type ClinicalScope, type Scope } from "../../lib/smart/scopes/scope.ts";
import type { GrantedToken } from "../../lib/smart/token-response.ts";

/** A token with what was asked for and what the server said it gives. */
export interface Grant {
  readonly token: GrantedToken;
  /** The scopes for clinical data that were asked for. */
  readonly asked: readonly string[];
  /** All scopes that were told, as they were written; absent where the response does not say. */
  readonly told: readonly string[] | undefined;
  /** What the token is good for: what was told, or what was asked where nothing was. */
  readonly scopes: readonly ClinicalScope[];
  readonly bearer: BearerToken;
  /** Tells the grants of a target apart. */
  readonly key: string;
}

/** `patient` or `system`: the level that an API's tokens are for. */
export function levelOf(context: CheckContext): "patient" | "system" {
  return context.target.access === "system" ? "system" : "patient";
}

/** All that is asked for along with scopes for clinical data. */
export function scopeSet(context: CheckContext, clinical: readonly string[]): readonly string[] {
  return levelOf(context) === "system" ? clinical : ["openid", "launch/patient", ...clinical];
}

/**
 * A grant of exactly these scopes, by a login of its own for each set (by client credentials for a service).
 *
 * @throws Blocked when there is none; its findings say what the server did
 */
export async function grantOf(context: CheckContext, clinical: readonly string[]): Promise<Grant> {
  assureLogins(context);
  const scopes = scopeSet(context, clinical);
  const token = await grantedToken(context, { scopes });
  const grant = made(token, clinical, await accessToken(context, { scopes }));
  const patient = patientOf(grant);
  if (patient !== undefined && patient !== (await context.fact(patientsInReach)).ids[0]) {
    throw new Blocked(
      "the login led to another patient than the first: name one in the configuration (patients)",
    );
  }
  return grant;
}

/** The grant that all other suites use: everything the registration may have. */
export async function usualGrant(context: CheckContext): Promise<Grant> {
  const token = await grantedToken(context);
  return made(token, token.scopes ?? [], await accessToken(context));
}

function made(token: GrantedToken, asked: readonly string[], bearer: BearerToken): Grant {
  const effective = (token.scopes ?? asked).flatMap((text) => parseScope(text) ?? []);
  return {
    token,
    asked,
    told: token.scopes,
    scopes: clinicalOf(effective),
    bearer,
    key: scopeKey(asked),
  };
}

const clinicalOf = (scopes: readonly Scope[]): readonly ClinicalScope[] =>
  scopes.flatMap((scope) => (scope.kind === "clinical" ? [scope] : []));

/** Whether a grant gives a permission on a type, restricted or not. */
export function permits(grant: Grant, type: string, letter: "r" | "s"): boolean {
  return grant.scopes.some(
    (scope) => (scope.type === "*" || scope.type === type) && scope.permissions.includes(letter),
  );
}

/** What the server says it granted, in words. */
export function toldWords({ told }: Grant): string {
  if (told === undefined) return "a token response without scope";
  const clinical = told.filter((text) => parseScope(text)?.kind === "clinical");
  return clinical.length === 0 ? "no scope for clinical data" : clinical.join(" ");
}

/** Whether the server refused a grant, as opposed to not answering, or to a login that went wrong. */
export function isRefusal(error: unknown): error is Blocked {
  return error instanceof Blocked && error.findings.some(({ code }) => code === "oauth.refused");
}

/** What to put into a finding of a grant that was refused; everything else stays *blocked*. */
export function refusedFindings(error: unknown, asked: readonly string[]): readonly Finding[] {
  if (!isRefusal(error)) throw error;
  const [first] = error.findings;
  return [
    {
      code: "scope.refused",
      expected: `a token for ${asked.join(" ")}`,
      actual: first?.actual ?? error.message,
      ...(first?.exchange === undefined ? {} : { exchange: first.exchange }),
    },
  ];
}

/**
 * What is granted for given scopes needs a login for each scope set: two dozen, and not by a refresh, which may keep
 * the scopes of the login before it.
 *
 * @throws Blocked
 */
function assureLogins({ target }: CheckContext): void {
  const { login } = target;
  if (login?.driver === "refresh-token") {
    throw new Blocked(
      "it needs a login for a scope set of its own, and the login driver is refresh-token, which has nobody to log in: use form or browser",
    );
  }
  if (login?.driver !== "manual" || login.repeat) return;
  throw new Blocked(
    "it needs a login for a scope set of its own, and the login driver is manual: use form or browser, or have the person asked for each (login.repeat)",
  );
}

/** The patient that a token response names. */
export function patientOf({ token }: Grant): string | undefined {
  const { patient } = token.json;
  return typeof patient === "string" && patient !== "" ? patient : undefined;
}

/**
 * A grant of patient level and nothing else: with a scope of user level a practitioner may see other patients.
 *
 * @throws Blocked when there is none
 */
export async function patientGrant(context: CheckContext): Promise<Grant> {
  const usual = await usualGrant(context);
  const own = usual.scopes.filter(({ level }) => level === "patient");
  if (own.length > 0 && own.length === usual.scopes.length) return usual;
  const grant = await grantOf(context, own.length === 0 ? ["patient/*.rs"] : own.map(formatScope));
  if (grant.scopes.some(({ level }) => level !== "patient")) {
    throw new Blocked(`the server granted ${toldWords(grant)}, which is not of patient level alone`);
  }
  return grant;
}

const LIKED = ["Observation", "Condition", "AllergyIntolerance", "Encounter", "Immunization", "Procedure"];

/** The type that single scopes are asked for: one with data, which can be read and searched. */
export const subjectType: Fact<string> = {
  name: "a resource type with data",
  explainedBy: "capability-statement.served",
  async provide(context) {
    const declared = await context.fact(declaredTypes);
    const others = [...declared.values()].filter(({ searchParameters }) => searchParameters.has("patient"));
    for (const type of new Set([...LIKED, ...others.map((one) => one.type)])) {
      const interactions = declared.get(type)?.interactions;
      if (interactions?.has("read") !== true || !interactions.has("search-type")) continue;
      if ((await recordsOf(context, type)).resources.length > 0) return type;
    }
    throw new NoData(
      "no type that can be read and searched has data in reach",
      "a patient with Observations",
    );
  },
};

/** A further type, for what must not be opened along with the first. */
export const secondType: Fact<string> = {
  name: "a second resource type",
  explainedBy: "capability-statement.served",
  async provide(context) {
    const declared = await context.fact(declaredTypes);
    const first = await context.fact(subjectType);
    const found = ["Patient", "Condition", ...declared.keys()].find((type) => {
      const interactions = declared.get(type)?.interactions;
      return type !== first && interactions?.has("read") === true && interactions.has("search-type");
    });
    if (found === undefined) throw new NotApplicable("the CapabilityStatement declares one type only");
    return found;
  },
};

/** Scopes of check data with the target's level and types put in: `{level}/{type}.rs`, `{level}/{second}.read`. */
export async function fillScopes(context: CheckContext, texts: unknown): Promise<readonly string[]> {
  const list = Array.isArray(texts) ? texts.map(String) : [String(texts)];
  const values: Readonly<Record<string, string>> = {
    level: levelOf(context),
    type: await context.fact(subjectType),
    ...(list.some((text) => text.includes("{second}")) ? { second: await context.fact(secondType) } : {}),
  };
  return list.map((text) => text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole));
}
