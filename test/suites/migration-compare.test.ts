import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareRecords, type ComparisonRules, type Resource } from "../../suites/migration/compare.ts";

const RULES: ComparisonRules = {
  ignoredElements: ["id", "meta", "text"],
  ignoredAnywhere: ["display"],
  known: [{ type: "Patient", path: "Patient.extension", kind: "appeared", system: "urn:new", reason: "new" }],
};

const compare = (before: readonly Resource[], after: readonly Resource[], rules = RULES) => {
  const byType = (resources: readonly Resource[]) => {
    const types = new Map<string, Resource[]>();
    for (const resource of resources) {
      const type = String(resource["resourceType"]);
      types.set(type, [...(types.get(type) ?? []), resource]);
    }
    return types;
  };
  return compareRecords(byType(before), byType(after), rules);
};
const differences = (before: readonly Resource[], after: readonly Resource[]) =>
  compare(before, after).flatMap((type) =>
    type.differences.map(({ kind, aspect, path, known }) => ({
      kind,
      aspect,
      path,
      ...(known === undefined ? {} : { known }),
    })),
  );

const condition: Resource = {
  resourceType: "Condition",
  id: "c1",
  meta: { versionId: "1" },
  code: {
    coding: [
      { system: "http://snomed.info/sct", code: "38341003", display: "Hypertension" },
      { system: "http://hl7.org/fhir/sid/icd-10-cm", code: "I10" },
    ],
  },
  subject: { reference: "Patient/p1" },
  recordedDate: "2025-03-02",
};
const patient: Resource = {
  resourceType: "Patient",
  id: "p1",
  identifier: [{ system: "urn:mrn", value: "17" }],
  name: [{ family: "Ellison", given: ["Avery"] }],
};

describe("what means the same is no difference", () => {
  test("other ids, versions, narrative, displays, base URLs and order of lists", () => {
    const coding = (condition["code"] as { coding: unknown[] }).coding.toReversed();
    const after: Resource[] = [
      { ...patient, id: "other-p", text: { status: "generated" } },
      {
        ...condition,
        id: "other-c",
        meta: { versionId: "9" },
        code: { coding },
        subject: { reference: "https://v2.example.org/fhir/Patient/other-p", display: "Avery Ellison" },
      },
    ];
    expect(differences([patient, condition], after)).toEqual([]);
    const [conditions] = compare([patient, condition], after);
    expect(conditions?.pairs).toEqual([{ previous: "Condition/c1", current: "Condition/other-c" }]);
    expect(conditions?.same).toBe(1);
  });

  test("any order of any resources", () => {
    const resources = Array.from(
      { length: 12 },
      (_, index): Resource => ({
        ...condition,
        id: `c${index}`,
        recordedDate: `2025-01-${String(index + 10)}`,
      }),
    );
    fc.assert(
      fc.property(fc.shuffledSubarray(resources, { minLength: 12 }), (shuffled) => {
        expect(differences(resources, shuffled)).toEqual([]);
      }),
    );
  });
});

describe("each difference is found once, and by its name", () => {
  const change = (patch: Record<string, unknown>): Resource => ({ ...condition, ...patch });
  const subject = condition["subject"];
  test.each([
    ["a resource that is lost", [condition], [], { kind: "vanished", aspect: "resource", path: "Condition" }],
    ["a resource that is new", [], [condition], { kind: "appeared", aspect: "resource", path: "Condition" }],
    [
      "an element that is lost",
      [condition],
      [change({ recordedDate: undefined })],
      { kind: "vanished", aspect: "element", path: "Condition.recordedDate" },
    ],
    [
      "an element with another value",
      [condition],
      [change({ recordedDate: "2025-03-03" })],
      { kind: "changed", aspect: "element", path: "Condition.recordedDate" },
    ],
    [
      "a code that is lost",
      [condition],
      [change({ code: { coding: [{ system: "http://snomed.info/sct", code: "38341003" }] } })],
      { kind: "vanished", aspect: "code", path: "Condition.code.coding" },
    ],
    [
      "another code",
      [condition],
      [
        change({
          code: {
            coding: [
              { system: "http://snomed.info/sct", code: "73211009" },
              { system: "http://hl7.org/fhir/sid/icd-10-cm", code: "I10" },
            ],
          },
        }),
      ],
      { kind: "changed", aspect: "code", path: "Condition.code.coding" },
    ],
    [
      "another reference",
      [condition],
      [change({ subject: { reference: "Patient/p2" } })],
      { kind: "changed", aspect: "reference", path: "Condition.subject.reference" },
    ],
    [
      "an identifier that is new",
      [patient],
      [
        {
          ...patient,
          identifier: [
            { system: "urn:mrn", value: "17" },
            { system: "urn:ssn", value: "1" },
          ],
        },
      ],
      { kind: "appeared", aspect: "identifier", path: "Patient.identifier" },
    ],
  ])("%s", (_, before, after, expected) => {
    expect(subject).toBeDefined();
    expect(differences(before, JSON.parse(JSON.stringify(after)) as Resource[])).toEqual([expected]);
  });
});

test("a difference that a rule knows is told apart, with its reason, and counts as the same", () => {
  const after: Resource = { ...patient, extension: [{ url: "urn:new", valueString: "x" }] };
  expect(differences([patient], [after])).toEqual([
    { kind: "appeared", aspect: "element", path: "Patient.extension", known: "new" },
  ]);
  expect(compare([patient], [after])[0]?.same).toBe(1);
});

test("two resources that are both lost and alike are not taken for one", () => {
  const twin: Resource = { ...condition, id: "c2" };
  expect(differences([condition, twin], [condition])).toEqual([
    { kind: "vanished", aspect: "resource", path: "Condition" },
  ]);
});

test("a resource with another id and one element less is the same resource, changed", () => {
  const procedure: Resource = {
    resourceType: "Procedure",
    id: "a",
    status: "completed",
    code: { coding: [{ system: "http://snomed.info/sct", code: "80146002" }] },
    subject: { reference: "Patient/p1" },
    performedDateTime: "2025-04-01",
    note: [{ text: "went well" }],
  };
  const { performedDateTime: _, ...rest } = procedure;
  expect(differences([procedure], [{ ...rest, id: "b" }])).toEqual([
    { kind: "vanished", aspect: "element", path: "Procedure.performedDateTime" },
  ]);
});
