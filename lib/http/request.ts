import { acceptedCodings } from "./content-encoding.ts";
import type { Hop } from "./redirects.ts";
import type { BearerToken, HttpRequest } from "./types.ts";

const framing = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** The request as a first hop; undefined where its URL cannot be used. Throws TypeError for mistakes of the caller. */
export function hopOf(request: HttpRequest): Hop | undefined {
  if (!/^[A-Z]+$/.test(request.method))
    throw new TypeError("the method of a request must be a word in capitals");
  const given = Array.isArray(request.headers) ? request.headers : Object.entries(request.headers ?? {});
  const headers: Array<readonly [string, string]> = [];
  for (const [name, value] of given as ReadonlyArray<readonly [string, string]>) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name))
      throw new TypeError(`a header name is not a token: ${JSON.stringify(name)}`);
    // oxlint-disable-next-line no-control-regex -- what RFC 9110 section 5.5 forbids in a field value
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value))
      throw new TypeError(`the value of header ${name} cannot be sent`);
    if (framing.has(name.toLowerCase())) throw new TypeError(`header ${name} is the client's own to send`);
    headers.push([name, value]);
  }
  const has = (name: string): boolean => headers.some(([header]) => header.toLowerCase() === name);
  if (request.bearer !== undefined && has("authorization"))
    throw new TypeError("a request has either a bearer token or an Authorization header");
  if (request.bearer !== undefined) originOf(request.bearer);
  const { body } = request;
  if (body instanceof URLSearchParams && !has("content-type"))
    headers.push(["Content-Type", "application/x-www-form-urlencoded"]);
  let url: URL;
  try {
    url = new URL(request.url);
  } catch {
    return undefined;
  }
  if (!/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") return undefined;
  const bytes =
    body === undefined || body instanceof Uint8Array ? body : Buffer.from(body.toString(), "utf8");
  const { rawTarget } = request;
  if (rawTarget !== undefined && !/^\/[\x21-\x7e]*$/.test(rawTarget))
    throw new TypeError("a raw target starts with a slash and is visible ASCII");
  return {
    method: request.method,
    url,
    headers,
    body: bytes,
    ...(rawTarget === undefined ? {} : { rawTarget }),
  };
}

/** The header lines that go out, with those every request carries. */
export function withDefaults(
  headers: ReadonlyArray<readonly [string, string]>,
  hop: Hop,
  userAgent: string,
): Array<readonly [string, string]> {
  const has = (name: string): boolean => headers.some(([header]) => header.toLowerCase() === name);
  const lines: Array<readonly [string, string]> = [...headers];
  if (!has("host")) lines.unshift(["Host", hop.url.host]);
  if (!has("user-agent")) lines.push(["User-Agent", userAgent]);
  if (!has("accept")) lines.push(["Accept", "*/*"]);
  if (!has("accept-encoding")) lines.push(["Accept-Encoding", acceptedCodings]);
  return lines;
}

/** The origin of a token in its one spelling: without a default port or a slash at its end. */
export function originOf(bearer: BearerToken): string {
  const { origin } = new URL(bearer.origin);
  if (origin === "null")
    throw new TypeError("the origin of a bearer token must be that of an http or https URL");
  return origin;
}
