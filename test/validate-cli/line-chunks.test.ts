import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lineChunks, type LineChunk } from "../../lib/validator/files/line-chunks.ts";

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % Math.max(1, sizes.length)] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Lines with their numbers, as `number:text` or `number!bytes` where too long. */
async function read(
  text: string,
  sizes: readonly number[],
  maxLineBytes: number,
  chunkBytes: number,
): Promise<string[]> {
  const found: string[] = [];
  const add = (chunk: LineChunk): void => {
    if (chunk.kind === "overlong") {
      found.push(`${chunk.line}!${chunk.bytes}`);
      return;
    }
    const lines = new TextDecoder().decode(chunk.bytes).split("\n");
    if (lines.at(-1) === "") lines.pop();
    for (const [i, line] of lines.entries()) found.push(`${chunk.firstLine + i}:${line}`);
  };
  const stream = inPieces(new TextEncoder().encode(text), sizes);
  for await (const chunk of lineChunks(stream, { maxLineBytes, chunkBytes })) add(chunk);
  return found;
}

function expected(text: string, maxLineBytes: number): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, i) => {
    const bytes = new TextEncoder().encode(line).length;
    return bytes > maxLineBytes ? `${i + 1}!${bytes}` : `${i + 1}:${line}`;
  });
}

describe("cutting a stream at its line ends", () => {
  it("keeps every line and its number, however the bytes arrive", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom("a", "é", "\n", "{", " "), maxLength: 40 }), {
          maxLength: 8,
        }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 50 }),
        async (parts, sizes, maxLineBytes, chunkBytes) => {
          const text = parts.join("\n");
          expect(await read(text, sizes, maxLineBytes, chunkBytes)).toEqual(expected(text, maxLineBytes));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("reports a line that is too long and reads on", async () => {
    const text = `{"a":1}\n${"x".repeat(100)}\n{"b":2}`;
    expect(await read(text, [7], 20, 1000)).toEqual(['1:{"a":1}', "2!100", '3:{"b":2}']);
  });
});
