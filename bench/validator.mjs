import { createValidator } from "../dist/lib/validator/index.js";
import { loadDefinitions } from "../dist/lib/validator/pack/load.js";

/** The validator as `validate --ig us-core-6.1.0` has it. */
export async function usCoreValidator() {
  return createValidator(await loadDefinitions(["us-core-6.1.0"]));
}
