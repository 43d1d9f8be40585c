import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bundle, patient, usCore } from "./resources.ts";

const NAMES = [
  "resourceType",
  "id",
  "meta",
  "text",
  "extension",
  "url",
  "valueString",
  "valueCoding",
  "name",
  "_name",
  "given",
  "_given",
  "identifier",
  "contained",
  "entry",
  "resource",
  "reference",
  "subject",
  "code",
  "coding",
  "system",
  "__proto__",
  "constructor",
  "toString",
  "div",
  "component",
  "valueQuantity",
  "item",
  "birthDate",
  "_birthDate",
  "profile",
  "fullUrl",
  "type",
];
const TYPES = [
  "Patient",
  "Observation",
  "Bundle",
  "Practitioner",
  "Questionnaire",
  "Parameters",
  "Resource",
  "Nobody",
];
const TEXTS = [
  "",
  " ",
  "#",
  "#a",
  "a",
  "final",
  "2020-02-30",
  "<div",
  "http://a.example.org",
  "Patient/1",
  "urn:uuid:1",
  ...TYPES,
];

const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(...TEXTS),
  fc.string(),
);
const key = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...NAMES) },
  { weight: 1, arbitrary: fc.string() },
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, withCrossShrink: false },
    leaf,
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(key, tie("tree"), { maxKeys: 6 }),
  ),
}));
const document = fc.oneof(
  tree,
  fc
    .tuple(fc.constantFrom(...TYPES), fc.dictionary(key, tree, { maxKeys: 8 }))
    .map(([resourceType, rest]) => ({ ...rest, resourceType })),
);

describe("hostile input", () => {
  it("never makes the validator throw or stop half-way: 10,000 random documents", () => {
    const validator = usCore();
    fc.assert(
      fc.property(document, (value) => {
        const text = JSON.stringify(value);
        const result = validator.validateText(text, { guideProfiles: true });
        expect(result.findings.map(({ rule }) => rule)).not.toContain("validation-stopped");
        expect(result.valid).toBe(result.counts.error + result.counts.fatal === 0);
      }),
      { numRuns: 10_000, seed: 20261122 },
    );
  }, 120_000);

  it("survives text that is no JSON, and quotes nothing of it", () => {
    const result = usCore().validateText('{"resourceType":"Patient","name":[{"family":"Secret');
    expect(result).toMatchObject({ valid: false, counts: { fatal: 1 } });
    expect(result.findings[0]?.rule).toBe("json-syntax");
    expect(result.findings[0]?.message).not.toContain("Secret");
  });

  it("accepts a byte order mark", () => {
    expect(usCore().validateText(`\ufeff${JSON.stringify(patient())}`).valid).toBe(true);
  });

  it("says that what is nested too deep was not checked", () => {
    let extension: unknown = { url: "http://a.example.org", valueString: "x" };
    for (let level = 0; level < 50_000; level++)
      extension = { url: "http://a.example.org", extension: [extension] };
    const result = usCore().validateResource({ ...patient(), extension: [extension] });
    expect(result.findings.map(({ rule }) => rule)).toContain("json-too-deep");
    expect(result.valid).toBe(false);
  });

  it("survives text nested deeper than any stack", () => {
    const depth = 200_000;
    const text = `{"resourceType":"Patient","extension":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    expect(usCore().validateText(text).valid).toBe(false);
  });

  it("counts every finding, whatever is shown", () => {
    const names = Array.from({ length: 500 }, () => ({ nick: "a", use: "no" }));
    const all = usCore().validateResource({ ...patient(), name: names });
    const few = usCore().validateResource({ ...patient(), name: names }, { maxFindings: 3 });
    expect(few.findings).toHaveLength(3);
    expect(few.counts).toEqual(all.counts);
    expect(all.counts.error).toBeGreaterThanOrEqual(1000);
  });

  it("reads each narrative and reference once, however they repeat themselves", () => {
    const div = (inner: string) => `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>`;
    const texts = [
      "<!--",
      "<!-- &amp;",
      "<![CDATA[",
      "&amp;",
      "&",
      "<p a='b' ",
      "<p>",
      "<a href='&amp;",
      "   ",
    ];
    for (const text of texts) {
      const resource = { ...patient(), text: { status: "generated", div: div(text.repeat(50_000)) } };
      expect(usCore().validateResource(resource).counts.fatal).toBe(0);
    }
    for (const text of ["/Aa/b#", "Aa/", "#", "a:", "http://", "urn:uuid:", "?"]) {
      const resource = { ...patient(), managingOrganization: { reference: `${text.repeat(50_000)}\n` } };
      expect(usCore().validateResource(resource).valid).toBe(false);
    }
  });

  it("ends in a circle of references", () => {
    const resource = bundle();
    const profile = ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-careteam"];
    const team = (id: string, other: string) => ({
      fullUrl: `http://a.example.org/CareTeam/${id}`,
      resource: {
        resourceType: "CareTeam",
        id,
        meta: { profile },
        subject: { reference: `CareTeam/${other}` },
        participant: [{ member: { reference: `CareTeam/${other}` }, role: [{ text: "a" }] }],
      },
    });
    resource["entry"] = [team("a", "b"), team("b", "a")] as never;
    expect(usCore().validateResource(resource).valid).toBe(false);
  });
});

describe("what only the text tells", () => {
  const text = (inner: string): string => JSON.stringify(patient()).replace('"active":true', inner);
  const rules = (inner: string) =>
    usCore()
      .validateText(text(inner))
      .findings.filter(({ severity }) => severity === "error")
      .map(({ rule, expression }) => `${rule} @ ${expression}`);

  it("finds a key that stands twice", () => {
    expect(rules('"active":true,"active":true')).toEqual(["json-duplicate-key @ Patient"]);
    expect(rules('"active":true,"maritalStatus":{"text":"a","text":"b"}')).toEqual([
      "json-duplicate-key @ Patient.maritalStatus",
    ]);
    expect(rules('"active":true,"photo":[{"title":"a"},{"title":"a","ti\\u0074le":"b"}]')).toEqual([
      "json-duplicate-key @ Patient.photo[1]",
    ]);
  });

  it("finds keys that stand twice below what it does not know", () => {
    expect(rules('"active":true,"unknown":{"a":1,"a":2}')).toEqual([
      "element-unknown @ Patient",
      "json-duplicate-key @ Patient.unknown",
    ]);
  });

  it("does not take quoted text for keys", () => {
    expect(rules('"active":true,"maritalStatus":{"text":"\\"text\\": \\\\"}')).toEqual([]);
  });

  it("finds an integer written as a decimal", () => {
    expect(rules('"active":true,"multipleBirthInteger":2.0')).toEqual([
      "json-number-form @ Patient.multipleBirth.ofType(integer)",
    ]);
    expect(rules('"active":true,"multipleBirthInteger":2e0')).toHaveLength(1);
    expect(rules('"active":true,"multipleBirthInteger":2')).toEqual([]);
  });

  it("leaves decimals as they are written", () => {
    const observation = {
      resourceType: "Observation",
      text: patient()["text"],
      status: "final",
      code: { text: "a" },
      valueQuantity: { value: 72.5, unit: "kg" },
    };
    for (const written of [
      "72.50",
      "72.0",
      "7.2e1",
      "0.000000000000000001",
      "12345678901234567890.5",
      "-0.0",
    ]) {
      const source = JSON.stringify(observation).replace("72.5", written);
      expect([written, ...usCore().validateText(source).findings]).toEqual([written]);
    }
  });
});
