import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ConfigurationError } from "../config/errors.ts";

/** What an earlier run of the same output directory left, apart from its history. */
const REPLACED = ["results.ndjson", "run.json", "evidence", "allure-results", "state"];
const LOCK = ".run.lock";

/** A results directory that one run has for itself. */
export interface ResultsFolder {
  /** Absolute path. */
  readonly path: string;
  /** Lets the next run have it. */
  readonly release: () => void;
}

/**
 * Makes a directory, with those above it. (`mkdirSync` with `recursive` never comes back below `/proc`.)
 *
 * @param shown the directory as the user gave it, for the message
 * @throws ConfigurationError where it cannot be made or is something else
 */
export function makeFolder(path: string, shown: string): void {
  try {
    makeBelow(resolve(path));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigurationError(`--out ${shown}: cannot be used as a directory (${code})`);
  }
}

function makeBelow(path: string): void {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) throw Object.assign(new Error(path), { code: "ENOTDIR" });
    return;
  }
  makeBelow(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another run that starts at the same time may have been faster.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/**
 * Takes a directory for a run and clears what an earlier run left, except for its history.
 *
 * @throws ConfigurationError when it cannot be written, is at use, or holds files of the same names that no run made
 */
export function takeResultsFolder(out: string): ResultsFolder {
  const path = resolve(out);
  makeFolder(path, out);
  const foreign = existsSync(join(path, "run.json"))
    ? undefined
    : REPLACED.find((name) => existsSync(join(path, name)));
  if (foreign !== undefined) {
    throw new ConfigurationError(
      `--out ${out}: holds "${foreign}" but no run.json, so no run made it; give another directory, or empty it`,
    );
  }
  const folder = lockResultsFolder(out);
  for (const name of REPLACED) rmSync(join(path, name), { recursive: true, force: true });
  return folder;
}

/**
 * Takes a directory for a run that goes on: all that lies in it stays.
 *
 * @throws ConfigurationError when it cannot be written, or is at use
 */
export function lockResultsFolder(out: string): ResultsFolder {
  const path = resolve(out);
  const lock = join(path, LOCK);
  takeLock(lock, out);
  return { path, release: () => rmSync(lock, { force: true }) };
}

function takeLock(lock: string, out: string): void {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx", mode: 0o600 });
    return;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST") throw new ConfigurationError(`--out ${out}: cannot be written (${code})`);
  }
  const owner = Number(readFileSync(lock, "utf8"));
  if (owner !== process.pid && isAlive(owner)) {
    throw new ConfigurationError(
      `--out ${out}: another run (process ${owner}) is writing there; wait for it, or give another directory`,
    );
  }
  // A run that was killed could not take its lock away.
  writeFileSync(lock, String(process.pid), { mode: 0o600 });
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
