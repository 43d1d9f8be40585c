import { PackError } from "./errors.ts";
import type {
  BindingFacts,
  ConstraintFacts,
  DiscriminatorFacts,
  ElementFacts,
  SlicingFacts,
  StructureFacts,
  TypeFacts,
} from "./format.ts";

/*
 * How structures stand on disk: one JSON object a line, defaults left out, short keys.
 *
 *   element  i   id without the type it starts with, such as ".name" ("" for the root), or "=" and all of the id
 *                where it starts otherwise (logical models, whose type is a URL)
 *            p   path, where it is not the id without slice names
 *            s   sliceName, where it is not what follows the last ":" of the id's last part
 *            n   min, where it is not 0          x   max, where it is not 1 ("*" or a number)
 *            b   basePath, where it is not path  X   baseMax, where it is not max
 *            t   types: "code", or { c, p profiles, t targets, a aggregation, v versioning, f fhirType,
 *                m mustSupport, M mustSupportTargets }
 *            r   contentReference
 *            f, P, l, h  fixed, pattern, minValue, maxValue as [type, value]
 *            L   maxLength
 *            v   binding as [strength, valueSet, maxValueSet?]
 *            d   slicing as [rules, ordered (0 or 1), [discriminator type, path]…]
 *            k   constraints as indices into the pack's table, where it is not [0]
 *            m, M, S, u  1 for mustSupport, isModifier, isSummary, uscdi
 *            R   representation                  e   regex
 *
 * "http://hl7.org/fhir/StructureDefinition/" at the start of a canonical is written "/".
 */

type TypeRecord =
  | string
  | {
      c: string;
      p?: string[];
      t?: string[];
      a?: TypeFacts["aggregation"];
      v?: TypeFacts["versioning"];
      f?: string;
      m?: 1;
      M?: string[];
    };

interface ElementRecord {
  i: string;
  p?: string;
  s?: string;
  n?: number;
  x?: number | "*";
  b?: string;
  X?: number | "*";
  t?: TypeRecord[];
  r?: string;
  f?: [string, unknown];
  P?: [string, unknown];
  l?: [string, unknown];
  h?: [string, unknown];
  L?: number;
  v?: [BindingFacts["strength"], string, string?];
  d?: [SlicingFacts["rules"], 0 | 1, ...[DiscriminatorFacts["type"], string][]];
  k?: number[];
  m?: 1;
  M?: 1;
  S?: 1;
  u?: 1;
  R?: readonly string[];
  e?: string;
}

export interface StructureRecord extends Omit<StructureFacts, "elements"> {
  readonly elements: ElementRecord[];
}

const corePrefix = "http://hl7.org/fhir/StructureDefinition/";

const shorten = (canonical: string): string =>
  canonical.startsWith(corePrefix) ? `/${canonical.slice(corePrefix.length)}` : canonical;
const lengthen = (canonical: string): string =>
  canonical.startsWith("/") ? corePrefix + canonical.slice(1) : canonical;

const bound = (value: number | "*"): number | "*" => (value === Number.POSITIVE_INFINITY ? "*" : value);
const unbound = (value: number | "*"): number => (value === "*" ? Number.POSITIVE_INFINITY : value);

/** The distinct constraints of a pack, by number. The most frequent should be added first. */
export class ConstraintTable {
  readonly constraints: ConstraintFacts[] = [];
  readonly #numbers = new Map<string, number>();

  number(constraint: ConstraintFacts): number {
    const { key, severity, expression, source, bestPractice } = constraint;
    const identity = JSON.stringify([key, severity, expression, source, bestPractice]);
    const known = this.#numbers.get(identity);
    if (known !== undefined) return known;
    const number = this.constraints.length;
    this.constraints.push(constraint);
    this.#numbers.set(identity, number);
    return number;
  }
}

function typeRecord(type: TypeFacts): TypeRecord {
  const record: Exclude<TypeRecord, string> = { c: type.code };
  if (type.profiles) record.p = type.profiles.map(shorten);
  if (type.targets) record.t = type.targets.map(shorten);
  if (type.aggregation) record.a = type.aggregation;
  if (type.versioning) record.v = type.versioning;
  if (type.fhirType !== undefined) record.f = type.fhirType;
  if (type.mustSupport) record.m = 1;
  if (type.mustSupportTargets) record.M = type.mustSupportTargets.map(shorten);
  return Object.keys(record).length === 1 ? type.code : record;
}

function typeFacts(record: TypeRecord): TypeFacts {
  if (typeof record === "string") return { code: record };
  return {
    code: record.c,
    ...(record.p ? { profiles: record.p.map(lengthen) } : {}),
    ...(record.t ? { targets: record.t.map(lengthen) } : {}),
    ...(record.a ? { aggregation: record.a } : {}),
    ...(record.v ? { versioning: record.v } : {}),
    ...(record.f === undefined ? {} : { fhirType: record.f }),
    ...(record.m ? { mustSupport: true } : {}),
    ...(record.M ? { mustSupportTargets: record.M.map(lengthen) } : {}),
  };
}

/** `ElementDefinition.id` without slice names; equals the path in every well-formed definition. */
function pathOfId(id: string): string {
  return id.replaceAll(/:[^.]*/g, "");
}

/** `Observation.component:systolic` → `systolic`. */
function sliceNameOfId(id: string): string | undefined {
  const part = id.slice(id.lastIndexOf(".") + 1);
  const colon = part.lastIndexOf(":");
  return colon < 0 ? undefined : part.slice(colon + 1);
}

