import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exchangeReader } from "../evidence.ts";
import { knownIssueOf } from "../known-issues.ts";
import type { KnownIssue } from "../known-issues.ts";
import type { RunResults } from "../read.ts";
import { isProblem, mapToAllure } from "./mapping.ts";
import type { MappedResult } from "./mapping.ts";

/** The folder of Allure results inside a results directory. */
export const ALLURE_RESULTS = "allure-results";

/** Makes the folder. What lies in it is evidence: only its owner may read it. */
export function makeAllureResults(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** Writes a mapped result; its attachments first, so that a result that is there is whole. */
export function writeMapped(folder: string, { test, files }: MappedResult): void {
  for (const { fileName, content } of files) writeFileSync(join(folder, fileName), content, { mode: 0o600 });
  const file = join(folder, resultFileName(test.uuid));
  writeFileSync(`${file}.tmp`, JSON.stringify(test), { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

/** The name by which Allure knows a test result. */
export function resultFileName(uuid: string): string {
  return `${uuid}-result.json`;
}

/**
 * How much of the exchanges one page shows, so that it can be opened, and made at all: the more of them there are, the
 * less of each body. Everything stays in the evidence folder.
 *
 * [up to so many characters of exchanges, characters of a body]
 */
const ROOM_FOR_PROBLEMS: readonly (readonly [number, number])[] = [
  [4_000_000, 64_000],
  [8_000_000, 8_000],
  [12_000_000, 1_000],
];
const ROOM_FOR_OTHERS: readonly (readonly [number, number])[] = [[4_000_000, 2_000]];

function bodyLimitAfter(used: number, room: readonly (readonly [number, number])[]): number {
  return room.find(([upTo]) => used < upTo)?.[1] ?? 0;
}

/**
 * Maps all verdicts of a run, from what was recorded and without vitest.
 *
 * @param from the results directory's content
 */
export function mapResults(from: RunResults, knownIssues: readonly KnownIssue[]): MappedResult[] {
  const titles = new Map(from.run.targets.map(({ api, title }) => [api, title]));
  const exchanges = exchangeReader(from.folder);
  let usedByProblems = 0;
  let usedByOthers = 0;
  return from.results.map((result) => {
    const problem = isProblem(result);
    const mapped = mapToAllure(result, {
      readExchange: exchanges,
      apiTitle: titles.get(result.api),
      knownIssue: knownIssueOf(result, knownIssues),
      bodyLimit: problem
        ? bodyLimitAfter(usedByProblems, ROOM_FOR_PROBLEMS)
        : bodyLimitAfter(usedByOthers, ROOM_FOR_OTHERS),
    });
    const size = mapped.files.reduce((sum, { content }) => sum + content.length, 0);
    if (problem) usedByProblems += size;
    else usedByOthers += size;
    return mapped;
  });
}

/**
 * Brings a folder of Allure results into line: what is missing is written, what belongs to no verdict of this run (an
 * earlier run of the same output directory) is removed. What the reporter wrote while the run went on stays.
 */
export function completeAllureResults(folder: string, mapped: readonly MappedResult[]): void {
  makeAllureResults(folder);
  const present = new Set(readdirSync(folder));
  const wanted = new Set(
    mapped.flatMap(({ test, files }) => [
      resultFileName(test.uuid),
      ...files.map(({ fileName }) => fileName),
    ]),
  );
  for (const name of present) {
    if (isAllureFile(name) && !wanted.has(name)) rmSync(join(folder, name), { force: true });
  }
  for (const one of mapped) {
    if (!present.has(resultFileName(one.test.uuid))) writeMapped(folder, one);
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
  for (const name of names) if (isAllureFile(name)) rmSync(join(folder, name), { force: true });
}

function isAllureFile(name: string): boolean {
  return /-result\.json(\.tmp)?$|-container\.json$|-attachment(\.[^.]*)?$|^\.allure-write-/.test(name);
}
