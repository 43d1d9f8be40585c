import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable, type Fact } from "../../lib/checks/context.ts";
import { attemptAuthorization } from "../../lib/checks/attempts.ts";
import { sharedFlow } from "../../lib/checks/token-facts.ts";
import { changed, explained, prepareAuthorization, runAuthorization } from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import {
  readAuthorizationResponse,
  type AuthorizationRequest,
} from "../../lib/smart/authorization-request.ts";
import type { AuthorizationOutcome } from "../../lib/smart/drivers/driver.ts";
import { parameter } from "../../lib/smart/parameters.ts";
import { assureThat, texts } from "../../lib/checks/refusals.ts";
import { assureOwnLogin, wishOf } from "../../lib/checks/registrations.ts";

/** How the user comes back from an authorization that is allowed, whatever they bring. */
const redirect: Fact<{ readonly request: AuthorizationRequest; readonly outcome: AuthorizationOutcome }> = {
  name: "redirect after consent",
  explainedBy: "auth-flows.standalone-granted",
  provide: (context) =>
    explained(context, async () => {
      const { request } = await prepareAuthorization(context);
      return { request, outcome: await runAuthorization(context, request) };
    }),
};

/** The user comes back with a code, and with the state that was sent (RFC 6749 §4.1.2). */
export const redirectCarries: Procedure = async (context, parameters) => {
  const { request, outcome } = await context.fact(redirect);
  const shown = outcome.exchange === undefined ? {} : { exchange: outcome.exchange };
  if (outcome.kind === "page") {
    const actual = `${outcome.words} with status ${outcome.status}`;
    return [{ code: "redirect.none", expected: "a redirect to the redirect URI", actual, ...shown }];
  }
  const response = readAuthorizationResponse(outcome.url);
  const findings: Finding[] = [];
  for (const name of texts(parameters["members"])) {
    const values = response.parameters.filter(([key]) => key === name);
    const expected = name === "state" ? "state as it was sent" : `one ${name}`;
    if (values.length !== 1) {
      findings.push({
        code: "redirect.missing",
        expected,
        actual: `${values.length} of them`,
        location: name,
        ...shown,
      });
    } else if (name === "state" && values[0]?.[1] !== request.state) {
      findings.push({ code: "redirect.state", expected, actual: "another value", location: name, ...shown });
    }
  }
  return findings;
};

/**
 * A code is good for one exchange and hard to guess: two authorizations give two codes of enough length
 * (RFC 6749 §10.10).
 */
export const codesDiffer: Procedure = async (context) => {
  const first = await context.fact(sharedFlow());
  const second = await context.fact(sharedFlow({ method: "GET" }));
  const [a = "", b = ""] = [first.response.code, second.response.code];
  const shown = second.redirectExchange === undefined ? {} : { exchange: second.redirectExchange };
  if (a === b)
    return [{ code: "code.repeated", expected: "another code each time", actual: "the same", ...shown }];
  // A character of a code carries log2(94) bits at the most.
  return a.length * Math.log2(94) >= 128
    ? []
    : [
        {
          code: "code.short",
          expected: "a code of at least 128 bits",
          actual: `${a.length} characters`,
          ...shown,
        },
      ];
};

/**
 * An authorization request with something wrong is refused: no code. Parameters: `change` (parameters to set, or null
 * to leave out), `client`, `redirect` (`never`: the user must not be sent to that URI at all), `errors` (where the
 * refusal comes by redirect, one of these), `byRedirect` (it must come by redirect, with the state).
 */
export const authorizationRefused: Procedure = async (context, parameters) => {
  const wish = wishOf(context, parameters);
  const { request: valid } = await explained(context, () => prepareAuthorization(context, wish));
  const redirectUri = parameter(valid.parameters, "redirect_uri") ?? "";
  const change = Object.fromEntries(
    Object.entries(parameters["change"] as Readonly<Record<string, string | null>>).map(([name, value]) => [
      name,
      value?.replace("{redirectUri}", redirectUri) ?? null,
    ]),
  );
  const unknown = Object.values(change).find((value) => value !== null && /\{\w+\}/.test(value));
  if (unknown !== undefined)
    throw new NotApplicable(`the configuration of this target does not give ${unknown}`);
  const request = changed(valid, {
    ...change,
    ...(change["code_challenge_method"] === "plain" ? { code_challenge: valid.pkce.verifier } : {}),
  });
  for (const name of Object.keys(change)) {
    assureThat(
      parameter(request.parameters, name) !== parameter(valid.parameters, name),
      `${name} is as it should be`,
    );
  }
  const outcome = await explained(context, () => attemptAuthorization(context, request));
  return refused(outcome, request, parameters);
};

function refused(
  outcome: AuthorizationOutcome,
  request: AuthorizationRequest,
  parameters: Readonly<Record<string, unknown>>,
): readonly Finding[] {
  const shown = outcome.exchange === undefined ? {} : { exchange: outcome.exchange };
  if (outcome.kind === "page") {
    if (parameters["byRedirect"] !== true) return [];
    const actual = `${outcome.words} with status ${outcome.status}`;
    return [
      { code: "redirect.none", expected: "the error brought back to the redirect URI", actual, ...shown },
    ];
  }
  const response = readAuthorizationResponse(outcome.url);
  if (parameters["redirect"] === "never") {
    const actual = `a redirect to ${new URL(outcome.url).origin}${new URL(outcome.url).pathname}`;
    return [{ code: "redirect.unexpected", expected: "no redirect to that URI", actual, ...shown }];
  }
  const errors = texts(parameters["errors"]);
  const findings: Finding[] = [];
  if (response.code !== undefined) {
    return [
      { code: "oauth.granted", expected: `a refusal (${errors.join(" or ")})`, actual: "a code", ...shown },
    ];
  }
  if (response.error === undefined || !errors.includes(response.error)) {
    const actual = response.error === undefined ? "no error code" : `the error ${response.error}`;
    findings.push({ code: "oauth.error", expected: `the error ${errors.join(" or ")}`, actual, ...shown });
  }
  if (response.state !== request.state) {
    const actual = response.state === undefined ? "none" : "another value";
    findings.push({
      code: "redirect.state",
      expected: "state as it was sent",
      actual,
      location: "state",
      ...shown,
    });
  }
  return findings;
}

/**
 * A scope that does not exist is refused or left out, never granted. Whatever comes, the rest of the flow is the
 * server's choice.
 */
export const unknownScope: Procedure = async (context) => {
  const wanted = "careconnect-conformance/no.such.scope";
  const { scopes } = await explained(context, () => prepareAuthorization(context));
  const flow = sharedFlow({ scopes: [...scopes, wanted] });
  try {
    const { answer } = await context.fact(flow);
    if (answer.kind === "refused") return [];
    return answer.scopes?.includes(wanted) === true
      ? [
          {
            code: "scope.unknown-granted",
            expected: "no scope that does not exist",
            actual: wanted,
            exchange: answer.exchange,
          },
        ]
      : [];
  } catch (error) {
    // A refusal of the whole request is as good.
    if (error instanceof Blocked && error.findings.length > 0) return [];
    throw error;
  }
};

/** The user denies: `access_denied` and the state come back, and no code (RFC 6749 §4.1.2.1). */
export const denialReported: Procedure = async (context) => {
  wishOf(context, {});
  assureOwnLogin(context);
  const { request } = await explained(context, () => prepareAuthorization(context));
  const outcome = await explained(context, () => runAuthorization(context, request, "deny"));
  return refused(outcome, request, { errors: ["access_denied"], byRedirect: true });
};
