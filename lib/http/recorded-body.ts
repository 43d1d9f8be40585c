import { mediaTypeOf } from "./headers.ts";
import type { TextPlace } from "./secret-places.ts";
import type { LearningVault } from "./secret-vault.ts";
import type { RecordedBody } from "./types.ts";

/**
 * Read beyond the cut, so that a secret that straddles it is seen whole. A secret longer than this would be found by
 * its place, but not by its value.
 */
const margin = 64 * 1024;

/** Collects the beginning of a body while it passes by. */
export interface BodyRecorder {
  add(chunk: Uint8Array): void;
  /** What was collected, as text; undefined when the body goes on beyond it. */
  wholeText(): string | undefined;
  finish(contentType: string | undefined, vault: LearningVault, place: TextPlace): RecordedBody;
}

/** @param limit bytes of redacted text to keep */
export function createBodyRecorder(limit: number): BodyRecorder {
  const chunks: Uint8Array[] = [];
  let kept = 0;
  let bytes = 0;
  const window = limit + margin;
  return {
    add(chunk) {
      bytes += chunk.length;
      if (kept >= window) return;
      const piece = chunk.length > window - kept ? chunk.subarray(0, window - kept) : chunk;
      chunks.push(piece);
      kept += piece.length;
    },
    wholeText: () => (bytes > kept ? undefined : Buffer.concat(chunks).toString("utf8")),
    finish(contentType, vault, place) {
      const mediaType = mediaTypeOf(contentType);
      const facts = { ...(mediaType === undefined ? {} : { mediaType: vault.redact(mediaType) }), bytes };
      if (bytes === 0) return { ...facts, storedBytes: 0, truncated: false };
      const buffer = Buffer.concat(chunks);
      const cut = bytes > kept;
      const { text, invalid } = decodeText(buffer, cut);
      if (isBinary(text, invalid, mediaType))
        return { ...facts, storedBytes: 0, binary: true, truncated: true };
      const redacted = vault.redactText(text, place);
      // When the collected bytes themselves end early, their last part may hold the beginning of a secret.
      const safe = cut ? redacted.slice(0, Math.max(0, redacted.length - margin)) : redacted;
      const stored = cutAtCharacter(safe, limit);
      return {
        ...facts,
        storedBytes: Buffer.byteLength(stored),
        text: stored,
        ...(invalid ? { invalidUtf8: true as const } : {}),
        truncated: cut || stored.length < safe.length,
      };
    },
  };
}

function decodeText(buffer: Buffer, cut: boolean): { text: string; invalid: boolean } {
  try {
    // With `stream` a character that the cut divides is held back instead of being an error.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(buffer, { stream: cut });
    return { text, invalid: false };
  } catch {
    return { text: buffer.toString("utf8"), invalid: true };
  }
}

const textual = /^text\/|[/+](?:json|xml|x-ndjson|ndjson|javascript|x-www-form-urlencoded|jwt|jose)$/;

function isBinary(text: string, invalid: boolean, mediaType: string | undefined): boolean {
  if (mediaType !== undefined && textual.test(mediaType)) return false;
  return invalid || text.slice(0, 4096).includes("\0");
}

/** Cuts a text to a number of UTF-8 bytes at the edge of a character, never within a label. */
export function cutAtCharacter(text: string, limit: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= limit) return text;
  let end = limit;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  const piece = bytes.subarray(0, end).toString("utf8");
  const label = piece.lastIndexOf("‹");
  return label > piece.lastIndexOf("›") && piece.length - label < 64 ? piece.slice(0, label) : piece;
}
