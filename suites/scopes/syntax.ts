/** What is granted for what is asked, and what the token response says of it. */
import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { smartConfiguration } from "../../lib/checks/facts.ts";
import { declaredTypes } from "../../lib/checks/records/declared.ts";
import { recordsOf } from "../../lib/checks/records/records.ts";
import { select } from "../../lib/checks/select.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { beyond, covers, normalizeScopes } from "../../lib/smart/scopes/algebra.ts";
import { formatScope, parseScope } from "../../lib/smart/scopes/scope.ts";
import {
  fillScopes,
  grantOf,
  isRefusal,
  levelOf,
  permits,
  refusedFindings,
  scopeSet,
  secondType,
  subjectType,
  toldWords,
  usualGrant,
  type Grant,
} from "./grants.ts";
import {
  answerWords,
  isTelling,
  plainSearch,
  probe,
  readOf,
  searchOf,
  knownId,
  type Probe,
} from "./probes.ts";

/** What looks like a scope for clinical data and is none; servers may have scopes of other kinds (`email`, …). */
function isMalformed(text: string): boolean {
  return text.includes("/") && !text.startsWith("launch/") && parseScope(text) === undefined;
}

/** Every scope that is told is well-formed. Parameter: `scopes`. */
export const toldWellFormed: Procedure = async (context, parameters) => {
  const grant = await grantOf(context, await fillScopes(context, parameters["scopes"]));
  const { exchange } = grant.token;
  if (grant.told === undefined) {
    return [{ code: "scope.untold", expected: "scope in the token response", actual: "none", exchange }];
  }
  const malformed = grant.told.filter(isMalformed);
  return malformed.length === 0
    ? []
    : [
        {
          code: "scope.malformed",
          expected: "scopes of SMART 1.0.0 or 2.0.0",
          actual: malformed.join(" "),
          location: "scope",
          exchange,
        },
      ];
};

/** Scopes are told in the syntax in which they were asked for. Parameter: `scopes`. */
export const toldInSyntax: Procedure = async (context, parameters) => {
  const grant = await grantOf(context, await fillScopes(context, parameters["scopes"]));
  if (grant.told === undefined) throw new Blocked("the token response tells no scopes", "scopes.told");
  const missing = grant.asked.filter(
    (text) => grant.told?.includes(text) === false && isCovered(grant, text),
  );
  return missing.length === 0
    ? []
    : [
        {
          code: "scope.syntax",
          expected: `${missing.join(" ")} as it was asked for`,
          actual: toldWords(grant),
          location: "scope",
          exchange: grant.token.exchange,
        },
      ];
};

function isCovered(grant: Grant, text: string): boolean {
  const scope = parseScope(text);
  return scope !== undefined && covers(grant.scopes, [scope]);
}

/** No more is told than was asked for. Parameter: `scopes`. */
export const nothingAdded: Procedure = async (context, parameters) => {
  const grant = await grantOf(context, await fillScopes(context, parameters["scopes"]));
  return addedTo(context, grant);
};

function addedTo(context: CheckContext, grant: Grant): readonly Finding[] {
  const more = beyond(grant.told ?? [], scopeSet(context, grant.asked));
  return more.length === 0
    ? []
    : [
        {
          code: "scope.beyond",
          expected: `no more than ${grant.asked.join(" ")}`,
          actual: more.join(" "),
          location: "scope",
          exchange: grant.token.exchange,
        },
      ];
}

const normalWords = ({ scopes }: Grant) => normalizeScopes(scopes).map(formatScope).join(" ") || "nothing";

