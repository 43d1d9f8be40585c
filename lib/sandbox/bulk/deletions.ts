import type { Tenant } from "../data.ts";
import type { JsonObject } from "../json.ts";
import { deletionsOf } from "../population/deletions.ts";
import type { Selection } from "./selection.ts";

/**
 * The transaction Bundle that tells what was deleted since the given time (Bulk Data 2.0.0, `deleted`): what is about
 * the export's types and patients. A query cannot be put to what is gone: types with one are left out.
 */
export function deletedSince(tenant: Tenant, selection: Selection): JsonObject | undefined {
  const { types, patients, since, matching } = selection;
  if (since === undefined) return undefined;
  const entry = deletionsOf(tenant)
    .filter(
      ({ type, patient, at }) =>
        Date.parse(at) > since &&
        types.includes(type) &&
        !matching.has(type) &&
        patients?.has(patient) !== false,
    )
    .map(({ type, id }): JsonObject => ({ request: { method: "DELETE", url: `${type}/${id}` } }));
  return entry.length === 0 ? undefined : { resourceType: "Bundle", type: "transaction", entry };
}
