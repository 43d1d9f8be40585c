import { registrations, type Tenant } from "../data.ts";
import type { JsonObject } from "../json.ts";
import { makeOrganizations, type Staff } from "./organization.ts";
import { makePatientRecord } from "./patient-record.ts";
import { createRandom } from "./random.ts";

/** The synthetic data of one tenant. Nobody may change it: it is shared by all sandboxes of a process. */
export interface Population {
  /** Patients by id and name, in order. */
  patients(): readonly { readonly id: string; readonly name: string }[];
  /** Resources of a type, in the order of their ids. */
  ofType(type: string): readonly JsonObject[];
  find(type: string, id: string): JsonObject | undefined;
}

const remembered = new Map<string, Population>();

/**
 * The data of a tenant: the same for the same seed and number of patients, in every process. Ids start with the
 * tenant's, so that no id exists at two tenants.
 */
export function populate(tenantId: string, seed: number, patients: number): Population {
  const key = `${tenantId}/${seed}/${patients}`;
  let population = remembered.get(key);
  if (population === undefined) {
    const tenant = registrations().tenants.find((each) => each.id === tenantId);
    if (tenant === undefined) throw new Error(`There is no tenant "${tenantId}".`);
    population = collect(makeResources(tenant, seed, patients));
    remembered.set(key, population);
  }
  return population;
}

function makeResources(tenant: Tenant, seed: number, patients: number): JsonObject[] {
  const staff: Staff = makeOrganizations(tenant, createRandom(seed, `${tenant.id}/staff`));
  const resources = [...staff.resources];
  const members: JsonObject[] = [];
  for (let number = 1; number <= patients; number += 1) {
    const random = createRandom(seed, `${tenant.id}/patient/${number}`);
    resources.push(...makePatientRecord({ tenant, staff, random, number }));
    members.push({ entity: { reference: `Patient/${tenant.id}-patient-${number}` } });
  }
  const half = members.filter((_, index) => index % 2 === 0);
  resources.push(makeGroup(tenant, "all", members), makeGroup(tenant, "half", half));
  return resources;
}

function makeGroup(tenant: Tenant, name: string, member: JsonObject[]): JsonObject {
  return {
    resourceType: "Group",
    id: `${tenant.id}-group-${name}`,
    meta: { versionId: "1", lastUpdated: "2026-01-15T08:00:00.000Z" },
    identifier: [{ system: `https://${tenant.id}.example/groups`, value: name }],
    active: true,
    type: "person",
    actual: true,
    name: `Patients of ${tenant.name} (${name})`,
    quantity: member.length,
    member,
  };
}

function collect(resources: readonly JsonObject[]): Population {
  const types = new Map<string, Map<string, JsonObject>>();
  for (const resource of resources) {
    const type = textOf(resource["resourceType"]);
    let ofType = types.get(type);
    if (ofType === undefined) types.set(type, (ofType = new Map()));
    ofType.set(textOf(resource["id"]), resource);
  }
  const patients = [...(types.get("Patient")?.values() ?? [])].map((patient) => {
    const [name] = patient["name"] as { family?: string; given?: string[] }[];
    return { id: textOf(patient["id"]), name: `${name?.given?.join(" ") ?? ""} ${name?.family ?? ""}` };
  });
  return {
    patients: () => patients,
    ofType: (type) => [...(types.get(type)?.values() ?? [])],
    find: (type, id) => types.get(type)?.get(id),
  };
}

const textOf = (value: unknown) => (typeof value === "string" ? value : "");
