/**
 * The narrative rules of R4 (https://hl7.org/fhir/R4/narrative.html#xhtml): a fragment of XHTML with an allowed set of
 * elements and attributes. One pass over the text, no tree.
 */

/** What breaks the narrative rules first. */
export type NarrativeDefect =
  | "not-well-formed"
  | "root-not-div"
  | "namespace-missing"
  | "element-not-allowed"
  | "attribute-not-allowed"
  | "empty";

const ELEMENTS: ReadonlySet<string> = new Set(
  (
    "p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite blockquote hr address " +
    "bdo kbd sub sup ul ol li dl dt dd pre table caption colgroup col thead tr tfoot tbody th td code samp img map " +
    "area"
  ).split(" "),
);

const ATTRIBUTES: ReadonlySet<string> = new Set(
  (
    "title style class id ID idref lang xml:lang dir accesskey tabindex span width align valign char charoff abbr " +
    "axis headers scope rowspan colspan"
  ).split(" "),
);

const ELEMENT_ATTRIBUTES: ReadonlySet<string> = new Set(
  (
    "blockquote.cite q.cite a.href a.name a.charset a.type a.hreflang a.rel a.rev a.shape a.coords img.src img.border " +
    "img.alt img.longdesc img.height img.width img.usemap img.ismap map.name area.shape area.coords area.href " +
    "area.nohref area.alt table.summary table.width table.border table.frame table.rules table.cellspacing " +
    "table.cellpadding pre.space td.nowrap"
  ).split(" "),
);

const TAG_NAME = /[A-Za-z_][\w.:-]*/y;
const ATTRIBUTE = /\s+([A-Za-z_:][\w.:-]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y;
const TAG_END = /\s*(\/?)>/y;
const ENTITY = /&(?!(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#x[0-9A-Fa-f]+);)/;
const XHTML = "http://www.w3.org/1999/xhtml";
const MAX_DEPTH = 1000;

/**
 * Judges `Narrative.div`.
 *
 * @returns the first defect, or `undefined` where there is none. `namespace-missing` and `root-not-div` are about the
 * root; `empty` means neither text nor an image.
 */
export function narrativeDefect(xhtml: string): NarrativeDefect | undefined {
  const open: string[] = [];
  let at = xhtml.length - xhtml.trimStart().length;
  const end = xhtml.trimEnd().length;
  let content = false;
  let defect: NarrativeDefect | undefined;
  let closed = false;

  while (at < end) {
    const tag = xhtml.indexOf("<", at);
    const textEnd = tag === -1 ? end : tag;
    if (textEnd > at) {
      const text = xhtml.slice(at, textEnd);
      if (open.length === 0 && text.trim() !== "") return "not-well-formed";
      if (text.includes("&") && ENTITY.test(text)) return "not-well-formed";
      if (!content && text.replaceAll(/&nbsp;|&#160;|&#xa0;/gi, " ").trim() !== "") content = true;
      at = textEnd;
      continue;
    }
    if (xhtml.startsWith("<!--", at)) {
      const close = xhtml.indexOf("-->", at + 4);
      if (close === -1) return "not-well-formed";
      at = close + 3;
      continue;
    }
    if (xhtml.startsWith("<![CDATA[", at)) {
      const close = xhtml.indexOf("]]>", at + 9);
      if (close === -1 || open.length === 0) return "not-well-formed";
      if (xhtml.slice(at + 9, close).trim() !== "") content = true;
      at = close + 3;
      continue;
    }
    if (xhtml.startsWith("</", at)) {
      TAG_NAME.lastIndex = at + 2;
      const name = TAG_NAME.exec(xhtml)?.[0];
      if (name === undefined || open.pop() !== name) return "not-well-formed";
      TAG_END.lastIndex = TAG_NAME.lastIndex;
      const close = TAG_END.exec(xhtml);
      if (close === null || close[1] === "/") return "not-well-formed";
      at = TAG_END.lastIndex;
      closed = open.length === 0;
      continue;
    }
    if (closed) return "not-well-formed";
    TAG_NAME.lastIndex = at + 1;
    const name = TAG_NAME.exec(xhtml)?.[0];
    if (name === undefined) return "not-well-formed";
    at = TAG_NAME.lastIndex;
    const isRoot = open.length === 0;
    if (isRoot && name !== "div") defect ??= "root-not-div";
    if (!ELEMENTS.has(name)) defect ??= "element-not-allowed";
    if (name === "img") content = true;
    let namespaced = !isRoot;
    const seen = new Set<string>();
    for (;;) {
      ATTRIBUTE.lastIndex = at;
      const attribute = ATTRIBUTE.exec(xhtml);
      if (attribute === null) break;
      at = ATTRIBUTE.lastIndex;
      const key = attribute[1] ?? "";
      const value = attribute[2] ?? attribute[3] ?? "";
      if (seen.has(key) || (value.includes("&") && ENTITY.test(value))) return "not-well-formed";
      seen.add(key);
      if (key === "xmlns") namespaced ||= value === XHTML;
      else if (
        !key.startsWith("xmlns:") &&
        !ATTRIBUTES.has(key) &&
        !ELEMENT_ATTRIBUTES.has(`${name}.${key}`)
      ) {
        defect ??= "attribute-not-allowed";
      }
    }
    if (!namespaced) defect ??= "namespace-missing";
    TAG_END.lastIndex = at;
    const close = TAG_END.exec(xhtml);
    if (close === null) return "not-well-formed";
    at = TAG_END.lastIndex;
    if (close[1] === "/") closed = open.length === 0;
    else if (open.push(name) > MAX_DEPTH) return "not-well-formed";
  }
  if (open.length > 0 || !closed) return "not-well-formed";
  return defect ?? (content ? undefined : "empty");
}

/** `htmlChecks()` of R4: elements, attributes and content as the narrative rules allow. */
export function htmlChecks(xhtml: string): boolean {
  return narrativeDefect(xhtml) === undefined;
}
