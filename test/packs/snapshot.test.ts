import { describe, expect, it } from "vitest";
import { packageCompiler, type PackageCompiler } from "../../lib/validator/pack/compile.ts";
import type { ElementFacts, StructureFacts } from "../../lib/validator/pack/format.ts";
import { loadBuiltIn } from "../../lib/validator/pack/load.ts";
import { readPackage } from "../../lib/validator/pack/package.ts";
import { needs, usCore311, usCore610 } from "./archives.ts";
import { exampleUrl, profile, sourcesOf, type Resource } from "./definitions.ts";

const r4 = loadBuiltIn([]);

function compile(...resources: Resource[]): PackageCompiler {
  return packageCompiler("test", sourcesOf(resources), r4);
}

function generate(...resources: Resource[]): StructureFacts {
  const facts = compile(...resources).structure(String(resources[0]?.["url"]));
  if (!facts) throw new Error("not compiled");
  return facts;
}

const element = (facts: StructureFacts, id: string): ElementFacts | undefined =>
  facts.elements.find((candidate) => candidate.id === id);

describe("a generated snapshot", () => {
  it("keeps the base and tightens what the differential says", () => {
    const facts = generate(
      profile("tight", [
        { id: "Patient.birthDate", path: "Patient.birthDate", min: 1, mustSupport: true },
        {
          id: "Patient.gender",
          path: "Patient.gender",
          binding: { strength: "required", valueSet: "urn:v" },
        },
        { id: "Patient.name.family", path: "Patient.name.family", maxLength: 20, patternString: "A" },
      ]),
    );
    expect(facts.elements.length).toBeGreaterThan(r4.type("Patient")?.elements.length ?? 0);
    expect(element(facts, "Patient.birthDate")).toMatchObject({ min: 1, max: 1, mustSupport: true });
    expect(element(facts, "Patient.gender")?.binding).toEqual({ strength: "required", valueSet: "urn:v" });
    expect(element(facts, "Patient.name.family")).toMatchObject({
      path: "Patient.name.family",
      basePath: "HumanName.family",
      maxLength: 20,
      pattern: { type: "String", value: "A" },
    });
    expect(element(facts, "Patient.photo")).toEqual(element(r4.type("Patient") ?? facts, "Patient.photo"));
  });

  it("slices, with the implied discriminators of extensions and choices", () => {
    const facts = generate(
      profile("sliced", [
        {
          id: "Patient.extension:race",
          path: "Patient.extension",
          sliceName: "race",
          max: "1",
          type: [
            { code: "Extension", profile: ["http://hl7.org/fhir/StructureDefinition/patient-birthPlace"] },
          ],
        },
        {
          id: "Patient.deceased[x]:deceasedBoolean",
          path: "Patient.deceased[x]",
          sliceName: "deceasedBoolean",
        },
        {
          id: "Patient.identifier",
          path: "Patient.identifier",
          slicing: { discriminator: [{ type: "value", path: "system" }], rules: "closed", ordered: true },
        },
        { id: "Patient.identifier:mrn", path: "Patient.identifier", sliceName: "mrn", min: 1 },
        {
          id: "Patient.identifier:mrn.system",
          path: "Patient.identifier.system",
          min: 1,
          fixedUri: "urn:mrn",
        },
        { id: "Patient.identifier:mrn/old", path: "Patient.identifier", sliceName: "mrn/old", max: "1" },
      ]),
    );
    expect(element(facts, "Patient.extension")?.slicing).toEqual({
      discriminators: [{ type: "value", path: "url" }],
      ordered: false,
      rules: "open",
    });
    expect(element(facts, "Patient.deceased[x]")?.slicing?.discriminators).toEqual([
      { type: "type", path: "$this" },
    ]);
    expect(element(facts, "Patient.deceased[x]:deceasedBoolean")?.types).toEqual([{ code: "boolean" }]);
    expect(element(facts, "Patient.identifier")?.slicing).toMatchObject({ rules: "closed", ordered: true });
    expect(element(facts, "Patient.identifier:mrn")).toMatchObject({ min: 1, sliceName: "mrn" });
    expect(element(facts, "Patient.identifier:mrn.system")?.fixed).toEqual({ type: "Uri", value: "urn:mrn" });
    // A re-slice starts from its slice.
    expect(element(facts, "Patient.identifier:mrn/old.system")?.fixed?.value).toBe("urn:mrn");
    expect(element(facts, "Patient.identifier:mrn/old")).toMatchObject({ min: 0, max: 1 });
    const ids = facts.elements.map((candidate) => candidate.id);
    expect(ids.indexOf("Patient.identifier:mrn/old")).toBeGreaterThan(
      ids.indexOf("Patient.identifier:mrn.system"),
    );
  });

  it("takes valueQuantity for a type slice, closed where that type is mandatory", () => {
    const observation = (min: number) =>
      generate(
        profile(
          `observation-${min}`,
          [{ id: "Observation.valueQuantity", path: "Observation.valueQuantity", min }],
          { type: "Observation" },
          "http://hl7.org/fhir/StructureDefinition/Observation",
        ),
      );
    const open = observation(0);
    expect(element(open, "Observation.value[x]")?.slicing?.rules).toBe("open");
    expect(element(open, "Observation.value[x]")?.types).toHaveLength(11);
    expect(element(open, "Observation.value[x]:valueQuantity")?.types).toEqual([{ code: "Quantity" }]);
    const closed = observation(1);
    expect(element(closed, "Observation.value[x]")).toMatchObject({
      min: 1,
      types: [{ code: "Quantity" }],
      slicing: { rules: "closed" },
    });
  });

  it("reaches through content references and profiles of datatypes", () => {
    const facts = generate(
      profile(
        "reaching",
        [
          {
            id: "Observation.component.referenceRange.low",
            path: "Observation.component.referenceRange.low",
            min: 1,
          },
          {
            id: "Observation.referenceRange.low.value",
            path: "Observation.referenceRange.low.value",
            min: 1,
          },
        ],
        { type: "Observation" },
        "http://hl7.org/fhir/StructureDefinition/Observation",
      ),
    );
    const range = element(facts, "Observation.component.referenceRange");
    expect(range?.contentReference).toBeUndefined();
    expect(range?.types).toEqual([{ code: "BackboneElement" }]);
    expect(element(facts, "Observation.component.referenceRange.low")?.min).toBe(1);
    expect(element(facts, "Observation.referenceRange.low.value")?.min).toBe(1);
    // low is a SimpleQuantity, which forbids a comparator.
    expect(element(facts, "Observation.referenceRange.low.comparator")?.max).toBe(0);
  });

  it("inherits from a profile that is generated too, and adds constraints to its", () => {
    const parent = profile("parent", [
      {
        id: "Patient",
        path: "Patient",
        constraint: [{ key: "p-1", severity: "error", human: "x", expression: "name.exists()" }],
      },
      { id: "Patient.active", path: "Patient.active", min: 1, mustSupport: true },
    ]);
    const child = profile(
      "child",
      [
        {
          id: "Patient",
          path: "Patient",
          constraint: [{ key: "c-1", severity: "warning", human: "x", expression: "active" }],
        },
      ],
      {},
      String(parent["url"]),
    );
    const facts = generate(child, parent);
    expect(element(facts, "Patient.active")).toMatchObject({ min: 1, mustSupport: true });
    const constraints = element(facts, "Patient")?.constraints ?? [];
    expect(constraints.find((constraint) => constraint.key === "p-1")?.source).toBe(parent["url"]);
    expect(constraints.find((constraint) => constraint.key === "c-1")?.source).toBe(child["url"]);
    expect(constraints.map((constraint) => constraint.key)).toContain("dom-2");
  });

  it("does without element ids", () => {
    const facts = generate(
      profile("idless", [
        { path: "Patient" },
        {
          path: "Patient.contact",
          slicing: { discriminator: [{ type: "value", path: "gender" }], rules: "open" },
        },
        { path: "Patient.contact", sliceName: "mother", min: 1 },
        { path: "Patient.contact.gender", min: 1, fixedCode: "female" },
        { path: "Patient.link", max: "0" },
      ]),
    );
    expect(element(facts, "Patient.contact:mother.gender")?.fixed).toEqual({ type: "Code", value: "female" });
    expect(element(facts, "Patient.contact.gender")?.fixed).toBeUndefined();
    expect(element(facts, "Patient.link")?.max).toBe(0);
  });

  const bad: readonly [string, readonly Resource[], string, RegExp][] = [
    [
      "an element that the base does not have",
      [profile("bad", [{ id: "Patient.colour", path: "Patient.colour", min: 1 }])],
      "bad-differential",
      /^http:\/\/example\.org\/fhir\/StructureDefinition\/bad\.json: element "Patient\.colour" is not in the base/,
    ],
    [
      "a slice of what is not sliced",
      [profile("bad", [{ id: "Patient.name:a", path: "Patient.name", sliceName: "a" }])],
      "bad-differential",
      /is not sliced/,
    ],
    [
      "a base that is nowhere",
      [profile("bad", [], {}, "urn:nowhere")],
      "missing-dependency",
      /"urn:nowhere"/,
    ],
    [
      "profiles that derive from each other",
      [profile("bad", [], {}, `${exampleUrl}/b`), profile("b", [], {}, `${exampleUrl}/bad`)],
      "bad-differential",
      /derives from itself/,
    ],
    [
      "children of a choice of types",
      [profile("bad", [{ id: "Patient.deceased[x].id", path: "Patient.deceased[x].id", max: "0" }])],
      "bad-differential",
      /several types/,
    ],
    [
      "a cardinality that is no number",
      [profile("bad", [{ id: "Patient.name", path: "Patient.name", max: "many" }])],
      "bad-definition",
      /maximum "many"/,
    ],
    [
      "elements that are no array",
      [profile("bad", [], { differential: { element: {} } })],
      "bad-definition",
      /array/,
    ],
  ];
  for (const [what, resources, code, message] of bad) {
    it(`is refused for ${what}, in one line`, () => {
      const attempt = () => generate(...resources);
      expect(attempt).toThrow(expect.objectContaining({ name: "PackError", code }));
      expect(attempt).toThrow(message);
      expect(attempt).not.toThrow(/\n/);
    });
  }

  it("does not unfold without end", () => {
    const path = `Extension${".extension".repeat(60)}`;
    const attempt = () =>
      generate(
        profile(
          "deep",
          [{ id: path, path, max: "0" }],
          { type: "Extension", kind: "complex-type" },
          "http://hl7.org/fhir/StructureDefinition/Extension",
        ),
      );
    expect(attempt).toThrow(/too deep/);
  });
});

