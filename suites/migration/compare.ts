/**
 * Compares what two APIs hold about the same patients, by meaning: the order of lists, narrative, `meta`, base URLs
 * and ids do not count; what each version of US Core adds or drops is told apart by rules, which are data.
 */
import { isObject } from "../../lib/checks/select.ts";

export type Resource = Readonly<Record<string, unknown>>;

/** What a difference is about, in the words of someone whose application reads it. */
export type Aspect = "resource" | "element" | "code" | "identifier" | "reference";
export type Kind = "vanished" | "appeared" | "changed";

export interface Difference {
  readonly kind: Kind;
  readonly aspect: Aspect;
  readonly type: string;
  /** Element path without indexes, such as `Condition.code.coding`; the type itself for a whole resource. */
  readonly path: string;
  /** Reference at the previous API and at the new one; undefined where the resource is not there. */
  readonly previous?: string;
  readonly current?: string;
  readonly before?: unknown;
  readonly after?: unknown;
  /** Why it was to be expected; such a difference is shown and never held against the tenant. */
  readonly known?: string;
}

/** A difference that a change of version explains. Every member that is given must agree. */
export interface KnownDifference {
  readonly type?: string;
  /** Element path, or a path that starts so when it ends in `.*`. */
  readonly path?: string;
  readonly kind?: Kind;
  /** `url` of the extension, `system` of the coding or identifier that appeared or vanished. */
  readonly system?: string;
  readonly reason: string;
}

export interface ComparisonRules {
  /** Elements that say nothing about the patient, by name at the root of a resource. */
  readonly ignoredElements: readonly string[];
  /** Elements that are ignored wherever they stand. */
  readonly ignoredAnywhere: readonly string[];
  readonly known: readonly KnownDifference[];
}

export interface TypeComparison {
  readonly type: string;
  readonly before: number;
  readonly after: number;
  /** Pairs that say the same, known differences aside. */
  readonly same: number;
  readonly pairs: readonly { readonly previous: string; readonly current: string }[];
  readonly differences: readonly Difference[];
}

/**
 * Compares the records of one or more patients.
 *
 * @param before resources of the previous API, by type
 * @param after resources of the new API, by type
 * @returns one comparison for each type, in the order of the names
 */
export function compareRecords(
  before: ReadonlyMap<string, readonly Resource[]>,
  after: ReadonlyMap<string, readonly Resource[]>,
  rules: ComparisonRules,
): readonly TypeComparison[] {
  const types = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  const matched = types.map((type) => ({
    type,
    ...matchResources(before.get(type) ?? [], after.get(type) ?? [], rules),
  }));
  // Only when every type is matched is it known which reference leads to the same resource.
  const counterpart = new Map<string, string>();
  for (const { pairs } of matched)
    for (const [previous, current] of pairs) counterpart.set(referenceOf(previous), referenceOf(current));

  return matched.map(({ type, pairs, vanished, appeared }) => {
    const differences: Difference[] = [];
    for (const previous of vanished) {
      differences.push({
        kind: "vanished",
        aspect: "resource",
        type,
        path: type,
        previous: referenceOf(previous),
      });
    }
    for (const current of appeared) {
      differences.push({
        kind: "appeared",
        aspect: "resource",
        type,
        path: type,
        current: referenceOf(current),
      });
    }
    let same = 0;
    for (const [previous, current] of pairs) {
      const found: Difference[] = [];
      const place = { type, previous: referenceOf(previous), current: referenceOf(current) };
      compareObjects(previous, current, type, (difference) => found.push({ ...place, ...difference }), {
        rules,
        counterpart,
        root: true,
      });
      differences.push(...found);
      if (!found.some((difference) => knownReason(difference, rules) === undefined)) same += 1;
    }
    return {
      type,
      before: before.get(type)?.length ?? 0,
      after: after.get(type)?.length ?? 0,
      same,
      pairs: pairs.map(([previous, current]) => ({
        previous: referenceOf(previous),
        current: referenceOf(current),
      })),
      differences: differences.map((difference) => {
        const known = knownReason(difference, rules);
        return known === undefined ? difference : { ...difference, known };
      }),
    };
  });
}