/** Two ways to say the same are granted alike and open the same. Parameters: `left`, `right`. */
export const sameGrant: Procedure = async (context, parameters) => {
  const [left = "", right = ""] = await fillScopes(context, [parameters["left"], parameters["right"]]);
  const [one, other] = await Promise.all([grantOrRefusal(context, left), grantOrRefusal(context, right)]);
  if (one.grant === undefined || other.grant === undefined) {
    if (one.grant === other.grant) throw new NotApplicable(`neither ${left} nor ${right} is granted`);
    const [granted, refused] = one.grant === undefined ? [right, one] : [left, other];
    return refused.findings.map((finding) => ({
      ...finding,
      code: "scope.unequal",
      expected: `${left} and ${right} treated alike; ${granted} was granted`,
    }));
  }
  const findings: Finding[] = [];
  if (normalWords(one.grant) !== normalWords(other.grant)) {
    findings.push({
      code: "scope.unequal",
      expected: `the same grant for ${left} and ${right}`,
      actual: `${normalWords(one.grant)}; ${normalWords(other.grant)}`,
      location: "scope",
      exchange: other.grant.token.exchange,
    });
  }
  const types = [await context.fact(subjectType), await context.fact(secondType)];
  for (const type of types) {
    const [a, b] = await Promise.all([reach(context, one.grant, type), reach(context, other.grant, type)]);
    for (const [index, first] of a.entries()) {
      const second = b[index];
      if (second === undefined || first.probe.kind === second.probe.kind) continue;
      if (!isTelling(first.probe) || !isTelling(second.probe)) continue;
      findings.push({
        code: "scope.unequal",
        expected: `the same answer with ${left} and ${right}`,
        actual: `${answerWords(first.probe)}; ${answerWords(second.probe)}`,
        location: `${first.how} of ${type}`,
        exchange: second.probe.exchange,
      });
    }
  }
  return findings;
};

async function reach(
  context: CheckContext,
  grant: Grant,
  type: string,
): Promise<readonly { readonly how: string; readonly probe: Probe }[]> {
  const id = await knownId(context, type);
  const questions = [
    ...(id === undefined ? [] : [readOf(context, type, id)]),
    searchOf(context, type, await plainSearch(context, type)),
  ];
  return await Promise.all(
    questions.map(async (question) => ({
      how: question.how,
      probe: await probe(context, grant, question),
    })),
  );
}

async function grantOrRefusal(context: CheckContext, scope: string) {
  try {
    return { grant: await grantOf(context, [scope]), findings: [] };
  } catch (error) {
    return { grant: undefined, findings: refusedFindings(error, [scope]) };
  }
}

/** A granted wildcard opens every declared type. Parameter: `scopes`. */
export const everyTypeOpens: Procedure = async (context, parameters) => {
  const [wildcard = ""] = await fillScopes(context, parameters["scopes"]);
  const { grant } = await grantOrRefusal(context, wildcard);
  // A server need not grant wildcards: what it grants then is told, and is another check's question.
  if (grant === undefined) throw new NotApplicable(`the server does not grant ${wildcard}`);
  if (!isCovered(grant, wildcard)) {
    throw new NotApplicable(`the server granted ${toldWords(grant)} in place of ${wildcard}`);
  }
  return await refusedTypes(context, grant);
};

/** Declared types whose search is refused, though the grant permits it. */
async function refusedTypes(context: CheckContext, grant: Grant): Promise<readonly Finding[]> {
  const types = [...(await context.fact(declaredTypes)).values()].filter(
    ({ type, interactions }) => interactions.has("search-type") && permits(grant, type, "s"),
  );
  if (types.length === 0) throw new NotApplicable("the token has no scope to search by");
  const findings = await Promise.all(
    types.map(async ({ type }) => {
      const seen = await probe(context, grant, searchOf(context, type, await plainSearch(context, type)));
      return seen.kind === "refused"
        ? [
            {
              code: "scope.not-honoured",
              expected: `${type} searched with ${toldWords(grant)}`,
              actual: answerWords(seen),
              location: type,
              exchange: seen.exchange,
            },
          ]
        : [];
    }),
  );
  return findings.flat();
}

