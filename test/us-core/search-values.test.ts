import { describe, expect, test } from "vitest";
import type { RecordedResource } from "../../lib/checks/records/records.ts";
import type { Resource } from "../../lib/fhir/resource.ts";
import { capped } from "../../suites/us-core/searching/judging.ts";
import { isTelling, valuesToAsk } from "../../suites/us-core/searching/values.ts";

const base = "https://fhir.example.org/r4";
const recorded = (resource: Resource): RecordedResource => ({
  resource,
  type: resource.resourceType,
  id: "1",
  patient: "p",
  exchange: "x0001",
  source: "search",
});
const texts = (resource: Resource, name: string) =>
  valuesToAsk(recorded(resource), name, base).map(({ text }) => text);

describe("values to search for", () => {
  test.each(["unknown", "UNK", "asked-unknown", "ASKU", "not-asked", " ", "temp-unknown", "NI", "masked"])(
    "are never %j",
    (code) => {
      expect(isTelling(code)).toBe(false);
    },
  );

  test("are no reasons for an absence, whatever their code", () => {
    const resource = {
      resourceType: "Observation",
      code: {
        coding: [
          { system: "http://terminology.hl7.org/CodeSystem/data-absent-reason", code: "something" },
          { system: "http://loinc.org", code: "8867-4" },
        ],
      },
    };
    expect(texts(resource, "code")).toEqual(["8867-4"]);
  });

  test("of a token come with their system, unless it is a plain code", () => {
    const resource = {
      resourceType: "Observation",
      status: "final",
      code: { coding: [{ system: "http://loinc.org", code: "8867-4" }, { code: "local" }] },
    };
    expect(valuesToAsk(recorded(resource), "code", base)).toEqual([
      { text: "8867-4", withSystem: "http://loinc.org|8867-4" },
      { text: "local" },
    ]);
    expect(valuesToAsk(recorded(resource), "status", base)).toEqual([{ text: "final" }]);
  });

  test("of a period are both its ends, and of what is no date nothing", () => {
    const period = { start: "2024-01-01T10:00:00Z", end: "2024-02" };
    expect(texts({ resourceType: "Encounter", period }, "date")).toEqual(["2024-01-01T10:00:00Z", "2024-02"]);
    expect(texts({ resourceType: "Encounter", period: { start: "soon" } }, "date")).toEqual([]);
  });

  test("of references are ids of this server only", () => {
    const to = (reference: string) =>
      texts({ resourceType: "Condition", encounter: { reference } }, "encounter");
    expect(to("Encounter/e")).toEqual(["e"]);
    expect(to(`${base}/Encounter/e`)).toEqual(["e"]);
    expect(to("https://elsewhere.example/r4/Encounter/e")).toEqual([]);
    expect(to("#e")).toEqual([]);
  });

  test("are escaped where a character would part them", () => {
    expect(texts({ resourceType: "Location", name: "Ward 3, East|Side" }, "name")).toEqual([
      String.raw`Ward 3\, East\|Side`,
    ]);
  });

  test("of a name begin with what tells people apart", () => {
    const name = [{ text: "Dr. Ada Lovelace", family: "Lovelace", given: ["Ada"] }];
    expect(texts({ resourceType: "Practitioner", name }, "name")[0]).toBe("Lovelace");
  });
});

test("findings of one kind are listed as far as people read, and all are counted", () => {
  const one = { code: "search.missing", expected: "all", actual: "one is missing" };
  const findings = capped(Array.from({ length: 12 }, () => one));
  expect(findings).toHaveLength(5);
  expect(findings.at(-1)?.actual).toBe("one is missing; and 7 more");
  expect(capped([one, one])).toHaveLength(2);
});
