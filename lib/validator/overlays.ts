/**
 * Profiles and extension definitions, as what they add to the base types: an overlay keeps only the rules that are
 * tighter than the base's, so that judging a resource against a profile visits few places.
 */
import { identitiesOf } from "./constraints.ts";
import type { Constraint, ConstraintCompiler } from "./constraints.ts";
import type { DefinitionSource, ElementFacts, StructureFacts } from "./pack/format.ts";
import { fixedTest, patternTest } from "./patterns.ts";
import type { ValueTest } from "./patterns.ts";
import { maximumOf, targetTypes } from "./shapes.ts";
import type { Binding, ElementShape, Shapes, TypeOption, TypeShape } from "./shapes.ts";
import { compileSlice } from "./slices.ts";
import type { SliceTest } from "./slices.ts";
import { treeOf } from "./trees.ts";
import type { ElementNode } from "./trees.ts";

/** Rules on one value. */
export interface Overlay {
  /** Canonical of the structure the rules come from. */
  readonly profile: string;
  readonly elementId: string;
  readonly fixed: ValueRule | undefined;
  readonly pattern: ValueRule | undefined;
  readonly bounds: Bounds | undefined;
  readonly binding: Binding | undefined;
  readonly constraints: readonly Constraint[];
  /** By type code: profiles of which the value must meet one. */
  readonly profiles: ReadonlyMap<string, readonly string[]> | undefined;
  readonly targets: TargetRule | undefined;
  readonly members: readonly Member[];
  /** Nothing to check here or below. */
  readonly isEmpty: boolean;
}

export interface ValueRule {
  readonly test: ValueTest;
  readonly value: unknown;
}

export interface Bounds {
  readonly minimum: unknown;
  readonly maximum: unknown;
  readonly maxLength: number | undefined;
}

export interface TargetRule {
  readonly types: ReadonlySet<string> | undefined;
  /** Profiles beyond the base types, by type: a target that can be looked at must meet one of its type's. */
  readonly profiles: ReadonlyMap<string, readonly string[]>;
  readonly aggregation: readonly string[] | undefined;
}

/** Rules on a child element: how often, as what, and on each value. */
export interface Member {
  readonly element: ElementShape;
  readonly profile: string;
  readonly elementId: string;
  readonly min: number;
  readonly max: number;
  /** Type codes that remain allowed; undefined where the profile does not narrow them. */
  readonly allowed: ReadonlySet<string> | undefined;
  readonly item: Overlay | undefined;
  readonly slicing: Slicing | undefined;
}

export interface Slicing {
  readonly rules: "open" | "closed" | "openAtEnd";
  readonly ordered: boolean;
  readonly slices: readonly Slice[];
}

export interface Slice {
  readonly name: string;
  readonly elementId: string;
  readonly min: number;
  readonly max: number;
  readonly test: SliceTest;
  readonly item: Overlay;
  readonly allowed: ReadonlySet<string> | undefined;
  readonly slicing: Slicing | undefined;
}

export interface Overlays {
  /** The overlay of a profile or extension definition; undefined where its type is not known. */
  of(structure: StructureFacts): Overlay | undefined;
}

