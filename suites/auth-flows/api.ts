import { randomBytes } from "node:crypto";
import type { Procedure } from "../../lib/checks/answer.ts";
import { apiRequest } from "../../lib/checks/attempts.ts";
import { Blocked, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { issueCodeFindings, jsonOf, noOutcome, readOutcome } from "../../lib/checks/outcome.ts";
import { isObject } from "../../lib/checks/select.ts";
import { accessToken, authorizeAnew, explained, granted } from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { HttpRequest } from "../../lib/http/types.ts";
import { assureOwnLogin, registration } from "../../lib/checks/registrations.ts";

/** Longest that a check waits for a token to end. */
const LONGEST_WAIT_SECONDS = 30;

/** The same without asking who is logged in: for requests that must fail before that matters. */
async function closedRequest(context: CheckContext): Promise<HttpRequest> {
  const [patient] = context.target.patients;
  if (context.target.access === "system" || patient === undefined) return await apiRequest(context);
  return {
    method: "GET",
    url: `${context.target.base}/Patient/${encodeURIComponent(patient)}`,
    headers: { accept: "application/fhir+json" },
  };
}

/** Ways to come with something that is not a valid token, as a request. */
const WITHOUT_VALID_TOKEN: Readonly<
  Record<string, (context: CheckContext, request: HttpRequest) => Promise<HttpRequest>>
> = {
  none: (_context, request) => Promise.resolve(request),
  garbage: (_context, request) =>
    Promise.resolve(withAuthorization(request, `Bearer garbage-${randomBytes(24).toString("base64url")}`)),
  truncated: async (context, request) => {
    const { value } = await accessToken(context);
    return withAuthorization(request, `Bearer ${value.slice(0, -6)}`);
  },
  "wrong-scheme": async (context, request) => {
    const { value } = await accessToken(context);
    return withAuthorization(request, `Basic ${value}`);
  },
  "in-query": async (context, request) => {
    const { value } = await accessToken(context);
    const url = new URL(request.url);
    url.searchParams.set("access_token", value);
    return { ...request, url: url.href };
  },
  expired: async (context, request) => {
    const client = registration(context, "short-lived-tokens");
    assureOwnLogin(context);
    const token = await explained(context, async () =>
      granted((await authorizeAnew(context, { client: "short-lived-tokens" })).answer),
    );
    const { expiresIn } = token;
    if (expiresIn === undefined || expiresIn > LONGEST_WAIT_SECONDS) {
      throw new NotApplicable(
        `the tokens of ${client.id} live ${expiresIn === undefined ? "for a time that is not told" : `${expiresIn} seconds`}, longer than a check waits`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, (expiresIn + 1.6) * 1000));
    return withAuthorization(request, `Bearer ${token.accessToken}`);
  },
};

function withAuthorization(request: HttpRequest, value: string): HttpRequest {
  return { ...request, headers: { ...(request.headers as Record<string, string>), authorization: value } };
}

/** The API is closed to what is not a valid token (RFC 6750 §3.1). Parameter: `token`. */
export const apiRefuses: Procedure = async (context, parameters) => {
  const kind = String(parameters["token"]);
  const make = WITHOUT_VALID_TOKEN[kind];
  if (make === undefined) throw new Error(`there is no way ${kind}`);
  const request = await make(context, await closedRequest(context));
  const response = await context.send({ ...request, redirect: "manual", purpose: `API with token: ${kind}` });
  if (response.status === 401) return [];
  const { status, exchange } = response;
  const code = status >= 200 && status < 300 ? "api.open" : "http.status";
  return [{ code, expected: "status 401", actual: `status ${status}`, exchange }];
};

/** What a 401 of the API carries. Parameter: `part` (`challenge`, `outcome`, `issue`). */
export const refusalCarries: Procedure = async (context, parameters) => {
  const request = withAuthorization(
    await closedRequest(context),
    `Bearer garbage-${randomBytes(24).toString("base64url")}`,
  );
  const response = await context.send({ ...request, purpose: "API with a token that is none" });
  const { status, exchange } = response;
  if (status !== 401) {
    throw new Blocked(`the API answered with status ${status}`, "auth-flows.api-garbage");
  }
  if (parameters["part"] === "challenge") {
    const challenge = response.headers.get("www-authenticate");
    if (challenge !== undefined && /(^|,\s*)bearer\b/i.test(challenge)) return [];
    const actual = challenge === undefined ? "none" : "a challenge of another scheme";
    return [
      {
        code: "http.challenge",
        expected: "WWW-Authenticate: Bearer",
        actual,
        location: "www-authenticate",
        exchange,
      },
    ];
  }
  const outcome = readOutcome(response);
  if ("instead" in outcome) {
    if (parameters["part"] === "outcome") return [noOutcome(response, outcome.instead)];
    throw new Blocked(`the API answered 401 with ${outcome.instead}`, "auth-flows.api-operation-outcome");
  }
  return parameters["part"] === "outcome" ? [] : issueCodeFindings(response, outcome.codes, "security");
};

/** `fhirUser` can be fetched with the token and is who it says (SMART 2.0.0 scopes §identity). */
export async function fetchUser(context: CheckContext, reference: string): Promise<readonly Finding[]> {
  const url = new URL(reference, `${context.target.base}/`).href;
  const type = /([A-Z][A-Za-z]+)\/[A-Za-z0-9.-]+$/.exec(new URL(url).pathname)?.[1] ?? "";
  const response = await context.send({
    method: "GET",
    url,
    headers: { accept: "application/fhir+json" },
    bearer: await accessToken(context),
    purpose: "who the user is",
  });
  const { status, exchange } = response;
  const resource = jsonOf(response);
  if (status === 200 && isObject(resource) && resource["resourceType"] === type) return [];
  const actual = status === 200 ? "a resource of another type" : `status ${status}`;
  return [{ code: "identity.unresolvable", expected: `the ${type} that fhirUser names`, actual, exchange }];
}
