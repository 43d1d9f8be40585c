import { createReadStream } from "node:fs";
import { createJudge, type Unit, type UnitAnswer } from "./judge.ts";
import { lineChunks } from "./line-chunks.ts";
import { addTally, emptyTally, type Tally } from "./record.ts";
import { openJudgeOptions, type JudgeSettings } from "./settings.ts";
import type { Source } from "./sources.ts";

export interface ValidateFilesOptions {
  readonly sources: readonly Source[];
  readonly settings: JudgeSettings;
  /** Threads. 1 judges on the calling thread. */
  readonly jobs: number;
  /** Takes what is printed; resolves when more may come. */
  readonly write: (text: string) => Promise<void>;
  /** Standard input. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Longest line of NDJSON that is read, in bytes. Default 32 MiB. */
  readonly maxLineBytes?: number;
}

const MIB = 1024 * 1024;
/** Small pieces keep few objects alive at one time; larger ones made threads no faster, and twice the size. */
const CHUNK_BYTES = 256 * 1024;
const READ_BYTES = 256 * 1024;
/** Documents that a thread takes at one time, and their total size. */
const BATCH_FILES = 50;
const BATCH_BYTES = 4 * MIB;
/** Less than this does not repay the start of threads. */
const WORTH_THREADS = 12 * MIB;
/** Largest document of unknown size that is held. */
const MAX_HELD = 256 * MIB;

function streamOf(source: Source, stdin: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return source.name === "-" ? stdin : createReadStream(source.name, { highWaterMark: READ_BYTES });
}

async function* lineUnits(
  name: string,
  stream: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<Unit> {
  for await (const chunk of lineChunks(stream, { maxLineBytes, chunkBytes: CHUNK_BYTES })) {
    if (chunk.kind === "lines") {
      yield { kind: "lines", source: name, firstLine: chunk.firstLine, bytes: chunk.bytes };
    } else
      yield { kind: "overlong", source: name, line: chunk.line, bytes: chunk.bytes, limit: maxLineBytes };
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Is this one line of JSON? */
function isJson(line: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(line));
    return true;
  } catch {
    return false;
  }
}

/** NDJSON has JSON on its first line; where that is damaged, the second still begins an object at its first column. */
function formOf(text: Uint8Array, from: number, end: number): "json" | "ndjson" {
  const longer = end - from > 2 && text[end + 1] === 0x7b;
  return longer || isJson(text.subarray(from, end)) ? "ndjson" : "json";
}

/** Units of a stream of which only its beginning tells whether it is NDJSON or one document. */
async function* unknownUnits(
  name: string,
  stream: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<Unit> {
  const iterator = stream[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  let held = 0;
  let form: "json" | "ndjson" | undefined;
  let ended = false;
  while (form === undefined && !ended && held <= MAX_HELD) {
    const { done, value } = await iterator.next();
    if (done === true) ended = true;
    else {
      pieces.push(value);
      held += value.length;
    }
    if (!ended && !pieces.at(-1)?.includes(10)) continue;
    const text = joined(pieces);
    let from = 0;
    while (from < text.length && (text[from] ?? 0) <= 32) from += 1;
    const end = text.indexOf(10, from);
    if (end !== -1 || ended) form = formOf(text, from, end === -1 ? text.length : end);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield* pieces;
    if (!ended) yield* { [Symbol.asyncIterator]: () => iterator };
  }
  if (form !== "json") {
    yield* lineUnits(name, all(), maxLineBytes);
    return;
  }
  const whole: Uint8Array[] = [];
  let size = 0;
  for await (const piece of all()) {
    size += piece.length;
    if (size <= MAX_HELD) whole.push(piece);
  }
  if (size > MAX_HELD) yield { kind: "overlong", source: name, line: 1, bytes: size, limit: MAX_HELD };
  else yield { kind: "document", source: name, bytes: joined(whole) };
}

async function* unitsOf(options: ValidateFilesOptions): AsyncGenerator<Unit> {
  const maxLineBytes = options.maxLineBytes ?? 32 * MIB;
  let batch: string[] = [];
  let batchBytes = 0;
  for (const source of options.sources) {
    if (source.form === "json") {
      batch.push(source.name);
      batchBytes += source.bytes ?? 0;
      if (batch.length < BATCH_FILES && batchBytes < BATCH_BYTES) continue;
    }
    if (batch.length > 0) yield { kind: "files", paths: batch };
    batch = [];
    batchBytes = 0;
    if (source.form === "json") continue;
    const stream = streamOf(source, options.stdin);
    const units = source.form === "ndjson" ? lineUnits : unknownUnits;
    yield* units(source.name, stream, maxLineBytes);
  }
  if (batch.length > 0) yield { kind: "files", paths: batch };
}

/**
 * Judges all sources and prints each resource in the order of the input, in memory that does not grow with it.
 *
 * @throws what loading the definitions throws; never for what the data are.
 */
export async function validateFiles(options: ValidateFilesOptions): Promise<Tally> {
  const tally = emptyTally();
  const take = async (answer: UnitAnswer): Promise<void> => {
    addTally(tally, answer.tally);
    if (answer.output !== "") await options.write(answer.output);
  };
  const known = options.sources.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  const units = unitsOf(options);
  if (options.jobs > 1 && known >= WORTH_THREADS) {
    await judgeInThreads(units, options, take);
    return tally;
  }
  const ended = await judgeHere(units, options, take);
  // A stream of unknown length may turn out to be long.
  if (!ended) await judgeInThreads(units, options, take);
  return tally;
}

/** Judges on this thread; answers whether that was all, or threads are now worth their start. */
async function judgeHere(
  units: AsyncGenerator<Unit>,
  options: ValidateFilesOptions,
  take: (answer: UnitAnswer) => Promise<void>,
): Promise<boolean> {
  const judging = await openJudgeOptions(options.settings);
  try {
    const judge = createJudge(judging);
    let done = 0;
    for (;;) {
      const { done: ended, value: unit } = await units.next();
      if (ended === true) return true;
      const size = unit.kind === "lines" || unit.kind === "document" ? unit.bytes.length : 0;
      await take(await judge(unit));
      done += size;
      if (options.jobs > 1 && done >= WORTH_THREADS) return false;
    }
  } finally {
    await judging.terminology?.close();
  }
}

async function judgeInThreads(
  units: AsyncGenerator<Unit>,
  options: ValidateFilesOptions,
  take: (answer: UnitAnswer) => Promise<void>,
): Promise<void> {
  const { openPool } = await import("./pool.ts");
  const pool = openPool(options.jobs, options.settings);
  const pending: Promise<UnitAnswer>[] = [];
  try {
    for await (const unit of units) {
      const { answer } = await pool.submit(unit);
      pending.push(answer);
      // Answers wait for those before them; no more of them than threads can be ahead with.
      while (pending.length > options.jobs * 2) {
        const first = pending.shift();
        if (first !== undefined) await take(await first);
      }
    }
    for (const answer of pending) await take(await answer);
  } finally {
    await pool.close();
  }
}
