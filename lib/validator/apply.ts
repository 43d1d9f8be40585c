/** Judging a value by an overlay: the rules that a profile adds. */
import { checkBinding } from "./bindings.ts";
import type { Judge } from "./judge.ts";
import { isObject, withoutVersion } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { occurrencesOf } from "./occurrences.ts";
import type { Occurrence } from "./occurrences.ts";
import type { Bounds, Member, Overlay, Slice, Slicing } from "./overlays.ts";
import { report } from "./run.ts";
import type { Run } from "./run.ts";
import { SPECIAL } from "./shapes.ts";
import type { ElementShape, TypeOption } from "./shapes.ts";
import { MATCH } from "./slices.ts";
import type { SliceSurroundings } from "./slices.ts";
import { checkConstraints } from "./walk.ts";
import { quoted } from "./wording.ts";

/** Judges an object by an overlay of its type: the members, and the rules on the object itself. */
export function applyOverlay(
  judge: Judge,
  run: Run,
  overlay: Overlay,
  value: JsonObject,
  typeName: string,
  depth: number,
): void {
  for (const member of overlay.members) applyMember(judge, run, member, value, depth);
  if (overlay.constraints.length > 0)
    checkConstraints(run, overlay.constraints, value, typeName, undefined, depth);
}

function applyMember(judge: Judge, run: Run, member: Member, value: JsonObject, depth: number): void {
  const { element } = member;
  let count = 0;
  for (const option of element.options) {
    const item = value[option.key];
    const companion = option.tag < 0 ? undefined : value[option.companionKey];
    if (item === undefined && companion === undefined) continue;
    count += element.repeats
      ? applyToList(judge, run, member, item, companion, option, depth + 1)
      : applyToOne(judge, run, member, item, companion, option, -1, depth + 1);
  }
  if (count < member.min) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "cardinality-min",
      details: { element: element.path, min: member.min, count },
      profile: member.profile,
    });
  }
  if (count > member.max) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "cardinality-max",
      details: { element: element.path, max: member.max, count },
      profile: member.profile,
    });
  }
  if (member.slicing !== undefined) {
    const occurrences = count === 0 ? NO_OCCURRENCES : occurrencesOf(value, element);
    applySlicing(judge, run, member.slicing, occurrences, member, depth);
  }
}

const NO_OCCURRENCES: readonly Occurrence[] = [];

function applyToList(
  judge: Judge,
  run: Run,
  member: Member,
  item: unknown,
  companion: unknown,
  option: TypeOption,
  depth: number,
): number {
  // That it is no array has been said; it still is one value.
  const items: readonly unknown[] | undefined = Array.isArray(item) || item === undefined ? item : [item];
  const companions: readonly unknown[] | undefined = Array.isArray(companion) ? companion : undefined;
  const length = Math.max(items?.length ?? 0, companions?.length ?? 0);
  if (member.item === undefined && member.allowed === undefined) return length;
  for (let at = 0; at < length; at++) {
    applyToOne(judge, run, member, items?.[at], companions?.[at], option, at, depth);
  }
  return length;
}

/** Answers how many it was: one. */
function applyToOne(
  judge: Judge,
  run: Run,
  member: Member,
  value: unknown,
  companion: unknown,
  option: TypeOption,
  index: number,
  depth: number,
): number {
  const { element, allowed, item, profile } = member;
  if (item === undefined && allowed === undefined) return 1;
  enter(run, element, option, index, depth);
  if (allowed !== undefined && !isAllowed(judge, allowed, value, option)) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "choice-type",
      details: { element: element.path, type: typeOf(value, option), allowed: [...allowed] },
      profile,
    });
  } else if (item !== undefined) applyItem(judge, run, item, value, companion, option, element, depth);
  return 1;
}

function enter(run: Run, element: ElementShape, option: TypeOption, index: number, depth: number): void {
  run.elements[depth] = element;
  run.segments[depth] = option.segment;
  run.indexes[depth] = index;
}

/** A resource's own type counts where an element holds resources. */
function typeOf(value: unknown, option: TypeOption): string {
  const type = option.isResource && isObject(value) ? value["resourceType"] : undefined;
  return typeof type === "string" ? quoted(type) : option.code;
}

function isAllowed(judge: Judge, allowed: ReadonlySet<string>, value: unknown, option: TypeOption): boolean {
  const name = typeOf(value, option);
  if (allowed.has(name)) return true;
  return judge.shapes.type(name)?.lineage.some((ancestor) => allowed.has(ancestor)) === true;
}

/** Primitives that a binding can be for (https://hl7.org/fhir/R4/terminologies.html). */
const CODE_PRIMITIVES: ReadonlySet<string> = new Set(["code", "string", "uri", "url", "canonical"]);

