import { randomBytes } from "node:crypto";
import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { sharedFlow } from "../../lib/checks/token-facts.ts";
import {
  authorizeAnew,
  defaultScopes,
  endpointOf,
  exchangeToken,
  explained,
  granted,
  proofOf,
  refreshAnew,
  refreshedOnce,
  type Flow,
} from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { beyond } from "../../lib/smart/scopes/algebra.ts";
import { refreshRequest } from "../../lib/smart/token-request.ts";
import type { GrantedToken } from "../../lib/smart/token-response.ts";
import { apiRequest } from "../../lib/checks/attempts.ts";
import { assureThat, refusalFindings } from "../../lib/checks/refusals.ts";
import { assureOwnLogin, registration } from "../../lib/checks/registrations.ts";

async function refresh(
  context: CheckContext,
  flow: Pick<Flow, "client">,
  token: string,
  scopes?: readonly string[],
) {
  const endpoint = await endpointOf(context, "tokenEndpoint");
  const proof = await explained(context, () => proofOf(context, flow.client, endpoint));
  return await exchangeToken(context, refreshRequest(endpoint, token, scopes, proof), "refresh");
}

async function refreshable(
  context: CheckContext,
): Promise<{ flow: Flow; token: GrantedToken; refreshToken: string }> {
  registration(context);
  assureOwnLogin(context);
  const flow = await authorizeAnew(context);
  const token = await explained(context, () => Promise.resolve(granted(flow.answer)));
  if (token.refreshToken === undefined) {
    throw new Blocked("no refresh token was issued", "auth-flows.refresh-token-issued");
  }
  return { flow, token, refreshToken: token.refreshToken };
}

/** A refresh token comes with `offline_access` or `online_access`, and without them it does not. */
export const refreshTokenIssued: Procedure = async (context, parameters) => {
  const client = registration(context);
  const base = (await defaultScopes(context, client)).filter(
    (scope) => !/^(offline|online)_access$/.test(scope),
  );
  const wanted = parameters["scope"];
  const scopes = typeof wanted === "string" ? [...base, wanted] : base;
  const isEhr = parameters["launch"] === "ehr";
  if (isEhr && context.target.ehrLaunch === undefined) {
    throw new NotApplicable("the configuration names nothing that acts as the EHR (ehrLaunch.start)");
  }
  const { answer } = await context.fact(sharedFlow({ scopes, ...(isEhr ? { launch: "ehr" } : {}) }));
  if (answer.kind === "refused") {
    throw new Blocked(
      `no token was issued: ${answer.error ?? answer.problem ?? ""}`,
      "auth-flows.standalone-granted",
    );
  }
  const isThere = answer.refreshToken !== undefined;
  const { exchange } = answer;
  if (typeof wanted !== "string") {
    return isThere
      ? [
          {
            code: "refresh.unasked",
            expected: "no refresh token without offline_access or online_access",
            actual: "one",
            exchange,
          },
        ]
      : [];
  }
  if (answer.scopes !== undefined && !answer.scopes.includes(wanted)) {
    throw new NotApplicable(`the server did not grant ${wanted}`);
  }
  return isThere
    ? []
    : [{ code: "refresh.missing", expected: `a refresh token with ${wanted}`, actual: "none", exchange }];
};

/** A refresh for fewer scopes gives fewer, and no others. */
export const refreshNarrowed: Procedure = async (context) => {
  const { flow, refreshToken } = await refreshable(context);
  const asked = flow.scopes.filter((scope) => scope === "openid" || scope === "launch/patient");
  const first = asked.length > 0 ? asked : flow.scopes.slice(0, 1);
  assureThat(first.length < flow.scopes.length, "the scopes are as many as before");
  const answer = await refresh(context, flow, refreshToken, first);
  const { exchange } = answer;
  if (answer.kind === "refused") {
    const actual = answer.error ?? answer.problem ?? `status ${answer.status}`;
    return [{ code: "oauth.refused", expected: "an access token for fewer scopes", actual, exchange }];
  }
  const more = beyond(answer.scopes ?? flow.scopes, first);
  return more.length === 0
    ? []
    : [
        {
          code: "scope.beyond",
          expected: `no more than ${first.join(" ")}`,
          actual: more.join(" "),
          exchange,
        },
      ];
};

/** A refresh cannot gain scopes: it is refused, or the rest is left out (SMART 2.0.0 app-launch §refresh). */
export const refreshWidened: Procedure = async (context) => {
  registration(context);
  assureOwnLogin(context);
  const narrow = ["openid", "launch/patient", "offline_access", "patient/Patient.rs"];
  const wide = [...narrow, "patient/Observation.rs"];
  const flow = await authorizeAnew(context, { scopes: narrow });
  const token = await explained(context, () => Promise.resolve(granted(flow.answer)));
  if (token.refreshToken === undefined) {
    throw new Blocked("no refresh token was issued", "auth-flows.refresh-token-issued");
  }
  const answer = await refresh(context, flow, token.refreshToken, wide);
  if (answer.kind === "refused")
    return refusalFindings(answer, { errors: ["invalid_scope", "invalid_grant"] });
  const more = beyond(answer.scopes ?? [], token.scopes ?? narrow);
  return more.length === 0
    ? []
    : [
        {
          code: "scope.beyond",
          expected: "no scope beyond the first grant",
          actual: more.join(" "),
          exchange: answer.exchange,
        },
      ];
};

