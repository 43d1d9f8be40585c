import type { HttpResponse } from "../http/types.ts";
import { isObject, select } from "./select.ts";
import type { Finding } from "./verdict.ts";

/** The JSON of a body; undefined where it is none. */
export function jsonOf({ body }: Pick<HttpResponse, "body">): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as unknown;
  } catch {
    return undefined;
  }
}

/** The issue codes of an OperationOutcome, or what the body is instead. */
export function readOutcome(
  response: Pick<HttpResponse, "body">,
): { readonly codes: readonly string[] } | { readonly instead: string } {
  const json = jsonOf(response);
  if (!isObject(json)) return { instead: "a body that is not JSON" };
  if (json["resourceType"] !== "OperationOutcome") return { instead: "JSON of another kind" };
  return { codes: select(json, "/issue/*/code").map(({ value }) => String(value)) };
}

/** The finding that a body is no OperationOutcome. */
export function noOutcome(response: Pick<HttpResponse, "exchange">, instead: string): Finding {
  const { exchange } = response;
  return { code: "fhir.operation-outcome", expected: "an OperationOutcome", actual: instead, exchange };
}

/** Findings where an OperationOutcome lacks an issue code. */
export function issueCodeFindings(
  response: Pick<HttpResponse, "status" | "exchange">,
  codes: readonly string[],
  wanted: string,
): readonly Finding[] {
  if (codes.includes(wanted)) return [];
  return [
    {
      code: "fhir.issue-code",
      expected: `issue code ${wanted} with status ${response.status}`,
      actual: codes.join(", ") || "none",
      location: "/issue/*/code",
      exchange: response.exchange,
    },
  ];
}
