import type { Tenant } from "../data.ts";
import type { JsonObject } from "../json.ts";
import { createRandom, type Random } from "./random.ts";
import { hours, instant, meta, reference } from "./terms.ts";

/** What the makers of a patient's resources share. Small: each type of resource is made when it is first asked for. */
export interface Chart {
  readonly tenant: Tenant;
  /** One-based. */
  readonly number: number;
  readonly gender: "female" | "male" | "other" | "unknown";
  readonly sexAtBirth: "F" | "M";
  readonly born: Date;
  /** Start of the first encounter. */
  readonly seen: Date;
  readonly patient: JsonObject;
  readonly encounter: JsonObject;
  /** Start of the stay in hospital that followed. */
  readonly admitted: Date;
  readonly stay: JsonObject;
  readonly practitioner: JsonObject;
  readonly organization: JsonObject;
  idOf(kind: string): string;
  /** A reference to another resource of the record. */
  to(type: string, kind: string): JsonObject;
  /** Numbers for one kind of resource, which do not depend on what else was made. */
  random(kind: string): Random;
  /** `meta` of what was last changed some hours after the first encounter began. */
  meta(after: number, ...profiles: readonly string[]): JsonObject;
}

/** Of 24 patients 19 are female, 3 male, and 2 say neither. */
function genderOf(number: number): Chart["gender"] {
  if (number % 8 === 0) return "male";
  if (number % 24 === 5) return "other";
  return number % 24 === 17 ? "unknown" : "female";
}

/** Whether a patient is dead: every sixth. */
export const hasDied = (number: number): boolean => number % 6 === 0;

/** Opens the chart of a tenant's patient. */
export function openChart(tenant: Tenant, seed: number, number: number): Chart {
  const random = (kind: string) => createRandom(seed, `${tenant.id}/${number}/${kind}`);
  const dates = random("chart");
  const idOf = (kind: string) => `${tenant.id}-${kind}-${number}`;
  const to = (type: string, kind: string) => reference(`${type}/${idOf(kind)}`);
  const seen = new Date(Date.UTC(2025, dates.between(0, 8), dates.between(1, 28), 14, 30));
  const gender = genderOf(number);
  return {
    tenant,
    number,
    gender,
    sexAtBirth: gender === "male" ? "M" : "F",
    born: new Date(Date.UTC(dates.between(1976, 2003), dates.between(0, 11), dates.between(1, 28))),
    seen,
    patient: to("Patient", "patient"),
    encounter: to("Encounter", "encounter"),
    admitted: hours(seen, 24 * dates.between(20, 60)),
    stay: to("Encounter", "encounter-stay"),
    practitioner: reference(`Practitioner/${tenant.id}-practitioner-1`),
    organization: reference(`Organization/${tenant.id}-organization-1`),
    idOf,
    to,
    random,
    meta: (after, ...profiles) => meta(instant(hours(seen, after)), ...profiles),
  };
}
