import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import type { ValidationResult, Validator } from "../result.ts";
import type { TerminologyService } from "../terminology.ts";
import { printRecord } from "./print.ts";
import { emptyTally, recordOf, tallyResult, unreadable, type PrintSettings, type Tally } from "./record.ts";

/** A piece of work that can be handed to a thread. */
export type Unit =
  | {
      readonly kind: "lines";
      readonly source: string;
      readonly firstLine: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
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
}

export interface JudgeOptions {
  readonly validator: Validator;
  /** Profiles given by the user. */
  readonly profiles: readonly string[];
  /** Judge resources that claim no profile by the guide's profile for their type. */
  readonly guideProfiles: boolean;
  readonly print: PrintSettings;
  readonly terminology?: TerminologyService | undefined;
}

/** Largest document that is read whole, in bytes: beyond it a text cannot be held in one string. */
const MAX_DOCUMENT = 256 * 1024 * 1024;

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

/** Makes the function that judges units of work. Never throws for what the data are. */
export function createJudge(options: JudgeOptions): (unit: Unit) => Promise<UnitAnswer> {
  const { validator, print, terminology } = options;
  const validateOptions = { profiles: options.profiles, guideProfiles: options.guideProfiles };

  async function judged(text: string, tally: Tally): Promise<ValidationResult> {
    const result = validator.validateText(text, validateOptions);
    if (terminology === undefined) return result;
    const verified = await terminology.verify(result);
    if (terminology.notice !== undefined && !tally.notices.includes(terminology.notice)) {
      tally.notices.push(terminology.notice);
    }
    return verified;
  }

  function add(
    answer: { output: string; tally: Tally },
    source: string,
    line: number,
    result: ValidationResult,
  ): void {
    tallyResult(answer.tally, result);
    answer.output += printRecord(recordOf(source, line, result, print), print);
  }

  async function judgeLines(
    unit: Extract<Unit, { kind: "lines" }>,
    answer: { output: string; tally: Tally },
  ): Promise<void> {
    const whole = decode(unit.bytes);
    let line = unit.firstLine;
    if (whole === undefined) {
      let from = 0;
      while (from < unit.bytes.length) {
        const found = unit.bytes.indexOf(10, from);
        const to = found === -1 ? unit.bytes.length : found;
        const bytes = unit.bytes.subarray(from, to);
        const text = decode(bytes);
        if (text === undefined) add(answer, unit.source, line, notUtf8(bytes));
        else if (text.trim() !== "") add(answer, unit.source, line, await judged(text, answer.tally));
        from = to + 1;
        line += 1;
      }
      return;
    }
    let from = line === 1 && whole.startsWith("\uFEFF") ? 1 : 0;
    while (from < whole.length) {
      const found = whole.indexOf("\n", from);
      const to = found === -1 ? whole.length : found;
      if (to > from) {
        const text = whole.slice(from, to);
        if (text.trim() !== "") add(answer, unit.source, line, await judged(text, answer.tally));
      }
      from = to + 1;
      line += 1;
    }
  }

  async function judgeDocument(
    source: string,
    bytes: Uint8Array,
    answer: { output: string; tally: Tally },
  ): Promise<void> {
    const decoded = decode(bytes);
    if (decoded === undefined) {
      add(answer, source, 1, notUtf8(bytes));
      return;
    }
    const text = decoded.startsWith("\uFEFF") ? decoded.slice(1) : decoded;
    const result = await judged(text, answer.tally);
    const line = result.counts.fatal > 0 && result.resourceType === undefined ? lineOfSyntaxError(text) : 1;
    add(answer, source, line, result);
  }

  return async (unit) => {
    const answer = { output: "", tally: emptyTally() };
    if (unit.kind === "lines") await judgeLines(unit, answer);
    else if (unit.kind === "document") await judgeDocument(unit.source, unit.bytes, answer);
    else if (unit.kind === "overlong") {
      const message = `a line of ${unit.bytes} bytes is longer than the ${unit.limit} that are read`;
      const details = { bytes: unit.bytes, limit: unit.limit };
      add(answer, unit.source, unit.line, unreadable("too-long", "line-too-long", message, details));
    } else {
      for (const path of unit.paths) {
        try {
          const { size } = await stat(path);
          if (size > MAX_DOCUMENT) {
            const message = `a document of ${size} bytes is larger than the ${MAX_DOCUMENT} that are read`;
            add(
              answer,
              path,
              1,
              unreadable("too-long", "document-too-long", message, { bytes: size, limit: MAX_DOCUMENT }),
            );
          } else await judgeDocument(path, await readFile(path), answer);
        } catch (error) {
          const code = (error as NodeJS.ErrnoException).code ?? "unknown";
          add(
            answer,
            path,
            1,
            unreadable("processing", "file-unreadable", `the file cannot be read (${code})`, { error: code }),
          );
        }
      }
    }
    return answer;
  };
}
