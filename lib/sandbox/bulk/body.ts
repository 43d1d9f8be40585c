/** What a file consists of: never held as a whole, made again for every download. */
export interface FileBody {
  /** Length in bytes. */
  readonly size: number;
  /** The bytes from `start` up to, not including, `end`. */
  chunks(start: number, end: number): Iterable<Buffer>;
}

const CHUNK = 64 * 1024;

/**
 * A body of lines, each with its end, made anew whenever they are asked for.
 *
 * @param lines must give the same every time
 */
export function bodyOfLines(lines: () => Iterable<string>): FileBody {
  let known: number | undefined;
  return {
    get size() {
      known ??= sizeOf(lines());
      return known;
    },
    *chunks(start, end) {
      yield* gathered(cut(lines(), start, end));
    },
  };
}

function sizeOf(lines: Iterable<string>): number {
  let size = 0;
  for (const line of lines) size += Buffer.byteLength(line);
  return size;
}

function* cut(lines: Iterable<string>, start: number, end: number): Iterable<Buffer> {
  let at = 0;
  for (const line of lines) {
    if (at >= end) return;
    const bytes = Buffer.from(line);
    const piece = bytes.subarray(Math.max(start - at, 0), end - at);
    at += bytes.length;
    if (piece.length > 0) yield piece;
  }
}

/** Small pieces together, so that a download is not a packet a line. */
function* gathered(pieces: Iterable<Buffer>): Iterable<Buffer> {
  let waiting: Buffer[] = [];
  let size = 0;
  for (const piece of pieces) {
    waiting.push(piece);
    size += piece.length;
    if (size < CHUNK) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(waiting);
}

/** Bodies one behind the other. */
export function joinBodies(bodies: readonly FileBody[]): FileBody {
  return {
    get size() {
      return bodies.reduce((sum, body) => sum + body.size, 0);
    },
    *chunks(start, end) {
      let at = 0;
      for (const body of bodies) {
        const { size } = body;
        const from = Math.max(start - at, 0);
        const to = Math.min(end - at, size);
        if (from < to) yield* body.chunks(from, to);
        at += size;
      }
    },
  };
}
