/**
 * The base types as the walk needs them: for each JSON key of a type, what it holds. Built from the snapshots of the
 * base definitions, each type on first use, since types refer to each other in circles.
 */
import { identitiesOf } from "./constraints.ts";
import type { Constraint, ConstraintCompiler } from "./constraints.ts";
import { withoutVersion } from "./json.ts";
import type { BindingFacts, DefinitionSource, ElementFacts, StructureFacts } from "./pack/format.ts";
import { PRIMITIVE, primitiveTag } from "./primitives.ts";
import { codeTest } from "./terminologies.ts";
import type { CodeTest } from "./terminologies.ts";

/** Datatypes with rules of their own. */
export const SPECIAL = {
  none: 0,
  extension: 1,
  reference: 2,
  coding: 3,
  codeableConcept: 4,
  quantity: 5,
  identifier: 6,
  narrative: 7,
  attachment: 8,
  /** One of the two accounts of the same elements in a StructureDefinition. */
  elementList: 9,
} as const;

const SPECIAL_OF: ReadonlyMap<string, number> = new Map([
  ["Extension", SPECIAL.extension],
  ["Reference", SPECIAL.reference],
  ["Coding", SPECIAL.coding],
  ["CodeableConcept", SPECIAL.codeableConcept],
  ["Quantity", SPECIAL.quantity],
  ["Age", SPECIAL.quantity],
  ["Distance", SPECIAL.quantity],
  ["Duration", SPECIAL.quantity],
  ["Count", SPECIAL.quantity],
  ["MoneyQuantity", SPECIAL.quantity],
  ["SimpleQuantity", SPECIAL.quantity],
  ["Identifier", SPECIAL.identifier],
  ["Narrative", SPECIAL.narrative],
  ["Attachment", SPECIAL.attachment],
]);

const ELEMENT_LISTS: ReadonlySet<string> = new Set([
  "StructureDefinition.snapshot",
  "StructureDefinition.differential",
]);

export interface Binding {
  readonly strength: BindingFacts["strength"];
  readonly test: CodeTest;
  readonly maximum: CodeTest | undefined;
}

/** One type that an element may have. */
export interface TypeOption {
  readonly code: string;
  /** JSON key of the element when it has this type. */
  readonly key: string;
  /** JSON key of a primitive's id and extensions. */
  readonly companionKey: string;
  /** How the place reads in FHIRPath. */
  readonly segment: string;
  /** Tag of a primitive, else -1. */
  readonly tag: number;
  readonly isResource: boolean;
  /** Types that a Reference may point to; undefined allows all. */
  readonly targets: ReadonlySet<string> | undefined;
  /** Profiles that the base definition itself asks of the type, such as SimpleQuantity. */
  readonly profiles: readonly string[];
  /** Of complex types: the shape, built on first use. */
  shape(): TypeShape;
}

export interface ElementShape {
  /** Without `[x]`. */
  readonly name: string;
  readonly path: string;
  readonly min: number;
  readonly max: number;
  readonly repeats: boolean;
  readonly isChoice: boolean;
  /** A bit of its own within the type for choices, so that two values of one choice are noticed; else 0. */
  readonly choiceBit: number;
  readonly options: readonly TypeOption[];
  readonly binding: Binding | undefined;
  readonly constraints: readonly Constraint[];
  readonly facts: ElementFacts;
}

/** A JSON key of a type. */
export interface Property {
  readonly element: ElementShape;
  readonly option: TypeOption;
  /** `_name`: holds id and extensions of a primitive. */
  readonly isCompanion: boolean;
  /** Key of the other half of a primitive. */
  readonly counterpart: string;
  /** How the place reads in FHIRPath. */
  readonly segment: string;
  readonly repeats: boolean;
  readonly tag: number;
}

export interface TypeShape {
  /** `HumanName`, `Patient`, or for a part of a resource its path: `Patient.contact`. */
  readonly name: string;
  /** What FHIRPath calls it: `BackboneElement` for parts. */
  readonly typeName: string;
  readonly url: string;
  readonly isResource: boolean;
  /** Whether it has `contained`: everything but Resource, Bundle, Binary, Parameters. */
  readonly isDomainResource: boolean;
  /** Itself and the types it derives from. */
  readonly lineage: readonly string[];
  readonly properties: ReadonlyMap<string, Property>;
  readonly elements: ReadonlyMap<string, ElementShape>;
  readonly required: readonly ElementShape[];
  readonly constraints: readonly Constraint[];
  /** Keys of all constraints of the type itself, native ones too. */
  readonly constraintIdentities: ReadonlySet<string>;
  readonly special: number;
}

export interface Shapes {
  /** The shape of a datatype or resource type; undefined where the definitions do not have it. */
  type(name: string): TypeShape | undefined;
  binding(facts: BindingFacts | undefined): Binding | undefined;
  codeTest(canonical: string): CodeTest;
}