function elementRecord(element: ElementFacts, root: string, table: ConstraintTable): ElementRecord {
  const record: ElementRecord = {
    i: element.id.startsWith(root) ? element.id.slice(root.length) : `=${element.id}`,
  };
  if (pathOfId(element.id) !== element.path) record.p = element.path;
  const implied = sliceNameOfId(element.id);
  if (element.sliceName !== implied) record.s = element.sliceName ?? "";
  if (element.min !== 0) record.n = element.min;
  if (element.max !== 1) record.x = bound(element.max);
  if (element.basePath !== element.path && element.basePath !== undefined) record.b = element.basePath;
  if (element.baseMax !== element.max && element.baseMax !== undefined) record.X = bound(element.baseMax);
  if (element.types) record.t = element.types.map(typeRecord);
  if (element.contentReference !== undefined) record.r = element.contentReference;
  if (element.fixed) record.f = [element.fixed.type, element.fixed.value];
  if (element.pattern) record.P = [element.pattern.type, element.pattern.value];
  if (element.minValue) record.l = [element.minValue.type, element.minValue.value];
  if (element.maxValue) record.h = [element.maxValue.type, element.maxValue.value];
  if (element.maxLength !== undefined) record.L = element.maxLength;
  if (element.binding) {
    const { strength, valueSet, maxValueSet } = element.binding;
    record.v = maxValueSet === undefined ? [strength, valueSet] : [strength, valueSet, maxValueSet];
  }
  if (element.slicing) {
    const { rules, ordered, discriminators } = element.slicing;
    record.d = [
      rules,
      ordered ? 1 : 0,
      ...discriminators.map(({ type, path }): [DiscriminatorFacts["type"], string] => [type, path]),
    ];
  }
  const constraints = (element.constraints ?? []).map((constraint) => table.number(constraint));
  if (constraints.length !== 1 || constraints[0] !== 0) record.k = constraints;
  if (element.mustSupport) record.m = 1;
  if (element.isModifier) record.M = 1;
  if (element.isSummary) record.S = 1;
  if (element.uscdi) record.u = 1;
  if (element.representation) record.R = element.representation;
  if (element.regex !== undefined) record.e = element.regex;
  return record;
}

function elementFacts(
  record: ElementRecord,
  root: string,
  constraints: readonly ConstraintFacts[],
): ElementFacts {
  const id = record.i.startsWith("=") ? record.i.slice(1) : root + record.i;
  const path = record.p ?? pathOfId(id);
  const sliceName = record.s ?? sliceNameOfId(id);
  const max = unbound(record.x ?? 1);
  const numbers = record.k ?? [0];
  return {
    id,
    path,
    ...(sliceName ? { sliceName } : {}),
    min: record.n ?? 0,
    max,
    baseMax: record.X === undefined ? max : unbound(record.X),
    basePath: record.b ?? path,
    ...(record.t ? { types: record.t.map(typeFacts) } : {}),
    ...(record.r === undefined ? {} : { contentReference: record.r }),
    ...(record.f ? { fixed: { type: record.f[0], value: record.f[1] } } : {}),
    ...(record.P ? { pattern: { type: record.P[0], value: record.P[1] } } : {}),
    ...(record.l ? { minValue: { type: record.l[0], value: record.l[1] } } : {}),
    ...(record.h ? { maxValue: { type: record.h[0], value: record.h[1] } } : {}),
    ...(record.L === undefined ? {} : { maxLength: record.L }),
    ...(record.v ? { binding: bindingFacts(record.v) } : {}),
    ...(record.d ? { slicing: slicingFacts(record.d) } : {}),
    ...(numbers.length > 0
      ? { constraints: numbers.map((number) => constraints[number]).filter((item) => item !== undefined) }
      : {}),
    ...(record.m ? { mustSupport: true } : {}),
    ...(record.M ? { isModifier: true } : {}),
    ...(record.S ? { isSummary: true } : {}),
    ...(record.R ? { representation: record.R } : {}),
    ...(record.e === undefined ? {} : { regex: record.e }),
    ...(record.u ? { uscdi: true } : {}),
  };
}

function bindingFacts([strength, valueSet, maxValueSet]: NonNullable<ElementRecord["v"]>): BindingFacts {
  return maxValueSet === undefined ? { strength, valueSet } : { strength, valueSet, maxValueSet };
}

function slicingFacts([rules, ordered, ...discriminators]: NonNullable<ElementRecord["d"]>): SlicingFacts {
  return {
    discriminators: discriminators.map(([type, path]) => ({ type, path })),
    ordered: ordered === 1,
    rules,
  };
}

/** Facts → what stands on disk; constraints go into the pack's table. */
export function encodeStructure(structure: StructureFacts, table: ConstraintTable): StructureRecord {
  const { elements, ...head } = structure;
  return { ...head, elements: elements.map((element) => elementRecord(element, structure.type, table)) };
}

/** The inverse of `encodeStructure`. */
export function decodeStructure(
  record: StructureRecord,
  constraints: readonly ConstraintFacts[],
  file: string,
): StructureFacts {
  const { elements, ...head } = record;
  if (elements.length === 0) throw new PackError("bad-pack", file, `structure ${head.url} has no elements`);
  return { ...head, elements: elements.map((element) => elementFacts(element, head.type, constraints)) };
}
