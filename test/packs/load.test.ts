import { describe, expect, it } from "vitest";
import { PackError } from "../../lib/validator/pack/errors.ts";
import {
  loadBuiltIn,
  loadCapability,
  loadDefinitions,
  loadSearchParameters,
} from "../../lib/validator/pack/load.ts";

const core = "http://hl7.org/fhir/StructureDefinition";
const usCore = "http://hl7.org/fhir/us/core/StructureDefinition";

describe("definitions of built-in packs", () => {
  const source = loadBuiltIn(["us-core-6.1.0"]);

  it("find a profile with its version, without one, and a type by name", () => {
    const patient = source.structure(`${usCore}/us-core-patient`);
    expect(patient?.version).toBe("6.1.0");
    expect(source.structure(`${usCore}/us-core-patient|6.1.0`)).toBe(patient);
    expect(source.structure(`${core}/Patient|4.0.1`)).toBe(source.type("Patient"));
    expect(source.type("Quantity")?.url).toBe(`${core}/Quantity`);
    expect(source.type("Patients")).toBeUndefined();
    expect(source.structure(`${usCore}/us-core-patients`)).toBeUndefined();
    expect(source.structure("constructor")).toBeUndefined();
  });

  it("tell cardinality, type, binding, must-support and invariants of an element", () => {
    const elements = source.structure(`${usCore}/us-core-patient`)?.elements ?? [];
    const gender = elements.find((element) => element.id === "Patient.gender");
    expect(gender).toMatchObject({
      min: 1,
      max: 1,
      baseMax: 1,
      types: [{ code: "code" }],
      mustSupport: true,
    });
    expect(gender?.binding).toEqual({
      strength: "required",
      valueSet: "http://hl7.org/fhir/ValueSet/administrative-gender",
    });
    const race = elements.find((element) => element.id === "Patient.extension:race");
    expect(race).toMatchObject({ sliceName: "race", path: "Patient.extension", uscdi: true, max: 1 });
    expect(elements.find((element) => element.id === "Patient.name")?.max).toBe(Number.POSITIVE_INFINITY);
    const keys = elements[0]?.constraints?.map((constraint) => constraint.key);
    expect(keys).toEqual(expect.arrayContaining(["dom-2", "dom-3", "dom-6"]));
  });

  it("mend published errata and say which constraints are advice", () => {
    const constraints = source.type("Patient")?.elements[0]?.constraints ?? [];
    const narrative = constraints.find((constraint) => constraint.key === "dom-6");
    expect(narrative).toMatchObject({ severity: "warning", bestPractice: true });
    expect(constraints.find((constraint) => constraint.key === "dom-3")?.expression).toContain(
      "as(uri) = '#'",
    );
    const reference = source.type("Reference")?.elements[0]?.constraints ?? [];
    expect(reference.find((constraint) => constraint.key === "ref-1")?.expression).toMatch(
      /^reference\.exists\(\) implies/,
    );
  });

  it("know R4's own shape of types that the source extends", () => {
    const names = (type: string) => source.type(type)?.elements.map((element) => element.id);
    expect(names("Meta")).toEqual([
      "Meta",
      "Meta.id",
      "Meta.extension",
      "Meta.versionId",
      "Meta.lastUpdated",
      "Meta.source",
      "Meta.profile",
      "Meta.security",
      "Meta.tag",
    ]);
    expect(names("EvidenceVariable")).toContain("EvidenceVariable.characteristic.definition[x]");
    expect(names("EvidenceVariable")).not.toContain("EvidenceVariable.characteristic.linkId");
    expect(names("Timing")).toContain("Timing.repeat.extension");
    expect(source.type("SubscriptionStatus")).toBeUndefined();
  });

  it("offer the profiles of the guide asked for, and R4's only where R4 alone is asked for", () => {
    expect(source.profilesOf("Condition").map((profile) => profile.url)).toEqual([
      `${usCore}/us-core-condition-encounter-diagnosis`,
      `${usCore}/us-core-condition-problems-health-concerns`,
    ]);
    expect(source.profilesOf("Account")).toEqual([]);
    const cholesterol = `${core}/cholesterol`;
    expect(source.profilesOf("Observation").map((profile) => profile.url)).not.toContain(cholesterol);
    expect(
      loadBuiltIn([])
        .profilesOf("Observation")
        .map((profile) => profile.url),
    ).toContain(cholesterol);
  });

  it("answer for each version where both are loaded", () => {
    const both = loadBuiltIn(["us-core-3.1.1", "us-core-6.1.0"]);
    expect(both.structure(`${usCore}/us-core-goal|6.1.0`)?.version).toBe("6.1.0");
    expect(both.structure(`${usCore}/us-core-goal|3.1.1`)?.version).toBe("3.1.1");
    expect(both.structure(`${usCore}/us-core-goal`)?.version).toBe("3.1.1");
  });

  it("expand value sets, and say what cannot be known offline", () => {
    const notes = source.valueSet("http://hl7.org/fhir/us/core/ValueSet/us-core-clinical-note-type");
    expect(notes?.include["http://loinc.org"]).toContain("18842-5");
    expect(notes?.unverifiable).toBeUndefined();
    const conditions = source.valueSet("http://hl7.org/fhir/us/core/ValueSet/us-core-condition-code");
    expect(conditions?.include["http://snomed.info/sct"]).toEqual(["160245001"]);
    expect(conditions?.unverifiable).toEqual(["http://snomed.info/sct"]);
    const intents = source.valueSet("http://hl7.org/fhir/us/core/ValueSet/us-core-pregnancy-intent");
    expect(intents?.include).toEqual({ "http://terminology.hl7.org/CodeSystem/v3-NullFlavor": ["UNK"] });
    expect(intents?.unknownValueSets).toHaveLength(1);
    const classes = source.valueSet("http://terminology.hl7.org/ValueSet/v3-ActEncounterCode");
    expect(classes?.include["http://terminology.hl7.org/CodeSystem/v3-ActCode"]).toEqual(
      expect.arrayContaining(["AMB", "EMER", "IMP", "ACUTE"]),
    );
    expect(classes?.include["http://terminology.hl7.org/CodeSystem/v3-ActCode"]).not.toContain("WORK");
  });

  it("know of race, ethnicity and birth sex what US Core publishes, and no more", () => {
    const races = "urn:oid:2.16.840.1.113883.6.238";
    const nullFlavors = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";
    const set = (name: string) => source.valueSet(`http://hl7.org/fhir/us/core/ValueSet/${name}`);
    expect(set("omb-race-category")).toMatchObject({
      include: {
        [races]: ["1002-5", "2028-9", "2054-5", "2076-8", "2106-3", "2131-1"],
        [nullFlavors]: ["ASKU", "UNK"],
      },
    });
    expect(set("omb-race-category")?.unverifiable).toBeUndefined();
    expect(set("omb-ethnicity-category")?.include[races]).toEqual(["2135-2", "2186-5"]);
    expect(set("birthsex")).toMatchObject({
      include: {
        "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender": ["F", "M"],
        [nullFlavors]: ["UNK"],
      },
      unverifiable: [nullFlavors],
    });
    expect(set("detailed-race")?.unverifiable).toEqual([nullFlavors, races]);
  });

  it("name the packs there are where one is not", () => {
    expect(() => loadBuiltIn(["us-core-9.9.9"])).toThrow(
      /^us-core-9\.9\.9: is no built-in pack \(there are .*us-core-6\.1\.0\)$/,
    );
    expect(() => loadBuiltIn(["../profiles/us-core-6.1.0"])).toThrow(PackError);
  });

  it("are found by package id and version too", async () => {
    const named = await loadDefinitions(["hl7.fhir.us.core#6.1.0"]);
    expect(named.structure(`${usCore}/us-core-patient`)?.version).toBe("6.1.0");
    const other = await loadDefinitions(["hl7.fhir.us.core@3.1.1"]);
    expect(other.structure(`${usCore}/us-core-patient`)?.version).toBe("3.1.1");
  });
});

