import { describe, expect, it } from "vitest";
import { loadBuiltIn } from "../../lib/validator/pack/load.ts";
import { codeTest } from "../../lib/validator/terminologies.ts";

describe("membership in US Core's value sets", () => {
  const definitions = loadBuiltIn(["us-core-6.1.0"]);
  const test = (name: string) => codeTest(definitions, `http://hl7.org/fhir/us/core/ValueSet/${name}`);
  const nullFlavors = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";
  const races = "urn:oid:2.16.840.1.113883.6.238";

  it("is certain for birth sex where US Core says it, and for what is in no system it draws on", () => {
    const sexes = test("birthsex");
    expect(["F", "M", "UNK"].map((code) => sexes.bare(code))).toEqual(["in", "in", "in"]);
    expect(sexes.bare("X")).toBe("out");
    expect(sexes.bare("OTH")).toBe("unknown");
    expect(sexes.coding(nullFlavors, "OTH")).toBe("unknown");
    expect(sexes.coding(nullFlavors, "X")).toBe("out");
    expect(sexes.coding("http://hl7.org/fhir/administrative-gender", "male")).toBe("out");
  });

  it("is certain for the categories of race and ethnicity, and open for the detailed codes", () => {
    expect(test("omb-race-category").coding(races, "2106-3")).toBe("in");
    expect(test("omb-race-category").coding(races, "2135-2")).toBe("out");
    expect(test("omb-ethnicity-category").coding(races, "2135-2")).toBe("in");
    expect(test("omb-ethnicity-category").coding(nullFlavors, "OTH")).toBe("out");
    expect(test("detailed-race").coding(races, "1586-7")).toBe("unknown");
    expect(test("detailed-race").coding("http://snomed.info/sct", "1586-7")).toBe("out");
  });
});
