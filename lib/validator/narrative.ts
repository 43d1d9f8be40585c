/**
 * Narrative.div: well-formed XHTML within the subset that R4 allows
 * (https://hl7.org/fhir/R4/narrative.html#rules, constraints txt-1 and txt-2). One pass, linear in the length.
 */

/** What is wrong with a `div`; `subject` is the element, attribute or entity in question. */
export interface NarrativeProblem {
  readonly rule:
    | "malformed"
    | "namespace"
    | "root"
    | "element"
    | "block"
    | "attribute"
    | "entity"
    | "empty"
    | "active-link"
    | "declaration";
  readonly subject?: string;
}

const ELEMENTS: ReadonlySet<string> = new Set(
  (
    "p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite blockquote " +
    "hr address bdo kbd code sub sup ul ol li dl dt dd pre table caption colgroup col thead tfoot tbody tr th td " +
    "samp img map area"
  ).split(" "),
);

const ATTRIBUTES: ReadonlySet<string> = new Set(
  (
    "title style class id lang xml:lang dir accesskey tabindex span width align valign char charoff " +
    "abbr axis headers scope rowspan colspan"
  ).split(" "),
);

const ATTRIBUTES_OF: ReadonlySet<string> = new Set(
  (
    "a.href a.name a.type a.hreflang a.rel a.rev a.charset a.shape a.coords img.src img.alt img.longdesc img.height " +
    "img.usemap img.ismap img.border img.width area.shape area.coords area.href area.nohref area.alt map.name " +
    "blockquote.cite q.cite table.border table.cellpadding table.cellspacing table.frame table.rules table.summary " +
    "table.bgcolor td.bgcolor th.bgcolor tr.bgcolor td.nowrap th.nowrap td.height th.height " +
    "ol.start ol.type ul.type li.value li.type pre.space"
  ).split(" "),
);

/** What a paragraph cannot hold. */
const BLOCKS: ReadonlySet<string> = new Set(["div", "blockquote", "table", "ol", "ul", "p"]);

