import { PackError } from "./errors.ts";
import type { CodeSystemFacts, ValueSetFacts } from "./format.ts";
import {
  difference,
  emptySet,
  intersection,
  isDetermined,
  membershipFacts,
  setOfFacts,
  systemSet,
  union,
  unknownSet,
  type CodeSet,
  type Truth,
} from "./membership.ts";
import { RawReader, type RawObject } from "./raw.ts";

/** HL7 Terminology publishes these apart from any FHIR version. */
const separatelyMaintained = /^http:\/\/terminology\.hl7\.org\//;

/** Depth of CodeSystem.concept and of ValueSets in ValueSets beyond which a package is not believed. */
const maxDepth = 100;

type PropertyValue = string | number | boolean;

/** A code system while value sets are compiled: what the pack keeps, and the properties its filters need. */
export interface CompiledCodeSystem {
  readonly facts: CodeSystemFacts;
  /** Code → property → values; absent where only the pack's facts are at hand. */
  readonly properties?: ReadonlyMap<string, ReadonlyMap<string, readonly PropertyValue[]>>;
}

/** Compiles a CodeSystem: its codes and is-a hierarchy (R4 CodeSystem.concept, hierarchyMeaning). */
export function compileCodeSystem(definition: RawObject, file: string): CompiledCodeSystem {
  const reader = new RawReader(file);
  const url = reader.requiredText(definition, "url");
  const codes: string[] = [];
  const parents = new Map<string, Set<string>>();
  const properties = new Map<string, Map<string, PropertyValue[]>>();
  const meaning = reader.text(definition, "hierarchyMeaning") ?? "is-a";
  const addParent = (code: string, parent: string) => {
    const known = parents.get(code);
    if (known) known.add(parent);
    else parents.set(code, new Set([parent]));
  };
  const visit = (concepts: readonly RawObject[], parent: string | undefined, depth: number) => {
    if (depth > maxDepth) throw new PackError("bad-definition", file, "concepts are nested too deeply");
    for (const concept of concepts) {
      const code = reader.requiredText(concept, "code");
      codes.push(code);
      if (parent !== undefined && meaning === "is-a") addParent(code, parent);
      for (const property of reader.objects(concept, "property")) {
        const name = reader.requiredText(property, "code");
        const value = reader.choice(property, "value")?.value;
        const plain = propertyValue(value);
        if (plain === undefined) continue;
        const ofCode = properties.get(code) ?? new Map<string, PropertyValue[]>();
        properties.set(code, ofCode);
        const values = ofCode.get(name);
        if (values) values.push(plain);
        else ofCode.set(name, [plain]);
        if ((name === "parent" || name === "subsumedBy") && typeof plain === "string") addParent(code, plain);
        if (name === "child" && typeof plain === "string") addParent(plain, code);
      }
      visit(reader.objects(concept, "concept"), code, depth + 1);
    }
  };
  visit(reader.objects(definition, "concept"), undefined, 0);
  const content = reader.text(definition, "content");
  const version = reader.text(definition, "version");
  return {
    facts: {
      url,
      ...(version === undefined ? {} : { version }),
      // Where it is not said, codes are compared without case: to take a code for wrong needs a reason.
      caseSensitive: reader.truth(definition, "caseSensitive") ?? false,
      content:
        content === "complete" || content === "fragment" || content === "example" || content === "supplement"
          ? content
          : "not-present",
      codes: [...new Set(codes)],
      ...(parents.size > 0
        ? { parents: Object.fromEntries([...parents].map(([code, of]) => [code, [...of]])) }
        : {}),
      ...(separatelyMaintained.test(url) ? { separatelyMaintained: true } : {}),
    },
    properties,
  };
}

function propertyValue(value: unknown): PropertyValue | undefined {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  // valueCoding
  if (typeof value === "object" && value !== null && "code" in value && typeof value.code === "string") {
    return value.code;
  }
  return undefined;
}

/** Ancestors of a code, itself left out unless it is its own ancestor through a cycle. */
function ancestors(facts: CodeSystemFacts, code: string, seen = new Set<string>()): Set<string> {
  for (const parent of facts.parents?.[code] ?? []) {
    if (seen.has(parent)) continue;
    seen.add(parent);
    ancestors(facts, parent, seen);
  }
  return seen;
}

/**
 * A regular expression for whole codes, or undefined where it is not one that JavaScript knows, or one that might take
 * exponential time: packages are not trusted.
 */
