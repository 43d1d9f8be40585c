import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { computeCoverage, formatCoverage } from "../../lib/checks/coverage.ts";
import { loadCatalogues, resolveRequirement } from "../../lib/checks/requirements.ts";

const folders: string[] = [];

function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "requirements-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const SMALL = {
  "small-1.0.json": JSON.stringify({
    catalogue: "small-1.0",
    requirements: [
      { id: "1", url: "https://example.org/1", conformance: "SHALL" },
      { id: "2", url: "https://example.org/2", conformance: "SHALL", conditional: true },
      { id: "3", url: "https://example.org/3", conformance: "SHOULD" },
      { id: "4", url: "https://example.org/4", conformance: "MAY" },
      { id: "5", url: "https://example.org/5", conformance: "SHALL", actors: ["Client"] },
    ],
  }),
  "not-observable.yaml": "small-1.0:\n  - reason: It is a permission.\n    requirements: [4]\n",
};

describe("the catalogues of the product", () => {
  const catalogues = loadCatalogues();

  it("hold the four public catalogues and the vendor's promises", () => {
    const sizes = Object.fromEntries(
      [...catalogues].map(([id, { requirements }]) => [id, requirements.length]),
    );
    expect(sizes).toMatchObject({
      "bulk-data-2.0.0": 234,
      "onc-g10-test-procedure": 77,
      "smart-app-launch-2.0.0": 203,
      "us-core-6.1.0": 378,
    });
    expect(sizes["careconnect"]).toBeGreaterThan(40);
  });

  it("carry no sentence of a public specification", () => {
    for (const [id, { requirements }] of catalogues) {
      if (id === "careconnect") continue;
      expect(requirements.filter((requirement) => requirement.title !== undefined)).toEqual([]);
    }
  });

  it("resolve a reference to its address and verb", () => {
    expect(resolveRequirement(catalogues, "smart-app-launch-2.0.0#14")).toEqual({
      id: "smart-app-launch-2.0.0#14",
      url: "https://hl7.org/fhir/smart-app-launch/STU2/app-launch.html#considerations-for-pkce-support",
      conformance: "SHALL",
    });
    expect(resolveRequirement(catalogues, "careconnect#base-url-pattern").conformance).toBe("SHALL");
  });

  it("refuse a reference that does not exist, naming the nearest", () => {
    expect(() => resolveRequirement(catalogues, "smart-app-launch-2.0.0#100000")).toThrow(
      /has no requirement/,
    );
    expect(() => resolveRequirement(catalogues, "smart-app-launch-2.0#14")).toThrow(
      'Did you mean "smart-app-launch-2.0.0"?',
    );
    expect(() => resolveRequirement(catalogues, "us-core-6.1.0")).toThrow(/has no requirement/);
  });
});

describe("coverage", () => {
  it("counts covered, not observable and open requirements of servers by verb", () => {
    const catalogues = loadCatalogues(folderWith(SMALL));
    const coverage = computeCoverage(catalogues, [
      { id: "suite.b", requirements: ["small-1.0#1", "small-1.0#3"] },
      { id: "suite.a", requirements: ["small-1.0#1"] },
      { id: "suite.c", requirements: [] },
    ]);
    const [small] = coverage.catalogues;
    expect(small?.counts).toEqual({ total: 4, covered: 2, notObservable: 1, open: 1 });
    expect(small?.verbs).toEqual({
      SHALL: { total: 2, covered: 1, notObservable: 0, open: 1 },
      SHOULD: { total: 1, covered: 1, notObservable: 0, open: 0 },
      MAY: { total: 1, covered: 0, notObservable: 1, open: 0 },
    });
    expect(small?.requirements[0]).toMatchObject({
      id: "1",
      state: "covered",
      checks: ["suite.a", "suite.b"],
    });
    expect(small?.requirements[1]).toMatchObject({ id: "2", state: "open", conditional: true, checks: [] });
    expect(small?.requirements[3]).toMatchObject({ state: "not-observable", reason: "It is a permission." });
    expect(small?.requirements.some(({ id }) => id === "5")).toBe(false);
  });

  it("is printed as a table with a line per catalogue and verb", () => {
    const catalogues = loadCatalogues(folderWith(SMALL));
    const table = formatCoverage(
      computeCoverage(catalogues, [{ id: "suite.a", requirements: ["small-1.0#1"] }]),
    );
    const lines = table
      .trimEnd()
      .split("\n")
      .map((line) => line.trim().split(/\s{2,}/));
    expect(lines).toEqual([
      ["requirements", "covered", "not observable", "open"],
      ["small-1.0", "4", "1", "1", "2"],
      ["SHALL", "2", "1", "0", "1"],
      ["SHOULD", "1", "0", "0", "1"],
      ["MAY", "1", "0", "1", "0"],
    ]);
  });

  it("refuses a check that names an unknown requirement", () => {
    const catalogues = loadCatalogues(folderWith(SMALL));
    expect(() => computeCoverage(catalogues, [{ id: "suite.a", requirements: ["small-1.0#9"] }])).toThrow(
      /small-1.0#9/,
    );
  });

  it("does not count what cannot be observed as covered by a check that touches on it", () => {
    const catalogues = loadCatalogues(folderWith(SMALL));
    const [small] = computeCoverage(catalogues, [
      { id: "suite.a", requirements: ["small-1.0#4"] },
    ]).catalogues;
    expect(small?.requirements[3]).toMatchObject({ state: "not-observable", checks: ["suite.a"] });
    expect(small?.counts.covered).toBe(0);
  });
});

describe("a folder of catalogues", () => {
  it.each([
    [
      "an unknown catalogue",
      "smal-1.0:\n  - reason: It is a permission.\n    requirements: [4]\n",
      /no such catalogue/,
    ],
    [
      "an unknown requirement",
      "small-1.0:\n  - reason: It is a permission.\n    requirements: [44]\n",
      /no such requirement/,
    ],
    [
      "a requirement twice",
      "small-1.0:\n  - reason: It is a permission.\n    requirements: [4, 4]\n",
      /is marked twice/,
    ],
    ["no reason", "small-1.0:\n  - requirements: [4]\n", /lacks "reason"/],
  ])("refuses marks that name %s", (_name, marks, problem) => {
    const folder = folderWith({ ...SMALL, "not-observable.yaml": marks });
    expect(() => loadCatalogues(folder)).toThrow(problem);
  });

  it("refuses an id that is defined twice and a requirement without an address", () => {
    const twice = {
      catalogue: "x",
      requirements: [1, 1].map(() => ({ id: "1", url: "https://e.org", conformance: "MAY" })),
    };
    expect(() =>
      loadCatalogues(folderWith({ "x.json": JSON.stringify(twice), "not-observable.yaml": "{}" })),
    ).toThrow(/defined twice/);
    const without = { catalogue: "x", requirements: [{ id: "1", conformance: "MAY" }] };
    expect(() =>
      loadCatalogues(folderWith({ "x.json": JSON.stringify(without), "not-observable.yaml": "{}" })),
    ).toThrow(/has no url/);
  });
});
