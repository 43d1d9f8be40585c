import { Readable, pipeline, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from "node:zlib";
import { exchangeError, ExchangeError } from "./failures.ts";
import type { HttpLimits } from "./types.ts";

/** What a client can decode, as it says so in Accept-Encoding (RFC 9110 section 12.5.3). */
export const acceptedCodings = "gzip, deflate, br";

/** More layers than this are an attack or a mistake, never a saving. */
const mostLayers = 3;
/** Below this size a high ratio harms nobody. */
const ratioMatters = 1024 * 1024;

/**
 * Takes content codings off a body within the bounds on its size before and after, and on their ratio.
 * Throws ExchangeError from the iteration.
 * @param contentEncoding all Content-Encoding values joined by commas
 */
export async function* decodeContent(
  wire: AsyncGenerator<Uint8Array, void, undefined>,
  contentEncoding: string | undefined,
  limits: HttpLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  let wireBytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of wire) {
      wireBytes += chunk.length;
      if (wireBytes > limits.bodyBytes)
        throw exchangeError("body-too-large", `The body is larger than ${limits.bodyBytes} bytes.`, {
          limit: limits.bodyBytes,
          seen: wireBytes,
        });
      yield chunk;
    }
  };
  const bounded = async function* (
    decoded: AsyncGenerator<Uint8Array, void, undefined>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let bytes = 0;
    for await (const chunk of decoded) {
      bytes += chunk.length;
      checkDecoded(bytes, wireBytes, limits);
      yield chunk;
    }
  };

  const codings = (contentEncoding ?? "")
    .split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
  if (codings.length > mostLayers)
    throw exchangeError("content-encoding", `The body wears ${codings.length} content codings.`, {
      limit: mostLayers,
      seen: codings.length,
    });
  if (codings.length === 0) {
    let bytes = 0;
    for await (const chunk of counted()) {
      bytes += chunk.length;
      if (bytes > limits.decodedBytes)
        throw exchangeError("body-too-large", `The body is larger than ${limits.decodedBytes} bytes.`, {
          limit: limits.decodedBytes,
          seen: bytes,
        });
      yield chunk;
    }
    return;
  }
  let body = counted();
  for (const coding of codings.toReversed()) body = bounded(decodeLayer(body, coding));
  yield* body;
}

function checkDecoded(bytes: number, wireBytes: number, limits: HttpLimits): void {
  if (bytes > limits.decodedBytes)
    throw exchangeError(
      "decompressed-too-large",
      `The decoded body is larger than ${limits.decodedBytes} bytes.`,
      {
        limit: limits.decodedBytes,
        seen: bytes,
      },
    );
  const ratio = Math.round(bytes / Math.max(1, wireBytes));
  if (bytes > ratioMatters && ratio > limits.decompressionRatio)
    throw exchangeError(
      "decompressed-too-large",
      `The decoded body is more than ${limits.decompressionRatio} times as large as what was sent.`,
      { limit: limits.decompressionRatio, seen: ratio },
    );
}

async function* decodeLayer(
  source: AsyncGenerator<Uint8Array, void, undefined>,
  coding: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const first = await source.next();
  // An answer without a body (HEAD, 304) may still name the coding that the body would have.
  if (first.done === true) return;
  const decoder = createDecoder(coding, first.value);
  const rejoined = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield first.value;
    yield* source;
  };
  let cause: unknown;
  pipeline(Readable.from(rejoined()), decoder, (error) => {
    cause = error;
  });
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
  } catch (error) {
    if (cause instanceof ExchangeError) throw cause;
    if (error instanceof ExchangeError) throw error;
    throw exchangeError("content-encoding", `The body is not valid ${coding}, or ends too early.`);
  }
}

function createDecoder(coding: string, start: Uint8Array): Transform {
  const options = { chunkSize: 64 * 1024 };
  switch (coding) {
    case "gzip":
    case "x-gzip":
      return createGunzip(options);
    case "br":
      return createBrotliDecompress(options);
    case "deflate":
      // RFC 9110 means the zlib format; some servers send the bare deflate stream.
      return ((start[0] ?? 0) & 0x0f) === 8 && (((start[0] ?? 0) << 8) | (start[1] ?? 0)) % 31 === 0
        ? createInflate(options)
        : createInflateRaw(options);
    default:
      throw exchangeError("content-encoding", "The body has a content coding that was not asked for.", {
        seen: coding.slice(0, 40),
      });
  }
}
