/**
 * What only the JSON text tells: keys that stand twice in an object (the last one wins when it is parsed), and how a
 * number was written.
 */

/** Counts the keys of a JSON text that is known to be well formed. */
export function countKeys(source: string): number {
  let count = 0;
  let at = source.indexOf('"');
  while (at >= 0) {
    const end = endOfString(source, at);
    let next = end + 1;
    let unit = source.charCodeAt(next);
    while (unit === 32 || unit === 10 || unit === 13 || unit === 9) unit = source.charCodeAt(++next);
    if (unit === 58) count++;
    at = source.indexOf('"', next);
  }
  return count;
}

/** Index of the quote that ends the string which begins at `at`. */
function endOfString(source: string, at: number): number {
  let end = source.indexOf('"', at + 1);
  while (end >= 0 && source.charCodeAt(end - 1) === 92) {
    // An odd number of backslashes escapes the quote.
    let before = end - 1;
    while (source.charCodeAt(before) === 92) before--;
    if ((end - before) % 2 === 1) break;
    end = source.indexOf('"', end + 1);
  }
  return end < 0 ? source.length : end;
}

/** A number with a fraction of zeros or an exponent: an integer must not be written like that. */
export const ODD_NUMBER = /[[:,\s]-?[0-9]+(?:\.0+(?![0-9])|(?:\.[0-9]+)?[eE])|[[:,\s]-0(?![.0-9])/;

/** Keys from the root to a place, with indices for array entries. */
export type SourcePath = readonly (string | number)[];

export interface SourceFacts {
  readonly duplicates: readonly { readonly path: SourcePath; readonly key: string }[];
  readonly oddNumbers: readonly { readonly path: SourcePath; readonly written: string }[];
}

interface Level {
  readonly keys: Set<string> | undefined;
  key: string;
  index: number;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|[{}[\],:]|true|false|null/g;
const MOST = 1000;

/** Reads a well-formed JSON text token by token; used only where a cheaper look says that there is something to find. */
export function readSource(source: string): SourceFacts {
  const duplicates: { path: SourcePath; key: string }[] = [];
  const oddNumbers: { path: SourcePath; written: string }[] = [];
  const levels: Level[] = [];
  let expectsKey = false;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(source); match !== null; match = TOKEN.exec(source)) {
    const token = match[0];
    const level = levels.at(-1);
    switch (token.charCodeAt(0)) {
      case 123:
        levels.push({ keys: new Set(), key: "", index: -1 });
        expectsKey = true;
        break;
      case 91:
        levels.push({ keys: undefined, key: "", index: 0 });
        expectsKey = false;
        break;
      case 125:
      case 93:
        levels.pop();
        expectsKey = false;
        break;
      case 44:
        if (level?.keys === undefined) {
          if (level !== undefined) level.index++;
        } else expectsKey = true;
        break;
      case 58:
        expectsKey = false;
        break;
      case 34: {
        if (!expectsKey || level?.keys === undefined) break;
        const key = token.includes("\\") ? (JSON.parse(token) as string) : token.slice(1, -1);
        if (level.keys.has(key) && duplicates.length < MOST) {
          duplicates.push({ path: pathOf(levels.slice(0, -1)), key });
        }
        level.keys.add(key);
        level.key = key;
        expectsKey = false;
        break;
      }
      default:
        if (ODD_NUMBER.test(` ${token}`) && oddNumbers.length < MOST) {
          oddNumbers.push({ path: pathOf(levels), written: token });
        }
    }
  }
  return { duplicates, oddNumbers };
}

function pathOf(levels: readonly Level[]): SourcePath {
  return levels.map(({ keys, key, index }) => (keys === undefined ? index : key));
}
