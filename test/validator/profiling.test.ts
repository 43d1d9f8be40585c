import { describe, expect, it } from "vitest";
import type { SlicingFacts } from "../../lib/validator/pack/format.ts";
import { HOME, judged, profile } from "./definitions.ts";
import type { PartialElement } from "./definitions.ts";

const name = (use: string, family?: string) => ({ use, ...(family !== undefined && { family }) });
const patient = (rest: object) => ({ resourceType: "Patient", ...rest });
const slicing = (
  discriminators: SlicingFacts["discriminators"],
  rules: SlicingFacts["rules"] = "open",
  ordered = false,
): SlicingFacts => ({ discriminators, rules, ordered });
const fixedCode = (value: string) => ({ type: "Code", value });

const byUse = (rules: SlicingFacts["rules"], ordered = false) =>
  judged([
    profile("named", "Patient", [
      { id: "Patient.name", slicing: slicing([{ type: "value", path: "use" }], rules, ordered) },
      { id: "Patient.name:official", min: 1, max: 1 },
      { id: "Patient.name:official.use", min: 1, max: 1, fixed: fixedCode("official") },
      { id: "Patient.name:official.family", min: 1, max: 1 },
      { id: "Patient.name:usual", max: 1 },
      { id: "Patient.name:usual.use", min: 1, max: 1, fixed: fixedCode("usual") },
    ]),
  ]);

describe("slicing by value", () => {
  it("counts each slice and applies its rules", () => {
    const errors = byUse("open");
    expect(errors(patient({ name: [name("official", "A"), name("old")] }))).toEqual([]);
    expect(errors(patient({ name: [name("usual", "A")] }))).toEqual(["slice-min @ Patient"]);
    expect(errors(patient({ name: [name("official", "A"), name("official", "B")] }))).toEqual([
      "slice-max @ Patient",
    ]);
    expect(errors(patient({ name: [name("old"), { use: "official", text: "A" }] }))).toEqual([
      "cardinality-min @ Patient.name[1]",
    ]);
  });

  it("refuses what is no slice where slicing is closed", () => {
    const errors = byUse("closed");
    expect(errors(patient({ name: [name("official", "A"), name("usual", "A")] }))).toEqual([]);
    expect(errors(patient({ name: [name("official", "A"), name("old", "A")] }))).toEqual([
      "slice-closed @ Patient.name[1]",
    ]);
  });

  it("wants the others at the end where they may only stand there", () => {
    const errors = byUse("openAtEnd");
    expect(errors(patient({ name: [name("official", "A"), name("old", "A")] }))).toEqual([]);
    expect(errors(patient({ name: [name("old", "A"), name("official", "A")] }))).toEqual([
      "slice-open-at-end @ Patient.name[1]",
    ]);
  });

  it("keeps the order of the slices where they are ordered", () => {
    const errors = byUse("open", true);
    expect(errors(patient({ name: [name("official", "A"), name("usual", "A")] }))).toEqual([]);
    expect(errors(patient({ name: [name("usual", "A"), name("official", "A")] }))).toEqual([
      "slice-order @ Patient.name[1]",
    ]);
  });

  it("asks all discriminators together", () => {
    const errors = judged([
      profile("two", "Patient", [
        {
          id: "Patient.telecom",
          slicing: slicing([
            { type: "value", path: "system" },
            { type: "value", path: "use" },
          ]),
        },
        { id: "Patient.telecom:home", min: 1, max: 1 },
        { id: "Patient.telecom:home.system", min: 1, max: 1, fixed: fixedCode("phone") },
        { id: "Patient.telecom:home.use", min: 1, max: 1, fixed: fixedCode("home") },
      ]),
    ]);
    const telecom = (system: string, use: string) => patient({ telecom: [{ system, value: "1", use }] });
    expect(errors(telecom("phone", "home"))).toEqual([]);
    expect(errors(telecom("phone", "work"))).toEqual(["slice-min @ Patient"]);
    expect(errors(telecom("email", "home"))).toEqual(["slice-min @ Patient"]);
  });
});