function wholeCode(pattern: string): RegExp | undefined {
  const repetitions = pattern.match(/[*+]|\{\d*,/g)?.length ?? 0;
  if (pattern.length > 500 || repetitions > 3 || /\)[*+{]/.test(pattern)) return undefined;
  try {
    return new RegExp(`^(?:${pattern})$`, "u");
  } catch {
    return undefined;
  }
}

/** What a filter says of each code of a system; undefined where it cannot be evaluated here. */
function filterTest(
  system: CompiledCodeSystem,
  property: string,
  operator: string,
  value: string,
): ((code: string) => boolean) | undefined {
  const { facts, properties } = system;
  const onCode = property === "concept" || property === "code";
  const isA = (code: string, root: string) => ancestors(facts, code).has(root);
  const list = new Set(value.split(",").map((item) => item.trim()));
  const valuesOf = (code: string): readonly string[] | undefined => {
    if (onCode) return [code];
    if (property === "parent") return facts.parents?.[code] ?? [];
    if (property === "child") return undefined;
    // A property that no concept has is one this copy leaves out, not one that is absent everywhere.
    return properties?.get(code)?.get(property)?.map(String) ?? [];
  };
  const readable =
    onCode || (property === "parent" && facts.parents !== undefined) || hasProperty(system, property);
  switch (operator) {
    case "is-a":
      return onCode ? (code) => code === value || isA(code, value) : undefined;
    case "descendent-of":
      return onCode ? (code) => code !== value && isA(code, value) : undefined;
    case "is-not-a":
      return onCode ? (code) => code !== value && !isA(code, value) : undefined;
    case "generalizes": {
      if (!onCode) return undefined;
      const above = ancestors(facts, value);
      return (code) => code === value || above.has(code);
    }
    case "=":
      return readable ? (code) => valuesOf(code)?.includes(value) ?? false : undefined;
    case "in":
      return readable ? (code) => valuesOf(code)?.some((item) => list.has(item)) ?? false : undefined;
    case "not-in":
      return readable ? (code) => !(valuesOf(code)?.some((item) => list.has(item)) ?? false) : undefined;
    case "exists":
      return readable ? (code) => (valuesOf(code)?.length ?? 0) > 0 === (value === "true") : undefined;
    case "regex": {
      const expression = readable ? wholeCode(value) : undefined;
      return expression
        ? (code) => valuesOf(code)?.some((item) => expression.test(item)) ?? false
        : undefined;
    }
    default:
      return undefined;
  }
}

function hasProperty(system: CompiledCodeSystem, property: string): boolean {
  for (const values of system.properties?.values() ?? []) if (values.has(property)) return true;
  return false;
}

/** Where the compiler finds what value sets refer to. Look-ups take canonicals as written. */
export interface TerminologyContext {
  codeSystem(canonical: string): CompiledCodeSystem | undefined;
  /** A ValueSet to compile, or the facts of one that is already compiled. */
  valueSet(
    canonical: string,
  ):
    | { readonly definition: RawObject; readonly file: string }
    | { readonly facts: ValueSetFacts }
    | undefined;
}

/** Compiles ValueSets, each once, following value sets in value sets. */
export class ValueSetCompiler {
  readonly #context: TerminologyContext;
  readonly #done = new Map<string, CodeSet>();
  readonly #open = new Set<string>();

  constructor(context: TerminologyContext) {
    this.#context = context;
  }

  /** Facts of a ValueSet (R4 ValueSet.compose; its expansion where the composition cannot be evaluated). */
  compile(definition: RawObject, file: string): ValueSetFacts {
    const reader = new RawReader(file);
    const url = reader.requiredText(definition, "url");
    const version = reader.text(definition, "version");
    const name = reader.text(definition, "name");
    return {
      url,
      ...(version === undefined ? {} : { version }),
      ...(name === undefined ? {} : { name }),
      ...membershipFacts(this.#setOf(definition, file), (system) => this.#context.codeSystem(system)?.facts),
    };
  }

  #setOf(definition: RawObject, file: string): CodeSet {
    const url = new RawReader(file).requiredText(definition, "url");
    const done = this.#done.get(url);
    if (done) return done;
    // A value set that includes itself adds nothing it could say of itself.
    if (this.#open.has(url) || this.#open.size > maxDepth) return unknownSet(url);
    this.#open.add(url);
    const set = this.#evaluate(definition, file, url);
    this.#open.delete(url);
    this.#done.set(url, set);
    return set;
  }

  #evaluate(definition: RawObject, file: string, url: string): CodeSet {
    const reader = new RawReader(file);
    const compose = reader.object(definition, "compose");
    const composed = compose ? this.#composed(reader, compose) : unknownSet(url);
    if (isDetermined(composed)) return composed;
    return completeExpansion(reader, definition) ?? composed;
  }

  #composed(reader: RawReader, compose: RawObject): CodeSet {
    let set = emptySet;
    for (const include of reader.objects(compose, "include")) set = union(set, this.#part(reader, include));
    for (const exclude of reader.objects(compose, "exclude"))
      set = difference(set, this.#part(reader, exclude));
    return set;
  }

  #part(reader: RawReader, part: RawObject): CodeSet {
    const sets: CodeSet[] = [];
    const system = reader.text(part, "system");
    if (system !== undefined) sets.push(this.#systemPart(reader, part, system));
    for (const canonical of reader.texts(part, "valueSet")) sets.push(this.#nested(canonical));
    const [first, ...rest] = sets;
    if (!first) return emptySet;
    return rest.reduce(intersection, first);
  }

  #nested(canonical: string): CodeSet {
    const found = this.#context.valueSet(canonical);
    if (!found) return unknownSet(canonical);
    return "facts" in found ? setOfFacts(found.facts) : this.#setOf(found.definition, found.file);
  }

  #systemPart(reader: RawReader, part: RawObject, system: string): CodeSet {
    const concepts = reader.objects(part, "concept");
    if (concepts.length > 0) {
      return systemSet(
        system,
        concepts.map((concept): [string, Truth] => [reader.requiredText(concept, "code"), 2]),
        0,
      );
    }
    const filters = reader.objects(part, "filter");
    if (filters.length === 0) return systemSet(system, [], 2);
    const version = reader.text(part, "version");
    const known = this.#context.codeSystem(version === undefined ? system : `${system}|${version}`);
    const usable = known && (known.facts.content === "complete" || known.facts.content === "fragment");
    let set: CodeSet | undefined;
    for (const filter of filters) {
      const test = usable
        ? filterTest(
            known,
            reader.requiredText(filter, "property"),
            reader.requiredText(filter, "op"),
            reader.text(filter, "value") ?? "",
          )
        : undefined;
      const one =
        known && test
          ? systemSet(
              system,
              known.facts.codes.map((code): [string, Truth] => [code, test(code) ? 2 : 0]),
              known.facts.content === "complete" ? 0 : 1,
            )
          : systemSet(system, [], 1);
      set = set ? intersection(set, one) : one;
    }
    return set ?? emptySet;
  }
}

/** The codes of an expansion that lists all of them; undefined where there is none or it is partial. */
function completeExpansion(reader: RawReader, definition: RawObject): CodeSet | undefined {
  const expansion = reader.object(definition, "expansion");
  if (!expansion) return undefined;
  const partial = reader
    .extensions(expansion, "http://hl7.org/fhir/StructureDefinition/valueset-unclosed")
    .some((extension) => extension["valueBoolean"] === true);
  const limited = reader
    .objects(expansion, "parameter")
    .some((parameter) =>
      ["limitedExpansion", "count", "offset", "filter"].includes(String(parameter["name"])),
    );
  if (partial || limited) return undefined;
  let set = emptySet;
  let listed = 0;
  const bySystem = new Map<string, [string, Truth][]>();
  const visit = (items: readonly RawObject[], depth: number) => {
    if (depth > maxDepth)
      throw new PackError("bad-definition", reader.file, "expansion is nested too deeply");
    for (const item of items) {
      listed += 1;
      const system = reader.text(item, "system");
      const code = reader.text(item, "code");
      if (system !== undefined && code !== undefined && reader.truth(item, "abstract") !== true) {
        const codes = bySystem.get(system) ?? [];
        codes.push([code, 2]);
        bySystem.set(system, codes);
      }
      visit(reader.objects(item, "contains"), depth + 1);
    }
  };
  visit(reader.objects(expansion, "contains"), 0);
  const total = reader.integer(expansion, "total");
  if (listed === 0 || (total !== undefined && total > listed)) return undefined;
  for (const [system, codes] of bySystem) set = union(set, systemSet(system, codes, 0));
  return set;
}
