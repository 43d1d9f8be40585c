/** What the walk asks while it goes: definitions, compiled profiles, and the rules that need them. */
import { applyOverlay, applyTypeProfiles } from "./apply.ts";
import { checkBinding } from "./bindings.ts";
import { createConstraintCompiler } from "./constraints.ts";
import {
  checkAttachment,
  checkCoding,
  checkIdentifier,
  checkQuantity,
  checkReferenceForm,
} from "./datatypes.ts";
import { checkExtension } from "./extensions.ts";
import { isObject, stringAt } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { createOverlays } from "./overlays.ts";
import type { TargetRule } from "./overlays.ts";
import type { DefinitionSource, StructureFacts } from "./pack/format.ts";
import { isAbsoluteUri } from "./primitives.ts";
import { createProfileChooser } from "./profiles.ts";
import type { ProfileChooser } from "./profiles.ts";
import { containedIn, resolveReference, typeInReference } from "./references.ts";
import type { Target } from "./references.ts";
import { report, succeeds } from "./run.ts";
import type { Run } from "./run.ts";
import { createShapes, SPECIAL } from "./shapes.ts";
import type { Binding, Shapes, TypeShape } from "./shapes.ts";
import { quoted } from "./wording.ts";

/** What a profile says of a reference, beside the types that the base definition allows. */
export interface Narrowing {
  readonly rules: TargetRule;
  readonly profile: string;
}

export interface Judge {
  readonly definitions: DefinitionSource;
  readonly shapes: Shapes;
  readonly chooser: ProfileChooser;
  /** The shape of id and extensions beside a primitive. */
  readonly elementShape: TypeShape;
  isAbstract(type: string): boolean;
  checkSpecial(run: Run, value: JsonObject, shape: TypeShape, depth: number): void;
  checkBinding(
    run: Run,
    binding: Binding,
    value: unknown,
    special: number,
    profile: string | undefined,
    depth: number,
  ): void;
  checkTarget(
    run: Run,
    value: JsonObject,
    types: ReadonlySet<string> | undefined,
    narrowing: Narrowing | undefined,
    depth: number,
  ): void;
  applyStructure(run: Run, structure: StructureFacts, value: JsonObject, depth: number): void;
  applyTypeProfiles(run: Run, value: JsonObject, profiles: readonly string[], depth: number): void;
  contextInvariantHolds(run: Run, expression: string, depth: number): boolean;
  conforms(run: Run, value: unknown, profile: string): boolean;
  resolve(run: Run, reference: string): unknown;
}

const ABSTRACT: ReadonlySet<string> = new Set(["Resource", "DomainResource"]);
/** Profiles may refer to each other through references: so many steps are followed, no more. */
const LONGEST_TRIAL = 12;

/** Prepares a set of definitions; types and profiles are compiled on first use. */
export function createJudge(source: DefinitionSource): Judge {
  const definitions = remembering(source);
  const constraints = createConstraintCompiler(definitions);
  const shapes = createShapes(definitions, constraints);
  const overlays = createOverlays(definitions, shapes, constraints);
  const elementShape = shapes.type("Element");
  if (elementShape === undefined) throw new RangeError("the definitions lack the type Element");

  const judge: Judge = {
    definitions,
    shapes,
    chooser: createProfileChooser(definitions, shapes),
    elementShape,
    isAbstract: (type) => ABSTRACT.has(type),
    checkBinding,
    checkSpecial(run, value, shape, depth) {
      switch (shape.special) {
        case SPECIAL.extension:
          checkExtension(judge, run, value, depth);
          return;
        case SPECIAL.reference:
          checkReferenceForm(run, value, depth);
          return;
        case SPECIAL.coding:
          checkCoding(run, definitions, value, depth);
          return;
        case SPECIAL.quantity:
          checkQuantity(run, definitions, value, depth);
          return;
        case SPECIAL.identifier:
          checkIdentifier(run, value, depth);
          return;
        case SPECIAL.attachment:
          checkAttachment(run, value, depth);
          return;
        case SPECIAL.elementList:
          // Snapshot and differential give the same ids to the same elements.
          run.ids = undefined;
          return;
        default:
      }
    },
    checkTarget(run, value, types, narrowing, depth) {
      if (narrowing === undefined) checkTarget(judge, run, value, types, depth);
      else checkNarrowedTarget(judge, run, value, types, narrowing, depth);
    },
    applyStructure(run, structure, value, depth) {
      const overlay = overlays.of(structure);
      if (overlay === undefined || overlay.isEmpty) return;
      applyOverlay(judge, run, overlay, value, structure.type, depth);
    },
    applyTypeProfiles(run, value, profiles, depth) {
      applyTypeProfiles(judge, run, value, profiles, depth);
    },
    contextInvariantHolds(run, expression, depth) {
      const [constraint] = constraints.compile(
        [{ key: "context", severity: "error", expression }],
        NOTHING,
        "context",
      );
      const focus = run.values[depth];
      if (constraint?.test === undefined || focus === undefined) return true;
      run.environment.focusType = run.shapes[depth]?.name ?? "Element";
      run.environment.companion = undefined;
      try {
        return constraint.test(focus, run.environment);
      } catch {
        return true;
      }
    },
    conforms: (run, value, profile) => conforms(judge, run, value, profile),
    resolve: (run, reference) => resolveReference(run, reference)?.resource,
  };
  return judge;
}

