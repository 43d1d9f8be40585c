import { describe, expect, it } from "vitest";
import { changed, patient, usCore, usCoreProfile } from "./resources.ts";
import type { JsonRecord } from "./resources.ts";

const concept = (system: string, code: string) => ({ coding: [{ system, code }] });
const category = (code: string) => [
  concept("http://terminology.hl7.org/CodeSystem/observation-category", code),
];
const assumed = (resource: JsonRecord) =>
  usCore().validateResource(resource, { guideProfiles: true }).assumedProfiles;

describe("a resource that claims no profile of the guide", () => {
  const cases: [what: string, resource: JsonRecord, profile: string][] = [
    ["type", { resourceType: "Patient" }, "us-core-patient"],
    [
      "code",
      {
        resourceType: "Observation",
        category: category("vital-signs"),
        code: concept("http://loinc.org", "8867-4"),
      },
      "us-core-heart-rate",
    ],
    [
      "category",
      {
        resourceType: "Observation",
        category: category("laboratory"),
        code: concept("http://loinc.org", "2339-0"),
      },
      "us-core-observation-lab",
    ],
    [
      "category, by the value set it is of",
      {
        resourceType: "Condition",
        category: [concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")],
      },
      "us-core-condition-problems-health-concerns",
    ],
    [
      "fitting no other",
      { resourceType: "DiagnosticReport", category: [concept("http://loinc.org", "LP29684-5")] },
      "us-core-diagnosticreport-note",
    ],
  ];
  for (const [what, resource, profile] of cases) {
    it(`is judged by the guide's profile for its ${what}`, () => {
      expect(assumed(resource)).toEqual([usCoreProfile(profile)]);
    });
  }

  it("is judged by none where the guide has none for it", () => {
    expect(assumed({ resourceType: "Observation", code: { text: "a" } })).toEqual([]);
    expect(assumed({ resourceType: "Account" })).toEqual([]);
  });

  it("is left alone unless asked for, and a claim is kept", () => {
    expect(usCore().validateResource({ resourceType: "Patient" }).profiles).toEqual([]);
    expect(assumed(patient())).toEqual([]);
    expect(
      assumed(changed(patient(), "meta.profile.0", "http://hl7.org/fhir/StructureDefinition/Patient")),
    ).toEqual([usCoreProfile("us-core-patient")]);
  });

  it("is judged in Bundles too", () => {
    const resource = {
      resourceType: "Bundle",
      type: "collection",
      entry: [
        { fullUrl: "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", resource: { resourceType: "Patient" } },
      ],
    };
    const result = usCore().validateResource(resource, { guideProfiles: true });
    expect(result.findings.map(({ profile }) => profile)).toContain(usCoreProfile("us-core-patient"));
  });
});
