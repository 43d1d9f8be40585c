import { assert, constant, constantFrom, dictionary, oneof, property, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { packageCompiler } from "../../lib/validator/pack/compile.ts";
import type { ValueSetFacts } from "../../lib/validator/pack/format.ts";
import { loadBuiltIn } from "../../lib/validator/pack/load.ts";
import {
  difference,
  intersection,
  membershipFacts,
  setOfFacts,
  systemSet,
  union,
  unknownSet,
  type CodeSet,
  type Truth,
} from "../../lib/validator/pack/membership.ts";
import { codeSystem, sourcesOf, valueSet, type Resource } from "./definitions.ts";

const animals = "http://example.org/fhir/CodeSystem/animals";
const animal = codeSystem("animals", [
  {
    code: "mammal",
    property: [{ code: "legs", valueInteger: 4 }],
    concept: [
      { code: "dog", property: [{ code: "pet", valueBoolean: true }], concept: [{ code: "poodle" }] },
      { code: "whale" },
    ],
  },
  { code: "bird", property: [{ code: "legs", valueInteger: 2 }] },
]);

function compile(compose: unknown, others: readonly Resource[] = [], more: Resource = {}): ValueSetFacts {
  const set = valueSet("it", compose, more);
  const compiler = packageCompiler("test", sourcesOf([animal, set, ...others]), loadBuiltIn([]));
  const facts = compiler.valueSet(String(set["url"]));
  if (!facts) throw new Error("not compiled");
  return facts;
}

const filtered = (property: string, op: string, value: string) =>
  compile({ include: [{ system: animals, filter: [{ property, op, value }] }] }).include[animals];

/** The rule that the format states. */
function member(facts: ValueSetFacts, system: string, code: string): Truth {
  if (facts.exclude?.[system]?.includes(code)) return 0;
  const included = facts.include[system];
  if (included === "*" || included?.includes(code)) return 2;
  return facts.unverifiable?.includes(system) || facts.unknownValueSets ? 1 : 0;
}

describe("value sets", () => {
  it("take a whole system, listed codes, and leave out excluded ones", () => {
    expect(compile({ include: [{ system: animals }] }).include).toEqual({ [animals]: "*" });
    expect(compile({ include: [{ system: animals, concept: [{ code: "dog" }] }] }).include).toEqual({
      [animals]: ["dog"],
    });
    expect(
      compile({ include: [{ system: animals }], exclude: [{ system: animals, concept: [{ code: "dog" }] }] })
        .include,
    ).toEqual({ [animals]: ["bird", "mammal", "poodle", "whale"] });
  });

  it("evaluate filters over a known hierarchy", () => {
    expect(filtered("concept", "is-a", "mammal")).toEqual(["dog", "mammal", "poodle", "whale"]);
    expect(filtered("concept", "descendent-of", "mammal")).toEqual(["dog", "poodle", "whale"]);
    expect(filtered("concept", "is-not-a", "mammal")).toEqual(["bird"]);
    expect(filtered("concept", "generalizes", "poodle")).toEqual(["dog", "mammal", "poodle"]);
    expect(filtered("concept", "in", "dog, bird")).toEqual(["bird", "dog"]);
    expect(filtered("concept", "not-in", "dog,bird")).toEqual(["mammal", "poodle", "whale"]);
    expect(filtered("code", "regex", ".*le")).toEqual(["poodle", "whale"]);
    expect(filtered("legs", "=", "4")).toEqual(["mammal"]);
    expect(filtered("pet", "exists", "true")).toEqual(["dog"]);
    expect(filtered("pet", "exists", "false")).toEqual(["bird", "mammal", "poodle", "whale"]);
    expect(filtered("parent", "=", "dog")).toEqual(["poodle"]);
  });

  it("say that a filter is not verifiable rather than guess", () => {
    for (const [property, op, value] of [
      ["wings", "=", "2"],
      ["concept", "child-of", "mammal"],
      ["code", "regex", "(a+)+$"],
      ["code", "regex", "("],
    ] as const) {
      const facts = compile({ include: [{ system: animals, filter: [{ property, op, value }] }] });
      expect(facts.include, `${property} ${op}`).toEqual({});
      expect(facts.unverifiable).toEqual([animals]);
    }
    const snomed = compile({
      include: [
        { system: "http://snomed.info/sct", filter: [{ property: "concept", op: "is-a", value: "1" }] },
        { system: "http://snomed.info/sct", concept: [{ code: "2" }] },
      ],
      exclude: [{ system: "http://snomed.info/sct", concept: [{ code: "3" }] }],
    });
    expect(snomed.include).toEqual({ "http://snomed.info/sct": ["2"] });
    expect(snomed.unverifiable).toEqual(["http://snomed.info/sct"]);
    expect(snomed.exclude).toEqual({ "http://snomed.info/sct": ["3"] });
  });

  it("are joined, and crossed where one include names several", () => {
    const pets = valueSet("pets", {
      include: [{ system: animals, concept: [{ code: "dog" }, { code: "bird" }] }],
    });
    const url = String(pets["url"]);
    expect(compile({ include: [{ valueSet: [url] }] }, [pets]).include).toEqual({
      [animals]: ["bird", "dog"],
    });
    const crossed = {
      include: [
        {
          system: animals,
          filter: [{ property: "concept", op: "is-a", value: "mammal" }],
          valueSet: [url],
        },
      ],
    };
    expect(compile(crossed, [pets]).include).toEqual({ [animals]: ["dog"] });
    const r4 = compile({
      include: [{ valueSet: ["http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"] }],
    });
    expect(r4.include).toEqual({ "http://hl7.org/fhir/administrative-gender": "*" });
  });

  it("know nothing of a value set that is nowhere, and come to an end where sets include each other", () => {
    const absent = "http://example.org/fhir/ValueSet/absent";
    const facts = compile({
      include: [{ valueSet: [absent] }, { system: animals, concept: [{ code: "dog" }] }],
    });
    expect(facts.include).toEqual({ [animals]: ["dog"] });
    expect(facts.unknownValueSets).toEqual([absent]);
    expect(facts.unverifiable).toEqual([absent]);
    const other = valueSet("other", { include: [{ valueSet: ["http://example.org/fhir/ValueSet/it"] }] });
    expect(compile({ include: [{ valueSet: [String(other["url"])] }] }, [other]).include).toEqual({});
  });

  it("fall back to an expansion only where it is complete", () => {
    const compose = { include: [{ valueSet: ["http://example.org/fhir/ValueSet/absent"] }] };
    const contains = [{ system: animals, code: "dog" }];
    expect(compile(compose, [], { expansion: { total: 1, contains } })).toMatchObject({
      include: { [animals]: ["dog"] },
    });
    expect(compile(compose, [], { expansion: { total: 2, contains } }).include).toEqual({});
    expect(
      compile(compose, [], { expansion: { contains, parameter: [{ name: "count", valueInteger: 1 }] } })
        .include,
    ).toEqual({});
  });

  it("do not believe a code system of another version", () => {
    const facts = compile(
      {
        include: [
          { system: animals, version: "2", filter: [{ property: "concept", op: "is-a", value: "dog" }] },
        ],
      },
      [],
    );
    expect(facts.include[animals]).toEqual(["dog", "poodle"]);
    const versioned = codeSystem("versioned", [{ code: "a" }], { version: "1" });
    const system = String(versioned["url"]);
    const other = compile(
      { include: [{ system, version: "2", filter: [{ property: "concept", op: "is-a", value: "a" }] }] },
      [versioned],
    );
    expect(other.unverifiable).toEqual([system]);
  });
});

describe("code systems", () => {
  it("keep codes, hierarchy, case rule and completeness", () => {
    const compiler = packageCompiler("test", sourcesOf([animal]), undefined);
    expect(compiler.codeSystem(animals)).toEqual({
      url: animals,
      caseSensitive: true,
      content: "complete",
      codes: ["mammal", "dog", "poodle", "whale", "bird"],
      parents: { dog: ["mammal"], poodle: ["dog"], whale: ["mammal"] },
    });
  });

  it("of HL7 Terminology are marked as kept apart from R4", () => {
    const source = loadBuiltIn([]);
    const category = source.codeSystem("http://terminology.hl7.org/CodeSystem/observation-category");
    expect(category?.separatelyMaintained).toBe(true);
    expect(
      source.codeSystem("http://hl7.org/fhir/administrative-gender")?.separatelyMaintained,
    ).toBeUndefined();
  });
});

describe("sets of codes of which some are unknown", () => {
  const systems = ["s", "t"];
  const codes = ["a", "b", "c"];
  const truth = constantFrom<Truth>(0, 1, 2);
  const simple = oneof(
    tuple(constantFrom(...systems), dictionary(constantFrom("a", "b"), truth), truth).map(
      ([system, named, others]) => systemSet(system, Object.entries(named), others),
    ),
    constant(unknownSet("v")),
  );
  const believes = (set: CodeSet, system: string, code: string): Truth => {
    const part = set.systems.get(system);
    if (!part) return set.unknown.length > 0 ? 1 : 0;
    return part.named.get(code) ?? part.others;
  };
  const every = (check: (system: string, code: string) => void) => {
    for (const system of [...systems, "u"]) for (const code of codes) check(system, code);
  };

  it("follow three-valued logic", () => {
    assert(
      property(simple, simple, (left, right) => {
        every((system, code) => {
          const a = believes(left, system, code);
          const b = believes(right, system, code);
          expect(believes(union(left, right), system, code)).toBe(Math.max(a, b));
          expect(believes(intersection(left, right), system, code)).toBe(Math.min(a, b));
          expect(believes(difference(left, right), system, code)).toBe(Math.min(a, 2 - b));
        });
      }),
    );
  });

  it("never claim more on disk than is known, and lose no certain member that can be listed", () => {
    assert(
      property(simple, simple, (left, right) => {
        const set = union(left, right);
        const facts: ValueSetFacts = { url: "v", ...membershipFacts(set, () => undefined) };
        every((system, code) => {
          const known = believes(set, system, code);
          const stated = member(facts, system, code);
          if (stated !== 1) expect(stated).toBe(known);
          if (known === 1) expect(stated).toBe(1);
          expect(believes(setOfFacts(facts), system, code)).toBe(stated);
        });
      }),
    );
  });
});
