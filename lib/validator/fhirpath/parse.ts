import { FhirPathError } from "./error.ts";

/** Syntax tree of a FHIRPath 2.0.0 expression. A call or member without an input has `this` as input. */
export type Expression =
  | { readonly kind: "this" }
  | { readonly kind: "empty" }
  | { readonly kind: "literal"; readonly value: string | number | boolean; readonly type: string }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "member"; readonly input: Expression; readonly name: string; readonly leading: boolean }
  | {
      readonly kind: "call";
      readonly input: Expression;
      readonly name: string;
      readonly args: readonly Expression[];
    }
  | { readonly kind: "index"; readonly input: Expression; readonly index: Expression }
  | { readonly kind: "negate"; readonly operand: Expression }
  | { readonly kind: "type"; readonly operator: "is" | "as"; readonly input: Expression; readonly of: string }
  | {
      readonly kind: "binary";
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
    };

type TokenKind = "identifier" | "quoted" | "string" | "number" | "temporal" | "variable" | "symbol" | "end";

interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly at: number;
}

const THIS: Expression = { kind: "this" };

/** Binary operators by binding strength, weakest first (FHIRPath 2.0.0, section 6.8). */
const LEVELS: readonly ReadonlySet<string>[] = [
  new Set(["implies"]),
  new Set(["or", "xor"]),
  new Set(["and"]),
  new Set(["in", "contains"]),
  new Set(["=", "~", "!=", "!~"]),
  new Set(["<", "<=", ">", ">="]),
  new Set(["|"]),
  new Set(["is", "as"]),
  new Set(["+", "-", "&"]),
  new Set(["*", "/", "div", "mod"]),
];

const SYMBOL = /<=|>=|!=|!~|[()[\].,|=~<>+\-*/&{}]/y;
const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /[0-9]+(?:\.[0-9]+)?/y;
const TEMPORAL = /@T?[0-9][0-9:.\-TZ+]*/y;
const VARIABLE = /%(?:(?:vs|ext)-[A-Za-z0-9\-.]+|[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z][A-Za-z0-9]*)?)/y;
const SPECIAL = /\$[a-z]+/y;
const SPACE = /(?:\s+|\/\/[^\n]*|\/\*(?:[^*]|\*(?!\/))*\*\/)+/y;

const ESCAPES: Readonly<Record<string, string>> = { r: "\r", n: "\n", t: "\t", f: "\f" };

function unescapeText(text: string): string {
  return text.replaceAll(/\\(?:u([0-9A-Fa-f]{4})|(.))/gs, (_, hex: string | undefined, char: string) =>
    hex === undefined ? (ESCAPES[char] ?? char) : String.fromCodePoint(Number.parseInt(hex, 16)),
  );
}

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const quoted = (quote: string): string => {
    let end = at + 1;
    while (end < source.length && source[end] !== quote) end += source[end] === "\\" ? 2 : 1;
    if (end >= source.length) throw new FhirPathError("syntax", source, `unclosed ${quote} at ${at}`);
    const text = unescapeText(source.slice(at + 1, end));
    at = end + 1;
    return text;
  };
  for (;;) {
    take(SPACE);
    const start = at;
    const char = source[at];
    if (char === undefined) break;
    let kind: TokenKind;
    let text: string | undefined;
    if (char === "'") [kind, text] = ["string", quoted("'")];
    else if (char === "`" || char === '"') [kind, text] = ["quoted", quoted(char)];
    else if (char === "%" && "`'\"".includes(source[at + 1] ?? " ")) {
      at += 1;
      [kind, text] = ["variable", quoted(source[at] ?? "")];
    } else if (char === "%") [kind, text] = ["variable", take(VARIABLE)?.slice(1)];
    else if (char === "@") [kind, text] = ["temporal", take(TEMPORAL)?.slice(1)];
    else if (char === "$") [kind, text] = ["identifier", take(SPECIAL)];
    else if (/[0-9]/.test(char)) [kind, text] = ["number", take(NUMBER)];
    else if (/[A-Za-z_]/.test(char)) [kind, text] = ["identifier", take(IDENTIFIER)];
    else [kind, text] = ["symbol", take(SYMBOL)];
    if (text === undefined) throw new FhirPathError("syntax", source, `unexpected character at ${at}`);
    tokens.push({ kind, text, at: start });
  }
  tokens.push({ kind: "end", text: "", at });
  return tokens;
}

