/**
 * What the main export leaves behind while it is followed, so that a run that was stopped goes on with it: where it is
 * asked after, what its manifest says, and what each finished file came to. No token, no resource; ids as hashes.
 */
import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KickOff, ManifestFile, Poll } from "../../bulk/index.ts";
import { createHeaders } from "../../http/headers.ts";
import type { ExchangeId, HttpHeaders, HttpResponse } from "../../http/types.ts";
import { emptyCensus, type Census } from "../../validator/files/census.ts";
import { createKeys, type KeyList, type Keys } from "../../validator/files/keys.ts";
import type { KeptState } from "../kept.ts";
import { isObject } from "../select.ts";
import type { ExportedFile, Gathered } from "./files.ts";
import type { Started } from "./session.ts";

/** A response as it is kept: what checks look at later. */
interface KeptResponse {
  readonly status: number;
  readonly url: string;
  readonly lines: HttpHeaders["lines"];
  /** Base64. */
  readonly body: string;
  readonly exchange: string;
}

interface KeptStart {
  readonly schema: 1;
  readonly base: string;
  readonly kickOff: KickOff;
  readonly url: string;
  readonly startedAt: number;
  readonly statusUrl: string;
  readonly response: KeptResponse;
}

/** How the status was asked for. */
interface KeptPolls {
  readonly statusUrl: string;
  readonly polls: readonly Poll[];
  /** Present when the export was complete and its manifest has no secrets in its URLs. */
  readonly completed?: KeptResponse;
  readonly completedAt?: number;
}

/** One line of the journal: a file that was read to its end. */
interface KeptFile {
  readonly statusUrl: string;
  readonly file: string;
  readonly facts: Omit<ExportedFile["facts"], "headers"> & { readonly lines: HttpHeaders["lines"] };
  readonly census: Census;
  /** File with the keys, and how many there are of each kind. */
  readonly keys: string;
  readonly sizes: readonly number[];
}

const START = "export";
const STATUS = "export-status";
const FILES = "export-files.ndjson";
/** Looks at the status that are kept: the first and the last ones tell how it went. */
const MOST_POLLS = 60;

/** Headers that are needed again; others may hold what must not be kept. */
const HEADERS = new Set([
  "content-type",
  "content-length",
  "content-encoding",
  "content-location",
  "date",
  "etag",
  "expires",
  "retry-after",
  "x-progress",
]);

function linesOf(headers: HttpHeaders | undefined): HttpHeaders["lines"] {
  return (headers?.lines ?? []).filter(([name]) => HEADERS.has(name.toLowerCase()));
}

function keep(response: HttpResponse): KeptResponse {
  return {
    status: response.status,
    url: response.url,
    lines: linesOf(response.headers),
    body: Buffer.from(response.body).toString("base64"),
    exchange: response.exchange,
  };
}

function restore(kept: KeptResponse): HttpResponse {
  const exchange = kept.exchange as ExchangeId;
  return {
    kind: "response",
    status: kept.status,
    headers: createHeaders(kept.lines),
    url: kept.url,
    body: Buffer.from(kept.body, "base64"),
    exchange,
    exchanges: [exchange],
  };
}

/** Writes down that an export has begun. */
export function keepStart(state: KeptState, base: string, started: Started): void {
  const { kickOff, url, startedAt, statusUrl, response } = started;
  if (statusUrl === undefined) return;
  const kept: KeptStart = { schema: 1, base, kickOff, url, startedAt, statusUrl, response: keep(response) };
  state.write(START, kept);
}

/** The export that was begun before; undefined where there is none of this server and kick-off. */
export function keptStart(state: KeptState, base: string): Started | undefined {
  const kept = state.read(START);
  if (!isObject(kept) || kept["schema"] !== 1 || kept["base"] !== base) return undefined;
  const { kickOff, url, startedAt, statusUrl, response } = kept as unknown as KeptStart;
  return { kickOff, url, startedAt, statusUrl, response: restore(response) };
}

/** Writes down how the status was asked for, and the manifest when there is one. */
export function keepStatus(
  state: KeptState,
  statusUrl: string,
  polls: readonly Poll[],
  completed?: HttpResponse,
): void {
  const shown = polls.length <= MOST_POLLS ? polls : [...polls.slice(0, 5), ...polls.slice(5 - MOST_POLLS)];
  const isOpen = completed !== undefined && !hasSecrets(completed);
  const kept: KeptPolls = {
    statusUrl,
    polls: shown,
    ...(isOpen ? { completed: keep(completed), completedAt: Date.now() } : {}),
  };
  state.write(STATUS, kept);
}

/** Whether URLs of a manifest have a query, in which signatures stand: then it is asked for again. */
function hasSecrets({ body }: HttpResponse): boolean {
  return /"url"\s*:\s*"[^"]*\?/.test(Buffer.from(body).toString("utf8"));
}

