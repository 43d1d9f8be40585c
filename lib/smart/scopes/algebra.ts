/** What sets of scopes permit: the same, more, or less than others. */
import {
  alternativesOf,
  formatScope,
  parseScope,
  type ClinicalScope,
  type Scope,
  type ScopeLevel,
} from "./scope.ts";

const LETTERS = "cruds";

/** Most alternatives that a scope is taken apart into; a scope with more stays whole. */
const MOST_PARTS = 512;

/** One search parameter that confines a scope, with the values of which one must match. */
interface Constraint {
  readonly name: string;
  /** Sorted, decoded, without repetition. */
  readonly values: readonly string[];
}

/** The smallest part of a grant: one permission on one type, confined or not. */
interface Part {
  readonly level: ScopeLevel;
  readonly type: string;
  readonly letter: string;
  readonly constraints: readonly Constraint[];
}

/**
 * The one form of what a set of scopes permits: permissions in the syntax of SMART 2.0.0, parts that another covers
 * left out, values that are alternatives (`a,b`) as a scope each, everything sorted.
 */
export function normalizeScopes(scopes: readonly Scope[]): readonly Scope[] {
  const others = scopes.filter((scope) => scope.kind !== "clinical").map(formatScope);
  return [...uniqueTexts(others).flatMap((text) => parseScope(text) ?? []), ...regroup(partsOf(scopes))];
}

/** Whether a grant permits everything that others would. */
export function covers(grant: readonly Scope[], wanted: readonly Scope[]): boolean {
  return difference(wanted, grant).length === 0;
}

/** What a set of scopes permits beyond another, in its normal form. */
export function difference(scopes: readonly Scope[], without: readonly Scope[]): readonly Scope[] {
  const granted = partsOf(without);
  const known = new Set(without.filter((scope) => scope.kind !== "clinical").map(formatScope));
  return normalizeScopes([
    ...scopes.filter((scope) => scope.kind !== "clinical" && !known.has(formatScope(scope))),
    ...regroup(partsOf(scopes).filter((part) => !granted.some((one) => includes(one, part)))),
  ]);
}

/**
 * Scopes that were granted though what was asked for does not cover them. Either syntax may answer the other, and a
 * part of what was asked for is no more than that. What is no scope of SMART counts as asked for when it was.
 */
export function beyond(granted: readonly string[], asked: readonly string[]): readonly string[] {
  const wanted = asked.flatMap((text) => parseScope(text) ?? []);
  return granted.filter((text) => {
    if (asked.includes(text)) return false;
    const scope = parseScope(text);
    return scope === undefined || !covers(wanted, [scope]);
  });
}

/** One name for a set of scopes as they are written, whatever their order: a key to keep tokens by. */
export function scopeKey(scopes: readonly string[]): string {
  return uniqueTexts(scopes).join(" ");
}

const uniqueTexts = (texts: readonly string[]) => [...new Set(texts)].toSorted();

function partsOf(scopes: readonly Scope[]): readonly Part[] {
  return scopes.flatMap((scope) => (scope.kind === "clinical" ? takeApart(scope) : []));
}

function takeApart({ level, type, permissions, restriction }: ClinicalScope): readonly Part[] {
  const constraints = restriction.map(([name, value]) => ({ name, values: alternativesOf(value) }));
  const whole = strongest(constraints);
  const count = whole.reduce((product, { values }) => product * values.length, 1);
  const choices = count > MOST_PARTS ? [whole] : choose(whole).map(strongest);
  return Array.from(permissions).flatMap((letter) =>
    choices.map((chosen) => ({ level, type, letter, constraints: chosen })),
  );
}

/** Every way to take one value of each constraint. */
function choose(constraints: readonly Constraint[]): readonly (readonly Constraint[])[] {
  return constraints.reduce<readonly (readonly Constraint[])[]>(
    (before, { name, values }) =>
      before.flatMap((chosen) => values.map((value) => [...chosen, { name, values: [value] }])),
    [[]],
  );
}

const implies = (narrow: Constraint, wide: Constraint) =>
  narrow.name === wide.name && narrow.values.every((value) => wide.values.includes(value));

/** Constraints without those that another one implies, sorted. */
function strongest(constraints: readonly Constraint[]): readonly Constraint[] {
  const unique = [...new Map(constraints.map((one) => [keyOf(one), one])).values()];
  return unique
    .filter((one) => !unique.some((other) => other !== one && implies(other, one)))
    .toSorted((a, b) => compare(keyOf(a), keyOf(b)));
}

const keyOf = ({ name, values }: Constraint) => JSON.stringify([name, values]);
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function includes(wide: Part, narrow: Part): boolean {
  return (
    wide.level === narrow.level &&
    (wide.type === "*" || wide.type === narrow.type) &&
    wide.letter === narrow.letter &&
    wide.constraints.every((one) => narrow.constraints.some((other) => implies(other, one)))
  );
}

/** Parts as scopes again, those that another part includes left out. */
function regroup(parts: readonly Part[]): readonly ClinicalScope[] {
  const unique = [...new Map(parts.map((part) => [JSON.stringify(part), part])).values()];
  const needed = unique.filter((part) => !unique.some((other) => other !== part && includes(other, part)));
  const groups = new Map<string, { readonly first: Part; readonly letters: Set<string> }>();
  for (const part of needed) {
    const { level, type, constraints } = part;
    const key = JSON.stringify([level, type, constraints]);
    const group = groups.get(key) ?? { first: part, letters: new Set<string>() };
    group.letters.add(part.letter);
    groups.set(key, group);
  }
  return [...groups.values()]
    .map(({ first, letters }): ClinicalScope => {
      const permissions = Array.from(LETTERS)
        .filter((letter) => letters.has(letter))
        .join("");
      const { level, type, constraints } = first;
      const restriction = constraints.map(({ name, values }) => [name, encode(values.join(","))] as const);
      return { kind: "clinical", level, type, written: permissions, permissions, restriction };
    })
    .toSorted((a, b) => compare(formatScope(a), formatScope(b)));
}

/** Text as it may stand in the restriction of a scope: RFC 6749 §3.3, and without what ends a value. */
function encode(text: string): string {
  return text.replaceAll(/[^\x21\x24\x27-\x3E\x40-\x5B\x5D-\x7E]/gu, (character) =>
    encodeURIComponent(character),
  );
}
