import { describe, expect, it } from "vitest";
import { addCensus, emptyCensus } from "../../lib/validator/files/census.ts";
import { createExaminer } from "../../lib/validator/files/examine.ts";
import { createKeys, keyAs, keyOf, typeOfKey } from "../../lib/validator/files/keys.ts";

const settings = { base: "https://server.example/fhir", type: "Observation" };

function examine(text: string | Uint8Array, firstLine = 1) {
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  return createExaminer()({ firstLine, bytes }, settings);
}

const observation = (id: string, more: object = {}) =>
  JSON.stringify({ resourceType: "Observation", id, subject: { reference: "Patient/p" }, ...more });

describe("keys", () => {
  it("tell types and ids apart, and say the type again", () => {
    expect(keyOf("Patient", "1")).not.toBe(keyOf("Observation", "1"));
    expect(keyOf("Patient", "1")).not.toBe(keyOf("Patient", "2"));
    expect(typeOfKey(keyOf("MedicationRequest", "a-1"))).toBe("MedicationRequest");
    expect(typeOfKey(keyAs(keyOf("Patient", "1"), "Condition"))).toBe("Condition");
  });

  it("do not fall together among half a million", () => {
    const keys = createKeys();
    for (let number = 0; number < 500_000; number += 1) keys.add("Observation", `observation-${number}`);
    keys.settle("unique");
    expect(keys.size).toBe(500_000);
    expect(keys.count(keyOf("Observation", "observation-77"))).toBe(1);
    expect(keys.count(keyOf("Observation", "observation-x"))).toBe(0);
  });

  it("are counted as often as they were added", () => {
    const keys = createKeys();
    for (const id of ["a", "b", "a", "a"]) keys.add("Patient", id);
    keys.settle("all");
    expect(keys.count(keyOf("Patient", "a"))).toBe(3);
  });
});

describe("the census of lines", () => {
  it("names each defect with its first line", () => {
    const text = `\uFEFF${observation("1")}\n\n{"broken\n[1]\n{"resourceType":"Patient"}\n${observation("2").slice(0, 30)}`;
    const { defects, lines, resources } = examine(text, 1);
    expect(lines).toBe(6);
    expect(resources).toBe(2);
    expect(defects).toEqual({
      "byte-order-mark": { count: 1, line: 1 },
      blank: { count: 1, line: 2 },
      "not-json": { count: 1, line: 3 },
      "not-resource": { count: 1, line: 4 },
      "other-type": { count: 1, line: 5 },
      "without-id": { count: 1, line: 5 },
      cut: { count: 1, line: 6 },
    });
  });

  it("takes a last line without its end for whole, and line ends of both kinds", () => {
    const { defects, resources } = examine(`${observation("1")}\r\n${observation("2")}`);
    expect(defects).toEqual({});
    expect(resources).toBe(2);
  });

  it("finds the one line that is not UTF-8", () => {
    const good = Buffer.from(`${observation("1")}\n`);
    const bad = Buffer.from(good);
    bad[20] = 0xff;
    const { defects, resources } = examine(Buffer.concat([good, bad, good]));
    expect(defects).toEqual({ "not-utf8": { count: 1, line: 2 } });
    expect(resources).toBe(2);
  });

  it("knows references of this server in each form, and counts those that are none", () => {
    const references = [
      "Encounter/1",
      "https://server.example/fhir/Encounter/2",
      "Encounter/3/_history/4",
      "https://elsewhere.example/Encounter/5",
      "#contained",
      "urn:uuid:0c2a9f16-6a4b-4e0b-8d39-5b0d4f0e7e11",
      "nowhere",
    ];
    const line = observation("1", { derivedFrom: references.map((reference) => ({ reference })) });
    const census = examine(`${line}\n`);
    const keys = createKeys();
    keys.addAll(census.references);
    keys.settle("unique");
    expect(["1", "2", "3"].map((id) => keys.count(keyOf("Encounter", id)))).toEqual([1, 1, 1]);
    expect(census).toMatchObject({ oddReferences: 1, foreignReferences: 1 });
  });

  it("is not led astray by names that every object has", () => {
    const line = observation("1", { constructor: 1, status: "__proto__", toString: "x" });
    const census = examine(`${line}\n{"resourceType":"__proto__","id":"2","__proto__":{"status":"x"}}\n`);
    const sum = emptyCensus();
    addCensus(sum, structuredClone(census));
    addCensus(sum, structuredClone(census));
    expect(sum.resources).toBe(4);
    expect(sum.types["Observation"]?.elements["constructor"]).toBe(2);
    expect(({} as Record<string, unknown>)["resources"]).toBeUndefined();
  });

  it("keeps nothing of a resource but digests", () => {
    const census = examine(`${observation("1", { note: [{ text: "something personal" }] })}\n`);
    expect(JSON.stringify({ ...census, ids: 0, references: 0, targets: 0, belongings: 0 })).not.toContain(
      "something personal",
    );
  });
});
