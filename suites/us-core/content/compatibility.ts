/** What a client of US Core 3.1.1 meets in resources of US Core 6.1.0. */
import type { Guide } from "./guides.ts";
import type { Seen } from "./seen.ts";
import { judgeOne, withoutIndexes, NO_PROFILE, type Judged } from "./validity.ts";

/** What the two versions cannot have both: 6.1.0 asks for it, and 3.1.1 forbids it. */
interface Contradiction {
  readonly profile: string;
  readonly rule: string;
  /** Path without indexes. */
  readonly path: string;
  /** Types of the target, where it is about a reference. */
  readonly types?: readonly string[];
  readonly reason: string;
}

const CONTRADICTIONS: readonly Contradiction[] = [
  {
    profile: "us-core-careteam",
    rule: "reference-target",
    path: "CareTeam.participant.member",
    types: ["PractitionerRole", "RelatedPerson"],
    reason: "6.1.0 asks for roles and related persons as members, which 3.1.1 does not know",
  },
  {
    profile: "us-core-pulse-oximetry",
    rule: "binding-required",
    path: "Observation.component.value.ofType(Quantity)",
    reason: "the unit that 3.1.1 fixes for the flow of oxygen is not in the value set that it requires",
  },
];

/** A resource that is right by 6.1.0, judged by 3.1.1. */
export interface Compatibility {
  /** Regressions alone; what cannot be otherwise is in `contradictions`. */
  readonly judged: Judged;
  readonly contradictions: readonly string[];
}

/**
 * Judges resources by the profiles of 3.1.1 that they have to meet: those they claim by the canonicals that both
 * versions share, and the former guide's for their type, code and category. Only resources that are right by 6.1.0 are
 * looked at: what is wrong with the others is told elsewhere.
 *
 * @returns by profile of 3.1.1
 */
export function judgeCompatibility(
  current: Guide,
  former: Guide,
  seen: readonly Seen[],
): ReadonlyMap<string, readonly Compatibility[]> {
  const byProfile = new Map<string, Compatibility[]>();
  for (const one of seen) {
    const now = judgeOne(current, one);
    if (now.some(([, { defects }]) => defects.length > 0)) continue;
    for (const [profile, judged] of judgeOne(former, one)) {
      if (profile === NO_PROFILE) continue;
      const list = byProfile.get(profile) ?? [];
      byProfile.set(profile, list);
      list.push(apart(profile, judged));
    }
  }
  return byProfile;
}

function apart(profile: string, judged: Judged): Compatibility {
  const contradictions: string[] = [];
  const defects = judged.defects.filter(({ rule, expression, details }) => {
    const known = CONTRADICTIONS.find(
      (one) =>
        profile.endsWith(`/${one.profile}`) &&
        one.rule === rule &&
        one.path === withoutIndexes(expression) &&
        (one.types === undefined || one.types.includes(String(details["type"]))),
    );
    if (known !== undefined) contradictions.push(known.reason);
    return known === undefined;
  });
  return { judged: { ...judged, defects }, contradictions };
}
