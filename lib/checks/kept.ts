import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a target's checks keep beyond the process, so that a run can be resumed. Never secrets. */
export interface KeptState {
  /** Folder for what is more than a small document; undefined where nothing is kept. Made when first used. */
  readonly folder: string | undefined;
  /**
   * The value last written under a name; undefined where there is none or it cannot be read.
   *
   * @param name letters, digits and hyphens
   */
  read(name: string): unknown;
  /** Writes a JSON value in one step: a kill leaves the value before or this one. */
  write(name: string, value: unknown): void;
}

/** Where nothing outlives the process. */
export const NOTHING_KEPT: KeptState = {
  folder: undefined,
  read: () => undefined,
  write: () => undefined,
};

/**
 * Keeps state in a folder, readable by its owner alone.
 *
 * @param folder is made when something is first written
 */
export function keepIn(folder: string): KeptState {
  const fileOf = (name: string) => {
    if (!/^[A-Za-z0-9-]+$/.test(name)) throw new Error(`"${name}" cannot name kept state`);
    return join(folder, `${name}.json`);
  };
  return {
    get folder() {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      return folder;
    },
    read(name) {
      try {
        return JSON.parse(readFileSync(fileOf(name), "utf8")) as unknown;
      } catch (error) {
        if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT")
          return undefined;
        throw error;
      }
    },
    write(name, value) {
      const file = fileOf(name);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(`${file}.tmp`, `${JSON.stringify(value)}\n`, { mode: 0o600 });
      renameSync(`${file}.tmp`, file);
    },
  };
}
