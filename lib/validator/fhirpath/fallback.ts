import { createRequire } from "node:module";
import type { InvariantEnvironment } from "./environment.ts";
import { FhirPathError } from "./error.ts";

type Engine = typeof import("fhirpath").default;
type Model = typeof import("fhirpath/fhir-context/r4").default;

let loaded: { readonly engine: Engine; readonly model: Model } | undefined;

/** Loads the `fhirpath` package on first use: it costs more time than most commands take to answer. */
function load(): { readonly engine: Engine; readonly model: Model } {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url);
    loaded = {
      engine: require("fhirpath") as Engine,
      model: require("fhirpath/fhir-context/r4") as Model,
    };
  }
  return loaded;
}

/**
 * Evaluates with the `fhirpath` package what the translation does not cover.
 *
 * @throws FhirPathError `evaluation`, with the package's own error as cause.
 */
export function evaluateWithPackage(
  expression: string,
  focus: unknown,
  env: InvariantEnvironment,
): unknown[] {
  const { engine, model } = load();
  try {
    const isResource = typeof focus === "object" && focus !== null && "resourceType" in focus;
    const answer: unknown = engine.evaluate(
      focus,
      isResource ? expression : { base: env.focusType, expression },
      { resource: env.resource, rootResource: env.rootResource, context: env.context ?? focus },
      model,
      // Traces would print what the data say.
      { traceFn: () => undefined },
    );
    return Array.isArray(answer) ? answer : [];
  } catch (error) {
    throw new FhirPathError("evaluation", expression, "the expression could not be evaluated", error);
  }
}
