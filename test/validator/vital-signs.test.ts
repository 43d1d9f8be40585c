import { describe, expect, it } from "vitest";
import { bloodPressure, changed, errorsOf, usCore } from "./resources.ts";
import type { JsonRecord } from "./resources.ts";

const plain = (resource: JsonRecord): JsonRecord => changed(resource, "meta", undefined);
const heartRate = (): JsonRecord => ({
  resourceType: "Observation",
  status: "final",
  category: [
    {
      coding: [{ system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "vital-signs" }],
    },
  ],
  code: { coding: [{ system: "http://loinc.org", code: "8867-4" }] },
  subject: { reference: "Patient/ada" },
  effectiveDateTime: "2023-05-01",
  valueQuantity: { value: 60, unit: "/min", system: "http://unitsofmeasure.org", code: "/min" },
});

describe("a vital sign that claims no profile", () => {
  it("is judged by R4's profile for its code, and the result says so", () => {
    const result = usCore().validateResource(heartRate());
    expect(result.valid).toBe(true);
    expect(result.assumedProfiles).toEqual(["http://hl7.org/fhir/StructureDefinition/heartrate"]);
    expect(errorsOf(changed(heartRate(), "category", undefined))).toEqual([
      "cardinality-min @ Observation",
      "slice-min @ Observation",
    ]);
    expect(errorsOf(changed(heartRate(), "valueQuantity.code", "1/min"))).toEqual([
      "value-fixed @ Observation.value.ofType(Quantity).code",
    ]);
  });

  it("may have components, told apart by the codes within", () => {
    expect(errorsOf(plain(bloodPressure()))).toEqual([]);
    expect(errorsOf(changed(plain(bloodPressure()), "component.1", undefined))).toEqual([
      "cardinality-min @ Observation",
      "slice-min @ Observation",
    ]);
    const claimed = changed(bloodPressure(), "meta.profile.0", "http://hl7.org/fhir/StructureDefinition/bp");
    expect(errorsOf(claimed)).toEqual([]);
  });

  it("is not, where it claims another profile or is none", () => {
    expect(usCore().validateResource(bloodPressure()).assumedProfiles).toEqual([]);
    const other = changed(heartRate(), "code.coding.0.code", "2339-0");
    expect(usCore().validateResource(other).assumedProfiles).toEqual([]);
  });
});
