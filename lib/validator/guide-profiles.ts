import { isObject, stringAt } from "./json.ts";
import { judgeOf } from "./judges.ts";
import type { DefinitionSource } from "./pack/format.ts";

/**
 * The guide's profiles for a resource by its type, its code and its categories, whatever it claims itself: where the
 * guide has one profile for the type, that one; else those whose codes or categories it has.
 *
 * @returns canonicals; none where the guide says nothing about such a resource
 */
export function guideProfiles(definitions: DefinitionSource, resource: unknown): readonly string[] {
  const type = stringAt(resource, "resourceType");
  if (!isObject(resource) || type === undefined) return [];
  return judgeOf(definitions)
    .chooser.choose(resource, type)
    .map(({ url }) => url);
}