function referenceOf(resource: Resource): string {
  return `${String(resource["resourceType"])}/${String(resource["id"])}`;
}

interface Matching {
  readonly pairs: readonly (readonly [Resource, Resource])[];
  readonly vanished: readonly Resource[];
  readonly appeared: readonly Resource[];
}

/** How two resources are taken for the same one, the surest way first. */
const WAYS: readonly ((resource: Resource, rules: ComparisonRules) => readonly string[])[] = [
  (resource, rules) => [canonical(essence(resource, rules))],
  (resource) =>
    list(resource["identifier"])
      .filter(isObject)
      .filter(({ value }) => typeof value === "string")
      .map(({ system, value }) => `${String(system)}|${String(value)}`),
  (resource) => (typeof resource["id"] === "string" ? [resource["id"]] : []),
  (resource) => [clinicalKey(resource)].filter((key) => key !== ""),
];

function matchResources(
  before: readonly Resource[],
  after: readonly Resource[],
  rules: ComparisonRules,
): Matching {
  const pairs: [Resource, Resource][] = [];
  let left = [...before];
  let right = [...after];
  for (const way of WAYS) {
    const keyed = new Map<string, Resource[]>();
    for (const resource of right)
      for (const key of way(resource, rules)) keyed.set(key, [...(keyed.get(key) ?? []), resource]);
    const taken = new Set<Resource>();
    left = left.filter((resource) => {
      const found = way(resource, rules)
        .flatMap((key) => keyed.get(key) ?? [])
        .find((candidate) => !taken.has(candidate));
      if (found === undefined) return true;
      taken.add(found);
      pairs.push([resource, found]);
      return false;
    });
    right = right.filter((resource) => !taken.has(resource));
  }
  pairs.push(...matchByLikeness(left, right, rules));
  const matched = new Set(pairs.flat());
  return {
    pairs,
    vanished: left.filter((resource) => !matched.has(resource)),
    appeared: right.filter((resource) => !matched.has(resource)),
  };
}

const SAME_RESOURCE = 0.75;
/** Beyond so many on each side, comparing all with all would take longer than it tells. */
const MOST_COMPARED = 200;

/** Takes what is left for the same where most of it agrees, most alike first. */
function matchByLikeness(
  left: readonly Resource[],
  right: readonly Resource[],
  rules: ComparisonRules,
): [Resource, Resource][] {
  if (left.length > MOST_COMPARED || right.length > MOST_COMPARED) return [];
  const pairs: [Resource, Resource][] = [];
  const taken = new Set<Resource>();
  const leavesOf = (resource: Resource) => new Set(leaves(essence(resource, rules)));
  const others = right.map((resource) => ({ resource, own: leavesOf(resource) }));
  const candidates = left
    .flatMap((one) => {
      const own = leavesOf(one);
      return others.map((other) => ({ one, other: other.resource, score: shared(own, other.own) }));
    })
    .filter(({ score }) => score >= SAME_RESOURCE)
    .toSorted((a, b) => b.score - a.score);
  for (const { one, other } of candidates) {
    if (taken.has(one) || taken.has(other)) continue;
    taken.add(one);
    taken.add(other);
    pairs.push([one, other]);
  }
  return pairs;
}

/** The part of the leaves that two sets share, from 0 to 1. */
function shared(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  let count = 0;
  for (const leaf of one) if (other.has(leaf)) count += 1;
  return count / Math.max(one.size, other.size, 1);
}

/** What a resource is about and when, for those without identifiers whose ids differ between the APIs. */
function clinicalKey(resource: Resource): string {
  const about = ["code", "vaccineCode", "medicationCodeableConcept", "type", "category"]
    .map((name) => codesOf(resource[name]))
    .find((codes) => codes !== "");
  const when = Object.entries(resource)
    .filter(
      ([name, value]) => /(?:date|time|issued|recorded|period|onset)/i.test(name) && value !== undefined,
    )
    .map(([name, value]) => `${name}=${canonical(value)}`)
    .toSorted()
    .join("&");
  return about === undefined || when === "" ? "" : `${about}@${when}`;
}

