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
import type { Overlay, TargetRule } from "./overlays.ts";
import type { DefinitionSource, StructureFacts } from "./pack/format.ts";
import { createProfileChooser } from "./profiles.ts";
import type { ProfileChooser } from "./profiles.ts";
import { resolveReference, typeInReference } from "./references.ts";
import type { Target } from "./references.ts";
import { report, succeeds } from "./run.ts";
import type { Run } from "./run.ts";
import { createShapes, SPECIAL } from "./shapes.ts";
import type { Binding, Shapes, TypeShape } from "./shapes.ts";
import { quoted } from "./wording.ts";

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
    overlay: Overlay | undefined,
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
export function createJudge(definitions: DefinitionSource): Judge {
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
        default:
      }
    },
    checkTarget(run, value, types, overlay, depth) {
      checkTarget(judge, run, value, types, overlay, depth);
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
  const isContained = Array.isArray(container["contained"]) && container["contained"].includes(value);
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
  overlay: Overlay | undefined,
  depth: number,
): void {
  const { reference } = value;
  if (typeof reference !== "string" || reference === "") return;
  const slash = reference.indexOf("/");
  const claimed = overlay === undefined ? value["type"] : undefined;
  // By far the most references are like this, and right.
  const plainlyRight = slash > 0 && types !== undefined && types.has(reference.slice(0, slash));
  if (plainlyRight && claimed === undefined && overlay?.targets === undefined) return;
  const target = needsTarget(reference, overlay) ? resolveReference(run, reference) : undefined;
  const actual = typeOfTarget(judge, reference, target);
  const profile = overlay?.profile;
  if (types !== undefined && actual !== undefined && !types.has(actual)) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "reference-target",
      details: { type: quoted(actual), allowed: [...types] },
      profile,
    });
  }
  if (typeof claimed === "string" && claimed !== "")
    checkClaimedType(judge, run, claimed, actual, types, depth);
  if (overlay?.targets !== undefined) {
    checkTargetRules(judge, run, reference, target, overlay.targets, actual, overlay.profile, depth);
  }
}

function needsTarget(reference: string, overlay: Overlay | undefined): boolean {
  return overlay?.targets !== undefined || reference.startsWith("#") || reference.startsWith("urn:");
}

function typeOfTarget(judge: Judge, reference: string, target: Target | undefined): string | undefined {
  const type = target === undefined ? typeInReference(reference) : stringAt(target.resource, "resourceType");
  return type !== undefined && judge.shapes.type(type)?.isResource === true ? type : undefined;
}

const CORE = "http://hl7.org/fhir/StructureDefinition/";

function checkClaimedType(
  judge: Judge,
  run: Run,
  claimed: string,
  actual: string | undefined,
  types: ReadonlySet<string> | undefined,
  depth: number,
): void {
  const type = claimed.startsWith(CORE) ? claimed.slice(CORE.length) : claimed;
  if (actual !== undefined && actual !== type) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "reference-type-mismatch",
      details: { type: quoted(claimed), actual },
    });
  } else if (types !== undefined && !types.has(type) && judge.shapes.type(type)?.isResource === true) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "reference-target",
      details: { type: quoted(type), allowed: [...types] },
    });
  }
}

function checkTargetRules(
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
  if (target !== undefined && profiles !== undefined) {
    if (!profiles.some((one) => judge.conforms(run, target.resource, one))) {
      report(run, depth, {
        severity: "error",
        code: "structure",
        rule: "reference-target-profile",
        details: { reference: quoted(reference), profiles },
        profile,
      });
    }
  }
  const { aggregation } = rules;
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
