import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { issueCodeFindings, jsonOf, noOutcome, readOutcome } from "../../lib/checks/outcome.ts";
import { refusalFindings } from "../../lib/checks/refusals.ts";
import type { ResultTable } from "../../lib/checks/results.ts";
import { isObject } from "../../lib/checks/select.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import { readAuthorizationResponse } from "../../lib/smart/authorization-request.ts";
import type { AuthorizationOutcome } from "../../lib/smart/drivers/driver.ts";
import type { TokenAnswer } from "../../lib/smart/token-response.ts";
import { CLOSED, isService } from "./access.ts";
import type { Course } from "./course.ts";
import { AGAIN, door, SEEN, type Call, type Tried } from "./look.ts";
import { onceRestored, whileRevoked } from "./story.ts";

/** What a token endpoint says to an application that has no authorization (RFC 6749 §5.2, §4.1.2.1). */
export const NO_AUTHORIZATION = ["invalid_client", "unauthorized_client", "access_denied"];
export const REFUSAL_STATUSES = [400, 401, 403];
/** What is over is closed as well when it is not even there any more. */
const GONE = new Set([401, 403, 404, 410]);

const status = (response: HttpResponse, expected: string, code = "http.status"): Finding => ({
  code,
  expected,
  actual: `status ${response.status}`,
  exchange: response.exchange,
});

/** How the token endpoint refused: client credentials of a service, the refresh of everybody else. */
function refusal(context: CheckContext, course: Course): TokenAnswer {
  return course.look(context, isService(context) ? SEEN.tokenRequest : SEEN.refresh).last;
}

/** Requests for tokens are refused. Parameter: `grant` (`credentials`, `refresh`, `code`). */
export const tokenRefused: Procedure = async (context, { grant }) => {
  const course = await whileRevoked(context);
  if (grant === "code") return judgeGrant(course.look(context, SEEN.code));
  return judgeGrant(course.look(context, grant === "refresh" ? SEEN.refresh : SEEN.tokenRequest).last);
};

function judgeGrant(answer: TokenAnswer): readonly Finding[] {
  if (answer.kind === "refused") return [];
  const { exchange } = answer;
  return [{ code: "oauth.granted", expected: "a refusal", actual: "an access token", exchange }];
}

/** The form of the refusal. Parameter: `part` (`status`, `error`, `json`). */
export const tokenRefusalForm: Procedure = async (context, { part }) => {
  const answer = refusal(context, await whileRevoked(context));
  if (answer.kind === "granted") {
    const by = isService(context) ? "revocation.token-request-refused" : "revocation.refresh-refused";
    throw new Blocked("the token endpoint refused nothing", by);
  }
  if (part === "json") return jsonErrorFindings(answer);
  // What rests on a grant that is gone may also be called an invalid grant (RFC 6749 §5.2).
  const errors = isService(context) ? NO_AUTHORIZATION : [...NO_AUTHORIZATION, "invalid_grant"];
  const findings = refusalFindings(answer, { errors, statuses: REFUSAL_STATUSES });
  const wanted = part === "status" ? ["oauth.status"] : ["oauth.error", "oauth.error-missing"];
  return findings.filter(({ code }) => wanted.includes(code));
};

/** An OAuth error object: JSON with an error code (RFC 6749 §5.2). */
export function jsonErrorFindings(answer: TokenAnswer): readonly Finding[] {
  const { exchange } = answer;
  if (answer.kind === "refused" && answer.error !== undefined) return [];
  const actual = answer.kind === "granted" ? "an access token" : (answer.problem ?? "no error code");
  return [{ code: "oauth.error-missing", expected: "a JSON object with an error code", actual, exchange }];
}

/** No user gets an application in that is revoked. */
export const authorizationRefused: Procedure = async (context) => {
  const course = await whileRevoked(context);
  return codeFindings(course.look(context, SEEN.authorization));
};

/** Findings where an authorization that must not succeed did. */
export function codeFindings(outcome: AuthorizationOutcome): readonly Finding[] {
  const shown = outcome.exchange === undefined ? {} : { exchange: outcome.exchange };
  if (outcome.kind === "page" || readAuthorizationResponse(outcome.url).code === undefined) return [];
  return [{ code: "oauth.granted", expected: "no code", actual: "a code", ...shown }];
}

/** Tokens from before stop working, in the time that the configuration allows. */
export const accessTokenDies: Procedure = async (context) => {
  const course = await whileRevoked(context);
  const { last, after } = course.look(context, SEEN.accessToken);
  context.table(timeTable(context, course));
  if (after !== undefined) return [];
  const seconds = context.target.tenantOwner?.effectSeconds ?? 0;
  return [status(last, `a refusal within ${seconds} seconds of the revocation`, "token.alive")];
};

