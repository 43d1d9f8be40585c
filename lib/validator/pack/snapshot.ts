import { PackError } from "./errors.ts";
import type {
  BindingFacts,
  ConstraintFacts,
  ElementFacts,
  SlicingFacts,
  StructureFacts,
  TypeFacts,
} from "./format.ts";
import { RawReader, type RawObject } from "./raw.ts";
import { completeElement, sparseElementFacts, structureHead } from "./structure.ts";

/** Where the generator finds the definitions that a differential builds on. */
export interface SnapshotContext {
  structure(canonical: string): StructureFacts | undefined;
  /** The base definition of a FHIR type. */
  type(name: string): StructureFacts | undefined;
}

/** What a differential says of one element: anything may be left out. */
type Sparse = ReturnType<typeof sparseElementFacts>;

/** An element, its children, and (where it is sliced) its slices, in snapshot order. */
interface Node {
  element: ElementFacts;
  /** Last part of the path, such as `value[x]`. */
  readonly name: string;
  readonly children: Node[];
  readonly slices: Node[];
  /**
   * The element as the base has it, absent where the base has none: slices start from the base, as in published
   * snapshots, not from what the differential says of the whole.
   */
  readonly inherited?: ElementFacts;
}

/** One part of an element id: `component:systolic` names element and slice. */
interface Step {
  readonly name: string;
  readonly slice?: string;
}

/** Elements that one snapshot may have; hostile packages unfold without end otherwise. */
const maxElements = 20_000;
const maxDepth = 40;

const extensionSlicing: SlicingFacts = {
  discriminators: [{ type: "value", path: "url" }],
  ordered: false,
  rules: "open",
};
const typeSlicing: SlicingFacts = {
  discriminators: [{ type: "type", path: "$this" }],
  ordered: false,
  rules: "open",
};

const lastPart = (path: string): string => path.slice(path.lastIndexOf(".") + 1);
const capitalized = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

function steps(id: string): readonly Step[] {
  return id.split(".").map((part) => {
    const colon = part.indexOf(":");
    return colon < 0 ? { name: part } : { name: part.slice(0, colon), slice: part.slice(colon + 1) };
  });
}

function without<K extends keyof ElementFacts>(element: ElementFacts, ...keys: K[]): Omit<ElementFacts, K> {
  const copy: ElementFacts = { ...element };
  for (const key of keys) Reflect.deleteProperty(copy, key);
  return copy;
}

/** Snapshot list → tree. */
function treeOf(elements: readonly ElementFacts[], file: string): Node {
  const [first, ...rest] = elements;
  if (!first) throw new PackError("bad-differential", file, "the base definition has no elements");
  const root = nodeOf(first);
  for (const element of rest) {
    let node = root;
    const parts = steps(element.id).slice(1);
    for (const [index, step] of parts.entries()) {
      const final = index === parts.length - 1;
      let child = node.children.find((candidate) => candidate.name === step.name);
      if (!child && final && step.slice === undefined) {
        child = nodeOf(element);
        node.children.push(child);
      }
      if (!child) throw new PackError("bad-differential", file, `base element "${element.id}" has no parent`);
      if (step.slice !== undefined) {
        let slice = child.slices.find((candidate) => candidate.element.sliceName === step.slice);
        if (!slice && final) {
          slice = nodeOf(element);
          child.slices.push(slice);
        }
        if (!slice)
          throw new PackError("bad-differential", file, `base element "${element.id}" has no slice`);
        child = slice;
      }
      node = child;
    }
  }
  return root;
}

function nodeOf(element: ElementFacts): Node {
  return { element, inherited: element, name: lastPart(element.path), children: [], slices: [] };
}

function flatten(node: Node, into: ElementFacts[] = []): ElementFacts[] {
  into.push(node.element);
  for (const child of node.children) flatten(child, into);
  for (const slice of node.slices) flatten(slice, into);
  return into;
}

