/** The resources in reach, judged by their profiles: once for a target, whoever asks. */
import type { CheckContext, Fact } from "../../../lib/checks/context.ts";
import { Blocked, NoData, NotApplicable, RequestFailed } from "../../../lib/checks/context.ts";
import { recordsOf, type Records } from "../../../lib/checks/records/records.ts";
import { guide } from "./guides.ts";
import { judgeAll, type Judged, type Judgement } from "./validity.ts";

/** A type's resources with what is wrong with them. */
export interface JudgedRecords {
  readonly records: Records;
  readonly judgement: Judgement;
}

const facts = new Map<string, Fact<JudgedRecords>>();

/**
 * The resources of a type in reach, judged by US Core 6.1.0.
 *
 * @throws NotApplicable, Blocked as `recordsOf` does
 */
export async function judgedRecords(context: CheckContext, type: string): Promise<JudgedRecords> {
  let fact = facts.get(type);
  if (fact === undefined) {
    fact = {
      name: `${type} in reach, judged`,
      explainedBy: "declared-answers.read",
      async provide(own) {
        const records = await recordsOf(own, type);
        return { records, judgement: judgeAll(guide("us-core-6.1.0"), records.resources) };
      },
    };
    facts.set(type, fact);
  }
  return await context.fact(fact);
}

/** As {@link judgedRecords}; undefined where they cannot be had, which is told where the type is asked for. */
export async function judgedIfAny(context: CheckContext, type: string): Promise<JudgedRecords | undefined> {
  try {
    return await judgedRecords(context, type);
  } catch (error) {
    if (error instanceof NotApplicable || error instanceof Blocked || error instanceof RequestFailed)
      return undefined;
    throw error;
  }
}

/** `an Observation`, `a Patient`. */
export function articled(noun: string): string {
  return /^[AEIOU]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

/** The last part of a canonical, which people know a profile by. */
export function shortName(profile: string): string {
  return profile.slice(profile.lastIndexOf("/") + 1);
}

/** What to ask a person for: a patient with a resource of a profile. */
export function wantedOf(type: string, profile: string): string {
  const owner = OF_NOBODY.has(type) ? "" : "a patient with ";
  return type === "Patient" ? "a patient" : `${owner}${articled(type)} (${shortName(profile)})`;
}

/** Types of resources that belong to no patient's record. */
const OF_NOBODY: ReadonlySet<string> = new Set([
  "Location",
  "Organization",
  "Practitioner",
  "PractitionerRole",
]);

/**
 * The resources that have to meet a profile.
 *
 * @throws NoData where there is none
 */
export async function judgedBy(
  context: CheckContext,
  type: string,
  profile: string,
): Promise<{
  readonly judged: readonly Judged[];
  readonly records: Records;
  readonly enteredInError: number;
}> {
  const { records, judgement } = await judgedRecords(context, type);
  const judged = judgement.byProfile.get(profile) ?? [];
  const enteredInError = judgement.enteredInError.length;
  if (judged.length > 0) return { judged, records, enteredInError };
  const others = records.resources.length - enteredInError;
  const why =
    records.resources.length === 0
      ? `no ${type} is in reach${refusalOf(records)}`
      : `none of the ${others} resources of type ${type} in reach claims ${shortName(profile)}, or is what it is for by its type, code or category`;
  throw new NoData(why, wantedOf(type, profile));
}

/** Says that searches were refused, so that an empty list is not taken for an empty record. */
export function refusalOf({ refusals }: Records): string {
  const [refusal] = refusals;
  if (refusal === undefined) return "";
  return refusal.kind === "refused"
    ? ` (a search was refused with status ${refusal.status})`
    : " (a search was answered with something else than a Bundle)";
}
