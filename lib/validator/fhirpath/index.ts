/**
 * FHIRPath 2.0.0 (https://hl7.org/fhirpath/N1) as R4 uses it for invariants, discriminators and search parameters:
 * expressions are translated into closures once, and evaluated many times.
 */
import { createCompiler } from "./compile.ts";
import { directInvariant } from "./direct.ts";
import type { InvariantEnvironment, Item } from "./environment.ts";
import { FhirPathError } from "./error.ts";
import { evaluateWithPackage } from "./fallback.ts";
import { type TypeModel, UNTYPED_MODEL } from "./model.ts";
import { type Expression, parseExpression } from "./parse.ts";
import { correctedExpression } from "./published.ts";

export { containedResource } from "./contained.ts";
export type { InvariantEnvironment, Item } from "./environment.ts";
export { FhirPathError } from "./error.ts";
export { createTypeModel } from "./model.ts";
export type { TypeModel } from "./model.ts";
export { compileRegex } from "./regex.ts";
export { compareTemporal } from "./temporal.ts";
export { htmlChecks, narrativeDefect } from "./xhtml.ts";

/**
 * Judges a focus. Empty counts as `false`, as the HL7 validator counts it.
 *
 * @throws FhirPathError where the expression has no answer for this focus.
 */
export type CompiledInvariant = (focus: unknown, env: InvariantEnvironment) => boolean;

/** Evaluates to the JSON values found (a primitive with extensions only has none). */
export type CompiledExpression = (focus: unknown, env: InvariantEnvironment) => unknown[];

/** Evaluates to the items found, with companions and types. */
export type CompiledItems = (focus: unknown, env: InvariantEnvironment) => Item[];

/** An expression that the translation does not cover, for now or for this focus. */
function isForPackage(error: unknown): boolean {
  return error instanceof FhirPathError && error.code === "not-supported";
}

function usesContext(expression: Expression): boolean {
  return JSON.stringify(expression).includes('{"kind":"variable","name":"context"}');
}

/** `%context` is the focus where the caller says nothing else. */
function withContext(focus: unknown, env: InvariantEnvironment): InvariantEnvironment {
  return env.context === undefined ? { ...env, context: focus } : env;
}

/**
 * Compiles an invariant. Known mistakes of published invariants are corrected as the HL7 validator does.
 *
 * @param expression `ElementDefinition.constraint.expression`.
 * @param model The types of FHIR; without it, navigation follows the JSON.
 * @throws FhirPathError `syntax` or `too-costly` for an expression that can never be evaluated.
 */
export function compileInvariant(expression: string, model: TypeModel = UNTYPED_MODEL): CompiledInvariant {
  const direct = directInvariant(expression, model);
  if (direct !== undefined) return direct;
  const corrected = correctedExpression(expression);
  const byPackage: CompiledInvariant = (focus, env) => {
    const answer = evaluateWithPackage(corrected, focus, env);
    return answer.length === 1 && typeof answer[0] === "boolean" ? answer[0] : answer.length > 0;
  };
  let tree: Expression;
  let judge;
  const compiler = createCompiler(expression, model);
  try {
    tree = parseExpression(corrected);
    judge = compiler.truth(tree);
  } catch (error) {
    if (isForPackage(error)) return byPackage;
    throw error;
  }
  const needsContext = usesContext(tree);
  return (focus, env) => {
    try {
      const within = needsContext ? withContext(focus, env) : env;
      compiler.turn();
      return judge(focus, within.companion, within.focusType, within) === true;
    } catch (error) {
      if (isForPackage(error)) return byPackage(focus, env);
      throw error;
    } finally {
      compiler.turn();
    }
  };
}

/** Compiles an expression to the items it finds: for discriminators, search parameters and must-support. */
export function compileItems(expression: string, model: TypeModel = UNTYPED_MODEL): CompiledItems {
  const byPackage: CompiledItems = (focus, env) =>
    evaluateWithPackage(expression, focus, env).map((value) => ({
      value,
      companion: undefined,
      type: undefined,
    }));
  let tree: Expression;
  let items: Item[] = [];
  let run;
  const compiler = createCompiler(expression, model);
  try {
    tree = parseExpression(expression);
    run = compiler.some(tree, (value, companion, type) => {
      items.push({ value, companion, type });
      return false;
    });
  } catch (error) {
    if (isForPackage(error)) return byPackage;
    throw error;
  }
  const needsContext = usesContext(tree);
  return (focus, env) => {
    const outer = items;
    items = [];
    try {
      const within = needsContext ? withContext(focus, env) : env;
      compiler.turn();
      run(focus, within.companion, within.focusType, within);
      return items;
    } catch (error) {
      if (isForPackage(error)) return byPackage(focus, env);
      throw error;
    } finally {
      items = outer;
      compiler.turn();
    }
  };
}

/** Compiles an expression to the JSON values it finds. */
export function compileExpression(expression: string, model: TypeModel = UNTYPED_MODEL): CompiledExpression {
  const find = compileItems(expression, model);
  return (focus, env) =>
    find(focus, env).flatMap((item) => (item.value === undefined || item.value === null ? [] : [item.value]));
}