/** Prepares the base types of a set of definitions. */
export function createShapes(definitions: DefinitionSource, constraints: ConstraintCompiler): Shapes {
  const types = new Map<string, TypeShape>();
  const tests = new Map<string, CodeTest>();
  const indexes = new WeakMap<StructureFacts, ReadonlyMap<string, readonly ElementFacts[]>>();

  const test = (canonical: string): CodeTest => {
    let found = tests.get(canonical);
    if (found === undefined) tests.set(canonical, (found = codeTest(definitions, canonical)));
    return found;
  };

  const binding = (facts: BindingFacts | undefined): Binding | undefined => {
    if (facts === undefined) return undefined;
    const judged = facts.strength === "required" || facts.strength === "extensible";
    if (!judged && facts.maxValueSet === undefined) return undefined;
    return {
      strength: facts.strength,
      test: test(facts.valueSet),
      maximum: facts.maxValueSet === undefined ? undefined : test(facts.maxValueSet),
    };
  };

  const type = (name: string): TypeShape | undefined => {
    const known = types.get(name);
    if (known !== undefined) return known;
    const structure = definitions.type(name);
    const root = structure?.elements[0];
    if (structure === undefined || root === undefined || structure.kind === "primitive-type")
      return undefined;
    // A name that only a profile has is no type.
    if (structure.derivation === "constraint") return undefined;
    const shape = build(structure, root, name);
    types.set(name, shape);
    return shape;
  };

  const childrenOf = (structure: StructureFacts, path: string): readonly ElementFacts[] => {
    let index = indexes.get(structure);
    if (index === undefined) indexes.set(structure, (index = indexByParent(structure.elements)));
    return index.get(path) ?? [];
  };

  const parts = new WeakMap<StructureFacts, Map<string, TypeShape>>();
  const part = (structure: StructureFacts, path: string): TypeShape => {
    let known = parts.get(structure);
    if (known === undefined) parts.set(structure, (known = new Map()));
    let shape = known.get(path);
    if (shape === undefined) {
      const facts = structure.elements.find((element) => element.path === path);
      if (facts === undefined)
        throw new RangeError(`${structure.url} refers to ${path}, which it does not have`);
      shape = build(structure, facts, path);
      known.set(path, shape);
    }
    return shape;
  };

  const build = (structure: StructureFacts, root: ElementFacts, name: string): TypeShape => {
    const isRoot = root === structure.elements[0];
    const isResource = isRoot && structure.kind === "resource";
    const elements = new Map<string, ElementShape>();
    const properties = new Map<string, Property>();
    let choices = 0;
    for (const facts of childrenOf(structure, root.path)) {
      const last = facts.path.slice(facts.path.lastIndexOf(".") + 1);
      const isChoice = last.endsWith("[x]");
      const elementName = isChoice ? last.slice(0, -3) : last;
      if (elements.has(elementName) || maximumOf(facts.max) === 0) continue;
      const options = optionsOf(structure, facts, elementName, isChoice);
      const typeIdentities = identitiesBelow(structure, facts);
      const element: ElementShape = {
        name: elementName,
        path: facts.path,
        min: facts.min,
        max: maximumOf(facts.max),
        repeats: maximumOf(facts.baseMax ?? facts.max) > 1,
        isChoice,
        choiceBit: isChoice ? 1 << choices++ : 0,
        options,
        binding: binding(facts.binding),
        constraints: constraints.compile(facts.constraints, typeIdentities, structure.url),
        facts,
      };
      elements.set(elementName, element);
      for (const option of options) addProperties(properties, element, option);
    }
    const typeName = isRoot ? structure.type : (root.types?.[0]?.code ?? "BackboneElement");
    return {
      name,
      typeName,
      url: structure.url,
      isResource,
      isDomainResource: isResource && elements.has("contained"),
      lineage: isRoot ? lineageOf(structure) : [typeName, "Element"],
      properties,
      elements,
      required: [...elements.values()].filter((element) => element.min > 0),
      constraints: constraints.compile(root.constraints, NO_IDENTITIES, structure.url),
      constraintIdentities: new Set(identitiesOf(root.constraints)),
      special: isRoot
        ? (SPECIAL_OF.get(name) ?? SPECIAL.none)
        : ELEMENT_LISTS.has(root.path)
          ? SPECIAL.elementList
          : SPECIAL.none,
    };
  };

  /** Constraints that the type of an element brings; those of a part of a resource stand on the part itself. */
  const identitiesBelow = (structure: StructureFacts, facts: ElementFacts): ReadonlySet<string> => {
    if (facts.contentReference !== undefined || childrenOf(structure, facts.path).length > 0) {
      return new Set(identitiesOf(facts.constraints));
    }
    const [type, another] = facts.types ?? [];
    if (type === undefined || another !== undefined) return NO_IDENTITIES;
    return new Set(identitiesOf(definitions.type(type.code)?.elements[0]?.constraints));
  };

  const lineageOf = (structure: StructureFacts): string[] => {
    const names = [structure.type];
    let current: StructureFacts | undefined = structure;
    while (current?.base !== undefined && names.length < 20) {
      current = definitions.structure(current.base);
      if (current === undefined) {
        names.push(structure.kind === "resource" ? "Resource" : "Element");
        break;
      }
      names.push(current.type);
    }
    return names;
  };

  const optionsOf = (
    structure: StructureFacts,
    facts: ElementFacts,
    name: string,
    isChoice: boolean,
  ): TypeOption[] => {
    const choice = isChoice ? name : undefined;
    if (facts.contentReference !== undefined) {
      const [url, path] = splitContentReference(facts.contentReference);
      const owner = url === "" ? structure : (definitions.structure(url) ?? structure);
      return [
        option(
          {
            code: "BackboneElement",
            key: name,
            tag: -1,
            isResource: false,
            targets: undefined,
            profiles: [],
          },
          undefined,
          () => part(owner, path),
        ),
      ];
    }
    const hasParts = childrenOf(structure, facts.path).length > 0;
    const options: TypeOption[] = [];
    for (const { code, fhirType, targets, profiles = [] } of facts.types ?? []) {
      const key = isChoice ? name + code.charAt(0).toUpperCase() + code.slice(1) : name;
      if (hasParts) {
        options.push(
          option({ code, key, tag: -1, isResource: false, targets: undefined, profiles: [] }, choice, () =>
            part(structure, facts.path),
          ),
        );
        continue;
      }
      const isResourceId = structure.kind === "resource" && facts.path === `${structure.type}.id`;
      const tag = isResourceId ? PRIMITIVE.id : primitiveTag(fhirType ?? code);
      const base = tag >= 0 ? undefined : definitions.type(code);
      const isResource = base?.kind === "resource";
      options.push(
        option(
          { code, key, tag, isResource, targets: targetTypes(definitions, targets), profiles },
          choice,
          () => {
            const shape = type(code);
            if (shape === undefined) throw new RangeError(`the definitions lack the type ${code}`);
            return shape;
          },
        ),
      );
    }
    return options;
  };

  return { type, binding, codeTest: test };
}

