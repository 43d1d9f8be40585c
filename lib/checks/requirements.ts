/** The requirement catalogues: what the specifications and the vendor demand, by id, address and verb. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError, suggest } from "../config/errors.ts";
import { ownPackage } from "../config/package.ts";
import { compileSchema, readYaml } from "../config/yaml.ts";
import type { RequirementReference } from "./results.ts";

export const VERBS = ["SHALL", "SHALL NOT", "SHOULD", "SHOULD NOT", "MAY"] as const;
/** Conformance verb of a requirement, as its catalogue has it. */
export type Verb = (typeof VERBS)[number];

export interface Requirement {
  /** Id within the catalogue. */
  readonly id: string;
  readonly url: string;
  readonly conformance: Verb;
  readonly actors: readonly string[];
  /** True where the requirement depends on a choice of the server's. */
  readonly conditional: boolean;
  /** In our own words; only for the vendor's promises. */
  readonly title?: string;
}

export interface Catalogue {
  readonly id: string;
  readonly requirements: readonly Requirement[];
  /** Reason by requirement id, for those that no request from outside can answer. */
  readonly notObservable: ReadonlyMap<string, string>;
}

interface CatalogueFile {
  readonly catalogue: string;
  readonly url?: string;
  readonly requirements: readonly {
    readonly id: string;
    readonly url?: string;
    readonly conformance: Verb;
    readonly actors?: readonly string[];
    readonly conditional?: boolean;
    readonly title?: string;
  }[];
}

type NotObservableFile = Readonly<
  Record<string, readonly { readonly reason: string; readonly requirements: readonly (string | number)[] }[]>
>;

const NOT_OBSERVABLE = "not-observable.yaml";

function schema(name: string) {
  return compileSchema(join(ownPackage().root, "config", "schema", `${name}.schema.json`));
}

function shown(name: string): string {
  return `config/requirements/${name}`;
}

/**
 * Loads every catalogue of a folder and what is marked as not observable.
 *
 * @param folder the package's own `config/requirements` by default
 * @returns catalogues by id, in alphabetical order
 * @throws ConfigurationError when a file does not match its schema, an id occurs twice, or a mark names an unknown
 *   catalogue or requirement
 */
export function loadCatalogues(
  folder: string = join(ownPackage().root, "config", "requirements"),
): ReadonlyMap<string, Catalogue> {
  const marks = readYaml<NotObservableFile>(
    join(folder, NOT_OBSERVABLE),
    shown(NOT_OBSERVABLE),
    schema("not-observable"),
  );
  const catalogues = new Map<string, Catalogue>();
  const names = readdirSync(folder)
    .filter((name) => /\.(json|ya?ml)$/.test(name) && name !== NOT_OBSERVABLE)
    .toSorted();
  for (const name of names) {
    // JSON is YAML, and one reader gives both the place of a mistake.
    const { value } = readYaml<CatalogueFile>(join(folder, name), shown(name), schema("requirements"));
    if (catalogues.has(value.catalogue)) {
      throw new ConfigurationError(`catalogue "${value.catalogue}" is defined twice`, { file: shown(name) });
    }
    catalogues.set(value.catalogue, buildCatalogue(value, shown(name), marks.value[value.catalogue] ?? []));
  }
  for (const name of Object.keys(marks.value)) {
    if (catalogues.has(name)) continue;
    throw new ConfigurationError(`there is no such catalogue.${suggest(name, [...catalogues.keys()])}`, {
      file: shown(NOT_OBSERVABLE),
      line: marks.line([name]),
      field: name,
    });
  }
  return catalogues;
}

function buildCatalogue(
  file: CatalogueFile,
  source: string,
  marks: NonNullable<NotObservableFile[string]>,
): Catalogue {
  const requirements = file.requirements.map((entry): Requirement => {
    const url = entry.url ?? file.url;
    if (url === undefined) {
      throw new ConfigurationError(`requirement ${entry.id} has no url, and the catalogue gives none`, {
        file: source,
      });
    }
    return {
      id: entry.id,
      url,
      conformance: entry.conformance,
      actors: entry.actors ?? ["Server"],
      conditional: entry.conditional ?? false,
      ...(entry.title === undefined ? {} : { title: entry.title }),
    };
  });
  const known = new Set<string>();
  for (const { id } of requirements) {
    if (known.has(id)) throw new ConfigurationError(`requirement ${id} is defined twice`, { file: source });
    known.add(id);
  }
  const notObservable = new Map<string, string>();
  for (const mark of marks) {
    for (const id of mark.requirements.map(String)) {
      const place = { file: `config/requirements/${NOT_OBSERVABLE}`, field: `${file.catalogue}.${id}` };
      if (!known.has(id)) throw new ConfigurationError("there is no such requirement", place);
      if (notObservable.has(id)) throw new ConfigurationError("is marked twice", place);
      notObservable.set(id, mark.reason);
    }
  }
  return { id: file.catalogue, requirements, notObservable };
}

/**
 * Resolves `<catalogue>#<id>`, as checks name what they answer, to what results and reports carry.
 *
 * @throws ConfigurationError for an unknown catalogue or id, naming the nearest
 */
export function resolveRequirement(
  catalogues: ReadonlyMap<string, Catalogue>,
  reference: string,
): RequirementReference {
  const hash = reference.indexOf("#");
  const name = hash < 0 ? reference : reference.slice(0, hash);
  const id = hash < 0 ? "" : reference.slice(hash + 1);
  const catalogue = catalogues.get(name);
  if (catalogue === undefined) {
    throw new ConfigurationError(
      `requirement "${reference}": there is no catalogue "${name}".${suggest(name, [...catalogues.keys()])}`,
    );
  }
  const requirement = catalogue.requirements.find((candidate) => candidate.id === id);
  if (requirement === undefined) {
    const ids = catalogue.requirements.map((candidate) => candidate.id);
    throw new ConfigurationError(
      `requirement "${reference}": ${name} has no requirement "${id}".${suggest(id, ids)}`,
    );
  }
  return { id: reference, url: requirement.url, conformance: requirement.conformance };
}

/** What checks may name, as `<catalogue>#<id>`, with what results and reports carry of it. */
export type RequirementIndex = ReadonlyMap<string, RequirementReference>;

/**
 * Every requirement of every catalogue of the package, by reference.
 *
 * @throws ConfigurationError as {@link loadCatalogues}
 */
export function loadRequirements(): RequirementIndex {
  const index = new Map<string, RequirementReference>();
  for (const catalogue of loadCatalogues().values()) {
    for (const { id, url, conformance } of catalogue.requirements) {
      const reference = `${catalogue.id}#${id}`;
      index.set(reference, { id: reference, url, conformance });
    }
  }
  return index;
}
