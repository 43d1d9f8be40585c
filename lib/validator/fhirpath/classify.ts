import type { Expression } from "./parse.ts";

const CONSTANTS: Readonly<Record<string, string>> = {
  ucum: "http://unitsofmeasure.org",
  sct: "http://snomed.info/sct",
  loinc: "http://loinc.org",
};

/** Operators and functions whose result is a truth value. */
export const TRUTH_OPERATORS = new Set("and or xor implies = != ~ !~ < <= > >= in contains".split(" "));
export const TRUTH_FUNCTIONS = new Set(
  (
    "not exists empty all allTrue anyTrue allFalse anyFalse hasValue is isDistinct subsetOf supersetOf matches " +
    "matchesFull startsWith endsWith contains memberOf conformsTo htmlChecks htmlChecks2"
  ).split(" "),
);
const SINGLE_FUNCTIONS = new Set(
  "count length toString toInteger toDecimal upper lower trim substring indexOf replace replaceMatches abs".split(
    " ",
  ),
);
const ARITHMETIC = new Set("+ - * / div mod &".split(" "));

/** Does it evaluate to a truth value by its form? */
export function isTruth(expression: Expression): boolean {
  switch (expression.kind) {
    case "literal":
      return typeof expression.value === "boolean";
    case "type":
      return expression.operator === "is";
    case "call":
      return TRUTH_FUNCTIONS.has(expression.name);
    case "binary":
      return TRUTH_OPERATORS.has(expression.operator);
    default:
      return false;
  }
}

/** Does it evaluate to at most one computed value by its form? */
export function isSingle(expression: Expression): boolean {
  switch (expression.kind) {
    case "literal":
      return typeof expression.value !== "boolean";
    case "negate":
      return true;
    case "variable":
      return constantText(expression.name) !== undefined;
    case "call":
      return SINGLE_FUNCTIONS.has(expression.name);
    case "binary":
      return ARITHMETIC.has(expression.operator);
    default:
      return false;
  }
}

/** What a variable stands for that is the same everywhere: `%ucum`, `%vs-…`, `%ext-…`. */
export function constantText(name: string): string | undefined {
  if (Object.hasOwn(CONSTANTS, name)) return CONSTANTS[name];
  if (name.startsWith("vs-")) return `http://hl7.org/fhir/ValueSet/${name.slice(3)}`;
  if (name.startsWith("ext-")) return `http://hl7.org/fhir/StructureDefinition/${name.slice(4)}`;
  return undefined;
}

const ITEM_FUNCTIONS = new Set(["where", "select", "exists", "all", "repeat"]);

/** Is the result the same, whatever item is looked at? */
export function isIndependent(expression: Expression): boolean {
  switch (expression.kind) {
    case "literal":
    case "empty":
    case "variable":
      return true;
    case "member":
    case "type":
      return isIndependent(expression.input);
    case "index":
      return isIndependent(expression.input) && isIndependent(expression.index);
    case "negate":
      return isIndependent(expression.operand);
    case "binary":
      return isIndependent(expression.left) && isIndependent(expression.right);
    case "call":
      // Arguments of these are about the items of their own input; of others, about the item looked at.
      return (
        isIndependent(expression.input) &&
        (ITEM_FUNCTIONS.has(expression.name) || expression.args.every(isIndependent))
      );
    default:
      return false;
  }
}

/** Puts `input` where the expression means the focus: gives methods with an implicit focus a collection to work on. */
export function refocus(expression: Expression, input: Expression): Expression {
  switch (expression.kind) {
    case "this":
      return input;
    case "member":
      return { ...expression, leading: false, input: refocus(expression.input, input) };
    case "call":
      return { ...expression, input: refocus(expression.input, input) };
    case "index":
      return { ...expression, input: refocus(expression.input, input) };
    case "negate":
      return { ...expression, operand: refocus(expression.operand, input) };
    case "type":
      return { ...expression, input: refocus(expression.input, input) };
    case "binary":
      return {
        ...expression,
        left: refocus(expression.left, input),
        right: refocus(expression.right, input),
      };
    default:
      return expression;
  }
}

/** The values of `('a' | 'b' | 'c')`. */
export function literals(expression: Expression): ReadonlySet<unknown> | undefined {
  if (expression.kind === "literal") return new Set([expression.value]);
  if (expression.kind !== "binary" || expression.operator !== "|") return undefined;
  const left = literals(expression.left);
  const right = literals(expression.right);
  return left === undefined || right === undefined ? undefined : new Set([...left, ...right]);
}
