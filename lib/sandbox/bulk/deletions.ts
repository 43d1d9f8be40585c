import type { Tenant } from "../data.ts";
import type { JsonObject } from "../json.ts";
import type { Selection } from "./selection.ts";

interface Deletion {
  readonly type: string;
  readonly id: string;
  readonly patient: string;
  readonly at: string;
}

/** What a tenant once had and has deleted; no id of it is in use. */
function deletionsOf(tenant: Tenant): Deletion[] {
  const patient = (number: number) => `${tenant.id}-patient-${number}`;
  return [
    {
      type: "Observation",
      id: `${tenant.id}-observation-withdrawn-1`,
      patient: patient(1),
      at: "2026-01-14T09:00:00.000Z",
    },
    {
      type: "Condition",
      id: `${tenant.id}-condition-withdrawn-2`,
      patient: patient(2),
      at: "2026-01-14T10:00:00.000Z",
    },
    {
      type: "Condition",
      id: `${tenant.id}-condition-withdrawn-3`,
      patient: patient(3),
      at: "2026-01-14T11:00:00.000Z",
    },
  ];
}

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