const NO_IDENTITIES: ReadonlySet<string> = new Set();

function option(
  facts: Omit<TypeOption, "shape" | "companionKey" | "segment">,
  choice: string | undefined,
  build: () => TypeShape,
): TypeOption {
  let built: TypeShape | undefined;
  const segment = choice === undefined ? facts.key : `${choice}.ofType(${facts.code})`;
  return { ...facts, companionKey: `_${facts.key}`, segment, shape: () => (built ??= build()) };
}

function addProperties(properties: Map<string, Property>, element: ElementShape, of: TypeOption): void {
  const { segment } = of;
  const companion = `_${of.key}`;
  properties.set(of.key, {
    element,
    option: of,
    isCompanion: false,
    counterpart: companion,
    segment,
    repeats: element.repeats,
    tag: of.tag,
  });
  if (of.tag < 0) return;
  properties.set(companion, {
    element,
    option: of,
    isCompanion: true,
    counterpart: of.key,
    segment,
    repeats: element.repeats,
    tag: of.tag,
  });
}

/** Types that a list of target profiles stands for; undefined where it allows every type. */
export function targetTypes(
  definitions: DefinitionSource,
  targets: readonly string[] | undefined,
): ReadonlySet<string> | undefined {
  if (targets === undefined || targets.length === 0) return undefined;
  const names = new Set<string>();
  for (const target of targets) {
    const structure = definitions.structure(target);
    const name = structure?.type ?? typeNamed(target);
    // A target nobody knows cannot refuse anything.
    if (name === undefined || name === "Resource" || name === "DomainResource") return undefined;
    names.add(name);
  }
  return names;
}

const CORE = "http://hl7.org/fhir/StructureDefinition/";

function typeNamed(canonical: string): string | undefined {
  const url = withoutVersion(canonical);
  if (!url.startsWith(CORE)) return undefined;
  const name = url.slice(CORE.length);
  return /^[A-Z][A-Za-z]+$/.test(name) ? name : undefined;
}

export function maximumOf(max: number | "*"): number {
  return max === "*" ? Number.POSITIVE_INFINITY : max;
}

export function splitContentReference(reference: string): readonly [url: string, path: string] {
  const hash = reference.indexOf("#");
  return [reference.slice(0, Math.max(hash, 0)), reference.slice(hash + 1)];
}

function indexByParent(elements: readonly ElementFacts[]): ReadonlyMap<string, readonly ElementFacts[]> {
  const index = new Map<string, ElementFacts[]>();
  for (const element of elements) {
    const dot = element.path.lastIndexOf(".");
    if (dot < 0) continue;
    const parent = element.path.slice(0, dot);
    const siblings = index.get(parent);
    if (siblings === undefined) index.set(parent, [element]);
    else siblings.push(element);
  }
  return index;
}