/** Prepares the profiles of a set of definitions, each on first use. */
export function createOverlays(
  definitions: DefinitionSource,
  shapes: Shapes,
  constraints: ConstraintCompiler,
): Overlays {
  const compiled = new Map<StructureFacts, Overlay | undefined>();

  const of = (structure: StructureFacts): Overlay | undefined => {
    if (compiled.has(structure)) return compiled.get(structure);
    // Known before it is built, so that profiles that refer to each other do not build each other for ever.
    compiled.set(structure, undefined);
    const overlay = compileStructure(structure);
    compiled.set(structure, overlay);
    return overlay;
  };

  const compileStructure = (structure: StructureFacts): Overlay | undefined => {
    const base = shapes.type(structure.type);
    const root = treeOf(structure);
    if (base === undefined || root === undefined) return undefined;
    return overlayOf(root, {
      shape: base,
      known: base.constraintIdentities,
      binding: undefined,
      targets: undefined,
    });
  };

  interface BaseRules {
    readonly shape: TypeShape | undefined;
    readonly known: ReadonlySet<string>;
    readonly binding: ElementFacts["binding"];
    readonly targets: ReadonlySet<string> | undefined;
  }

  const overlayOf = (node: ElementNode, base: BaseRules): Overlay => {
    const { facts, structure } = node;
    const members = base.shape === undefined ? [] : membersOf(node, base.shape);
    const binding = sameBinding(facts.binding, base.binding) ? undefined : shapes.binding(facts.binding);
    const overlay = {
      profile: structure.url,
      elementId: facts.id,
      fixed:
        facts.fixed === undefined
          ? undefined
          : { test: fixedTest(facts.fixed.value), value: facts.fixed.value },
      pattern:
        facts.pattern === undefined
          ? undefined
          : { test: patternTest(facts.pattern.value), value: facts.pattern.value },
      bounds: boundsOf(facts),
      binding,
      constraints: constraints.compile(facts.constraints, base.known, structure.url),
      profiles: facts.path.includes(".") ? profilesOf(facts) : undefined,
      targets: targetsOf(definitions, facts, base.targets),
      members,
    };
    const isEmpty =
      overlay.fixed === undefined &&
      overlay.pattern === undefined &&
      overlay.bounds === undefined &&
      overlay.binding === undefined &&
      overlay.constraints.length === 0 &&
      overlay.profiles === undefined &&
      overlay.targets === undefined &&
      members.length === 0;
    return { ...overlay, isEmpty };
  };

  const membersOf = (node: ElementNode, shape: TypeShape): Member[] => {
    const members: Member[] = [];
    for (const child of node.children) {
      const member = memberOf(child, shape);
      if (member !== undefined) members.push(member);
    }
    return members;
  };

  const memberOf = (node: ElementNode, shape: TypeShape): Member | undefined => {
    const found = elementFor(shape, node.name);
    if (found === undefined) return undefined;
    const { element, only } = found;
    const { facts } = node;
    // What an extension may have as its value is judged as a whole where the extension stands.
    const isExtensionContent = shape.name === "Extension" && EXTENSION_CONTENT.has(facts.path);
    const max = isExtensionContent && facts.max === 0 ? element.max : maximumOf(facts.max);
    const allowed = only ?? (isExtensionContent ? undefined : allowedTypes(facts, element));
    const item = itemOf(node, element, allowed ?? allowedTypes(facts, element));
    const slicing = slicingOf(node, element);
    const min = facts.min > element.min ? facts.min : 0;
    const narrowedMax = max < element.max ? max : Number.POSITIVE_INFINITY;
    if (
      min === 0 &&
      narrowedMax === Number.POSITIVE_INFINITY &&
      allowed === undefined &&
      item.isEmpty &&
      slicing === undefined
    ) {
      return undefined;
    }
    return {
      element,
      profile: node.structure.url,
      elementId: facts.id,
      min,
      max: narrowedMax,
      // `valueQuantity` as a path of its own says nothing about the other types.
      allowed: only === undefined ? allowed : undefined,
      item: item.isEmpty ? undefined : item,
      slicing,
    };
  };

  const itemOf = (
    node: ElementNode,
    element: ElementShape,
    allowed: ReadonlySet<string> | undefined,
  ): Overlay => {
    const options = element.options.filter((option) => allowed === undefined || allowed.has(option.code));
    const only = options.length === 1 ? options[0] : undefined;
    return overlayOf(node, {
      shape: shapeBelow(node, options),
      known: new Set([
        ...identitiesOf(element.facts.constraints),
        ...(only === undefined || only.tag >= 0 || only.isResource ? [] : only.shape().constraintIdentities),
      ]),
      binding: element.facts.binding,
      targets: only?.targets,
    });
  };

  /** The shape that the children of a node belong to: only where its type is settled can it have children. */
  const shapeBelow = (node: ElementNode, options: readonly TypeOption[]): TypeShape | undefined => {
    if (node.children.length === 0) return undefined;
    const complex = options.filter((option) => option.tag < 0);
    const first = complex[0];
    if (complex.length === 1 && first !== undefined) {
      if (!first.isResource) return first.shape();
      // Bundle.entry.resource and the like: the profile says of which type it speaks.
      const code = node.facts.types?.[0]?.code;
      return code === undefined ? first.shape() : shapes.type(code);
    }
    return complex.length === 0 ? undefined : shapes.type("Element");
  };

  const slicingOf = (node: ElementNode, element: ElementShape): Slicing | undefined => {
    if (node.slices.length === 0) {
      if (node.facts.slicing?.rules !== "closed" || node.facts.slicing.discriminators.length === 0)
        return undefined;
      if (element.isChoice) return undefined;
    }
    const facts = node.facts.slicing;
    const slices: Slice[] = [];
    for (const slice of node.slices) {
      const allowed = allowedTypes(slice.facts, element);
      slices.push({
        name: slice.facts.sliceName ?? slice.facts.id,
        elementId: slice.facts.id,
        min: slice.facts.min,
        max: maximumOf(slice.facts.max),
        test: compileSlice(definitions, shapes, node, slice, element),
        item: itemOf(slice, element, allowed),
        allowed,
        slicing: slicingOf(slice, element),
      });
    }
    return { rules: facts?.rules ?? "open", ordered: facts?.ordered ?? false, slices };
  };

  return { of };
}

