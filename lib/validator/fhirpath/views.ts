import type { FhirPathError } from "./error.ts";
import type { InvariantEnvironment as Environment, Item } from "./environment.ts";
import type { Some, Truth } from "./navigate.ts";
import type { Expression } from "./parse.ts";

/*
 * Every expression becomes closures over one item: its value, companion and type travel as arguments, so that
 * navigation needs no nodes and existence no arrays. Three views of an expression can be had:
 *
 * - Some: "is there an item in the result that passes this predicate?" Predicates are known when compiling, so that
 *   `a.b.where(c).exists()` is one chain of closures which stops at the first hit.
 * - Truth: `true`, `false` or `undefined` (empty), FHIRPath's three-valued logic.
 * - Single: the one JavaScript value, `undefined` for empty; its type is left in `found`.
 */

export type Single = (
  value: unknown,
  companion: unknown,
  type: string | undefined,
  env: Environment,
) => unknown;
/** Number of items, at most 2; the first one is left in `found`. */
export type Probe = (
  value: unknown,
  companion: unknown,
  type: string | undefined,
  env: Environment,
) => number;

export type Collect = (
  value: unknown,
  companion: unknown,
  type: string | undefined,
  env: Environment,
) => Item[];
/** Makes a test for membership in a collection. */
export type Membership = (
  value: unknown,
  companion: unknown,
  type: string | undefined,
  env: Environment,
) => (value: unknown) => boolean;

/** Where Single and Probe leave what they found besides their answer; read at once by who called. */
export const found: { value: unknown; type: string | undefined } = { value: undefined, type: undefined };

export type Call = Extract<Expression, { readonly kind: "call" }>;

/** What the parts of the compiler have of each other. */
export interface Views {
  /** The expression as given, for errors. */
  readonly source: string;
  readonly some: (expression: Expression, test: Some) => Some;
  readonly truth: (expression: Expression) => Truth;
  readonly single: (expression: Expression) => Single;
  readonly probe: (expression: Expression) => Probe;
  readonly collect: (expression: Expression) => Collect;
  readonly membershipIn: (collection: Expression) => Membership;
  /** The argument at a place of a call. */
  readonly argument: (call: Call, index: number) => Expression;
  /** An argument that must be a text known when compiling. */
  readonly textArgument: (expression: Expression | undefined) => string;
  /** An argument that names a type. */
  readonly typeArgument: (expression: Expression | undefined) => string;
  readonly unsupported: (what: string) => FhirPathError;
  readonly notSingle: () => FhirPathError;
}
