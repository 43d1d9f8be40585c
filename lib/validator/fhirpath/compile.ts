import { equalItems, itemKey, sameItem } from "./equality.ts";
import { FhirPathError } from "./error.ts";
import type { InvariantEnvironment as Environment, Item } from "./environment.ts";
import { compareItems, equalCollections } from "./compare.ts";
import { logic, negated } from "./logic.ts";
import type { TypeModel } from "./model.ts";
import { createNavigator, resolveThen, type Some, type Truth } from "./navigate.ts";
import type { Expression } from "./parse.ts";
import { compileRegex, UnboundedRegexError } from "./regex.ts";
import { typeTest } from "./types.ts";
import { htmlChecks, narrativeDefect } from "./xhtml.ts";

/*
 * Every expression becomes closures over one item: its value, companion and type travel as arguments, so that
 * navigation needs no nodes and existence no arrays. Three views of an expression can be had:
 *
 * - Some: "is there an item in the result that passes this predicate?" Predicates are known when compiling, so that
 *   `a.b.where(c).exists()` is one chain of closures which stops at the first hit.
 * - Truth: `true`, `false` or `undefined` (empty), FHIRPath's three-valued logic.
 * - Single: the one JavaScript value, `undefined` for empty; its type is left in a register.
 */

type Single = (value: unknown, companion: unknown, type: string | undefined, env: Environment) => unknown;
/** Number of items, at most 2; the first one is left in the registers. */
type Probe = (value: unknown, companion: unknown, type: string | undefined, env: Environment) => number;

const ANY: Some = () => true;

/** Where Single and Probe leave what they found besides the value; read at once by who called. */
let foundValue: unknown;
let foundType: string | undefined;

const CONSTANTS: Readonly<Record<string, string>> = {
  ucum: "http://unitsofmeasure.org",
  sct: "http://snomed.info/sct",
  loinc: "http://loinc.org",
};

