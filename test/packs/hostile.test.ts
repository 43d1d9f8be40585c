import { array, assert, constantFrom, jsonValue, nat, oneof, property, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { packageCompiler } from "../../lib/validator/pack/compile.ts";
import { PackError } from "../../lib/validator/pack/errors.ts";
import { loadBuiltIn } from "../../lib/validator/pack/load.ts";
import { codeSystem, exampleUrl, profile, sourcesOf, valueSet, type Resource } from "./definitions.ts";

const r4 = loadBuiltIn([]);

const valid: readonly Resource[] = [
  profile("a", [
    {
      id: "Patient",
      path: "Patient",
      constraint: [{ key: "a-1", severity: "error", expression: "id.exists()" }],
    },
    {
      id: "Patient.identifier",
      path: "Patient.identifier",
      slicing: { discriminator: [{ type: "value", path: "system" }], rules: "open" },
    },
    { id: "Patient.identifier:x", path: "Patient.identifier", sliceName: "x", min: 1, max: "1" },
    { id: "Patient.identifier:x.system", path: "Patient.identifier.system", fixedUri: "urn:x" },
    { id: "Patient.deceasedBoolean", path: "Patient.deceasedBoolean", min: 1 },
    {
      id: "Patient.generalPractitioner",
      path: "Patient.generalPractitioner",
      type: [{ code: "Reference", targetProfile: ["urn:p"], _targetProfile: [null] }],
      binding: { strength: "required", valueSet: "urn:v" },
    },
  ]),
  profile("b", [{ path: "Patient.name" }, { path: "Patient.name.given", min: 1 }], {}, `${exampleUrl}/a`),
  codeSystem("c", [{ code: "p", property: [{ code: "q", valueCode: "r" }], concept: [{ code: "s" }] }]),
  valueSet("v", {
    include: [
      {
        system: "http://example.org/fhir/CodeSystem/c",
        filter: [{ property: "concept", op: "is-a", value: "p" }],
      },
      { valueSet: ["http://example.org/fhir/ValueSet/v"] },
    ],
    exclude: [{ system: "http://example.org/fhir/CodeSystem/c", concept: [{ code: "s" }] }],
  }),
];

/** All places in a JSON value: container and key. */
function places(
  value: unknown,
  into: [Record<string, unknown>, string][] = [],
): [Record<string, unknown>, string][] {
  if (typeof value !== "object" || value === null) return into;
  const container = value as Record<string, unknown>;
  for (const key of Object.keys(container)) {
    into.push([container, key]);
    places(container[key], into);
  }
  return into;
}

describe("definitions that are not what they should be", () => {
  it("give facts or a PackError in one line, never another error", () => {
    const spoiled = oneof(
      jsonValue(),
      constantFrom<unknown>(
        undefined,
        null,
        "",
        "*",
        "Patient.name[x]",
        "a.b:c/d.e",
        -1,
        1e9,
        [],
        {},
        [null],
        [[]],
      ),
    );
    assert(
      property(array(tuple(nat(), spoiled), { minLength: 1, maxLength: 4 }), (changes) => {
        const resources = structuredClone(valid);
        for (const [index, value] of changes) {
          const all = places(resources).slice(valid.length);
          const [container, key] = all[index % all.length] ?? [];
          if (container && key !== undefined) container[key] = value;
        }
        const compiler = packageCompiler("spoiled", sourcesOf(resources.filter(Boolean)), r4);
        for (const work of [
          ...["a", "b"].map((name) => () => compiler.structure(`${exampleUrl}/${name}`)),
          () => compiler.codeSystem("http://example.org/fhir/CodeSystem/c"),
          () => compiler.valueSet("http://example.org/fhir/ValueSet/v"),
          () => compiler.profileUrls("Patient"),
        ]) {
          try {
            work();
          } catch (error) {
            if (!(error instanceof PackError)) throw error;
            expect(error.message).not.toContain("\n");
          }
        }
      }),
      { numRuns: 600 },
    );
  });

  it("do not take long, whatever a filter's pattern", () => {
    const system = codeSystem("long", [{ code: "a".repeat(4_000) }]);
    for (const value of ["(a|a)*b", "(a|aa)+$", ".*.*.*.*.*b", "(?:a{1,9}){1,9}b"]) {
      const set = valueSet("slow", {
        include: [{ system: system["url"], filter: [{ property: "code", op: "regex", value }] }],
      });
      const facts = packageCompiler("slow", sourcesOf([system, set]), r4).valueSet(String(set["url"]));
      expect(facts?.unverifiable, value).toEqual([system["url"]]);
    }
  });

  it("do not exhaust the stack by a chain of profiles", () => {
    const chain = Array.from({ length: 3_000 }, (_, index) =>
      profile(`p${index}`, [], {}, `${exampleUrl}/p${index + 1}`),
    );
    const compiler = packageCompiler("chain", sourcesOf(chain), r4);
    expect(() => compiler.structure(`${exampleUrl}/p0`)).toThrow(PackError);
  });
});
