import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { createGunzip } from "node:zlib";
import { Parser } from "tar";
import { PackError } from "./errors.ts";
import { isRawObject, RawReader, type RawObject } from "./raw.ts";

/** A FHIR package as read: its package.json and the conformance resources in its `package` folder. */
export interface FhirPackage {
  readonly name: string;
  readonly version: string;
  readonly fhirVersions: readonly string[];
  /** Package id → version, as written in package.json. */
  readonly dependencies: Readonly<Record<string, string>>;
  /** SHA-256 of the archive; absent for a folder. */
  readonly sha256?: string;
  readonly resources: readonly { readonly file: string; readonly resource: RawObject }[];
}

/** How much of a package is read before it is refused. Sizes are bytes of unpacked content. */
export interface PackageLimits {
  readonly archiveBytes: number;
  readonly totalBytes: number;
  readonly fileBytes: number;
  readonly files: number;
}

/** Ample for the largest packages in use (hl7.terminology unpacks to some 300 MB). */
export const packageLimits: PackageLimits = {
  archiveBytes: 200_000_000,
  totalBytes: 1_500_000_000,
  fileBytes: 100_000_000,
  files: 100_000,
};

/** Resource types that validation needs. */
export const validationTypes: readonly string[] = ["StructureDefinition", "ValueSet", "CodeSystem"];

/** What stands directly in the package folder; examples, pages and schemas do not concern a validator. */
const memberPath = /^package\/([^/]+\.json)$/;

/** File names tell the type in almost all packages: those of other types need not be parsed. */
const otherTypes = /^(?:ImplementationGuide|NamingSystem|ConceptMap|StructureMap|Questionnaire|Bundle)-/;

/**
 * Reads a FHIR package archive (gzipped tar). Nothing is written to disk, so that no path in it can matter.
 * `types`: the resource types to keep. Throws PackError: `not-found`, `bad-archive`, `too-large`, `bad-definition`.
 */
export async function readPackageArchive(
  file: string,
  types: readonly string[] = validationTypes,
  limits: PackageLimits = packageLimits,
): Promise<FhirPackage> {
  const info = await stat(file).catch(() => undefined);
  if (!info?.isFile()) throw new PackError("not-found", file, "no such archive");
  if (info.size > limits.archiveBytes) {
    throw new PackError("too-large", file, `${info.size} bytes, at most ${limits.archiveBytes} are read`);
  }
  const hash = createHash("sha256");
  const members = new Map<string, Buffer>();
  let files = 0;
  let failure: PackError | undefined;
  const parser = new Parser({ strict: true });
  parser.on("error", (cause: unknown) => {
    failure ??= new PackError("bad-archive", file, "is no well-formed tar archive", { cause });
  });
  parser.on("entry", (entry) => {
    files += 1;
    const name = memberPath.exec(entry.path)?.[1];
    if (files > limits.files) failure ??= new PackError("too-large", file, `more than ${limits.files} files`);
    if (entry.size > limits.fileBytes) {
      failure ??= new PackError("too-large", file, `"${entry.path}" has ${entry.size} bytes`);
    }
    if (failure || name === undefined || entry.type !== "File" || otherTypes.test(name)) {
      entry.resume();
      return;
    }
    const chunks: Buffer[] = [];
    entry.on("data", (chunk: Buffer) => chunks.push(chunk));
    entry.on("end", () => members.set(name, Buffer.concat(chunks)));
  });
  const source = createReadStream(file);
  source.on("data", (chunk) => hash.update(chunk));
  const unzipped = source.pipe(createGunzip());
  source.on("error", (cause) => unzipped.destroy(cause));
  let total = 0;
  try {
    for await (const chunk of unzipped as AsyncIterable<Buffer>) {
      total += chunk.length;
      if (total > limits.totalBytes) {
        failure ??= new PackError("too-large", file, `unpacks to more than ${limits.totalBytes} bytes`);
      }
      if (failure) break;
      if (!parser.write(chunk)) await new Promise<void>((resolve) => void parser.once("drain", resolve));
    }
  } catch (cause) {
    throw new PackError("bad-archive", file, "is no gzipped archive, or is damaged", { cause });
  } finally {
    source.destroy();
  }
  if (failure) throw failure;
  await new Promise<void>((resolve) => {
    parser.once("close", resolve);
    parser.once("error", () => resolve());
    parser.end();
  });
  // Set by the listeners above, which the compiler does not see.
  const late = failure as PackError | undefined;
  if (late) throw late;
  return assemble(members, types, file, { sha256: hash.digest("hex") });
}

/** Reads a FHIR package from an archive or from a folder, by what the path leads to. */
export async function readPackage(
  path: string,
  types: readonly string[] = validationTypes,
): Promise<FhirPackage> {
  const info = await stat(path).catch(() => undefined);
  return info?.isDirectory() ? readPackageFolder(path, types) : readPackageArchive(path, types);
}

/** Reads a FHIR package that is unpacked: a folder with `package/package.json`, or that `package` folder itself. */
export async function readPackageFolder(
  folder: string,
  types: readonly string[] = validationTypes,
  limits: PackageLimits = packageLimits,
): Promise<FhirPackage> {
  const inner = join(folder, "package");
  const root = (await stat(join(inner, "package.json")).catch(() => undefined)) ? inner : folder;
  const names = await readdir(root).catch((cause: unknown) => {
    throw new PackError("not-found", folder, "no such package folder", { cause });
  });
  if (names.length > limits.files)
    throw new PackError("too-large", folder, `more than ${limits.files} files`);
  const members = new Map<string, Buffer>();
  let total = 0;
  for (const name of names.toSorted()) {
    if (!name.endsWith(".json") || otherTypes.test(name)) continue;
    const path = join(root, name);
    const info = await stat(path);
    if (!info.isFile()) continue;
    total += info.size;
    if (info.size > limits.fileBytes || total > limits.totalBytes) {
      throw new PackError("too-large", path, "exceeds what is read of a package");
    }
    members.set(name, await readFile(path));
  }
  return assemble(members, types, folder, {});
}

function parseMember(content: Buffer, file: string): RawObject {
  let value: unknown;
  try {
    value = JSON.parse(content.toString("utf8").replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw new PackError("bad-definition", file, "is not JSON", { cause });
  }
  if (!isRawObject(value)) throw new PackError("bad-definition", file, "is no JSON object");
  return value;
}

function assemble(
  members: ReadonlyMap<string, Buffer>,
  types: readonly string[],
  file: string,
  origin: { readonly sha256?: string },
): FhirPackage {
  const head = members.get("package.json");
  if (!head) throw new PackError("bad-archive", file, "is no FHIR package: package/package.json is missing");
  const description = parseMember(head, `${file}: package.json`);
  const reader = new RawReader(`${file}: package.json`);
  const resources: { file: string; resource: RawObject }[] = [];
  for (const [name, content] of [...members].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (name === "package.json" || name.startsWith(".")) continue;
    const where = `${basename(file)}: ${name}`;
    const resource = parseMember(content, where);
    const type = resource["resourceType"];
    if (typeof type === "string" && types.includes(type)) resources.push({ file: where, resource });
  }
  const dependencies: Record<string, string> = {};
  for (const [name, version] of Object.entries(reader.object(description, "dependencies") ?? {})) {
    if (typeof version === "string") dependencies[name] = version;
  }
  return {
    name: reader.requiredText(description, "name"),
    version: reader.requiredText(description, "version"),
    fhirVersions: [
      ...reader.texts(description, "fhirVersions"),
      ...reader.texts(description, "fhir-version-list"),
    ],
    dependencies,
    ...origin,
    resources,
  };
}
