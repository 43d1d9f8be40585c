/** A snapshot as a tree: elements with their children, and next to an element its slices. */
import type { ElementFacts, StructureFacts } from "./pack/format.ts";

export interface ElementNode {
  readonly facts: ElementFacts;
  readonly structure: StructureFacts;
  /** Last part of the path, with `[x]` where the definition has it. */
  readonly name: string;
  readonly children: readonly ElementNode[];
  readonly slices: readonly ElementNode[];
}

interface GrowingNode extends ElementNode {
  readonly children: GrowingNode[];
  readonly slices: GrowingNode[];
}

const trees = new WeakMap<StructureFacts, ElementNode>();

/** The root of a structure's snapshot; undefined where it has none. */
export function treeOf(structure: StructureFacts): ElementNode | undefined {
  const known = trees.get(structure);
  if (known !== undefined) return known;
  const tree = grow(structure);
  if (tree !== undefined) trees.set(structure, tree);
  return tree;
}

/** Elements follow each other depth first, so a stack of the open ones finds each one's parent. */
function grow(structure: StructureFacts): ElementNode | undefined {
  const first = structure.elements[0];
  if (first === undefined) return undefined;
  const root = nodeFor(first, structure);
  const open: GrowingNode[] = [root];
  for (let at = 1; at < structure.elements.length; at++) {
    const facts = structure.elements[at] as ElementFacts;
    const depth = facts.path.split(".").length - 1;
    if (depth < 1 || depth > open.length) continue;
    open.length = depth;
    const parent = open[depth - 1] as GrowingNode;
    const node = nodeFor(facts, structure);
    attach(parent, node);
    open.push(node);
  }
  return root;
}

function attach(parent: GrowingNode, node: GrowingNode): void {
  const name = node.facts.sliceName;
  if (name === undefined) {
    parent.children.push(node);
    return;
  }
  const sliced = parent.children.findLast((child) => child.name === node.name);
  if (sliced === undefined) {
    // A slice without its slicing entry: the entry is implied.
    const entry = nodeFor(entryFor(node.facts), node.structure);
    entry.slices.push(node);
    parent.children.push(entry);
    return;
  }
  // `a/b` re-slices `a`.
  const slash = name.lastIndexOf("/");
  const resliced = slash < 0 ? undefined : findSlice(sliced, name.slice(0, slash));
  (resliced ?? sliced).slices.push(node);
}

function entryFor(facts: ElementFacts): ElementFacts {
  return {
    id: facts.path,
    path: facts.path,
    min: 0,
    max: "*",
    ...(facts.baseMax !== undefined && { baseMax: facts.baseMax }),
  };
}

function findSlice(node: GrowingNode, name: string): GrowingNode | undefined {
  for (const slice of node.slices) {
    if (slice.facts.sliceName === name) return slice;
    const below = findSlice(slice, name);
    if (below !== undefined) return below;
  }
  return undefined;
}

function nodeFor(facts: ElementFacts, structure: StructureFacts): GrowingNode {
  return {
    facts,
    structure,
    name: facts.path.slice(facts.path.lastIndexOf(".") + 1),
    children: [],
    slices: [],
  };
}
