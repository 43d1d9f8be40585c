import type { Finding } from "./verdict.ts";
import type { TokenAnswer } from "../smart/token-response.ts";

/** What a refusal of the token endpoint has to look like. */
export interface ExpectedRefusal {
  /** OAuth error codes that fit. */
  readonly errors: readonly string[];
  /** HTTP statuses that fit; 400 or 401 by default. */
  readonly statuses?: readonly number[];
}

/**
 * Findings about an answer that should have been a refusal (RFC 6749 §5.2): nothing granted, a status and an error code
 * that fit.
 */
export function refusalFindings(
  answer: TokenAnswer,
  { errors, statuses = [400, 401] }: ExpectedRefusal,
): readonly Finding[] {
  const { exchange } = answer;
  const list = errors.join(" or ");
  if (answer.kind === "granted") {
    return [{ code: "oauth.granted", expected: `a refusal (${list})`, actual: "an access token", exchange }];
  }
  const findings: Finding[] = [];
  if (!statuses.includes(answer.status)) {
    findings.push({
      code: "oauth.status",
      expected: `status ${statuses.slice(0, -1).join(", ")} or ${statuses.at(-1)}`,
      actual: `status ${answer.status}`,
      exchange,
    });
  }
  if (answer.error === undefined) {
    const actual = answer.problem ?? "no error code";
    findings.push({ code: "oauth.error-missing", expected: `the error ${list}`, actual, exchange });
  } else if (!errors.includes(answer.error)) {
    findings.push({
      code: "oauth.error",
      expected: `the error ${list}`,
      actual: `the error ${answer.error}`,
      exchange,
    });
  }
  return findings;
}

/** Makes sure that a request really is what a check says it is: a harness that errs must not blame the server. */
export function assureThat(condition: boolean, words: string): void {
  if (!condition) throw new Error(`the request is not what the check says: ${words}`);
}

/** A parameter of a check as a list of texts. */
export function texts(value: unknown): readonly string[] {
  return [value].flat().filter((one) => typeof one === "string");
}
