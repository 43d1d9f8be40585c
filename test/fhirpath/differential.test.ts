import * as fc from "fast-check";
import { compile } from "fhirpath";
import r4 from "fhirpath/fhir-context/r4";
import { describe, expect, it } from "vitest";
import { compileInvariant, type CompiledInvariant } from "../../lib/validator/fhirpath/index.ts";
import { correctedExpression } from "../../lib/validator/fhirpath/published.ts";
import { archiveExamples, usCoreArchive } from "./examples.ts";
import { fociOf, invariants } from "./foci.ts";
import { r4Model } from "./r4.ts";
import { samples } from "./samples.ts";

const model = r4Model();

/**
 * Where the package and the HL7 validator part, we follow the validator; each has a test of its own.
 */
const DIFFERENT_BY_INTENT = new Set([
  // Quadratic in the package, and it throws on contained resources.
  "dom-3",
  // The package wants `dateTime` where the published expression says `DateTime`.
  "us-core-1",
  // A reference without text makes no claim, and `#` is the container.
  "ref-1",
  // The package knows no value sets.
  "us-core-1 3.1.1",
  // Stricter than the package about allowed elements and attributes.
  "txt-1",
  // `answer is Boolean`: the package means System.Boolean only.
  "que-7",
  // The package compares quantities outside of UCUM as texts.
  "rng-2",
]);

interface Pair {
  readonly key: string;
  readonly expression: string;
  readonly ours: CompiledInvariant;
  readonly theirs: (focus: object, type: string, env: Record<string, unknown>) => unknown;
}

function pair(key: string, expression: string): Pair {
  const corrected = correctedExpression(expression);
  const compiled = new Map<string, (focus: object, env: Record<string, unknown>) => unknown>();
  return {
    key,
    expression,
    ours: compileInvariant(expression, model),
    theirs: (focus, type, env) => {
      let evaluate = compiled.get(type);
      if (evaluate === undefined) {
        const path = "resourceType" in focus ? corrected : { base: type, expression: corrected };
        evaluate = compile(path, r4, { traceFn: () => undefined }) as (
          focus: object,
          env: Record<string, unknown>,
        ) => unknown;
        compiled.set(type, evaluate);
      }
      return evaluate(focus, env);
    },
  };
}

const byPlace = new Map<string, Pair[]>();
for (const { key, paths, expression } of invariants) {
  if (DIFFERENT_BY_INTENT.has(key) || expression.includes("memberOf")) continue;
  const one = pair(key, expression);
  for (const path of paths) byPlace.set(path, [...(byPlace.get(path) ?? []), one]);
}

function placeNames(type: string, path: string, isRoot: boolean): string[] {
  const names = new Set([type, path, path.replace(/^(.*\.value|.*\.effective)[A-Z].*$/, "$1[x]")]);
  if (!isRoot) names.delete("Element");
  return [...names];
}

/** Answers of both for every invariant at every place; a throw of the package is not held against us. */
function differences(resource: Record<string, unknown>): { different: string[]; compared: number } {
  const different: string[] = [];
  let compared = 0;
  for (const focus of fociOf(resource, model)) {
    if (typeof focus.value !== "object" || focus.value === null) continue;
    for (const place of placeNames(focus.type, focus.path, focus.value === resource)) {
      for (const one of byPlace.get(place) ?? []) {
        let expected: unknown;
        try {
          const answer = one.theirs(focus.value, focus.type, {
            resource,
            rootResource: resource,
            context: focus.value,
          }) as unknown[];
          expected = answer.length === 1 && typeof answer[0] === "boolean" ? answer[0] : answer.length > 0;
        } catch {
          continue;
        }
        const actual = one.ours(focus.value, { resource, rootResource: resource, focusType: focus.type });
        compared += 1;
        if (actual !== expected)
          different.push(
            `${one.key} at ${focus.path}: ${String(actual)}, package ${String(expected)}: ${one.expression} on ${JSON.stringify(focus.value).slice(0, 300)}`,
          );
      }
    }
  }
  return { different: [...new Set(different)], compared };
}

/** Drops, doubles, blanks or swaps parts of a resource, keeping it JSON. */
function mutate(resource: unknown, random: fc.GeneratorValue): unknown {
  const copy = structuredClone(resource);
  const places: [Record<string, unknown>, string][] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const key of Object.keys(value)) {
      if (key === "resourceType") continue;
      places.push([value as Record<string, unknown>, key]);
      walk((value as Record<string, unknown>)[key]);
    }
  };
  walk(copy);
  const times = random(fc.integer, { min: 1, max: 4 });
  for (let i = 0; i < times && places.length > 0; i++) {
    const [holder, key] = places[random(fc.nat, { max: places.length - 1 })] ?? [];
    if (holder === undefined || key === undefined) continue;
    switch (random(fc.nat, { max: 4 })) {
      case 0:
        if (Array.isArray(holder)) holder.splice(Number(key), 1);
        else delete holder[key];
        break;
      case 1:
        if (typeof holder[key] === "string")
          holder[key] = random(() =>
            fc.constantFrom(
              "x",
              "2020",
              "2020-01-01",
              "2021-05-05T10:00:00Z",
              "final",
              "1234567890",
              "#p1",
              "http://unitsofmeasure.org",
            ),
          );
        break;
      case 2:
        if (Array.isArray(holder[key])) holder[key].push(structuredClone(holder[key][0]));
        break;
      case 3:
        if (typeof holder[key] === "number") holder[key] = random(() => fc.constantFrom(-1, 0, 0.5, 101));
        break;
      default:
        if (typeof holder[key] === "boolean") holder[key] = !holder[key];
    }
  }
  return copy;
}

describe("translated invariants answer as the fhirpath package does", () => {
  it("on samples of every construct", () => {
    for (const sample of samples) expect(differences(sample).different).toEqual([]);
  });

  it.skipIf(usCoreArchive === undefined)("on the examples of US Core 6.1.0 (needs FHIR_PACKAGES)", () => {
    const examples = archiveExamples(usCoreArchive ?? "");
    expect(examples.length).toBeGreaterThan(150);
    let total = 0;
    const all: string[] = [];
    for (const example of examples) {
      const { different, compared } = differences(example);
      total += compared;
      all.push(...different);
    }
    expect(all).toEqual([]);
    expect(total).toBeGreaterThan(2000);
  });

  it("on mutated samples", () => {
    fc.assert(
      fc.property(fc.constantFrom(...samples), fc.gen(), (sample, random) => {
        expect(differences(mutate(sample, random) as Record<string, unknown>).different).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });
});
