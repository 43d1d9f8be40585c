import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { list } from "tar";

/** One example of a guide package. */
export interface Example {
  readonly file: string;
  readonly text: string;
}

/**
 * The examples of an official package, from the archives in `FHIR_PACKAGES` or the FHIR package cache; undefined where
 * neither has it.
 */
export async function examplesOf(name: string, version: string): Promise<readonly Example[] | undefined> {
  const folder = process.env["FHIR_PACKAGES"];
  const archive = folder === undefined ? undefined : join(folder, `${name}-${version}.tgz`);
  if (archive !== undefined && existsSync(archive)) return readPackageText(archive, "package/example/");
  const cached = join(homedir(), ".fhir", "packages", `${name}#${version}`, "package", "example");
  if (!existsSync(cached) || !statSync(cached).isDirectory()) return undefined;
  return readdirSync(cached)
    .filter(isExample)
    .map((file) => ({ file, text: readFileSync(join(cached, file), "utf8") }));
}

/** `.index.json` and the like describe the folder. */
export function isExample(file: string): boolean {
  return file.endsWith(".json") && !file.startsWith(".");
}

/** The JSON files directly in a folder of a package archive, by name. */
async function readPackageText(archive: string, folder: string): Promise<readonly Example[]> {
  const found: Example[] = [];
  await list({
    file: archive,
    onReadEntry: (entry) => {
      const file = entry.path.slice(folder.length);
      if (!entry.path.startsWith(folder) || file.includes("/") || !isExample(file)) return;
      const chunks: Buffer[] = [];
      entry.on("data", (chunk: Buffer) => chunks.push(chunk));
      entry.on("end", () => found.push({ file, text: Buffer.concat(chunks).toString("utf8") }));
    },
  });
  return found.toSorted((one, other) => (one.file < other.file ? -1 : 1));
}
