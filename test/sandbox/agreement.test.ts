import { array, assert, constantFrom, integer, oneof, property, record, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { matchValues } from "../../lib/fhir/matching/match.ts";
import { apis } from "../../lib/sandbox/data.ts";
import { InvalidSearch, readComparison } from "../../lib/sandbox/fhir/match.ts";
import { valuesAt } from "../../lib/sandbox/fhir/paths.ts";
import { present } from "../../lib/sandbox/fhir/present.ts";
import type { Json, JsonObject } from "../../lib/sandbox/json.ts";
import { populate } from "../../lib/sandbox/population/population.ts";
import { resourceTypes, searchParameters } from "../../lib/sandbox/statement.ts";

// The harness and the sandbox share no code: each has read the rules of searching by itself. Where the harness is
// certain, the sandbox has to think the same.

const BASE = "https://fhir.example/base";
const STORED = "{base}";

/** What the harness thinks of values as they are shown, and the sandbox of them as they are stored. */
function opinions(
  values: readonly Json[],
  parameter: { readonly name: string; readonly type: string; readonly expression: string },
  asked: string,
  modifier?: string,
) {
  const shown = values.map((value) => present({ value }, BASE)["value"]);
  const harness = matchValues(
    shown,
    { type: parameter.type, value: asked, ...(modifier === undefined ? {} : { modifier }) },
    BASE,
  );
  let sandbox: "yes" | "no" | "refused";
  try {
    sandbox = readComparison({ parameter, modifier, value: asked, base: BASE })(values) ? "yes" : "no";
  } catch (error) {
    if (!(error instanceof InvalidSearch)) throw error;
    sandbox = "refused";
  }
  return { harness, sandbox };
}

const two = (count: number) => String(count).padStart(2, "0");
const zone = constantFrom("Z", "+00:00", "-06:00", "+05:30");
const date = tuple(
  integer({ min: 2024, max: 2026 }),
  integer({ min: 1, max: 12 }),
  integer({ min: 1, max: 28 }),
  integer({ min: 0, max: 23 }),
  integer({ min: 0, max: 59 }),
  zone,
  integer({ min: 0, max: 4 }),
).map(
  ([year, month, day, hour, second, offset, precision]) =>
    [
      `${year}`,
      `${year}-${two(month)}`,
      `${year}-${two(month)}-${two(day)}`,
      `${year}-${two(month)}-${two(day)}T${two(hour)}:00:${two(second)}${offset}`,
      `${year}-${two(month)}-${two(day)}T${two(hour)}:00:${two(second)}.250${offset}`,
    ].at(precision) ?? "",
);
const period = record({ start: date, end: date }, { requiredKeys: [] })
  .filter(({ start, end }) => start !== undefined || end !== undefined)
  .map((one): JsonObject => ({ ...one }));
const comparator = constantFrom("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb");

describe("the sandbox and the harness", () => {
  it("agree on dates, of any precision, in any zone, in periods open or closed", () => {
    const parameter = { name: "date", type: "date", expression: "Encounter.period" };
    assert(
      property(oneof(date, period), comparator, date, (value, prefix, asked) => {
        const { harness, sandbox } = opinions([value], parameter, `${prefix}${asked}`);
        if (harness !== "maybe") expect(sandbox).toBe(harness);
      }),
      { numRuns: 2000, endOnFailure: true },
    );
  });

  it("agree on tokens", () => {
    const parameter = { name: "code", type: "token", expression: "Observation.code" };
    const system = constantFrom("http://loinc.org", "http://snomed.info/sct", "urn:other");
    const code = constantFrom("1", "2-3", "a b", "a,b", "a|b");
    const coding = record({ system, code }, { requiredKeys: ["code"] }).map(
      (one): JsonObject => ({ ...one }),
    );
    const value = oneof(
      coding,
      array(coding, { maxLength: 3 }).map((all): JsonObject => ({ coding: all })),
      record({ system, value: code }, { requiredKeys: ["value"] }).map((one): JsonObject => ({ ...one })),
    );
    const escape = (text: string) => text.replaceAll(/[\\,$|]/g, String.raw`\$&`);
    const asked = array(
      oneof(
        code.map(escape),
        tuple(system, code).map(([one, other]) => `${one}|${escape(other)}`),
        code.map((one) => `|${escape(one)}`),
        system.map((one) => `${one}|`),
      ),
      { minLength: 1, maxLength: 3 },
    ).map((all) => all.join(","));
    assert(
      property(array(value, { maxLength: 2 }), asked, (values, text) => {
        const { harness, sandbox } = opinions(values, parameter, text);
        if (harness !== "maybe") expect(sandbox, text).toBe(harness);
      }),
      { numRuns: 1000, endOnFailure: true },
    );
  });

  it("agree on references, relative, absolute, versioned and elsewhere", () => {
    const parameter = { name: "patient", type: "reference", expression: "Goal.subject" };
    const path = tuple(constantFrom("Patient", "Practitioner"), constantFrom("1", "2")).map((parts) =>
      parts.join("/"),
    );
    const stored = oneof(
      path,
      path.map((one) => `${STORED}/${one}`),
      path.map((one) => `${one}/_history/1`),
      path.map((one) => `https://elsewhere.example/${one}`),
    );
    const asked = oneof(
      path,
      constantFrom("1", "2"),
      path.map((one) => `${BASE}/${one}`),
      path.map((one) => `https://elsewhere.example/${one}`),
    );
    assert(
      property(stored, asked, constantFrom(undefined, "Patient"), (reference, text, modifier) => {
        const { harness, sandbox } = opinions([{ reference }], parameter, text, modifier);
        if (harness !== "maybe") expect(sandbox, `${reference} ${text}`).toBe(harness);
      }),
      { numRuns: 500, endOnFailure: true },
    );
  });

  it("agree on texts", () => {
    const parameter = { name: "name", type: "string", expression: "Patient.name" };
    const word = constantFrom("Zoë", "zoe", "ZO", "Lindström", "O'Keefe", "lind", "Jr.");
    const name = record(
      {
        family: word,
        given: array(word, { minLength: 1, maxLength: 2 }),
        suffix: array(word, { minLength: 1, maxLength: 1 }),
      },
      { requiredKeys: [] },
    ).map((one): JsonObject => ({ ...one }));
    assert(
      property(oneof(name, word), word, (value, text) => {
        const { harness, sandbox } = opinions([value], parameter, text);
        if (harness !== "maybe") expect(sandbox, `${JSON.stringify(value)} ${text}`).toBe(harness);
      }),
      { numRuns: 500, endOnFailure: true },
    );
  });

  it("agree on every parameter of every type of the synthetic data, for values from the data themselves", () => {
    const [api] = apis();
    const population = populate("riverbend", 1, 3);
    let compared = 0;
    for (const type of api === undefined ? [] : resourceTypes(api)) {
      for (const parameter of api === undefined ? [] : searchParameters(api, type)) {
        const all = population.ofType(type).map((resource) => valuesAt(resource, parameter.expression));
        const asked = new Set(
          all
            .flat()
            .flatMap((value) => searchValuesOf(value, parameter.type))
            .slice(0, 40),
        );
        for (const text of asked) {
          for (const values of all) {
            const { harness, sandbox } = opinions(values, parameter, text);
            if (harness === "maybe") continue;
            compared += 1;
            expect(sandbox, `${type}.${parameter.name}=${text} of ${JSON.stringify(values)}`).toBe(harness);
          }
        }
      }
    }
    expect(compared).toBeGreaterThan(10_000);
  });
});

function searchValuesOf(value: Json, type: string): string[] {
  if (typeof value === "string")
    return type === "date" ? [value, `ge${value}`, `lt${value.slice(0, 7)}`] : [value];
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const { coding, code, value: identifier, system, reference, start, family, given } = value;
  if (Array.isArray(coding)) return coding.flatMap((one) => searchValuesOf(one, type));
  const texts = [code, identifier, start, family, ...(Array.isArray(given) ? given : [])].filter(
    (text) => typeof text === "string",
  );
  const [bare] = texts;
  if (type === "token" && typeof system === "string" && bare !== undefined) texts.push(`${system}|${bare}`);
  if (typeof reference === "string") texts.push(reference.replace(STORED, BASE));
  return texts;
}