/** Copies of nodes below another element: as they are, or as the base has them. */
function graft(
  nodes: readonly Node[],
  from: ElementFacts,
  to: ElementFacts,
  state: "current" | "inherited",
): Node[] {
  return nodes.flatMap((node): Node[] => {
    const source = state === "current" ? node.element : node.inherited;
    if (!source) return [];
    const element: ElementFacts = {
      ...source,
      id: to.id + source.id.slice(from.id.length),
      path: to.path + source.path.slice(from.path.length),
    };
    return [
      {
        element,
        inherited: element,
        name: node.name,
        children: graft(node.children, from, to, state),
        slices: graft(node.slices, from, to, state),
      },
    ];
  });
}

/** Children that come of a differential's reaching into a type are none the base has. */
function ownedByDifferential(nodes: readonly Node[]): Node[] {
  return nodes.map(({ element, name, children, slices }) => ({
    element,
    name,
    children: ownedByDifferential(children),
    slices: ownedByDifferential(slices),
  }));
}

function mergedConstraints(
  base: readonly ConstraintFacts[] = [],
  own: readonly ConstraintFacts[] = [],
): readonly ConstraintFacts[] {
  const added = own.filter(
    (constraint) =>
      !base.some((known) => known.key === constraint.key && known.expression === constraint.expression),
  );
  return [...base, ...added];
}

/** That a type of the whole must be supported is said of the whole, not of a slice. */
function unflagged(type: TypeFacts): TypeFacts {
  const { mustSupport: _mustSupport, mustSupportTargets: _targets, ...rest } = type;
  return rest;
}

/** Types that hold no code themselves: a binding there says nothing. */
const unbindable = new Set(["Extension", "Reference", "BackboneElement"]);

/** A differential may change the strength alone. */
function boundTo(own: BindingFacts, base: BindingFacts | undefined): BindingFacts {
  return own.valueSet === "" && base ? { ...base, ...own, valueSet: base.valueSet } : own;
}

/** Generates one snapshot; holds what every step needs. */
class SnapshotGenerator {
  readonly #file: string;
  readonly #url: string;
  readonly #specialization: boolean;
  readonly #context: SnapshotContext;
  readonly #root: Node;
  #added = 0;

  constructor(
    root: Node,
    head: { readonly url: string; readonly derivation?: string },
    file: string,
    context: SnapshotContext,
  ) {
    this.#root = root;
    this.#url = head.url;
    this.#specialization = head.derivation === "specialization";
    this.#file = file;
    this.#context = context;
  }

  #fail(reason: string): PackError {
    return new PackError("bad-differential", this.#file, reason);
  }

  apply(own: Sparse): void {
    const parts = steps(own.id);
    if (parts.length > maxDepth) throw this.#fail(`"${own.id}" is too deep`);
    let node = this.#root;
    if (parts[0]?.name !== node.name) throw this.#fail(`"${own.id}" is not below "${node.name}"`);
    let inSlice = false;
    for (const [index, step] of parts.slice(1).entries()) {
      const final = index === parts.length - 2;
      node = this.#child(node, step, own, { final, inSlice });
      inSlice ||= step.slice !== undefined || node.element.sliceName !== undefined;
    }
    this.#merge(node, own);
  }