describe("what US Core asks of servers", () => {
  it("is complete in number", () => {
    const { resources, formats } = loadCapability("us-core-6.1.0");
    expect(resources).toHaveLength(31);
    expect(resources.flatMap((resource) => resource.searchParams)).toHaveLength(103);
    expect(resources.flatMap((resource) => resource.combinations)).toHaveLength(67);
    expect(resources.flatMap((resource) => resource.interactions)).toHaveLength(270);
    expect(formats).toEqual([
      { value: "json", conformance: "SHALL" },
      { value: "xml", conformance: "SHOULD" },
    ]);
    expect(loadSearchParameters("us-core-6.1.0")).toHaveLength(106);
    expect(loadCapability("us-core-3.1.1").resources).toHaveLength(21);
    expect(loadSearchParameters("us-core-3.1.1")).toHaveLength(74);
  });

  it("keeps the verb of each interaction, parameter, combination, include and operation", () => {
    const { resources } = loadCapability("us-core-6.1.0");
    const condition = resources.find((resource) => resource.type === "Condition");
    expect(condition?.interactions).toContainEqual({ value: "vread", conformance: "SHOULD" });
    expect(condition?.searchParams).toContainEqual({
      name: "patient",
      type: "reference",
      definition: "http://hl7.org/fhir/us/core/SearchParameter/us-core-condition-patient",
      conformance: "SHALL",
      serverForms: ["id", "Type/id"],
    });
    expect(condition?.combinations).toContainEqual({
      required: ["patient", "category"],
      conformance: "SHALL",
    });
    expect(condition?.searchRevIncludes).toEqual([{ value: "Provenance:target", conformance: "SHALL" }]);
    const documents = resources.find((resource) => resource.type === "DocumentReference");
    expect(documents?.operations).toEqual([
      {
        name: "docref",
        definition: "http://hl7.org/fhir/us/core/OperationDefinition/docref",
        conformance: "SHALL",
      },
    ]);
  });

  it("names a search parameter definition for each parameter, with its comparators", () => {
    const known = new Set(loadSearchParameters("us-core-6.1.0").map((parameter) => parameter.url));
    const missing = loadCapability("us-core-6.1.0")
      .resources.flatMap((resource) => resource.searchParams)
      .filter((parameter) => !known.has(parameter.definition ?? ""));
    expect(missing.map((parameter) => parameter.definition)).toEqual([]);
    const date = loadSearchParameters("us-core-6.1.0").find(
      (parameter) => parameter.code === "asserted-date",
    );
    expect(date?.comparators).toContainEqual({ value: "ge", conformance: "SHALL" });
    expect(date?.multipleAnd?.value).toBe(true);
  });
});
