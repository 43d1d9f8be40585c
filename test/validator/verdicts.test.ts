/** Verdicts that the HL7 validator gives although no element, binding or invariant states them, each with its twin. */
import { describe, expect, it } from "vitest";
import { bundle, changed, errorsOf, patient, usCore, usCoreProfile, warningsOf } from "./resources.ts";
import type { Json, JsonRecord } from "./resources.ts";

const CORE = "http://hl7.org/fhir/StructureDefinition/";
const text = (div: string): JsonRecord => ({
  status: "additional",
  div: `<div xmlns="http://www.w3.org/1999/xhtml">${div}</div>`,
});

const capabilities = (rest: JsonRecord = {}): JsonRecord => ({
  resourceType: "CapabilityStatement",
  status: "active",
  date: "2026-01-01",
  kind: "requirements",
  rest: [{ mode: "server" }],
  fhirVersion: "4.0.1",
  format: ["json", "application/fhir+xml"],
  text: text("What a server can do."),
  description: "What a server can do.",
  ...rest,
});

describe("extensions whose published context is too narrow", () => {
  const expectation: Json = [{ url: `${CORE}capabilitystatement-expectation`, valueCode: "SHALL" }];

  it("state an expectation of anything in a CapabilityStatement", () => {
    const rest: Json = [
      { mode: "server", extension: expectation, resource: [{ type: "Patient", extension: expectation }] },
    ];
    expect(errorsOf(capabilities({ rest, _format: [{ extension: expectation }, null] }))).toEqual([]);
  });

  it("still are refused where the context is right", () => {
    const websocket: Json = [{ url: `${CORE}capabilitystatement-websocket`, valueUri: "wss://a.example/ws" }];
    expect(errorsOf(capabilities({ rest: [{ mode: "server", extension: websocket }] }))).toEqual([]);
    expect(errorsOf(capabilities({ extension: websocket }))).toEqual([
      "extension-context @ CapabilityStatement.extension[0]",
    ]);
  });
});

describe("CapabilityStatement.format", () => {
  it("may be a short name, which a content type may not", () => {
    expect(errorsOf(capabilities({ format: ["xml", "json", "ttl"] }))).toEqual([]);
    expect(errorsOf(capabilities({ format: ["yaml"] }))).toEqual([
      "binding-required @ CapabilityStatement.format[0]",
    ]);
    expect(errorsOf({ resourceType: "Binary", contentType: "application/json" })).toEqual([]);
    expect(errorsOf({ resourceType: "Binary", contentType: "json" })).toEqual([
      "binding-required @ Binary.contentType",
    ]);
  });
});

describe("ids of elements", () => {
  const structure = (differential: readonly string[]): JsonRecord => {
    const element = (id: string): JsonRecord => ({
      id,
      path: id,
      min: 0,
      max: "*",
      base: { path: id, min: 0, max: "*" },
      definition: "A.",
    });
    return {
      resourceType: "StructureDefinition",
      url: "http://a.example/StructureDefinition/a",
      name: "A",
      status: "draft",
      fhirVersion: "4.0.1",
      kind: "resource",
      abstract: false,
      type: "Basic",
      baseDefinition: `${CORE}Basic`,
      derivation: "constraint",
      text: text("A profile."),
      snapshot: { element: [element("Basic"), element("Basic.id")] },
      differential: { element: differential.map(element) },
    };
  };

  it("repeat between snapshot and differential, but not within one", () => {
    expect(errorsOf(structure(["Basic", "Basic.id"]))).toEqual([]);
    expect(errorsOf(structure(["Basic", "Basic.id", "Basic.id"]))).toContain(
      "element-id-duplicate @ StructureDefinition.differential.element[2].id",
    );
  });
});

