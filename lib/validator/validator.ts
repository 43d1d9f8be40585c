import type { DefinitionSource } from "./pack/format.ts";
import type { Validator, ValidatorOptions } from "./result.ts";

/**
 * Makes a validator over a set of definitions. Profiles are compiled on first use and kept.
 *
 * @param definitions R4 and the guide, as `loadDefinitions` answers them.
 */
export function createValidator(definitions: DefinitionSource, options: ValidatorOptions = {}): Validator {
  throw new Error(`under construction (${definitions.profilesOf("Patient").length}, ${options.maxFindings})`);
}
