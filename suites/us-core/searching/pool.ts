import type { CheckContext } from "../../../lib/checks/context.ts";
import { someRecordsOf, type RecordedResource, type Records } from "../../../lib/checks/records/records.ts";
import { Blocked, NoData } from "../../../lib/checks/context.ts";
import { guide } from "../content/guides.ts";
import { obligations } from "../content/obligations.ts";

const judged = new WeakMap<object, readonly string[]>();

/** The profiles that a resource claims, or that the guide has for its code and category. */
function profilesOf({ resource }: RecordedResource): readonly string[] {
  let profiles = judged.get(resource);
  if (profiles === undefined) {
    profiles = obligations(guide("us-core-6.1.0").definitions, resource).map(({ profile }) => profile);
    judged.set(resource, profiles);
  }
  return profiles;
}

/** What a check on searches starts from. */
export interface Pool {
  readonly records: Records;
  /** The resources that values are taken from: those of the profile, or all. */
  readonly pool: readonly RecordedResource[];
}

/**
 * The known resources of a type, and those of a profile among them.
 *
 * @param profile canonical; absent where any resource of the type will do
 * @throws NoData where there is none
 * @throws Blocked where the resources cannot be had because every search of theirs is refused
 */
export async function poolOf(context: CheckContext, type: string, profile?: string): Promise<Pool> {
  const records = await orBlocked(context, type);
  if (profile === undefined) return { records, pool: records.resources };
  const pool = records.resources.filter((record) => profilesOf(record).includes(profile));
  // A guide's only profile of a type is what every resource of the type is taken for.
  const only = guide("us-core-6.1.0").definitions.profilesOf(type).length === 1;
  if (pool.length > 0 || only) return { records, pool: pool.length > 0 ? pool : records.resources };
  const name = profile.slice(profile.lastIndexOf("/") + 1);
  throw new NoData(
    `no ${type} of the profile ${name} is in reach`,
    `a patient with a ${type} of the profile ${name}`,
  );
}

async function orBlocked(context: CheckContext, type: string): Promise<Records> {
  try {
    return await someRecordsOf(context, type);
  } catch (error) {
    if (error instanceof NoData && error.message.includes("refused")) {
      throw new Blocked(
        `${error.message}: there is nothing to take values from`,
        `declared-answers.search:${type}`,
      );
    }
    throw error;
  }
}
