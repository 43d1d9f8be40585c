/**
 * A text seen through one or more layers of encoding, with the way back: a place found in the decoded text can be
 * named in the original. A secret may stand in a text percent-encoded, escaped for JSON or XML, or several of these
 * on top of one another; looking at decoded views finds all of them, whatever each single character became.
 */
export interface DecodedView {
  readonly text: string;
  /** The range of the original text that produced `[start, end)` of this view. */
  locate(start: number, end: number): readonly [number, number];
}

interface Layer {
  readonly pattern: RegExp;
  readonly decode: (escape: string) => string;
}

const continuation = "%[89abAB][0-9a-fA-F]";
const percent: Layer = {
  pattern: new RegExp(
    `%[0-7][0-9a-fA-F]|%[c-dC-D][0-9a-fA-F]${continuation}|%[eE][0-9a-fA-F](?:${continuation}){2}|%[fF][0-7](?:${continuation}){3}`,
    "g",
  ),
  decode: (escape) => Buffer.from(escape.replaceAll("%", ""), "hex").toString("utf8"),
};

const shortEscapes: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const json: Layer = {
  pattern: /\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])/g,
  decode: (escape) => {
    const sign = escape.charAt(1);
    if (sign === "u") return String.fromCharCode(Number.parseInt(escape.slice(2), 16));
    return shortEscapes[sign] ?? sign;
  },
};

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const xml: Layer = {
  pattern: /&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);/g,
  decode: (escape) => {
    const name = escape.slice(1, -1);
    if (!name.startsWith("#")) return entities[name] ?? escape;
    const point = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
    return point <= 0x10ffff ? String.fromCodePoint(point) : escape;
  },
};

const layers: readonly Layer[] = [percent, json, xml];
const deepest = 3;

/** The text itself and every different text that up to three layers of percent, JSON or XML decoding make of it. */
export function decodedViews(text: string): DecodedView[] {
  const views: DecodedView[] = [{ text, locate: (start, end) => [start, end] }];
  const seen = new Set([text]);
  let level = views.slice();
  for (let depth = 0; depth < deepest && level.length > 0; depth += 1) {
    const next: DecodedView[] = [];
    for (const view of level) {
      for (const layer of layers) {
        const decoded = decodeLayer(view, layer);
        if (decoded === undefined || seen.has(decoded.text)) continue;
        seen.add(decoded.text);
        next.push(decoded);
      }
    }
    views.push(...next);
    level = next;
  }
  return views;
}

function decodeLayer(parent: DecodedView, layer: Layer): DecodedView | undefined {
  const source = parent.text;
  // Breakpoint i: at decodedStart[i] an escape begins that spans [sourceStart[i], sourceEnd[i]) of the source.
  const decodedStart: number[] = [];
  const decodedEnd: number[] = [];
  const sourceStart: number[] = [];
  const sourceEnd: number[] = [];
  const pieces: string[] = [];
  let consumed = 0;
  let length = 0;
  for (const match of source.matchAll(layer.pattern)) {
    const literal = source.slice(consumed, match.index);
    const decoded = layer.decode(match[0]);
    pieces.push(literal, decoded);
    length += literal.length;
    decodedStart.push(length);
    length += decoded.length;
    decodedEnd.push(length);
    sourceStart.push(match.index);
    consumed = match.index + match[0].length;
    sourceEnd.push(consumed);
  }
  if (pieces.length === 0) return undefined;
  pieces.push(source.slice(consumed));

  /** Index of the last escape that begins at or before an offset of the decoded text; -1 before the first. */
  const escapeBefore = (offset: number): number => {
    let low = 0;
    let high = decodedStart.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((decodedStart[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };
  const place = (offset: number, edge: "start" | "end"): number => {
    // The end of a range is the place just after its last character.
    const at = edge === "start" ? offset : offset - 1;
    const index = escapeBefore(at);
    if (index < 0) return offset;
    if (at < (decodedEnd[index] ?? 0))
      return (edge === "start" ? sourceStart[index] : sourceEnd[index]) ?? offset;
    return (sourceEnd[index] ?? 0) + (offset - (decodedEnd[index] ?? 0));
  };
  return {
    text: pieces.join(""),
    locate: (start, end) => parent.locate(place(start, "start"), place(end, "end")),
  };
}
