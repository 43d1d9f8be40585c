/** What exports hold: downloaded and looked through once, asked by many. */
import { availableParallelism } from "node:os";
import type { ManifestFile } from "../../bulk/index.ts";
import { addCensus, emptyCensus, type Census } from "../../validator/files/census.ts";
import { keyAs, keyOf, typeOfKey } from "../../validator/files/keys.ts";
import { Blocked, type CheckContext, type Fact } from "../context.ts";
import { mainExport, teller, towardsItsEnd, type CompletedExport } from "./export.ts";
import { createGathered, fetchFile, openExaminer, type ExportedFile, type Gathered } from "./files.ts";
import { addKeys, keysOfFile, openFileJournal, type FileJournal } from "./journal.ts";
import { keepFile } from "./kept-files.ts";
import { bulkAccess, bulkSettings, exportDeadline, type Asker } from "./session.ts";

/** An export with all that its files hold. */
export interface ExportContent {
  readonly completed: CompletedExport;
  /** In the manifest's order. */
  readonly files: readonly ExportedFile[];
  /** Of the output files together. */
  readonly census: Census;
  /** Of the error files, of the files of deletions. */
  readonly messages: Census;
  readonly deletions: Census;
  readonly keys: Gathered;
  /** Whether every output file was read to its end. */
  readonly isWhole: boolean;
}

/** The main export's content, judged by US Core. */
export const mainContent: Fact<ExportContent> = {
  name: "exported data",
  explainedBy: "bulk-export.files-accessible",
  provide: async (context) => {
    const completed = await context.fact(mainExport);
    const journal = openFileJournal(context.kept, completed.statusUrl);
    const fetch = () => fetchContent(context, completed, { guide: guideOf(context), journal });
    return await towardsItsEnd(completed.started, fetch, ({ isWhole: isRead }) => isRead);
  },
};

/**
 * The content of another export, counted but not judged.
 *
 * @param only which files are fetched: `deleted`, or `output Patient`; absent: all
 */
export function contentOf(
  completed: Fact<CompletedExport>,
  asker?: Asker,
  only?: readonly string[],
): Fact<ExportContent> {
  return {
    name: `data of the ${completed.name}${only === undefined ? "" : `: ${only.join(", ")}`}`,
    explainedBy: "bulk-export.files-accessible",
    provide: async (context) =>
      await fetchContent(context, await context.fact(completed), {
        ...(asker === undefined ? {} : { asker }),
        ...(only === undefined ? {} : { only }),
      }),
  };
}

/** The guide whose profiles the target promises. */
export function guideOf(context: CheckContext): string {
  const { standards } = context.target;
  return ["us-core-6.1.0", "us-core-3.1.1"].find((guide) => standards.includes(guide)) ?? "us-core-6.1.0";
}

/** A file whose turn did not come within the time limit. */
const NOT_REACHED: Omit<ExportedFile, "file"> = {
  facts: {
    status: 0,
    headers: undefined,
    exchange: undefined,
    bytes: 0,
    digest: "",
    continued: 0,
    restarted: 0,
    problem: { kind: "out-of-time" },
  },
  census: emptyCensus(),
};

/** More threads than this would wait for the network. */
const MOST_THREADS = 4;
const RETRY_PAUSE_MS = 500;

interface ContentWish {
  /** Whose profiles resources are judged by; absent: they are only counted. */
  readonly guide?: string;
  readonly asker?: Asker;
  readonly only?: readonly string[];
  /** Where finished files are written down. */
  readonly journal?: FileJournal | undefined;
}

async function fetchContent(
  context: CheckContext,
  completed: CompletedExport,
  { guide, asker = {}, journal, only }: ContentWish,
): Promise<ExportContent> {
  const { manifest } = completed;
  if (manifest === undefined) {
    throw new Blocked("the status of the finished export holds no manifest", "bulk-export.manifest-schema");
  }
  const settings = bulkSettings(context);
  const aside = context.aside();
  const access = bulkAccess(aside, asker);
  const keys = createGathered();
  const threads = guide === undefined ? 0 : Math.min(availableParallelism(), MOST_THREADS);
  const announced = manifest.files.reduce((sum, { count = 0 }) => sum + count, 0);
  const examiner = openExaminer(context.target.base, guide, threads, announced);
  const deadline = await exportDeadline(context);
  const progress = createProgress(context, manifest.files.length);
  const found = new Map<ManifestFile, ExportedFile>();
  const wanted = manifest.files.filter(
    ({ kind, type }) => only === undefined || only.includes(kind) || only.includes(`${kind} ${type}`),
  );
  const waiting = wanted.values();
  const lane = async (): Promise<void> => {
    for (const file of waiting) {
      // Of the rest, however many there are, nothing more is asked.
      if (Date.now() >= deadline) return;
      const options = {
        access,
        allowedOrigins: settings.fileOrigins,
        withToken: manifest.requiresAccessToken !== false,
        deadline,
        retryPauseMs: Math.min(RETRY_PAUSE_MS, settings.pollSeconds * 1000),
        maxLineBytes: settings.maxLineBytes,
        examiner,
        onProgress: progress.add,
      };
      const before = journal?.take(file, keys);
      if (before === undefined) {
        const own = keysOfFile();
        // Of the export that is looked through as a whole; others are parts of it.
        const kept = guide === undefined ? undefined : await keepFile(context.kept.folder, settings, file);
        const exported = await fetchFile(
          file,
          kept === undefined ? options : { ...options, keep: (bytes) => kept.write(bytes) },
          own,
        );
        await kept?.end();
        if (exported.facts.problem === undefined) journal?.put(exported, own);
        addKeys(keys, own);
        found.set(file, exported);
      } else found.set(file, before);
      progress.fileDone();
    }
  };
  try {
    await Promise.all(Array.from({ length: settings.parallelDownloads }, lane));
  } finally {
    await examiner.close();
  }
  const files = wanted.map((file) => found.get(file) ?? { ...NOT_REACHED, file });
  const [first] = files;
  if (first?.facts.exchange !== undefined) context.cite(first.facts.exchange);
  return { completed, files, ...summed(files), keys: settled(keys), isWhole: isWhole(files) };
}