/** What was kept of the status of an export. */
export function keptStatus(
  state: KeptState,
  statusUrl: string,
):
  | {
      readonly polls: readonly Poll[];
      readonly completed?: { readonly response: HttpResponse; readonly at: number };
    }
  | undefined {
  const kept = state.read(STATUS);
  if (!isObject(kept) || kept["statusUrl"] !== statusUrl) return undefined;
  const { polls, completed, completedAt = Date.now() } = kept as unknown as KeptPolls;
  return {
    polls,
    ...(completed === undefined ? {} : { completed: { response: restore(completed), at: completedAt } }),
  };
}

/** Finished files of an export that is followed. */
export interface FileJournal {
  /** What a file came to before; its keys go to those of the export. */
  take(file: ManifestFile, into: Gathered): ExportedFile | undefined;
  /** Writes down what a file has come to, with its keys. */
  put(exported: ExportedFile, keys: Gathered): void;
}

/** A file by where it stands and what it is, its URL without what changes from one manifest to the next. */
function identityOf({ kind, index, type, count, url = "" }: ManifestFile): string {
  const path = URL.canParse(url) ? new URL(url).pathname : url;
  return createHash("sha256")
    .update(JSON.stringify([kind, index, type, count ?? null, path]))
    .digest("base64url")
    .slice(0, 24);
}

const KINDS = ["ids", "references", "targets", "belongings", "deleted"] as const;

/** Opens the journal of an export's files; undefined where nothing is kept. */
export function openFileJournal(state: KeptState, statusUrl: string): FileJournal | undefined {
  const { folder } = state;
  if (folder === undefined) return undefined;
  const path = join(folder, FILES);
  const known = readJournal(path, statusUrl);
  // Files of another export are of no use any more.
  if (known === undefined) rmSync(path, { force: true });
  return {
    take(file, into) {
      const kept = known?.get(identityOf(file));
      const keys = kept === undefined ? undefined : readKeys(join(folder, kept.keys), kept.sizes);
      if (kept === undefined || keys === undefined) return undefined;
      for (const [index, kind] of KINDS.entries()) into[kind].addAll(keys[index] ?? new BigUint64Array(0));
      const { lines, ...facts } = kept.facts;
      // What JSON makes of empty lists of keys is no list any more.
      const { ids, references, targets, belongings } = emptyCensus();
      const census = { ...kept.census, ids, references, targets, belongings };
      return { file, facts: { ...facts, headers: createHeaders(lines) }, census };
    },
    put({ file, facts, census }, keys) {
      const name = `export-keys-${identityOf(file)}.bin`;
      writeKeys(
        join(folder, name),
        KINDS.map((kind) => keys[kind]),
      );
      const { headers, ...rest } = facts;
      const kept: KeptFile = {
        statusUrl,
        file: identityOf(file),
        facts: { ...rest, lines: linesOf(headers) },
        census,
        keys: name,
        sizes: KINDS.map((kind) => keys[kind].size),
      };
      appendFileSync(path, `${JSON.stringify(kept)}\n`, { mode: 0o600 });
    },
  };
}

/** The finished files of an export by their identity; undefined where there is no journal of it. */
function readJournal(path: string, statusUrl: string): ReadonlyMap<string, KeptFile> | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const known = new Map<string, KeptFile>();
  for (const line of text.split("\n")) {
    const kept = parse(line);
    if (kept?.statusUrl === statusUrl) known.set(kept.file, kept);
  }
  return known.size === 0 ? undefined : known;
}

/** A line of the journal; the last one may have been cut by a kill. */
function parse(line: string): KeptFile | undefined {
  try {
    return JSON.parse(line) as KeptFile;
  } catch {
    return undefined;
  }
}

function writeKeys(path: string, lists: readonly KeyList[]): void {
  const pieces = lists.map((list) => {
    const { buffer, byteOffset, byteLength } = list.view();
    return Buffer.from(buffer, byteOffset, byteLength);
  });
  writeFileSync(`${path}.tmp`, Buffer.concat(pieces), { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

function readKeys(path: string, sizes: readonly number[]): readonly Keys[] | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return undefined;
  }
  if (bytes.length !== sizes.reduce((sum, size) => sum + size, 0) * 8) return undefined;
  let at = 0;
  return sizes.map((size) => {
    const keys = new BigUint64Array(size);
    new Uint8Array(keys.buffer).set(bytes.subarray(at, at + size * 8));
    at += size * 8;
    return keys;
  });
}

/** Keys of one file, before they go to those of the export. */
export function keysOfFile(): Gathered {
  return {
    ids: createKeys(),
    references: createKeys(),
    targets: createKeys(),
    belongings: createKeys(),
    deleted: createKeys(),
  };
}

/** Adds the keys of a file to those of the export. */
export function addKeys(into: Gathered, more: Gathered): void {
  for (const kind of KINDS) into[kind].addAll(more[kind].view());
}
