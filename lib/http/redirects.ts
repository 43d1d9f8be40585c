import type { HttpFailure } from "./types.ts";

/** One step of a chain of redirects. */
export interface Hop {
  readonly method: string;
  readonly url: URL;
  /** Path and query as sent, where they are not those of `url`. */
  readonly rawTarget?: string;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly body: Uint8Array | undefined;
}

const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/** Whether a status sends the client elsewhere (RFC 9110 section 15.4). */
export function isRedirect(status: number): boolean {
  return redirectStatuses.has(status);
}

const credentialHeaders = new Set(["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"]);
const bodyHeaders = new Set(["content-type", "content-length", "content-encoding", "content-language"]);

/**
 * The next hop, or why it is not taken. Credentials and bodies never go to another origin, and nothing goes from
 * https to http.
 * @param withBearer the request carries a bearer token
 */
export function nextHop(
  hop: Hop,
  status: number,
  locations: readonly string[],
  withBearer: boolean,
): { readonly hop: Hop } | { readonly failure: HttpFailure } {
  const [location] = locations;
  if (location === undefined || locations.length > 1) {
    const message =
      location === undefined ? "The redirect names no Location." : "The redirect names several Locations.";
    return { failure: { code: "invalid-redirect", message } };
  }
  const url = parse(location, hop.url);
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    const message = "The Location of the redirect is not a usable http or https URL.";
    return { failure: { code: "invalid-redirect", message, seen: location.slice(0, 2000) } };
  }
  if (hop.url.protocol === "https:" && url.protocol === "http:") {
    const message = "The redirect leads from https to http; it was not followed.";
    return { failure: { code: "redirect-downgrade", message, seen: url.href } };
  }
  const toGet = (status === 303 && hop.method !== "HEAD") || (status < 303 && hop.method === "POST");
  const body = toGet ? undefined : hop.body;
  const atStake =
    withBearer ||
    (body !== undefined && body.length > 0) ||
    hop.headers.some(([name]) => credentialHeaders.has(name.toLowerCase()));
  if (url.origin !== hop.url.origin && atStake) {
    const message =
      "The redirect leads to another origin while credentials or a body are sent; it was not followed.";
    return { failure: { code: "redirect-cross-origin-with-credentials", message, seen: url.href } };
  }
  if (url.hash === "") url.hash = hop.url.hash;
  return {
    hop: {
      method: toGet ? "GET" : hop.method,
      url,
      headers: toGet ? hop.headers.filter(([name]) => !bodyHeaders.has(name.toLowerCase())) : hop.headers,
      body,
    },
  };
}

function parse(location: string, base: URL): URL | undefined {
  try {
    return new URL(location, base);
  } catch {
    return undefined;
  }
}
