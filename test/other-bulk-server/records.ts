/** A small clinic's records, valid by US Core 6.1.0, in another hand than the sandbox's. */

export type Record_ = Readonly<Record<string, unknown>> & {
  readonly resourceType: string;
  readonly id: string;
};

interface Written {
  /** Patient whom it is about; undefined for what is everybody's. */
  readonly patient: string | undefined;
  readonly resource: Record_;
  /** Milliseconds since 1970. */
  readonly changed: number;
}

const TERMS = "http://terminology.hl7.org/CodeSystem";

const concept = (system: string, code: string) => ({ coding: [{ system, code }] });

const PEOPLE = [
  ["7", "Żaneta", "O’Brien-Łukasiewicz", "female"],
  ["8.b", "李", "Müller", "male"],
  ["A-19", "Ana María", "de la Cruz", "other"],
  ["0000004", "Bo", "Li", "unknown"],
] as const;

/** All that the clinic has. References are absolute for some, relative for others, as the server likes. */
export function clinicRecords(base: string): readonly Written[] {
  const shared: Written[] = [
    {
      patient: undefined,
      changed: Date.parse("2021-05-01T00:00:00Z"),
      resource: { resourceType: "Organization", id: "1", active: true, name: "Clinic in A" },
    },
    {
      patient: undefined,
      changed: Date.parse("2021-05-01T00:00:00Z"),
      resource: {
        resourceType: "Practitioner",
        id: "1",
        identifier: [{ system: "urn:oid:2.999.1", value: "doctor 1" }],
        name: [{ family: "Vlček" }],
      },
    },
  ];
  return [...shared, ...PEOPLE.flatMap((person, index) => recordOf(base, person, index))];
}

function recordOf(
  base: string,
  [id, given, family, gender]: (typeof PEOPLE)[number],
  index: number,
): readonly Written[] {
  const changed = Date.parse("2025-03-01T12:00:00Z") + index * 86_400_000;
  const subject = { reference: index % 2 === 0 ? `Patient/${id}` : `${base}/Patient/${id}` };
  const stamp = new Date(changed).toISOString().replace("Z", "000+00:00");
  const write = (resource: Record_): Written => ({ patient: id, resource, changed });
  return [
    write({
      // Members stand in any order.
      gender,
      id,
      resourceType: "Patient",
      meta: { lastUpdated: stamp },
      name: [{ given: [given], family }, { given: ["known by another name"] }],
      identifier: [{ system: "urn:uuid:0c2a9f16-6a4b-4e0b-8d39-5b0d4f0e7e11", value: `chart ${id}` }],
      telecom: [{ system: "phone", value: "+1 555 0100" }],
    }),
    write({
      resourceType: "Condition",
      id: `c.${id}`,
      meta: { lastUpdated: stamp, versionId: "12" },
      clinicalStatus: concept(`${TERMS}/condition-clinical`, "active"),
      verificationStatus: concept(`${TERMS}/condition-ver-status`, "confirmed"),
      category: [concept(`${TERMS}/condition-category`, "problem-list-item")],
      code: { text: "Something that has no code" },
      subject,
      onsetDateTime: "2019",
    }),
    ...[0, 1].map((number) =>
      write({
        resourceType: "Observation",
        id: `o.${id}.${number}`,
        meta: { lastUpdated: stamp },
        status: "final",
        category: [concept(`${TERMS}/observation-category`, "laboratory")],
        code: {
          coding: [
            { system: "http://loinc.org", code: "2339-0" },
            { system: "urn:oid:2.999.2", code: "our own" },
          ],
        },
        subject,
        effectiveDateTime: "2025-03-01T13:14:15+01:00",
        performer: [{ reference: "Practitioner/1" }],
        valueQuantity: { value: 90.5, unit: "mg/dL", system: "http://unitsofmeasure.org", code: "mg/dL" },
      }),
    ),
  ];
}

/** Patients of the group `north/wing`'s id `g-1`: one of them twice, one no longer. */
export function groupOf(base: string) {
  return {
    resourceType: "Group",
    id: "g-1",
    type: "person",
    actual: true,
    name: "North wing",
    member: [
      { entity: { reference: "Patient/7" } },
      { entity: { reference: `${base}/Patient/8.b` }, inactive: false },
      { entity: { reference: "Patient/A-19" }, inactive: true },
    ],
  };
}

export const GROUP = "g-1";
export const MEMBERS: readonly string[] = ["7", "8.b"];
