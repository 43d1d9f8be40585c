import { PackError } from "./errors.ts";
import type { CodeSystemFacts, DefinitionSource, StructureFacts, ValueSetFacts } from "./format.ts";
import { publishedValueSet } from "./published-sets.ts";
import type { RawObject } from "./raw.ts";
import { generateSnapshot } from "./snapshot.ts";
import { splitCanonical, type Pack } from "./store.ts";
import { hasSnapshot, structureFacts } from "./structure.ts";
import { compileCodeSystem, ValueSetCompiler, type CompiledCodeSystem } from "./terminology.ts";

/** Profiles of profiles of profiles: more than that is no guide that people wrote. */
const maxBases = 100;

/** A conformance resource and where it was read. */
export interface SourceResource {
  readonly file: string;
  readonly resource: RawObject;
}

/** Compiled definitions of one package, by URL. */
export interface CompiledDefinitions {
  readonly structures: ReadonlyMap<string, StructureFacts>;
  readonly valueSets: ReadonlyMap<string, ValueSetFacts>;
  readonly codeSystems: ReadonlyMap<string, CodeSystemFacts>;
}

/** A package whose definitions are compiled when asked for. */
export interface PackageCompiler extends Pack {
  /** Compiles all structures, so that defects in the package show at once. */
  compileStructures(): ReadonlyMap<string, StructureFacts>;
  compileAll(): CompiledDefinitions;
}

/**
 * Compiles the StructureDefinitions, ValueSets and CodeSystems of a package against the definitions it depends on
 * (`base`; absent for R4 itself). A StructureDefinition without a snapshot gets one generated.
 * Its methods throw PackError with the file concerned.
 */
export function packageCompiler(
  name: string,
  resources: readonly SourceResource[],
  base: DefinitionSource | undefined,
): PackageCompiler {
  const ofType = (type: string) =>
    byUrl(resources.filter(({ resource }) => resource["resourceType"] === type));
  const structures = structureCompiler(ofType("StructureDefinition"), base);
  const terminology = terminologyCompiler(ofType("CodeSystem"), ofType("ValueSet"), base);
  const compileStructures = () => compileEach(structures.urls, structures.structure);
  return {
    name,
    ...structures,
    ...terminology,
    compileStructures,
    compileAll: () => ({
      structures: compileStructures(),
      valueSets: compileEach(terminology.valueSetUrls, terminology.valueSet),
      codeSystems: compileEach(terminology.codeSystemUrls, terminology.codeSystem),
    }),
  };
}

function compileEach<T>(
  urls: readonly string[],
  compile: (url: string) => T | undefined,
): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  for (const url of urls) {
    const facts = compile(url);
    if (facts !== undefined) found.set(url, facts);
  }
  return found;
}

function byUrl(resources: readonly SourceResource[]): ReadonlyMap<string, SourceResource> {
  const found = new Map<string, SourceResource>();
  for (const source of resources) {
    const url = source.resource["url"];
    // A definition without a URL (as examples have) cannot be referred to.
    if (typeof url !== "string" || url === "") continue;
    if (!found.has(url)) found.set(url, source);
  }
  return found;
}

function structureCompiler(sources: ReadonlyMap<string, SourceResource>, base: DefinitionSource | undefined) {
  const done = new Map<string, StructureFacts>();
  const open = new Set<string>();
  const structure = (url: string): StructureFacts | undefined => {
    const known = done.get(url);
    if (known) return known;
    const source = sources.get(url);
    if (!source) return undefined;
    if (open.size > maxBases)
      throw new PackError("bad-differential", source.file, `${url} has too many bases`);
    if (open.has(url)) throw new PackError("bad-differential", source.file, `${url} derives from itself`);
    open.add(url);
    try {
      const facts = compileStructure(source);
      done.set(url, facts);
      return facts;
    } finally {
      open.delete(url);
    }
  };
  const compileStructure = ({ resource, file }: SourceResource): StructureFacts =>
    hasSnapshot(resource)
      ? structureFacts(resource, file)
      : generateSnapshot(resource, file, {
          structure: (canonical) => structure(splitCanonical(canonical).url) ?? base?.structure(canonical),
          type: (name) => structure(`http://hl7.org/fhir/StructureDefinition/${name}`) ?? base?.type(name),
        });
  let roles: Roles | undefined;
  const byRole = () => (roles ??= rolesOf(sources));
  return {
    // A definition with elements of neither kind (a placeholder) constrains nothing.
    urls: [...sources]
      .filter(([, { resource }]) => hasSnapshot(resource) || resource["baseDefinition"] !== undefined)
      .map(([url]) => url),
    structure,
    profileUrls: (type: string) => byRole().profiles.get(type) ?? [],
    typeUrl: (name: string) => byRole().types.get(name),
  };
}

interface Roles {
  /** Type → URLs of the resource profiles on it. */
  readonly profiles: ReadonlyMap<string, readonly string[]>;
  /** Type → URL of the definition that makes it. */
  readonly types: ReadonlyMap<string, string>;
}

function rolesOf(sources: ReadonlyMap<string, SourceResource>): Roles {
  const profiles = new Map<string, string[]>();
  const types = new Map<string, string>();
  for (const [url, { resource }] of [...sources].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const type = resource["type"];
    if (typeof type !== "string") continue;
    if (resource["derivation"] !== "constraint") {
      if (!types.has(type)) types.set(type, url);
    } else if (resource["kind"] === "resource") {
      const known = profiles.get(type);
      if (known) known.push(url);
      else profiles.set(type, [url]);
    }
  }
  return { profiles, types };
}

function terminologyCompiler(
  codeSystemSources: ReadonlyMap<string, SourceResource>,
  valueSetSources: ReadonlyMap<string, SourceResource>,
  base: DefinitionSource | undefined,
) {
  const compiled = new Map<string, CompiledCodeSystem>();
  const compiledCodeSystem = (url: string): CompiledCodeSystem | undefined => {
    const known = compiled.get(url);
    if (known) return known;
    const source = codeSystemSources.get(url);
    if (!source) return undefined;
    const made = compileCodeSystem(source.resource, source.file);
    compiled.set(url, made);
    return made;
  };
  const compiler = new ValueSetCompiler({
    codeSystem: (canonical) => {
      const { url, version } = splitCanonical(canonical);
      const own = compiledCodeSystem(url);
      const facts = own?.facts ?? base?.codeSystem(url);
      // What another version holds is not known.
      if (!facts || (version !== undefined && facts.version !== undefined && version !== facts.version)) {
        return undefined;
      }
      return own ?? { facts };
    },
    valueSet: (canonical) => {
      const { url } = splitCanonical(canonical);
      const own = valueSetSources.get(url);
      if (own) return { definition: own.resource, file: own.file };
      const facts = base?.valueSet(canonical) ?? publishedValueSet(url);
      return facts && { facts };
    },
  });
  const valueSets = new Map<string, ValueSetFacts>();
  return {
    codeSystemUrls: [...codeSystemSources.keys()],
    valueSetUrls: [...valueSetSources.keys()],
    codeSystem: (url: string): CodeSystemFacts | undefined => {
      const facts = compiledCodeSystem(url)?.facts;
      // A supplement adds to a system that is defined elsewhere; it is none itself.
      return facts?.content === "supplement" ? undefined : facts;
    },
    valueSet: (url: string): ValueSetFacts | undefined => {
      const known = valueSets.get(url);
      if (known) return known;
      const source = valueSetSources.get(url);
      if (!source) return undefined;
      const facts = compiler.compile(source.resource, source.file);
      valueSets.set(url, facts);
      return facts;
    },
  };
}