const EXTENSION_CONTENT: ReadonlySet<string> = new Set(["Extension.value[x]", "Extension.extension"]);

/** Finds an element of a type, also by the name it has with one of its types (`valueQuantity`). */
export function elementFor(
  shape: TypeShape,
  name: string,
): { element: ElementShape; only: ReadonlySet<string> | undefined } | undefined {
  const plain = name.endsWith("[x]") ? name.slice(0, -3) : name;
  const element = shape.elements.get(plain);
  if (element !== undefined) return { element, only: undefined };
  const property = shape.properties.get(name);
  if (property === undefined || property.isCompanion) return undefined;
  return { element: property.element, only: new Set([property.option.code]) };
}

function allowedTypes(facts: ElementFacts, element: ElementShape): ReadonlySet<string> | undefined {
  if (facts.types === undefined || facts.types.length === 0) return undefined;
  // One primitive goes by several names in the definitions: `uri` is also `System.String`.
  if (element.options.length === 1 && element.options[0]?.isResource === false) return undefined;
  const codes = new Set(facts.types.map((type) => type.code));
  for (const option of element.options) {
    if (!codes.has(option.code)) {
      // A resource type in place of Resource narrows; a part of a resource is never narrowed.
      return option.code === "BackboneElement" || option.code === "Element" ? undefined : codes;
    }
  }
  return undefined;
}

function sameBinding(one: ElementFacts["binding"], other: ElementFacts["binding"]): boolean {
  return (
    one?.strength === other?.strength &&
    one?.valueSet === other?.valueSet &&
    one?.maxValueSet === other?.maxValueSet
  );
}

function boundsOf(facts: ElementFacts): Bounds | undefined {
  if (facts.minValue === undefined && facts.maxValue === undefined && facts.maxLength === undefined)
    return undefined;
  return { minimum: facts.minValue?.value, maximum: facts.maxValue?.value, maxLength: facts.maxLength };
}

function profilesOf(facts: ElementFacts): ReadonlyMap<string, readonly string[]> | undefined {
  const profiles = new Map<string, readonly string[]>();
  for (const type of facts.types ?? []) {
    if (type.profiles !== undefined && type.profiles.length > 0) profiles.set(type.code, type.profiles);
  }
  return profiles.size === 0 ? undefined : profiles;
}

function targetsOf(
  definitions: DefinitionSource,
  facts: ElementFacts,
  base: ReadonlySet<string> | undefined,
): TargetRule | undefined {
  const type = facts.types?.find(({ code }) => code === "Reference");
  if (type === undefined) return undefined;
  const types = targetTypes(definitions, type.targets);
  const profiles = new Map<string, string[]>();
  for (const target of type.targets ?? []) {
    const structure = definitions.structure(target);
    if (structure === undefined) continue;
    const list = profiles.get(structure.type) ?? [];
    list.push(target);
    profiles.set(structure.type, list);
  }
  // A base type among the targets accepts every resource of that type.
  let profiled = false;
  for (const [name, list] of profiles) {
    if (list.some((target) => definitions.structure(target)?.derivation !== "constraint"))
      profiles.delete(name);
    else profiled = true;
  }
  const narrower = types !== undefined && !(base !== undefined && sameMembers(types, base));
  if (!narrower && !profiled && type.aggregation === undefined) return undefined;
  return { types: narrower ? types : undefined, profiles, aggregation: type.aggregation };
}

function sameMembers(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  if (one.size !== other.size) return false;
  for (const member of one) if (!other.has(member)) return false;
  return true;
}