/** How long each door stayed open. */
function timeTable(context: CheckContext, course: Course): ResultTable {
  const doors = [
    [SEEN.accessToken, "API, with a token from before"],
    [SEEN.refresh, "refresh"],
    [SEEN.tokenRequest, "request for a new token"],
  ] as const;
  const rows = doors.flatMap(([piece, words]): ResultTable["rows"] => {
    try {
      const { last, after } = course.look<Tried<{ status: number; exchange: string }>>(context, piece);
      const shown = { exchange: last.exchange };
      return [
        after === undefined
          ? [words, { text: "still open", state: "bad", ...shown }, `status ${last.status}`]
          : [
              words,
              { text: after < 0.1 ? "at once" : `${after.toFixed(1)} s`, state: "good", ...shown },
              `status ${last.status}`,
            ],
      ];
    } catch {
      return [];
    }
  });
  const isGuided = context.target.tenantOwner?.driver === "guided";
  return {
    id: "time-to-effect",
    title: "Time from the revocation until a door was closed",
    columns: ["door", "closed after", "answer"],
    rows,
    note: isGuided
      ? "A person revoked: the time counts from when it was noticed or told, so that it may be shorter than it was."
      : "Counted from the answer to the revocation. Doors were tried one after the other, in this order.",
  };
}

const isOpen = ({ status: code }: Call) => code < 400;

/** Every call of the API fails: each type, searched in both ways. */
export const everyCallRefused: Procedure = async (context) => {
  const calls = (await whileRevoked(context)).look(context, SEEN.calls);
  const interactions = [...new Set(calls.map(({ interaction }) => interaction))];
  const types = [...new Set(calls.map(({ type }) => type))];
  context.table({
    id: "calls",
    title: "Calls with the token of a revoked application",
    columns: ["type", ...interactions],
    rows: types.map((type) => [
      type,
      ...interactions.map((interaction) => {
        const call = calls.find((one) => one.type === type && one.interaction === interaction);
        if (call === undefined) return "";
        const state = isOpen(call) ? "bad" : CLOSED.has(call.status) ? "good" : "warning";
        return { text: String(call.status), state, exchange: call.exchange } as const;
      }),
    ]),
    note: "Red is open. What is neither 401 nor 403 is closed too, though it does not say why.",
  });
  if (calls.length === 0) throw new NotApplicable("the CapabilityStatement lists no types");
  return calls.filter(isOpen).map(({ type, interaction, status: code, exchange }) => ({
    code: "api.open",
    expected: "a refusal",
    actual: `status ${code}`,
    location: `${interaction} of ${type}`,
    exchange,
  }));
};

/** How the API refuses. Parameter: `part` (`status`, `outcome`, `issue`). */
export const apiRefusalForm: Procedure = async (context, { part }) => {
  const course = await whileRevoked(context);
  const { last } = course.look(context, SEEN.accessToken);
  if (last.status < 400) throw new Blocked("the API refused nothing", "revocation.access-token-dies");
  if (part === "status") return CLOSED.has(last.status) ? [] : [status(last, "status 401 or 403")];
  const outcome = readOutcome(last);
  if ("instead" in outcome) {
    if (part === "outcome") return [noOutcome(last, outcome.instead)];
    throw new Blocked("the refusal is no OperationOutcome", "revocation.api-refusal-outcome");
  }
  if (part === "outcome") return [];
  return issueCodeFindings(last, outcome.codes, last.status === 403 ? "forbidden" : "security");
};

/** Exports are closed. Parameter: `door` (`export-status`, `export-file`, `export-start`). */
export const exportClosed: Procedure = async (context, parameters) => {
  const response = (await whileRevoked(context)).look(context, door(String(parameters["door"])));
  if (GONE.has(response.status)) return [];
  const code = response.status < 400 ? "export.open" : "http.status";
  return [status(response, "status 401, 403, 404 or 410", code)];
};

/** Introspection does not call the old token active. */
export const introspectionInactive: Procedure = async (context) => {
  const response = (await whileRevoked(context)).look(context, SEEN.introspection);
  const json = jsonOf(response);
  if (!isObject(json) || json["active"] !== true) return [];
  const { exchange } = response;
  return [
    {
      code: "introspection.active",
      expected: "a refusal, or active: false",
      actual: "active: true",
      exchange,
    },
  ];
};

/** What concerns others stays as it was. Parameter: `door`. */
export const staysOpen: Procedure = async (context, parameters) => {
  const response = (await whileRevoked(context)).look(context, door(String(parameters["door"])));
  return response.status === 200 ? [] : [status(response, "status 200, as before")];
};

/** After the authorization was given back. Parameter: `door` (`token`, `api`). */
export const worksAgain: Procedure = async (context, parameters) => {
  const course = await onceRestored(context);
  if (parameters["door"] === "api") {
    const response = course.look(context, AGAIN.api);
    return response.status === 200 ? [] : [status(response, "status 200")];
  }
  return await orFindings(() => {
    const answer = course.look(context, AGAIN.token);
    if (answer.kind === "granted") return [];
    const actual = `status ${answer.status} and ${answer.error ?? answer.problem ?? "no token"}`;
    return [{ code: "oauth.refused", expected: "an access token", actual, exchange: answer.exchange }];
  });
};

/** What is judged; where there was no way to a token, and the server is why, the finding that says so. */
export async function orFindings(judge: () => readonly Finding[]): Promise<readonly Finding[]> {
  try {
    return await Promise.resolve(judge());
  } catch (error) {
    if (error instanceof Blocked && error.findings.length > 0) return error.findings;
    throw error;
  }
}
