import type { DefinitionSource } from "./pack/format.ts";
import type { MustSupportObserver } from "./result.ts";

/**
 * Says which must-support elements, slices, choice types and extensions of a profile a set of resources populates.
 *
 * @param profile canonical of the profile; throws RangeError when the definitions do not have it.
 */
export function mustSupport(definitions: DefinitionSource, profile: string): MustSupportObserver {
  throw new RangeError(`under construction: ${profile} ${definitions.profilesOf("Patient").length}`);
}
