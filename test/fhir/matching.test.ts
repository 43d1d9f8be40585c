import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchSpan, readDateValue, spanOf, spanOfValue } from "../../lib/fhir/matching/date.ts";
import { alternatives, escaped, matchValues } from "../../lib/fhir/matching/match.ts";
import { allOf, anyOf, type Match } from "../../lib/fhir/matching/truth.ts";
import { matchSearch } from "../../lib/checks/records/search-values.ts";

const base = "https://fhir.example.org/r4";

const instants = fc
  .date({ min: new Date("1900-01-01T00:00:00Z"), max: new Date("2100-01-01T00:00:00Z"), noInvalidDate: true })
  .map((date) => `${date.toISOString().slice(0, 19)}Z`);
/** The same date with less and less of it: to the second, day, month, year. */
const precisions = (instant: string) => [
  instant,
  instant.slice(0, 10),
  instant.slice(0, 7),
  instant.slice(0, 4),
];
const dates = instants.chain((instant) => fc.constantFrom(...precisions(instant)));

const date = (value: unknown, asked: string): Match =>
  matchValues([value], { type: "date", value: asked }, base);
const token = (value: unknown, asked: string): Match =>
  matchValues([value], { type: "token", value: asked }, base);
const text = (value: unknown, asked: string): Match =>
  matchValues([value], { type: "string", value: asked }, base);
const reference = (value: unknown, asked: string): Match =>
  matchValues([value], { type: "reference", value: asked }, base);
const not = (match: Match): Match => (match === "yes" ? "no" : match === "no" ? "yes" : "maybe");

describe("dates", () => {
  test("ge is the opposite of lt for instants, and le of gt", () => {
    fc.assert(
      fc.property(instants, instants, (value, asked) => {
        expect(date(value, `ge${asked}`)).toBe(not(date(value, `lt${asked}`)));
        expect(date(value, `le${asked}`)).toBe(not(date(value, `gt${asked}`)));
      }),
    );
  });

  test("ne is the opposite of eq, whatever the precisions", () => {
    fc.assert(
      fc.property(dates, dates, (value, asked) => {
        expect(date(value, `ne${asked}`)).toBe(not(date(value, asked)));
      }),
    );
  });

  test("a value is found by its own date, by eq, ge and le, and by neither gt nor lt", () => {
    fc.assert(
      fc.property(dates, (value) => {
        expect(["", "eq", "ge", "le"].map((prefix) => date(value, prefix + value))).toEqual([
          "yes",
          "yes",
          "yes",
          "yes",
        ]);
        expect([date(value, `gt${value}`), date(value, `lt${value}`)]).toEqual(["no", "no"]);
      }),
    );
  });

  test("asking for less precision never finds less", () => {
    const order: readonly Match[] = ["no", "maybe", "yes"];
    fc.assert(
      fc.property(instants, instants, (value, asked) => {
        // A day, month or year without a zone may be of any: only within UTC can they be compared in order.
        const found = precisions(asked)
          .slice(1)
          .map((less) => order.indexOf(date(value.slice(0, 10), less)));
        expect(found).toEqual(found.toSorted((a, b) => a - b));
      }),
    );
  });

  test("an instant is found by its day only as far as the zone of the day is known", () => {
    expect(date("2024-03-05T12:00:00Z", "2024-03-05")).toBe("maybe");
    expect(date("2024-03-05T12:00:00Z", "2024-03")).toBe("yes");
    expect(date("2024-03-05T12:00:00Z", "2024-03-07")).toBe("no");
    expect(date("2024-03-05T12:00:00Z", "gt2024-03-03")).toBe("yes");
  });

  test("a period matches by its ends, and an open end has none", () => {
    const period = { start: "2024-01-10", end: "2024-02-10" };
    expect(date(period, "2024")).toBe("yes");
    expect(date(period, "2024-01")).toBe("no");
    expect(date(period, "gt2024-02-01")).toBe("yes");
    expect(date(period, "lt2024-01-15")).toBe("yes");
    expect(date(period, "sa2024-02-15")).toBe("no");
    expect(date(period, "eb2024-02-11")).toBe("yes");
    expect(date({ start: "2024-01-10" }, "gt2999-01-01")).toBe("yes");
    expect(date({ start: "2024-01-10" }, "2024")).toBe("no");
  });

  test("only the outer limits of a Timing matter", () => {
    const timing = { event: ["2024-01-01", "2024-03-01"] };
    expect(date(timing, "2024")).toBe("yes");
    expect(date(timing, "gt2024-02-01")).toBe("yes");
    expect(date(timing, "2024-02")).toBe("no");
    expect(date({ repeat: { frequency: 1 } }, "2024")).toBe("maybe");
  });

  test("what is no date is none", () => {
    expect(spanOf("2024-02-30")).toBeUndefined();
    expect(spanOf("2024-13")).toBeUndefined();
    expect(spanOf("yesterday")).toBeUndefined();
    expect(readDateValue("gtsoon")).toBeUndefined();
    expect(spanOfValue({})).toBeUndefined();
  });

  test("the span of a date has the length of its precision", () => {
    fc.assert(
      fc.property(instants, (instant) => {
        const lengths = precisions(instant).map((one) => {
          const span = spanOf(one);
          return span === undefined ? 0 : span.end - span.start;
        });
        expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
        const span = spanOf(instant);
        expect(span === undefined ? "no" : matchSpan(span, "eq", span)).toBe("yes");
      }),
    );
  });
});

