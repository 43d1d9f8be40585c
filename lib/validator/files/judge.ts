import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import type { DefinitionSource } from "../pack/format.ts";
import type { ValidationResult, Validator } from "../result.ts";
import type { TerminologyService } from "../terminology.ts";
import type { Census, CensusSettings } from "./census.ts";
import { createExaminer } from "./examine.ts";
import { printRecord } from "./print.ts";
import { emptyTally, recordOf, tallyResult, unreadable, type PrintSettings, type Tally } from "./record.ts";

/** A piece of work that can be handed to a thread. */
export type Unit =
  | {
      readonly kind: "lines";
      readonly source: string;
      readonly firstLine: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
      /** Takes a census of the lines instead of printing what is found. */
      readonly census?: CensusSettings;
    }
  | {
      readonly kind: "overlong";
      readonly source: string;
      readonly line: number;
      readonly bytes: number;
      readonly limit: number;
    }
  | { readonly kind: "document"; readonly source: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "files"; readonly paths: readonly string[] };

/** What one unit comes to. */
export interface UnitAnswer {
  /** Printed as it is. */
  readonly output: string;
  readonly tally: Tally;
  readonly census?: Census;
}

/** Is this several lines, the first of which is a whole object? */
function isNdjson(text: string): boolean {
  const begin = text.search(/\S/);
  const end = text.indexOf("\n", begin);
  if (begin === -1 || end === -1 || text[begin] !== "{") return false;
  try {
    JSON.parse(text.slice(begin, end));
    return true;
  } catch {
    return false;
  }
}

/** Something to be closed when nothing more is judged. */
export interface Closable {
  close(): Promise<void>;
}

export interface JudgeOptions {
  readonly validator: Validator;
  readonly definitions: DefinitionSource;
  /** Profiles given by the user. */
  readonly profiles: readonly string[];
  /** Judge resources that claim no profile by the guide's profile for their type. */
  readonly guideProfiles: boolean;
  readonly print: PrintSettings;
  readonly terminology?: (TerminologyService & Closable) | undefined;
}

/** Largest document that is read whole, in bytes: beyond it a text cannot be held in one string. */
const MAX_DOCUMENT = 256 * 1024 * 1024;
const BYTE_ORDER_MARK = "\uFEFF";

/** The text of UTF-8 bytes; `undefined` where they are none. */
function decode(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")
    : undefined;
}

function notUtf8(bytes: Uint8Array): ValidationResult {
  // The longest valid beginning tells where the damage is.
  const lenient = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const at = Buffer.byteLength(lenient.slice(0, lenient.indexOf("\uFFFD")));
  return unreadable("structure", "utf8-invalid", `not UTF-8 from byte ${at} on`, { byte: at });
}

/** The line, from 1, where a text stops being JSON. */
function lineOfSyntaxError(text: string): number {
  try {
    JSON.parse(text);
    return 1;
  } catch (error) {
    const position = /at position ([0-9]+)/.exec(error instanceof Error ? error.message : "")?.[1];
    const before = position === undefined ? text.trimEnd() : text.slice(0, Number(position));
    return before.split("\n").length;
  }
}

/** What was judged, before it is printed. */
interface Judged {
  readonly source: string;
  readonly line: number;
  readonly result: ValidationResult;
}