/** Keeps what was found, by the canonical as it was asked for: the same few are asked for again and again. */
function remembering(source: DefinitionSource): DefinitionSource {
  const structures = new Map<string, StructureFacts>();
  const structure = (canonical: string): StructureFacts | undefined => {
    let found = structures.get(canonical);
    if (found === undefined) {
      found = source.structure(canonical);
      if (found !== undefined) structures.set(canonical, found);
    }
    return found;
  };
  return {
    structure,
    type: (name) => source.type(name),
    valueSet: (canonical) => source.valueSet(canonical),
    codeSystem: (canonical) => source.codeSystem(canonical),
    profilesOf: (type) => source.profilesOf(type),
  };
}

const NOTHING: ReadonlySet<string> = new Set();

/** Whether a value meets a profile; nothing is recorded. */
function conforms(judge: Judge, run: Run, value: unknown, profile: string): boolean {
  if (!isObject(value)) return false;
  const structure = judge.definitions.structure(profile);
  if (structure === undefined) return false;
  const type = stringAt(value, "resourceType");
  if (type !== undefined && type !== structure.type) {
    return judge.shapes.type(type)?.lineage.includes(structure.type) === true;
  }
  let trials = run.trials.get(value);
  if (trials === undefined) run.trials.set(value, (trials = new Map()));
  const known = trials.get(structure.url);
  if (known !== undefined) return known;
  if (run.muted >= LONGEST_TRIAL) return true;
  // While it is tried out it counts as met, so that a circle of references can be met at all.
  trials.set(structure.url, true);
  const answer = within(run, value, type !== undefined, () =>
    succeeds(run, () => judge.applyStructure(run, structure, value, run.maxDepth + 1)),
  );
  trials.set(structure.url, answer);
  return answer;
}

/** Does something from the standpoint of another resource. */
function within<T>(run: Run, value: JsonObject, isResource: boolean, act: () => T): T {
  if (!isResource) return act();
  const { resource, container, environment } = run;
  const { id } = value;
  const isContained = typeof id === "string" && containedIn(run, id) === value;
  run.resource = value;
  if (!isContained) run.container = value;
  environment.resource = value;
  environment.rootResource = run.container;
  try {
    return act();
  } finally {
    run.resource = resource;
    run.container = container;
    environment.resource = resource;
    environment.rootResource = container;
  }
}

/** Judges what a reference points to, as far as its form, its `type` or the target at hand tell. */
function checkTarget(
  judge: Judge,
  run: Run,
  value: JsonObject,
  types: ReadonlySet<string> | undefined,
  depth: number,
): void {
  const { reference, type } = value;
  if (typeof reference !== "string" || reference === "") return;
  if (run.bundles.length > 0) checkRelativeForm(run, reference, depth);
  const slash = reference.indexOf("/");
  // By far the most references are like this, and right.
  if (type === undefined && slash > 0 && types?.has(reference.slice(0, slash)) === true) return;
  const target = look(run, reference);
  if (target === undefined && run.bundles.length > 0 && reference.startsWith("urn:")) {
    report(run, depth, {
      severity: "warning",
      code: "not-found",
      rule: "reference-not-bundled",
      details: { reference: quoted(reference) },
    });
  }
  const actual = typeOfTarget(judge, reference, target);
  if (types !== undefined && actual !== undefined && !types.has(actual)) {
    reportTarget(run, actual, types, undefined, depth);
  }
  if (typeof type === "string" && type !== "") checkClaimedType(judge, run, type, actual, types, depth);
}

