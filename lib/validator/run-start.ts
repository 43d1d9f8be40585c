/** The beginning of a validation. */
import type { Judge } from "./judge.ts";
import { isObject, listAt } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { resolveReference } from "./references.ts";
import type { ValidateOptions, ValidatorOptions } from "./result.ts";
import type { Run } from "./run.ts";
import { conceptMembership, readCoding } from "./terminologies.ts";

const NOTHING: JsonObject = {};
const NO_PROFILES: readonly string[] = [];

/** Makes the state of one validation. */
export function createRun(
  judge: Judge,
  value: unknown,
  options: ValidatorOptions,
  chosen: ValidateOptions,
): Run {
  const resource = isObject(value) ? value : NOTHING;
  const run: Run = {
    maxFindings: chosen.maxFindings ?? options.maxFindings ?? 1000,
    maxDepth: options.maxDepth ?? 100,
    segments: ["Resource"],
    indexes: [-1],
    elements: [undefined],
    shapes: [undefined],
    extensionUrls: [undefined],
    values: [undefined],
    findings: [],
    notVerified: [],
    notVerifiedCount: 0,
    fatal: 0,
    error: 0,
    warning: 0,
    information: 0,
    seen: undefined,
    muted: 0,
    mutedErrors: 0,
    keys: 0,
    keysIncomplete: false,
    integers: false,
    resource,
    container: resource,
    bundles: [],
    ids: undefined,
    localReferences: undefined,
    resolveOutside: chosen.resolve,
    requestedProfiles: chosen.profiles ?? NO_PROFILES,
    guideProfiles: chosen.guideProfiles === true,
    profiles: new Set(),
    assumedProfiles: new Set(),
    trials: new Map(),
    environment: {
      resource,
      rootResource: resource,
      focusType: "",
      companion: undefined,
      resolve: (reference) => resolveReference(run, reference)?.resource,
      memberOf: (coded, _type, valueSet) => memberOf(judge, coded, valueSet),
      conformsTo: (target, profile) =>
        judge.definitions.structure(profile) === undefined ? undefined : judge.conforms(run, target, profile),
    },
  };
  return run;
}

function memberOf(judge: Judge, value: unknown, valueSet: string): boolean | undefined {
  const test = judge.shapes.codeTest(valueSet);
  const answer =
    typeof value === "string"
      ? test.bare(value)
      : conceptMembership(
          test,
          isObject(value) && "coding" in value
            ? listAt(value, "coding").map(readCoding)
            : [readCoding(value)],
        );
  return answer === "unknown" ? undefined : answer === "in";
}
