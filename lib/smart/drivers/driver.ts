import type { HttpRequest, HttpResponse } from "../../http/types.ts";
import type { AuthorizationRequest } from "../authorization-request.ts";

/** Sends a request through the recording client; throws when there was no response. */
export type Send = (request: HttpRequest) => Promise<HttpResponse>;

/** How an authorization request ended, from the user agent's point of view. */
export type AuthorizationOutcome =
  /** The user agent was sent to a redirect URI (that of the request, right or wrong). */
  | { readonly kind: "redirected"; readonly url: string; readonly exchange?: string }
  /** It stayed at a page of the server. */
  | { readonly kind: "page"; readonly status: number; readonly words: string; readonly exchange?: string };

/** What the user does on the pages. */
export type Decision = "allow" | "deny";

/** Gets a user through login and consent. */
export interface LoginDriver {
  readonly id: "form" | "browser" | "manual";
  /** Whether it can log in again and again, with nobody there. */
  readonly unattended: boolean;
  /**
   * @throws SmartError when the pages could not be worked through
   */
  authorize(request: AuthorizationRequest, decision: Decision, send: Send): Promise<AuthorizationOutcome>;
}

/** Who logs in, as placeholders of a driver's data: `{user}`, `{password}`, `{patient}`. */
export interface LoginValues {
  readonly user?: string;
  readonly password?: string;
  readonly patient?: string;
}

/** Fills the placeholders of a driver's data. */
export function fillIn(text: string, values: LoginValues): string {
  return text.replaceAll(
    /\{(user|password|patient)\}/g,
    (whole, name: keyof LoginValues) => values[name] ?? whole,
  );
}
