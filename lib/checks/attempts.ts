/** Requests that several suites try, to see whether they are refused. */
import type { HttpRequest } from "../http/types.ts";
import {
  authorizationHttpRequest,
  isRedirectTo,
  type AuthorizationRequest,
} from "../smart/authorization-request.ts";
import type { AuthorizationOutcome } from "../smart/drivers/driver.ts";
import { parameter } from "../smart/parameters.ts";
import type { GrantedToken } from "../smart/token-response.ts";
import { Blocked, type CheckContext } from "./context.ts";
import { grantedToken, runAuthorization } from "./tokens.ts";

/** A request that needs a token: the patient in context, or for a service any one patient. */
export async function apiRequest(context: CheckContext, token?: GrantedToken): Promise<HttpRequest> {
  const { base, access, patients } = context.target;
  const headers = { accept: "application/fhir+json" };
  if (access === "system") return { method: "GET", url: `${base}/Patient?_count=1`, headers };
  const known = token ?? (await grantedToken(context));
  const patient = typeof known.json["patient"] === "string" ? known.json["patient"] : patients[0];
  if (patient === undefined) {
    throw new Blocked(
      "no patient is known to ask for: neither the token response nor the configuration names one",
    );
  }
  return { method: "GET", url: `${base}/Patient/${encodeURIComponent(patient)}`, headers };
}

/** The outcome of a request that should be refused: with a user to log in, or by the first answer alone. */
export async function attemptAuthorization(
  context: CheckContext,
  request: AuthorizationRequest,
): Promise<AuthorizationOutcome> {
  const driver = context.target.login?.driver;
  if (driver === "form" || driver === "browser") return await runAuthorization(context, request);
  const response = await context.send(authorizationHttpRequest(request));
  const { status, exchange } = response;
  const location = response.headers.get("location");
  const target = location === undefined ? undefined : new URL(location, request.endpoint).href;
  const wanted = parameter(request.parameters, "redirect_uri") ?? request.redirectUri;
  if (target !== undefined && (isRedirectTo(target, wanted) || isRedirectTo(target, request.redirectUri))) {
    return { kind: "redirected", url: target, exchange };
  }
  if (status >= 400) return { kind: "page", status, words: "a page of the server", exchange };
  throw new Blocked(
    "the server asks the user to log in before it says more, and that takes the login driver form or browser",
  );
}