  #child(parent: Node, step: Step, own: Sparse, at: { final: boolean; inSlice: boolean }): Node {
    this.#unfold(parent);
    const exact = parent.children.find((candidate) => candidate.name === step.name);
    if (exact) return step.slice === undefined ? exact : this.#slice(exact, step.slice, own, at.final);
    const typed = this.#typedChoice(parent, step.name, at.inSlice);
    if (typed) return typed;
    if (this.#specialization && at.final && step.slice === undefined) {
      const added = nodeOf(completeElement({ min: 0, max: 1, ...own }, this.#file));
      parent.children.push(added);
      return added;
    }
    throw this.#fail(`element "${own.id}" is not in the base definition`);
  }

  /** `valueQuantity` where the base has `value[x]` (R4 profiling.html#choice). */
  #typedChoice(parent: Node, name: string, inSlice: boolean): Node | undefined {
    for (const choice of parent.children) {
      if (!choice.name.endsWith("[x]")) continue;
      const stem = choice.name.slice(0, -3);
      if (!name.startsWith(stem)) continue;
      const type = (choice.inherited ?? choice.element).types?.find(
        (candidate) => capitalized(candidate.code) === name.slice(stem.length),
      );
      if (!type) continue;

      const known = choice.slices.find((slice) => slice.element.sliceName === name);
      if (known) return known;
      // In a slice the publisher narrows the choice instead of slicing it.
      if (inSlice && choice.slices.length === 0) {
        if (choice.element.types?.length !== 1) choice.element = { ...choice.element, types: [type] };
        return choice;
      }
      choice.element = { ...choice.element, slicing: choice.element.slicing ?? typeSlicing };
      return this.#addSlice(choice, name, type);
    }
    return undefined;
  }

