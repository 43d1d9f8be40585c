/**
 * Regular expressions of `matches()` evaluated in time linear in the text: guides bring their own expressions, and
 * the texts come from whoever writes the data. Simple expressions run on the engine of the platform; those that nest
 * or chain unbounded repetition run as a set of states (Thompson's construction), which cannot backtrack.
 */

type CharTest = (code: number) => boolean;

type Piece =
  | { readonly kind: "char"; readonly test: CharTest }
  | { readonly kind: "start" }
  | { readonly kind: "end" }
  | { readonly kind: "boundary"; readonly inside: boolean }
  | { readonly kind: "sequence"; readonly parts: readonly Piece[] }
  | { readonly kind: "choice"; readonly options: readonly Piece[] }
  | { readonly kind: "repeat"; readonly part: Piece; readonly min: number; readonly max: number };

/** A regular expression outside of what can be evaluated in bounded time (back references, look-around, too large). */
export class UnboundedRegexError extends Error {
  override readonly name = "UnboundedRegexError";
}

const MAX_STATES = 20_000;

function isWord(code: number): boolean {
  return (
    (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122)
  );
}
function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}
function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13) || code === 0xa0 || code === 0xfeff || code === 0x20_28;
}

const CLASSES: Readonly<Record<string, CharTest>> = {
  d: isDigit,
  D: (code) => !isDigit(code),
  w: isWord,
  W: (code) => !isWord(code),
  s: isSpace,
  S: (code) => !isSpace(code),
};

const CONTROL: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11 };

function parsePattern(source: string): Piece {
  let at = 0;

  function escaped(): { readonly test: CharTest; readonly code?: number } {
    const char = source[at];
    if (char === undefined) throw new UnboundedRegexError("ends in a backslash");
    at += 1;
    const shared = CLASSES[char];
    if (shared !== undefined) return { test: shared };
    if (/[1-9kpP]/.test(char))
      throw new UnboundedRegexError("back references and properties are not evaluated");
    let code = CONTROL[char] ?? char.charCodeAt(0);
    if (char === "u" || char === "x") {
      const length = char === "u" ? 4 : 2;
      code = Number.parseInt(source.slice(at, at + length), 16);
      at += length;
    }
    return { test: (other) => other === code, code };
  }

  function charClass(): CharTest {
    const negated = source[at] === "^";
    if (negated) at += 1;
    const tests: CharTest[] = [];
    let first = true;
    while (first || source[at] !== "]") {
      if (at >= source.length) throw new UnboundedRegexError("unclosed class");
      first = false;
      const low = classAtom();
      if (low.code !== undefined && source[at] === "-" && source[at + 1] !== "]" && at + 1 < source.length) {
        at += 1;
        const high = classAtom();
        const [from, to] = [low.code, high.code ?? low.code];
        tests.push((code) => code >= from && code <= to);
      } else tests.push(low.test);
    }
    at += 1;
    return (code) => tests.some((test) => test(code)) !== negated;
  }

  function classAtom(): { readonly test: CharTest; readonly code?: number } {
    const char = source[at] ?? "";
    at += 1;
    if (char === "\\") return escaped();
    const code = char.charCodeAt(0);
    return { test: (other) => other === code, code };
  }

  function choice(): Piece {
    const options: Piece[] = [sequence()];
    while (source[at] === "|") {
      at += 1;
      options.push(sequence());
    }
    return options.length === 1 && options[0] !== undefined ? options[0] : { kind: "choice", options };
  }

  function sequence(): Piece {
    const parts: Piece[] = [];
    while (at < source.length && source[at] !== "|" && source[at] !== ")") parts.push(repeated());
    return { kind: "sequence", parts };
  }

  function repeated(): Piece {
    let part = atom();
    for (;;) {
      const char = source[at];
      let bounds: [number, number] | undefined;
      if (char === "*") bounds = [0, Infinity];
      else if (char === "+") bounds = [1, Infinity];
      else if (char === "?") bounds = [0, 1];
      else if (char === "{") {
        const found = /^\{([0-9]+)(,([0-9]*))?\}/.exec(source.slice(at, at + 24));
        if (found !== null) {
          const min = Number(found[1]);
          const max = found[2] === undefined ? min : found[3] === "" ? Infinity : Number(found[3]);
          bounds = [min, max];
          at += found[0].length - 1;
        }
      }
      if (bounds === undefined) return part;
      at += 1;
      // Lazy or possessive: which match is found differs, whether there is one does not.
      if (source[at] === "?") at += 1;
      part = { kind: "repeat", part, min: bounds[0], max: bounds[1] };
    }
  }

  function atom(): Piece {
    const char = source[at] ?? "";
    at += 1;
    if (char === "(") {
      if (source[at] === "?") {
        if (source[at + 1] !== ":") throw new UnboundedRegexError("look-around is not evaluated");
        at += 2;
      }
      const inner = choice();
      if (source[at] !== ")") throw new UnboundedRegexError("unclosed group");
      at += 1;
      return inner;
    }
    if (char === "[") return { kind: "char", test: charClass() };
    if (char === ".") return { kind: "char", test: () => true };
    if (char === "^") return { kind: "start" };
    if (char === "$") return { kind: "end" };
    if (char === "\\") {
      const following = source[at];
      if (following === "b" || following === "B") {
        at += 1;
        return { kind: "boundary", inside: following === "B" };
      }
      return { kind: "char", test: escaped().test };
    }
    if (char === "*" || char === "+" || char === "?") throw new UnboundedRegexError("nothing to repeat");
    const code = char.charCodeAt(0);
    return { kind: "char", test: (other) => other === code };
  }

  const pattern = choice();
  if (at < source.length) throw new UnboundedRegexError("unbalanced group");
  return pattern;
}

