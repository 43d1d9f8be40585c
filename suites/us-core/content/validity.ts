/** What is wrong with resources by their profiles, told once for each kind of defect. */
import type { Finding } from "../../../lib/checks/verdict.ts";
import type { ResultTable } from "../../../lib/checks/results.ts";
import { describeFinding, type Finding as Defect } from "../../../lib/validator/index.ts";
import type { Guide } from "./guides.ts";
import { isChoice, lineage, obligations, withBases, type Obligation } from "./obligations.ts";
import { isEnteredInError, nameOf, textAt, type Resource, type Seen } from "./seen.ts";

/** Findings kept of one resource: all are counted, and no resource needs to tell more kinds of them. */
const MOST_FINDINGS = 1000;

/** What was not verified: codes that only a terminology service could judge. */
export interface Unverified {
  readonly expression: string;
  readonly valueSet: string;
  readonly strength: string;
}

/** One resource judged by one profile, or by R4 alone. */
export interface Judged extends Seen {
  readonly why: Obligation["why"] | "R4";
  readonly defects: readonly Defect[];
  readonly unverified: readonly Unverified[];
}

/** All resources seen, by the profile they were judged by; those of no profile under `""`. */
export interface Judgement {
  readonly byProfile: ReadonlyMap<string, readonly Judged[]>;
  /** Records that say they are mistakes: nothing is demanded of what they hold. */
  readonly enteredInError: readonly Seen[];
}

/** The key of resources that no profile of the guide is for. */
export const NO_PROFILE = "";

/**
 * Judges every resource by every profile it has to meet. A record entered in error is judged by none: US Core lets a
 * server leave nothing of it but its id and status.
 */
export function judgeAll(guide: Guide, seen: readonly Seen[]): Judgement {
  const byProfile = new Map<string, Judged[]>();
  const enteredInError: Seen[] = [];
  for (const one of seen) {
    if (isEnteredInError(one.resource)) {
      enteredInError.push(one);
      continue;
    }
    for (const [profile, judged] of judgeOne(guide, one)) {
      const list = byProfile.get(profile);
      if (list === undefined) byProfile.set(profile, [judged]);
      else list.push(judged);
    }
  }
  return { byProfile, enteredInError };
}

/** A resource by every profile it has to meet; by R4 alone, under `NO_PROFILE`, where there is none. */
export function judgeOne(guide: Guide, one: Seen): readonly (readonly [profile: string, judged: Judged])[] {
  const { definitions } = guide;
  const owed = obligations(definitions, one.resource);
  if (owed.length === 0) return [[NO_PROFILE, judge(guide, one, undefined)]];
  const by = (obligation: Obligation) => judge(guide, one, obligation);
  // Nobody says which of several it is meant to be: it is taken for the one it comes nearest to.
  const meant = isChoice(owed)
    ? owed.toSorted((a, b) => by(a).defects.length - by(b).defects.length).slice(0, 1)
    : owed;
  const type = textAt(one.resource, "resourceType") ?? "";
  return withBases(definitions, type, meant).map((obligation) => [obligation.profile, by(obligation)]);
}

/** Whether a resource meets a profile, whatever else it claims. */
export function meets(guide: Guide, seen: Seen, profile: string): boolean {
  return judge(guide, seen, { profile, why: "of the guide" }).defects.length === 0;
}

function judge(
  { definitions, validator }: Guide,
  { resource, exchange }: Seen,
  obligation: Obligation | undefined,
): Judged {
  const result = validator.validateResource(resource, {
    maxFindings: MOST_FINDINGS,
    ...(obligation === undefined ? {} : { profiles: [obligation.profile] }),
  });
  const own = new Set(obligation === undefined ? [] : lineage(definitions, obligation.profile));
  const ofOthers = new Set(
    definitions
      .profilesOf(resource.resourceType)
      .map(({ url }) => url)
      .filter((url) => !own.has(url)),
  );
  return {
    resource,
    exchange,
    why: obligation?.why ?? "R4",
    // What another profile demands is told where that one is judged.
    defects: result.findings.filter(
      ({ severity, profile }) =>
        (severity === "error" || severity === "fatal") && !(profile !== undefined && ofOthers.has(profile)),
    ),
    unverified: result.notVerified,
  };
}

/** A kind of defect with the resources that have it. */
interface DefectKind {
  readonly defect: Defect;
  readonly resources: Set<Resource>;
  readonly first: Judged;
  count: number;
}

/** A path without indexes, so that the same defect at the second name is the same as at the first. */
export function withoutIndexes(expression: string): string {
  return expression.replaceAll(/\[\d+\]/g, "");
}

/**
 * One finding for each kind of defect: how many resources have it, with one of them as the example. Every defect of
 * every resource is counted.
 *
 * @param shown the text of a value of patients' data
 */
export function defectFindings(
  judged: readonly Judged[],
  expected: string,
  shown: (value: unknown) => string,
): readonly Finding[] {
  const kinds = new Map<string, DefectKind>();
  for (const one of judged) {
    for (const defect of one.defects) {
      const place = withoutIndexes(defect.expression);
      const key = [
        defect.rule,
        place,
        defect.constraint,
        defect.profile,
        describeFinding(defect, () => "…"),
      ].join("\n");
      const known = kinds.get(key);
      if (known === undefined)
        kinds.set(key, { defect, resources: new Set([one.resource]), first: one, count: 1 });
      else {
        known.resources.add(one.resource);
        known.count += 1;
      }
    }
  }
  const all = new Set(judged.map(({ resource }) => resource)).size;
  return [...kinds.values()]
    .toSorted((a, b) => b.resources.size - a.resources.size)
    .map(({ defect, resources, first }) => ({
      code: `validation.${defect.rule}`,
      expected,
      actual: `${resources.size} of ${all} break a rule, such as ${shown(nameOf(first.resource))}${WHY[first.why]}: ${describeFinding(defect, shown)}`,
      location: withoutIndexes(defect.expression),
      exchange: first.exchange,
    }));
}

const WHY: Readonly<Record<Judged["why"], string>> = {
  claimed: ", which claims the profile",
  "of the guide": ", which the profile is for by its type, code or category",
  R4: "",
};

/**
 * The codes that nobody could judge offline, by element and value set: neither right nor wrong. Undefined where all
 * were judged.
 */
export function unverifiedTable(judged: readonly Judged[]): ResultTable | undefined {
  const counts = new Map<string, { readonly one: Unverified; count: number }>();
  for (const one of judged.flatMap(({ unverified }) => unverified)) {
    const key = `${withoutIndexes(one.expression)}\n${one.valueSet}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { one, count: 1 });
    else known.count += 1;
  }
  if (counts.size === 0) return undefined;
  return {
    id: "not-verified",
    title: "Codes that were not verified",
    columns: ["Element", "Value set", "Binding", "Codes"],
    rows: [...counts.values()].map(({ one, count }) => [
      withoutIndexes(one.expression),
      one.valueSet,
      one.strength,
      { text: String(count), state: "muted" },
    ]),
    note: "These value sets cannot be listed without a terminology service, so nobody can say offline whether the codes belong to them. This is neither a pass nor a failure.",
  };
}
