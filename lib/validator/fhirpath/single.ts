import { FhirPathError } from "./error.ts";
import { constantText, isSingle, isTruth } from "./classify.ts";
import type { Expression } from "./parse.ts";
import { type Call, found, type Probe, type Single, type Views } from "./views.ts";

/** Compiles expressions to their one value: paths, literals, arithmetic, functions on texts and numbers. */
export function createSingle(views: Views): Pick<Views, "single" | "probe"> {
  const { source, some, truth, argument, unsupported, notSingle } = views;

  function probe(expression: Expression): Probe {
    if (isTruth(expression)) {
      const answer = truth(expression);
      return (value, companion, type, env) => {
        found.value = answer(value, companion, type, env);
        found.type = "System.Boolean";
        return found.value === undefined ? 0 : 1;
      };
    }
    if (isSingle(expression)) {
      const compute = single(expression);
      return (value, companion, type, env) => {
        found.value = compute(value, companion, type, env);
        return found.value === undefined ? 0 : 1;
      };
    }
    if (expression.kind === "this") {
      return (value, companion, type) => {
        found.value = value;
        found.type = type;
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
      found.value = oneValue;
      found.type = oneType;
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
      return found.value ?? undefined;
    };
  }

  function singleValue(expression: Expression): Single {
    switch (expression.kind) {
      case "literal": {
        const { value: literal, type: literalType } = expression;
        return () => {
          found.type = literalType;
          return literal;
        };
      }
      case "variable": {
        const text = constantText(expression.name);
        return () => {
          found.type = "System.String";
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
        found.type = "System.String";
        return concatenated(a) + concatenated(b);
      }
      if (a === undefined || b === undefined) return undefined;
      found.type = "System.Decimal";
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

  function singleCall(expression: Call): Single {
    const { input, name } = expression;
    if (name === "count") return countOf(input);
    const operand = single(input);
    const text =
      (compute: (text: string) => unknown): Single =>
      (value, companion, type, env) => {
        const own = operand(value, companion, type, env);
        found.type = "System.String";
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
          found.type = "System.String";
          return isPlain(own) ? String(own) : undefined;
        };
      case "toInteger":
      case "toDecimal":
        return (value, companion, type, env) => {
          const own = operand(value, companion, type, env);
          found.type = name === "toInteger" ? "System.Integer" : "System.Decimal";
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

  function textCall(expression: Call, operand: Single): Single {
    const { name } = expression;
    const first = single(argument(expression, 0));
    const second = expression.args[1] === undefined ? undefined : single(expression.args[1]);
    return (value, companion, type, env) => {
      const own = operand(value, companion, type, env);
      if (typeof own !== "string") return undefined;
      const one = first(value, companion, type, env);
      const two = second?.(value, companion, type, env);
      found.type = "System.String";
      switch (name) {
        case "substring": {
          if (typeof one !== "number" || one < 0 || one >= own.length) return undefined;
          if (second === undefined) return own.slice(one);
          return typeof two === "number" ? own.slice(one, one + Math.max(two, 0)) : undefined;
        }
        case "indexOf":
          found.type = "System.Integer";
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
      found.type = "System.Integer";
      return result;
    };
  }

  return { single, probe };
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
