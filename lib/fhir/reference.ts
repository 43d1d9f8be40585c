/**
 * References (FHIR R4, references.html): what one points to, told from its text alone.
 */
export type ParsedReference =
  /** A resource by type and id, on this server (`base` absent) or at another base URL. */
  | {
      readonly kind: "restful";
      readonly type: string;
      readonly id: string;
      readonly version?: string;
      /** Absent where the reference is relative, or absolute to the given base itself. */
      readonly base?: string;
    }
  /** `#id`, within the same resource; an empty id means the container itself. */
  | { readonly kind: "contained"; readonly id: string }
  /** `urn:uuid:…` or `urn:oid:…`: good only within its Bundle. */
  | { readonly kind: "urn"; readonly urn: string }
  /** Any other URL or text. */
  | { readonly kind: "other"; readonly text: string };

const RESTFUL =
  /^(?:([Hh][Tt][Tt][Pp][Ss]?:\/\/.+?)\/)?([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9.-]{1,64})(?:\/_history\/([A-Za-z0-9.-]{1,64}))?$/;

/**
 * Reads `Reference.reference`.
 *
 * @param base FHIR base URL of the server that said it; an absolute reference below it counts as local
 */
export function readReference(text: string, base: string): ParsedReference {
  if (text.startsWith("#")) return { kind: "contained", id: text.slice(1) };
  if (/^urn:(?:uuid|oid):/i.test(text)) return { kind: "urn", urn: text };
  const match = RESTFUL.exec(text);
  const [, elsewhere, type, id, version] = match ?? [];
  if (type === undefined || id === undefined) return { kind: "other", text };
  return {
    kind: "restful",
    type,
    id,
    ...(version === undefined ? {} : { version }),
    ...(elsewhere === undefined || isSameBase(elsewhere, base) ? {} : { base: elsewhere }),
  };
}

/** Whether two base URLs are one: scheme and host without regard to case, and no slash at the end. */
export function isSameBase(one: string, other: string): boolean {
  return normalized(one) === normalized(other);
}

function normalized(url: string): string {
  return (URL.canParse(url) ? new URL(url).href : url).replace(/\/+$/, "");
}