describe("other discriminators", () => {
  it("pattern on $this", () => {
    const errors = judged([
      profile("pattern", "Observation", [
        { id: "Observation.category", slicing: slicing([{ type: "pattern", path: "$this" }]) },
        {
          id: "Observation.category:lab",
          min: 1,
          max: 1,
          pattern: { type: "CodeableConcept", value: { coding: [{ system: `${HOME}cs`, code: "lab" }] } },
        },
      ]),
    ]);
    const observation = (code: string) => ({
      resourceType: "Observation",
      status: "final",
      code: { text: "a" },
      category: [{ coding: [{ system: `${HOME}cs`, code, display: "x" }], text: "y" }],
    });
    expect(errors(observation("lab"))).toEqual([]);
    expect(errors(observation("exam"))).toEqual(["slice-min @ Observation"]);
  });

  it("exists", () => {
    const errors = judged([
      profile("exists", "Patient", [
        { id: "Patient.name", slicing: slicing([{ type: "exists", path: "family" }]) },
        { id: "Patient.name:family", min: 1, max: 1 },
        { id: "Patient.name:family.family", min: 1, max: 1 },
        { id: "Patient.name:text", max: 1 },
        { id: "Patient.name:text.family", max: 0 },
      ]),
    ]);
    expect(errors(patient({ name: [{ family: "A" }, { text: "B" }] }))).toEqual([]);
    expect(errors(patient({ name: [{ text: "B" }] }))).toEqual(["slice-min @ Patient"]);
    expect(errors(patient({ name: [{ family: "A" }, { text: "B" }, { text: "C" }] }))).toEqual([
      "slice-max @ Patient",
    ]);
  });

  it("type, of a choice", () => {
    const errors = judged([
      profile("typed", "Observation", [
        { id: "Observation.value[x]", slicing: slicing([{ type: "type", path: "$this" }], "closed"), max: 1 },
        { id: "Observation.value[x]:valueQuantity", max: 1, types: [{ code: "Quantity" }] },
        { id: "Observation.value[x]:valueQuantity.unit", min: 1, max: 1 },
      ]),
    ]);
    const observation = (value: object) => ({
      resourceType: "Observation",
      status: "final",
      code: { text: "a" },
      ...value,
    });
    expect(errors(observation({ valueQuantity: { value: 1, unit: "kg" } }))).toEqual([]);
    expect(errors(observation({ valueQuantity: { value: 1 } }))).toEqual([
      "cardinality-min @ Observation.value.ofType(Quantity)",
    ]);
    expect(errors(observation({ valueString: "a" }))).toEqual([
      "slice-closed @ Observation.value.ofType(string)",
    ]);
  });

  const member = profile("member", "Patient", [{ id: "Patient.birthDate", min: 1, max: 1 }]);
  const entries = (...resources: object[]) => ({
    resourceType: "Bundle",
    type: "collection",
    entry: resources.map((resource, at) => ({ fullUrl: `http://a.example.org/e${at}`, resource })),
  });

  it("type, of a resource in a Bundle", () => {
    const errors = judged([
      profile("bundle", "Bundle", [
        { id: "Bundle.entry", slicing: slicing([{ type: "type", path: "resource" }]) },
        { id: "Bundle.entry:patient", min: 1, max: 1 },
        {
          id: "Bundle.entry:patient.resource",
          min: 1,
          max: 1,
          types: [{ code: "Patient", profiles: [member.url] }],
        },
      ]),
      member,
    ]);
    const organization = { resourceType: "Organization", name: "O" };
    expect(errors(entries(organization, { resourceType: "Patient", birthDate: "1990" }))).toEqual([]);
    expect(errors(entries(organization))).toEqual(["slice-min @ Bundle"]);
    expect(errors(entries({ resourceType: "Patient" }))).toEqual([
      "cardinality-min @ Bundle.entry[0].resource",
    ]);
  });

  it("profile", () => {
    const errors = judged([
      profile("bundle", "Bundle", [
        { id: "Bundle.entry", slicing: slicing([{ type: "profile", path: "resource" }]) },
        { id: "Bundle.entry:member", min: 1, max: 1 },
        {
          id: "Bundle.entry:member.resource",
          min: 1,
          max: 1,
          types: [{ code: "Patient", profiles: [member.url] }],
        },
      ]),
      member,
    ]);
    expect(
      errors(entries({ resourceType: "Patient" }, { resourceType: "Patient", birthDate: "1990" })),
    ).toEqual([]);
    expect(errors(entries({ resourceType: "Patient" }))).toEqual(["slice-min @ Bundle"]);
  });

  it("through resolve()", () => {
    const errors = judged([
      profile("resolved", "Observation", [
        { id: "Observation.performer", slicing: slicing([{ type: "type", path: "resolve()" }]) },
        {
          id: "Observation.performer:organization",
          min: 1,
          max: 1,
          types: [{ code: "Reference", targets: ["http://hl7.org/fhir/StructureDefinition/Organization"] }],
        },
      ]),
    ]);
    const observation = (contained: object) => ({
      resourceType: "Observation",
      status: "final",
      code: { text: "a" },
      contained: [contained],
      performer: [{ reference: "#p" }],
    });
    expect(errors(observation({ resourceType: "Organization", id: "p", name: "O" }))).toEqual([]);
    expect(errors(observation({ resourceType: "Practitioner", id: "p" }))).toEqual([
      "slice-min @ Observation",
    ]);
  });

  it("through an extension", () => {
    const url = `${HOME}kind`;
    const errors = judged([
      profile("extended", "Patient", [
        { id: "Patient.name", slicing: slicing([{ type: "value", path: `extension('${url}').value` }]) },
        { id: "Patient.name:legal", min: 1, max: 1 },
        { id: "Patient.name:legal.extension", slicing: slicing([{ type: "value", path: "url" }]) },
        { id: "Patient.name:legal.extension:kind", min: 1, max: 1, types: [{ code: "Extension" }] },
        { id: "Patient.name:legal.extension:kind.url", min: 1, max: 1, fixed: { type: "Uri", value: url } },
        { id: "Patient.name:legal.extension:kind.value[x]", min: 1, max: 1, fixed: fixedCode("legal") },
      ]),
    ]);
    const named = (valueCode: string) => patient({ name: [{ text: "A", extension: [{ url, valueCode }] }] });
    expect(errors(named("legal"))).toEqual([]);
    expect(errors(named("stage"))).toEqual(["slice-min @ Patient"]);
  });

  it("by a required binding, and not at all where its codes cannot be told", () => {
    const structures = (valueSet: string) => [
      profile("bound", "Observation", [
        { id: "Observation.category", slicing: slicing([{ type: "value", path: "$this" }]) },
        {
          id: "Observation.category:a",
          min: 1,
          max: 1,
          binding: { strength: "required" as const, valueSet },
        },
      ]),
    ];
    const system = `${HOME}cs`;
    const observation = (code: string) => ({
      resourceType: "Observation",
      status: "final",
      code: { text: "a" },
      category: [{ coding: [{ system, code }] }],
    });
    const known = judged(structures(`${HOME}vs`), [{ url: `${HOME}vs`, include: { [system]: ["a", "b"] } }]);
    expect(known(observation("b"))).toEqual([]);
    expect(known(observation("c"))).toEqual(["slice-min @ Observation"]);
    const open = judged(structures(`${HOME}open`), [
      { url: `${HOME}open`, include: {}, unverifiable: [system] },
    ]);
    expect(open(observation("c"))).toEqual([]);
  });
});