const codes = fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom(...Array.from("abc-123")) });
const systems = fc.constantFrom("http://loinc.org", "http://snomed.info/sct", "urn:oid:1.2.3");
const codings = fc.record({ system: systems, code: codes });
const concepts = fc.array(codings, { minLength: 1, maxLength: 3 }).map((coding) => ({ coding }));

describe("tokens", () => {
  test("every coding of a concept is found by its code and by system and code", () => {
    fc.assert(
      fc.property(concepts, (concept) => {
        for (const { system, code } of concept.coding) {
          expect(token(concept, code)).toBe("yes");
          expect(token(concept, `${system}|${code}`)).toBe("yes");
          expect(token(concept, `${system}|`)).toBe("yes");
          expect(token(concept, `|${code}`)).toBe("no");
        }
      }),
    );
  });

  test("alternatives find the union, and repetition the intersection", () => {
    fc.assert(
      fc.property(concepts, codes, codes, (concept, one, other) => {
        expect(token(concept, `${one},${other}`)).toBe(anyOf([token(concept, one), token(concept, other)]));
        const resource = { resourceType: "Observation", code: concept };
        expect(
          matchSearch(
            resource,
            [
              ["code", one],
              ["code", other],
            ],
            base,
          ),
        ).toBe(allOf([token(concept, one), token(concept, other)]));
      }),
    );
  });

  test("another system is another token, and the case of a code is left to its system", () => {
    const coding = { system: "http://loinc.org", code: "LA-b" };
    expect(token(coding, "http://snomed.info/sct|LA-b")).toBe("no");
    expect(token(coding, "la-B")).toBe("maybe");
    expect(token("final", "http://hl7.org/fhir/observation-status|final")).toBe("maybe");
    expect(token("final", "final")).toBe("yes");
    expect(token({ value: "12", system: "urn:a" }, "urn:a|12")).toBe("yes");
    expect(token({ code: "12" }, "|12")).toBe("yes");
  });
});

describe("strings", () => {
  const names = fc.string({
    minLength: 1,
    maxLength: 10,
    unit: fc.constantFrom(...Array.from("aäbßcéDŌ ñ-")),
  });
  test("every start of a text finds it, whatever the case and the accents", () => {
    fc.assert(
      fc.property(names, fc.nat(10), (name, length) => {
        const start = name.slice(0, Math.max(1, length));
        expect(text(name, escaped(start))).toBe("yes");
        expect(text(name, escaped(start.toLowerCase()))).toBe("yes");
        expect(text({ family: name }, escaped(start.normalize("NFD").replaceAll(/\p{Mn}/gu, "")))).toBe(
          "yes",
        );
      }),
    );
  });

  test("what stands nowhere is not found, and an inner word is left to the server", () => {
    expect(text({ given: ["Anna", "Maria"], family: "Otero" }, "Ot")).toBe("yes");
    expect(text({ family: "de la Cruz" }, "cruz")).toBe("maybe");
    expect(text({ given: ["Anna"] }, "nna")).toBe("no");
    expect(text("Smith, Jones", "Smith\\, J")).toBe("yes");
  });

  test("a comma that is escaped parts nothing", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, unit: fc.constantFrom("a", ",", "|", "$") }), { minLength: 1 }),
        (all) => {
          expect(alternatives(all.map(escaped).join(","))).toHaveLength(all.length);
        },
      ),
    );
  });
});

describe("references", () => {
  const id = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...Array.from("aB3.-")) });
  test("an id, a relative and an absolute reference find the same", () => {
    fc.assert(
      fc.property(id, id, (one, other) => {
        const wanted: Match = one === other ? "yes" : "no";
        for (const value of [`Patient/${one}`, `${base}/Patient/${one}`]) {
          for (const asked of [other, `Patient/${other}`, `${base}/Patient/${other}`])
            expect(reference({ reference: value }, asked)).toBe(wanted);
        }
      }),
    );
  });

  test("another type, another server and another form are told apart", () => {
    expect(reference({ reference: "Group/1" }, "Patient/1")).toBe("no");
    expect(reference({ reference: "https://elsewhere.example/r4/Patient/1" }, "Patient/1")).toBe("no");
    expect(reference({ reference: "Patient/1/_history/2" }, "Patient/1")).toBe("maybe");
    expect(reference({ reference: "#1" }, "1")).toBe("no");
    expect(reference({ identifier: { value: "1" } }, "1")).toBe("no");
    expect(reference("http://example.org/q|2.0", "http://example.org/q")).toBe("yes");
    expect(reference("http://example.org/q|2.0", "http://example.org/q|1.0")).toBe("no");
  });
});

describe("a search over a resource", () => {
  const condition = {
    resourceType: "Condition",
    id: "1",
    subject: { reference: "Patient/p" },
    onsetDateTime: "2024-03-05",
    category: [{ coding: [{ system: "urn:c", code: "problem-list-item" }] }],
    extension: [
      { url: "http://hl7.org/fhir/StructureDefinition/condition-assertedDate", valueDateTime: "2023-01-01" },
    ],
  };

  test.each([
    ["patient", "p", "yes"],
    ["patient", "Patient/p", "yes"],
    ["patient", "q", "no"],
    ["category", "problem-list-item", "yes"],
    ["onset-date", "ge2024", "yes"],
    ["onset-date", "lt2024", "no"],
    ["asserted-date", "2023", "yes"],
    ["abatement-date", "2023", "no"],
    ["_id", "1", "yes"],
    ["_lastUpdated", "gt2000", "no"],
    ["_count", "1", "yes"],
    ["no-such-parameter", "1", "maybe"],
  ])("%s=%s", (name, value, expected) => {
    expect(matchSearch(condition, [[name, value]], base)).toBe(expected);
  });
});
