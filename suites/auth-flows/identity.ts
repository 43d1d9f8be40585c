import type { JSONWebKeySet } from "jose";
import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { jwks } from "../../lib/checks/facts.ts";
import { isObject } from "../../lib/checks/select.ts";
import { sharedFlow } from "../../lib/checks/token-facts.ts";
import { authorizationServer, clockSkew, endpointOf } from "../../lib/checks/tokens.ts";
import { verifyIdToken, type IdTokenReading } from "../../lib/smart/id-token.ts";
import { fetchUser } from "./api.ts";
import { texts } from "../../lib/checks/refusals.ts";
import { registration } from "../../lib/checks/registrations.ts";

interface Identity extends IdTokenReading {
  readonly exchange: string;
}

/** The id token of the standalone launch, verified. */
const identity: Fact<Identity> = {
  name: "id token",
  explainedBy: "auth-flows.id-token-issued",
  async provide(context) {
    const flow = await context.fact(sharedFlow());
    const { answer } = flow;
    if (!flow.scopes.includes("openid")) throw new NotApplicable("the registration does not ask for openid");
    if (answer.kind === "refused") throw new Blocked("no token was issued", "auth-flows.standalone-granted");
    if (answer.idToken === undefined)
      throw new Blocked("no id token was issued", "auth-flows.id-token-issued");
    const { issuer = "" } = await context.fact(authorizationServer);
    const keys = (await context.fact(jwks)).json as JSONWebKeySet;
    const reading = await verifyIdToken(answer.idToken, {
      issuer,
      clientId: flow.client.id,
      nonce: flow.request.nonce,
      jwks: keys,
      refetch: () => refetchKeys(context),
      now: answer.receivedAt + (await context.fact(clockSkew)) * 1000,
      fhirUser: flow.scopes.includes("fhirUser") && answer.scopes?.includes("fhirUser") !== false,
    });
    return { ...reading, exchange: answer.exchange };
  },
};

/** Keys rotate: what was fetched before may be older than the token. */
async function refetchKeys(context: CheckContext): Promise<JSONWebKeySet> {
  const url = await endpointOf(context, "jwksUri");
  const response = await context.send({
    method: "GET",
    url,
    headers: { accept: "application/json" },
    purpose: "keys, once more",
  });
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(response.body));
    if (isObject(json) && Array.isArray(json["keys"])) return json as unknown as JSONWebKeySet;
  } catch {
    // Said below.
  }
  throw new Blocked("the JSON Web Key Set could not be fetched again", "smart-configuration.jwks-served");
}

/** An id token comes with `openid`. */
export const idTokenIssued: Procedure = async (context) => {
  registration(context);
  const { answer, scopes } = await context.fact(sharedFlow());
  if (!scopes.includes("openid")) throw new NotApplicable("the registration does not ask for openid");
  if (answer.kind === "refused") throw new Blocked("no token was issued", "auth-flows.standalone-granted");
  return answer.idToken === undefined
    ? [
        {
          code: "json.missing",
          expected: "an id_token",
          actual: "none",
          location: "/id_token",
          exchange: answer.exchange,
        },
      ]
    : [];
};

/** One rule of the id token's verification. Parameter: `rules`. */
export const idTokenHolds: Procedure = async (context, parameters) => {
  registration(context);
  const { problems, exchange } = await context.fact(identity);
  const rules = texts(parameters["rules"]);
  return problems
    .filter(({ fault }) => rules.includes(fault) || fault === "malformed")
    .map(({ fault, expected, actual }) => ({ code: `id-token.${fault}`, expected, actual, exchange }));
};

/** Who `fhirUser` names can be fetched. */
export const userResolves: Procedure = async (context) => {
  registration(context);
  const { claims, problems } = await context.fact(identity);
  const { fhirUser } = claims;
  if (typeof fhirUser !== "string" || problems.some(({ fault }) => fault === "fhir-user")) {
    throw new Blocked("the id token has no usable fhirUser", "auth-flows.id-token-fhir-user");
  }
  return await fetchUser(context, fhirUser);
};
