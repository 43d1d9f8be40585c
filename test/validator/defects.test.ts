import { describe, expect, it } from "vitest";
import {
  bloodPressure,
  changed,
  condition,
  errorsOf,
  medicationRequest,
  patient,
  practitioner,
  RACE,
  usCoreProfile,
} from "./resources.ts";
import type { Json, JsonRecord } from "./resources.ts";

/** Seventeen kinds of defect that were tried on other validators; the last six no other in the npm registry catches. */
const kinds: readonly (readonly [
  kind: string,
  clean: () => JsonRecord,
  path: string,
  value: Json | undefined,
  error: string,
])[] = [
  ["an unknown element", patient, "nickname", "Ada", "element-unknown @ Patient"],
  ["a wrong JSON type", patient, "active", "yes", "json-expected-primitive @ Patient.active"],
  ["a required element missing", bloodPressure, "status", undefined, "cardinality-min @ Observation"],
  [
    "an element that only the profile requires missing",
    patient,
    "name",
    undefined,
    "cardinality-min @ Patient",
  ],
  ["a code outside a required value set", patient, "gender", "woman", "binding-required @ Patient.gender"],
  ["a malformed date", patient, "birthDate", "20-02-1987", "primitive-format @ Patient.birthDate"],
  [
    "a reference to the wrong type",
    condition,
    "subject.reference",
    "Device/1",
    "reference-target @ Condition.subject",
  ],
  ["a pattern not met", bloodPressure, "code.coding.0.code", "8310-5", "value-pattern @ Observation.code"],
  [
    "a required slice missing",
    bloodPressure,
    "category",
    [{ coding: [{ system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "exam" }] }],
    "slice-min @ Observation",
  ],
  ["two values of one choice", patient, "deceasedDateTime", "2020", "choice-several @ Patient"],
  [
    "an invariant of the resource not met",
    medicationRequest,
    "dosageInstruction.0.timing.repeat.periodUnit",
    undefined,
    "tim-2 @ MedicationRequest.dosageInstruction[0].timing.repeat",
  ],
  // The six that no other catches.
  [
    "an invariant on an identifier slice: the NPI check digit",
    practitioner,
    "identifier.0.value",
    "1234567890",
    "us-core-17 @ Practitioner.identifier[0]",
  ],
  [
    "a fixed value inside a component slice",
    bloodPressure,
    "component.0.valueQuantity.code",
    "kPa",
    "value-fixed @ Observation.component[0].value.ofType(Quantity).code",
  ],
  ["an impossible date", patient, "birthDate", "1987-02-30", "primitive-calendar @ Patient.birthDate"],
  [
    "an extension with the wrong value type",
    patient,
    "extension.1",
    { url: usCoreProfile("us-core-birthsex"), valueString: "F" },
    "extension-value-type @ Patient.extension[1]",
  ],
  [
    "a complex extension without its required part",
    patient,
    "extension.0",
    {
      url: RACE,
      extension: [
        { url: "ombCategory", valueCoding: { system: "urn:oid:2.16.840.1.113883.6.238", code: "2106-3" } },
      ],
    },
    "slice-min @ Patient.extension[0]",
  ],
  [
    "a Period that ends before it starts",
    patient,
    "name.0.period",
    { start: "2020-03-02", end: "2019-03-02" },
    "per-1 @ Patient.name[0].period",
  ],
];

describe("the kinds of defect that validators were compared by", () => {
  it("are seventeen", () => {
    expect(kinds).toHaveLength(17);
  });

  for (const [kind, clean, path, value, error] of kinds) {
    it(`catches ${kind}, and passes its clean twin`, () => {
      expect(errorsOf(clean())).toEqual([]);
      expect(errorsOf(changed(clean(), path, value))).toEqual([error]);
    });
  }
});
