interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly host: string;
  readonly hostOnly: boolean;
  readonly path: string;
  readonly secure: boolean;
  readonly expires: number;
}

/** The cookies of one user agent (RFC 6265 §5), as far as a login needs them. */
export interface CookieJar {
  /** Value of the Cookie header for a URL; undefined when there is none to send. */
  header(url: string): string | undefined;
  /** Takes the Set-Cookie lines of a response. */
  take(url: string, lines: readonly string[]): void;
}

export function createCookieJar(): CookieJar {
  let cookies: Cookie[] = [];
  return {
    header(address) {
      const url = new URL(address);
      const now = Date.now();
      const sent = cookies
        .filter((cookie) => cookie.expires > now && matches(cookie, url))
        .toSorted((a, b) => b.path.length - a.path.length);
      return sent.length === 0 ? undefined : sent.map(({ name, value }) => `${name}=${value}`).join("; ");
    },
    take(address, lines) {
      const url = new URL(address);
      for (const line of lines) {
        const cookie = readCookie(line, url);
        if (cookie === undefined) continue;
        cookies = cookies.filter(
          ({ name, host, path }) => !(name === cookie.name && host === cookie.host && path === cookie.path),
        );
        if (cookie.expires > Date.now()) cookies.push(cookie);
      }
    },
  };
}

function readCookie(line: string, url: URL): Cookie | undefined {
  const [pair = "", ...attributes] = line.split(";");
  const at = pair.indexOf("=");
  if (at < 1) return undefined;
  const given = new Map(
    attributes.map((attribute) => {
      const [name = "", ...value] = attribute.split("=");
      return [name.trim().toLowerCase(), value.join("=").trim()] as const;
    }),
  );
  const domain = given.get("domain")?.replace(/^\./, "").toLowerCase();
  if (
    domain !== undefined &&
    domain !== "" &&
    url.hostname !== domain &&
    !url.hostname.endsWith(`.${domain}`)
  ) {
    return undefined;
  }
  const path = given.get("path");
  const seconds = given.get("max-age");
  const until = given.get("expires");
  return {
    name: pair.slice(0, at).trim(),
    value: pair.slice(at + 1).trim(),
    host: domain === undefined || domain === "" ? url.hostname : domain,
    hostOnly: domain === undefined || domain === "",
    path: path?.startsWith("/") === true ? path : url.pathname.replace(/\/[^/]*$/, "") || "/",
    secure: given.has("secure"),
    expires:
      seconds === undefined || !/^-?\d+$/.test(seconds)
        ? until === undefined || Number.isNaN(Date.parse(until))
          ? Infinity
          : Date.parse(until)
        : Date.now() + Number(seconds) * 1000,
  };
}

function matches(cookie: Cookie, url: URL): boolean {
  const host = cookie.hostOnly
    ? url.hostname === cookie.host
    : url.hostname === cookie.host || url.hostname.endsWith(`.${cookie.host}`);
  const path =
    url.pathname === cookie.path ||
    url.pathname.startsWith(cookie.path.endsWith("/") ? cookie.path : `${cookie.path}/`);
  // Browsers take loopback addresses for secure.
  const safe = url.protocol === "https:" || /^(localhost|127\.)/.test(url.hostname);
  return host && path && (!cookie.secure || safe);
}
