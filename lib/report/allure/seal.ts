/**
 * Seals a generated page: a report about a tenant and its patients calls nobody. Scripts that load from elsewhere are
 * taken out, a Content-Security-Policy forbids what might be left, and a page in which an outside address would still
 * be loaded is refused.
 */

/** A page that would load something from elsewhere. */
export class UnsealedPage extends Error {
  override readonly name = "UnsealedPage";
}

/**
 * What the page may do: its own inline code and data, nothing over any network. `blob:` is what attachments are opened
 * as; `connect-src` allows only data that is already in the page.
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' data: blob:",
  "style-src 'unsafe-inline' data: blob:",
  "img-src data: blob:",
  "font-src data:",
  "media-src data: blob:",
  "frame-src data: blob:",
  "worker-src blob:",
  "connect-src data: blob:",
  "form-action 'none'",
  "object-src 'none'",
].join("; ");

const SCRIPT = /<script\b([^>]*)>([\s\S]*?)<\/script\s*>/gi;
const SOURCE = /\bsrc\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/i;
// Elements of the page's own markup that load by themselves, other than scripts.
const LOADER =
  /<(?:link|img|iframe|frame|embed|object|audio|video|source|track|image|use|base|meta)\b[^>]*>/gi;
const ADDRESS =
  /\b(?:href|src|srcset|data|poster|content|action)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/gi;

/**
 * Removes outside scripts (Allure's pages carry an analytics tag, hard-wired), adds the policy, and verifies.
 *
 * @param html a generated single-file page
 * @returns the page to publish
 * @throws {UnsealedPage} when the page has no head or would still load an outside address
 */
export function sealPage(html: string): string {
  const cleaned = html.replace(SCRIPT, (whole, attributes: string, code: string) => {
    if (isOutside(sourceOf(attributes))) return "";
    return isAnalytics(code) ? "" : whole;
  });
  const head = /<head\b[^>]*>/i.exec(cleaned);
  if (head === null) throw new UnsealedPage("the generated page has no <head> to put a policy into");
  const at = head.index + head[0].length;
  const policy =
    `\n    <meta http-equiv="Content-Security-Policy" content="${PAGE_POLICY}">` +
    `\n    <meta name="referrer" content="no-referrer">`;
  const sealed = cleaned.slice(0, at) + policy + cleaned.slice(at);
  const outside = outsideLoads(sealed);
  if (outside.length > 0) {
    throw new UnsealedPage(`the generated page would load ${outside.slice(0, 3).join(", ")}`);
  }
  return sealed;
}

/** Addresses outside of the page that its markup loads by itself; none in a sealed page. */
export function outsideLoads(html: string): string[] {
  const found: string[] = [];
  // Data sits in inline scripts: what merely looks like markup in there is never parsed as such.
  const markup = html.replace(SCRIPT, (_whole, attributes: string, code: string) => {
    const source = sourceOf(attributes);
    if (isOutside(source)) found.push(source ?? "");
    if (isAnalytics(code)) found.push("an analytics call");
    return "";
  });
  const styles = [...markup.matchAll(/<style\b[^>]*>([\s\S]*?)<\/style\s*>/gi)].map(([, css]) => css ?? "");
  for (const css of styles) {
    for (const [, address] of css.matchAll(/(?:url\(|@import)\s*["']?([^"')\s]+)/gi)) {
      if (isOutside(address)) found.push(address ?? "");
    }
  }
  for (const [tag] of markup.matchAll(LOADER)) {
    for (const [, double, single, bare] of tag.matchAll(ADDRESS)) {
      const address = double ?? single ?? bare;
      if (isOutside(address)) found.push(address ?? "");
    }
  }
  return found;
}

function sourceOf(attributes: string): string | undefined {
  const match = SOURCE.exec(attributes);
  return match === null ? undefined : (match[1] ?? match[2] ?? match[3]);
}

function isOutside(address: string | undefined): boolean {
  return address !== undefined && /^\s*(?:(?:https?|wss?|ftp):)?\/\//i.test(address);
}

function isAnalytics(code: string): boolean {
  return /\bwindow\.dataLayer\b/.test(code) && /\bgtag\s*\(/.test(code);
}
