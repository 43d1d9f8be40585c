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
    "samp img map area ins del center u font strike"
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
    "a.href a.name a.target a.type a.hreflang a.rel a.rev a.charset a.shape a.coords img.src img.alt img.longdesc img.height " +
    "img.usemap img.ismap img.border img.width area.shape area.coords area.href area.nohref area.alt map.name " +
    "blockquote.cite q.cite ins.cite ins.datetime del.cite del.datetime table.border table.cellpadding " +
    "table.cellspacing table.frame table.rules table.summary table.width table.bgcolor table.align td.nowrap th.nowrap td.width th.width " +
    "td.bgcolor th.bgcolor tr.bgcolor td.height th.height ol.start ol.type ul.type li.value li.type font.color font.face font.size hr.size " +
    "hr.width br.clear pre.space pre.width"
  ).split(" "),
);

const NAMESPACE = "http://www.w3.org/1999/xhtml";
const NAME = /[A-Za-z_][A-Za-z0-9_.:-]*/y;
const ATTRIBUTE = /[ \t\r\n]+([A-Za-z_][A-Za-z0-9_.:-]*)[ \t\r\n]*=[ \t\r\n]*("[^"<]*"|'[^'<]*')/y;
const END = /[ \t\r\n]*(\/?)>/y;
const CLOSE = /[ \t\r\n]*>/y;
const ENTITY = /&(?:#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6}|([A-Za-z][A-Za-z0-9]{1,31}));/y;
const SOMETHING = /[^ \t\r\n\u00a0]/;

/** Answers the first problem of each kind, so that a hostile narrative cannot flood the findings. */
export function narrativeProblems(div: string): readonly NarrativeProblem[] {
  const problems: NarrativeProblem[] = [];
  const seen = new Set<string>();
  const report = (rule: NarrativeProblem["rule"], subject?: string): void => {
    const key = `${rule} ${subject ?? ""}`;
    if (seen.has(key) || problems.length >= 20) return;
    seen.add(key);
    problems.push(subject === undefined ? { rule } : { rule, subject });
  };
  const malformed = (): readonly NarrativeProblem[] => {
    report("malformed");
    return problems;
  };

  const open: string[] = [];
  let at = 0;
  let rootSeen = false;
  let content = false;
  const length = div.length;
  while (at < length) {
    const tag = div.indexOf("<", at);
    const textEnd = tag < 0 ? length : tag;
    if (textEnd > at) {
      if (!entitiesAreSound(div, at, textEnd, report)) return malformed();
      if (open.length === 0) {
        if (SOMETHING.test(div.slice(at, textEnd))) return malformed();
      } else if (!content && SOMETHING.test(div.slice(at, textEnd))) content = true;
    }
    if (tag < 0) break;
    const next = div.charCodeAt(tag + 1);
    if (next === 47) {
      NAME.lastIndex = tag + 2;
      const name = NAME.exec(div)?.[0];
      if (name === undefined || open.pop() !== name) return malformed();
      CLOSE.lastIndex = NAME.lastIndex;
      if (!CLOSE.test(div)) return malformed();
      at = CLOSE.lastIndex;
      continue;
    }
    if (next === 33) {
      if (div.startsWith("<!--", tag)) {
        const end = div.indexOf("-->", tag + 4);
        if (end < 0) return malformed();
        at = end + 3;
        continue;
      }
      if (div.startsWith("<![CDATA[", tag) && open.length > 0) {
        const end = div.indexOf("]]>", tag + 9);
        if (end < 0) return malformed();
        if (SOMETHING.test(div.slice(tag + 9, end))) content = true;
        at = end + 3;
        continue;
      }
      report("declaration");
      return problems;
    }
    if (next === 63) {
      const end = div.indexOf("?>", tag + 2);
      if (end < 0 || rootSeen) return malformed();
      at = end + 2;
      continue;
    }
    NAME.lastIndex = tag + 1;
    const name = NAME.exec(div)?.[0];
    if (name === undefined) return malformed();
    const isRoot = open.length === 0;
    if (isRoot) {
      if (rootSeen) return malformed();
      rootSeen = true;
      if (name !== "div") report("root", name);
    } else if (!ELEMENTS.has(name)) report("element", name);
    let namespaced = false;
    let names: Set<string> | undefined;
    let position = NAME.lastIndex;
    for (;;) {
      ATTRIBUTE.lastIndex = position;
      const attribute = ATTRIBUTE.exec(div);
      if (attribute === null) break;
      position = ATTRIBUTE.lastIndex;
      const key = attribute[1] as string;
      const quoted = attribute[2] as string;
      const value = quoted.slice(1, -1);
      names ??= new Set();
      if (names.has(key)) return malformed();
      names.add(key);
      if (key === "xmlns") {
        namespaced = true;
        if (value !== NAMESPACE) report("namespace", value);
      } else if (!ATTRIBUTES.has(key) && !key.startsWith("xmlns:") && !ATTRIBUTES_OF.has(`${name}.${key}`)) {
        if (key !== "xml:space") report("attribute", `${name}.${key}`);
      }
      if ((key === "href" || key === "src") && /^[ \t\r\n]*(?:javascript|vbscript):/i.test(value)) {
        report("active-link", name);
      }
      if (value.includes("&") && !entitiesAreSound(value, 0, value.length, report)) return malformed();
    }
    if (isRoot && !namespaced) report("namespace");
    END.lastIndex = position;
    const end = END.exec(div);
    if (end === null) return malformed();
    at = END.lastIndex;
    if (name === "img") content = true;
    if (end[1] !== "/") {
      open.push(name);
      if (open.length > 500) return malformed();
    }
  }
  if (!rootSeen || open.length > 0) return malformed();
  if (!content) report("empty");
  return problems;
}

function entitiesAreSound(
  text: string,
  from: number,
  to: number,
  report: (rule: NarrativeProblem["rule"], subject?: string) => void,
): boolean {
  let at = text.indexOf("&", from);
  while (at >= 0 && at < to) {
    ENTITY.lastIndex = at;
    const entity = ENTITY.exec(text);
    if (entity === null) {
      report("entity", "&");
      return false;
    }
    at = text.indexOf("&", ENTITY.lastIndex);
  }
  return true;
}
