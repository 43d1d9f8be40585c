/** The validator: definitions in, verdicts out. */
import { createJudge } from "./judge.ts";
import type { Judge } from "./judge.ts";
import { isObject, stringAt } from "./json.ts";
import type { DefinitionSource } from "./pack/format.ts";
import { PRIMITIVE } from "./primitives.ts";
import type { ValidateOptions, ValidationResult, Validator, ValidatorOptions } from "./result.ts";
import { report } from "./run.ts";
import type { Run } from "./run.ts";
import { createRun } from "./run-start.ts";
import type { TypeShape } from "./shapes.ts";
import { countKeys, ODD_NUMBER, readSource } from "./source.ts";
import type { SourcePath } from "./source.ts";
import { walkResource } from "./walk.ts";
import { quoted } from "./wording.ts";

/**
 * Makes a validator over a set of definitions. Types and profiles are compiled on first use and kept.
 *
 * @param definitions R4 and the guide, as `loadDefinitions` answers them.
 */
export function createValidator(definitions: DefinitionSource, options: ValidatorOptions = {}): Validator {
  const judge = createJudge(definitions);
  return {
    validateResource: (resource, chosen = {}) => validate(judge, resource, options, chosen),
    validateText(text, chosen = {}) {
      let resource: unknown;
      const source = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
      try {
        resource = JSON.parse(source);
      } catch (error) {
        const run = createRun(judge, undefined, options, chosen);
        report(run, 0, {
          severity: "fatal",
          code: "structure",
          rule: "json-syntax",
          details: { problem: syntaxProblem(error) },
        });
        return resultOf(run, undefined);
      }
      return validate(judge, resource, options, { ...chosen, source });
    },
  };
}

/** The parser quotes the text around the place: only the kind of problem and the position are passed on. */
function syntaxProblem(error: unknown): string {
  const message = error instanceof Error ? error.message : "unreadable";
  return quoted(
    message.replace(/,?\s*(?:\.\.\.)?".*?(?:\.\.\.)?\s*is not valid JSON$/s, " is not valid JSON"),
  );
}

function validate(
  judge: Judge,
  resource: unknown,
  options: ValidatorOptions,
  chosen: ValidateOptions,
): ValidationResult {
  const run = createRun(judge, resource, options, chosen);
  try {
    walkResource(judge, run, resource, 0, "root");
    if (chosen.source !== undefined) checkSource(judge, run, resource, chosen.source);
  } catch (error) {
    // Nothing is known to lead here; a validator that stops half-way must not pass for one that found nothing.
    report(run, 0, {
      severity: "fatal",
      code: "processing",
      rule: "validation-stopped",
      details: { problem: quoted(error instanceof Error ? error.message : String(error)) },
    });
  }
  return resultOf(run, resource);
}

function checkSource(judge: Judge, run: Run, resource: unknown, source: string): void {
  const mayRepeatKeys = run.keysIncomplete || countKeys(source) !== run.keys;
  const mayMiswrite = run.integers && ODD_NUMBER.test(source);
  if (!mayRepeatKeys && !mayMiswrite) return;
  const { duplicates, oddNumbers } = readSource(source);
  for (const { path, key } of duplicates) {
    const depth = goTo(judge, run, resource, path).depth;
    report(run, depth, {
      severity: "error",
      code: "invalid",
      rule: "json-duplicate-key",
      details: { key: quoted(key) },
    });
  }
  for (const { path, written } of oddNumbers) {
    const { depth, tag, type } = goTo(judge, run, resource, path);
    if (tag !== PRIMITIVE.integer && tag !== PRIMITIVE.positiveInt && tag !== PRIMITIVE.unsignedInt) continue;
    report(run, depth, {
      severity: "error",
      code: "invalid",
      rule: "json-number-form",
      details: { written: quoted(written), type },
    });
  }
}

/** Puts the run at the place that a path through the JSON leads to. */
function goTo(
  judge: Judge,
  run: Run,
  resource: unknown,
  path: SourcePath,
): { depth: number; tag: number; type: string } {
  let depth = 0;
  let tag = -1;
  let type = "";
  let value: unknown = resource;
  let shape: TypeShape | undefined = shapeOf(judge, value);
  for (const step of path) {
    if (typeof step === "number") {
      run.indexes[depth] = step;
      value = Array.isArray(value) ? (value as readonly unknown[])[step] : undefined;
      if (tag < 0) shape = shapeOf(judge, value) ?? shape;
      continue;
    }
    const property = shape?.properties.get(step);
    depth++;
    run.segments[depth] = property?.segment ?? step;
    run.indexes[depth] = -1;
    value = isObject(value) ? value[step] : undefined;
    tag = property?.isCompanion === true ? -1 : (property?.tag ?? -1);
    type = property?.option.code ?? "";
    if (property === undefined) shape = undefined;
    else if (property.isCompanion) shape = judge.elementShape;
    else if (property.option.isResource) shape = shapeOf(judge, value);
    else shape = property.tag < 0 ? property.option.shape() : undefined;
  }
  return { depth, tag, type };
}

function shapeOf(judge: Judge, value: unknown): TypeShape | undefined {
  const type = stringAt(value, "resourceType");
  return type === undefined ? undefined : judge.shapes.type(type);
}

function resultOf(run: Run, resource: unknown): ValidationResult {
  const { fatal, error, warning, information } = run;
  const result: { -readonly [K in keyof ValidationResult]: ValidationResult[K] } = {
    profiles: run.profiles.size === 0 ? NONE : [...run.profiles],
    assumedProfiles: run.assumedProfiles.size === 0 ? NONE : [...run.assumedProfiles],
    valid: fatal + error === 0,
    counts: { fatal, error, warning, information },
    findings: run.findings,
    notVerified: run.notVerified,
    notVerifiedCount: run.notVerifiedCount,
  };
  const resourceType = stringAt(resource, "resourceType");
  if (resourceType !== undefined) result.resourceType = resourceType;
  const id = stringAt(resource, "id");
  if (id !== undefined) result.id = id;
  return result;
}

const NONE: readonly string[] = [];
