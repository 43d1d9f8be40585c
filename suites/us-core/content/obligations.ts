/** Which profiles of a guide a resource has to meet, and why. */
import { guideProfiles } from "../../../lib/validator/index.ts";
import type { DefinitionSource, StructureFacts } from "../../../lib/validator/pack/format.ts";
import { listAt, textAt, type Resource } from "./seen.ts";

export interface Obligation {
  readonly profile: string;
  /** It claims the profile itself, or the guide has this one for its type, its code or its category. */
  readonly why: "claimed" | "of the guide";
}

/** Types of which a guide's only profile speaks of some and not of all: they have to claim it. */
const CLAIMED_ONLY: ReadonlySet<string> = new Set(["Device"]);

/** Longest chain of profiles that build on each other. */
const LONGEST_LINEAGE = 20;

/** The profiles a profile builds on, itself first. */
export function lineage(definitions: DefinitionSource, profile: string): readonly string[] {
  const found: string[] = [];
  let current: StructureFacts | undefined = definitions.structure(profile);
  while (current !== undefined && found.length < LONGEST_LINEAGE) {
    found.push(current.url);
    current = current.base === undefined ? undefined : definitions.structure(current.base);
  }
  return found;
}

/** The profiles of the guide that a resource claims, in the guide's version or in none. */
export function claimsOf(definitions: DefinitionSource, resource: Resource): readonly string[] {
  const type = textAt(resource, "resourceType") ?? "";
  const known = new Map(definitions.profilesOf(type).map(({ url, version }) => [url, version]));
  const claims = listAt(resource["meta"], "profile").flatMap((canonical) => {
    if (typeof canonical !== "string") return [];
    const [url = "", version] = canonical.split("|");
    return known.has(url) && (version === undefined || version === known.get(url)) ? [url] : [];
  });
  return [...new Set(claims)];
}

/**
 * The profiles of the guide that a resource has to meet:
 * - those it claims;
 * - a profile that builds on a claimed one and is the guide's for this code, such as blood pressure on vital signs;
 * - where it claims none, the guide's for its type, or for its code and its categories.
 *
 * Several of the guide's own choice are alternatives; see `isChoice`.
 */
export function obligations(definitions: DefinitionSource, resource: Resource): readonly Obligation[] {
  const claimed = claimsOf(definitions, resource);
  const chosen = CLAIMED_ONLY.has(textAt(resource, "resourceType") ?? "")
    ? []
    : guideProfiles(definitions, resource).filter((profile) => !claimed.includes(profile));
  if (claimed.length === 0) return chosen.map((profile) => ({ profile, why: "of the guide" }));
  return [
    ...claimed.map((profile) => ({ profile, why: "claimed" }) as const),
    ...chosen
      .filter((profile) => lineage(definitions, profile).some((base) => claimed.includes(base)))
      .map((profile) => ({ profile, why: "of the guide" }) as const),
  ];
}

/** Whether a resource has to meet only one of its obligations: nobody claimed any, and the guide has several for it. */
export function isChoice(owed: readonly Obligation[]): boolean {
  return owed.length > 1 && owed.every(({ why }) => why === "of the guide");
}

/** The obligations with the guide's profiles that they build on: a heart rate is a vital sign too. */
export function withBases(
  definitions: DefinitionSource,
  type: string,
  owed: readonly Obligation[],
): readonly Obligation[] {
  const ofGuide = new Set(definitions.profilesOf(type).map(({ url }) => url));
  const all = new Map(owed.map((one) => [one.profile, one]));
  for (const { profile, why } of owed) {
    for (const base of lineage(definitions, profile)) {
      if (ofGuide.has(base) && !all.has(base)) all.set(base, { profile: base, why });
    }
  }
  return [...all.values()];
}
