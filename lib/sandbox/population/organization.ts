import type { Tenant } from "../data.ts";
import type { JsonObject } from "../json.ts";
import type { Random } from "./random.ts";

/** Who works at a tenant, and where. */
export interface Staff {
  readonly resources: readonly JsonObject[];
  readonly organization: JsonObject;
  readonly practitioners: readonly [JsonObject, ...JsonObject[]];
  readonly locations: readonly [JsonObject, ...JsonObject[]];
}

const US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition";

/** `meta` of a resource: version 1, updated at an instant, claiming a US Core profile. */
export function meta(lastUpdated: string, ...profiles: readonly string[]): JsonObject {
  return {
    versionId: "1",
    lastUpdated,
    ...(profiles.length === 0 ? {} : { profile: profiles.map((profile) => `${US_CORE}/${profile}`) }),
  };
}

export function reference(resource: JsonObject, display?: string): JsonObject {
  const to = `${resource["resourceType"] as string}/${resource["id"] as string}`;
  return display === undefined ? { reference: to } : { reference: to, display };
}

/** National provider identifier: nine digits and the Luhn check digit over them behind 80840. */
export function makeNpi(random: Random): string {
  const digits = `1${String(random.between(0, 99_999_999)).padStart(8, "0")}`;
  const sum = Array.from(`80840${digits}`)
    .toReversed()
    .reduce((total, digit, index) => {
      const doubled = Number(digit) * (index % 2 === 0 ? 2 : 1);
      return total + (doubled > 9 ? doubled - 9 : doubled);
    }, 0);
  return `${digits}${(10 - (sum % 10)) % 10}`;
}

const NPI = "http://hl7.org/fhir/sid/us-npi";
const STAFF = [
  ["Amara", "Okafor"],
  ["Daniel", "Reyes"],
  ["Helen", "Lindqvist"],
] as const;

function address(line: string): JsonObject {
  return { use: "work", line: [line], city: "Fairhaven", state: "KS", postalCode: "66212", country: "US" };
}

/** The tenant's organization, its practitioners with their roles, and its locations. */
export function makeOrganizations(tenant: Tenant, random: Random): Staff {
  const updated = "2026-01-10T08:00:00.000Z";
  const organization: JsonObject = {
    resourceType: "Organization",
    id: `${tenant.id}-organization-1`,
    meta: meta(updated, "us-core-organization"),
    identifier: [{ system: NPI, value: makeNpi(random) }],
    active: true,
    type: [
      {
        coding: [
          {
            system: "http://terminology.hl7.org/CodeSystem/organization-type",
            code: "prov",
            display: "Healthcare Provider",
          },
        ],
      },
    ],
    name: tenant.name,
    telecom: [{ system: "phone", value: "555-555-0100", use: "work" }],
    address: [address("100 Main Street")],
  };
  const practitioners = STAFF.map(
    ([given, family], index): JsonObject => ({
      resourceType: "Practitioner",
      id: `${tenant.id}-practitioner-${index + 1}`,
      meta: meta(updated, "us-core-practitioner"),
      identifier: [{ system: NPI, value: makeNpi(random) }],
      active: true,
      name: [{ use: "official", family, given: [given], prefix: ["Dr."] }],
      telecom: [{ system: "email", value: `${given.toLowerCase()}@${tenant.id}.example`, use: "work" }],
      address: [address(`${random.between(100, 999)} Oak Avenue`)],
    }),
  );
  const roles = practitioners.map(
    (practitioner, index): JsonObject => ({
      resourceType: "PractitionerRole",
      id: `${tenant.id}-practitioner-role-${index + 1}`,
      meta: meta(updated, "us-core-practitionerrole"),
      active: true,
      practitioner: reference(practitioner),
      organization: reference(organization),
      code: [
        {
          coding: [
            {
              system: "http://nucc.org/provider-taxonomy",
              code: "2084P0800X",
              display: "Psychiatry Physician",
            },
          ],
        },
      ],
      specialty: [
        {
          coding: [
            {
              system: "http://nucc.org/provider-taxonomy",
              code: "2084P0800X",
              display: "Psychiatry Physician",
            },
          ],
        },
      ],
      location: [{ reference: `Location/${tenant.id}-location-1` }],
      telecom: [{ system: "phone", value: "555-555-0101", use: "work" }],
    }),
  );
  const locations = ["Clinic", "Community house"].map(
    (name, index): JsonObject => ({
      resourceType: "Location",
      id: `${tenant.id}-location-${index + 1}`,
      meta: meta(updated, "us-core-location"),
      status: "active",
      name: `${tenant.name} ${name}`,
      type: [
        {
          coding: [
            {
              system: "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
              code: "OUTPHARM",
              display: "outpatient pharmacy",
            },
          ],
        },
      ],
      telecom: [{ system: "phone", value: "555-555-0102" }],
      address: address(`${index + 1}00 Main Street`),
      managingOrganization: reference(organization),
    }),
  );
  return {
    resources: [organization, ...practitioners, ...roles, ...locations],
    organization,
    practitioners: practitioners as unknown as Staff["practitioners"],
    locations: locations as unknown as Staff["locations"],
  };
}
