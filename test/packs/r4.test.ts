import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { loadBuiltIn } from "../../lib/validator/pack/load.ts";

/** One property in the type tables of the `fhir` package, an account of R4 that is independent of our source. */
interface Property {
  readonly _name: string;
  readonly _required?: boolean;
  readonly _multiple?: boolean;
  readonly _properties?: readonly Property[];
}

type Cardinality = readonly [required: boolean, repeats: boolean];

function collect(properties: readonly Property[], path: string, into: Map<string, Cardinality>): void {
  for (const { _name: part, _required: required, _multiple: repeats, _properties: parts } of properties) {
    if (part.startsWith("_")) continue;
    const name = `${path}.${part}`;
    into.set(name, [required === true, repeats === true]);
    collect(parts ?? [], name, into);
  }
}

describe("the R4 pack", () => {
  const r4 = loadBuiltIn([]);
  const require = createRequire(import.meta.url);
  const file = join(dirname(require.resolve("fhir/package.json")), "profiles", "types.json");
  const tables: Record<string, { _properties?: Property[] }> = JSON.parse(readFileSync(file, "utf8"));

  it("has the elements and cardinalities that an independent account of R4 has", () => {
    const differing: string[] = [];
    let compared = 0;
    for (const [type, { _properties: properties }] of Object.entries(tables)) {
      const structure = r4.type(type);
      if (!structure || !properties?.length || structure.kind === "primitive-type") continue;
      const expected = new Map<string, Cardinality>();
      collect(properties, type, expected);
      const found = new Set<string>();
      for (const element of structure.elements.slice(1)) {
        const choice = element.path.endsWith("[x]");
        const names = choice
          ? (element.types ?? []).map(
              ({ code }) => element.path.slice(0, -3) + code.charAt(0).toUpperCase() + code.slice(1),
            )
          : [element.path];
        for (const name of names) {
          found.add(name);
          const account = expected.get(name);
          if (!account) {
            differing.push(`${name}: ours alone`);
            continue;
          }
          compared += 1;
          const [required, repeats] = account;
          if (repeats !== (element.max !== 1)) differing.push(`${name}: repeats`);
          if (!choice && required !== element.min > 0) differing.push(`${name}: required`);
        }
      }
      for (const name of expected.keys()) if (!found.has(name)) differing.push(`${name}: theirs alone`);
    }
    // That account leaves out four content references to groups that stand further down.
    expect(differing).toEqual([
      "ClaimResponse.adjudication: ours alone",
      "ExplanationOfBenefit.adjudication: ours alone",
      "Invoice.totalPriceComponent: ours alone",
      "SubstanceSpecification.molecularWeight: ours alone",
    ]);
    expect(compared).toBeGreaterThan(8_000);
  });

  it("knows every value set that binds in R4, but for one of LOINC's", () => {
    const missing = new Set<string>();
    for (const type of Object.keys(tables)) {
      for (const element of r4.type(type)?.elements ?? []) {
        const url = element.binding?.valueSet;
        if (url !== undefined && element.binding?.strength === "required" && !r4.valueSet(url))
          missing.add(url);
      }
    }
    // A LOINC answer list, of which R4 has no definition.
    expect([...missing]).toEqual(["http://loinc.org/vs/LL379-9|4.0.1"]);
  });

  it("gives a resource's id the type id, which its publication calls a string", () => {
    const [, id] = r4.type("Patient")?.elements ?? [];
    expect(id).toMatchObject({ id: "Patient.id", types: [{ code: "System.String", fhirType: "id" }] });
  });
});
