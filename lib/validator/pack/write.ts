import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConstraintTable, encodeStructure } from "./codec.ts";
import type {
  CodeSystemFacts,
  ConstraintFacts,
  PackManifest,
  StructureFacts,
  ValueSetFacts,
} from "./format.ts";

/** Everything a pack holds. */
export interface PackContent {
  readonly structures: readonly StructureFacts[];
  readonly valueSets: readonly ValueSetFacts[];
  readonly codeSystems: readonly CodeSystemFacts[];
  /** Further JSON files beside the pack, by name, such as `capability.json`. */
  readonly extras?: Readonly<Record<string, unknown>>;
}

/** Where an entry stands: number of the file, offset and length in bytes. */
export type EntryPlace = readonly [file: number, offset: number, length: number];

/** `index.json` of a pack: what there is and where, so that only what is needed is parsed. */
export interface PackIndex {
  readonly files: readonly string[];
  /** URL → place, type, and `c` (constraint) or `s` (specialization or none), kind of resource `r` or other `o`. */
  readonly structures: Readonly<Record<string, readonly [...EntryPlace, type: string, role: string]>>;
  readonly valueSets: Readonly<Record<string, EntryPlace>>;
  readonly codeSystems: Readonly<Record<string, EntryPlace>>;
  /** The constraint table: `[key, severity, expression, source, bestPractice]`, trailing ones left out. */
  readonly constraints: readonly (readonly [string, "error" | "warning", string, (string | null)?, 1?])[];
}

/** No file of a pack is larger, so that one entry never costs the reading of much else. */
const maxFileBytes = 380_000;

const byUrl = <T extends { url: string }>(items: readonly T[]): T[] =>
  items.toSorted((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : 0));

/** Spreads lines over files of bounded size. */
class LineFiles {
  readonly files = new Map<string, string[]>();
  readonly #prefixes = new Map<string, { number: number; bytes: number }>();
  readonly names: string[] = [];

  add(prefix: string, value: unknown): EntryPlace {
    const line = JSON.stringify(value);
    const length = Buffer.byteLength(line);
    let state = this.#prefixes.get(prefix);
    if (!state || (state.bytes > 0 && state.bytes + length + 1 > maxFileBytes)) {
      state = { number: (state?.number ?? 0) + 1, bytes: 0 };
      this.#prefixes.set(prefix, state);
    }
    const name = `${prefix}-${state.number}.ndjson`;
    let lines = this.files.get(name);
    if (!lines) {
      lines = [];
      this.files.set(name, lines);
      this.names.push(name);
    }
    const place: EntryPlace = [this.names.indexOf(name), state.bytes, length];
    lines.push(line);
    state.bytes += length + 1;
    return place;
  }
}

/** Group of a structure: entries that are used together stand together. */
function structureGroup(structure: StructureFacts): string {
  if (structure.type === "Extension" && structure.derivation === "constraint") return "extensions";
  if (structure.derivation === "constraint") return "profiles";
  return structure.kind === "resource" ? "resources" : "types";
}

function constraintRow({ key, severity, expression, source, bestPractice }: ConstraintFacts) {
  if (bestPractice) return [key, severity, expression, source ?? null, 1] as const;
  return source === undefined
    ? ([key, severity, expression] as const)
    : ([key, severity, expression, source] as const);
}

/** Constraints by falling frequency, so that the default (number 0) is the most frequent one. */
function frequentFirst(structures: readonly StructureFacts[]): ConstraintTable {
  const counts = new Map<string, { constraint: ConstraintFacts; count: number }>();
  for (const structure of structures) {
    for (const element of structure.elements) {
      for (const constraint of element.constraints ?? []) {
        const identity = JSON.stringify(constraintRow(constraint));
        const entry = counts.get(identity);
        if (entry) entry.count += 1;
        else counts.set(identity, { constraint, count: 1 });
      }
    }
  }
  const table = new ConstraintTable();
  const ordered = [...counts].toSorted(([a, x], [b, y]) => y.count - x.count || (a < b ? -1 : 1));
  for (const [, { constraint }] of ordered) table.number(constraint);
  return table;
}

/** A pack as files: name → bytes. The same content gives the same bytes. */
export function packFiles(
  content: PackContent,
  head: Pick<PackManifest, "name" | "version" | "fhirVersion" | "dependencies" | "sources" | "tool">,
): ReadonlyMap<string, string> {
  const structures = byUrl(content.structures);
  const table = frequentFirst(structures);
  const lines = new LineFiles();
  const index: {
    structures: Record<string, readonly [...EntryPlace, string, string]>;
    valueSets: Record<string, EntryPlace>;
    codeSystems: Record<string, EntryPlace>;
  } = { structures: {}, valueSets: {}, codeSystems: {} };
  for (const structure of structures) {
    const place = lines.add(structureGroup(structure), encodeStructure(structure, table));
    const role =
      (structure.derivation === "constraint" ? "c" : "s") + (structure.kind === "resource" ? "r" : "o");
    index.structures[structure.url] = [...place, structure.type, role];
  }
  for (const valueSet of byUrl(content.valueSets))
    index.valueSets[valueSet.url] = lines.add("valuesets", valueSet);
  for (const codeSystem of byUrl(content.codeSystems)) {
    index.codeSystems[codeSystem.url] = lines.add("codesystems", codeSystem);
  }
  const packIndex: PackIndex = {
    files: lines.names,
    ...index,
    constraints: table.constraints.map(constraintRow),
  };
  const files = new Map<string, string>();
  for (const [name, list] of lines.files) files.set(name, `${list.join("\n")}\n`);
  files.set("index.json", indexText(packIndex));
  for (const [name, value] of Object.entries(content.extras ?? {})) {
    files.set(name, `${JSON.stringify(value, null, 1)}\n`);
  }
  const manifest: PackManifest = {
    format: 1,
    ...head,
    counts: {
      structures: structures.length,
      profiles: structures.filter((item) => item.derivation === "constraint" && item.kind === "resource")
        .length,
      extensions: structures.filter((item) => structureGroup(item) === "extensions").length,
      elements: structures.reduce((sum, item) => sum + item.elements.length, 0),
      constraints: table.constraints.length,
      valueSets: content.valueSets.length,
      valueSetsNotVerifiable: content.valueSets.filter((item) => item.unverifiable).length,
      codeSystems: content.codeSystems.length,
      codes: content.codeSystems.reduce((sum, item) => sum + item.codes.length, 0),
    },
    files: Object.fromEntries(
      [...files]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, text]) => [name, { bytes: Buffer.byteLength(text), sha256: sha256(text) }]),
    ),
  };
  files.set("manifest.json", `${JSON.stringify(manifest, null, 2)}\n`);
  return files;
}

function lineByLine(entries: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(entries).map(
    ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
  );
  return `{\n${lines.join(",\n")}\n}`;
}

/** One entry a line: a change of one definition is a change of few lines. */
function indexText(index: PackIndex): string {
  return `{"files":${JSON.stringify(index.files)},
"structures":${lineByLine(index.structures)},
"valueSets":${lineByLine(index.valueSets)},
"codeSystems":${lineByLine(index.codeSystems)},
"constraints":[
${index.constraints.map((row) => JSON.stringify(row)).join(",\n")}
]}
`;
}

/** SHA-256 in hexadecimal. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Writes a pack's files into its folder, and removes what an earlier build left there. */
export function writePack(folder: string, files: ReadonlyMap<string, string>): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    if (!files.has(name) && /\.(?:json|ndjson)$/.test(name)) rmSync(join(folder, name));
  }
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
}
