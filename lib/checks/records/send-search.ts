import type { SearchMethod, SearchParameters } from "../../fhir/requests.ts";
import type { CheckContext } from "../context.ts";
import { search, type SearchOptions, type SearchResult } from "./searching.ts";
import { STATUS_VALUES } from "./status-values.ts";

/**
 * Makes a search, and where it is refused with 400 and an OperationOutcome, makes it again with every status: a
 * server may insist on one (US Core 6.1.0, general requirements, "search for servers requiring status").
 *
 * @returns the result, and whether all statuses had to be named
 */
export async function searchWithStatuses(
  context: CheckContext,
  query: { readonly type: string; readonly parameters: SearchParameters; readonly method?: SearchMethod },
  options: SearchOptions = {},
): Promise<{ readonly result: SearchResult; readonly withStatuses: boolean }> {
  const result = await search(context, query, options);
  const statuses = STATUS_VALUES[query.type];
  const refused = result.kind === "refused" && result.status === 400 && result.explained;
  if (
    !refused ||
    statuses === undefined ||
    query.parameters.some(([name]) => name.split(":")[0] === statuses.parameter)
  )
    return { result, withStatuses: false };
  const parameters = [...query.parameters, [statuses.parameter, statuses.values.join(",")] as const];
  const again = await search(context, { ...query, parameters }, options);
  return again.kind === "refused" ? { result, withStatuses: false } : { result: again, withStatuses: true };
}