const NAMESPACE = "http://www.w3.org/1999/xhtml";
const ATTRIBUTE = /[ \t\r\n]+([A-Za-z_][A-Za-z0-9_.:-]*)[ \t\r\n]*=[ \t\r\n]*("[^"<]*"|'[^'<]*')/y;
const ENTITY = /&(?:#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});/y;
const ACTIVE = /^[ \t\r\n]*(?:javascript|vbscript):/i;
/** Deeper nesting than any reader lays out. */
const DEEPEST = 500;
const MOST_PROBLEMS = 20;

const GREATER_THAN = 62;
const SLASH = 47;
const BANG = 33;
const QUESTION = 63;

interface Scan {
  readonly div: string;
  readonly open: string[];
  readonly problems: NarrativeProblem[];
  at: number;
  rootSeen: boolean;
  hasContent: boolean;
}

const NONE: readonly NarrativeProblem[] = [];

/** Answers each problem once, so that a hostile narrative cannot flood the findings. */
export function narrativeProblems(div: string): readonly NarrativeProblem[] {
  const scan: Scan = { div, open: [], problems: [], at: 0, rootSeen: false, hasContent: false };
  const isSound = scanDocument(scan) && scan.rootSeen && scan.open.length === 0;
  if (!isSound) note(scan, "malformed");
  else if (!scan.hasContent) note(scan, "empty");
  return scan.problems.length === 0 ? NONE : scan.problems;
}

function note(scan: Scan, rule: NarrativeProblem["rule"], subject?: string): void {
  const { problems } = scan;
  if (problems.length >= MOST_PROBLEMS) return;
  if (problems.some((problem) => problem.rule === rule && problem.subject === subject)) return;
  problems.push(subject === undefined ? { rule } : { rule, subject });
}

/** Each step answers whether the text is well formed so far. */
function scanDocument(scan: Scan): boolean {
  const { div } = scan;
  const { length } = div;
  if (div.includes("&") && !entitiesAreSound(scan, div)) return false;
  while (scan.at < length) {
    const tag = div.indexOf("<", scan.at);
    if (!scanText(scan, tag < 0 ? length : tag)) return false;
    if (tag < 0) return true;
    const next = div.charCodeAt(tag + 1);
    const isSound =
      next === SLASH
        ? scanEndTag(scan, tag)
        : next === BANG
          ? scanDeclaration(scan, tag)
          : next === QUESTION
            ? scanInstruction(scan, tag)
            : scanStartTag(scan, tag);
    if (!isSound) return false;
  }
  return true;
}

function scanText(scan: Scan, to: number): boolean {
  const isOutside = scan.open.length === 0;
  if (!isOutside && scan.hasContent) return true;
  for (let at = scan.at; at < to; at++) {
    const unit = scan.div.charCodeAt(at);
    if (unit <= 32 || unit === 160) continue;
    if (isOutside) return false;
    scan.hasContent = true;
    break;
  }
  return true;
}

function scanEndTag(scan: Scan, tag: number): boolean {
  const name = scan.open.pop();
  if (name === undefined || !scan.div.startsWith(name, tag + 2)) return false;
  let at = tag + 2 + name.length;
  while (isSpace(scan.div.charCodeAt(at))) at++;
  scan.at = at + 1;
  return scan.div.charCodeAt(at) === GREATER_THAN;
}

function scanDeclaration(scan: Scan, tag: number): boolean {
  const { div } = scan;
  const isComment = div.startsWith("<!--", tag);
  if (!isComment && !(div.startsWith("<![CDATA[", tag) && scan.open.length > 0)) {
    note(scan, "declaration");
    return false;
  }
  const end = isComment ? div.indexOf("-->", tag + 4) : div.indexOf("]]>", tag + 9);
  if (end < 0) return false;
  if (!isComment && end > tag + 9) scan.hasContent = true;
  scan.at = end + 3;
  return true;
}

function scanInstruction(scan: Scan, tag: number): boolean {
  const end = scan.div.indexOf("?>", tag + 2);
  scan.at = end + 2;
  return end >= 0 && !scan.rootSeen;
}

function scanStartTag(scan: Scan, tag: number): boolean {
  const { div, open } = scan;
  let at = tag + 1;
  while (isNameUnit(div.charCodeAt(at))) at++;
  const name = div.slice(tag + 1, at);
  if (name === "" || !isNameStart(div.charCodeAt(tag + 1))) return false;
  const isRoot = open.length === 0;
  if (isRoot) {
    if (scan.rootSeen) return false;
    scan.rootSeen = true;
    if (name !== "div") note(scan, "root", name);
  } else if (!ELEMENTS.has(name)) note(scan, "element", name);
  else if (BLOCKS.has(name) && open.includes("p")) note(scan, "block", name);
  scan.at = at;
  if (div.charCodeAt(at) !== GREATER_THAN || isRoot) {
    if (!scanAttributes(scan, name, isRoot)) return false;
    at = scan.at;
    while (isSpace(div.charCodeAt(at))) at++;
  }
  if (name === "img") scan.hasContent = true;
  const isEmpty = div.charCodeAt(at) === SLASH;
  if (isEmpty) at++;
  else {
    open.push(name);
    if (open.length > DEEPEST) return false;
  }
  scan.at = at + 1;
  return div.charCodeAt(at) === GREATER_THAN;
}

function scanAttributes(scan: Scan, name: string, isRoot: boolean): boolean {
  const { div } = scan;
  const names: string[] = [];
  for (;;) {
    ATTRIBUTE.lastIndex = scan.at;
    const attribute = ATTRIBUTE.exec(div);
    if (attribute === null) break;
    scan.at = ATTRIBUTE.lastIndex;
    const key = attribute[1] ?? "";
    const value = (attribute[2] ?? "").slice(1, -1);
    if (names.includes(key) || names.length >= 50) return false;
    names.push(key);
    if (key === "xmlns") {
      if (value !== NAMESPACE) note(scan, "namespace", value);
    } else if (!isAllowedAttribute(name, key)) note(scan, "attribute", `${name}.${key}`);
    if ((key === "href" || key === "src") && ACTIVE.test(value)) note(scan, "active-link", name);
  }
  if (isRoot && !names.includes("xmlns")) note(scan, "namespace");
  return true;
}

function isAllowedAttribute(element: string, key: string): boolean {
  return (
    ATTRIBUTES.has(key) ||
    key.startsWith("xmlns:") ||
    key === "xml:space" ||
    ATTRIBUTES_OF.has(`${element}.${key}`)
  );
}

function isSpace(unit: number): boolean {
  return unit === 32 || unit === 10 || unit === 13 || unit === 9;
}

function isNameStart(unit: number): boolean {
  return (unit >= 97 && unit <= 122) || (unit >= 65 && unit <= 90) || unit === 95;
}

function isNameUnit(unit: number): boolean {
  return isNameStart(unit) || (unit >= 48 && unit <= 58) || unit === 45 || unit === 46;
}

/** Comments and CDATA may have an `&` of their own. Each text is looked at once: `declaration` only moves forward. */
function entitiesAreSound(scan: Scan, text: string): boolean {
  let declaration = text.indexOf("<!");
  let at = text.indexOf("&");
  while (at >= 0) {
    if (declaration >= 0 && declaration < at) {
      const end = endOfDeclaration(text, declaration);
      if (end < 0) return false;
      declaration = text.indexOf("<!", end);
      if (end > at) at = text.indexOf("&", end);
      continue;
    }
    ENTITY.lastIndex = at;
    if (!ENTITY.test(text)) {
      note(scan, "entity", "&");
      return false;
    }
    at = text.indexOf("&", ENTITY.lastIndex);
  }
  return true;
}

function endOfDeclaration(text: string, from: number): number {
  const isComment = text.startsWith("<!--", from);
  if (!isComment && !text.startsWith("<![CDATA[", from)) return from + 2;
  const close = isComment ? text.indexOf("-->", from + 4) : text.indexOf("]]>", from + 9);
  return close < 0 ? -1 : close + 3;
}