/** What a refresh grants when it does not say: the same scopes. */
export const refreshScopes: Procedure = async (context) => {
  registration(context);
  const { before, answer } = await context.fact(refreshedOnce);
  if (answer.kind === "refused") throw new Blocked("the refresh was refused", "auth-flows.refresh-granted");
  const more = beyond(answer.scopes ?? [], before.scopes ?? []);
  const fewer = beyond(before.scopes ?? [], answer.scopes ?? before.scopes ?? []);
  const findings: Finding[] = [];
  const { exchange } = answer;
  if (more.length > 0)
    findings.push({
      code: "scope.beyond",
      expected: "the scopes of the first grant",
      actual: `also ${more.join(" ")}`,
      exchange,
    });
  if (fewer.length > 0)
    findings.push({
      code: "scope.lost",
      expected: "the scopes of the first grant",
      actual: `without ${fewer.join(" ")}`,
      exchange,
    });
  return findings;
};

/** The patient stays the same. */
export const refreshKeepsPatient: Procedure = async (context) => {
  registration(context);
  const { before, answer } = await context.fact(refreshedOnce);
  if (answer.kind === "refused") throw new Blocked("the refresh was refused", "auth-flows.refresh-granted");
  const [was, is] = [before.json["patient"], answer.json["patient"]];
  // The context may be left out of a refresh's answer, but it may not change.
  return is === undefined || is === was
    ? []
    : [
        {
          code: "context.changed",
          expected: "the patient of the first grant",
          actual: "another patient",
          exchange: answer.exchange,
        },
      ];
};

/** The token of a refresh is another one, and opens the API. */
export const refreshedTokenWorks: Procedure = async (context) => {
  registration(context);
  const { before, answer } = await context.fact(refreshedOnce);
  if (answer.kind === "refused") throw new Blocked("the refresh was refused", "auth-flows.refresh-granted");
  if (answer.accessToken === before.accessToken) {
    return [
      {
        code: "refresh.same-token",
        expected: "a new access token",
        actual: "the old one",
        exchange: answer.exchange,
      },
    ];
  }
  const response = await context.send({
    ...(await apiRequest(context, before)),
    bearer: { value: answer.accessToken, origin: new URL(context.target.base).origin },
    purpose: "the refreshed token on the API",
  });
  return response.status === 200
    ? []
    : [
        {
          code: "api.refused",
          expected: "status 200",
          actual: `status ${response.status}`,
          exchange: response.exchange,
        },
      ];
};

/** Where refresh tokens rotate, the old one is dead (OAuth 2.0 Security BCP §4.14.2). */
export const rotatedTokenDies: Procedure = async (context) => {
  registration(context);
  assureOwnLogin(context);
  const { flow, before, answer } = await refreshAnew(context);
  if (answer.kind === "refused") throw new Blocked("the refresh was refused", "auth-flows.refresh-granted");
  if (answer.refreshToken === undefined || answer.refreshToken === before.refreshToken) {
    throw new NotApplicable("the server does not rotate refresh tokens");
  }
  return refusalFindings(await refresh(context, flow, before.refreshToken ?? ""), {
    errors: ["invalid_grant"],
  });
};

/** Where refresh tokens rotate, the new one serves. */
export const rotatedTokenServes: Procedure = async (context) => {
  registration(context);
  assureOwnLogin(context);
  const { flow, before, answer } = await refreshAnew(context);
  if (answer.kind === "refused") throw new Blocked("the refresh was refused", "auth-flows.refresh-granted");
  const next = answer.refreshToken ?? before.refreshToken ?? "";
  const again = await refresh(context, flow, next);
  return again.kind === "granted"
    ? []
    : [
        {
          code: "oauth.refused",
          expected: "an access token",
          actual: again.error ?? again.problem ?? "",
          exchange: again.exchange,
        },
      ];
};

/** A refresh token that nobody issued is refused. */
export const bogusRefreshToken: Procedure = async (context) => {
  const client = registration(context);
  const answer = await refresh(context, { client }, `bogus-${randomBytes(24).toString("base64url")}`);
  return refusalFindings(answer, { errors: ["invalid_grant"] });
};

/** A refresh token is bound to its client (SMART 2.0.0 app-launch §refresh). */
export const refreshTokenOfAnother: Procedure = async (context) => {
  const other = registration(context, "second");
  const { flow, refreshToken } = await refreshable(context);
  assureThat(other.id !== flow.client.id, "the second registration is the first");
  return refusalFindings(await refresh(context, { client: other }, refreshToken), {
    errors: ["invalid_grant"],
  });
};
