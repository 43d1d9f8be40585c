import { isConformanceType, isResourceType } from "./fhir-paths.ts";
import { maskNumber, maskQuery, maskString, placeholder } from "./health-values.ts";
import type { Pseudonyms } from "./pseudonyms.ts";

/**
 * Masks health data in a body by what the body is, whatever its media type claims.
 * @param text may end early, where an exchange kept only its beginning
 */
export function maskBody(text: string, mediaType: string | undefined, pseudonyms: Pseudonyms): string {
  if (mediaType === "application/x-www-form-urlencoded") return maskQuery(text, pseudonyms);
  const start = text.trimStart().charAt(0);
  if (start === "{" || start === "[") return maskJsonText(text, pseudonyms);
  if (start === "<" && !/^\s*(?:<!doctype\s+html|<html)/i.test(text)) return maskXml(text, pseudonyms);
  return maskProse(text);
}

function maskJsonText(text: string, pseudonyms: Pseudonyms): string {
  const whole = parse(text);
  if (whole !== undefined) return stringifyLike(text, maskJson(whole.value, pseudonyms));
  const lines = text.split("\n");
  if (lines.length > 1 && parse(lines[0] ?? "") !== undefined)
    return lines.map((line) => (line.trim() === "" ? line : maskJsonLine(line, pseudonyms))).join("\n");
  return maskJsonLine(text, pseudonyms);
}

function maskJsonLine(text: string, pseudonyms: Pseudonyms): string {
  const value = parse(text) ?? parse(closeJson(text));
  if (value === undefined) return maskProse(text);
  return stringifyLike(text, maskJson(value.value, pseudonyms));
}

/** Masks a parsed JSON document: a FHIR resource, or an answer of an authorization or export endpoint. */
export function maskJson(value: unknown, pseudonyms: Pseudonyms): unknown {
  return isPublicDocument(value) ? value : maskMember(value, "", "", pseudonyms, 0);
}

/** Deeper nesting than this is an attack on whoever walks it. */
const deepest = 200;

function maskMember(
  value: unknown,
  name: string,
  parent: string,
  pseudonyms: Pseudonyms,
  depth: number,
): unknown {
  if (typeof value === "string") return maskString(value, name, parent, pseudonyms);
  if (typeof value === "number") return maskNumber(value, name);
  if (depth > deepest) return placeholder;
  if (Array.isArray(value)) return value.map((item) => maskMember(item, name, parent, pseudonyms, depth + 1));
  if (typeof value !== "object" || value === null) return value;
  if ("resourceType" in value && isConformanceType(String(value.resourceType))) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      /^[\w.:$-]{1,64}$/.test(key) ? key : placeholder,
      maskMember(member, key, name, pseudonyms, depth + 1),
    ]),
  );
}

