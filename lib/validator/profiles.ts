/** Which profiles a resource is judged by. */
import { isObject, listAt, stringAt, withoutVersion } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { DefinitionSource, StructureFacts } from "./pack/format.ts";
import { treeOf } from "./trees.ts";
import type { ElementNode } from "./trees.ts";
import { compileSlice, MATCH } from "./slices.ts";
import type { SliceTest } from "./slices.ts";
import { patternTest } from "./patterns.ts";
import type { Shapes } from "./shapes.ts";

/** The profiles that a resource claims in `meta.profile`, each once, with their index. */
export function claimedProfiles(resource: JsonObject): readonly (readonly [at: number, canonical: string])[] {
  const meta = resource["meta"];
  const profiles = isObject(meta) ? meta["profile"] : undefined;
  if (!Array.isArray(profiles)) return [];
  const claimed = new Map<string, number>();
  for (const [at, profile] of (profiles as readonly unknown[]).entries()) {
    if (typeof profile === "string" && profile !== "" && !claimed.has(profile)) claimed.set(profile, at);
  }
  return [...claimed].map(([canonical, at]) => [at, canonical] as const);
}

/** Finds the guide's profiles for a resource by its type, its code and its categories. */
export interface ProfileChooser {
  choose(resource: JsonObject, type: string): readonly StructureFacts[];
}

type Condition = (resource: JsonObject) => boolean;

interface Candidate {
  readonly structure: StructureFacts;
  /** Decided by the code of the resource, which says more than a category does. */
  readonly byCode: boolean;
  readonly conditions: readonly Condition[];
}

/** Elements that tell what a resource is about. */
const TELLING: ReadonlySet<string> = new Set(["code", "category", "type", "class"]);

/** Prepares the choice for a set of definitions. */
export function createProfileChooser(definitions: DefinitionSource, shapes: Shapes): ProfileChooser {
  const byType = new Map<string, readonly Candidate[]>();
  return {
    choose(resource, type) {
      let candidates = byType.get(type);
      if (candidates === undefined) {
        candidates = definitions
          .profilesOf(type)
          .map((structure) => candidate(definitions, shapes, structure));
        if (shapes.type(type) !== undefined) byType.set(type, candidates);
      }
      return chooseAmong(candidates, resource);
    },
  };
}

function chooseAmong(candidates: readonly Candidate[], resource: JsonObject): readonly StructureFacts[] {
  if (candidates.length === 1) return candidates.map(({ structure }) => structure);
  const fitting = candidates.filter(
    ({ conditions }) => conditions.length > 0 && conditions.every((holds) => holds(resource)),
  );
  const byCode = fitting.filter((one) => one.byCode);
  const chosen = byCode.length > 0 ? byCode : fitting.length > 0 ? fitting : unconditional(candidates);
  // What another chosen profile builds on is judged with it.
  const bases = new Set(chosen.map(({ structure }) => structure.base));
  return chosen.filter(({ structure }) => !bases.has(structure.url)).map(({ structure }) => structure);
}

/** The one profile that takes what fits no other; several of them would leave it open. */
function unconditional(candidates: readonly Candidate[]): readonly Candidate[] {
  const found = candidates.filter(({ conditions }) => conditions.length === 0);
  return found.length === 1 ? found : [];
}

function candidate(definitions: DefinitionSource, shapes: Shapes, structure: StructureFacts): Candidate {
  const conditions: Condition[] = [];
  let byCode = false;
  const root = treeOf(structure);
  const shape = shapes.type(structure.type);
  for (const child of root?.children ?? []) {
    const element = shape?.elements.get(child.name);
    if (element === undefined || !TELLING.has(child.name)) continue;
    const own = valueCondition(child);
    if (own !== undefined) {
      conditions.push(own);
      byCode ||= child.name === "code";
    }
    if (child.name === "code") {
      const codes = [...codingConditions(child), ...namingConditions(definitions, child)];
      conditions.push(...codes);
      byCode ||= codes.length > 0;
    }
    for (const slice of child.slices) {
      if (slice.facts.min === 0) continue;
      const test = compileSlice(definitions, shapes, child, slice, element);
      conditions.push(sliceCondition(child.name, test));
    }
  }
  return { structure, byCode, conditions };
}

/** A coding that the code has to have tells what it is about: either one of pulse oximetry's, say. */
function codingConditions(code: ElementNode): readonly Condition[] {
  const tests: ReturnType<typeof patternTest>[] = [];
  for (const coding of code.children) {
    if (coding.name !== "coding") continue;
    for (const { facts, children } of coding.slices) {
      if (facts.min === 0) continue;
      const whole = facts.pattern ?? facts.fixed;
      const parts = children.flatMap((part) => {
        const wanted = part.facts.fixed ?? part.facts.pattern;
        return wanted === undefined ? [] : [[part.name, wanted.value] as const];
      });
      const wanted = whole?.value ?? (parts.length === 0 ? undefined : Object.fromEntries(parts));
      if (wanted !== undefined) tests.push(patternTest(wanted));
    }
  }
  if (tests.length === 0) return [];
  return [
    (resource) =>
      listAt(resource["code"], "coding").some((value) => tests.some((test) => test(value) === undefined)),
  ];
}

/** So few codes name what a profile is about; longer lists say what its users may record. */
const FEW_CODES = 5;

function namingConditions(definitions: DefinitionSource, { facts }: ElementNode): readonly Condition[] {
  const valueSet = facts.binding?.valueSet;
  const members = valueSet === undefined ? undefined : definitions.valueSet(withoutVersion(valueSet));
  if (members === undefined || (members.unverifiable ?? []).length > 0) return [];
  const lists = Object.entries(members.include);
  const count = lists.reduce((sum, [, codes]) => sum + (codes === "*" ? Infinity : codes.length), 0);
  if (count === 0 || count > FEW_CODES) return [];
  return [
    (resource) =>
      listAt(resource["code"], "coding").some((coding) =>
        lists.some(
          ([system, codes]) =>
            stringAt(coding, "system") === system && codes.includes(stringAt(coding, "code") ?? ""),
        ),
      ),
  ];
}

function valueCondition({ name, facts }: ElementNode): Condition | undefined {
  const wanted = facts.pattern ?? facts.fixed;
  if (wanted === undefined) return undefined;
  const test = patternTest(wanted.value);
  return (resource) => listAt(resource, name).some((value) => test(value) === undefined);
}

function sliceCondition(name: string, test: SliceTest): Condition {
  const nowhere = { resolve: () => undefined, conforms: () => false };
  return (resource) =>
    listAt(resource, name).some(
      (value) => test({ value, companion: undefined, option: undefined }, nowhere) === MATCH.yes,
    );
}
