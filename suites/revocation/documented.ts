import { randomBytes } from "node:crypto";
import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { registrationOf, endpointOf, exchangeToken, explained } from "../../lib/checks/tokens.ts";
import type { ResultCell } from "../../lib/checks/results.ts";
import { readOutcome } from "../../lib/checks/outcome.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import { codeRequest } from "../../lib/smart/token-request.ts";
import { createPkce } from "../../lib/smart/authorization-request.ts";
import { proveClient } from "../../lib/smart/client-authentication.ts";
import type { TokenAnswer } from "../../lib/smart/token-response.ts";
import { isService, requestToken } from "./access.ts";

/** An error as an application meets it. */
interface Refusal {
  readonly status: number;
  /** What the body is, in words: `OAuth error invalid_client`. */
  readonly body: string;
  readonly exchange: string;
  /** Whether the body has the form that the vendor documents for v2. */
  readonly isDocumented: boolean;
}

interface Situation {
  readonly words: string;
  readonly expected: string;
  provoke(context: CheckContext): Promise<Refusal | undefined>;
}

const OAUTH = "an OAuth error object";
const OUTCOME = "an OperationOutcome with issue code security (401) or forbidden (403)";

/** Who has no authorization, by the roles that say so. */
const WITHOUT_AUTHORIZATION = ["revoked", "rejected", "requested"];

const SITUATIONS: readonly Situation[] = [
  {
    words: "an application without authorization asks for a token",
    expected: OAUTH,
    async provoke(context) {
      const client = WITHOUT_AUTHORIZATION.map((role) => registrationOf(context, role)).find(
        (one) => one !== undefined,
      );
      if (client === undefined) return undefined;
      return oauthRefusal(
        isService(context)
          ? await requestToken(context, client)
          : await redeemNothing(context, await proveClient(client, await tokenEndpoint(context))),
      );
    },
  },
  {
    words: "an unknown application asks for a token",
    expected: OAUTH,
    provoke: async (context) => {
      const id = "careconnect-conformance-no-such-client";
      const proof = await proveClient({ id, authentication: "public" }, await tokenEndpoint(context));
      return oauthRefusal(await redeemNothing(context, proof));
    },
  },
  {
    words: "a call without a token",
    expected: OUTCOME,
    provoke: async (context) => apiRefusal(await call(context, {})),
  },
  {
    words: "a call with a token that is none",
    expected: OUTCOME,
    provoke: async (context) =>
      apiRefusal(
        await call(context, { authorization: `Bearer none-${randomBytes(18).toString("base64url")}` }),
      ),
  },
];

const tokenEndpoint = (context: CheckContext) => endpointOf(context, "tokenEndpoint");

/** Redeems a code that nobody issued: whoever asks is looked at first. */
async function redeemNothing(
  context: CheckContext,
  proof: Awaited<ReturnType<typeof proveClient>>,
): Promise<TokenAnswer> {
  const request = codeRequest(
    await tokenEndpoint(context),
    { redirectUri: "http://127.0.0.1:8765/callback", pkce: await createPkce() },
    `none-${randomBytes(18).toString("base64url")}`,
    proof,
  );
  return await exchangeToken(context, request, "error of the token endpoint");
}

async function call(context: CheckContext, headers: Readonly<Record<string, string>>): Promise<HttpResponse> {
  return await context.send({
    method: "GET",
    url: `${context.target.base}/Patient?_count=1`,
    headers: { accept: "application/fhir+json", ...headers },
    redirect: "manual",
    purpose: "error of the API",
  });
}

function oauthRefusal(answer: TokenAnswer): Refusal {
  const { status, exchange } = answer;
  if (answer.kind === "granted") return { status, exchange, body: "an access token", isDocumented: false };
  return answer.error === undefined
    ? { status, exchange, body: answer.problem ?? "no error code", isDocumented: false }
    : { status, exchange, body: `OAuth error ${answer.error}`, isDocumented: true };
}

function apiRefusal(response: HttpResponse): Refusal {
  const { status, exchange } = response;
  const outcome = readOutcome(response);
  if ("instead" in outcome) {
    const type = response.headers.get("content-type")?.split(";")[0] ?? "no media type";
    const body = response.body.length === 0 ? "no body" : `${outcome.instead} (${type})`;
    return { status, exchange, body, isDocumented: false };
  }
  const wanted = status === 403 ? "forbidden" : "security";
  return {
    status,
    exchange,
    body: `OperationOutcome ${outcome.codes.join(", ")}`,
    isDocumented: (status === 401 || status === 403) && outcome.codes.includes(wanted),
  };
}

/** Errors of v2 have the documented form, and what differs from v1 is shown. */
export const errorsDocumented: Procedure = async (context) => {
  const name = isService(context) ? "v1-bulk-data" : "v1-patient-access";
  const first = context.elsewhere(name);
  const findings: Finding[] = [];
  const rows: ResultCell[][] = [];
  for (const situation of SITUATIONS) {
    const { words, expected } = situation;
    const now = await explained(context, () => situation.provoke(context));
    if (now === undefined) continue;
    const before = await explained(first, () => situation.provoke(first));
    const { status, body, exchange } = now;
    if (!now.isDocumented) {
      findings.push({
        code: "error.undocumented",
        expected,
        actual: `status ${status}, ${body}`,
        location: words,
        exchange,
      });
    }
    rows.push([
      words,
      before === undefined
        ? "not known"
        : { text: `${before.status}, ${before.body}`, state: "muted", exchange: before.exchange },
      { text: `${status}, ${body}`, state: now.isDocumented ? "good" : "bad", exchange },
      before === undefined ? "" : difference(before, now),
    ]);
  }
  if (rows.length === 0) throw new NotApplicable("no registration is known to have no authorization");
  context.table({
    id: "errors-v1-v2",
    title: "Errors an application meets: v1 and v2",
    columns: ["situation", "v1", "v2", "what changes"],
    rows,
    note: "As the servers answered just now. Red is not what the vendor documents for v2.",
  });
  return findings;
};

function difference(before: Refusal, now: Refusal): string {
  const parts = [
    ...(before.status === now.status ? [] : [`status ${before.status} becomes ${now.status}`]),
    ...(before.body === now.body ? [] : [`the body is ${now.body}, no longer ${before.body}`]),
  ];
  return parts.join("; ") || "nothing";
}