function isWhole(files: readonly ExportedFile[]): boolean {
  return files.every(({ file, facts }) => file.kind !== "output" || facts.problem === undefined);
}

function settled(keys: Gathered): Gathered {
  keys.ids.settle("all");
  keys.references.settle("unique");
  keys.targets.settle("unique");
  keys.belongings.settle("all");
  keys.deleted.settle("unique");
  return keys;
}

function summed(files: readonly ExportedFile[]) {
  const sums = { output: emptyCensus(), error: emptyCensus(), deleted: emptyCensus() };
  for (const { file, census } of files) addCensus(sums[file.kind], census);
  return { census: sums.output, messages: sums.error, deletions: sums.deleted };
}

function createProgress(context: CheckContext, files: number) {
  const tell = teller(context, "downloading the export");
  const begun = Date.now();
  let bytes = 0;
  let resources = 0;
  let done = 0;
  return {
    fileDone: () => void (done += 1),
    add: (moreBytes: number, moreResources: number) => {
      bytes += moreBytes;
      resources += moreResources;
      const speed = bytes / 1e6 / Math.max(0.001, (Date.now() - begun) / 1000);
      tell(`${done} of ${files} files, ${resources} resources, ${speed.toFixed(1)} MB/s`);
    },
  };
}

/** Whether an export holds a resource. */
export function holds({ keys }: ExportContent, type: string, id: string): boolean {
  return keys.ids.count(keyOf(type, id)) > 0;
}

/** How many resources of a type belong to a patient. */
export function countOf({ keys }: ExportContent, patient: string, type: string): number {
  return keys.belongings.count(keyAs(keyOf("Patient", patient), type));
}

/** Resources that are there more than once, by type. */
export function duplicates({ keys }: ExportContent): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const all = keys.ids.view();
  for (let at = 1; at < all.length; at += 1) {
    const key = all[at] ?? 0n;
    if (key !== all[at - 1]) continue;
    const type = typeOfKey(key) ?? "unknown";
    found.set(type, (found.get(type) ?? 0) + 1);
  }
  return found;
}

/** References to resources that the export does not hold, by type. */
export function unresolved({ keys }: ExportContent): ReadonlyMap<string, number> {
  return missing(keys.references.view(), keys.ids.view());
}

/** What Provenance resources are about that the export does not hold, by type. */
export function unresolvedTargets({ keys }: ExportContent): ReadonlyMap<string, number> {
  return missing(keys.targets.view(), keys.ids.view());
}

/** Types of the resources that belong to patients whom the export does not hold, with their number. */
export function ofOtherPatients({ keys }: ExportContent): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const key of keys.belongings.view()) {
    if (keys.ids.count(keyAs(key, "Patient")) > 0) continue;
    const type = typeOfKey(key) ?? "unknown";
    found.set(type, (found.get(type) ?? 0) + 1);
  }
  return found;
}

/** Types of the resources that an export says were deleted. */
export function deletedTypes({ keys }: ExportContent): ReadonlySet<string> {
  return new Set([...keys.deleted.view()].flatMap((key) => typeOfKey(key) ?? []));
}

/** Deleted resources that are exported all the same, by type. */
export function deletedButExported({ keys }: ExportContent): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const key of keys.deleted.view()) {
    if (keys.ids.count(key) === 0) continue;
    const type = typeOfKey(key) ?? "unknown";
    found.set(type, (found.get(type) ?? 0) + 1);
  }
  return found;
}

/** Members of one sorted list that are not in another, by type. Both are walked through once. */
function missing(wanted: BigUint64Array, there: BigUint64Array): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  let at = 0;
  for (const key of wanted) {
    while (at < there.length && (there[at] ?? 0n) < key) at += 1;
    if (there[at] === key) continue;
    const type = typeOfKey(key) ?? "unknown";
    found.set(type, (found.get(type) ?? 0) + 1);
  }
  return found;
}