/** What was left out of a grant is not told as granted, and does not work. Parameter: `scopes`, the last one being too much. */
export const elevationRefused: Procedure = async (context, parameters) => {
  const scopes = await fillScopes(context, parameters["scopes"]);
  const [tooMuch = ""] = scopes.slice(-1);
  let grant: Grant;
  try {
    grant = await grantOf(context, scopes);
  } catch (error) {
    if (isRefusal(error)) return [];
    throw error;
  }
  const { exchange } = grant.token;
  if (grant.told === undefined) {
    return [
      {
        code: "scope.untold",
        expected: "scope in the token response, since not all that was asked for can be granted",
        actual: "none",
        exchange,
      },
    ];
  }
  return grant.told.includes(tooMuch)
    ? [
        {
          code: "scope.elevated",
          expected:
            parseScope(tooMuch) === undefined
              ? `no grant of ${tooMuch}, which is no scope`
              : `no grant of ${tooMuch} to an application for ${levelOf(context)} access`,
          actual: toldWords(grant),
          location: "scope",
          exchange,
        },
      ]
    : [];
};

/** What a token response tells can be used: each told type opens. */
export const toldWorks: Procedure = async (context) => {
  const grant = await usualGrant(context);
  if (grant.told === undefined) throw new Blocked("the token response tells no scopes", "scopes.told");
  return await refusedTypes(context, grant);
};

/**
 * A scope that is none does not widen a grant. Parameters: `scope`, or `scopes` for several at once; `undefinedLetters`
 * where a server may put its own in place of it (SMART 2.0.0, "Scopes for requesting clinical data").
 */
export const malformedIgnored: Procedure = async (context, parameters) => {
  const type = await context.fact(subjectType);
  const [valid = ""] = await fillScopes(context, "{level}/{second}.rs");
  const malformed = await fillScopes(context, parameters["scopes"] ?? parameters["scope"]);
  let grant: Grant;
  try {
    grant = await grantOf(context, [valid, ...malformed]);
  } catch (error) {
    // Refused as a whole: nothing was widened.
    if (isRefusal(error)) return [];
    throw error;
  }
  const { exchange } = grant.token;
  const findings: Finding[] = [];
  const told = grant.told?.filter((text) => malformed.includes(text)) ?? [];
  if (told.length > 0)
    findings.push({
      code: "scope.malformed-granted",
      expected: `no grant of what is no scope: ${malformed.join(" ")}`,
      actual: told.join(" "),
      location: "scope",
      exchange,
    });
  const more = beyond(grant.told ?? [], scopeSet(context, [valid, ...malformed]));
  if (more.length > 0 && parameters["undefinedLetters"] !== true)
    findings.push({
      code: "scope.beyond",
      expected: `no more than ${valid}`,
      actual: more.join(" "),
      location: "scope",
      exchange,
    });
  if (!permits(grant, type, "r") && !permits(grant, type, "s")) {
    for (const { how, probe: seen } of await reach(context, grant, type)) {
      if (seen.kind !== "data") continue;
      findings.push({
        code: "scope.leak",
        expected: `no ${type} with ${toldWords(grant)}`,
        actual: answerWords(seen),
        location: `${how} of ${type}`,
        exchange: seen.exchange,
      });
    }
  }
  return findings;
};

async function listedScopes(context: CheckContext): Promise<readonly string[]> {
  const { json } = await context.fact(smartConfiguration);
  const listed = select(json, "/scopes_supported/*").flatMap(({ value }) =>
    typeof value === "string" ? [value] : [],
  );
  if (listed.length === 0) throw new NotApplicable("the SMART configuration has no scopes_supported");
  return listed;
}

/** Every scope of `scopes_supported` is well-formed. */
export const listedWellFormed: Procedure = async (context) => {
  const malformed = (await listedScopes(context)).filter(isMalformed);
  return malformed.length === 0
    ? []
    : [
        {
          code: "scope.malformed",
          expected: "scopes of SMART 1.0.0 or 2.0.0",
          actual: malformed.join(" "),
          location: "/scopes_supported",
        },
      ];
};

