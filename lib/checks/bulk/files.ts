/** Downloads of an export, straight into a census of their lines. */
import { downloadFile, type BulkAccess, type DownloadFacts, type ManifestFile } from "../../bulk/index.ts";
import { addCensus, emptyCensus, type Census } from "../../validator/files/census.ts";
import { createExaminer } from "../../validator/files/examine.ts";
import type { Pool } from "../../validator/files/pool.ts";
import { createKeys, type KeyList } from "../../validator/files/keys.ts";
import { lineChunks } from "../../validator/files/line-chunks.ts";
import { openJudgeOptions } from "../../validator/files/settings.ts";

/** A file of an export after it was downloaded and looked through. */
export interface ExportedFile {
  readonly file: ManifestFile;
  readonly facts: DownloadFacts;
  /** Without its keys, which are gathered for the export as a whole. */
  readonly census: Census;
}

/** What all files of an export hold together. */
export interface Gathered {
  readonly ids: KeyList;
  readonly references: KeyList;
  readonly targets: KeyList;
  readonly belongings: KeyList;
  /** What Bundles of deletions name. */
  readonly deleted: KeyList;
}

/** Where lines are looked through: on this thread while there are few, in others when there are many. */
export interface Examiner {
  examine(
    lines: { readonly firstLine: number; readonly bytes: Uint8Array<ArrayBuffer> },
    type: string,
  ): Promise<{ readonly census: Promise<Census> }>;
  close(): Promise<void>;
}

const CHUNK_BYTES = 256 * 1024;
/** Less than this does not repay the start of threads. */
const WORTH_THREADS = 12 * 1024 * 1024;
const WORTH_THREADS_RESOURCES = 10_000;
/** Pieces of one file that wait for a thread. */
const MOST_AHEAD = 4;

/**
 * @param guide whose profiles resources are judged by; undefined: they are only counted
 * @param threads how many may be started when there is much to judge; 0: none
 * @param announced how many resources there are, as far as it is known
 */
export function openExaminer(
  base: string,
  guide: string | undefined,
  threads: number,
  announced: number,
): Examiner {
  let here: Promise<ReturnType<typeof createExaminer>> | undefined;
  let pool: Promise<Pool> | undefined;
  // Definitions that this thread has loaded stay in memory: with much to come they are left to the others.
  let done = announced > WORTH_THREADS_RESOURCES ? WORTH_THREADS : 0;
  const settings = {
    guide,
    profiles: [],
    print: { format: "json", warnings: false, maxFindings: 0 },
  } as const;
  const local = async () => {
    if (guide === undefined) return createExaminer();
    return createExaminer({ ...(await openJudgeOptions(settings)), guideProfiles: true });
  };
  const openThreads = async () => {
    const { openPool } = await import("../../validator/files/pool.ts");
    return openPool(threads, settings);
  };
  return {
    async examine({ firstLine, bytes }, type) {
      done += bytes.length;
      const census = { base, type };
      if (guide !== undefined && threads > 0 && (pool !== undefined || done > WORTH_THREADS)) {
        pool ??= openThreads();
        const unit = { kind: "lines", source: "", firstLine, bytes, census } as const;
        const { answer } = await (await pool).submit(unit);
        return { census: answer.then((one) => one.census ?? emptyCensus()) };
      }
      here ??= local();
      return { census: Promise.resolve((await here)({ firstLine, bytes }, census)) };
    },
    async close() {
      await (await pool)?.close();
    },
  };
}

export function createGathered(): Gathered {
  const [ids, references, targets, belongings, deleted] = Array.from({ length: 5 }, createKeys) as [
    KeyList,
    KeyList,
    KeyList,
    KeyList,
    KeyList,
  ];
  return { ids, references, targets, belongings, deleted };
}

/** Adds the keys of a file's lines to those of the export. */
export function gather(into: Gathered, kind: ManifestFile["kind"], census: Census): void {
  if (kind === "deleted") into.deleted.addAll(census.targets);
  if (kind !== "output") return;
  into.ids.addAll(census.ids);
  into.references.addAll(census.references);
  into.targets.addAll(census.targets);
  into.belongings.addAll(census.belongings);
}

export interface FetchOptions {
  readonly access: BulkAccess;
  readonly allowedOrigins: readonly string[];
  readonly withToken: boolean;
  readonly deadline: number;
  readonly retryPauseMs: number;
  readonly maxLineBytes: number;
  readonly examiner: Examiner;
  /** Told of each piece: bytes and resources. */
  readonly onProgress?: (bytes: number, resources: number) => void;
  /** Gets the decoded bytes too, to keep them. */
  readonly keep?: (bytes: Uint8Array) => Promise<void>;
}

/** Downloads one file and looks through its lines, in memory that does not grow with it. */
export async function fetchFile(
  file: ManifestFile,
  options: FetchOptions,
  gathered: Gathered,
): Promise<ExportedFile> {
  const { access, examiner, maxLineBytes, keep } = options;
  const download = downloadFile(access, {
    url: file.url ?? "",
    allowedOrigins: options.allowedOrigins,
    withToken: options.withToken,
    deadline: options.deadline,
    retryPauseMs: options.retryPauseMs,
    compressed: true,
    purpose: `file of the export: ${file.kind} ${/^[A-Za-z]{1,64}$/.test(file.type) ? file.type : "of no type"}`,
  });
  const sum = emptyCensus();
  const ahead: Promise<Census>[] = [];
  const take = async (): Promise<void> => {
    const census = await ahead.shift();
    if (census === undefined) return;
    gather(gathered, file.kind, census);
    addCensus(sum, census);
    options.onProgress?.(0, census.resources);
  };
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of download.body) {
      await keep?.(piece);
      options.onProgress?.(piece.length, 0);
      yield piece;
    }
  };
  for await (const chunk of lineChunks(bytes(), { maxLineBytes, chunkBytes: CHUNK_BYTES })) {
    if (chunk.kind === "overlong") {
      sum.lines += 1;
      const known = sum.defects["too-long"];
      if (known === undefined) sum.defects["too-long"] = { count: 1, line: chunk.line };
      else known.count += 1;
      continue;
    }
    const { census } = await examiner.examine(chunk, file.type);
    ahead.push(census);
    // A failure is seen where the piece is taken.
    census.catch(() => undefined);
    while (ahead.length > MOST_AHEAD) await take();
  }
  while (ahead.length > 0) await take();
  const facts = download.facts();
  // A line that ends where the download broke was not written so.
  if (facts.problem !== undefined) delete sum.defects.cut;
  return { file, facts, census: sum };
}
