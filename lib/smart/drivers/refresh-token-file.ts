import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { SmartError } from "../errors.ts";

/** A refresh token that outlives a run: read from a file, and replaced there when the server rotates it. */
export interface RefreshTokenFile {
  /** The one that is good now. */
  current(): string;
  /** Stores the one that takes its place, before the old one is forgotten. */
  replace(token: string): void;
}

/**
 * Opens the file of a refresh token.
 *
 * @throws SmartError `needs-person` when there is none yet, `not-configured` when others could read it
 */
export function openRefreshTokenFile(path: string, shown: string): RefreshTokenFile {
  const read = () => {
    let mode: number;
    let text: string;
    try {
      ({ mode } = statSync(path));
      text = readFileSync(path, "utf8").trim();
    } catch (cause) {
      const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
      const problem = missing ? "does not exist" : "cannot be read";
      throw new SmartError(
        "needs-person",
        `the refresh token file ${shown} ${problem}: log in once by hand and store the refresh token there (mode 600)`,
      );
    }
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new SmartError(
        "not-configured",
        `the refresh token file ${shown} can be read by others: chmod 600`,
      );
    }
    if (text === "") throw new SmartError("needs-person", `the refresh token file ${shown} is empty`);
    return text;
  };
  return {
    current: read,
    replace(token) {
      // Written beside, flushed, then renamed: whenever the machine stops, one whole token is there.
      const beside = `${path}.${randomBytes(6).toString("hex")}`;
      try {
        const file = openSync(beside, "wx", 0o600);
        try {
          writeSync(file, `${token}\n`);
          fsyncSync(file);
        } finally {
          closeSync(file);
        }
        chmodSync(beside, 0o600);
        renameSync(beside, path);
      } catch (cause) {
        rmSync(beside, { force: true });
        const code = (cause as NodeJS.ErrnoException).code ?? "error";
        throw new SmartError(
          "not-configured",
          `the new refresh token could not be stored in ${shown} (${code})`,
        );
      }
    },
  };
}
