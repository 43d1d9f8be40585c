import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NAME = "careconnect-conformance";

interface PackageFacts {
  /** Absolute path of the package's folder: the sources' or the installed one. */
  readonly root: string;
  readonly name: string;
  readonly version: string;
}

let known: PackageFacts | undefined;

/**
 * Finds this package's own folder by walking up from this module, so that data files are found both from the
 * sources and from `dist/`, wherever the package is installed.
 */
export function ownPackage(): PackageFacts {
  if (known !== undefined) return known;
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file)) {
      const { name, version } = JSON.parse(readFileSync(file, "utf8")) as { name: string; version: string };
      if (name === NAME) return (known = { root: folder, name, version });
    }
    if (dirname(folder) === folder) throw new Error(`no package.json of ${NAME} above ${import.meta.url}`);
  }
}
