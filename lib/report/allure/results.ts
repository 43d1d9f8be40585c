import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { knownIssueOf } from "../known-issues.ts";
import type { KnownIssue } from "../known-issues.ts";
import type { RunResults } from "../read.ts";
import { mapToAllure } from "./mapping.ts";
import type { MappedResult } from "./mapping.ts";

/** The folder of Allure results inside a results directory. */
export const ALLURE_RESULTS = "allure-results";

/** Makes the folder. What lies in it is evidence: only its owner may read it. */
export function makeAllureResults(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** Writes the files that a mapped result refers to; the result itself is the caller's. */
export function writeAttachments(folder: string, mapped: MappedResult): void {
  for (const { fileName, content } of mapped.files) {
    writeFileSync(join(folder, fileName), content, { mode: 0o600 });
  }
}

// Characters of exchanges in one page. Beyond the first bound only problems show theirs, beyond the second none do:
// a page of more than half a gigabyte cannot even be made.
const ROOM_FOR_ALL = 60_000_000;
const ROOM_FOR_PROBLEMS = 160_000_000;

/**
 * Makes Allure results from what a run recorded, without vitest. What the folder held before is removed: it may be of
 * an earlier run of the same output directory.
 *
 * @param from the results directory's content
 * @param folder where to write
 */
export function rebuildAllureResults(
  from: RunResults,
  folder: string,
  knownIssues: readonly KnownIssue[] = [],
): void {
  clearAllureResults(folder);
  makeAllureResults(folder);
  const titles = new Map(from.run.targets.map(({ api, title }) => [api, title]));
  let used = 0;
  for (const result of from.results) {
    const exchangesOf = used < ROOM_FOR_ALL ? "all" : used < ROOM_FOR_PROBLEMS ? "problems" : "none";
    const mapped = mapToAllure(result, {
      folder: from.folder,
      apiTitle: titles.get(result.api),
      knownIssue: knownIssueOf(result, knownIssues),
      exchangesOf,
    });
    used += mapped.files.reduce((sum, { content }) => sum + content.length, 0);
    writeAttachments(folder, mapped);
    writeFileSync(join(folder, `${mapped.test.uuid}-result.json`), JSON.stringify(mapped.test), {
      mode: 0o600,
    });
  }
}

/** Removes Allure's own files from a folder and leaves what else lies there. */
export function clearAllureResults(folder: string): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of names) {
    if (/-result\.json$|-container\.json$|-attachment(\.[^.]*)?$|^\.allure-write-/.test(name)) {
      rmSync(join(folder, name), { force: true });
    }
  }
}