function applyItem(
  judge: Judge,
  run: Run,
  overlay: Overlay,
  value: unknown,
  companion: unknown,
  option: TypeOption,
  element: ElementShape,
  depth: number,
): void {
  const { fixed, pattern, bounds, binding, profile } = overlay;
  if (fixed !== undefined) applyValueRule(run, "value-fixed", fixed, profile, value, depth);
  if (pattern !== undefined) applyValueRule(run, "value-pattern", pattern, profile, value, depth);
  if (bounds !== undefined) applyBounds(run, bounds, profile, value, depth);
  const shape = option.tag < 0 && !option.isResource ? option.shape() : undefined;
  // Of a choice of types, a binding concerns those that hold codes, as in the HL7 validator.
  if (binding !== undefined && (option.tag < 0 || CODE_PRIMITIVES.has(option.code))) {
    if (value !== undefined && value !== null) {
      checkBinding(run, binding, value, shape?.special ?? SPECIAL.none, profile, depth);
    } else if (binding.strength === "required" && element.facts.binding?.strength !== "required") {
      report(run, depth, {
        severity: "error",
        code: "code-invalid",
        rule: "primitive-no-value",
        details: { valueSet: binding.test.valueSet },
        profile,
      });
    }
  }
  if (isObject(value)) {
    const typeName = option.isResource ? typeOf(value, option) : (shape?.name ?? option.code);
    applyOverlay(judge, run, overlay, value, typeName, depth);
    if (overlay.targets !== undefined && option.code === "Reference") {
      judge.checkTarget(run, value, option.targets, { rules: overlay.targets, profile }, depth);
    }
    const profiles =
      overlay.profiles?.get(option.isResource ? typeName : option.code) ?? overlay.profiles?.get(option.code);
    if (profiles !== undefined) applyTypeProfiles(judge, run, value, profiles, depth);
  } else if (overlay.constraints.length > 0) {
    checkConstraints(run, overlay.constraints, value, option.code, companion, depth);
  }
}

/** Asks that a value meet one of the profiles that its type is restricted to. */
export function applyTypeProfiles(
  judge: Judge,
  run: Run,
  value: JsonObject,
  profiles: readonly string[],
  depth: number,
): void {
  const { url } = value;
  const known = profiles
    // An extension is judged by its definition wherever it stands.
    .filter((profile) => typeof url !== "string" || withoutVersion(profile) !== withoutVersion(url))
    .map((profile) => judge.definitions.structure(profile))
    .filter((structure) => structure !== undefined);
  const [first, ...others] = known;
  // One of them cannot be looked at: it may be the one that is met.
  if (first === undefined || known.length < profiles.length) return;
  if (others.length === 0) {
    judge.applyStructure(run, first, value, depth);
    return;
  }
  if (known.some((structure) => judge.conforms(run, value, structure.url))) return;
  report(run, depth, {
    severity: "error",
    code: "structure",
    rule: "profile-none-met",
    details: { profiles: known.map((structure) => structure.url) },
  });
}

function applyValueRule(
  run: Run,
  rule: "value-fixed" | "value-pattern",
  wanted: NonNullable<Overlay["fixed"]>,
  profile: string,
  value: unknown,
  depth: number,
): void {
  const at = wanted.test(value);
  if (at === undefined) return;
  report(run, depth, {
    severity: "error",
    code: "value",
    rule,
    details: { wanted: quoted(wanted.value), at: at === "" ? "the value itself" : at },
    profile,
  });
}

function applyBounds(run: Run, bounds: Bounds, profile: string, value: unknown, depth: number): void {
  if (bounds.maxLength !== undefined && typeof value === "string" && value.length > bounds.maxLength) {
    report(run, depth, {
      severity: "error",
      code: "invalid",
      rule: "value-max-length",
      details: { maxLength: bounds.maxLength, length: value.length },
      profile,
    });
  }
  for (const rule of ["value-minimum", "value-maximum"] as const) {
    const bound = rule === "value-minimum" ? bounds.minimum : bounds.maximum;
    const order = compareToBound(value, bound);
    if (order === undefined || (rule === "value-minimum" ? order >= 0 : order <= 0)) continue;
    report(run, depth, {
      severity: "error",
      code: "invalid",
      rule,
      details: {
        value: quoted(value),
        [rule === "value-minimum" ? "minimum" : "maximum"]: quoted(bound),
      },
      profile,
    });
  }
}

