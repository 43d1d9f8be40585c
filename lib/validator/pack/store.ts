import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeStructure, type StructureRecord } from "./codec.ts";
import { PackError } from "./errors.ts";
import type {
  CodeSystemFacts,
  ConstraintFacts,
  DefinitionSource,
  PackManifest,
  StructureFacts,
  ValueSetFacts,
} from "./format.ts";
import type { EntryPlace, PackIndex } from "./write.ts";

/** One pack: definitions by URL. A look-up never takes a `|version`. */
export interface Pack {
  readonly name: string;
  structure(url: string): StructureFacts | undefined;
  valueSet(url: string): ValueSetFacts | undefined;
  codeSystem(url: string): CodeSystemFacts | undefined;
  /** URLs of the resource profiles on a type, sorted. */
  profileUrls(type: string): readonly string[];
  /** URL of the definition of a type, where this pack has it. */
  typeUrl(name: string): string | undefined;
}

/** What our own compiler wrote: its checksums, not its shape, are what is checked (`manifest.json`). */
type OwnJson = ReturnType<typeof JSON.parse>;

function parse(text: string, file: string): OwnJson {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PackError("bad-pack", file, "is not JSON", { cause });
  }
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new PackError("not-found", file, "cannot be read", { cause });
  }
}

/** Reads `manifest.json` of a compiled pack. */
export function readManifest(folder: string): PackManifest {
  const file = join(folder, "manifest.json");
  const manifest: PackManifest = parse(read(file).toString("utf8"), file);
  if (manifest.format !== 1)
    throw new PackError("bad-pack", file, `format ${String(manifest.format)} is unknown`);
  return manifest;
}

/**
 * Opens a compiled pack. Only its index is read; a structure, value set or code system is parsed when first asked
 * for, from the one file it stands in.
 */
export function openPack(folder: string): Pack {
  const indexFile = join(folder, "index.json");
  const index: PackIndex = parse(read(indexFile).toString("utf8"), indexFile);
  const buffers: (Buffer | undefined)[] = [];
  const entry = (place: EntryPlace): OwnJson => {
    const [number, offset, length] = place;
    const file = join(folder, index.files[number] ?? "");
    const buffer = (buffers[number] ??= read(file));
    return parse(buffer.toString("utf8", offset, offset + length), `${file}, byte ${offset}`);
  };
  // Shared objects, so that a validator can compile each constraint once.
  let constraints: ConstraintFacts[] | undefined;
  const constraintTable = () =>
    (constraints ??= index.constraints.map(
      ([key, severity, expression, source, bestPractice]): ConstraintFacts => ({
        key,
        severity,
        expression,
        ...(typeof source === "string" ? { source } : {}),
        ...(bestPractice === 1 ? { bestPractice: true } : {}),
      }),
    ));
  let roles: { profiles: Map<string, string[]>; types: Map<string, string> } | undefined;
  const byRole = () => (roles ??= readRoles(index));
  return {
    name: folder,
    structure: remembered((url) => {
      const place = own(index.structures, url);
      if (!place) return undefined;
      const record: StructureRecord = entry([place[0], place[1], place[2]]);
      return decodeStructure(record, constraintTable(), folder);
    }),
    valueSet: remembered((url) => {
      const place = own(index.valueSets, url);
      return place && entry(place);
    }),
    codeSystem: remembered((url) => {
      const place = own(index.codeSystems, url);
      return place && entry(place);
    }),
    profileUrls: (type) => byRole().profiles.get(type) ?? [],
    typeUrl: (name) => byRole().types.get(name),
  };
}

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function remembered<T>(find: (url: string) => T | undefined): (url: string) => T | undefined {
  const known = new Map<string, T | undefined>();
  return (url) => {
    if (known.has(url)) return known.get(url);
    const found = find(url);
    known.set(url, found);
    return found;
  };
}

function readRoles(index: PackIndex): { profiles: Map<string, string[]>; types: Map<string, string> } {
  const profiles = new Map<string, string[]>();
  const types = new Map<string, string>();
  for (const [url, [, , , type, role]] of Object.entries(index.structures)) {
    if (role.startsWith("s")) types.set(type, url);
    else if (role === "cr") {
      const list = profiles.get(type);
      if (list) list.push(url);
      else profiles.set(type, [url]);
    }
  }
  return { profiles, types };
}

/** A pack that is held in memory, for guides compiled at run time. */
export function memoryPack(
  name: string,
  content: {
    readonly structures: ReadonlyMap<string, StructureFacts>;
    readonly valueSets: ReadonlyMap<string, ValueSetFacts>;
    readonly codeSystems: ReadonlyMap<string, CodeSystemFacts>;
  },
): Pack {
  const urls = [...content.structures.keys()].toSorted();
  return {
    name,
    structure: (url) => content.structures.get(url),
    valueSet: (url) => content.valueSets.get(url),
    codeSystem: (url) => content.codeSystems.get(url),
    profileUrls: (type) =>
      urls.filter((url) => {
        const structure = content.structures.get(url);
        return (
          structure?.type === type && structure.kind === "resource" && structure.derivation === "constraint"
        );
      }),
    typeUrl: (type) =>
      urls.find((url) => {
        const structure = content.structures.get(url);
        return structure?.type === type && structure.derivation !== "constraint";
      }),
  };
}

/** The URL of a canonical, and its version if it names one. */
export function splitCanonical(canonical: string): { url: string; version?: string } {
  const bar = canonical.indexOf("|");
  if (bar < 0) return { url: canonical };
  return { url: canonical.slice(0, bar), version: canonical.slice(bar + 1) };
}

/**
 * Definitions from several packs, the first that has one wins. A canonical with a version is answered by the
 * definition of that version; where no pack has it, by the one at hand of another version, as the HL7 tools do:
 * the version of a definition is then the caller's to compare.
 */
export function layered(packs: readonly Pack[], guides: readonly Pack[]): DefinitionSource {
  const find = <T extends { readonly version?: string }>(
    canonical: string,
    ask: (pack: Pack, url: string) => T | undefined,
  ): T | undefined => {
    const { url, version } = splitCanonical(canonical);
    let other: T | undefined;
    for (const pack of packs) {
      const found = ask(pack, url);
      if (!found) continue;
      if (version === undefined || found.version === version) return found;
      other ??= found;
    }
    return other;
  };
  const structure = (canonical: string) => find(canonical, (pack, url) => pack.structure(url));
  return {
    structure,
    type: (name) => {
      for (const pack of packs) {
        const url = pack.typeUrl(name);
        if (url !== undefined) return pack.structure(url);
      }
      return undefined;
    },
    valueSet: (canonical) => find(canonical, (pack, url) => pack.valueSet(url)),
    codeSystem: (canonical) => find(canonical, (pack, url) => pack.codeSystem(url)),
    profilesOf: (type) => {
      const urls = new Set(guides.flatMap((guide) => guide.profileUrls(type)));
      return [...urls].toSorted().flatMap((url) => structure(url) ?? []);
    },
  };
}
