/** What US Core 6.1.0 says of its search parameters. */
import { loadSearchParameters } from "../../../lib/validator/pack/load.ts";

let facts: ReturnType<typeof loadSearchParameters> | undefined;

function factsOf(type: string, name: string) {
  facts ??= loadSearchParameters("us-core-6.1.0");
  return facts.find(({ code, base }) => code === name && base.includes(type));
}

/** The comparators that servers SHALL know for a date parameter. */
export function shallComparators(type: string, name: string): readonly string[] {
  return (factsOf(type, name)?.comparators ?? [])
    .filter(({ conformance }) => conformance === "SHALL")
    .map(({ value }) => value);
}
