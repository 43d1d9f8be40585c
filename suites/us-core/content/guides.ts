/** The definitions that resources are judged by, loaded when first needed. */
import { createValidator, type Validator } from "../../../lib/validator/index.ts";
import type { DefinitionSource } from "../../../lib/validator/pack/format.ts";
import { loadBuiltIn } from "../../../lib/validator/pack/load.ts";

export interface Guide {
  readonly definitions: DefinitionSource;
  readonly validator: Validator;
}

const loaded = new Map<string, Guide>();

/** A built-in guide with a validator over it: `us-core-6.1.0`, `us-core-3.1.1`. */
export function guide(name: "us-core-6.1.0" | "us-core-3.1.1"): Guide {
  let found = loaded.get(name);
  if (found === undefined) {
    const definitions = loadBuiltIn([name]);
    found = { definitions, validator: createValidator(definitions) };
    loaded.set(name, found);
  }
  return found;
}