/** Below 0, 0 or above 0; undefined where the two cannot be compared. */
function compareToBound(value: unknown, bound: unknown): number | undefined {
  if (typeof value === "number" && typeof bound === "number") return value - bound;
  if (typeof value === "string" && typeof bound === "string") return compareTimes(value, bound);
  if (!isObject(value) || !isObject(bound)) return undefined;
  // Quantities compare only in the same unit.
  if (value["system"] !== bound["system"] || value["code"] !== bound["code"]) return undefined;
  return compareToBound(value["value"], bound["value"]);
}

function compareTimes(value: string, bound: string): number | undefined {
  if (/T/.test(value) && /T/.test(bound)) {
    const difference = Date.parse(value) - Date.parse(bound);
    return Number.isNaN(difference) ? undefined : difference;
  }
  const length = Math.min(value.length, bound.length, 10);
  const one = value.slice(0, length);
  const other = bound.slice(0, length);
  if (one !== other) return one < other ? -1 : 1;
  return value.length === bound.length ? 0 : undefined;
}

function applySlicing(
  judge: Judge,
  run: Run,
  slicing: Slicing,
  occurrences: readonly Occurrence[],
  member: Pick<Member, "element" | "profile" | "elementId">,
  depth: number,
): void {
  const { slices } = slicing;
  const below = depth + 1;
  const matched: Occurrence[][] = slices.map(() => []);
  const possible: number[] = slices.map(() => 0);
  const surroundings: SliceSurroundings = {
    resolve: (reference) => judge.resolve(run, reference),
    conforms: (value, profile) => judge.conforms(run, value, profile),
  };
  let last = -1;
  let outside = false;
  for (const occurrence of occurrences) {
    const at = sliceOf(slices, occurrence, surroundings, possible);
    enter(run, member.element, occurrence.option, occurrence.index, below);
    if (at === UNDECIDED) continue;
    if (at === NONE) {
      outside = true;
      if (slicing.rules === "closed") {
        report(run, below, {
          severity: "error",
          code: "structure",
          rule: "slice-closed",
          details: { element: member.elementId },
          profile: member.profile,
        });
      }
      continue;
    }
    matched[at]?.push(occurrence);
    const name = slices[at]?.name ?? "";
    if (slicing.ordered && at < last) {
      report(run, below, {
        severity: "error",
        code: "structure",
        rule: "slice-order",
        details: { element: member.elementId, slice: name },
        profile: member.profile,
      });
    }
    if (slicing.rules === "openAtEnd" && outside) {
      report(run, below, {
        severity: "error",
        code: "structure",
        rule: "slice-open-at-end",
        details: { element: member.elementId },
        profile: member.profile,
      });
    }
    last = at;
  }
  for (const [at, slice] of slices.entries()) {
    applySlice(judge, run, slice, matched[at] ?? [], possible[at] ?? 0, member, depth);
  }
}

const NONE = -1;
const UNDECIDED = -2;

function sliceOf(
  slices: readonly Slice[],
  occurrence: Occurrence,
  surroundings: SliceSurroundings,
  possible: number[],
): number {
  let answer = NONE;
  for (const [at, slice] of slices.entries()) {
    const match = slice.test(occurrence, surroundings);
    if (match === MATCH.yes) return at;
    if (match === MATCH.maybe) {
      possible[at] = (possible[at] ?? 0) + 1;
      answer = UNDECIDED;
    }
  }
  return answer;
}

function applySlice(
  judge: Judge,
  run: Run,
  slice: Slice,
  occurrences: readonly Occurrence[],
  possible: number,
  member: Pick<Member, "element" | "profile" | "elementId">,
  depth: number,
): void {
  const count = occurrences.length;
  if (count + possible < slice.min) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "slice-min",
      details: { element: slice.elementId, min: slice.min, count },
      profile: member.profile,
    });
  }
  if (count > slice.max) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "slice-max",
      details: { element: slice.elementId, max: slice.max, count },
      profile: member.profile,
    });
  }
  const below = depth + 1;
  for (const occurrence of occurrences) {
    enter(run, member.element, occurrence.option, occurrence.index, below);
    if (
      slice.allowed !== undefined &&
      !isAllowed(judge, slice.allowed, occurrence.value, occurrence.option)
    ) {
      report(run, below, {
        severity: "error",
        code: "structure",
        rule: "choice-type",
        details: {
          element: slice.elementId,
          type: typeOf(occurrence.value, occurrence.option),
          allowed: [...slice.allowed],
        },
        profile: member.profile,
      });
    } else if (!slice.item.isEmpty) {
      const { value, companion, option } = occurrence;
      applyItem(judge, run, slice.item, value, companion, option, member.element, below);
    }
  }
  if (slice.slicing !== undefined) {
    applySlicing(judge, run, slice.slicing, occurrences, { ...member, elementId: slice.elementId }, depth);
  }
}
