import { isIndependent, literals, refocus, TRUTH_FUNCTIONS, TRUTH_OPERATORS } from "./classify.ts";
import { compareItems, equalCollections } from "./compare.ts";
import { equalItems, itemKey } from "./equality.ts";
import { FhirPathError } from "./error.ts";
import { logic, negated } from "./logic.ts";
import type { Some, Truth } from "./navigate.ts";
import type { Expression } from "./parse.ts";
import { compileRegex, UnboundedRegexError } from "./regex.ts";
import { typeTest } from "./types.ts";
import { type Call, found, type Single, type Views } from "./views.ts";
import { htmlChecks, narrativeDefect } from "./xhtml.ts";

const ANY: Some = () => true;

/** Compiles expressions to three-valued logic: operators, existence, comparison, tests. */
export function createTruth(views: Views): Views["truth"] {
  const {
    source,
    some,
    collect,
    membershipIn,
    argument,
    textArgument,
    typeArgument,
    notSingle,
    unsupported,
  } = views;
  // These come after this part in the making of the compiler.
  const single = (expression: Expression): Single => views.single(expression);
  const probe: Views["probe"] = (expression) => views.probe(expression);

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
      return count === 1 && typeof found.value === "boolean" ? found.value : true;
    };
  }

  function truthChoice(expression: Call): Truth {
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
      return count === 1 && matches(found.type, found.value);
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
      const ownValue = found.value;
      const ownType = found.type;
      const otherCount = other(value, companion, type, env);
      if (otherCount === 0) return undefined;
      if (count !== otherCount) return false;
      if (count === 1) return equalItems(ownValue, ownType, found.value, found.type);
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
        return listed.has(found.value);
      };
    }
    if (isIndependent(collection)) {
      const isAmong = membershipIn(collection);
      return (value, companion, type, env) => {
        const count = run(value, companion, type, env);
        if (count === 0) return undefined;
        if (count > 1) throw notSingle();
        const own = found.value;
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
      sought = found.value;
      soughtType = found.type;
      return find(value, companion, type, env);
    };
  }

  function comparison(operator: string, left: Single, right: Single): Truth {
    return (value, companion, type, env) => {
      const a = left(value, companion, type, env);
      const aType = found.type;
      const b = right(value, companion, type, env);
      if (a === undefined || b === undefined) return undefined;
      const order = compareItems(a, aType, b, found.type);
      if (order === undefined) return undefined;
      if (order === "convert") throw unsupported("conversion between units");
      if (operator === "<") return order < 0;
      if (operator === "<=") return order <= 0;
      return operator === ">" ? order > 0 : order >= 0;
    };
  }

  function truthCall(expression: Call): Truth {
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
          found.value !== undefined &&
          found.value !== null &&
          typeof found.value !== "object" &&
          found.value !== "";
      }
      case "is":
        return isOfType(input, typeArgument(args[0]));
      case "isDistinct":
        return isDistinct(input);
      case "subsetOf":
      case "supersetOf": {
        const one = collect(name === "subsetOf" ? input : argument(expression, 0));
        const among = membershipIn(name === "subsetOf" ? argument(expression, 0) : input);
        return (value, companion, type, env) => {
          const isAmong = among(value, companion, type, env);
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

  return truth;
}

function loosened(value: unknown): unknown {
  return typeof value === "string" ? value.toLowerCase().trim().replaceAll(/\s+/g, " ") : value;
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
