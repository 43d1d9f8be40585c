import { attemptAuthorization } from "../../lib/checks/attempts.ts";
import { Blocked, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { smallExportRequest } from "../../lib/checks/exports.ts";
import { capabilityStatement } from "../../lib/checks/facts.ts";
import { assureOwnLogin } from "../../lib/checks/registrations.ts";
import { select } from "../../lib/checks/select.ts";
import {
  authorizationServer,
  exchangeToken,
  explained,
  grantedToken,
  prepareAuthorization,
  proofOf,
  sendTokenRequest,
} from "../../lib/checks/tokens.ts";
import type { TenantOwner } from "../../lib/config/owner.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import type { AuthorizationOutcome } from "../../lib/smart/drivers/driver.ts";
import { tokenOperationRequest } from "../../lib/smart/token-request.ts";
import type { GrantedToken, TokenAnswer } from "../../lib/smart/token-response.ts";
import {
  bearerOf,
  callApi,
  REFUSED,
  isService,
  ownToken,
  requestRefresh,
  requestToken,
  endOf,
} from "./access.ts";
import { repeatUntil } from "./change.ts";
import { beginCourse, type Course, type Piece } from "./course.ts";
import { REVOCABLE } from "./registration.ts";
import { type Holdings } from "./holdings.ts";

/** A code that is older has probably ended by itself. */
const CODE_SECONDS = 30;

/** Something that was tried again until it was refused. */
export interface Tried<T> {
  readonly last: T;
  /** Seconds after the revocation at which it was first refused; absent where it never was. */
  readonly after?: number;
}

/** One call of the API with the old token. */
export interface Call {
  readonly type: string;
  readonly interaction: string;
  readonly status: number;
  readonly exchange: string;
}

/** What is observed while the authorization is revoked. */
export const SEEN = {
  accessToken: { name: "access-token" } as Piece<Tried<HttpResponse>>,
  refresh: { name: "refresh" } as Piece<Tried<TokenAnswer>>,
  tokenRequest: { name: "token-request" } as Piece<Tried<TokenAnswer>>,
  code: { name: "code" } as Piece<TokenAnswer>,
  authorization: { name: "authorization" } as Piece<AuthorizationOutcome>,
  calls: { name: "calls" } as Piece<readonly Call[]>,
  introspection: { name: "introspection" } as Piece<HttpResponse>,
};

/** Doors whose answer is a response, by name. */
export const door = (name: string): Piece<HttpResponse> => ({ name });

/** What is observed after it was given back. */
export const AGAIN = {
  token: { name: "token" } as Piece<TokenAnswer>,
  api: { name: "api" } as Piece<HttpResponse>,
};

export const isRefused = (answer: TokenAnswer) => answer.kind === "refused";

export async function lookAtAll(
  context: CheckContext,
  client: ClientRegistration,
  owner: TenantOwner,
  held: Holdings,
): Promise<Course> {
  const course = beginCourse(context);
  const since = Date.now();
  const { token } = held;
  const assureAlive = () => {
    if (Date.now() < endOf(token) - 1000) return;
    throw new Blocked("the token from before had ended by itself by then, so that nothing can be told by it");
  };
  const left = () => Math.max(0, owner.effectSeconds - (Date.now() - since) / 1000);
  await course.observe(SEEN.accessToken, async (own) => {
    const attempt = () => callApi(own, token, "old token after the revocation");
    assureAlive();
    const tried = await repeatUntil(attempt, ({ status }) => REFUSED.has(status), owner.effectSeconds, since);
    if (tried.after !== undefined) assureAlive();
    return tried;
  });
  await course.observe(SEEN.refresh, async (own) => {
    if (token.refreshToken === undefined) throw new NotApplicable("no refresh token was issued");
    let refreshToken = token.refreshToken;
    const attempt = async () => {
      const answer = await requestRefresh(own, client, refreshToken);
      if (answer.kind === "granted") refreshToken = answer.refreshToken ?? refreshToken;
      return answer;
    };
    return await repeatUntil(attempt, isRefused, left(), since);
  });
  await course.observe(SEEN.code, async (own) => {
    const { code } = held;
    if (code === undefined)
      throw new NotApplicable("no code could be held back: that takes a login of its own");
    if (since - code.since > CODE_SECONDS * 1000) {
      throw new NotApplicable("the code had ended by itself before the tenant owner revoked the application");
    }
    return await exchangeToken(own, code.request, "code from before the revocation");
  });
  await course.observe(SEEN.calls, (own) => {
    assureAlive();
    return callEverything(own, token);
  });
  await lookAtExports(course, token, held, assureAlive);
  await course.observe(SEEN.introspection, (own) => introspect(own, client, token));
  await lookWithoutTokens(course, client, owner, undefined);
  return course;
}

/** What can be seen without anything from before the revocation. */
export async function lookWithoutTokens(
  course: Course,
  client: ClientRegistration,
  owner: TenantOwner,
  nothingHeld: string | undefined,
): Promise<void> {
  if (nothingHeld !== undefined) {
    for (const name of [
      "access-token",
      "refresh",
      "code",
      "calls",
      "export-status",
      "export-file",
      "export-start",
      "introspection",
    ]) {
      await course.observe({ name }, () => Promise.reject(new Blocked(nothingHeld)));
    }
  }
  const since = Date.now();
  await course.observe(SEEN.tokenRequest, async (own) => {
    return await repeatUntil(() => requestToken(own, client), isRefused, owner.effectSeconds, since);
  });
  await course.observe(SEEN.authorization, async (own) => {
    assureOwnLogin(own);
    return await explained(own, async () => {
      const { request } = await prepareAuthorization(own, { client: REVOCABLE });
      return await attemptAuthorization(own, request);
    });
  });
  for (const path of [".well-known/smart-configuration", "metadata"]) {
    await course.observe(door(path), (own) =>
      own.send({
        method: "GET",
        url: `${own.target.base}/${path}`,
        headers: { accept: path === "metadata" ? "application/fhir+json" : "application/json" },
        purpose: "discovery while an application is revoked",
      }),
    );
  }
  await course.observe(door("other-application"), (own) => useElsewhere(own, "another application"));
  await course.observe(door("other-tenant"), (own) =>
    useElsewhere(own.atOtherTenant(), "another tenant's application"),
  );
}

/** The main registration, used while another is revoked: a new token where that takes no login, and a call. */
async function useElsewhere(context: CheckContext, who: string): Promise<HttpResponse> {
  const { client } = context.target;
  if (client === undefined) throw new NotApplicable("the configuration gives no registration there");
  const token = isService(context) ? await ownToken(context, client, undefined) : await grantedToken(context);
  return await callApi(context, token, who);
}

/** A search of every type that the CapabilityStatement lists, and a read, with the old token. */
async function callEverything(context: CheckContext, token: GrantedToken): Promise<readonly Call[]> {
  const { json } = await context.fact(capabilityStatement);
  const types = select(json, "/rest/0/resource/*/type")
    .map(({ value }) => value)
    .filter((type) => typeof type === "string");
  const { base } = context.target;
  const requests = types.flatMap((type) => [
    { type, interaction: "search", method: "GET", url: `${base}/${type}?_count=1` },
    { type, interaction: "search by POST", method: "POST", url: `${base}/${type}/_search` },
  ]);
  const calls: Call[] = [];
  for (const { type, interaction, method, url } of requests) {
    const response = await context.send({
      method,
      url,
      headers: { accept: "application/fhir+json" },
      ...(method === "POST"
        ? { body: new URLSearchParams({ _count: "1" }), retry: "idempotent" as const }
        : {}),
      bearer: bearerOf(context, token.accessToken),
      redirect: "manual",
      purpose: "every call with the old token",
    });
    calls.push({ type, interaction, status: response.status, exchange: response.exchange });
  }
  return calls;
}

async function lookAtExports(
  course: Course,
  token: GrantedToken,
  held: Holdings,
  assureAlive: () => void,
): Promise<void> {
  const get = (url: string | undefined, what: string) => (own: CheckContext) => {
    if (url === undefined) throw new NotApplicable(`there was no ${what} before the revocation`);
    assureAlive();
    const bearer = bearerOf(own, token.accessToken);
    return own.send({
      method: "GET",
      url,
      bearer,
      redirect: "manual",
      purpose: `${what} after the revocation`,
    });
  };
  await course.observe(
    door("export-status"),
    async (own) => await get(held.underWay?.statusUrl, "export under way")(own),
  );
  await course.observe(
    door("export-file"),
    async (own) => await get(held.finished?.fileUrl, "finished file")(own),
  );
  await course.observe(door("export-start"), async (own) => {
    if (held.underWay === undefined)
      throw new NotApplicable("there was no export under way before the revocation");
    const bearer = bearerOf(own, token.accessToken);
    return await own.send({ ...smallExportRequest(own, bearer), redirect: "manual" });
  });
}

async function introspect(
  context: CheckContext,
  client: ClientRegistration,
  token: GrantedToken,
): Promise<HttpResponse> {
  const { introspectionEndpoint } = await context.fact(authorizationServer);
  if (introspectionEndpoint === undefined) {
    throw new NotApplicable("the SMART configuration names no introspection_endpoint");
  }
  if (client.authentication === "public") {
    throw new NotApplicable("the registration is a public client's, which cannot prove who it is");
  }
  const proof = await proofOf(context, client, introspectionEndpoint);
  const request = tokenOperationRequest(introspectionEndpoint, token.accessToken, "access_token", proof);
  return await sendTokenRequest(context, request, "introspection after the revocation");
}
