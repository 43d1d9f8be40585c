/**
 * Whether two absolute URLs identify the same thing: scheme and host without regard to case, default port and one
 * slash at the end ignored (RFC 3986 §6.2.2, §6.2.3).
 */
export function sameUrl(a: string, b: string): boolean {
  const left = normalize(a);
  return left !== undefined && left === normalize(b);
}

/** Whether a URL is a base URL or stands below it, on a path segment's border. */
export function isWithin(url: string, base: string): boolean {
  const inner = normalize(url);
  const outer = normalize(base);
  if (inner === undefined || outer === undefined) return false;
  return inner === outer || inner.startsWith(`${outer}/`) || inner.startsWith(`${outer}?`);
}

/** Whether a URL's host is this machine's own loopback address, where plain http is no risk. */
export function isLoopback(url: URL): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}

function normalize(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, "")}${url.search}`;
}