describe("re-slicing", () => {
  const errors = judged([
    profile("resliced", "Patient", [
      { id: "Patient.identifier", slicing: slicing([{ type: "value", path: "system" }]) },
      { id: "Patient.identifier:mrn", max: 2, slicing: slicing([{ type: "value", path: "use" }], "closed") },
      { id: "Patient.identifier:mrn.system", min: 1, max: 1, fixed: { type: "Uri", value: `${HOME}mrn` } },
      { id: "Patient.identifier:mrn/official", min: 1, max: 1, sliceName: "mrn/official" },
      { id: "Patient.identifier:mrn/official.use", min: 1, max: 1, fixed: fixedCode("official") },
      { id: "Patient.identifier:mrn/official.value", min: 1, max: 1 },
    ]),
  ]);
  const identified = (...identifiers: object[]) => patient({ identifier: identifiers });

  it("tells apart within the slice", () => {
    expect(
      errors(identified({ system: `${HOME}mrn`, use: "official", value: "1" }, { system: `${HOME}x` })),
    ).toEqual([]);
    expect(errors(identified({ system: `${HOME}mrn`, use: "official" }))).toEqual([
      "cardinality-min @ Patient.identifier[0]",
    ]);
    expect(errors(identified({ system: `${HOME}mrn`, use: "old", value: "1" }))).toEqual([
      "slice-closed @ Patient.identifier[0]",
      "slice-min @ Patient",
    ]);
  });
});

