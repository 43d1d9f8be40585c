/** A run of complete lines, or a line that is longer than what is read. */
export type LineChunk =
  | { readonly kind: "lines"; readonly firstLine: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "overlong"; readonly line: number; readonly bytes: number };

export interface LineChunkOptions {
  /** Longest line that is kept, in bytes. */
  readonly maxLineBytes: number;
  /** About how many bytes one chunk has. */
  readonly chunkBytes: number;
}

const NEWLINE = 10;

function countNewlines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

/**
 * Cuts a stream of bytes at line ends, in memory that does not grow with the stream. The last line may lack its line
 * end. A line beyond `maxLineBytes` is reported and skipped; what follows it is read.
 */
export async function* lineChunks(
  stream: AsyncIterable<Uint8Array>,
  { maxLineBytes, chunkBytes }: LineChunkOptions,
): AsyncGenerator<LineChunk> {
  let pieces: Uint8Array[] = [];
  let held = 0;
  let line = 1;
  /** Bytes of the current line that were thrown away; 0 where the current line is kept. */
  let skipped = 0;

  const flush = (length: number): LineChunk => {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      if (at === length) break;
      const part = piece.length > length - at ? piece.subarray(0, length - at) : piece;
      bytes.set(part, at);
      at += part.length;
    }
    pieces = [];
    held = 0;
    const firstLine = line;
    line += countNewlines(bytes);
    return { kind: "lines", firstLine, bytes };
  };

  /** Bytes held since the last line end. */
  let open = 0;
  for await (const received of stream) {
    let rest = received;
    while (rest.length > 0) {
      if (skipped > 0) {
        const end = rest.indexOf(NEWLINE);
        if (end === -1) {
          skipped += rest.length;
          break;
        }
        yield { kind: "overlong", line, bytes: skipped + end };
        skipped = 0;
        line += 1;
        rest = rest.subarray(end + 1);
        continue;
      }
      // Within a window of this size no line but the open one can be too long.
      const window = rest.subarray(0, maxLineBytes);
      const firstEnd = window.indexOf(NEWLINE);
      const added = firstEnd === -1 ? window.length : firstEnd;
      if (open + added > maxLineBytes) {
        // The open line is too long: hand over what is complete, then skip to its end.
        if (held > open) yield flush(held - open);
        pieces = [];
        held = 0;
        skipped = open;
        open = 0;
        continue;
      }
      const end = window.lastIndexOf(NEWLINE);
      const taken = window.subarray(0, end === -1 ? window.length : end + 1);
      pieces.push(taken);
      held += taken.length;
      open = end === -1 ? open + taken.length : 0;
      rest = rest.subarray(taken.length);
      if (open === 0 && held >= chunkBytes) yield flush(held);
    }
  }
  if (skipped > 0) yield { kind: "overlong", line, bytes: skipped };
  if (held > 0) yield flush(held);
}
