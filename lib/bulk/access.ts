import type { BearerToken, HttpOutcome, HttpRequest, HttpStreamOutcome } from "../http/types.ts";

/** How the requests of an export reach the server: through the recording client, with a token that is good now. */
export interface BulkAccess {
  /** FHIR base URL, without a slash at its end. */
  readonly base: string;
  send(request: HttpRequest): Promise<HttpOutcome>;
  stream(request: HttpRequest): Promise<HttpStreamOutcome>;
  /** An access token; asked for before each request, so that one that ends is renewed. Undefined where none is needed. */
  bearer(): Promise<BearerToken | undefined>;
}

/** Where a URL of an export may lead. */
export type Reach =
  /** On the FHIR server's own origin: fetched, and the token is sent. */
  | "own"
  /** On an origin that the configuration allows: fetched without the token. */
  | "allowed"
  /** On another origin: not fetched. */
  | "foreign"
  /** As `foreign`, on an address of a network that the FHIR server's own is not of: private, or this machine. */
  | "private"
  /** No absolute http or https URL. */
  | "unusable";

/**
 * Whether a URL that a server names may be fetched. A token never leaves the FHIR server's origin, whatever a manifest
 * says (RFC 6750 §5.3).
 *
 * @param allowed origins that the configuration names
 */
export function reachOf(url: string, base: string, allowed: readonly string[] = []): Reach {
  if (!URL.canParse(url)) return "unusable";
  const parsed = new URL(url);
  if (!/^https?:$/.test(parsed.protocol) || parsed.username !== "" || parsed.password !== "")
    return "unusable";
  if (isSamePlace(parsed, new URL(base))) return "own";
  if (allowed.some((origin) => URL.canParse(origin) && new URL(origin).origin === parsed.origin))
    return "allowed";
  const network = networkOf(parsed.hostname);
  return network === "public" || network === networkOf(new URL(base).hostname) ? "foreign" : "private";
}

/** The same origin; the names of this machine's loopback address are one. */
function isSamePlace(a: URL, b: URL): boolean {
  if (a.origin === b.origin) return true;
  return a.protocol === b.protocol && a.port === b.port && isLoopback(a.hostname) && isLoopback(b.hostname);
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(host);
}

/** Which network an address is of (RFC 1918, 3927, 4193, 4291, 6598); names that are never public count as private. */
function networkOf(host: string): "public" | "private" | "loopback" {
  if (isLoopback(host) || host.endsWith(".localhost")) return "loopback";
  if (/\.(local|internal|home\.arpa)$/.test(host)) return "private";
  const v4 = /^(\d+)\.(\d+)\.\d+\.\d+$/.exec(host);
  if (v4 !== null) return isPrivateV4(Number(v4[1]), Number(v4[2])) ? "private" : "public";
  return /^\[(::|f[cd]|fe[89ab])/.test(host) || !host.includes(".") ? "private" : "public";
}

function isPrivateV4(first: number, second: number): boolean {
  return (
    first === 0 ||
    first === 10 ||
    (first === 100 && second >= 64 && second < 128) ||
    (first === 169 && second === 254) ||
    (first === 172 && second >= 16 && second < 32) ||
    (first === 192 && second === 168)
  );
}

/** The token of a request to a URL on the FHIR server's own origin, under each name of that origin. */
export async function bearerFor(access: BulkAccess, url: string): Promise<{ readonly bearer?: BearerToken }> {
  if (reachOf(url, access.base) !== "own") return {};
  const bearer = await access.bearer();
  return bearer === undefined ? {} : { bearer: { value: bearer.value, origin: new URL(url).origin } };
}