describe("values", () => {
  const one = (element: PartialElement) => judged([profile("valued", "Observation", [element])]);
  const observation = (rest: object) => ({
    resourceType: "Observation",
    status: "final",
    code: { text: "a" },
    ...rest,
  });

  it("fixed: equal in every part", () => {
    const errors = one({
      id: "Observation.code",
      min: 1,
      max: 1,
      fixed: { type: "CodeableConcept", value: { text: "a" } },
    });
    expect(errors(observation({}))).toEqual([]);
    expect(errors(observation({ code: { text: "b" } }))).toEqual(["value-fixed @ Observation.code"]);
    expect(
      errors(observation({ code: { text: "a", coding: [{ system: `${HOME}cs`, code: "a" }] } })),
    ).toEqual(["value-fixed @ Observation.code"]);
  });

  it("pattern: at any depth, each entry of a list somewhere", () => {
    const pattern = { coding: [{ system: `${HOME}cs`, code: "b" }] };
    const errors = one({
      id: "Observation.code",
      min: 1,
      max: 1,
      pattern: { type: "CodeableConcept", value: pattern },
    });
    const coded = (...codes: string[]) =>
      observation({ code: { coding: codes.map((code) => ({ system: `${HOME}cs`, code })) } });
    expect(errors(coded("a", "b"))).toEqual([]);
    expect(errors(coded("a"))).toEqual(["value-pattern @ Observation.code"]);
    expect(errors(observation({}))).toEqual(["value-pattern @ Observation.code"]);
  });

  it("longest length", () => {
    const errors = one({ id: "Observation.value[x]", max: 1, maxLength: 3 });
    expect(errors(observation({ valueString: "abc" }))).toEqual([]);
    expect(errors(observation({ valueString: "abcd" }))).toEqual([
      "value-max-length @ Observation.value.ofType(string)",
    ]);
  });

  it("least and greatest value", () => {
    const whole = one({
      id: "Observation.value[x]",
      max: 1,
      minValue: { type: "Integer", value: 1 },
      maxValue: { type: "Integer", value: 9 },
    });
    expect(whole(observation({ valueInteger: 9 }))).toEqual([]);
    expect(whole(observation({ valueInteger: 0 }))).toEqual([
      "value-minimum @ Observation.value.ofType(integer)",
    ]);
    expect(whole(observation({ valueInteger: 10 }))).toEqual([
      "value-maximum @ Observation.value.ofType(integer)",
    ]);
    const date = one({
      id: "Observation.effective[x]",
      max: 1,
      minValue: { type: "DateTime", value: "2000-01-01" },
    });
    expect(date(observation({ effectiveDateTime: "2000-01-02" }))).toEqual([]);
    expect(date(observation({ effectiveDateTime: "1999-12-31T23:59:59Z" }))).toEqual([
      "value-minimum @ Observation.effective.ofType(dateTime)",
    ]);
    const quantity = { value: 10, system: "http://unitsofmeasure.org", code: "kg" };
    const weight = one({
      id: "Observation.value[x]",
      max: 1,
      maxValue: { type: "Quantity", value: quantity },
    });
    expect(weight(observation({ valueQuantity: { ...quantity, value: 11 } }))).toEqual([
      "value-maximum @ Observation.value.ofType(Quantity)",
    ]);
    expect(weight(observation({ valueQuantity: { ...quantity, value: 11, code: "g" } }))).toEqual([]);
  });

  it("choices narrowed by the profile", () => {
    const errors = one({
      id: "Observation.value[x]",
      max: 1,
      types: [{ code: "Quantity" }, { code: "string" }],
    });
    expect(errors(observation({ valueString: "a" }))).toEqual([]);
    expect(errors(observation({ valueBoolean: true }))).toEqual([
      "choice-type @ Observation.value.ofType(boolean)",
    ]);
  });

  it("elements taken away", () => {
    const errors = one({ id: "Observation.note", max: 0 });
    expect(errors(observation({}))).toEqual([]);
    expect(errors(observation({ note: [{ text: "a" }] }))).toEqual(["cardinality-max @ Observation"]);
  });
});