/** Documents that are the same for every user: capabilities, SMART and OpenID configuration, keys, OAuth errors. */
function isPublicDocument(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  if ("resourceType" in value) return isConformanceType(String(value.resourceType));
  if ("token_endpoint" in value || "authorization_endpoint" in value || "jwks_uri" in value) return true;
  if ("keys" in value && Array.isArray(value.keys))
    return value.keys.every((key: unknown) => typeof key === "object" && key !== null && "kty" in key);
  // RFC 6749 section 5.2; with members beyond these it is a document like any other.
  return (
    "error" in value &&
    Object.keys(value).every((name) => /^(?:error(?:_description|_uri)?|state)$/.test(name))
  );
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function stringifyLike(text: string, value: unknown): string {
  const indent = /^\s*[[{]\r?\n([ \t]+)/.exec(text)?.[1] ?? "";
  return JSON.stringify(value, null, indent.slice(0, 8));
}

/** Closes a JSON text that ends early after its last complete value. */
function closeJson(text: string): string {
  const open: string[] = [];
  let complete = 0;
  for (const match of text.matchAll(/"(?:[^"\\]|\\[^])*(?:"|\\?$)|[{}[\],]|[^\s"{}[\],]+/g)) {
    const token = match[0];
    if (token === "{" || token === "[") open.push(token === "{" ? "}" : "]");
    else if (token === "}" || token === "]") {
      if (open.pop() !== token) return "";
    } else if (token !== ",") continue;
    complete = token === "," ? match.index : match.index + 1;
  }
  return text.slice(0, complete) + open.toReversed().join("");
}

const xmlToken =
  /<!--[^]*?(?:-->|$)|<!\[CDATA\[[^]*?(?:\]\]>|$)|<\?[^]*?(?:\?>|$)|<(?:[^<>"']|"[^"]*"|'[^']*')*>|[^<]+|</g;
const attribute = /([\w:.-]+)(\s*=\s*)(?:"([^"]*)"|'([^']*)')/g;
/** Attributes of CDA that name codes and kinds. */
const plainAttributes = new Set(
  "code codeSystem codeSystemName root typeCode classCode moodCode nullFlavor xsi:type type unit use version encoding standalone xml:lang mediaType representation".split(
    " ",
  ),
);

/** Masks FHIR XML, and CDA: values of elements by the same rules as in JSON, everything else that is text. */
function maskXml(text: string, pseudonyms: Pseudonyms): string {
  const open: string[] = [];
  let narrative = 0;
  const pieces: string[] = [];
  for (const [token] of text.matchAll(xmlToken)) {
    const name = /^<\/?([\w:.-]+)/.exec(token)?.[1];
    if (open.length === 0 && name !== undefined && isConformanceType(name)) return text;
    if (narrative > 0) {
      if (name === "div" && !token.endsWith("/>")) narrative += token.startsWith("</") ? -1 : 1;
      if (narrative === 0) {
        pieces.push(placeholder, token);
        open.pop();
      }
    } else if (name === undefined) {
      if (token.startsWith("<?") || /^\s*$/.test(token)) pieces.push(token);
      else if (!token.startsWith("<!--")) pieces.push(placeholder);
    } else if (token.startsWith("</")) {
      open.pop();
      pieces.push(token);
    } else {
      pieces.push(maskTag(token, name, open, pseudonyms));
      if (token.endsWith("/>")) continue;
      open.push(name);
      if (name === "div") narrative = 1;
    }
  }
  return pieces.join("");
}

function maskTag(tag: string, name: string, open: readonly string[], pseudonyms: Pseudonyms): string {
  const parent = open.at(-1) ?? "";
  return tag.replaceAll(attribute, (whole, key: string, equals: string, double?: string, single?: string) => {
    const value = unescapeXml(double ?? single ?? "");
    if (key.startsWith("xmlns") || plainAttributes.has(key)) return whole;
    const masked =
      key === "value" && (value === "true" || value === "false")
        ? value
        : key === "url"
          ? maskString(value, "url", name, pseudonyms)
          : maskString(value, key === "value" ? name : key, key === "value" ? parent : name, pseudonyms);
    return `${key}${equals}"${escapeXml(masked)}"`;
  });
}

function unescapeXml(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/** Keeps the shape of a text that cannot be read: markup without its attributes, letters and digits as x and 0. */
export function maskProse(text: string): string {
  return text
    .split(/(<[^<>]*>|‹[\w ]+›)/)
    .map((piece, index) => {
      if (index % 2 === 0) return piece.replaceAll(/\p{L}/gu, "x").replaceAll(/\p{N}/gu, "0");
      if (piece.startsWith("‹")) return piece;
      const [, tag] = /^<([!/]?[a-zA-Z][a-zA-Z0-9]*)/.exec(piece) ?? [];
      return tag === undefined ? "" : `<${tag}>`;
    })
    .join("");
}

/** Replaces the ids of references such as `Patient/123` in a sentence of ours. */
export function maskReferencesIn(sentence: string, pseudonyms: Pseudonyms): string {
  return sentence.replaceAll(
    /\b([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]{1,64})/g,
    (whole, type: string, id: string) => (isResourceType(type) ? `${type}/${pseudonyms.of(id)}` : whole),
  );
}
