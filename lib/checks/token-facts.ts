import { tokenOperationRequest } from "../smart/token-request.ts";
import { NotApplicable, Blocked, type CheckContext, type Fact } from "./context.ts";
import { documentFacts as discoveryFacts } from "./facts.ts";
import type { Subject } from "./expectations.ts";
import { isObject } from "./select.ts";
import { subjectOf } from "./subject.ts";
import {
  authorizationServer,
  authorizeAnew,
  clientCredentials,
  defaultScopes,
  explained,
  grantedToken,
  proofOf,
  refreshedOnce,
  registrationOf,
  sendTokenRequest,
  type Flow,
  type TokenWish,
} from "./tokens.ts";

/** An authorization gone through once for everyone who looks at it. */
export function sharedFlow(wish: TokenWish = {}): Fact<Flow> {
  return {
    name: `authorization ${JSON.stringify(wish)}`,
    explainedBy: wish.launch === "ehr" ? "auth-flows.ehr-granted" : "auth-flows.standalone-granted",
    provide: (context) => authorizeAnew(context, wish),
  };
}

function raw(
  name: string,
  explainedBy: string,
  provide: (context: CheckContext) => Promise<Subject>,
): Fact<Subject> {
  return { name, explainedBy, provide };
}

function successful(name: string, from: Fact<Subject>): Fact<Subject> {
  return {
    name,
    explainedBy: from.explainedBy,
    async provide(context) {
      const subject = await context.fact(from);
      if (subject.status === 200 && isObject(subject.json)) return subject;
      const actual = subject.problem ?? `status ${subject.status ?? 0}`;
      throw new Blocked(`${subject.name} holds no token: ${actual}`, from.explainedBy, [
        {
          code: "oauth.refused",
          expected: "a JSON object with status 200",
          actual,
          ...(subject.exchange === undefined ? {} : { exchange: subject.exchange }),
        },
      ]);
    },
  };
}

/** The token response of a standalone launch, whatever it is. */
export const standaloneTokenResponse = raw(
  "standaloneTokenResponse",
  "auth-flows.standalone-granted",
  async (context) => subjectOf("the token response", (await context.fact(sharedFlow())).tokenResponse),
);

/** The token response of an EHR launch, whatever it is. */
export const ehrTokenResponse = raw("ehrTokenResponse", "auth-flows.ehr-granted", async (context) => {
  if (context.target.ehrLaunch === undefined) {
    throw new NotApplicable("the configuration names nothing that acts as the EHR (ehrLaunch.start)");
  }
  const flow = await context.fact(sharedFlow({ launch: "ehr" }));
  return subjectOf("the token response of an EHR launch", flow.tokenResponse);
});

/** The token response to client credentials, whatever it is. */
export const backendTokenResponse = raw("backendTokenResponse", "auth-flows.backend-granted", (context) =>
  explained(context, async () => {
    const client = registrationOf(context);
    if (client === undefined) throw new Blocked("the configuration gives no client registration (client)");
    const scopes = await defaultScopes(context, client);
    const request = await clientCredentials(context, client, scopes);
    return subjectOf("the token response", await sendTokenRequest(context, request, "client credentials"));
  }),
);

/** The token response to a refresh without scopes, whatever it is. */
export const refreshTokenResponse = raw(
  "refreshTokenResponse",
  "auth-flows.refresh-granted",
  async (context) => subjectOf("the response to a refresh", (await context.fact(refreshedOnce)).response),
);

/** What introspection says of a live access token. */
export const introspectionResponse = raw(
  "introspectionResponse",
  "auth-flows.introspection-active",
  async (context) => {
    const client = registrationOf(context);
    const { introspectionEndpoint } = await context.fact(authorizationServer);
    if (introspectionEndpoint === undefined) {
      throw new NotApplicable("the SMART configuration names no introspection_endpoint");
    }
    if (client === undefined || client.authentication === "public") {
      throw new NotApplicable("the registration is a public client's, which cannot prove who it is");
    }
    const token = await grantedToken(context);
    const proof = await explained(context, () => proofOf(context, client, introspectionEndpoint));
    const request = tokenOperationRequest(introspectionEndpoint, token.accessToken, "access_token", proof);
    return subjectOf("the introspection response", await sendTokenRequest(context, request, "introspection"));
  },
);

/** Facts that check data may name. */
export const documentFacts: Readonly<Record<string, Fact<Subject>>> = {
  ...discoveryFacts,
  standaloneTokenResponse,
  standaloneToken: successful("standaloneToken", standaloneTokenResponse),
  ehrTokenResponse,
  ehrToken: successful("ehrToken", ehrTokenResponse),
  backendTokenResponse,
  backendToken: successful("backendToken", backendTokenResponse),
  refreshTokenResponse,
  refreshToken: successful("refreshToken", refreshTokenResponse),
  introspectionResponse,
  introspection: successful("introspection", introspectionResponse),
};