/** Makes the function that judges units of work. Never throws for what the data are. */
export function createJudge(options: JudgeOptions): (unit: Unit) => Promise<UnitAnswer> {
  const { validator, print, terminology } = options;
  const validateOptions = { profiles: options.profiles, guideProfiles: options.guideProfiles };
  const judged = (source: string, line: number, text: string): Judged => ({
    source,
    line,
    result: validator.validateText(text, validateOptions),
  });

  /** Results of the lines of a piece of NDJSON. */
  function* judgeLines({ source, firstLine, bytes }: Extract<Unit, { kind: "lines" }>): Generator<Judged> {
    const whole = decode(bytes);
    let line = firstLine;
    let from = 0;
    if (whole === undefined) {
      while (from < bytes.length) {
        const to = endOfLine(bytes.indexOf(10, from), bytes.length);
        const own = bytes.subarray(from, to);
        const text = decode(own);
        if (text === undefined) yield { source, line, result: notUtf8(own) };
        else if (text.trim() !== "") yield judged(source, line, text);
        from = to + 1;
        line += 1;
      }
      return;
    }
    if (line === 1 && whole.startsWith(BYTE_ORDER_MARK)) from = 1;
    while (from < whole.length) {
      const to = endOfLine(whole.indexOf("\n", from), whole.length);
      const text = whole.slice(from, to);
      if (text.trim() !== "") yield judged(source, line, text);
      from = to + 1;
      line += 1;
    }
  }

  /** A document; what is no JSON as a whole, but is on its first line, is NDJSON under another name. */
  function* judgeDocument(source: string, bytes: Uint8Array<ArrayBuffer>): Generator<Judged> {
    const decoded = decode(bytes);
    if (decoded === undefined) {
      yield { source, line: 1, result: notUtf8(bytes) };
      return;
    }
    const text = decoded.startsWith(BYTE_ORDER_MARK) ? decoded.slice(1) : decoded;
    const one = judged(source, 1, text);
    if (one.result.counts.fatal === 0 || one.result.resourceType !== undefined) yield one;
    else if (isNdjson(text)) yield* judgeLines({ kind: "lines", source, firstLine: 1, bytes });
    else yield { ...one, line: lineOfSyntaxError(text) };
  }

  async function* judgeFile(path: string): AsyncGenerator<Judged> {
    try {
      const { size } = await stat(path);
      if (size <= MAX_DOCUMENT) {
        yield* judgeDocument(path, await readFile(path));
        return;
      }
      const message = `a document of ${size} bytes is larger than the ${MAX_DOCUMENT} that are read`;
      const details = { bytes: size, limit: MAX_DOCUMENT };
      yield { source: path, line: 1, result: unreadable("too-long", "document-too-long", message, details) };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unknown";
      const message = `the file cannot be read (${code})`;
      const result = unreadable("processing", "file-unreadable", message, { error: code });
      yield { source: path, line: 1, result };
    }
  }

  async function* judgeUnit(unit: Unit): AsyncGenerator<Judged> {
    if (unit.kind === "lines") yield* judgeLines(unit);
    else if (unit.kind === "document") yield* judgeDocument(unit.source, unit.bytes);
    else if (unit.kind === "files") for (const path of unit.paths) yield* judgeFile(path);
    else {
      const message = `a line of ${unit.bytes} bytes is longer than the ${unit.limit} that are read`;
      const details = { bytes: unit.bytes, limit: unit.limit };
      const result = unreadable("too-long", "line-too-long", message, details);
      yield { source: unit.source, line: unit.line, result };
    }
  }

  let examine: ReturnType<typeof createExaminer> | undefined;
  return async (unit) => {
    const tally = emptyTally();
    if (unit.kind === "lines" && unit.census !== undefined) {
      examine ??= createExaminer(options);
      return { output: "", tally, census: examine(unit, unit.census) };
    }
    let output = "";
    const add = ({ source, line, result }: Judged): void => {
      tallyResult(tally, result);
      output += printRecord(recordOf(source, line, result, print), print);
    };
    if (terminology === undefined && unit.kind === "lines") {
      for (const one of judgeLines(unit)) add(one);
    } else if (terminology === undefined) {
      for await (const one of judgeUnit(unit)) add(one);
    } else {
      const all: Promise<Judged>[] = [];
      for await (const one of judgeUnit(unit)) {
        all.push(terminology.verify(one.result).then((result) => ({ ...one, result })));
      }
      for (const one of await Promise.all(all)) add(one);
      if (terminology.notice !== undefined) tally.notices.push(terminology.notice);
    }
    return { output, tally };
  };
}

function endOfLine(found: number, length: number): number {
  return found === -1 ? length : found;
}
