/** Must-support (https://hl7.org/fhir/us/core/STU6.1/must-support.html) as an answer of its own. */
import type { Judge } from "./judge.ts";
import { judgeOf } from "./judges.ts";
import { isObject, stringAt, withoutVersion } from "./json.ts";
import { occurrencesOf } from "./occurrences.ts";
import type { Occurrence } from "./occurrences.ts";
import { elementFor } from "./overlays.ts";
import type { DefinitionSource, TypeFacts } from "./pack/format.ts";
import { typeInReference } from "./references.ts";
import type { MustSupportItem, MustSupportObserver } from "./result.ts";
import { createRun } from "./run-start.ts";
import type { ElementShape, TypeShape } from "./shapes.ts";
import { compileSlice, MATCH } from "./slices.ts";
import type { SliceSurroundings, SliceTest } from "./slices.ts";
import { treeOf } from "./trees.ts";
import type { ElementNode } from "./trees.ts";

const DATA_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/** One thing to look for at an element, and whether a value of the element shows it. */
interface Watch {
  readonly item: MustSupportItem;
  readonly shows: (occurrence: Occurrence) => boolean;
}

/** An element with something to look for, in itself or below. */
interface Watched {
  readonly element: ElementShape;
  readonly belongs: SliceTest | undefined;
  readonly watches: readonly Watch[];
  readonly below: readonly Watched[];
}

/**
 * Says which must-support elements, slices, choice types, extensions and reference targets of a profile a set of
 * resources populates. A value that is there only to say why it is not does not count.
 *
 * @param profile canonical of the profile; throws RangeError when the definitions do not have it.
 */
export function mustSupport(definitions: DefinitionSource, profile: string): MustSupportObserver {
  const judge = judgeOf(definitions);
  const structure = definitions.structure(profile);
  const root = structure === undefined ? undefined : treeOf(structure);
  const shape = structure === undefined ? undefined : judge.shapes.type(structure.type);
  if (structure === undefined || root === undefined || shape === undefined) {
    throw new RangeError(`the definitions lack the profile ${profile}`);
  }
  const watched = watchChildren(judge, root, shape);
  const items = itemsOf(watched);
  const seen = new Map<string, number>();
  return {
    profile: structure.url,
    items,
    seen,
    observe: (resource) => {
      const found = new Set<string>();
      if (isObject(resource) && stringAt(resource, "resourceType") === structure.type) {
        const run = createRun(judge, resource, {}, {});
        const surroundings: SliceSurroundings = {
          resolve: (reference) => judge.resolve(run, reference),
          conforms: (value, canonical) => judge.conforms(run, value, canonical),
        };
        for (const one of watched) look(one, resource, surroundings, found);
      }
      for (const id of found) seen.set(id, (seen.get(id) ?? 0) + 1);
      return [...found];
    },
    missing: () => items.filter(({ id }) => !seen.has(id)),
  };
}

function look(
  { element, belongs, watches, below }: Watched,
  holder: Record<string, unknown>,
  surroundings: SliceSurroundings,
  found: Set<string>,
): void {
  for (const occurrence of occurrencesOf(holder, element)) {
    if (belongs !== undefined && belongs(occurrence, surroundings) !== MATCH.yes) continue;
    if (!isPopulated(occurrence)) continue;
    for (const { item, shows } of watches) if (shows(occurrence)) found.add(item.id);
    if (!isObject(occurrence.value)) continue;
    for (const one of below) look(one, occurrence.value, surroundings, found);
  }
}

/** A primitive without a value, and an element with nothing but the reason of its absence, are not populated. */
function isPopulated({ value }: Occurrence): boolean {
  if (!isObject(value)) return value !== undefined && value !== null;
  for (const key of Object.keys(value)) {
    if (key === "id") continue;
    if (key !== "extension") return true;
    const extensions = value["extension"];
    if (Array.isArray(extensions) && extensions.some((one) => stringAt(one, "url") !== DATA_ABSENT_REASON))
      return true;
  }
  return false;
}

function itemsOf(watched: readonly Watched[]): MustSupportItem[] {
  return watched.flatMap(({ watches, below }) => [...watches.map(({ item }) => item), ...itemsOf(below)]);
}

