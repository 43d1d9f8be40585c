import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PackError } from "./errors.ts";

/** The folder of this package's package.json, from the TypeScript source as from the compiled one. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    if (existsSync(join(folder, "package.json"))) return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new PackError("not-found", "package.json", "no package folder found");
    folder = parent;
  }
}

/** Folder of the compiled packs that come with this package. */
export function builtInFolder(): string {
  return join(packageRoot(), "profiles");
}

/** The FHIR package cache: env `FHIR_PACKAGE_CACHE`, else `~/.fhir/packages`. */
export function packageCache(): string {
  return process.env["FHIR_PACKAGE_CACHE"] ?? join(homedir(), ".fhir", "packages");
}

/**
 * An official package archive on this machine: in the folder that env `FHIR_PACKAGES` names, as `id-version.tgz`
 * or `id#version.tgz`; undefined where there is none.
 */
export function findArchive(id: string, version: string): string | undefined {
  const folders = [process.env["FHIR_PACKAGES"], packageCache()].filter((folder) => folder !== undefined);
  for (const folder of folders) {
    for (const name of [`${id}-${version}.tgz`, `${id}#${version}.tgz`]) {
      const file = join(folder, name);
      if (existsSync(file)) return file;
    }
  }
  return undefined;
}

/**
 * An official package on this machine, to be read by `readPackage`: its archive (see `findArchive`), else its
 * unpacked folder in the FHIR package cache; undefined where there is neither.
 */
export function findPackage(id: string, version: string): string | undefined {
  const folder = join(packageCache(), `${id}#${version}`);
  return findArchive(id, version) ?? (existsSync(folder) ? folder : undefined);
}