function codesOf(value: unknown): string {
  return list(value)
    .filter(isObject)
    .flatMap((concept) => list(concept["coding"]).filter(isObject))
    .map(({ system, code }) => `${String(system)}|${String(code)}`)
    .toSorted()
    .join(",");
}

/** A resource without what never counts, and without its references, whose ids may differ. */
function essence(resource: Resource, rules: ComparisonRules): unknown {
  const strip = (value: unknown, root: boolean): unknown => {
    if (Array.isArray(value)) return value.map((member) => strip(member, false));
    if (!isObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => !isIgnored(name, root, rules) && !(name === "reference"))
        .map(([name, member]) => [name, strip(member, false)]),
    );
  };
  return strip(resource, true);
}

function isIgnored(name: string, root: boolean, rules: ComparisonRules): boolean {
  return rules.ignoredAnywhere.includes(name) || (root && rules.ignoredElements.includes(name));
}

interface Setting {
  readonly rules: ComparisonRules;
  readonly counterpart: ReadonlyMap<string, string>;
  readonly root: boolean;
}

type Report = (difference: Pick<Difference, "kind" | "aspect" | "path" | "before" | "after">) => void;

function compareObjects(
  before: Resource,
  after: Resource,
  path: string,
  report: Report,
  setting: Setting,
): void {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  for (const name of names) {
    if (name === "resourceType" || isIgnored(name, setting.root, setting.rules)) continue;
    compareValues(before[name], after[name], `${path}.${name.replace(/^_/, "")}`, report, {
      ...setting,
      root: false,
    });
  }
}

function compareValues(
  before: unknown,
  after: unknown,
  path: string,
  report: Report,
  setting: Setting,
): void {
  if (isEqual(before, after, setting)) return;
  const aspect = aspectOf(path);
  if (before === undefined || after === undefined) {
    const kind = before === undefined ? "appeared" : "vanished";
    // Of a list, each member: one that is lost is one difference, however many stay.
    for (const member of Array.isArray(before ?? after) ? list(before ?? after) : [before ?? after])
      report({ kind, aspect, path, ...(kind === "appeared" ? { after: member } : { before: member }) });
    return;
  }
  if (Array.isArray(before) || Array.isArray(after)) {
    compareLists(list(before), list(after), path, report, setting);
    return;
  }
  // A coding, an identifier or a reference says one thing: it is another one, not a changed part of one.
  if (isObject(before) && isObject(after) && !isUnit(before, path)) {
    compareObjects(before, after, path, report, setting);
    return;
  }
  if (isObject(before) && isObject(after) && unitKey(before, path) === unitKey(after, path)) {
    compareObjects(before, after, path, report, setting);
    return;
  }
  report({ kind: "changed", aspect, path, before, after });
}

function compareLists(
  before: readonly unknown[],
  after: readonly unknown[],
  path: string,
  report: Report,
  setting: Setting,
): void {
  const right = [...after];
  const left = before.filter((member) => {
    const at = right.findIndex((candidate) => isEqual(member, candidate, setting));
    if (at < 0) return true;
    right.splice(at, 1);
    return false;
  });
  // Of the rest, those that have most in common belong together.
  while (left.length > 0 && right.length > 0) {
    const [best] = left
      .flatMap((one, i) => right.map((other, j) => ({ i, j, score: likeness(one, other, path) })))
      .toSorted((a, b) => b.score - a.score || a.i - b.i || a.j - b.j);
    if (best === undefined || best.score < LIKE_ENOUGH) break;
    const [one] = left.splice(best.i, 1);
    const [other] = right.splice(best.j, 1);
    compareValues(one, other, path, report, setting);
  }
  const aspect = aspectOf(path);
  // One for one, something was put in the place of something; else it came or went.
  while (left.length > 0 && right.length > 0)
    report({ kind: "changed", aspect, path, before: left.shift(), after: right.shift() });
  for (const member of left) report({ kind: "vanished", aspect, path, before: member });
  for (const member of right) report({ kind: "appeared", aspect, path, after: member });
}

