/**
 * Text from the outside on its way into XML, HTML, Markdown, workflow commands and shells. Servers under test choose
 * much of what reports show; nothing here trusts it.
 */

// Terminal sequences: CSI, OSC (ended by BEL or ST), and two-character escapes.
// oxlint-disable-next-line no-control-regex
const TERMINAL_SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
// Not characters of XML 1.0, plus DEL and C1 (some readers refuse them), plus the controls that turn text around.
const UNSHOWABLE =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g;

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/**
 * Makes text showable: terminal sequences go, other control characters become visible escapes (`\u0000`), lone
 * surrogates become U+FFFD, line ends become `\n`.
 */
export function showable(text: string): string {
  return text
    .replace(TERMINAL_SEQUENCE, "")
    .replace(LONE_SURROGATE, "\ufffd")
    .replace(/\r\n?/g, "\n")
    .replace(UNSHOWABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * Bounds a text, saying how much is not shown; never cuts a surrogate pair in half.
 *
 * @param limit characters (UTF-16 units) to keep
 */
export function bounded(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  const end = last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit;
  return `${text.slice(0, end)} … (${end} of ${text.length} characters shown)`;
}

/** Showable, bounded text; the bound is applied first so that a huge text costs nothing. */
export function shown(text: string, limit: number): string {
  return showable(bounded(text, limit));
}

/** Showable text on one line. */
export function oneLine(text: string, limit: number): string {
  return shown(text, limit).replace(/\s+/g, " ").trim();
}

/** Text for an XML attribute or element, control characters made visible. */
export function escapeXml(text: string): string {
  return showable(text)
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/"/g, "&quot;");
}

/** Text for an XML attribute: line ends and tabs survive attribute normalisation as references. */
export function escapeXmlAttribute(text: string): string {
  return escapeXml(text).replace(/\t/g, "&#9;").replace(/\n/g, "&#10;");
}

/**
 * Text as one line of Markdown that shows as itself, also in a table cell. HTML is left without a meaning by character
 * references, Markdown by backslashes, `@` and `#` by references so that nobody is mentioned and no issue linked.
 */
export function escapeMarkdown(text: string): string {
  return showable(text)
    .replace(/\s+/g, " ")
    .trim()
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/[\\`*[\]|~]|(?<!\w)_|_(?!\w)/g, String.raw`\$&`)
    .replace(/^([-+]|\d+\.)(?=\s)/, String.raw`\$1`)
    .replace(/#/g, "&#35;")
    .replace(/@/g, "&#64;")
    .replace(/:\/\//g, "&#58;//");
}

/** Text as a Markdown code span. */
export function codeSpan(text: string): string {
  const line = showable(text).replace(/\s+/g, " ").trim();
  if (line === "") return "";
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  const padded = line.startsWith("`") || line.endsWith("`") ? ` ${line} ` : line;
  return `${fence}${padded}${fence}`;
}

/** A Markdown link, or only its text when the address is not one of the web. */
export function markdownLink(text: string, url: string): string {
  const name = bounded(text, 300);
  const address = url.length > 2_000 ? undefined : webAddress(url);
  if (address === undefined) return escapeMarkdown(name);
  // Nothing is linked by itself inside of a link, so a number sign may stay as it is.
  return `[${escapeMarkdown(name).replace(/&#35;/g, "#")}](<${address.replace(/[<>|]/g, (char) => encodeURIComponent(char))}>)`;
}

/** The address, if it is an absolute http or https one. */
export function webAddress(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  return parsed.protocol === "https:" || parsed.protocol === "http:" ? parsed.href : undefined;
}

/** A word for a POSIX shell. */
export function shellWord(text: string): string {
  const line = showable(text).replace(/\n/g, " ");
  return /^[\w.:/@%+=,-]+$/.test(line) ? line : `'${line.replace(/'/g, `'\\''`)}'`;
}
