import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable } from "../../lib/checks/context.ts";
import { sharedFlow } from "../../lib/checks/token-facts.ts";
import { isObject } from "../../lib/checks/select.ts";
import { authorizationServer, clockSkew } from "../../lib/checks/tokens.ts";
import { beyond } from "../../lib/smart/scopes/algebra.ts";
import { registration } from "../../lib/checks/registrations.ts";

/** No more is granted than was asked for (RFC 6749 §3.3). */
export const scopesWithin: Procedure = async (context, parameters) => {
  registration(context);
  const launch = parameters["launch"] === "ehr" ? ({ launch: "ehr" } as const) : {};
  const { answer, scopes } = await context.fact(sharedFlow(launch));
  if (answer.kind === "refused") throw new Blocked("no token was issued", "auth-flows.standalone-granted");
  // Scopes may be told in other words, and identity scopes come along; access to data may not.
  const more = beyond(answer.scopes ?? [], scopes).filter((scope) =>
    /^((patient|user|system)\/|(offline|online)_access$)/.test(scope),
  );
  return more.length === 0
    ? []
    : [
        {
          code: "scope.beyond",
          expected: "no scope beyond those asked for",
          actual: more.join(" "),
          exchange: answer.exchange,
        },
      ];
};

/** The style that a token response names is JSON (SMART 2.0.0 scopes §styling). */
export const styleServed: Procedure = async (context) => {
  registration(context);
  const { answer } = await context.fact(sharedFlow());
  const url = answer.kind === "granted" ? answer.json["smart_style_url"] : undefined;
  if (url === undefined) throw new NotApplicable("the token response names no style");
  if (typeof url !== "string" || !URL.canParse(url)) {
    throw new Blocked("the token response has no usable smart_style_url", "auth-flows.standalone-style-url");
  }
  const response = await context.send({
    method: "GET",
    url,
    headers: { accept: "application/json" },
    purpose: "the style",
  });
  const { status, exchange } = response;
  if (status !== 200)
    return [{ code: "http.status", expected: "status 200", actual: `status ${status}`, exchange }];
  try {
    if (isObject(JSON.parse(new TextDecoder().decode(response.body)))) return [];
  } catch {
    // Said below.
  }
  return [{ code: "json.syntax", expected: "a JSON object", actual: "something else", exchange }];
};

/** A launch for a patient names the patient. */
export const patientNamed: Procedure = async (context) => {
  registration(context);
  const { answer, scopes } = await context.fact(sharedFlow());
  if (!scopes.includes("launch/patient")) {
    throw new NotApplicable("the registration does not ask for launch/patient");
  }
  if (answer.kind === "refused") throw new Blocked("no token was issued", "auth-flows.standalone-granted");
  const { patient } = answer.json;
  const found = { expected: "patient, the id of a Patient", location: "/patient", exchange: answer.exchange };
  if (patient === undefined) return [{ code: "json.missing", actual: "nothing", ...found }];
  return typeof patient === "string" && /^[A-Za-z0-9.-]{1,64}$/.test(patient)
    ? []
    : [{ code: "json.pattern", actual: "something else", ...found }];
};

/** The clocks of harness and server agree: what else is said about times rests on it. */
export const clocksAgree: Procedure = async (context) => {
  await context.fact(authorizationServer);
  const skew = await context.fact(clockSkew);
  if (skew === 0) return [];
  const actual = `the server's clock is ${Math.abs(skew)} seconds ${skew > 0 ? "ahead of" : "behind"} this machine's; times of tokens were judged by the server's clock`;
  return [{ code: "clock.skew", expected: "clocks that agree within 30 seconds", actual, location: "date" }];
};