  #slice(sliced: Node, name: string, own: Sparse, final: boolean): Node {
    const known = sliced.slices.find((slice) => slice.element.sliceName === name);
    if (known) return known;
    if (!final) throw this.#fail(`"${own.id}" is in slice "${name}", which is not defined before it`);
    if (!sliced.element.slicing) {
      const implied = this.#impliedSlicing(sliced);
      if (!implied) throw this.#fail(`slice "${own.id}" of an element that is not sliced`);
      sliced.element = { ...sliced.element, slicing: implied };
    }
    // `value[x]:valueQuantity` names its type, also where the differential does not repeat it.
    const stem = sliced.name.endsWith("[x]") ? sliced.name.slice(0, -3) : undefined;
    const type =
      stem === undefined
        ? undefined
        : (sliced.inherited ?? sliced.element).types?.find(
            (candidate) => stem + capitalized(candidate.code) === name,
          );
    return this.#addSlice(sliced, name, type);
  }

  #impliedSlicing(sliced: Node): SlicingFacts | undefined {
    if (sliced.name === "extension" || sliced.name === "modifierExtension") return extensionSlicing;
    return sliced.name.endsWith("[x]") ? typeSlicing : undefined;
  }

  #addSlice(sliced: Node, name: string, type: TypeFacts | undefined): Node {
    this.#count(1);
    // A re-slice starts from the slice it divides.
    const divided = name.includes("/")
      ? sliced.slices.find((slice) => slice.element.sliceName === name.slice(0, name.lastIndexOf("/")))
      : undefined;
    const source = divided ?? sliced;
    const start = divided ? divided.element : (sliced.inherited ?? sliced.element);
    const element: ElementFacts = {
      ...without(start, "slicing"),
      id: `${sliced.element.id}:${name}`,
      sliceName: name,
      // A slice is mandatory only where it says so itself.
      min: 0,
      ...(type ? { types: [unflagged(type)] } : {}),
    };
    const children = graft(source.children, source.element, element, divided ? "current" : "inherited");
    const slice: Node = { element, inherited: element, name: sliced.name, children, slices: [] };
    this.#count(children.reduce((sum, child) => sum + flatten(child).length, 0));
    const after = divided ? this.#lastReslice(sliced, divided) : sliced.slices.length - 1;
    sliced.slices.splice(after + 1, 0, slice);
    return slice;
  }

  #lastReslice(sliced: Node, divided: Node): number {
    const prefix = `${divided.element.sliceName ?? ""}/`;
    let last = sliced.slices.indexOf(divided);
    for (const [index, slice] of sliced.slices.entries()) {
      if (slice.element.sliceName?.startsWith(prefix)) last = Math.max(last, index);
    }
    return last;
  }

  #count(elements: number): void {
    this.#added += elements;
    if (this.#added > maxElements)
      throw this.#fail(`the snapshot would have more than ${maxElements} elements`);
  }

  /** Gives a node the children of its type, profile or referenced element, where it has none yet. */
  #unfold(node: Node): void {
    if (node.children.length > 0) return;
    const { element } = node;
    const from = element.contentReference === undefined ? this.#typeTree(element) : this.#referenced(element);
    const children = graft(from.children, from.element, element, "current");
    this.#count(children.reduce((sum, child) => sum + flatten(child).length, 0));
    node.children.push(...ownedByDifferential(children));
    // Now that they are spelled out, they are no longer to be looked up elsewhere.
    if (element.contentReference !== undefined) {
      node.element = {
        ...without(element, "contentReference"),
        ...(from.element.types ? { types: from.element.types } : {}),
      };
    }
  }

  #referenced(element: ElementFacts): Node {
    const reference = element.contentReference ?? "";
    const hash = reference.indexOf("#");
    const id = reference.slice(hash + 1);
    const structure = hash > 0 ? this.#context.structure(reference.slice(0, hash)) : undefined;
    const root = structure ? treeOf(structure.elements, this.#file) : this.#root;
    let node: Node | undefined = root;
    for (const step of steps(id).slice(1)) {
      node = node?.children.find((candidate) => candidate.name === step.name);
      if (step.slice !== undefined)
        node = node?.slices.find((slice) => slice.element.sliceName === step.slice);
    }
    if (!node) throw this.#fail(`content reference "${reference}" leads nowhere`);
    return node;
  }

  #typeTree(element: ElementFacts): Node {
    const types = element.types ?? [];
    const [type] = types;
    if (!type) throw this.#fail(`"${element.id}" has no type, so no children`);
    if (types.some((candidate) => candidate.code !== type.code)) {
      throw this.#fail(`"${element.id}" may have several types, so its children are unknown`);
    }
    const profile = type.profiles?.length === 1 ? type.profiles[0] : undefined;
    const structure =
      profile === undefined ? this.#context.type(type.code) : this.#context.structure(profile);
    if (!structure) {
      throw new PackError(
        "missing-dependency",
        this.#file,
        `"${profile ?? type.code}" is in no package at hand`,
      );
    }
    return treeOf(structure.elements, this.#file);
  }

  #merge(node: Node, own: Sparse): void {
    const { id: _id, path: _path, basePath: _basePath, baseMax: _baseMax, ...says } = own;
    const start = this.#profiled(node.element, own);
    const constraints = mergedConstraints(
      start.constraints,
      says.constraints?.map((constraint) => ({ ...constraint, source: constraint.source ?? this.#url })),
    );
    const merged: { -readonly [K in keyof ElementFacts]: ElementFacts[K] } = {
      ...start,
      ...says,
      ...(constraints.length > 0 ? { constraints } : {}),
      // Nothing that modifies in the base ceases to do so.
      ...(start.isModifier ? { isModifier: true } : {}),
    };
    if (says.binding) merged.binding = boundTo(says.binding, start.binding);
    if (merged.types?.every((type) => unbindable.has(type.code))) delete merged.binding;
    node.element = completeElement(
      // A fixed value and a pattern exclude each other: the later one stands.
      says.fixed ? without(merged, "pattern") : says.pattern ? without(merged, "fixed") : merged,
      this.#file,
    );
    this.#closeMandatoryChoice(node);
  }

  /** An element whose type the differential profiles takes over what the profile says of its root. */
  #profiled(element: ElementFacts, own: Sparse): ElementFacts {
    const [type, ...others] = own.types ?? [];
    const [profile, ...otherProfiles] = type?.profiles ?? [];
    if (!type || profile === undefined || others.length + otherProfiles.length > 0) return element;
    const root = this.#context.structure(profile)?.elements[0];
    if (!root) return element;
    const constraints = mergedConstraints(element.constraints, root.constraints);
    return {
      ...element,
      ...(constraints.length > 0 ? { constraints } : {}),
      ...(root.isModifier ? { isModifier: true } : {}),
      // An extension's definition says how often it may occur.
      ...(type.code === "Extension" ? { min: root.min, max: root.max } : {}),
    };
  }

  /** A choice of which one type is mandatory can have no other type. */
  #closeMandatoryChoice(slice: Node): void {
    const { sliceName, types, min } = slice.element;
    if (sliceName === undefined || !slice.name.endsWith("[x]") || min === 0 || types?.length !== 1) return;
    const choice = this.#choiceOf(slice);
    if (!choice?.element.slicing || choice.element.max !== 1) return;
    choice.element = {
      ...choice.element,
      min: 1,
      types,
      slicing: { ...choice.element.slicing, rules: "closed" },
    };
  }

  #choiceOf(slice: Node): Node | undefined {
    const find = (node: Node): Node | undefined => {
      for (const child of [...node.children, ...node.slices]) {
        if (child.slices.includes(slice)) return child;
        const found = find(child);
        if (found) return found;
      }
      return undefined;
    };
    return find(this.#root);
  }
}

