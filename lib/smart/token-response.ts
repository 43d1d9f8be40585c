import type { HttpResponse } from "../http/types.ts";

/** What a token endpoint answered, read leniently: what is wrong with it is for checks to say. */
export type TokenAnswer =
  | {
      readonly kind: "granted";
      readonly status: number;
      readonly exchange: string;
      readonly json: Readonly<Record<string, unknown>>;
      readonly accessToken: string;
      readonly refreshToken?: string;
      readonly idToken?: string;
      readonly scopes: readonly string[] | undefined;
      /** Seconds, as the server says; absent where it says nothing usable. */
      readonly expiresIn?: number;
      /** Milliseconds since 1970 by our own clock, when the answer had arrived. */
      readonly receivedAt: number;
    }
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly exchange: string;
      readonly json?: Readonly<Record<string, unknown>>;
      /** The OAuth error code, where there is one. */
      readonly error?: string;
      /** What the body is instead of an OAuth error. */
      readonly problem?: string;
    };

export type GrantedToken = Extract<TokenAnswer, { kind: "granted" }>;

/** Reads an answer of the token endpoint (RFC 6749 §5.1, §5.2). A token counts as granted with any 2xx status. */
export function readTokenResponse(response: HttpResponse): TokenAnswer {
  const { status, exchange } = response;
  const json = objectOf(response.body);
  if (json === undefined) {
    return { kind: "refused", status, exchange, problem: "a body that is not a JSON object" };
  }
  const text = (name: string) => (typeof json[name] === "string" ? json[name] : undefined);
  const accessToken = text("access_token");
  if (accessToken !== undefined && !/^[\x20-\x7E]*$/.test(accessToken)) {
    // RFC 6749 appendix A.12; no header could carry it.
    return {
      kind: "refused",
      status,
      exchange,
      json,
      problem: "an access token with characters it may not have",
    };
  }
  if (status >= 200 && status < 300 && accessToken !== undefined && accessToken !== "") {
    const refreshToken = text("refresh_token");
    const idToken = text("id_token");
    const expiresIn = json["expires_in"];
    return {
      kind: "granted",
      status,
      exchange,
      json,
      accessToken,
      scopes: text("scope")
        ?.split(" ")
        .filter((scope) => scope !== ""),
      receivedAt: Date.now(),
      ...(refreshToken === undefined ? {} : { refreshToken }),
      ...(idToken === undefined ? {} : { idToken }),
      ...(typeof expiresIn === "number" ? { expiresIn } : {}),
    };
  }
  const error = text("error");
  return error === undefined
    ? { kind: "refused", status, exchange, json, problem: "JSON without an error code" }
    : { kind: "refused", status, exchange, json, error };
}

function objectOf(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
