import { createHash } from "node:crypto";
import { emptyReply, outcomeReply, type Reply, type SandboxRequest } from "../exchange.ts";
import type { ExportFile } from "./job.ts";

const NDJSON = "application/fhir+ndjson";

/**
 * Gives a file of an export (Bulk Data 2.0.0, "Bulk Data Output File Request"): compressed when that is asked for,
 * or a byte range of it (RFC 9110, 14).
 *
 * @param identity names the file and its content, which never changes
 */
export function giveFile(request: SandboxRequest, file: ExportFile, identity: string): Reply {
  const { method, headers } = request;
  if (method !== "GET" && method !== "HEAD") return outcomeReply(405, "GET or HEAD.");
  if (!acceptsNdjson(headers.accept)) return outcomeReply(406, `The file is ${NDJSON}.`);
  const etag = `"${createHash("sha256").update(identity).digest("base64url").slice(0, 22)}"`;
  const { size } = file.body;
  const shared = { "content-type": NDJSON, "accept-ranges": "bytes", vary: "Accept-Encoding" };

  const isSame = headers["if-range"] === undefined || headers["if-range"] === etag;
  const range = method === "GET" && isSame ? readRange(headers.range, size) : undefined;
  if (range === "unsatisfiable") return emptyReply(416, { ...shared, "content-range": `bytes */${size}` });
  if (range !== undefined) {
    return stream(206, file, range, {
      ...shared,
      etag,
      "content-range": `bytes ${range.start}-${range.end - 1}/${size}`,
    });
  }
  if (!acceptsGzip(headers["accept-encoding"])) {
    return stream(200, file, { start: 0, end: size }, { ...shared, etag });
  }
  const reply = stream(
    200,
    file,
    { start: 0, end: size },
    {
      ...shared,
      // Other bytes, another tag (RFC 9110, 8.8.3.3).
      etag: etag.replace(/"$/, '-gzip"'),
      "content-encoding": "gzip",
    },
  );
  if (reply.content.kind === "stream") reply.content = { ...reply.content, isGzipped: true };
  return reply;
}

interface Range {
  readonly start: number;
  /** Not included. */
  readonly end: number;
}

function stream(
  status: number,
  { body }: ExportFile,
  { start, end }: Range,
  headers: Reply["headers"],
): Reply {
  return {
    status,
    headers,
    content: { kind: "stream", length: end - start, chunks: () => body.chunks(start, end) },
    delivery: {},
  };
}

function acceptsNdjson(accept: string | undefined): boolean {
  if (accept === undefined) return true;
  return accept
    .split(",")
    .map((range) => range.split(";")[0]?.trim().toLowerCase())
    .some((range) =>
      [NDJSON, "application/ndjson", "application/x-ndjson", "application/*", "*/*"].includes(range ?? ""),
    );
}

function acceptsGzip(accepted: string | string[] | undefined): boolean {
  const codings = [accepted ?? []].flat().join(",").split(",");
  return codings.some((coding) => {
    const [name, ...parameters] = coding.split(";").map((part) => part.trim().toLowerCase());
    const isRefused = parameters.some((part) => /^q=0(?:\.0*)?$/.test(part));
    return (name === "gzip" || name === "x-gzip" || name === "*") && !isRefused;
  });
}

/** One byte range; a header that asks for anything else is ignored, as it may be (RFC 9110, 14.2). */
function readRange(header: string | undefined, size: number): Range | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    if (last === "") return undefined;
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size : Math.min(Number(last) + 1, size) };
}