function watchChildren(judge: Judge, node: ElementNode, shape: TypeShape): Watched[] {
  const watched: Watched[] = [];
  for (const child of node.children) {
    const found = elementFor(shape, child.name);
    if (found === undefined) continue;
    const { element } = found;
    const plain = watch(judge, child, element, undefined);
    if (plain !== undefined) watched.push(plain);
    for (const slice of slicesOf(child)) {
      const belongs = compileSlice(judge.definitions, judge.shapes, child, slice, element);
      const one = watch(judge, slice, element, belongs);
      if (one !== undefined) watched.push(one);
    }
  }
  return watched;
}

function slicesOf(node: ElementNode): readonly ElementNode[] {
  return node.slices.flatMap((slice) => [slice, ...slicesOf(slice)]);
}

function watch(
  judge: Judge,
  node: ElementNode,
  element: ElementShape,
  belongs: SliceTest | undefined,
): Watched | undefined {
  if (node.facts.max === 0) return undefined;
  const watches = watchesAt(judge.definitions, node, element);
  const shape = node.children.length === 0 ? undefined : shapeBelow(judge, node, element);
  const below = shape === undefined ? [] : watchChildren(judge, node, shape);
  if (watches.length === 0 && below.length === 0) return undefined;
  return { element, belongs, watches, below };
}

function shapeBelow(judge: Judge, node: ElementNode, element: ElementShape): TypeShape | undefined {
  const [type, another] = node.facts.types ?? [];
  if (another !== undefined) return undefined;
  const option =
    element.options.find(({ code }) => code === type?.code) ??
    (element.isChoice ? undefined : element.options[0]);
  if (option === undefined || option.tag >= 0) return undefined;
  return option.isResource ? judge.shapes.type(type?.code ?? "") : option.shape();
}

function watchesAt(definitions: DefinitionSource, { facts }: ElementNode, element: ElementShape): Watch[] {
  const marked = facts.mustSupport === true;
  if (!marked && facts.uscdi !== true) return [];
  const common = {
    path: facts.path.replaceAll("[x]", ""),
    ...(facts.sliceName !== undefined && { sliceName: facts.sliceName }),
    ...(!marked && { uscdi: true }),
  };
  const types = facts.types ?? [];
  const item = itemAt(facts.id, common, element, types, facts.sliceName !== undefined);
  const watches: Watch[] = [{ item, shows: () => true }];
  if (element.isChoice && facts.sliceName === undefined) {
    for (const { code, mustSupport: supported } of types) {
      if (supported !== true) continue;
      watches.push({
        item: { ...common, id: `${facts.id}:${code}`, kind: "choice", of: code },
        shows: ({ option }) => option.code === code,
      });
    }
  }
  for (const { code, mustSupportTargets } of types) {
    if (code !== "Reference") continue;
    for (const target of mustSupportTargets ?? []) {
      watches.push({
        item: { ...common, id: `${facts.id}:${target}`, kind: "target", of: target },
        shows: targetTest(definitions, target),
      });
    }
  }
  return watches;
}

function itemAt(
  id: string,
  common: Pick<MustSupportItem, "path" | "sliceName" | "uscdi">,
  element: ElementShape,
  types: readonly TypeFacts[],
  isSlice: boolean,
): MustSupportItem {
  const [type] = types;
  if (isSlice && element.isChoice && type !== undefined)
    return { ...common, id, kind: "choice", of: type.code };
  if (isSlice && (element.name === "extension" || element.name === "modifierExtension")) {
    const url = type?.profiles?.[0];
    return { ...common, id, kind: "extension", ...(url !== undefined && { of: withoutVersion(url) }) };
  }
  return { ...common, id, kind: isSlice ? "slice" : "element" };
}

/** Whether a reference is to a resource of the target's type, as far as its form tells. */
function targetTest(definitions: DefinitionSource, target: string): (occurrence: Occurrence) => boolean {
  const type = definitions.structure(target)?.type ?? target.slice(target.lastIndexOf("/") + 1);
  return ({ value }) => {
    const reference = stringAt(value, "reference");
    const named = reference === undefined ? undefined : typeInReference(reference);
    return (named ?? stringAt(value, "type")) === type;
  };
}
