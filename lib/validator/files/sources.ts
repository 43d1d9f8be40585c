import { opendir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { ConfigurationError } from "../../config/configuration-error.ts";

/** Something to read: one JSON document, one NDJSON stream, or one of which only its beginning tells. */
export interface Source {
  /** As the user named it; `-` is standard input. */
  readonly name: string;
  readonly form: "json" | "ndjson" | "either";
  /** `undefined` for standard input and pipes. */
  readonly bytes: number | undefined;
}

export interface FoundSources {
  readonly sources: readonly Source[];
  /** Files of directories that are no JSON by their name, by extension. */
  readonly passedOver: ReadonlyMap<string, number>;
}

const NDJSON = new Set([".ndjson", ".jsonl"]);
/** Forms of FHIR that are not judged. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  ".xml": "XML is not judged; give JSON or NDJSON",
  ".ttl": "Turtle is not judged; give JSON or NDJSON",
  ".gz": "compressed files are not judged; unpack them first",
  ".tgz": "a package is no resource; give it with --ig, or unpack it and name its folder",
  ".zip": "archives are not judged; unpack them first",
};
/** Files that packages have beside their resources. */
const NOT_RESOURCES = new Set(["package.json", "package-lock.json"]);

/** In place of an extension: links to directories or to nothing, sockets and the like. */
export const LINK = "that are links or no plain files";

function formOf(path: string): Source["form"] | undefined {
  const extension = extname(path).toLowerCase();
  if (extension === ".json") return "json";
  return NDJSON.has(extension) ? "ndjson" : undefined;
}

async function walk(folder: string, found: Source[], passedOver: Map<string, number>): Promise<void> {
  const entries = [];
  for await (const entry of await opendir(folder)) entries.push(entry);
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await walk(path, found, passedOver);
      continue;
    }
    if (NOT_RESOURCES.has(entry.name)) continue;
    // A link to a file is that file; a link to a directory could lead in a circle.
    const status = await stat(path).catch(() => undefined);
    const form = formOf(path);
    if (form === undefined || status?.isFile() !== true) {
      const kind = status?.isFile() === true ? extname(path).toLowerCase() : LINK;
      passedOver.set(kind, (passedOver.get(kind) ?? 0) + 1);
    } else found.push({ name: path, form, bytes: status.size });
  }
}

/**
 * What the paths of a command mean: files as they are, directories with all their `*.json` and `*.ndjson` (hidden
 * files, `package.json` and links to directories apart), `-` for standard input.
 *
 * @throws ConfigurationError for a path that cannot be judged.
 */
export async function findSources(paths: readonly string[]): Promise<FoundSources> {
  const sources: Source[] = [];
  const passedOver = new Map<string, number>();
  for (const path of paths) {
    if (path === "-") {
      sources.push({ name: "-", form: "either", bytes: undefined });
      continue;
    }
    const status = await stat(path).catch(() => undefined);
    if (status === undefined) throw new ConfigurationError("no such file or directory", { file: path });
    if (status.isDirectory()) {
      const before = sources.length;
      await walk(path, sources, passedOver);
      if (sources.length === before) {
        throw new ConfigurationError("no *.json or *.ndjson in this directory", { file: path });
      }
      continue;
    }
    const unsupported = UNSUPPORTED[extname(path).toLowerCase()];
    if (unsupported !== undefined) throw new ConfigurationError(unsupported, { file: path });
    sources.push({
      name: path,
      form: formOf(path) ?? "either",
      bytes: status.isFile() ? status.size : undefined,
    });
  }
  if (sources.filter(({ name }) => name === "-").length > 1) {
    throw new ConfigurationError("standard input (-) can be read once only");
  }
  return { sources, passedOver };
}