/** Ids for a differential that leaves them out: from paths, slice names and order. */
function withIds(elements: readonly Sparse[], given: readonly RawObject[]): readonly Sparse[] {
  const open: { path: string; id: string }[] = [];
  return elements.map((element, index) => {
    let id = given[index]?.["id"];
    while (open.length > 0 && !element.path.startsWith(`${open.at(-1)?.path ?? ""}.`)) open.pop();
    if (typeof id !== "string") {
      const parent = open.at(-1);
      const tail = parent ? element.path.slice(parent.path.length) : element.path;
      id = (parent?.id ?? "") + tail + (element.sliceName === undefined ? "" : `:${element.sliceName}`);
    }
    const named = String(id);
    open.push({ path: element.path, id: named });
    return { ...element, id: named };
  });
}

/** The base's elements, below the new type's name where a type is specialized. */
function baseElements(
  base: StructureFacts,
  type: string,
  derivation: string | undefined,
): readonly ElementFacts[] {
  const [root] = base.elements;
  const name = lastPart(type.slice(type.lastIndexOf("/") + 1));
  const absolute = (element: ElementFacts): ElementFacts =>
    element.contentReference?.startsWith("#")
      ? { ...element, contentReference: base.url + element.contentReference }
      : element;
  if (!root || derivation !== "specialization") return base.elements.map(absolute);
  return base.elements.map((element) => ({
    ...absolute(element),
    id: name + element.id.slice(root.id.length),
    path: name + element.path.slice(root.path.length),
  }));
}

/**
 * Generates the snapshot of a StructureDefinition that has only a differential (R4 profiling.html#snapshot): the
 * base's snapshot with the differential applied in its order.
 * Throws PackError `missing-dependency` where the base or a type's profile is not at hand, and `bad-differential`
 * where the differential does not fit its base.
 */
export function generateSnapshot(
  definition: RawObject,
  file: string,
  context: SnapshotContext,
): StructureFacts {
  const reader = new RawReader(file);
  const head = structureHead(reader, definition);
  if (head.base === undefined)
    throw new PackError("bad-definition", file, `${head.url} has no base definition`);
  const base = context.structure(head.base);
  if (!base) throw new PackError("missing-dependency", file, `base "${head.base}" is in no package at hand`);
  const differential = reader.objects(reader.object(definition, "differential") ?? {}, "element");
  const root = treeOf(baseElements(base, head.type, head.derivation), file);
  const generator = new SnapshotGenerator(root, head, file, context);
  const sparse = withIds(
    differential.map((element) => sparseElementFacts(reader, element)),
    differential,
  );
  for (const element of sparse) generator.apply(element);
  return { ...head, elements: flatten(root) };
}
