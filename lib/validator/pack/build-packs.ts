import { join } from "node:path";
import { builtInGuides, compileGuide, compileR4 } from "./build.ts";
import { PackError } from "./errors.ts";
import { builtInFolder, findArchive } from "./locate.ts";
import { writePack } from "./write.ts";

/** Compiles all built-in packs and writes them below `profiles/`. */
export async function buildPacks(): Promise<readonly string[]> {
  const written: string[] = [];
  const r4 = compileR4();
  const write = (name: string, files: ReadonlyMap<string, string>) => {
    writePack(join(builtInFolder(), name), files);
    const bytes = [...files.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    written.push(`${name}: ${files.size} files, ${bytes} bytes`);
  };
  write("fhir-r4-4.0.1", r4.files);
  written.push(`undone in its source: ${r4.changes.join("; ")}`);
  for (const guide of builtInGuides) {
    const archive = findArchive(guide.id, guide.version);
    if (archive === undefined) {
      throw new PackError(
        "not-found",
        `${guide.id}-${guide.version}.tgz`,
        "name the folder it is in by FHIR_PACKAGES",
      );
    }
    write(`${guide.pack}-${guide.version}`, await compileGuide(archive, guide, r4.compiled));
  }
  return written;
}