const LIKE_ENOUGH = 0.5;

/** From 0 to 1: the part of the leaves that two values share; 1 also for two that name the same thing. */
function likeness(one: unknown, other: unknown, path: string): number {
  if (!isObject(one) || !isObject(other)) return 0;
  const [keyOne, keyOther] = [unitKey(one, path), unitKey(other, path)];
  if (keyOne !== undefined || keyOther !== undefined) return keyOne === keyOther ? 1 : 0;
  return shared(new Set(leaves(one)), new Set(leaves(other)));
}

function leaves(value: unknown, path = ""): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((member) => leaves(member, path));
  if (isObject(value))
    return Object.entries(value).flatMap(([name, member]) => leaves(member, `${path}.${name}`));
  return [`${path}=${String(value)}`];
}

function isUnit(value: Readonly<Record<string, unknown>>, path: string): boolean {
  return unitKey(value, path) !== undefined;
}

/** What a coding, an identifier, a reference or an extension is told by. */
function unitKey(value: Readonly<Record<string, unknown>>, path: string): string | undefined {
  if (path.endsWith(".extension") || path.endsWith(".modifierExtension"))
    return typeof value["url"] === "string" ? value["url"] : undefined;
  const aspect = aspectOf(path);
  if (aspect === "code") return `${String(value["system"])}|${String(value["code"])}`;
  if (aspect === "identifier") return `${String(value["system"])}|${String(value["value"])}`;
  return undefined;
}

function aspectOf(path: string): Aspect {
  const last = path.slice(path.lastIndexOf(".") + 1);
  if (last === "coding" || last === "valueCoding" || last === "valueCode") return "code";
  if (last === "identifier") return "identifier";
  if (last === "reference" || last === "valueReference") return "reference";
  return "element";
}

function isEqual(before: unknown, after: unknown, setting: Setting): boolean {
  const { ignoredAnywhere } = setting.rules;
  const translated = (reference: string) => {
    const plain = withoutBase(reference);
    return setting.counterpart.get(plain) ?? plain;
  };
  return (
    canonical(asAddress(before), translated, ignoredAnywhere) ===
    canonical(asAddress(after), withoutBase, ignoredAnywhere)
  );
}

/** A bare address, such as that of an attachment, is compared as it would be within its element. */
function asAddress(value: unknown): unknown {
  return typeof value === "string" ? { url: value } : value;
}

/** A reference without the server it is at and the version it names. */
function withoutBase(reference: string): string {
  return (
    /(?:^|\/)([A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64})(?:\/_history\/[^/]+)?$/.exec(reference)?.[1] ?? reference
  );
}

/** JSON with sorted members and sorted lists: the same text for what means the same. */
function canonical(
  value: unknown,
  mapReference: (reference: string) => string = (it) => it,
  ignored: readonly string[] = [],
): string {
  if (Array.isArray(value))
    return `[${value
      .map((member) => canonical(member, mapReference, ignored))
      .toSorted()
      .join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "null";
  return `{${Object.entries(value)
    .filter(([name]) => !ignored.includes(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) =>
      (name === "reference" || name === "url") && typeof member === "string"
        ? `"${name}":${JSON.stringify(mapReference(member))}`
        : `${JSON.stringify(name)}:${canonical(member, mapReference, ignored)}`,
    )
    .join(",")}}`;
}

function list(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function knownReason(difference: Difference, rules: ComparisonRules): string | undefined {
  const value = difference.after ?? difference.before;
  const system = isObject(value) ? (value["url"] ?? value["system"]) : undefined;
  return rules.known.find(
    (known) =>
      (known.type === undefined || known.type === difference.type) &&
      (known.kind === undefined || known.kind === difference.kind) &&
      (known.system === undefined || known.system === system) &&
      (known.path === undefined ||
        known.path === difference.path ||
        (known.path.endsWith(".*") && difference.path.startsWith(known.path.slice(0, -1)))),
  )?.reason;
}
