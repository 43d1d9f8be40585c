import type { Truth } from "./navigate.ts";

/** FHIRPath's three-valued logic (2.0.0, section 6.5); `undefined` is empty. The right side is asked only where it matters. */
export function logic(operator: "and" | "or" | "xor" | "implies", left: Truth, right: Truth): Truth {
  switch (operator) {
    case "and":
      return (value, companion, type, env) => {
        const a = left(value, companion, type, env);
        if (a === false) return false;
        const b = right(value, companion, type, env);
        if (b === false) return false;
        return a === undefined || b === undefined ? undefined : true;
      };
    case "or":
      return (value, companion, type, env) => {
        const a = left(value, companion, type, env);
        if (a === true) return true;
        const b = right(value, companion, type, env);
        if (b === true) return true;
        return a === undefined || b === undefined ? undefined : false;
      };
    case "xor":
      return (value, companion, type, env) => {
        const a = left(value, companion, type, env);
        const b = right(value, companion, type, env);
        return a === undefined || b === undefined ? undefined : a !== b;
      };
    case "implies":
      return (value, companion, type, env) => {
        const a = left(value, companion, type, env);
        if (a === false) return true;
        const b = right(value, companion, type, env);
        if (b === true) return true;
        return a === undefined ? undefined : b;
      };
  }
}

/** `not()`. */
export function negated(answer: boolean | undefined): boolean | undefined {
  return answer === undefined ? undefined : !answer;
}
