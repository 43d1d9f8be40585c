import { describe, expect, it } from "vitest";
import * as resources from "./resources.ts";

const clean = {
  Patient: resources.patient,
  Practitioner: resources.practitioner,
  "blood pressure": resources.bloodPressure,
  Condition: resources.condition,
  MedicationRequest: resources.medicationRequest,
  DocumentReference: resources.documentReference,
  Bundle: resources.bundle,
};

describe("a resource that is in order", () => {
  for (const [name, make] of Object.entries(clean)) {
    it(`passes: ${name}`, () => {
      const result = resources.usCore().validateText(JSON.stringify(make(), undefined, 2));
      expect(result.findings).toEqual([]);
      expect(result.valid).toBe(true);
      expect(result.counts).toEqual({ fatal: 0, error: 0, warning: 0, information: 0 });
    });
  }

  it("names the profiles it was judged by", () => {
    const result = resources.usCore().validateResource(resources.patient());
    expect(result).toMatchObject({
      resourceType: "Patient",
      id: "ada",
      profiles: [resources.usCoreProfile("us-core-patient")],
      assumedProfiles: [],
    });
  });
});
