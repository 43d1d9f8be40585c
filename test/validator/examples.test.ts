import { describe, expect, it } from "vitest";
import { createValidator } from "../../lib/validator/index.ts";
import { loadBuiltIn } from "../../lib/validator/pack/load.ts";
import { examplesOf } from "./packages.ts";
import { summaries } from "./resources.ts";

const current = await examplesOf("hl7.fhir.us.core", "6.1.0");
const previous = await examplesOf("hl7.fhir.us.core", "3.1.1");
const where = "put hl7.fhir.us.core's archives into FHIR_PACKAGES or the FHIR package cache";

/** Errors of the 3.1.1 package's examples, each looked at: all of them are real. */
const REAL_ERRORS: Readonly<Record<string, readonly [error: string, reason: string][]>> = {
  "Bundle-uscore-mo3.json": [
    [
      "bundle-full-url-relative @ Bundle.entry[1]",
      "the fullUrl is /Medication/uscore-med2, R4 asks for an absolute one",
    ],
  ],
  "DiagnosticReport-cardiology-report.json": [
    [
      "primitive-format @ DiagnosticReport.presentedForm[0].hash",
      "the hash is EQH/..AgME: a dot is no character of base64, it was meant as an ellipsis",
    ],
  ],
  "Observation-length.json": [
    [
      "slice-min @ Observation.code",
      "a body length (8306-3) is a body height in R4's vital signs, which want the code 8302-2 beside it",
    ],
  ],
  "Observation-oxygen-saturation.json": [
    [
      "slice-min @ Observation.code",
      "saturation by pulse oximetry (59408-5) is R4's oxygen saturation, which wants the code 2708-6 beside it",
    ],
  ],
  "Observation-satO2-fiO2.json": [
    [
      "binding-required @ Observation.component[0].value.ofType(Quantity)",
      "the profile binds the units of vital signs' components to ucum-vitals-common, which has no L/min",
    ],
  ],
};

describe.skipIf(current === undefined)(
  `the examples of US Core 6.1.0${current === undefined ? ` (${where})` : ""}`,
  () => {
    it("have no error, as the guide's publisher found none in any of the 183", () => {
      const validator = createValidator(loadBuiltIn(["us-core-6.1.0"]));
      const errors: string[] = [];
      for (const { file, text } of current ?? []) {
        for (const error of summaries(validator.validateText(text), ["fatal", "error"]))
          errors.push(`${file}: ${error}`);
      }
      expect(errors).toEqual([]);
      expect(current).toHaveLength(183);
    });

    it("have none either against the profiles that the guide has for them", () => {
      const validator = createValidator(loadBuiltIn(["us-core-6.1.0"]));
      for (const { file, text } of current ?? []) {
        const result = validator.validateText(text, { guideProfiles: true });
        if (result.assumedProfiles.length === 0)
          expect([file, ...summaries(result, ["fatal", "error"])]).toEqual([file]);
      }
    });
  },
);

describe.skipIf(previous === undefined)(
  `the examples of US Core 3.1.1${previous === undefined ? ` (${where})` : ""}`,
  () => {
    it("have the errors that are listed here with their reasons, and no other", () => {
      const validator = createValidator(loadBuiltIn(["us-core-3.1.1"]));
      for (const { file, text } of previous ?? []) {
        const expected = (REAL_ERRORS[file] ?? []).map(([error]) => error);
        expect([file, ...summaries(validator.validateText(text), ["fatal", "error"])]).toEqual([
          file,
          ...expected,
        ]);
      }
    });
  },
);