describe("bindings", () => {
  const system = `${HOME}cs`;
  const sets = [
    { url: `${HOME}vs`, include: { [system]: ["a", "b"] } },
    { url: `${HOME}max`, include: { [system]: ["a", "b", "c"] } },
    { url: `${HOME}open`, include: {}, unverifiable: ["http://snomed.info/sct"] },
  ];
  const bound = (
    id: string,
    strength: "required" | "extensible" | "preferred",
    valueSet: string,
    maxValueSet?: string,
  ) =>
    judged(
      [
        profile("bound", "Observation", [
          {
            id,
            max: 1,
            binding: {
              strength,
              valueSet: HOME + valueSet,
              ...(maxValueSet !== undefined && { maxValueSet: HOME + maxValueSet }),
            },
          },
        ]),
      ],
      sets,
    );
  const observation = (rest: object) => ({
    resourceType: "Observation",
    status: "final",
    code: { text: "a" },
    ...rest,
  });
  const method = (...codes: string[]) =>
    observation({ method: { coding: codes.map((code) => ({ system, code })) } });

  it("of a CodeableConcept: one of its codings suffices", () => {
    const errors = bound("Observation.method", "required", "vs");
    expect(errors(method("x", "a"))).toEqual([]);
    expect(errors(method("x"))).toEqual(["binding-required @ Observation.method"]);
    expect(errors(observation({ method: { text: "a" } }))).toEqual(["binding-required @ Observation.method"]);
    expect(errors(observation({ method: { coding: [{ system: `${HOME}other`, code: "a" }] } }))).toEqual([
      "binding-required @ Observation.method",
    ]);
  });

  it("extensible: no error, but beyond the largest value set", () => {
    expect(bound("Observation.method", "extensible", "vs")(method("x"))).toEqual([]);
    const errors = bound("Observation.method", "extensible", "vs", "max");
    expect(errors(method("c"))).toEqual([]);
    expect(errors(method("x"))).toEqual(["binding-maximum @ Observation.method"]);
  });

  it("preferred: never an error", () => {
    expect(bound("Observation.method", "preferred", "vs", "max")(method("x"))).toEqual([]);
  });

  it("of Quantity, Coding, string and uri", () => {
    const value = bound("Observation.value[x]", "required", "vs");
    expect(value(observation({ valueQuantity: { value: 1, system, code: "a" } }))).toEqual([]);
    expect(value(observation({ valueQuantity: { value: 1, system, code: "x" } }))).toEqual([
      "binding-required @ Observation.value.ofType(Quantity)",
    ]);
    expect(value(observation({ valueString: "b" }))).toEqual([]);
    expect(value(observation({ valueString: "x" }))).toEqual([
      "binding-required @ Observation.value.ofType(string)",
    ]);
    const tag = bound("Observation.implicitRules", "required", "vs");
    expect(tag(observation({ implicitRules: "http://a.example.org/x" }))).toEqual([
      "binding-required @ Observation.implicitRules",
    ]);
  });

  it("that cannot be told: neither passed nor refused, but counted with the value set's name", async () => {
    const { createValidator } = await import("../../lib/validator/index.ts");
    const { definitionsWith } = await import("./definitions.ts");
    const structure = profile("open", "Observation", [
      { id: "Observation.method", max: 1, binding: { strength: "required", valueSet: `${HOME}open` } },
    ]);
    const validator = createValidator(definitionsWith([structure], sets));
    const coded = (of: string) =>
      validator.validateResource(observation({ method: { coding: [{ system: of, code: "44054006" }] } }), {
        profiles: [structure.url],
      });
    const open = coded("http://snomed.info/sct");
    expect(open.counts.error).toBe(0);
    expect(open.notVerified).toEqual([
      {
        valueSet: `${HOME}open`,
        strength: "required",
        system: "http://snomed.info/sct",
        code: "44054006",
        expression: "Observation.method",
      },
    ]);
    expect(open.notVerifiedCount).toBe(1);
    // A code of a system that the value set does not draw on is certainly not of it.
    expect(coded("http://www.ama-assn.org/go/cpt").counts.error).toBe(1);
  });
});

