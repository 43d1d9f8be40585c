/** Telling slices apart by their discriminators (https://hl7.org/fhir/R4/profiling.html#discriminator). */
import { isObject, listAt, stringAt, withoutVersion } from "./json.ts";
import type { DefinitionSource, DiscriminatorFacts } from "./pack/format.ts";
import { fixedTest, patternTest } from "./patterns.ts";
import type { ElementShape, Shapes, TypeOption, TypeShape } from "./shapes.ts";
import { conceptMembership, readCoding } from "./terminologies.ts";
import type { CodeTest } from "./terminologies.ts";
import { treeOf } from "./trees.ts";
import type { ElementNode } from "./trees.ts";

/** `maybe`: a code decides, and whether it belongs to the value set cannot be told offline. */
export const MATCH = { no: 0, yes: 1, maybe: 2 } as const;

/** What a slice test may ask of its surroundings. */
export interface SliceSurroundings {
  resolve(reference: string): unknown;
  conforms(value: unknown, profile: string): boolean;
}

/** One value with the type it was found as. */
export interface TypedValue {
  readonly value: unknown;
  /** The companion of a primitive. */
  readonly companion: unknown;
  readonly option: TypeOption | undefined;
}

export type SliceTest = (candidate: TypedValue, surroundings: SliceSurroundings) => number;

type Step =
  | { readonly kind: "child"; readonly name: string }
  | { readonly kind: "extension"; readonly url: string }
  | { readonly kind: "resolve" }
  | { readonly kind: "ofType"; readonly type: string };

/** Builds the test that says whether a value belongs to a slice. */
export function compileSlice(
  definitions: DefinitionSource,
  shapes: Shapes,
  sliced: ElementNode,
  slice: ElementNode,
  element: ElementShape,
): SliceTest {
  const discriminators = discriminatorsOf(sliced, element);
  const tests: SliceTest[] = [];
  for (const discriminator of discriminators) {
    const test = compileDiscriminator(definitions, shapes, slice, discriminator);
    if (test !== undefined) tests.push(test);
  }
  const [first, ...others] = tests;
  // Nothing tells this slice apart: any value may be of it, and none is held against it.
  if (first === undefined) return () => MATCH.maybe;
  if (others.length === 0) return first;
  return (candidate, surroundings) => {
    let answer = first(candidate, surroundings);
    for (const test of others) {
      if (answer === MATCH.no) return answer;
      const next = test(candidate, surroundings);
      if (next !== MATCH.yes) answer = next;
    }
    return answer;
  };
}

function discriminatorsOf(sliced: ElementNode, element: ElementShape): readonly DiscriminatorFacts[] {
  const given = sliced.facts.slicing?.discriminators ?? [];
  if (given.length > 0) return given;
  if (element.isChoice) return [{ type: "type", path: "$this" }];
  // Extensions are sliced by url wherever a definition leaves the entry out.
  if (element.name === "extension" || element.name === "modifierExtension")
    return [{ type: "value", path: "url" }];
  return [];
}

function compileDiscriminator(
  definitions: DefinitionSource,
  shapes: Shapes,
  slice: ElementNode,
  { type, path }: DiscriminatorFacts,
): SliceTest | undefined {
  const extensionUrl = path === "url" ? extensionUrlOf(slice) : undefined;
  if (extensionUrl !== undefined) {
    return ({ value }) => (isObject(value) && value["url"] === extensionUrl ? MATCH.yes : MATCH.no);
  }
  const steps = stepsOf(path);
  const lookThrough = type === "profile" && steps.at(-1)?.kind === "resolve";
  const criteria = criteriaAt(definitions, slice, lookThrough ? steps.slice(0, -1) : steps);
  const collect = collector(shapes, steps);
  if (type === "exists") return existsTest(criteria, collect);
  if (type === "type") return typeTest(shapes, criteria, collect, slice, steps);
  if (type === "profile") return profileTest(criteria, collect, lookThrough);
  for (const node of criteria) {
    if (node.facts.max === 0)
      return (candidate, env) => (collect(candidate, env).length === 0 ? MATCH.yes : MATCH.no);
    const test = valueTest(shapes, node) ?? partsTest(shapes, node);
    if (test === undefined) continue;
    return (candidate, env) => {
      let answer: number = MATCH.no;
      for (const found of collect(candidate, env)) {
        const match = test(found.value);
        if (match === MATCH.yes) return match;
        if (match === MATCH.maybe) answer = match;
      }
      return answer;
    };
  }
  return undefined;
}