/** Facts as compared: a content reference by its element, constraints in any order. */
function comparable(facts: StructureFacts): ReadonlyMap<string, Readonly<Record<string, unknown>>> {
  return new Map(
    facts.elements.map((facts) => [
      facts.id,
      {
        ...facts,
        contentReference: facts.contentReference?.replace(/^.*#/, "#"),
        constraints: (facts.constraints ?? [])
          .map(({ key, expression }) => `${key} ${expression}`)
          .toSorted(),
      },
    ]),
  );
}

/** `id: property` for each fact of an element that differs, `id: missing` and `id: added` for elements. */
function differences(official: StructureFacts, generated: StructureFacts): string[] {
  const expected = comparable(official);
  const actual = comparable(generated);
  const found: string[] = [];
  for (const [id, facts] of expected) {
    const other = actual.get(id);
    if (!other) {
      found.push(`${id}: missing`);
      continue;
    }
    for (const key of new Set([...Object.keys(facts), ...Object.keys(other)])) {
      if (JSON.stringify(facts[key]) !== JSON.stringify(other[key])) found.push(`${id}: ${key}`);
    }
  }
  for (const id of actual.keys()) if (!expected.has(id)) found.push(`${id}: added`);
  return found;
}

/** Structure → differences to the official snapshots, all of them due to the publisher of 2020. */
async function compareWithOfficial(archive: string) {
  const { resources } = await readPackage(archive);
  const official = packageCompiler("official", resources, r4);
  const generated = packageCompiler(
    "generated",
    resources.map(({ file, resource }) => ({
      file,
      resource: Object.assign({}, resource, { snapshot: undefined }),
    })),
    r4,
  );
  const found: Record<string, string[]> = {};
  let same = 0;
  for (const [url, expected] of official.compileStructures()) {
    const name = url.slice(url.lastIndexOf("/") + 1);
    try {
      const facts = generated.structure(url);
      const list = facts ? differences(expected, facts) : ["not generated"];
      if (list.length === 0) same += 1;
      else found[name] = list;
    } catch (error) {
      found[name] = [error instanceof Error && "code" in error ? String(error.code) : String(error)];
    }
  }
  return { same, found };
}

describe("snapshots generated for US Core", () => {
  it.skipIf(!usCore610)(
    `equal the official ones of 6.1.0${needs(usCore610, "hl7.fhir.us.core-6.1.0.tgz")}`,
    async () => {
      const { same, found } = await compareWithOfficial(usCore610 ?? "");
      // Its base is of Structured Data Capture, which is in no package here.
      expect(found).toEqual({ "us-core-questionnaireresponse": ["missing-dependency"] });
      expect(same).toBe(58);
    },
  );

  it.skipIf(!usCore311)(
    `equal the official ones of 3.1.1, but for what publishers did in 2020${needs(usCore311, "hl7.fhir.us.core-3.1.1.tgz")}`,
    async () => {
      const { same, found } = await compareWithOfficial(usCore311 ?? "");
      // `valueQuantity` in a differential then meant that type alone; since then it slices and leaves others open.
      const narrowed = (id: string) => [`${id}: slicing`, `${id}: types`];
      const sorted = Object.fromEntries(Object.entries(found).map(([name, list]) => [name, list.toSorted()]));
      expect(sorted["head-occipital-frontal-circumference-percentile"]).toEqual(
        narrowed("Observation.value[x]"),
      );
      expect(sorted["pediatric-bmi-for-age"]).toEqual(narrowed("Observation.value[x]"));
      expect(sorted["pediatric-weight-for-height"]).toEqual(narrowed("Observation.value[x]"));
      expect(sorted["us-core-goal"]).toEqual(narrowed("Goal.target.due[x]"));
      // It copied a slice where the base's own element is meant.
      expect(sorted["us-core-provenance"]).toEqual(["Provenance.entity.agent: contentReference"]);
      // It spelled out the parts of extensions' extensions, which the differential does not reach.
      for (const name of ["us-core-ethnicity", "us-core-race"]) {
        const others = sorted[name]?.filter(
          (line) => !/^Extension\.extension:\w+\.extension\.[\w[\]]+: missing$/.test(line),
        );
        const slices =
          name === "us-core-race"
            ? [
                "Extension.extension:detailed.value[x]: binding",
                "Extension.extension:detailed.value[x]: slicing",
                "Extension.extension:detailed.value[x]:valueCoding: missing",
                "Extension.extension:ombCategory.value[x]: binding",
                "Extension.extension:ombCategory.value[x]: slicing",
                "Extension.extension:ombCategory.value[x]:valueCoding: missing",
                "Extension.extension:text.value[x]: slicing",
                "Extension.extension:text.value[x]:valueString: missing",
              ]
            : [];
        expect(others, name).toEqual(slices);
      }
      expect(Object.keys(found)).toHaveLength(7);
      expect(same).toBe(23);
    },
  );
});
