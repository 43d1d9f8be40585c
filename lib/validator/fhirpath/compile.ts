import { constantText, isIndependent, isSingle, isTruth, refocus } from "./classify.ts";
import { itemKey, sameItem } from "./equality.ts";
import { FhirPathError } from "./error.ts";
import type { InvariantEnvironment as Environment, Item } from "./environment.ts";
import type { TypeModel } from "./model.ts";
import { createNavigator, resolveThen, type Some, type Truth } from "./navigate.ts";
import type { Expression } from "./parse.ts";
import { createSingle } from "./single.ts";
import { createTruth } from "./truth.ts";
import { typeTest } from "./types.ts";
import { type Call, type Collect, found, type Membership, type Views } from "./views.ts";

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

  const views: Views = {
    source,
    some,
    collect,
    membershipIn,
    argument,
    textArgument,
    typeArgument,
    unsupported,
    notSingle,
    truth: (expression) => truth(expression),
    single: (expression) => single(expression),
    probe: (expression) => probe(expression),
  };
  const truth = createTruth(views);
  const { single, probe } = createSingle(views);

  // --- collections --------------------------------------------------------------------------------------------

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

  function argument(expression: Call, index: number): Expression {
    const found = expression.args[index];
    if (found === undefined)
      throw new FhirPathError("syntax", source, `${expression.name}() lacks an argument`);
    return found;
  }

  /** Makes the test for membership in a collection: once in an evaluation, where that does not depend on the item. */
  function membershipIn(collection: Expression): Membership {
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
        return result !== undefined && test(result, undefined, found.type, env);
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

  function someCall(expression: Call, test: Some): Some {
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

  return {
    truth,
    some,
    turn: () => {
      evaluation += 1;
    },
  };
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

/** Hands a computed collection to a predicate. */
function fromItems(compute: Collect, test: Some): Some {
  return (value, companion, type, env) => {
    for (const item of compute(value, companion, type, env)) {
      if (test(item.value, item.companion, item.type, env)) return true;
    }
    return false;
  };
}
