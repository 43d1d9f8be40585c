import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CapabilityFacts, SearchParameterFacts } from "./capability.ts";
import { PackError } from "./errors.ts";
import type { DefinitionSource } from "./format.ts";
import { builtInFolder, packageCache } from "./locate.ts";
import { layered, openPack, type Pack } from "./store.ts";

const r4Pack = "fhir-r4-4.0.1";

/** Package ids (with version) whose content is among the built-in packs. */
const builtInPackages: Readonly<Record<string, string>> = {
  "hl7.fhir.r4.core#4.0.1": r4Pack,
  "hl7.fhir.us.core#6.1.0": "us-core-6.1.0",
  "hl7.fhir.us.core#3.1.1": "us-core-3.1.1",
};

export interface LoadOptions {
  /** Folder of unpacked packages, `name#version`; default env `FHIR_PACKAGE_CACHE`, else `~/.fhir/packages`. */
  readonly cache?: string;
  /** Told of each package (`name#version`) that a guide depends on and that is in no place known. */
  readonly onMissing?: (name: string) => void;
}

/** Names of the packs that come with this program, such as `us-core-6.1.0`. */
export function builtInPacks(): readonly string[] {
  const folder = builtInFolder();
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, "manifest.json")))
    .toSorted();
}

function openBuiltIn(name: string): Pack {
  return openPack(join(builtInFolder(), name));
}

/** The built-in pack that a reference names, by pack name or by package id and version. */
function builtInName(reference: string): string | undefined {
  const name = builtInPackages[reference.replace(/^([^#@]+)@/, "$1#")] ?? reference;
  return /^[\w.-]+$/.test(name) && existsSync(join(builtInFolder(), name, "manifest.json"))
    ? name
    : undefined;
}

/**
 * Definitions of built-in packs over R4 4.0.1, without waiting: the way to the first verdict.
 * Throws PackError `not-found` for a name that is not built in.
 */
export function loadBuiltIn(names: readonly string[]): DefinitionSource {
  const guides = names.map((reference) => {
    const name = builtInName(reference);
    if (name === undefined) {
      throw new PackError(
        "not-found",
        reference,
        `is no built-in pack (there are ${builtInPacks().join(", ")})`,
      );
    }
    return name;
  });
  return assemble(guides.map(openBuiltInOnce()), []);
}

/** Opens each built-in pack once. */
function openBuiltInOnce(): (name: string) => Pack {
  const open = new Map<string, Pack>();
  return (name) => {
    const known = open.get(name) ?? openBuiltIn(name);
    open.set(name, known);
    return known;
  };
}

/** R4 underlies everything; it counts as a guide itself only where it is all that was asked for. */
function assemble(guides: readonly Pack[], dependencies: readonly Pack[]): DefinitionSource {
  const r4Folder = join(builtInFolder(), r4Pack);
  const r4 = guides.find((pack) => pack.name === r4Folder) ?? openBuiltIn(r4Pack);
  const others = guides.filter((pack) => pack !== r4);
  return layered(
    [...others, ...dependencies.filter((pack) => pack.name !== r4Folder), r4],
    others.length > 0 ? others : [r4],
  );
}

/**
 * Definitions of the guides named, over those they depend on, over R4 4.0.1. A reference is
 * - the name of a built-in pack (`us-core-6.1.0`) or the package id and version of one (`hl7.fhir.us.core#6.1.0`),
 * - the path of a package archive (`.tgz`) or of an unpacked package's folder,
 * - `name#version` of a package in the FHIR package cache.
 * Earlier references win where two define the same. Without references: R4 alone.
 * Throws PackError with a code, the file concerned and one line that says why.
 */
export async function loadDefinitions(
  references: readonly string[],
  options: LoadOptions = {},
): Promise<DefinitionSource> {
  const builtIn = openBuiltInOnce();
  const dependencies: Pack[] = [];
  const guides: Pack[] = [];
  for (const reference of references) {
    const name = builtInName(reference);
    if (name !== undefined) {
      guides.push(builtIn(name));
      continue;
    }
    // Only guides that are not built in need the compiler.
    const { loadGuide } = await import("./guide.ts");
    const loaded = await loadGuide(reference, {
      cache: options.cache ?? packageCache(),
      r4: () => builtIn(r4Pack),
      builtIn: (id, version) => {
        const pack = builtInName(`${id}#${version}`);
        return pack === undefined ? undefined : builtIn(pack);
      },
    });
    guides.push(loaded.guide);
    for (const name of loaded.missing) options.onMissing?.(name);
    for (const pack of loaded.dependencies) if (!dependencies.includes(pack)) dependencies.push(pack);
  }
  return assemble(guides, dependencies);
}

/** What a built-in guide asks of servers, from its official CapabilityStatement. */
export function loadCapability(name: string): CapabilityFacts {
  return readExtra(name, "capability.json");
}

/** The search parameters that a built-in guide defines, by URL. */
export function loadSearchParameters(name: string): readonly SearchParameterFacts[] {
  return readExtra(name, "search-parameters.json");
}

function readExtra(name: string, file: string): ReturnType<typeof JSON.parse> {
  const pack = builtInName(name);
  const path = join(builtInFolder(), pack ?? name, file);
  if (pack === undefined || !existsSync(path)) throw new PackError("not-found", name, `has no ${file}`);
  return JSON.parse(readFileSync(path, "utf8"));
}