type State =
  | { kind: "char"; test: CharTest; to: number }
  | { kind: "split"; to: number; or: number }
  | { kind: "assert"; piece: Piece; to: number }
  | { kind: "accept" };

function build(pattern: Piece): { readonly states: readonly State[]; readonly start: number } {
  const states: State[] = [{ kind: "accept" }];
  const add = (state: State): number => {
    if (states.length >= MAX_STATES) throw new UnboundedRegexError("too many states");
    return states.push(state) - 1;
  };
  // Built backwards: each piece is given where to go on.
  const compile = (piece: Piece, to: number): number => {
    switch (piece.kind) {
      case "char":
        return add({ kind: "char", test: piece.test, to });
      case "start":
      case "end":
      case "boundary":
        return add({ kind: "assert", piece, to });
      case "sequence":
        return piece.parts.reduceRight((then, part) => compile(part, then), to);
      case "choice": {
        const [last, ...others] = piece.options.toReversed();
        let entry = last === undefined ? to : compile(last, to);
        for (const option of others) entry = add({ kind: "split", to: compile(option, to), or: entry });
        return entry;
      }
      case "repeat": {
        let entry = to;
        if (piece.max === Infinity) {
          const loop = add({ kind: "split", to: 0, or: to });
          const body = compile(piece.part, loop);
          states[loop] = { kind: "split", to: body, or: to };
          entry = loop;
        } else {
          for (let i = piece.min; i < piece.max; i++) {
            entry = add({ kind: "split", to: compile(piece.part, entry), or: to });
          }
        }
        for (let i = 0; i < piece.min; i++) entry = compile(piece.part, entry);
        return entry;
      }
    }
  };
  return { states, start: compile(pattern, 0) };
}

function holds(piece: Piece, text: string, at: number): boolean {
  if (piece.kind === "start") return at === 0;
  if (piece.kind === "end") return at === text.length;
  const before = at > 0 && isWord(text.charCodeAt(at - 1));
  const after = at < text.length && isWord(text.charCodeAt(at));
  return piece.kind === "boundary" && (before !== after) !== piece.inside;
}

function stateMachine(source: string): (text: string) => boolean {
  const { states, start } = build(parsePattern(source));
  return (text) => {
    let current: number[] = [];
    let following: number[] = [];
    const mark = new Int32Array(states.length).fill(-1);
    const stack: number[] = [];
    const enter = (list: number[], state: number, at: number): boolean => {
      stack.push(state);
      for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
        if (mark[index] === at) continue;
        mark[index] = at;
        const found = states[index];
        if (found === undefined || found.kind === "accept") return true;
        if (found.kind === "split") stack.push(found.or, found.to);
        else if (found.kind === "assert") {
          if (holds(found.piece, text, at)) stack.push(found.to);
        } else list.push(index);
      }
      return false;
    };
    for (let at = 0; at <= text.length; at++) {
      // A match may begin anywhere: `matches` is partial since FHIRPath 2.0.
      if (enter(current, start, at)) return true;
      if (at === text.length) return false;
      const code = text.charCodeAt(at);
      following.length = 0;
      for (const index of current) {
        const state = states[index];
        if (state?.kind === "char" && state.test(code) && enter(following, state.to, at + 1)) return true;
      }
      [current, following] = [following, current];
    }
    return false;
  };
}

/** Is it safe on a backtracking engine: at most one unbounded repetition, and nothing repeated inside a repetition? */
function isSimple(piece: Piece): boolean {
  let unbounded = 0;
  let nested = false;
  const walk = (part: Piece, inside: boolean): void => {
    if (part.kind === "sequence") for (const inner of part.parts) walk(inner, inside);
    else if (part.kind === "choice") for (const inner of part.options) walk(inner, inside);
    else if (part.kind === "repeat") {
      if (part.max > 1 && inside) nested = true;
      if (part.max === Infinity) unbounded += 1;
      walk(part.part, inside || part.max > 1);
    }
  };
  walk(piece, false);
  return unbounded <= 1 && !nested;
}

/** Longer texts are matched by the state machine, where even a simple expression could take quadratic time. */
const LONG = 4096;

/**
 * Compiles a regular expression for partial matching: `(?s)`, no other flags, as the HL7 validator runs `matches`.
 *
 * @throws UnboundedRegexError for what cannot be evaluated in linear time.
 * @throws SyntaxError for what is no regular expression.
 */
export function compileRegex(source: string): (text: string) => boolean {
  const native = new RegExp(source, "s");
  const pattern = parsePattern(source);
  let machine: ((text: string) => boolean) | undefined;
  const simple = isSimple(pattern);
  if (!simple) machine = stateMachine(source);
  return (text) => {
    if (simple && text.length <= LONG) return native.test(text);
    machine ??= stateMachine(source);
    return machine(text);
  };
}