/**
 * Parses a FHIRPath expression (https://hl7.org/fhirpath/N1, FHIRPath 2.0.0 grammar).
 *
 * @throws FhirPathError `syntax` for text that is not FHIRPath, `not-supported` for quantity literals, `$index` and `$total`.
 */
export function parseExpression(source: string): Expression {
  const tokens = tokenize(source);
  let position = 0;
  let depth = 0;

  const peek = (): Token => tokens[position] ?? { kind: "end", text: "", at: source.length };
  const next = (): Token => {
    const token = peek();
    position += 1;
    return token;
  };
  const fail = (token: Token): never => {
    throw new FhirPathError("syntax", source, `unexpected "${token.text || "end"}" at ${token.at}`);
  };
  const isSymbol = (text: string): boolean => peek().kind === "symbol" && peek().text === text;
  const accept = (text: string): boolean => {
    if (!isSymbol(text)) return false;
    position += 1;
    return true;
  };
  const expect = (text: string): void => {
    if (!accept(text)) fail(peek());
  };

  function typeName(): string {
    const first = next();
    if (first.kind !== "identifier" && first.kind !== "quoted") fail(first);
    if (!accept(".")) return first.text;
    return `${first.text}.${next().text}`;
  }

  function binary(level: number): Expression {
    const operators = LEVELS[level];
    if (operators === undefined) return unary();
    let left = binary(level + 1);
    for (;;) {
      const token = peek();
      if ((token.kind !== "symbol" && token.kind !== "identifier") || !operators.has(token.text)) return left;
      position += 1;
      left =
        token.text === "is" || token.text === "as"
          ? { kind: "type", operator: token.text, input: left, of: typeName() }
          : { kind: "binary", operator: token.text, left, right: binary(level + 1) };
    }
  }

  function unary(): Expression {
    if (accept("-")) return { kind: "negate", operand: unary() };
    if (accept("+")) return unary();
    return postfix();
  }

  function postfix(): Expression {
    let input = term();
    for (;;) {
      if (accept(".")) input = invocation(input, false);
      else if (accept("[")) {
        input = { kind: "index", input, index: binary(0) };
        expect("]");
      } else return input;
    }
  }

  function invocation(input: Expression, leading: boolean): Expression {
    const token = next();
    if (token.kind === "quoted") return { kind: "member", input, name: token.text, leading };
    if (token.kind !== "identifier") fail(token);
    if (token.text === "$this") return input;
    if (token.text.startsWith("$")) {
      throw new FhirPathError("not-supported", source, `${token.text} is not translated`);
    }
    if (!accept("(")) return { kind: "member", input, name: token.text, leading };
    const args: Expression[] = [];
    if (!accept(")")) {
      do args.push(binary(0));
      while (accept(","));
      expect(")");
    }
    return { kind: "call", input, name: token.text, args };
  }

  function term(): Expression {
    depth += 1;
    if (depth > 200) throw new FhirPathError("too-costly", source, "nested too deeply");
    try {
      const token = peek();
      if (token.kind === "string") {
        position += 1;
        return { kind: "literal", value: token.text, type: "System.String" };
      }
      if (token.kind === "number") {
        position += 1;
        const following = peek();
        if (
          following.kind === "string" ||
          (following.kind === "identifier" &&
            /^(?:year|month|week|day|hour|minute|(?:milli)?second)s?$/.test(following.text))
        ) {
          throw new FhirPathError("not-supported", source, "quantity literals are not translated");
        }
        const type = token.text.includes(".") ? "System.Decimal" : "System.Integer";
        return { kind: "literal", value: Number(token.text), type };
      }
      if (token.kind === "temporal") {
        position += 1;
        if (token.text.startsWith("T")) {
          return { kind: "literal", value: token.text.slice(1), type: "System.Time" };
        }
        const type = token.text.includes("T") ? "System.DateTime" : "System.Date";
        return { kind: "literal", value: token.text.replace(/T$/, ""), type };
      }
      if (token.kind === "variable") {
        position += 1;
        return { kind: "variable", name: token.text };
      }
      if (accept("(")) {
        const inner = binary(0);
        expect(")");
        return inner;
      }
      if (accept("{")) {
        expect("}");
        return { kind: "empty" };
      }
      if (token.kind === "identifier" && (token.text === "true" || token.text === "false")) {
        position += 1;
        return { kind: "literal", value: token.text === "true", type: "System.Boolean" };
      }
      return invocation(THIS, true);
    } finally {
      depth -= 1;
    }
  }

  const expression = binary(0);
  if (peek().kind !== "end") fail(peek());
  return expression;
}