describe("vital signs", () => {
  const heartRate = (rest: JsonRecord = {}, code = "8867-4"): JsonRecord => ({
    resourceType: "Observation",
    status: "final",
    text: text("72 a minute."),
    category: [
      {
        coding: [
          { system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "vital-signs" },
        ],
      },
    ],
    code: { coding: [{ system: "http://loinc.org", code }] },
    subject: { reference: "Patient/ada" },
    effectiveDateTime: "2026-01-01",
    valueQuantity: { value: 72, unit: "/min", system: "http://unitsofmeasure.org", code: "/min" },
    ...rest,
  });

  it("conform to R4's profile of them, claimed or not", () => {
    expect(errorsOf(heartRate())).toEqual([]);
    expect(errorsOf(heartRate({ category: [{ text: "vital" }] }))).toContain("slice-min @ Observation");
    expect(errorsOf(changed(heartRate(), "valueQuantity.code", "{beats}/s"))).not.toEqual([]);
    expect(errorsOf(changed(heartRate(), "subject", undefined))).toContain("cardinality-min @ Observation");
  });

  it("have the general code beside a more specific one", () => {
    const specific = { system: "http://loinc.org", code: "8889-8" };
    const general = { system: "http://loinc.org", code: "8867-4" };
    expect(errorsOf(heartRate({ code: { coding: [specific, general] } }))).toEqual([]);
    expect(errorsOf(heartRate({ code: { coding: [specific] } }))).not.toEqual([]);
  });

  it("are no matter of other observations", () => {
    expect(errorsOf(heartRate({ category: [{ text: "other" }] }, "2339-0"))).toEqual([]);
  });
});

describe("narratives", () => {
  const basic = (div: string): JsonRecord => ({
    resourceType: "Basic",
    code: { text: "a" },
    text: text(div),
  });
  it.each([
    ["underlines", "<u>a</u>", "txt-1"],
    ["fonts", '<font color="red">a</font>', "txt-1"],
    ["insertions", "<ins>a</ins>", "txt-1"],
    ["link targets", '<a href="https://a.example" target="_blank">a</a>', "txt-1"],
    ["a list in a paragraph", "<p>a<ul><li>b</li></ul></p>", "txt-1"],
    ["a paragraph in a span in a paragraph", "<p><span><p>a</p></span></p>", "txt-1"],
  ])("cannot have %s", (_what, div, constraint) => {
    expect(errorsOf(basic(div))).toContain(`${constraint} @ Basic.text.div`);
  });
  it.each([
    ["tables", '<table border="1"><tr><td bgcolor="#fff" colspan="2"><p>a</p></td></tr></table>'],
    ["lists after paragraphs", '<p>a</p><ol start="2"><li value="2"><b>b</b><br/></li></ol>'],
  ])("can have %s", (_what, div) => {
    expect(errorsOf(basic(div))).toEqual([]);
  });
});

describe("security labels", () => {
  const label = (code: string): JsonRecord => ({
    system: "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    code,
  });
  it("are a set", () => {
    expect(errorsOf(changed(patient(), "meta.security", [label("N"), label("R")]))).toEqual([]);
    expect(errorsOf(changed(patient(), "meta.security", [label("N"), label("R"), label("N")]))).toEqual([
      "meta-security-duplicate @ Patient.meta.security[2]",
    ]);
  });
});

describe("the url of a canonical resource", () => {
  const questionnaire = (url: string): JsonRecord => ({
    resourceType: "Questionnaire",
    url,
    status: "draft",
    text: text("Questions."),
  });
  it("is absolute", () => {
    expect(errorsOf(questionnaire("http://a.example/Questionnaire/a"))).toEqual([]);
    expect(errorsOf(questionnaire("Questionnaire/a"))).toEqual(["url-relative @ Questionnaire.url"]);
  });
});

