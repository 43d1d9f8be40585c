/** How long an API takes to answer: told, never judged. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import { NoData, RequestFailed, type CheckContext } from "../../../lib/checks/context.ts";
import { patientsInReach } from "../../../lib/checks/records/patients.ts";
import { accessToken } from "../../../lib/checks/tokens.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import { getRequest, searchRequest } from "../../../lib/fhir/requests.ts";
import type { BearerToken, HttpRequest } from "../../../lib/http/types.ts";

/** Requests of each kind, one after the other. */
const SAMPLES = 20;

/** Milliseconds that most samples stay below: the smallest that a share of them does not exceed. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

const responseTimes: Procedure = async (context) => {
  const [patient] = (await context.fact(patientsInReach)).ids;
  if (patient === undefined) throw new NoData("no patient is in reach", "a patient");
  const { base } = context.target;
  const bearer = context.target.authorization === "none" ? undefined : await accessToken(context);
  const findings: Finding[] = [];
  const rows: string[][] = [];
  for (const [name, request] of kinds(base, patient, bearer)) {
    const samples = await sample(context, name, request, findings);
    rows.push([
      name,
      String(samples.length),
      ...[0.5, 0.95, 1].map((share) =>
        samples.length === 0 ? "" : String(Math.round(percentile(samples, share))),
      ),
    ]);
  }
  context.table({
    id: "response-times",
    title: "Response times in milliseconds",
    columns: ["Interaction", "Requests", "Median", "95th percentile", "Longest"],
    rows,
    note: "One after the other, over connections that are kept open, as seen from where this runs. This is information and no verdict; other checks of the same run may have been under way.",
  });
  return findings;
};

function kinds(
  base: string,
  patient: string,
  bearer: BearerToken | undefined,
): readonly (readonly [string, HttpRequest])[] {
  const purpose = "response time";
  const query = (method: "GET" | "POST") =>
    searchRequest(base, { type: "Condition", parameters: [["patient", patient]], method }, bearer, purpose);
  return [
    ["CapabilityStatement", getRequest(base, "metadata", undefined, purpose)],
    ["Read of a patient", getRequest(base, `Patient/${encodeURIComponent(patient)}`, bearer, purpose)],
    ["Search of conditions by GET", query("GET")],
    ["Search of conditions by POST", query("POST")],
  ];
}

async function sample(
  context: CheckContext,
  name: string,
  request: HttpRequest,
  findings: Finding[],
): Promise<readonly number[]> {
  const samples: number[] = [];
  for (let count = 0; count < SAMPLES; count += 1) {
    const started = performance.now();
    try {
      await context.send(request);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      findings.push({
        code: "response-time.no-answer",
        expected: `an answer (${name})`,
        actual: error.failure.message,
        exchange: error.exchange,
      });
      break;
    }
    samples.push(performance.now() - started);
  }
  return samples;
}

export const timingProcedures: Readonly<Record<string, Procedure>> = { responseTimes };
