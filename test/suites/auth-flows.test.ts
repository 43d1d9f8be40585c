import { describe, expect, test } from "vitest";
import { loadSuites } from "../../lib/checks/load.ts";
import { loadFaultCatalogue } from "../../lib/sandbox/index.ts";

const suite = loadSuites().find(({ id }) => id === "auth-flows");

describe("the suite auth-flows", () => {
  test("asks at least ninety questions, each proven by a fault of its own", () => {
    const faults = suite?.checks.flatMap(({ proofs }) => proofs.map(({ id }) => id)) ?? [];
    expect(suite?.checks.length).toBeGreaterThanOrEqual(90);
    expect(new Set(faults).size).toBe(suite?.checks.length);
    const known = new Map(loadFaultCatalogue().map((fault) => [fault.id, fault]));
    for (const check of suite?.checks ?? []) {
      const [proof] = check.proofs;
      expect(known.get(proof?.id ?? "")?.trips).toEqual([check.id]);
    }
  });

  test("asks only what answers a requirement", () => {
    expect(suite?.checks.filter(({ requirements }) => requirements.length === 0)).toEqual([]);
  });
});
