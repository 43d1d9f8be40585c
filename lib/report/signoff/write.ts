import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { JWK } from "jose";
import { signoffPage } from "./html.ts";
import { signoffMarkdown } from "./markdown.ts";
import type { Signoff } from "./model.ts";
import { PAGE_FILE, signStatement, STATEMENT_FILE, stateOf, withStatement } from "./statement.ts";

/**
 * Writes a sign-off as a folder that stands for itself: the report in three forms, and copies of the results, the
 * evidence and the configuration that it rests on.
 *
 * @param folder does not exist yet, or is empty
 * @param results the results directory
 * @param configuration files by the name they get in the folder; they refer to secrets and hold none
 * @param key signs the statement; absent: nobody can prove later that nothing was changed
 * @returns the files that people open
 */
export async function writeSignoff(
  signoff: Signoff,
  folder: string,
  results: string,
  configuration: ReadonlyMap<string, string>,
  key: (JWK & { readonly kid: string }) | undefined,
): Promise<readonly string[]> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const evidence = join(results, "evidence");
  const names = existsSync(evidence) ? readdirSync(evidence, { withFileTypes: true }) : [];
  const files = names.filter((one) => one.isFile()).map(({ name }) => `evidence/${name}`);
  for (const name of ["run.json", "results.ndjson", ...files]) copy(join(results, name), join(folder, name));
  for (const [name, path] of configuration) if (existsSync(path)) copy(path, join(folder, name));
  const page = signoffPage(signoff);
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const reports = [
    write(PAGE_FILE, page),
    write("signoff.md", signoffMarkdown(signoff)),
    write("signoff.json", `${JSON.stringify(signoff, null, 1)}\n`),
  ];
  if (key === undefined) return reports;
  const statement = await signStatement(stateOf(signoff, folder), key);
  write(PAGE_FILE, withStatement(page, statement));
  return [...reports, write(STATEMENT_FILE, statement)];
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  copyFileSync(from, to);
  chmodSync(to, 0o600);
}

/**
 * Names of the configuration files that are not what they were in a run.
 *
 * @param digests of the run, by name
 * @param files present ones, by name
 */
export function changedConfiguration(
  digests: Readonly<Record<string, string>>,
  files: ReadonlyMap<string, string>,
): readonly string[] {
  const present = new Map(
    [...files]
      .filter(([, path]) => existsSync(path))
      .map(([name, path]) => [
        name,
        `sha256:${createHash("sha256").update(readFileSync(path)).digest("hex")}`,
      ]),
  );
  const recorded = Object.keys(digests).filter((name) => name.startsWith("config/"));
  return [...new Set([...recorded, ...present.keys()])].filter((name) => present.get(name) !== digests[name]);
}
