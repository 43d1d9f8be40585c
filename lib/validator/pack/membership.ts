import type { CodeSystemFacts, ValueSetFacts } from "./format.ts";

/** Whether a code is a member: 0 no, 1 unknown offline, 2 yes. Union is max, intersection min (Kleene's logic). */
export type Truth = 0 | 1 | 2;

/** Membership of the codes of one system: those named, and all others. */
interface SystemPart {
  readonly named: ReadonlyMap<string, Truth>;
  readonly others: Truth;
}

/** A set of codes of which some may be unknown. */
export interface CodeSet {
  readonly systems: ReadonlyMap<string, SystemPart>;
  /** Value sets whose content is unknown; where there are any, codes of other systems are unknown, else no members. */
  readonly unknown: readonly string[];
}

export const emptySet: CodeSet = { systems: new Map(), unknown: [] };

/** All members named; all others have the truth given. */
export function systemSet(system: string, named: Iterable<readonly [string, Truth]>, others: Truth): CodeSet {
  return { systems: new Map([[system, { named: new Map(named), others }]]), unknown: [] };
}

/** A value set of which nothing is known. */
export function unknownSet(valueSet: string): CodeSet {
  return { systems: new Map(), unknown: [valueSet] };
}

function background(set: CodeSet): Truth {
  return set.unknown.length > 0 ? 1 : 0;
}

function partOf(set: CodeSet, system: string): SystemPart {
  return set.systems.get(system) ?? { named: new Map(), others: background(set) };
}

function combine(
  left: CodeSet,
  right: CodeSet,
  operation: (a: Truth, b: Truth) => Truth,
  unknown: readonly string[],
): CodeSet {
  const systems = new Map<string, SystemPart>();
  for (const system of new Set([...left.systems.keys(), ...right.systems.keys()])) {
    const a = partOf(left, system);
    const b = partOf(right, system);
    const others = operation(a.others, b.others);
    const named = new Map<string, Truth>();
    for (const code of new Set([...a.named.keys(), ...b.named.keys()])) {
      const truth = operation(a.named.get(code) ?? a.others, b.named.get(code) ?? b.others);
      if (truth !== others) named.set(code, truth);
    }
    systems.set(system, { named, others });
  }
  return { systems, unknown };
}

const larger = (a: Truth, b: Truth): Truth => (a > b ? a : b);
const smaller = (a: Truth, b: Truth): Truth => (a < b ? a : b);
const negated = (a: Truth): Truth => (a === 0 ? 2 : a === 2 ? 0 : 1);

export function union(left: CodeSet, right: CodeSet): CodeSet {
  return combine(left, right, larger, [...new Set([...left.unknown, ...right.unknown])]);
}

export function intersection(left: CodeSet, right: CodeSet): CodeSet {
  const unknown =
    left.unknown.length > 0 && right.unknown.length > 0
      ? [...new Set([...left.unknown, ...right.unknown])]
      : [];
  return combine(left, right, smaller, unknown);
}

export function difference(left: CodeSet, right: CodeSet): CodeSet {
  return combine(left, right, (a, b) => smaller(a, negated(b)), left.unknown);
}

/** True where every code's membership is known. */
export function isDetermined(set: CodeSet): boolean {
  if (set.unknown.length > 0) return false;
  for (const part of set.systems.values()) {
    if (part.others === 1) return false;
    for (const truth of part.named.values()) if (truth === 1) return false;
  }
  return true;
}

const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Set → what the pack says of it. `codeSystem` gives the code systems whose codes are all known. */
export function membershipFacts(
  set: CodeSet,
  codeSystem: (url: string) => CodeSystemFacts | undefined,
): Pick<ValueSetFacts, "include" | "exclude" | "unverifiable" | "unknownValueSets"> {
  const include: Record<string, readonly string[] | "*"> = {};
  const exclude: Record<string, readonly string[]> = {};
  const unverifiable: string[] = [];
  for (const system of [...set.systems.keys()].toSorted(byCode)) {
    const { named, others } = partOf(set, system);
    const having = (wanted: Truth) =>
      [...named]
        .filter(([, truth]) => truth === wanted)
        .map(([code]) => code)
        .toSorted(byCode);
    const members = having(2);
    const strangers = having(0);
    const undecided = having(1);
    if (others === 2 && undecided.length === 0) {
      const known = codeSystem(system);
      if (strangers.length === 0) include[system] = "*";
      else if (known?.content === "complete") {
        const excluded = new Set(strangers);
        include[system] = known.codes.filter((code) => !excluded.has(code)).toSorted(byCode);
      } else {
        include[system] = "*";
        exclude[system] = strangers;
      }
      continue;
    }
    if (members.length > 0) include[system] = members;
    if (others === 0 && undecided.length === 0) continue;
    // Some codes are undecided: the format says so of the system as a whole, which claims less, never more.
    // Where a whole value set is unknown, that says it of every system already.
    if (set.unknown.length === 0) unverifiable.push(system);
    if (others !== 0 && strangers.length > 0) exclude[system] = strangers;
  }
  const unknown = set.unknown.toSorted(byCode);
  return {
    include,
    ...(Object.keys(exclude).length > 0 ? { exclude } : {}),
    ...(unverifiable.length + unknown.length > 0 ? { unverifiable: [...unverifiable, ...unknown] } : {}),
    ...(unknown.length > 0 ? { unknownValueSets: unknown } : {}),
  };
}

/** The inverse of `membershipFacts`, for value sets that include others known only from a pack. */
export function setOfFacts(facts: ValueSetFacts): CodeSet {
  const systems = new Map<string, SystemPart>();
  const unknown = facts.unknownValueSets ?? [];
  const open = new Set((facts.unverifiable ?? []).filter((name) => !unknown.includes(name)));
  for (const system of new Set([...Object.keys(facts.include), ...open])) {
    const listed = facts.include[system];
    const named = new Map<string, Truth>();
    for (const code of facts.exclude?.[system] ?? []) named.set(code, 0);
    if (Array.isArray(listed)) for (const code of listed as readonly string[]) named.set(code, 2);
    const others: Truth = listed === "*" ? 2 : open.has(system) || unknown.length > 0 ? 1 : 0;
    systems.set(system, { named, others });
  }
  return { systems, unknown };
}
