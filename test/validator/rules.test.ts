import { describe, expect, it } from "vitest";
import {
  bloodPressure,
  bundle,
  changed,
  condition,
  documentReference,
  errorsOf,
  medicationRequest,
  patient,
  practitioner,
  RACE,
  usCoreProfile,
  warningsOf,
} from "./resources.ts";
import type { Json, JsonRecord } from "./resources.ts";

/** One change to a valid resource: its path, the new value (undefined removes it), and the errors it has to lead to. */
type Row = readonly [
  what: string,
  make: () => JsonRecord,
  path: string,
  value: Json | undefined,
  errors: readonly string[],
];

const DAR = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const absent: JsonRecord = { extension: [{ url: DAR, valueCode: "unknown" }] };
const coding = (system: string, code: string): JsonRecord => ({ coding: [{ system, code }] });

const areas: Record<string, readonly Row[]> = {
  "JSON shape": [
    ["an unknown element", patient, "colour", "red", ["element-unknown @ Patient"]],
    ["an unknown element below", patient, "name.0.nick", "A", ["element-unknown @ Patient.name[0]"]],
    ["an unknown companion", patient, "_name", [], ["element-unknown @ Patient"]],
    [
      "a number for a string",
      patient,
      "name.0.family",
      5,
      ["json-expected-primitive @ Patient.name[0].family"],
    ],
    ["a string for a boolean", patient, "active", "true", ["json-expected-primitive @ Patient.active"]],
    [
      "a string for a number",
      patient,
      "telecom.0.rank",
      "1",
      ["json-expected-primitive @ Patient.telecom[0].rank"],
    ],
    [
      "an object for a string",
      patient,
      "birthDate",
      { value: "1990" },
      ["json-expected-primitive @ Patient.birthDate"],
    ],
    [
      "a string for an object",
      patient,
      "address.0.period",
      "now",
      ["json-expected-object @ Patient.address[0].period"],
    ],
    ["an object for an array", patient, "name", { family: "F" }, ["json-expected-array @ Patient.name"]],
    [
      "an array for an object",
      patient,
      "managingOrganization",
      [{ display: "a" }],
      ["json-unexpected-array @ Patient.managingOrganization"],
    ],
    [
      "an array for a primitive",
      patient,
      "birthDate",
      ["1990"],
      ["json-unexpected-array @ Patient.birthDate"],
    ],
    ["an empty object", patient, "address.0.period", {}, ["json-empty-object @ Patient.address[0].period"]],
    ["an empty array", patient, "photo", [], ["json-empty-array @ Patient.photo"]],
    ["an empty string", patient, "name.0.family", "", ["primitive-empty @ Patient.name[0].family"]],
    ["a null", patient, "maritalStatus", null, ["json-null @ Patient.maritalStatus"]],
    ["a null primitive", patient, "deceasedBoolean", null, ["json-null @ Patient.deceased.ofType(boolean)"]],
    ["a null in a list of objects", patient, "photo", [null], ["json-null @ Patient.photo[0]"]],
    [
      "a null in a list without its companion",
      patient,
      "name.0.given",
      ["Ada", null],
      ["json-null @ Patient.name[0].given[1]"],
    ],
    [
      "a null in a list with its companion",
      patient,
      "name.0",
      { family: "F", given: ["A", null], _given: [null, absent] },
      [],
    ],
    [
      "two nulls at one index",
      patient,
      "name.0",
      { family: "F", given: ["A", null], _given: [null, null] },
      ["json-null-pair @ Patient.name[0].given[1]"],
    ],
    ["a companion beside its value", patient, "_birthDate", { id: "x" }, []],
    ["a companion instead of a value", patient, "name.0", { _family: absent }, []],
    [
      "a companion that is no object",
      patient,
      "_birthDate",
      "x",
      ["json-expected-object @ Patient.birthDate"],
    ],
    [
      "a companion list that is no list",
      patient,
      "name.0._given",
      { id: "x" },
      ["json-expected-array @ Patient.name[0].given"],
    ],
    ["an element with nothing but an id", patient, "photo", [{ id: "p" }], ["ele-1 @ Patient.photo[0]"]],
    ["a resource id with a space", patient, "id", "a b", ["primitive-format @ Patient.id"]],
    ["a resource id of 65 characters", patient, "id", "a".repeat(65), ["primitive-format @ Patient.id"]],
    ["a resource id of 64 characters", patient, "id", "a".repeat(64), []],
    [
      "an element id twice",
      patient,
      "name",
      [
        { id: "n", family: "A" },
        { id: "n", family: "B" },
      ],
      ["element-id-duplicate @ Patient.name[1].id"],
    ],
    ["an unknown resource type", patient, "resourceType", "Patiente", ["resource-type-unknown @ Resource"]],
    [
      "an abstract resource type",
      patient,
      "resourceType",
      "DomainResource",
      ["resource-type-unknown @ Resource"],
    ],
    ["no resource type", patient, "resourceType", undefined, ["resource-type-missing @ Resource"]],
  ],
  primitives: [
    ["30 February", patient, "birthDate", "1987-02-30", ["primitive-calendar @ Patient.birthDate"]],
    ["29 February of a leap year", patient, "birthDate", "2000-02-29", []],
    ["29 February of 1900", patient, "birthDate", "1900-02-29", ["primitive-calendar @ Patient.birthDate"]],
    ["31 April", patient, "birthDate", "1987-04-31", ["primitive-calendar @ Patient.birthDate"]],
    ["a month 13", patient, "birthDate", "1987-13-01", ["primitive-format @ Patient.birthDate"]],
    ["a day without zero", patient, "birthDate", "1987-1-2", ["primitive-format @ Patient.birthDate"]],
    [
      "a date with a time",
      patient,
      "birthDate",
      "1987-02-20T00:00:00Z",
      ["primitive-format @ Patient.birthDate"],
    ],
    ["a year alone", patient, "birthDate", "1987", []],
    ["a year and month", patient, "birthDate", "1987-02", []],
    ["the year 0000", patient, "birthDate", "0000", ["primitive-format @ Patient.birthDate"]],
    [
      "a time without zone",
      bloodPressure,
      "effectiveDateTime",
      "2023-05-01T09:30:00",
      ["primitive-zone @ Observation.effective.ofType(dateTime)"],
    ],
    [
      "a time without seconds",
      bloodPressure,
      "effectiveDateTime",
      "2023-05-01T09:30Z",
      ["primitive-format @ Observation.effective.ofType(dateTime)"],
    ],
    [
      "a time with an impossible day",
      bloodPressure,
      "effectiveDateTime",
      "2023-02-29T09:30:00Z",
      ["primitive-calendar @ Observation.effective.ofType(dateTime)"],
    ],
    [
      "24 o'clock",
      bloodPressure,
      "effectiveDateTime",
      "2023-02-27T24:00:00Z",
      ["primitive-format @ Observation.effective.ofType(dateTime)"],
    ],
    ["an instant", bloodPressure, "issued", "2023-05-01T09:30:00.123Z", []],
    [
      "an instant that is a date",
      bloodPressure,
      "issued",
      "2023-05-01",
      ["primitive-format @ Observation.issued"],
    ],
    [
      "an instant without zone",
      bloodPressure,
      "issued",
      "2023-05-01T09:30:00",
      ["primitive-format @ Observation.issued"],
    ],
    [
      "base64 with a stranger",
      documentReference,
      "content.0.attachment",
      { contentType: "text/plain", data: "aGVs*G8=" },
      ["primitive-format @ DocumentReference.content[0].attachment.data"],
    ],
    [
      "base64 cut short",
      documentReference,
      "content.0.attachment",
      { contentType: "text/plain", data: "aGVsbG8" },
      ["primitive-format @ DocumentReference.content[0].attachment.data"],
    ],
    [
      "a size that is not that of the data",
      documentReference,
      "content.0.attachment.size",
      6,
      ["attachment-size @ DocumentReference.content[0].attachment"],
    ],
    [
      "a uri with a space",
      patient,
      "implicitRules",
      "http://a b",
      ["primitive-format @ Patient.implicitRules"],
    ],
    [
      "a urn:uuid that is none",
      patient,
      "implicitRules",
      "urn:uuid:123",
      ["primitive-format @ Patient.implicitRules"],
    ],
    ["a urn:uuid", patient, "implicitRules", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", []],
    [
      "a urn:oid that is none",
      patient,
      "identifier.0.system",
      "urn:oid:1.02.3",
      ["primitive-format @ Patient.identifier[0].system"],
    ],
    ["a urn:oid", patient, "identifier.0.system", "urn:oid:2.16.840.1.113883.4.1", []],
    [
      "a system without a scheme",
      patient,
      "identifier.0.system",
      "mrn",
      ["system-relative @ Patient.identifier[0]"],
    ],
    [
      "a URI identifier that is none",
      patient,
      "identifier.0",
      { system: "urn:ietf:rfc:3986", value: "12" },
      ["identifier-uri-value @ Patient.identifier[0]"],
    ],
    ["a code with two spaces", patient, "language", "en  US", ["primitive-format @ Patient.language"]],
    ["a positiveInt of 0", patient, "telecom.0.rank", 0, ["primitive-range @ Patient.telecom[0].rank"]],
    [
      "an integer with a fraction",
      patient,
      "telecom.0.rank",
      1.5,
      ["primitive-format @ Patient.telecom[0].rank"],
    ],
    [
      "an integer beyond 32 bits",
      patient,
      "multipleBirthInteger",
      3_000_000_000,
      ["primitive-range @ Patient.multipleBirth.ofType(integer)"],
    ],
    ["a string of 1 MB", patient, "name.0.family", "a".repeat(1_048_576), []],
    [
      "a string beyond 1 MB",
      patient,
      "name.0.family",
      "a".repeat(1_048_577),
      ["primitive-size @ Patient.name[0].family"],
    ],
    ["a vertical tab", patient, "name.0.family", "a\u000bb", ["primitive-format @ Patient.name[0].family"]],
    [
      "a relative canonical",
      patient,
      "meta.profile.1",
      "us-core-patient",
      ["primitive-format @ Patient.meta.profile[1]"],
    ],
  ],
  "cardinality and types": [
    ["a required element missing", bloodPressure, "status", undefined, ["cardinality-min @ Observation"]],
    ["a profile's required element missing", patient, "gender", undefined, ["cardinality-min @ Patient"]],
    ["a required list missing", patient, "identifier", undefined, ["cardinality-min @ Patient"]],
    [
      "a required part missing",
      patient,
      "communication.0.language",
      undefined,
      ["cardinality-min @ Patient.communication[0]"],
    ],
    [
      "data absent by extension",
      patient,
      "identifier.0",
      { system: "http://a.example.org", _value: absent },
      [],
    ],
    ["more than a profile allows", practitioner, "identifier.0.period", { start: "2001" }, []],
    ["two values of one choice", patient, "deceasedDateTime", "2020-01-01", ["choice-several @ Patient"]],
    ["a type that the choice does not have", patient, "deceasedString", "no", ["element-unknown @ Patient"]],
    ["a type that the profile took away", condition, "onsetDateTime", undefined, []],
  ],
  "fixed values and patterns": [
    [
      "a pattern not met",
      bloodPressure,
      "code.coding.0.code",
      "8867-4",
      ["value-pattern @ Observation.code"],
    ],
    [
      "a pattern with more beside it",
      bloodPressure,
      "code.coding.1",
      { system: "http://loinc.org", code: "55284-4" },
      [],
    ],
    [
      "a fixed value within a component slice",
      bloodPressure,
      "component.0.valueQuantity.code",
      "kPa",
      ["value-fixed @ Observation.component[0].value.ofType(Quantity).code"],
    ],
    [
      "a fixed system within a component slice",
      bloodPressure,
      "component.1.valueQuantity.system",
      "http://example.org/units",
      ["value-fixed @ Observation.component[1].value.ofType(Quantity).system"],
    ],
  ],
  slices: [
    [
      "a required slice missing",
      bloodPressure,
      "component.1.code",
      coding("http://loinc.org", "1-8"),
      ["slice-min @ Observation"],
    ],
    [
      "a slice twice",
      bloodPressure,
      "component.2",
      {
        code: coding("http://loinc.org", "8462-4"),
        dataAbsentReason: coding("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown"),
      },
      ["slice-max @ Observation"],
    ],
    [
      "a category slice missing",
      bloodPressure,
      "category",
      [coding("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")],
      ["slice-min @ Observation"],
    ],
    [
      "an additional category",
      bloodPressure,
      "category.1",
      coding("http://terminology.hl7.org/CodeSystem/observation-category", "exam"),
      [],
    ],
    [
      "a slice told apart by a required binding",
      condition,
      "category",
      [coding("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis")],
      ["slice-min @ Condition"],
    ],
    [
      "the other code of that binding",
      condition,
      "category.0.coding.0",
      { system: "http://hl7.org/fhir/us/core/CodeSystem/condition-category", code: "health-concern" },
      [],
    ],
  ],
  bindings: [
    ["a required code", patient, "gender", "f", ["binding-required @ Patient.gender"]],
    ["a required code in another case", patient, "gender", "Female", ["binding-required @ Patient.gender"]],
    ["a required code given as an extension", patient, "gender", undefined, ["cardinality-min @ Patient"]],
    [
      "a required code system",
      patient,
      "telecom.0.system",
      "telephone",
      ["binding-required @ Patient.telecom[0].system"],
    ],
    [
      "a required concept of another system",
      condition,
      "clinicalStatus",
      coding("http://example.org/status", "active"),
      ["binding-required @ Condition.clinicalStatus"],
    ],
    ["a language given as text only", patient, "communication.0.language", { text: "English" }, []],
    [
      "a required concept with text only",
      condition,
      "clinicalStatus",
      { text: "active" },
      ["binding-required @ Condition.clinicalStatus"],
    ],
    [
      "a code its system does not have",
      patient,
      "maritalStatus",
      coding("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "zz"),
      ["code-unknown @ Patient.maritalStatus.coding[0]"],
    ],
    [
      "a language tag that is none",
      patient,
      "communication.0.language",
      coding("urn:ietf:bcp:47", "english-language-tag"),
      ["code-unknown @ Patient.communication[0].language.coding[0]"],
    ],
    [
      "a relative system",
      patient,
      "maritalStatus",
      coding("marital", "M"),
      ["system-relative @ Patient.maritalStatus.coding[0]"],
    ],
  ],
  extensions: [
    ["an unknown extension", patient, "extension.2", { url: "http://example.org/e", valueString: "x" }, []],
    [
      "an unknown modifier extension",
      patient,
      "modifierExtension",
      [{ url: "http://example.org/e", valueString: "x" }],
      ["extension-unknown-modifier @ Patient.modifierExtension[0]"],
    ],
    [
      "an extension without url",
      patient,
      "extension.2",
      { valueString: "x" },
      ["cardinality-min @ Patient.extension[2]"],
    ],
    [
      "an extension with a relative url",
      patient,
      "extension.2",
      { url: "e", valueString: "x" },
      ["extension-url-relative @ Patient.extension[2]"],
    ],
    [
      "an extension with neither value nor parts",
      patient,
      "extension.2",
      { url: "http://example.org/e" },
      ["ext-1 @ Patient.extension[2]"],
    ],
    [
      "an extension with both",
      patient,
      "extension.2",
      {
        url: "http://example.org/e",
        valueString: "x",
        extension: [{ url: "http://example.org/f", valueString: "y" }],
      },
      ["ext-1 @ Patient.extension[2]"],
    ],
    [
      "the wrong value type",
      patient,
      "extension.1",
      { url: usCoreProfile("us-core-birthsex"), valueString: "F" },
      ["extension-value-type @ Patient.extension[1]"],
    ],
    [
      "a code that the extension's binding refuses",
      patient,
      "extension.2",
      { url: DAR, valueCode: "because" },
      ["binding-required @ Patient.extension[2].value.ofType(code)"],
    ],
    [
      "a complex extension without its required part",
      patient,
      "extension.0.extension.1",
      undefined,
      ["slice-min @ Patient.extension[0]"],
    ],
    [
      "a part of the wrong type",
      patient,
      "extension.0.extension.1",
      { url: "text", valueCode: "White" },
      ["choice-type @ Patient.extension[0].extension[1].value.ofType(code)"],
    ],
    [
      "an unknown part",
      patient,
      "extension.0.extension.2",
      { url: "colour", valueString: "x" },
      ["extension-part-unknown @ Patient.extension[0]"],
    ],
    [
      "a complex extension with a value",
      patient,
      "extension.0",
      { url: RACE, valueString: "White" },
      [
        "extension-value-unexpected @ Patient.extension[0]",
        "cardinality-min @ Patient.extension[0]",
        "slice-min @ Patient.extension[0]",
      ],
    ],
    [
      "an extension in the wrong place",
      patient,
      "name.0.extension",
      [{ url: usCoreProfile("us-core-birthsex"), valueCode: "F" }],
      ["extension-context @ Patient.name[0].extension[0]"],
    ],
    [
      "an extension more often than allowed",
      patient,
      "extension.2",
      { url: usCoreProfile("us-core-birthsex"), valueCode: "F" },
      ["slice-max @ Patient"],
    ],
    [
      "an ordinary extension as modifier",
      patient,
      "modifierExtension",
      [{ url: usCoreProfile("us-core-birthsex"), valueCode: "F" }],
      ["extension-not-modifier @ Patient.modifierExtension[0]"],
    ],
  ],
  references: [
    [
      "a wrong target by form",
      bloodPressure,
      "subject.reference",
      "Practitioner/bob",
      ["reference-target @ Observation.subject"],
    ],
    [
      "a wrong target by absolute URL",
      bloodPressure,
      "subject.reference",
      "https://a.example.org/fhir/Medication/1",
      ["reference-target @ Observation.subject"],
    ],
    [
      "a wrong target by type",
      bloodPressure,
      "subject",
      { reference: "https://a.example.org/x", type: "Medication" },
      ["reference-target @ Observation.subject"],
    ],
    [
      "a type that contradicts the reference",
      bloodPressure,
      "subject",
      { reference: "Patient/1", type: "Group" },
      ["reference-type-mismatch @ Observation.subject"],
    ],
    [
      "a contained target",
      medicationRequest,
      "medicationReference.reference",
      "#med2",
      ["ref-1 @ MedicationRequest.medication.ofType(Reference)", "dom-3 @ MedicationRequest"],
    ],
    [
      "a contained target of the wrong type",
      medicationRequest,
      "contained.0",
      { resourceType: "Substance", id: "med", code: { text: "x" } },
      ["reference-target @ MedicationRequest.medication.ofType(Reference)"],
    ],
    [
      "a contained resource nobody refers to",
      patient,
      "contained",
      [{ resourceType: "Organization", id: "o", name: "O" }],
      ["dom-3 @ Patient"],
    ],
    [
      "a contained resource that refers to its container",
      patient,
      "contained",
      [
        {
          resourceType: "Observation",
          id: "o",
          status: "final",
          code: { text: "x" },
          subject: { reference: "#" },
        },
      ],
      [],
    ],
    [
      "a contained resource in a contained one",
      medicationRequest,
      "contained.0.contained",
      [{ resourceType: "Organization", id: "o", name: "O" }],
      ["dom-2 @ MedicationRequest"],
    ],
    [
      "a contained resource with a version",
      medicationRequest,
      "contained.0.meta",
      { versionId: "1" },
      ["dom-4 @ MedicationRequest"],
    ],
    [
      "a contained resource with a security label",
      medicationRequest,
      "contained.0.meta",
      { security: [{ system: "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", code: "R" }] },
      ["dom-5 @ MedicationRequest"],
    ],
    [
      "a contained resource without id",
      medicationRequest,
      "contained.1",
      { resourceType: "Organization", name: "O" },
      ["contained-id-missing @ MedicationRequest.contained[1]"],
    ],
    [
      "a defect in a contained resource",
      medicationRequest,
      "contained.0.status",
      "on",
      ["binding-required @ MedicationRequest.contained[0].status"],
    ],
    [
      "a reference in a Bundle to the wrong type",
      bundle,
      "entry.1.resource.encounter",
      { reference: "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0" },
      ["reference-target @ Bundle.entry[1].resource.encounter"],
    ],
    [
      "a relative reference in a Bundle that is no Type/id",
      bundle,
      "entry.1.resource.subject.reference",
      "p1",
      ["reference-relative @ Bundle.entry[1].resource.subject"],
    ],
    ["a relative reference in a Bundle", bundle, "entry.1.resource.subject.reference", "Patient/p1", []],
    [
      "an entry without fullUrl",
      bundle,
      "entry.1.fullUrl",
      undefined,
      ["bundle-full-url-missing @ Bundle.entry[1]"],
    ],
    [
      "a relative fullUrl",
      bundle,
      "entry.1.fullUrl",
      "Observation/o1",
      ["bundle-full-url-relative @ Bundle.entry[1]"],
    ],
    [
      "a fullUrl that contradicts the id",
      bundle,
      "entry.1.fullUrl",
      "http://example.org/fhir/Observation/o2",
      ["bundle-full-url-mismatch @ Bundle.entry[1]"],
    ],
    [
      "two entries with one fullUrl",
      bundle,
      "entry.1.fullUrl",
      "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
      ["bdl-7 @ Bundle"],
    ],
    [
      "a defect in an entry's resource",
      bundle,
      "entry.1.resource.status",
      "done",
      ["binding-required @ Bundle.entry[1].resource.status"],
    ],
  ],
  invariants: [
    [
      "of a datatype: a Period that ends before it starts",
      patient,
      "name.0.period",
      { start: "2020-03-02", end: "2020-03-01" },
      ["per-1 @ Patient.name[0].period"],
    ],
    ["of a resource", condition, "abatementDateTime", "2017-01-01", ["con-4 @ Condition"]],
    ["of a profile", patient, "name.0", { use: "official" }, ["us-core-6 @ Patient.name[0]"]],
    [
      "of an identifier slice: the NPI check digit",
      practitioner,
      "identifier.0.value",
      "1234567894",
      ["us-core-17 @ Practitioner.identifier[0]"],
    ],
    [
      "of an identifier slice: the NPI length",
      practitioner,
      "identifier.0.value",
      "123456789",
      ["us-core-16 @ Practitioner.identifier[0]", "us-core-17 @ Practitioner.identifier[0]"],
    ],
    [
      "of an element",
      patient,
      "contact.0",
      { relationship: [{ text: "x" }] },
      ["pat-1 @ Patient.contact[0]"],
    ],
    [
      "of a telecom",
      patient,
      "telecom.0.system",
      undefined,
      ["cpt-2 @ Patient.telecom[0]", "cardinality-min @ Patient.telecom[0]"],
    ],
    [
      "of a profile, both parts absent",
      bloodPressure,
      "component.0.valueQuantity",
      undefined,
      ["vs-3 @ Observation.component[0]"],
    ],
  ],
  narrative: [
    [
      "without its namespace",
      patient,
      "text.div",
      "<div>a</div>",
      ["narrative-namespace @ Patient.text.div"],
    ],
    [
      "not well formed",
      patient,
      "text.div",
      '<div xmlns="http://www.w3.org/1999/xhtml"><p>a</div>',
      ["narrative-malformed @ Patient.text.div"],
    ],
    [
      "with a script",
      patient,
      "text.div",
      '<div xmlns="http://www.w3.org/1999/xhtml">a<script>b</script></div>',
      ["txt-1 @ Patient.text.div"],
    ],
    [
      "with an event handler",
      patient,
      "text.div",
      '<div xmlns="http://www.w3.org/1999/xhtml"><p onclick="x()">a</p></div>',
      ["txt-1 @ Patient.text.div"],
    ],
    [
      "without content",
      patient,
      "text.div",
      '<div xmlns="http://www.w3.org/1999/xhtml"> <p/> </div>',
      ["txt-2 @ Patient.text.div"],
    ],
    [
      "that is no div",
      patient,
      "text.div",
      '<p xmlns="http://www.w3.org/1999/xhtml">a</p>',
      ["txt-1 @ Patient.text.div"],
    ],
    [
      "with lists, tables, entities and comments",
      patient,
      "text.div",
      '<div xmlns="http://www.w3.org/1999/xhtml" class="a"><!-- c & d --><table border="1"><tr><td colspan="2">&lt;&#160;</td></tr></table><ul><li>a<br/></li></ul></div>',
      [],
    ],
  ],
};

for (const [area, rows] of Object.entries(areas)) {
  describe(area, () => {
    for (const [what, make, path, value, errors] of rows) {
      it(errors.length === 0 ? `accepts ${what}` : `refuses ${what}`, () => {
        expect(errorsOf(make())).toEqual([]);
        expect(errorsOf(changed(make(), path, value))).toEqual(errors);
      });
    }
  });
}

describe("warnings", () => {
  it("warns of an extensible binding with a code of another system", () => {
    const married = changed(patient(), "maritalStatus", coding("http://example.org/marital", "M"));
    expect(errorsOf(married)).toEqual([]);
    expect(warningsOf(married)).toEqual(["binding-extensible @ Patient.maritalStatus"]);
  });

  it("warns of a code without a system", () => {
    const married = changed(patient(), "maritalStatus", { coding: [{ code: "M" }] });
    expect(warningsOf(married)).toContain("coding-without-system @ Patient.maritalStatus.coding[0]");
  });

  it("warns of a profile nobody knows, and names the place", () => {
    const claimed = changed(patient(), "meta.profile.1", "http://example.org/profile");
    expect(warningsOf(claimed)).toEqual(["profile-unknown @ Patient.meta.profile[1]"]);
  });

  it("warns of whitespace around a string", () => {
    expect(warningsOf(changed(patient(), "name.0.family", " Field"))).toEqual([
      "primitive-whitespace-around @ Patient.name[0].family",
    ]);
    expect(warningsOf(changed(patient(), "name.0.family", "  "))).toEqual([
      "primitive-whitespace-only @ Patient.name[0].family",
    ]);
  });

  it("warns of a missing narrative and of lists that do not line up", () => {
    expect(warningsOf(changed(patient(), "text", undefined))).toEqual(["dom-6 @ Patient"]);
    expect(warningsOf(changed(patient(), "name.0._given", [{ id: "a" }]))).toEqual([
      "json-alignment @ Patient.name[0].given",
    ]);
  });
});
