import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import type { Expectation } from "../../lib/checks/definition.ts";
import { evaluate } from "../../lib/checks/expectations.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import { substitute } from "../../lib/checks/substitute.ts";
import { accessToken, grantedToken } from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { HttpResponse } from "../../lib/http/types.ts";

/**
 * The patient to ask about: the one the token was issued for, or the first of the configuration.
 *
 * @throws Blocked when neither names one
 */
export async function patientOf(context: CheckContext): Promise<string> {
  const { json } = await grantedToken(context);
  const launched = json["patient"];
  if (typeof launched === "string" && launched !== "") return launched;
  const [configured] = context.target.patients;
  if (configured !== undefined) return configured;
  throw new Blocked(
    "no patient is known: the token names none, and the tenant's file has none",
    "previous-apis.login",
  );
}

/** GETs a path below the API's base, `{patient}` in it replaced, with the target's token or without one. */
export async function ask(
  context: CheckContext,
  options: {
    readonly path: string;
    readonly accept: string;
    readonly authorization: "token" | "none";
    readonly purpose: string;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<HttpResponse> {
  const path = options.path.includes("{patient}")
    ? options.path.replaceAll("{patient}", encodeURIComponent(await patientOf(context)))
    : options.path;
  return await context.send({
    method: "GET",
    url: `${context.target.base}${path}`,
    headers: { ...options.headers, accept: options.accept },
    ...(options.authorization === "token" ? { bearer: await accessToken(context) } : {}),
    purpose: options.purpose,
  });
}

/** One request and what its answer has to be, as in a suite file, for requests that may need a token or a patient. */
export const answers: Procedure = async (context, parameters) => {
  const { path, accept, authorization, expect, headers } = parameters;
  const response = await ask(context, {
    path: String(path),
    accept: String(accept),
    authorization: authorization === "token" ? "token" : "none",
    purpose: `GET ${String(path) === "" ? "the base URL" : String(path)}`,
    ...(isObject(headers) ? { headers: headers as Record<string, string> } : {}),
  });
  const needsPatient = JSON.stringify(expect).includes("{patient}");
  const variables = needsPatient ? { patient: await patientOf(context) } : {};
  const subject = subjectOf("the answer", response);
  const findings: Finding[] = [];
  for (const expectation of substitute(expect, variables) as readonly Expectation[]) {
    // Nothing here is compared with a fact.
    const found = await evaluate(expectation, subject, () => Promise.resolve(undefined));
    findings.push(...found.map((finding) => (needsPatient ? masked(context, finding, variables) : finding)));
    if (("status" in expectation || "body" in expectation) && found.length > 0) break;
  }
  return findings;
};

/** A finding about a patient's id says it only where evidence may. */
function masked(context: CheckContext, finding: Finding, variables: { patient?: string }): Finding {
  const hide = (text: string) =>
    variables.patient === undefined
      ? text
      : text.replaceAll(variables.patient, context.health(variables.patient));
  return {
    ...finding,
    expected: hide(finding.expected),
    actual: finding.code.startsWith("json.") ? context.health(finding.actual) : hide(finding.actual),
  };
}

/** The second page differs from the first, and the links page by the documented parameter. */
export const pagesBy: Procedure = async (context, parameters) => {
  const name = String(parameters["parameter"]);
  const first = Number(parameters["first"]);
  const page = async (at: number) => {
    const path = `${String(parameters["path"])}&_count=1&${name}=${at}`.replace("?&", "?");
    const isPublic = context.target.authorization === "none";
    const response = await ask(context, {
      path,
      accept: "application/fhir+json",
      authorization: isPublic ? "none" : "token",
      purpose: `page ${name}=${at}`,
    });
    return { response, json: subjectOf("the page", response).json };
  };
  const one = await page(first);
  if (one.response.status !== 200) return [unexpectedStatus(one.response, "the first page")];
  const total = isObject(one.json) ? one.json["total"] : undefined;
  const hasNext = select(one.json, "/link[relation=next]/url").length > 0;
  const [entry] = select(one.json, "/entry/*/fullUrl");
  if (entry === undefined || (!hasNext && (typeof total !== "number" || total < 2)))
    throw new NotApplicable("there are not two entries to page through");
  const two = await page(first + 1);
  if (two.response.status !== 200) return [unexpectedStatus(two.response, "the second page")];
  const [other] = select(two.json, "/entry/*/fullUrl");
  if (other === undefined || other.value === entry.value) {
    return [
      {
        code: "paging.ignored",
        expected: `another entry with ${name}=${first + 1} than with ${name}=${first}`,
        actual: other === undefined ? "no entry" : "the same entry",
        exchange: two.response.exchange,
      },
    ];
  }
  return [];
};

/** A write is refused for what it is, not for what is written. */
export const writeRefused: Procedure = async (context, parameters) => {
  if (context.target.mutations !== "allowed")
    throw new NotApplicable("the tenant's configuration does not allow to try to change anything");
  const response = await context.send({
    method: "POST",
    url: `${context.target.base}${String(parameters["path"])}`,
    headers: { accept: "application/fhir+json", "content-type": "application/fhir+json" },
    body: JSON.stringify({ resourceType: "Organization", active: false, name: "careconnect-conformance" }),
    retry: "never",
    purpose: "an attempt to write into a public directory",
  });
  if ([401, 403, 404, 405, 501].includes(response.status)) return [];
  return [
    {
      code: "http.status",
      expected: "status 401, 403, 404, 405 or 501",
      actual: `status ${response.status}`,
      exchange: response.exchange,
    },
  ];
};

export function unexpectedStatus(response: HttpResponse, what: string): Finding {
  return {
    code: "http.status",
    expected: `${what} with status 200`,
    actual: `status ${response.status}`,
    exchange: response.exchange,
  };
}
