import type { Tenant } from "../data.ts";

/** Something that was deleted: its id, whose it was, and when. */
export interface Deletion {
  readonly type: string;
  readonly id: string;
  readonly patient: string;
  readonly at: string;
}

/** What a tenant once had and has deleted; no id of it is in use. */
export function deletionsOf(tenant: Tenant): Deletion[] {
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
