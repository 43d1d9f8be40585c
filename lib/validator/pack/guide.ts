import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageCompiler } from "./compile.ts";
import { PackError } from "./errors.ts";
import { readPackage, readPackageFolder, type FhirPackage } from "./package.ts";
import { layered, type Pack } from "./store.ts";

export interface GuideContext {
  /** Folder of unpacked packages, `name#version`. */
  readonly cache: string;
  r4(): Pack;
  /** The built-in pack of a package, if there is one. */
  builtIn(id: string, version: string): Pack | undefined;
}

export interface LoadedGuide {
  readonly guide: Pack;
  /** What it depends on, nearest first, R4 last. */
  readonly dependencies: readonly Pack[];
  /** Dependencies that are in no place known, as `name#version`: what they define is unknown. */
  readonly missing: readonly string[];
}

/** Most packages that one guide may draw in, directly or not. */
const maxPackages = 60;

/**
 * Compiles a guide at run time, from an archive, a folder, or `name#version` in the cache, over those of its
 * dependencies that are at hand. All its structures are compiled at once, so that a defect shows here.
 */
export async function loadGuide(reference: string, context: GuideContext): Promise<LoadedGuide> {
  const fhirPackage = await readReference(reference, context.cache);
  requireR4(fhirPackage, reference);
  const open = new Map<string, Pack>();
  const missing: string[] = [];
  const dependencies = await openDependencies(fhirPackage, context, open, missing);
  const guide = packageCompiler(
    `${fhirPackage.name}#${fhirPackage.version}`,
    fhirPackage.resources,
    layered(dependencies, dependencies),
  );
  guide.compileStructures();
  return { guide, dependencies, missing };
}

async function readReference(reference: string, cache: string): Promise<FhirPackage> {
  if (/\.(?:tgz|tar\.gz)$/.test(reference) || (existsSync(reference) && statSync(reference).isDirectory())) {
    return readPackage(reference);
  }
  const [, name, version] = /^([\w.-]+)#([\w.-]+)$/.exec(reference) ?? [];
  if (name === undefined || version === undefined) {
    throw new PackError(
      "not-found",
      reference,
      "is no built-in pack, no archive, no folder and no name#version",
    );
  }
  const folder = cachedFolder(name, version, cache);
  if (folder === undefined)
    throw new PackError("not-found", reference, `is not in the package cache ${cache}`);
  return readPackageFolder(folder);
}

function requireR4(fhirPackage: FhirPackage, reference: string): void {
  if (isForR4(fhirPackage)) return;
  const versions = fhirPackage.fhirVersions.join(", ");
  throw new PackError("wrong-fhir-version", reference, `is for FHIR ${versions}, not 4.0.1`);
}

/** A package that names no FHIR version is taken to be for R4. */
function isForR4({ fhirVersions }: FhirPackage): boolean {
  return fhirVersions.length === 0 || fhirVersions.some((version) => /^4\.0(?:\.|$)/.test(version));
}

/** Newest cached version that a version pattern such as `1.0.x`, `latest` or `current` admits. */
function cachedFolder(name: string, version: string, cache: string): string | undefined {
  const exact = join(cache, `${name}#${version}`);
  if (existsSync(exact)) return exact;
  const floating = /^(?:latest|current|dev)$/.test(version);
  if (!existsSync(cache) || (!floating && !version.endsWith(".x"))) return undefined;
  const prefix = floating ? "" : version.slice(0, -1);
  const versions = readdirSync(cache)
    .filter((entry) => entry.startsWith(`${name}#${prefix}`))
    .map((entry) => entry.slice(name.length + 1))
    .toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const newest = versions.at(-1);
  return newest === undefined ? undefined : join(cache, `${name}#${newest}`);
}

async function openDependencies(
  fhirPackage: FhirPackage,
  context: GuideContext,
  open: Map<string, Pack>,
  missing: string[],
): Promise<readonly Pack[]> {
  const packs: Pack[] = [];
  for (const [name, version] of Object.entries(fhirPackage.dependencies)) {
    // R4 itself comes last, for all alike.
    if (/^hl7\.fhir\.(?:r4|core)(?:\.core)?$/.test(name)) continue;
    const pack = await openDependency(name, version, context, open, missing);
    if (pack) packs.push(pack);
  }
  // A dependency's own dependencies are seen through it too: profiles may derive from them.
  const all = new Set([...packs, ...open.values()]);
  return [...all, context.r4()];
}

async function openDependency(
  name: string,
  version: string,
  context: GuideContext,
  open: Map<string, Pack>,
  missing: string[],
): Promise<Pack | undefined> {
  const key = `${name}#${version}`;
  const known = open.get(key) ?? context.builtIn(name, version);
  if (known) {
    open.set(key, known);
    return known;
  }
  const folder = cachedFolder(name, version, context.cache);
  if (folder === undefined || open.size >= maxPackages) {
    if (!missing.includes(key)) missing.push(key);
    return undefined;
  }
  const dependency = await readPackageFolder(folder);
  // Definitions for another FHIR version would stand before R4's own.
  if (!isForR4(dependency)) {
    if (!missing.includes(key)) missing.push(key);
    return undefined;
  }
  const marker = placeholder(key);
  // Before its own dependencies, so that packages that depend on each other come to an end.
  open.set(key, marker);
  const below = (await openDependencies(dependency, context, open, missing)).filter(
    (pack) => pack !== marker,
  );
  const pack = packageCompiler(key, dependency.resources, layered(below, below));
  open.set(key, pack);
  return pack;
}

function placeholder(name: string): Pack {
  return {
    name,
    structure: () => undefined,
    valueSet: () => undefined,
    codeSystem: () => undefined,
    profileUrls: () => [],
    typeUrl: () => undefined,
  };
}