describe("references", () => {
  const team = profile("team", "Patient", [{ id: "Patient.birthDate", min: 1, max: 1 }]);
  const errors = judged([
    profile("referring", "Observation", [
      {
        id: "Observation.subject",
        max: 1,
        types: [{ code: "Reference", targets: [team.url], aggregation: ["bundled", "contained"] }],
      },
    ]),
    team,
  ]);
  const observation = (contained: object) => ({
    resourceType: "Observation",
    status: "final",
    code: { text: "a" },
    contained: [contained],
    subject: { reference: "#p" },
  });

  it("to what is at hand have to meet the target profile", () => {
    expect(errors(observation({ resourceType: "Patient", id: "p", birthDate: "1990" }))).toEqual([]);
    expect(errors(observation({ resourceType: "Patient", id: "p" }))).toEqual([
      "reference-target-profile @ Observation.subject",
    ]);
    expect(errors(observation({ resourceType: "Group", id: "p", type: "person", actual: true }))).toEqual([
      "reference-target @ Observation.subject",
    ]);
  });

  it("have to stay where the aggregation allows", () => {
    const outside = {
      resourceType: "Observation",
      status: "final",
      code: { text: "a" },
      subject: { reference: "Patient/p" },
    };
    expect(errors(outside)).toEqual(["reference-aggregation @ Observation.subject"]);
  });

  it("are looked up where the caller can", () => {
    const looked = judged([
      profile("referring", "Observation", [
        { id: "Observation.subject", max: 1, types: [{ code: "Reference", targets: [team.url] }] },
      ]),
      team,
    ]);
    const resource = {
      resourceType: "Observation",
      status: "final",
      code: { text: "a" },
      subject: { reference: "Patient/p" },
    };
    expect(looked(resource)).toEqual([]);
    expect(looked(resource, { resolve: () => ({ resourceType: "Patient", id: "p" }) })).toEqual([
      "reference-target-profile @ Observation.subject",
    ]);
    expect(
      looked(resource, { resolve: () => ({ resourceType: "Patient", id: "p", birthDate: "1990" }) }),
    ).toEqual([]);
  });
});

describe("profiles", () => {
  const structure = profile("own", "Patient", [{ id: "Patient.birthDate", min: 1, max: 1 }]);
  const errors = judged([structure]);

  it("that were asked for and are not known are an error", () => {
    expect(errors(patient({}), { profiles: [`${HOME}nowhere`] })).toEqual(["profile-unknown @ Patient"]);
  });

  it("of another type are an error", () => {
    expect(errors({ resourceType: "Organization", name: "O" })).toEqual([
      "profile-wrong-type @ Organization",
    ]);
  });

  it("may be claimed with a version", () => {
    const claimed = (version: string) => patient({ meta: { profile: [`${structure.url}|${version}`] } });
    expect(errors(claimed("1.0.0"), { profiles: [] })).toEqual(["cardinality-min @ Patient"]);
    expect(errors(claimed("2.0.0"), { profiles: [] })).toEqual(["cardinality-min @ Patient"]);
  });
});