/** What `scopes_supported` lists for reading is granted when it is asked for. Parameter: `syntax` (`first`, `second`). */
export const listedGranted: Procedure = async (context, parameters) => {
  const isFirst = parameters["syntax"] === "first";
  const wanted = (await listedScopes(context)).filter((text) => {
    const scope = parseScope(text);
    if (scope?.kind !== "clinical" || scope.level !== levelOf(context)) return false;
    // A wildcard would cover all others, and has checks of its own.
    if (scope.type === "*") return false;
    const isOld = /^(?:read|write|\*)$/.test(scope.written);
    return isOld === isFirst && /^[rs]+$/.test(scope.permissions);
  });
  if (wanted.length === 0) throw new NotApplicable("scopes_supported lists no such scope of this level");
  let grant: Grant;
  try {
    grant = await grantOf(context, wanted);
  } catch (error) {
    return refusedFindings(error, [`all ${wanted.length} listed scopes`]);
  }
  const missing = wanted.filter((text) => !isCovered(grant, text));
  return missing.length === 0
    ? []
    : [
        {
          code: "scope.not-granted",
          expected: `all ${wanted.length} listed scopes granted`,
          actual: `not granted: ${missing.join(" ")}`,
          location: "scope",
          exchange: grant.token.exchange,
        },
      ];
};

/** `offline_access` brings a refresh token. */
export const refreshTokenGiven: Procedure = async (context) => {
  const scopes = await fillScopes(context, "{level}/{type}.rs");
  const grant = await grantOf(context, ["offline_access", ...scopes]);
  return grant.token.refreshToken === undefined
    ? [
        {
          code: "json.missing",
          expected: "a refresh token for offline_access",
          actual: `no refresh token; granted: ${grant.told?.join(" ") ?? "not told"}`,
          location: "/refresh_token",
          exchange: grant.token.exchange,
        },
      ]
    : [];
};

/** Nobody who asked neither for `offline_access` nor `online_access` gets a refresh token. */
export const noRefreshTokenUnasked: Procedure = async (context) => {
  const grant = await grantOf(context, await fillScopes(context, "{level}/{type}.rs"));
  return grant.token.refreshToken === undefined
    ? []
    : [
        {
          code: "json.present",
          expected: "no refresh token",
          actual: "a refresh token, though neither offline_access nor online_access was asked for",
          location: "/refresh_token",
          exchange: grant.token.exchange,
        },
      ];
};

/** A scope of user level opens what the user may see. */
export const userLevelWorks: Procedure = async (context) => {
  const type = await context.fact(subjectType);
  const asked = [`user/${type}.rs`];
  let grant: Grant;
  try {
    grant = await grantOf(context, asked);
  } catch (error) {
    return refusedFindings(error, asked);
  }
  if (!permits(grant, type, "r") || !permits(grant, type, "s")) {
    return [
      {
        code: "scope.narrowed",
        expected: `${asked.join(" ")} granted`,
        actual: toldWords(grant),
        location: "scope",
        exchange: grant.token.exchange,
      },
    ];
  }
  const found = (await recordsOf(context, type)).resources.length > 0;
  return (await reach(context, grant, type))
    .filter(
      ({ probe: seen }) =>
        seen.kind === "refused" || seen.kind === "absent" || (found && seen.kind === "empty"),
    )
    .map(({ how, probe: seen }) => ({
      code: "scope.not-honoured",
      expected: `${type} by ${how} with ${toldWords(grant)}`,
      actual: answerWords(seen),
      location: `${how} of ${type}`,
      exchange: seen.exchange,
    }));
};

/** A grant of patient level says for which patient it is. */
export const patientTold: Procedure = async (context) => {
  const grant = await grantOf(context, await fillScopes(context, "{level}/{type}.rs"));
  const { patient } = grant.token.json;
  if (typeof patient === "string" && patient !== "") return [];
  return [
    {
      code: "json.missing",
      expected: "patient, the id of the one patient it is about",
      actual: "none",
      location: "/patient",
      exchange: grant.token.exchange,
    },
  ];
};
