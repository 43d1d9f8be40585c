import { describe, expect, it } from "vitest";
import { bloodPressure, changed, condition, errorsOf, patient } from "./resources.ts";
import type { JsonRecord } from "./resources.ts";

const absent: JsonRecord = {
  extension: [{ url: "http://hl7.org/fhir/StructureDefinition/data-absent-reason", valueCode: "unknown" }],
};
const unknown: JsonRecord = {
  coding: [{ system: "http://terminology.hl7.org/CodeSystem/data-absent-reason", code: "unknown" }],
};

describe("missing data, as US Core would have it said", () => {
  it("by extension, where the value is no code that is required", () => {
    expect(errorsOf(changed(patient(), "name", [absent]))).toEqual([]);
    expect(errorsOf(changed(patient(), "identifier.0", { _system: absent, _value: absent }))).toEqual([]);
    expect(errorsOf(changed(bloodPressure(), "subject", absent))).toEqual([]);
  });

  it("by code, where a code can say it", () => {
    expect(errorsOf(changed(condition(), "code", unknown))).toEqual([]);
    expect(
      errorsOf(
        changed(bloodPressure(), "component.0", {
          code: { coding: [{ system: "http://loinc.org", code: "8480-6" }] },
          dataAbsentReason: unknown,
        }),
      ),
    ).toEqual([]);
  });

  it("not by extension, where a code is required from a value set", () => {
    const { gender: _, ...ungendered } = patient();
    expect(errorsOf({ ...ungendered, _gender: absent })).toEqual(["primitive-no-value @ Patient.gender"]);
    expect(errorsOf({ ...ungendered, gender: "unknown" })).toEqual([]);
    expect(errorsOf(changed(condition(), "clinicalStatus", absent))).toEqual([
      "binding-required @ Condition.clinicalStatus",
    ]);
    const { status: __, ...unstated } = bloodPressure();
    expect(errorsOf({ ...unstated, _status: absent })).toEqual(["primitive-no-value @ Observation.status"]);
  });

  it("not by nothing at all", () => {
    expect(errorsOf(changed(bloodPressure(), "component.0.valueQuantity", undefined))).toEqual([
      "vs-3 @ Observation.component[0]",
    ]);
    expect(errorsOf(changed(patient(), "name", [{ use: "official" }]))).toEqual([
      "us-core-6 @ Patient.name[0]",
    ]);
  });
});