/** Within a Bundle a relative reference is `Type/id`, or a search in a transaction. */
function checkRelativeForm(run: Run, reference: string, depth: number): void {
  if (reference.startsWith("#") || isAbsoluteUri(reference) || reference.includes("?")) return;
  const parts = reference.split("/", 5).length;
  if (parts === 2 || parts === 4) return;
  report(run, depth, {
    severity: "error",
    code: "invalid",
    rule: "reference-relative",
    details: { reference: quoted(reference) },
  });
}

/** Only these need the target itself to tell its type. */
function look(run: Run, reference: string): Target | undefined {
  return reference.startsWith("#") || reference.startsWith("urn:")
    ? resolveReference(run, reference)
    : undefined;
}

/** Judges a reference by what a profile adds; what the base type refuses has been said already. */
function checkNarrowedTarget(
  judge: Judge,
  run: Run,
  value: JsonObject,
  types: ReadonlySet<string> | undefined,
  { rules, profile }: Narrowing,
  depth: number,
): void {
  const { reference, type } = value;
  if (typeof reference !== "string" || reference === "") return;
  const target = resolveReference(run, reference);
  const actual =
    typeOfTarget(judge, reference, target) ?? (typeof type === "string" ? plainType(type) : undefined);
  if (actual !== undefined && types?.has(actual) !== false && rules.types?.has(actual) === false) {
    reportTarget(run, actual, rules.types, profile, depth);
  }
  checkTargetProfiles(judge, run, reference, target, rules, actual, profile, depth);
  checkAggregation(run, reference, target, rules.aggregation, profile, depth);
}

function reportTarget(
  run: Run,
  type: string,
  allowed: ReadonlySet<string>,
  profile: string | undefined,
  depth: number,
): void {
  report(run, depth, {
    severity: "error",
    code: "structure",
    rule: "reference-target",
    details: { type: quoted(type), allowed: [...allowed] },
    profile,
  });
}

function typeOfTarget(judge: Judge, reference: string, target: Target | undefined): string | undefined {
  const type = target === undefined ? typeInReference(reference) : stringAt(target.resource, "resourceType");
  return type !== undefined && judge.shapes.type(type)?.isResource === true ? type : undefined;
}

const CORE = "http://hl7.org/fhir/StructureDefinition/";

function plainType(type: string): string {
  return type.startsWith(CORE) ? type.slice(CORE.length) : type;
}

function checkClaimedType(
  judge: Judge,
  run: Run,
  claimed: string,
  actual: string | undefined,
  types: ReadonlySet<string> | undefined,
  depth: number,
): void {
  const type = plainType(claimed);
  if (actual !== undefined && actual !== type) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "reference-type-mismatch",
      details: { type: quoted(claimed), actual },
    });
  } else if (types?.has(type) === false && judge.shapes.type(type)?.isResource === true) {
    reportTarget(run, type, types, undefined, depth);
  }
}

function checkTargetProfiles(
  judge: Judge,
  run: Run,
  reference: string,
  target: Target | undefined,
  rules: TargetRule,
  actual: string | undefined,
  profile: string,
  depth: number,
): void {
  const profiles = actual === undefined ? undefined : rules.profiles.get(actual);
  if (target === undefined || profiles === undefined) return;
  if (profiles.some((one) => judge.conforms(run, target.resource, one))) return;
  report(run, depth, {
    severity: "error",
    code: "structure",
    rule: "reference-target-profile",
    details: { reference: quoted(reference), profiles },
    profile,
  });
}

function checkAggregation(
  run: Run,
  reference: string,
  target: Target | undefined,
  aggregation: readonly string[] | undefined,
  profile: string,
  depth: number,
): void {
  if (aggregation === undefined || aggregation.length === 0) return;
  const isContained = reference.startsWith("#");
  const fits =
    (isContained && aggregation.includes("contained")) ||
    (target?.where === "bundled" && aggregation.includes("bundled")) ||
    (!isContained && aggregation.includes("referenced"));
  if (fits) return;
  report(run, depth, {
    severity: "error",
    code: "structure",
    rule: "reference-aggregation",
    details: { reference: quoted(reference), allowed: aggregation },
    profile,
  });
}