const TRUTH_OPERATORS = new Set("and or xor implies = != ~ !~ < <= > >= in contains".split(" "));
const TRUTH_FUNCTIONS = new Set(
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

function isTruth(expression: Expression): boolean {
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

function isSingle(expression: Expression): boolean {
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

function constantText(name: string): string | undefined {
  if (Object.hasOwn(CONSTANTS, name)) return CONSTANTS[name];
  if (name.startsWith("vs-")) return `http://hl7.org/fhir/ValueSet/${name.slice(3)}`;
  if (name.startsWith("ext-")) return `http://hl7.org/fhir/StructureDefinition/${name.slice(4)}`;
  return undefined;
}

const ITEM_FUNCTIONS = new Set(["where", "select", "exists", "all", "repeat"]);

/** Is the result the same, whatever item is looked at? */
function isIndependent(expression: Expression): boolean {
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
function refocus(expression: Expression, input: Expression): Expression {
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

/** The compiled views of one expression. */
export interface Compiler {
  truth(expression: Expression): Truth;
  some(expression: Expression, test: Some): Some;
  /**
   * Tells that an evaluation of the whole expression begins or ends: what does not depend on the item looked at
   * (`%resource.code.coding`) is found once in an evaluation.
   */
  turn(): void;
}

/** Compiles syntax trees against a type model. `source` is named in errors. */
export function createCompiler(source: string, model: TypeModel): Compiler {
  const unsupported = (what: string): FhirPathError =>
    new FhirPathError("not-supported", source, `${what} is not translated`);
  const navigator = createNavigator(source, model);
  /** Which evaluation this is; never the same for two. */
  let evaluation = 0;
  const notSingle = (): FhirPathError =>
    new FhirPathError("not-singleton", source, "more than one item where one is allowed");

  // --- collections --------------------------------------------------------------------------------------------

  type Collect = (value: unknown, companion: unknown, type: string | undefined, env: Environment) => Item[];

  function collect(expression: Expression): Collect {
    let items: Item[] = [];
    const run = some(expression, (value, companion, type) => {
      items.push({ value, companion, type });
      return false;
    });
    return (value, companion, type, env) => {
      const outer = items;
      items = [];
      try {
        run(value, companion, type, env);
        return items;
      } finally {
        items = outer;
      }
    };
  }

  /** Hands a computed collection to a predicate. */
  function fromItems(compute: Collect, test: Some): Some {
    return (value, companion, type, env) => {
      for (const item of compute(value, companion, type, env)) {
        if (test(item.value, item.companion, item.type, env)) return true;
      }
      return false;
    };
  }

  function repeat(input: Expression, projection: Expression): Collect {
    const start = collect(input);
    const step = collect(projection);
    return (value, companion, type, env) => {
      const result: Item[] = [];
      const seen = new Set<unknown>();
      let queue = start(value, companion, type, env);
      while (queue.length > 0) {
        const added: Item[] = [];
        for (const item of queue) {
          for (const next of step(item.value, item.companion, item.type, env)) {
            const key =
              typeof next.value === "object" && next.value !== null ? next.value : itemKey(next.value);
            if (seen.has(key)) continue;
            seen.add(key);
            added.push(next);
          }
        }
        result.push(...added);
        queue = added;
      }
      return result;
    };
  }

  /** Keeps the items from `skip` on, at most `take` of them, without building the collection. */
  function slice(input: Expression, skip: number, take: number, test: Some): Some {
    let seen = 0;
    let hit = false;
    const run = some(input, (value, companion, type, env) => {
      const index = seen++;
      if (index < skip) return false;
      hit = test(value, companion, type, env);
      return hit || index + 1 >= skip + take;
    });
    return (value, companion, type, env) => {
      const [outerSeen, outerHit] = [seen, hit];
      seen = 0;
      hit = false;
      try {
        run(value, companion, type, env);
        return hit;
      } finally {
        [seen, hit] = [outerSeen, outerHit];
      }
    };
  }

  function constantIndex(expression: Expression | undefined): number {
    if (expression?.kind === "literal" && typeof expression.value === "number") return expression.value;
    throw unsupported("a computed index");
  }

  function textArgument(expression: Expression | undefined): string {
    if (expression?.kind === "literal" && typeof expression.value === "string") return expression.value;
    if (expression?.kind === "variable") {
      const text = constantText(expression.name);
      if (text !== undefined) return text;
    }
    throw unsupported("a computed argument");
  }

  function typeArgument(expression: Expression | undefined): string {
    if (expression?.kind === "member") {
      if (expression.input.kind === "this") return expression.name;
      if (expression.input.kind === "member") return `${expression.input.name}.${expression.name}`;
    }
    if (expression?.kind === "literal" && typeof expression.value === "string") return expression.value;
    throw unsupported("a computed type");
  }

  function argument(expression: Extract<Expression, { kind: "call" }>, index: number): Expression {
    const found = expression.args[index];
    if (found === undefined)
      throw new FhirPathError("syntax", source, `${expression.name}() lacks an argument`);
    return found;
  }

  // --- views --------------------------------------------------------------------------------------------------

  function some(expression: Expression, test: Some): Some {
    if (isTruth(expression)) {
      const answer = truth(expression);
      return (value, companion, type, env) => {
        const result = answer(value, companion, type, env);
        return result !== undefined && test(result, undefined, "System.Boolean", env);
      };
    }
    if (isSingle(expression)) {
      const compute = single(expression);
      return (value, companion, type, env) => {
        const result = compute(value, companion, type, env);
        return result !== undefined && test(result, undefined, foundType, env);
      };
    }
    switch (expression.kind) {
      case "this":
        return (value, companion, type, env) =>
          (value !== undefined && value !== null) || (companion !== undefined && companion !== null)
            ? test(value, companion, type, env)
            : false;
      case "empty":
        return () => false;
      case "member":
        return someMember(expression, test);
      case "index":
        return slice(expression.input, constantIndex(expression.index), 1, test);
      case "type": {
        const matches = typeTest(expression.of);
        return some(expression.input, (value, companion, type, env) =>
          matches(type, value) ? test(value, companion, type, env) : false,
        );
      }
      case "variable":
        return someVariable(expression.name, test);
      case "call":
        return someCall(expression, test);
      case "binary": {
        if (expression.operator !== "|") throw unsupported(expression.operator);
        const left = collect(expression.left);
        const right = collect(expression.right);
        return fromItems(
          (value, companion, type, env) =>
            distinct([...left(value, companion, type, env), ...right(value, companion, type, env)]),
          test,
        );
      }
      default:
        throw unsupported(expression.kind);
    }
  }

  function someMember(expression: Extract<Expression, { kind: "member" }>, test: Some): Some {
    const step = navigator.child(expression.name, expression.leading, test);
    return expression.input.kind === "this" ? step : some(expression.input, step);
  }

  function someVariable(name: string, test: Some): Some {
    const resource = (pick: (env: Environment) => unknown): Some => {
      return (_value, _companion, _type, env) => {
        const found = pick(env);
        if (found === undefined || found === null) return false;
        const resourceType = (found as { resourceType?: unknown }).resourceType;
        return test(found, undefined, typeof resourceType === "string" ? resourceType : undefined, env);
      };
    };
    if (name === "resource") return resource((env) => env.resource);
    if (name === "rootResource") return resource((env) => env.rootResource);
    if (name === "context") {
      return (_value, _companion, _type, env) => {
        if (env.context === undefined) return false;
        const resourceType =
          typeof env.context === "object" && env.context !== null && "resourceType" in env.context
            ? env.context.resourceType
            : undefined;
        const type = typeof resourceType === "string" ? resourceType : env.focusType;
        return test(env.context, env.companion, type, env);
      };
    }
    throw unsupported(`%${name}`);
  }

  function someCall(expression: Extract<Expression, { kind: "call" }>, test: Some): Some {
    const { input, name } = expression;
    switch (name) {
      case "where": {
        const criterion = truth(argument(expression, 0));
        return some(input, (value, companion, type, env) =>
          criterion(value, companion, type, env) === true ? test(value, companion, type, env) : false,
        );
      }
      case "select":
        return some(input, some(argument(expression, 0), test));
      case "repeat":
        return fromItems(repeat(input, argument(expression, 0)), test);
      case "ofType":
      case "as": {
        const matches = typeTest(typeArgument(expression.args[0]));
        return some(input, (value, companion, type, env) =>
          matches(type, value) ? test(value, companion, type, env) : false,
        );
      }
      case "trace":
        return some(input, test);
      case "children":
        return some(input, navigator.children(test));
      case "descendants":
        return some(input, navigator.descendants(test));
      case "extension": {
        const url = textArgument(expression.args[0]);
        const matching: Some = (value, companion, type, env) =>
          typeof value === "object" && value !== null && "url" in value && value.url === url
            ? test(value, companion, type, env)
            : false;
        return some(input, navigator.child("extension", false, matching));
      }
      case "first":
        return slice(input, 0, 1, test);
      case "tail":
        return slice(input, 1, Infinity, test);
      case "skip":
        return slice(input, constantIndex(expression.args[0]), Infinity, test);
      case "take":
        return slice(input, 0, constantIndex(expression.args[0]), test);
      case "last":
      case "single": {
        const all = collect(input);
        return (value, companion, type, env) => {
          const items = all(value, companion, type, env);
          if (name === "single" && items.length > 1) throw notSingle();
          const item = items.at(-1);
          return item !== undefined && test(item.value, item.companion, item.type, env);
        };
      }
      case "distinct": {
        const all = collect(input);
        return fromItems((value, companion, type, env) => distinct(all(value, companion, type, env)), test);
      }
      case "union":
        return some({ kind: "binary", operator: "|", left: input, right: argument(expression, 0) }, test);
      case "combine": {
        const left = some(input, test);
        const right = some(argument(expression, 0), test);
        return (value, companion, type, env) =>
          left(value, companion, type, env) || right(value, companion, type, env);
      }
      case "intersect":
      case "exclude": {
        const left = collect(input);
        const others = membershipIn(argument(expression, 0));
        const keep = name === "intersect";
        return fromItems((value, companion, type, env) => {
          const own = left(value, companion, type, env);
          if (own.length === 0) return own;
          const isAmong = others(value, companion, type, env);
          const kept = own.filter((item) => isAmong(item.value) === keep);
          return keep ? distinct(kept) : kept;
        }, test);
      }
      case "iif": {
        const criterion = truth(refocus(argument(expression, 0), input));
        const then = some(refocus(argument(expression, 1), input), test);
        const otherwise =
          expression.args[2] === undefined ? undefined : some(refocus(expression.args[2], input), test);
        return (value, companion, type, env) => {
          if (criterion(value, companion, type, env) === true) return then(value, companion, type, env);
          return otherwise !== undefined && otherwise(value, companion, type, env);
        };
      }
      case "resolve":
        return some(input, resolveThen(test));
      default:
        throw unsupported(`${name}()`);
    }
  }

  function probe(expression: Expression): Probe {
    if (isTruth(expression)) {
      const answer = truth(expression);
      return (value, companion, type, env) => {
        foundValue = answer(value, companion, type, env);
        foundType = "System.Boolean";
        return foundValue === undefined ? 0 : 1;
      };
    }
    if (isSingle(expression)) {
      const compute = single(expression);
      return (value, companion, type, env) => {
        foundValue = compute(value, companion, type, env);
        return foundValue === undefined ? 0 : 1;
      };
    }
    if (expression.kind === "this") {
      return (value, companion, type) => {
        foundValue = value;
        foundType = type;
        return (value ?? companion ?? undefined) === undefined ? 0 : 1;
      };
    }
    let count = 0;
    let oneValue: unknown;
    let oneType: string | undefined;
    const run = some(expression, (value, _companion, type) => {
      count += 1;
      if (count > 1) return true;
      oneValue = value;
      oneType = type;
      return false;
    });
    return (value, companion, type, env) => {
      // Saved, because resolving or profile checks may lead back here.
      const outerCount = count;
      const outerValue = oneValue;
      const outerType = oneType;
      count = 0;
      run(value, companion, type, env);
      const result = count;
      foundValue = oneValue;
      foundType = oneType;
      count = outerCount;
      oneValue = outerValue;
      oneType = outerType;
      return result;
    };
  }

  function single(expression: Expression): Single {
    if (isTruth(expression)) return truth(expression);
    if (isSingle(expression)) return singleValue(expression);
    const run = probe(expression);
    return (value, companion, type, env) => {
      const count = run(value, companion, type, env);
      if (count === 0) return undefined;
      if (count > 1) throw notSingle();
      return foundValue ?? undefined;
    };
  }

  function singleValue(expression: Expression): Single {
    switch (expression.kind) {
      case "literal": {
        const { value: literal, type: literalType } = expression;
        return () => {
          foundType = literalType;
          return literal;
        };
      }
      case "variable": {
        const text = constantText(expression.name);
        return () => {
          foundType = "System.String";
          return text;
        };
      }
      case "negate": {
        const operand = single(expression.operand);
        return (value, companion, type, env) => {
          const result = operand(value, companion, type, env);
          return typeof result === "number" ? -result : undefined;
        };
      }
      case "binary":
        return arithmetic(expression.operator, single(expression.left), single(expression.right));
      case "call":
        return singleCall(expression);
      default:
        throw unsupported(expression.kind);
    }
  }

  function arithmetic(operator: string, left: Single, right: Single): Single {
    return (value, companion, type, env) => {
      const a = left(value, companion, type, env);
      const b = right(value, companion, type, env);
      if (operator === "&" || (operator === "+" && typeof a === "string" && typeof b === "string")) {
        foundType = "System.String";
        return concatenated(a) + concatenated(b);
      }
      if (a === undefined || b === undefined) return undefined;
      foundType = "System.Decimal";
      if (typeof a !== "number" || typeof b !== "number")
        throw unsupported(`${operator} of other than numbers`);
      switch (operator) {
        case "+":
          return tidy(a + b);
        case "-":
          return tidy(a - b);
        case "*":
          return tidy(a * b);
        case "/":
          return b === 0 ? undefined : tidy(a / b);
        case "div":
          return b === 0 ? undefined : Math.trunc(a / b);
        default:
          return b === 0 ? undefined : tidy(a % b);
      }
    };
  }

  function singleCall(expression: Extract<Expression, { kind: "call" }>): Single {
    const { input, name } = expression;
    if (name === "count") return countOf(input);
    const operand = single(input);
    const text =
      (compute: (text: string) => unknown): Single =>
      (value, companion, type, env) => {
        const own = operand(value, companion, type, env);
        foundType = "System.String";
        return typeof own === "string" ? compute(own) : undefined;
      };
    switch (name) {
      case "length":
        return text((own) => own.length);
      case "upper":
        return text((own) => own.toUpperCase());
      case "lower":
        return text((own) => own.toLowerCase());
      case "trim":
        return text((own) => own.trim());
      case "toString":
        return (value, companion, type, env) => {
          const own = operand(value, companion, type, env);
          foundType = "System.String";
          return isPlain(own) ? String(own) : undefined;
        };
      case "toInteger":
      case "toDecimal":
        return (value, companion, type, env) => {
          const own = operand(value, companion, type, env);
          foundType = name === "toInteger" ? "System.Integer" : "System.Decimal";
          if (typeof own === "boolean") return own ? 1 : 0;
          if (typeof own === "number") return name === "toDecimal" || Number.isInteger(own) ? own : undefined;
          if (typeof own !== "string") return undefined;
          const shape = name === "toInteger" ? /^[+-]?[0-9]{1,15}$/ : /^[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?$/;
          return shape.test(own) ? Number(own) : undefined;
        };
      case "abs":
        return (value, companion, type, env) => {
          const own = operand(value, companion, type, env);
          return typeof own === "number" ? Math.abs(own) : undefined;
        };
      default:
        return textCall(expression, operand);
    }
  }

  function textCall(expression: Extract<Expression, { kind: "call" }>, operand: Single): Single {
    const { name } = expression;
    const first = single(argument(expression, 0));
    const second = expression.args[1] === undefined ? undefined : single(expression.args[1]);
    return (value, companion, type, env) => {
      const own = operand(value, companion, type, env);
      if (typeof own !== "string") return undefined;
      const one = first(value, companion, type, env);
      const two = second?.(value, companion, type, env);
      foundType = "System.String";
      switch (name) {
        case "substring": {
          if (typeof one !== "number" || one < 0 || one >= own.length) return undefined;
          if (second === undefined) return own.slice(one);
          return typeof two === "number" ? own.slice(one, one + Math.max(two, 0)) : undefined;
        }
        case "indexOf":
          foundType = "System.Integer";
          return typeof one === "string" ? own.indexOf(one) : undefined;
        case "replace":
          return typeof one === "string" && typeof two === "string" ? own.replaceAll(one, two) : undefined;
        default: {
          if (typeof one !== "string" || typeof two !== "string") return undefined;
          if (own.length > 1000 || one.length > 200) {
            throw new FhirPathError("too-costly", source, "text too long for replaceMatches");
          }
          return own.replaceAll(new RegExp(one, "gs"), two);
        }
      }
    };
  }

  function countOf(input: Expression): Single {
    let count = 0;
    const run = some(input, () => {
      count += 1;
      return false;
    });
    return (value, companion, type, env) => {
      const outer = count;
      count = 0;
      run(value, companion, type, env);
      const result = count;
      count = outer;
      foundType = "System.Integer";
      return result;
    };
  }

  // --- three-valued logic -------------------------------------------------------------------------------------

  function truth(expression: Expression): Truth {
    if (expression.kind === "literal" && typeof expression.value === "boolean") {
      const { value: literal } = expression;
      return () => literal;
    }
    if (expression.kind === "type" && expression.operator === "is")
      return isOfType(expression.input, expression.of);
    if (expression.kind === "binary" && TRUTH_OPERATORS.has(expression.operator))
      return truthOperator(expression);
    if (expression.kind === "call" && TRUTH_FUNCTIONS.has(expression.name)) return truthCall(expression);
    if (expression.kind === "call" && expression.name === "iif") return truthChoice(expression);
    const run = probe(expression);
    return (value, companion, type, env) => {
      const count = run(value, companion, type, env);
      if (count === 0) return undefined;
      // One or more items that are no boolean stand for "there is something": `practitioner or location`.
      return count === 1 && typeof foundValue === "boolean" ? foundValue : true;
    };
  }

  function truthChoice(expression: Extract<Expression, { kind: "call" }>): Truth {
    const { input } = expression;
    const criterion = truth(refocus(argument(expression, 0), input));
    const then = truth(refocus(argument(expression, 1), input));
    const otherwise =
      expression.args[2] === undefined ? undefined : truth(refocus(expression.args[2], input));
    return (value, companion, type, env) =>
      criterion(value, companion, type, env) === true
        ? then(value, companion, type, env)
        : otherwise?.(value, companion, type, env);
  }

  function isOfType(input: Expression, of: string): Truth {
    const run = probe(input);
    const matches = typeTest(of);
    return (value, companion, type, env) => {
      const count = run(value, companion, type, env);
      if (count === 0) return undefined;
      return count === 1 && matches(foundType, foundValue);
    };
  }

  function truthOperator(expression: Extract<Expression, { kind: "binary" }>): Truth {
    const { operator, left, right } = expression;
    switch (operator) {
      case "and":
      case "or":
      case "xor":
      case "implies":
        return logic(operator, truth(left), truth(right));
      case "=":
        return equality(left, right);
      case "!=": {
        const same = equality(left, right);
        return (value, companion, type, env) => negated(same(value, companion, type, env));
      }
      case "~":
        return equivalence(left, right);
      case "!~": {
        const same = equivalence(left, right);
        return (value, companion, type, env) => negated(same(value, companion, type, env));
      }
      case "in":
        return membership(left, right);
      case "contains":
        return membership(right, left);
      default:
        return comparison(operator, single(left), single(right));
    }
  }

  function equality(left: Expression, right: Expression): Truth {
    const one = probe(left);
    const other = probe(right);
    const all = collect(left);
    const others = collect(right);
    return (value, companion, type, env) => {
      const count = one(value, companion, type, env);
      if (count === 0) return undefined;
      const ownValue = foundValue;
      const ownType = foundType;
      const otherCount = other(value, companion, type, env);
      if (otherCount === 0) return undefined;
      if (count !== otherCount) return false;
      if (count === 1) return equalItems(ownValue, ownType, foundValue, foundType);
      return equalCollections(all(value, companion, type, env), others(value, companion, type, env));
    };
  }

  function equivalence(left: Expression, right: Expression): Truth {
    const one = collect(left);
    const other = collect(right);
    return (value, companion, type, env) => {
      const keys = new Set(one(value, companion, type, env).map((item) => itemKey(loosened(item.value))));
      const otherKeys = new Set(
        other(value, companion, type, env).map((item) => itemKey(loosened(item.value))),
      );
      return keys.size === otherKeys.size && [...keys].every((key) => otherKeys.has(key));
    };
  }

  function membership(item: Expression, collection: Expression): Truth {
    const listed = literals(collection);
    const run = probe(item);
    if (listed !== undefined) {
      return (value, companion, type, env) => {
        const count = run(value, companion, type, env);
        if (count === 0) return undefined;
        if (count > 1) throw notSingle();
        return listed.has(foundValue);
      };
    }
    if (isIndependent(collection)) {
      const isAmong = membershipIn(collection);
      return (value, companion, type, env) => {
        const count = run(value, companion, type, env);
        if (count === 0) return undefined;
        if (count > 1) throw notSingle();
        const own = foundValue;
        return isAmong(value, companion, type, env)(own);
      };
    }
    let sought: unknown;
    let soughtType: string | undefined;
    const find = some(
      collection,
      (value, _companion, type) => equalItems(sought, soughtType, value, type) === true,
    );
    return (value, companion, type, env) => {
      const count = run(value, companion, type, env);
      if (count === 0) return undefined;
      if (count > 1) throw notSingle();
      sought = foundValue;
      soughtType = foundType;
      return find(value, companion, type, env);
    };
  }

  /** Makes the test for membership in a collection: once in an evaluation, where that does not depend on the item. */
  function membershipIn(
    collection: Expression,
  ): (
    value: unknown,
    companion: unknown,
    type: string | undefined,
    env: Environment,
  ) => (value: unknown) => boolean {
    const all = collect(collection);
    if (!isIndependent(collection)) {
      return (value, companion, type, env) => membershipTest(all(value, companion, type, env));
    }
    let madeIn = -1;
    let test: ((value: unknown) => boolean) | undefined;
    return (value, companion, type, env) => {
      if (test === undefined || madeIn !== evaluation) {
        test = membershipTest(all(value, companion, type, env));
        madeIn = evaluation;
      }
      return test;
    };
  }

  function comparison(operator: string, left: Single, right: Single): Truth {
    return (value, companion, type, env) => {
      const a = left(value, companion, type, env);
      const aType = foundType;
      const b = right(value, companion, type, env);
      if (a === undefined || b === undefined) return undefined;
      const order = compareItems(a, aType, b, foundType);
      if (order === undefined) return undefined;
      if (order === "convert") throw unsupported("conversion between units");
      if (operator === "<") return order < 0;
      if (operator === "<=") return order <= 0;
      return operator === ">" ? order > 0 : order >= 0;
    };
  }

  function truthCall(expression: Extract<Expression, { kind: "call" }>): Truth {
    const { input, name, args } = expression;
    switch (name) {
      case "not": {
        const own = truth(input);
        return (value, companion, type, env) => negated(own(value, companion, type, env));
      }
      case "exists":
        return exists(input, args[0]);
      case "empty": {
        const found = exists(input, undefined);
        return (value, companion, type, env) => !found(value, companion, type, env);
      }
      case "all": {
        const criterion = truth(argument(expression, 0));
        const counterexample = some(
          input,
          (value, companion, type, env) => criterion(value, companion, type, env) !== true,
        );
        return (value, companion, type, env) => !counterexample(value, companion, type, env);
      }
      case "allTrue":
      case "allFalse": {
        const wanted = name === "allTrue";
        const counterexample = some(input, (value) => value !== wanted);
        return (value, companion, type, env) => !counterexample(value, companion, type, env);
      }
      case "anyTrue":
      case "anyFalse": {
        const wanted = name === "anyTrue";
        return some(input, (value) => value === wanted);
      }
      case "hasValue": {
        const run = probe(input);
        return (value, companion, type, env) =>
          run(value, companion, type, env) === 1 &&
          foundValue !== undefined &&
          foundValue !== null &&
          typeof foundValue !== "object" &&
          foundValue !== "";
      }
      case "is":
        return isOfType(input, typeArgument(args[0]));
      case "isDistinct":
        return isDistinct(input);
      case "subsetOf":
      case "supersetOf": {
        const one = collect(name === "subsetOf" ? input : argument(expression, 0));
        const other = collect(name === "subsetOf" ? argument(expression, 0) : input);
        return (value, companion, type, env) => {
          const isAmong = membershipTest(other(value, companion, type, env));
          return one(value, companion, type, env).every((item) => isAmong(item.value));
        };
      }
      case "matches":
      case "matchesFull":
        return regexTest(input, argument(expression, 0), name === "matchesFull");
      case "startsWith":
      case "endsWith":
      case "contains":
        return textTest(name, single(input), single(argument(expression, 0)));
      case "htmlChecks":
      case "htmlChecks2": {
        const own = single(input);
        return (value, companion, type, env) => {
          const text = own(value, companion, type, env);
          if (typeof text !== "string") return undefined;
          return name === "htmlChecks" ? htmlChecks(text) : narrativeDefect(text) !== "empty";
        };
      }
      case "memberOf":
        return memberOf(input, single(argument(expression, 0)));
      default:
        return conformsTo(input, single(argument(expression, 0)));
    }
  }

  function exists(input: Expression, criterion: Expression | undefined): Some {
    if (criterion === undefined) {
      // Duplicates do not matter here: either side of a union will do.
      if (input.kind === "binary" && input.operator === "|") {
        const left = exists(input.left, undefined);
        const right = exists(input.right, undefined);
        return (value, companion, type, env) =>
          left(value, companion, type, env) || right(value, companion, type, env);
      }
      return some(input, ANY);
    }
    const test = truth(criterion);
    return some(input, (value, companion, type, env) => test(value, companion, type, env) === true);
  }

  function isDistinct(input: Expression): Truth {
    let seen = new Set<string>();
    const duplicate = some(input, (value, companion) => {
      const key = itemKey(value ?? companion);
      if (seen.has(key)) return true;
      seen.add(key);
      return false;
    });
    return (value, companion, type, env) => {
      const outer = seen;
      seen = new Set();
      try {
        return !duplicate(value, companion, type, env);
      } finally {
        seen = outer;
      }
    };
  }

  function regexTest(input: Expression, pattern: Expression, full: boolean): Truth {
    const own = single(input);
    const written = textArgument(pattern);
    let test: (text: string) => boolean;
    try {
      test = compileRegex(full ? `^(?:${written})$` : written);
    } catch (error) {
      const code = error instanceof UnboundedRegexError ? "too-costly" : "syntax";
      throw new FhirPathError(code, source, "a regular expression that cannot be evaluated", error);
    }
    return (value, companion, type, env) => {
      const text = own(value, companion, type, env);
      return typeof text === "string" ? test(text) : undefined;
    };
  }

  function memberOf(input: Expression, valueSet: Single): Truth {
    const all = collect(input);
    return (value, companion, type, env) => {
      const canonical = valueSet(value, companion, type, env);
      if (typeof canonical !== "string") return undefined;
      let open = false;
      const items = all(value, companion, type, env);
      if (items.length === 0) return undefined;
      for (const item of items) {
        const answer = env.memberOf?.(item.value, item.type, canonical);
        if (answer === true) return true;
        open ||= answer === undefined;
      }
      if (!open) return false;
      throw new FhirPathError("not-available", source, `membership of ${canonical} cannot be told`);
    };
  }

  function conformsTo(input: Expression, profile: Single): Truth {
    const own = single(input);
    return (value, companion, type, env) => {
      const canonical = profile(value, companion, type, env);
      const item = own(value, companion, type, env);
      if (typeof canonical !== "string" || item === undefined) return undefined;
      const answer = env.conformsTo?.(item, canonical);
      if (answer !== undefined) return answer;
      throw new FhirPathError("not-available", source, `conformance to ${canonical} cannot be told`);
    };
  }

  return {
    truth,
    some,
    turn: () => {
      evaluation += 1;
    },
  };
}

function concatenated(value: unknown): string {
  return isPlain(value) ? String(value) : "";
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** Decimal arithmetic to 15 digits, without the binary remainder of 0.1 + 0.2. */
function tidy(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(15));
}

function loosened(value: unknown): unknown {
  return typeof value === "string" ? value.toLowerCase().trim().replaceAll(/\s+/g, " ") : value;
}

/** Collections up to this size are compared pairwise: that costs less than making texts of their items. */
const FEW = 6;

/** Tests for membership in a collection, in time that does not grow with it. */
function membershipTest(items: readonly Item[]): (value: unknown) => boolean {
  if (items.length <= FEW) return (value) => items.some((item) => sameItem(item.value, value));
  const keys = new Set(items.map((item) => itemKey(item.value)));
  return (value) => keys.has(itemKey(value));
}

function distinct(items: Item[]): Item[] {
  if (items.length < 2) return items;
  if (items.length <= FEW) {
    return items.filter(
      ({ value, companion }, i) =>
        !items.slice(0, i).some((other) => sameItem(other.value ?? other.companion, value ?? companion)),
    );
  }
  const seen = new Set<string>();
  return items.filter((item) => {
    const key = itemKey(item.value ?? item.companion);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** The values of `('a' | 'b' | 'c')`. */
function literals(expression: Expression): ReadonlySet<unknown> | undefined {
  if (expression.kind === "literal") return new Set([expression.value]);
  if (expression.kind !== "binary" || expression.operator !== "|") return undefined;
  const left = literals(expression.left);
  const right = literals(expression.right);
  return left === undefined || right === undefined ? undefined : new Set([...left, ...right]);
}

function textTest(name: string, own: Single, part: Single): Truth {
  return (value, companion, type, env) => {
    const text = own(value, companion, type, env);
    if (typeof text !== "string") return undefined;
    const sought = part(value, companion, type, env);
    if (typeof sought !== "string") return undefined;
    if (name === "startsWith") return text.startsWith(sought);
    return name === "endsWith" ? text.endsWith(sought) : text.includes(sought);
  };
}