/** `a.b.extension('url').resolve().ofType(T)`, `$this`. */
export function stepsOf(path: string): readonly Step[] {
  const steps: Step[] = [];
  for (const part of path.match(/[A-Za-z_$][\w[\]$]*(?:\((?:'[^']*'|"[^"]*"|[^()]*)\))?/g) ?? []) {
    if (part === "$this") continue;
    const call = /^(\w+)\((.*)\)$/.exec(part);
    if (call === null) {
      steps.push({ kind: "child", name: part.replace("[x]", "") });
      continue;
    }
    const argument = (call[2] ?? "").replace(/^['"]|['"]$/g, "");
    if (call[1] === "resolve") steps.push({ kind: "resolve" });
    else if (call[1] === "extension") steps.push({ kind: "extension", url: argument });
    else if (call[1] === "ofType" || call[1] === "as")
      steps.push({ kind: "ofType", type: argument.replace(/^FHIR\./, "") });
  }
  return steps;
}

/** The elements of the definitions that a discriminator's path leads to: in the slice itself, then in its type's profiles. */
function criteriaAt(
  definitions: DefinitionSource,
  slice: ElementNode,
  steps: readonly Step[],
): readonly ElementNode[] {
  let nodes: readonly ElementNode[] = [slice, ...profileRoots(definitions, slice)];
  for (const step of steps) {
    const next: ElementNode[] = [];
    for (const node of nodes) next.push(...stepInto(definitions, node, step));
    nodes = [...next, ...next.flatMap((node) => profileRoots(definitions, node))];
  }
  return nodes;
}

function stepInto(definitions: DefinitionSource, node: ElementNode, step: Step): readonly ElementNode[] {
  if (step.kind === "ofType") return [node];
  if (step.kind === "resolve") {
    const roots: ElementNode[] = [];
    for (const type of node.facts.types ?? []) {
      for (const target of type.targets ?? []) {
        const structure = definitions.structure(target);
        const root = structure === undefined ? undefined : treeOf(structure);
        if (root !== undefined) roots.push(root);
      }
    }
    // Several targets say nothing in common that a value could be tested by.
    return roots.length === 1 ? roots : [];
  }
  if (step.kind === "extension") {
    const extensions = childNamed(definitions, node, "extension");
    const found = extensions
      .flatMap((entry) => entry.slices)
      .find((slice) => extensionUrlOf(slice) === step.url);
    if (found !== undefined) return [found];
    const structure = definitions.structure(step.url);
    const root = structure === undefined ? undefined : treeOf(structure);
    return root === undefined ? [] : [root];
  }
  return childNamed(definitions, node, step.name);
}

function childNamed(definitions: DefinitionSource, node: ElementNode, name: string): readonly ElementNode[] {
  const own = node.children.filter((child) => child.name === name || child.name === `${name}[x]`);
  // What the element itself leaves open, a required slice of it may say.
  if (own.length > 0)
    return [...own, ...own.flatMap(({ slices }) => slices.filter(({ facts }) => facts.min > 0))];
  const types = node.facts.types ?? [];
  const code = types.length === 1 ? types[0]?.code : undefined;
  const structure = code === undefined ? undefined : definitions.type(code);
  const root = structure === undefined ? undefined : treeOf(structure);
  return root?.children.filter((child) => child.name === name || child.name === `${name}[x]`) ?? [];
}

function profileRoots(definitions: DefinitionSource, node: ElementNode): readonly ElementNode[] {
  const roots: ElementNode[] = [];
  for (const type of node.facts.types ?? []) {
    for (const profile of type.profiles ?? []) {
      const structure = definitions.structure(profile);
      const root = structure === undefined ? undefined : treeOf(structure);
      if (root !== undefined) roots.push(root);
    }
  }
  return roots;
}

function extensionUrlOf(slice: ElementNode): string | undefined {
  const url = slice.children.find((child) => child.name === "url")?.facts.fixed?.value;
  if (typeof url === "string") return url;
  const profile = slice.facts.types?.[0]?.profiles?.[0];
  return profile === undefined ? undefined : withoutVersion(profile);
}

type Collect = (candidate: TypedValue, surroundings: SliceSurroundings) => readonly TypedValue[];

/** Follows a path through a value. */
function collector(shapes: Shapes, steps: readonly Step[]): Collect {
  if (steps.length === 0) return (candidate) => [candidate];
  return (candidate, surroundings) => {
    let found: TypedValue[] = [candidate];
    for (const step of steps) {
      const next: TypedValue[] = [];
      for (const typed of found) follow(shapes, typed, step, surroundings, next);
      found = next;
    }
    return found;
  };
}

function follow(
  shapes: Shapes,
  typed: TypedValue,
  step: Step,
  surroundings: SliceSurroundings,
  into: TypedValue[],
): void {
  const { value } = typed;
  if (step.kind === "ofType") {
    if (typeNameOf(typed) === step.type) into.push(typed);
    return;
  }
  if (step.kind === "resolve") {
    const reference = typeof value === "string" ? value : stringAt(value, "reference");
    const target = reference === undefined ? undefined : surroundings.resolve(reference);
    if (target !== undefined) into.push({ value: target, companion: undefined, option: undefined });
    return;
  }
  if (step.kind === "extension") {
    const holder = isObject(value) ? value : typed.companion;
    for (const extension of listAt(holder, "extension")) {
      if (stringAt(extension, "url") === step.url)
        into.push({ value: extension, companion: undefined, option: undefined });
    }
    return;
  }
  if (!isObject(value)) return;
  const shape = shapeOf(shapes, typed);
  const element = shape?.elements.get(step.name);
  if (element === undefined) {
    for (const item of listAt(value, step.name))
      into.push({ value: item, companion: undefined, option: undefined });
    return;
  }
  for (const option of element.options) {
    const items = value[option.key];
    const companions = option.tag < 0 ? undefined : value[`_${option.key}`];
    if (items === undefined && companions === undefined) continue;
    if (Array.isArray(items) || Array.isArray(companions)) {
      const length = Math.max(
        Array.isArray(items) ? items.length : 0,
        Array.isArray(companions) ? companions.length : 0,
      );
      for (let at = 0; at < length; at++) {
        into.push({ value: entryAt(items, at), companion: entryAt(companions, at), option });
      }
    } else into.push({ value: items, companion: companions, option });
  }
}

function entryAt(list: unknown, index: number): unknown {
  return Array.isArray(list) ? (list as readonly unknown[])[index] : undefined;
}

function shapeOf(shapes: Shapes, { value, option }: TypedValue): TypeShape | undefined {
  const resourceType = stringAt(value, "resourceType");
  if (resourceType !== undefined) return shapes.type(resourceType);
  if (option !== undefined && option.tag < 0 && !option.isResource) return option.shape();
  return option === undefined && stringAt(value, "url") !== undefined ? shapes.type("Extension") : undefined;
}

function typeNameOf({ value, option }: TypedValue): string | undefined {
  return stringAt(value, "resourceType") ?? option?.code;
}

function existsTest(criteria: readonly ElementNode[], collect: Collect): SliceTest | undefined {
  const node = criteria.find(({ facts }) => facts.min > 0 || facts.max === 0);
  if (node === undefined) return undefined;
  const wanted = node.facts.max !== 0;
  return (candidate, env) => (collect(candidate, env).length > 0 === wanted ? MATCH.yes : MATCH.no);
}

function typeTest(
  shapes: Shapes,
  criteria: readonly ElementNode[],
  collect: Collect,
  slice: ElementNode,
  steps: readonly Step[],
): SliceTest | undefined {
  const codes = new Set<string>();
  for (const node of criteria) {
    if (node.facts.path.includes(".")) for (const type of node.facts.types ?? []) codes.add(type.code);
    else codes.add(node.structure.type);
  }
  if (steps.at(-1)?.kind === "resolve") {
    codes.clear();
    for (const node of criteria) codes.add(node.structure.type);
    if (codes.size === 0) for (const name of targetsOf(slice, steps)) codes.add(name);
  }
  if (codes.size === 0) return undefined;
  return (candidate, env) => {
    for (const found of collect(candidate, env)) {
      const name = typeNameOf(found);
      if (name === undefined) continue;
      if (codes.has(name)) return MATCH.yes;
      const lineage = shapes.type(name)?.lineage;
      if (lineage !== undefined && lineage.some((ancestor) => codes.has(ancestor))) return MATCH.yes;
    }
    return MATCH.no;
  };
}

function targetsOf(slice: ElementNode, steps: readonly Step[]): readonly string[] {
  if (steps.length !== 1) return [];
  const names: string[] = [];
  for (const type of slice.facts.types ?? []) {
    for (const target of type.targets ?? []) names.push(target.slice(target.lastIndexOf("/") + 1));
  }
  return names;
}

function profileTest(
  criteria: readonly ElementNode[],
  collect: Collect,
  throughReference: boolean,
): SliceTest | undefined {
  const profiles = new Set<string>();
  for (const node of criteria) {
    for (const type of node.facts.types ?? []) {
      for (const profile of (throughReference ? type.targets : type.profiles) ?? []) profiles.add(profile);
    }
  }
  if (profiles.size === 0) return undefined;
  return (candidate, env) => {
    for (const { value } of collect(candidate, env)) {
      for (const profile of profiles) if (env.conforms(value, profile)) return MATCH.yes;
    }
    return MATCH.no;
  };
}

/** By the element's own fixed value, pattern or required binding. */
function valueTest(shapes: Shapes, { facts }: ElementNode): ((value: unknown) => number) | undefined {
  if (facts.fixed !== undefined) {
    const test = fixedTest(facts.fixed.value);
    return (value) => (test(value) === undefined ? MATCH.yes : MATCH.no);
  }
  if (facts.pattern !== undefined) {
    const test = patternTest(facts.pattern.value);
    return (value) => (test(value) === undefined ? MATCH.yes : MATCH.no);
  }
  if (facts.binding?.strength !== "required") return undefined;
  const test = shapes.codeTest(facts.binding.valueSet);
  return (value) => {
    const membership = membershipOf(test, value);
    return membership === "in" ? MATCH.yes : membership === "unknown" ? MATCH.maybe : MATCH.no;
  };
}

function membershipOf(test: CodeTest, value: unknown): "in" | "out" | "unknown" {
  if (typeof value === "string") return test.bare(value);
  if (!isObject(value)) return "out";
  if ("coding" in value) return conceptMembership(test, listAt(value, "coding").map(readCoding));
  const { system, code } = readCoding(value);
  return code === undefined ? "out" : test.coding(system, code);
}

/** By what the element's children say, where it says nothing itself: each of them must agree. */
function partsTest(shapes: Shapes, node: ElementNode): ((value: unknown) => number) | undefined {
  const parts: { name: string; test: (value: unknown) => number }[] = [];
  for (const child of node.children) {
    const test = valueTest(shapes, child) ?? partsTest(shapes, child);
    if (test !== undefined && child.facts.min > 0) parts.push({ name: child.name.replace("[x]", ""), test });
  }
  if (parts.length === 0) return undefined;
  return (value) => {
    let answer: number = MATCH.yes;
    for (const { name, test } of parts) {
      let best: number = MATCH.no;
      for (const item of listAt(value, name)) {
        const match = test(item);
        if (match === MATCH.yes) {
          best = match;
          break;
        }
        if (match === MATCH.maybe) best = match;
      }
      if (best === MATCH.no) return best;
      if (best === MATCH.maybe) answer = best;
    }
    return answer;
  };
}
