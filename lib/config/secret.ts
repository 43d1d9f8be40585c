import { readFileSync, statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { ConfigurationError } from "./errors.ts";

/**
 * A secret in memory. It shows its label wherever it is printed, put into JSON or concatenated; only `reveal()`
 * hands out the value.
 */
export interface Secret {
  readonly label: string;
  reveal(): string;
  toString(): string;
  toJSON(): string;
}

/** Wraps a value so that it cannot be printed by accident. */
export function secretOf(label: string, value: string): Secret {
  const shown = `‹${label}›`;
  return Object.freeze({
    label,
    reveal: () => value,
    toString: () => shown,
    toJSON: () => shown,
    [Symbol.for("nodejs.util.inspect.custom")]: () => shown,
  });
}

/**
 * Resolves `${env:NAME}` or `${file:path}`.
 *
 * @param folder what a relative path is relative to
 * @throws ConfigurationError when the variable is missing or empty, or the file missing, empty or readable by others
 */
export function resolveSecret(
  reference: string,
  label: string,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
  place: { file: string; line: number | undefined; field: string },
): Secret {
  const match = /^\$\{(env|file):([^}]+)\}$/.exec(reference);
  if (match === null) {
    throw new ConfigurationError(
      "a secret stands here literally; give it as ${env:NAME} or ${file:path}",
      place,
    );
  }
  const [, kind, name = ""] = match;
  if (kind === "env") {
    const value = environment[name];
    if (value === undefined)
      throw new ConfigurationError(`the environment variable ${name} is not set`, place);
    if (value.trim() === "") throw new ConfigurationError(`the environment variable ${name} is empty`, place);
    return secretOf(label, value);
  }
  const path = isAbsolute(name) ? name : resolve(folder, name);
  let value: string;
  try {
    // Others on the machine could have taken a key that they can read: it is no longer a secret.
    if (process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0) {
      throw new ConfigurationError(
        `the file ${name} can be read by others; make it readable by its owner only (chmod 600)`,
        place,
      );
    }
    value = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw new ConfigurationError(
      code === "ENOENT" ? `the file ${name} does not exist` : `the file ${name} cannot be read (${code})`,
      place,
    );
  }
  if (value.trim() === "") throw new ConfigurationError(`the file ${name} is empty`, place);
  return secretOf(label, value.replace(/\r?\n$/, ""));
}
