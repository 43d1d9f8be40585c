/** Invariants (`ElementDefinition.constraint`), compiled when a definition is and told apart from those done natively. */
import { compileInvariant, createTypeModel } from "./fhirpath/index.ts";
import type { CompiledInvariant } from "./fhirpath/index.ts";
import type { Canonical, ConstraintFacts, DefinitionSource } from "./pack/format.ts";

export interface Constraint {
  readonly key: string;
  readonly severity: "error" | "warning";
  readonly expression: string;
  readonly source: Canonical;
  /** Undefined where the expression cannot be evaluated; that is said in the findings, never passed over. */
  readonly test: CompiledInvariant | undefined;
}

/**
 * Constraints that the walk itself decides: every element has a value or children, an extension has a value or
 * extensions but not both, the rules for contained resources, local references and the narrative.
 */
const NATIVE: ReadonlySet<string> = new Set([
  "ele-1",
  "ext-1",
  "dom-2",
  "dom-3",
  "dom-4",
  "dom-5",
  "dom-6",
  "ref-1",
  "txt-1",
  "txt-2",
]);

export interface ConstraintCompiler {
  /** Compiles what is left of an element's constraints once the native and the already known ones are taken away. */
  compile(
    facts: readonly ConstraintFacts[] | undefined,
    known: ReadonlySet<string>,
    source: Canonical,
  ): readonly Constraint[];
}

/** Compiles each expression once, whatever the number of places it stands at. */
export function createConstraintCompiler(definitions: DefinitionSource): ConstraintCompiler {
  const model = createTypeModel(definitions);
  const tests = new Map<string, CompiledInvariant | undefined>();
  const test = (expression: string): CompiledInvariant | undefined => {
    if (tests.has(expression)) return tests.get(expression);
    let compiled: CompiledInvariant | undefined;
    try {
      compiled = compileInvariant(expression, model);
    } catch {
      compiled = undefined;
    }
    tests.set(expression, compiled);
    return compiled;
  };
  return {
    compile(facts, known, source) {
      if (facts === undefined) return NONE;
      const compiled: Constraint[] = [];
      for (const constraint of facts) {
        if (NATIVE.has(constraint.key) || known.has(identityOf(constraint))) continue;
        compiled.push({
          key: constraint.key,
          severity: constraint.severity,
          expression: constraint.expression,
          source: constraint.source ?? source,
          test: test(constraint.expression),
        });
      }
      return compiled.length === 0 ? NONE : compiled;
    },
  };
}

const NONE: readonly Constraint[] = [];

/** Tells constraints apart: a profile may not redefine a key, but two guides may both use it. */
export function identityOf(constraint: { key: string; expression: string }): string {
  return `${constraint.key} ${constraint.expression}`;
}

export function identitiesOf(facts: readonly ConstraintFacts[] | undefined): string[] {
  return facts?.map(identityOf) ?? [];
}
