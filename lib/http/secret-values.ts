/** A range of a text that must not be shown, and the label that stands in for it. */
export interface SecretRange {
  readonly start: number;
  readonly end: number;
  readonly label: string;
}

/** Finds any of many known values in a text, in time that hardly depends on how many there are. */
export interface SecretValueIndex {
  add(value: string, label: string): void;
  find(text: string): SecretRange[];
}

interface Form {
  readonly value: string;
  readonly label: string;
  /** Base64 carries the secret in the middle of a longer run; the whole run goes. */
  readonly extend: boolean;
}

/** Shortest value that is looked for wherever it may stand. */
export const shortestSecret = 4;
/** Shortest value whose base64 forms are looked for: below this, what is left to compare matches by chance. */
const shortestBase64 = 6;

const tableSize = 1 << 16;

class PrefixTable {
  readonly #size: number;
  readonly #marks = new Uint8Array(tableSize);
  readonly #forms = new Map<number, Form[]>();
  readonly #top: number;

  constructor(size: number) {
    this.#size = size;
    let top = 1;
    for (let index = 1; index < size; index += 1) top = Math.imul(top, 31);
    this.#top = top;
  }

  add(form: Form): void {
    let hash = 0;
    for (let index = 0; index < this.#size; index += 1)
      hash = (Math.imul(hash, 31) + form.value.charCodeAt(index)) | 0;
    this.#marks[slot(hash)] = 1;
    const forms = this.#forms.get(hash);
    if (forms === undefined) this.#forms.set(hash, [form]);
    else forms.push(form);
  }

  find(text: string, found: SecretRange[]): void {
    const size = this.#size;
    if (this.#forms.size === 0 || text.length < size) return;
    let hash = 0;
    for (let end = 0; end < text.length; end += 1) {
      if (end >= size) hash = (hash - Math.imul(text.charCodeAt(end - size), this.#top)) | 0;
      hash = (Math.imul(hash, 31) + text.charCodeAt(end)) | 0;
      if (end < size - 1 || this.#marks[slot(hash)] === 0) continue;
      const start = end - size + 1;
      for (const form of this.#forms.get(hash) ?? []) {
        if (text.startsWith(form.value, start)) found.push(rangeOf(text, start, form));
      }
    }
  }
}

function slot(hash: number): number {
  return (hash ^ (hash >>> 16)) & (tableSize - 1);
}

function rangeOf(text: string, at: number, form: Form): SecretRange {
  let start = at;
  let end = at + form.value.length;
  if (form.extend) {
    while (start > 0 && isBase64(text.charCodeAt(start - 1))) start -= 1;
    while (end < text.length && isBase64(text.charCodeAt(end))) end += 1;
    while (end < text.length && text.charAt(end) === "=") end += 1;
  }
  return { start, end, label: form.label };
}

function isBase64(code: number): boolean {
  return (
    (code >= 48 && code <= 57) ||
    (code >= 65 && code <= 90) ||
    (code >= 97 && code <= 122) ||
    code === 43 ||
    code === 45 ||
    code === 47 ||
    code === 95
  );
}

/** An empty index. Values shorter than `shortestSecret` are not taken in. */
export function createSecretValueIndex(): SecretValueIndex {
  const short = new PrefixTable(shortestSecret);
  const long = new PrefixTable(8);
  const known = new Set<string>();
  const addForm = (value: string, label: string, extend: boolean): void => {
    if (value.length < shortestSecret || known.has(value)) return;
    known.add(value);
    (value.length < 8 ? short : long).add({ value, label, extend });
  };
  return {
    add(value, label) {
      if (value.length < shortestSecret || known.has(value)) return;
      addForm(value, label, false);
      // Form encoding writes a space as "+"; percent decoding alone does not bring it back.
      addForm(value.replaceAll(" ", "+"), label, false);
      // A header value is read as latin1.
      addForm(Buffer.from(value, "utf8").toString("latin1"), label, false);
      for (const form of base64Forms(value)) addForm(form, label, true);
    },
    find(text) {
      const found: SecretRange[] = [];
      short.find(text, found);
      long.find(text, found);
      return found;
    },
  };
}

/** The characters of base64 and base64url that a value determines alone, at each of the three alignments. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value, "utf8");
  if (bytes.length < shortestBase64) return [];
  const forms: string[] = [];
  for (const offset of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes, Buffer.alloc(2)]).toString("base64");
    const start = Math.ceil((8 * offset) / 6);
    const end = Math.floor((8 * (offset + bytes.length)) / 6);
    const form = padded.slice(start, end);
    forms.push(form, form.replaceAll("+", "-").replaceAll("/", "_"));
  }
  return forms;
}