describe("Bundles", () => {
  const person = (id?: string): JsonRecord => ({
    resourceType: "Person",
    text: text("A person."),
    ...(id !== undefined && { id }),
  });
  const found = (entry: Json[], rest: JsonRecord = {}): JsonRecord => ({
    resourceType: "Bundle",
    type: "searchset",
    entry,
    ...rest,
  });
  const outcome: JsonRecord = {
    resourceType: "OperationOutcome",
    text: text("A hint."),
    issue: [{ severity: "warning", code: "informational" }],
  };

  it("of search results tell what each entry is for", () => {
    const match: Json = {
      fullUrl: "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
      resource: person("a"),
      search: { mode: "match" },
    };
    const hint: Json = {
      fullUrl: "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e1",
      resource: outcome,
      search: { mode: "outcome" },
    };
    expect(errorsOf(found([match, hint]))).toEqual([]);
    expect(errorsOf(changed(found([match]), "entry.0.resource", person()))).toEqual([
      "bundle-search-no-id @ Bundle.entry[0]",
    ]);
    expect(errorsOf(changed(found([hint]), "entry.0.resource", person("a")))).toEqual([
      "bundle-search-not-outcome @ Bundle.entry[0]",
    ]);
  });

  it("have one link of a kind", () => {
    const link = (relation: string): JsonRecord => ({ relation, url: "https://a.example/Person" });
    expect(
      errorsOf(
        found([], {
          link: [link("self"), link("next")],
          entry: [{ fullUrl: "https://a.example/Person/a", resource: person("a") }],
        }),
      ),
    ).toEqual([]);
    expect(
      errorsOf(
        found([], {
          link: [link("next"), link("next")],
          entry: [{ fullUrl: "https://a.example/Person/a", resource: person("a") }],
        }),
      ),
    ).toEqual(["bundle-link-duplicate @ Bundle.link[1]"]);
  });

  it("that are documents have what their Composition refers to", () => {
    const composition: JsonRecord = {
      resourceType: "Composition",
      id: "c",
      text: text("A document."),
      status: "final",
      type: { text: "a" },
      date: "2026-01-01",
      title: "A",
      author: [{ reference: "Patient/p" }],
      section: [{ title: "S", text: text("A section."), entry: [{ reference: "Patient/p" }] }],
    };
    const document: JsonRecord = {
      resourceType: "Bundle",
      type: "document",
      timestamp: "2026-01-01T00:00:00Z",
      identifier: { system: "urn:ietf:rfc:3986", value: "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0" },
      entry: [
        { fullUrl: "https://a.example/Composition/c", resource: composition },
        {
          fullUrl: "https://a.example/Patient/p",
          resource: { resourceType: "Patient", id: "p", text: text("Ada.") },
        },
      ],
    };
    expect(errorsOf(document)).toEqual([]);
    expect(errorsOf(changed(document, "entry.0.resource.section.0.entry.0.reference", "Patient/q"))).toEqual([
      "bundle-document-reference @ Bundle",
    ]);
  });

  it("are warned of urns that none of their entries has", () => {
    expect(warningsOf(bundle())).toEqual([]);
    const lost = { reference: "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6ff" };
    const basic: JsonRecord = {
      resourceType: "Basic",
      id: "a",
      text: text("A."),
      code: { text: "a" },
      subject: lost,
    };
    expect(
      warningsOf({
        resourceType: "Bundle",
        type: "collection",
        entry: [{ fullUrl: "https://a.example/Basic/a", resource: basic }],
      }),
    ).toEqual(["reference-not-bundled @ Bundle.entry[0].resource.subject"]);
  });
});

describe("codes of systems that are not at hand", () => {
  const observation = (system: string, code: string): JsonRecord => ({
    resourceType: "Observation",
    text: text("A."),
    status: "final",
    code: { coding: [{ system, code }] },
  });
  const wrong = ["code-unknown @ Observation.code.coding[0]"];
  it.each([
    ["http://loinc.org", "2339-0", "2339-1"],
    ["http://loinc.org", "4548-4", "A1C"],
    ["http://loinc.org", "LP29684-5", "LP-5"],
    ["http://snomed.info/sct", "44054006", "44054007"],
    ["http://snomed.info/sct", "266919005", "smoker"],
    ["http://snomed.info/sct", "77386006", "77368006"],
    ["http://snomed.info/sct", "83152002:405815000=122456005", "12"],
    ["http://www.nlm.nih.gov/research/umls/rxnorm", "582620", "aspirin"],
    ["http://hl7.org/fhir/sid/cvx", "158", "flu"],
  ])("of %s: %s may be one, %s cannot", (system, right, invented) => {
    expect(errorsOf(observation(system, right))).toEqual([]);
    expect(errorsOf(observation(system, invented))).toEqual(wrong);
  });
});

describe("the guide's profile for an Observation that claims none", () => {
  const chosen = (category: string, code: string): readonly string[] =>
    usCore().validateResource(
      {
        resourceType: "Observation",
        status: "final",
        category: [
          {
            coding: [
              { system: "http://terminology.hl7.org/CodeSystem/observation-category", code: category },
            ],
          },
        ],
        code: { coding: [{ system: "http://loinc.org", code }] },
      },
      { guideProfiles: true },
    ).assumedProfiles;
  it.each([
    ["vital-signs", "2708-6", "us-core-pulse-oximetry"],
    ["vital-signs", "59408-5", "us-core-pulse-oximetry"],
    ["vital-signs", "8478-0", "us-core-vital-signs"],
    ["vital-signs", "8867-4", "us-core-heart-rate"],
    ["social-history", "72166-2", "us-core-smokingstatus"],
  ])("of %s with %s is %s", (category, code, name) => {
    expect(chosen(category, code)).toEqual([usCoreProfile(name)]);
  });
  it("is not that of smoking for any other social history", () => {
    expect(chosen("social-history", "88122-7")).not.toContain(usCoreProfile("us-core-smokingstatus"));
  });
});
