import { codeSystems } from "../data.ts";
import { each, isObject, type Json } from "../json.ts";
import { localReference } from "./present.ts";

/** A search value that cannot be read: 400. */
export class InvalidSearch extends Error {
  override readonly name = "InvalidSearch";
}

/** Splits a search value at its commas, `\\,` being one that belongs to it (FHIR R4, 3.1.1.5.3). */
export function alternatives(value: string): string[] {
  return value.split(/(?<!\\),/);
}

const unescape = (text: string) => text.replaceAll(/\\([,$|\\])/g, "$1");

interface Span {
  /** Milliseconds; the end is not included. */
  readonly start: number;
  readonly end: number;
}

const DATE = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/** The time that a date of any precision covers; without a zone, in UTC. */
export function spanOf(text: string): Span | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, year = "", month, day, hour, minute, second, fraction, zone] = match;
  const time = `${hour ?? "00"}:${minute ?? "00"}:${second ?? "00"}${fraction ?? ""}`;
  const start = Date.parse(`${year}-${month ?? "01"}-${day ?? "01"}T${time}${zone ?? "Z"}`);
  if (Number.isNaN(start)) return undefined;
  const isRealDay =
    day === undefined ||
    new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day);
  if (!isRealDay) return undefined;
  if (month === undefined) return { start, end: Date.UTC(Number(year) + 1, 0, 1) };
  if (day === undefined) return { start, end: Date.UTC(Number(year), Number(month), 1) };
  if (hour === undefined) return { start, end: start + 86_400_000 };
  if (second === undefined) return { start, end: start + 60_000 };
  return { start, end: start + (fraction === undefined ? 1000 : 1) };
}

function spanOfValue(value: Json): Span | undefined {
  if (typeof value === "string") return spanOf(value);
  if (!isObject(value)) return undefined;
  const { start, end } = value;
  if (typeof start !== "string" && typeof end !== "string") return undefined;
  return {
    start: typeof start === "string" ? (spanOf(start)?.start ?? -Infinity) : -Infinity,
    end: typeof end === "string" ? (spanOf(end)?.end ?? Infinity) : Infinity,
  };
}

const COMPARE: Readonly<Record<string, (value: Span, asked: Span) => boolean>> = {
  eq: (value, asked) => value.start >= asked.start && value.end <= asked.end,
  ne: (value, asked) => !(value.start >= asked.start && value.end <= asked.end),
  gt: (value, asked) => value.end > asked.end,
  lt: (value, asked) => value.start < asked.start,
  ge: (value, asked) => value.end > asked.end || (value.start >= asked.start && value.end <= asked.end),
  le: (value, asked) => value.start < asked.start || (value.start >= asked.start && value.end <= asked.end),
  sa: (value, asked) => value.start >= asked.end,
  eb: (value, asked) => value.end <= asked.start,
  ap: (value, asked) => {
    const slack = Math.abs(Date.now() - asked.start) / 10;
    return value.start < asked.end + slack && value.end > asked.start - slack;
  },
};

/** Whether the values that a parameter is about match; made once for a search. */
export type Test = (values: readonly Json[]) => boolean;

function testDate(asked: string): Test {
  const prefix = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=\d)/.exec(asked)?.[1];
  // An unescaped plus of a time zone is read as a space.
  const text = (prefix === undefined ? asked : asked.slice(2)).replace(/ (?=\d\d:\d\d$)/, "+");
  const span = spanOf(text);
  const compare = COMPARE[prefix ?? "eq"];
  if (span === undefined || compare === undefined) throw new InvalidSearch(`"${asked}" is not a date.`);
  return (values) =>
    values.some((value) => {
      const covered = spanOfValue(value);
      return covered !== undefined && compare(covered, span);
    });
}

/** System and code pairs of a value that a token may match. */
function tokensOf(value: Json, implied: string | undefined): { system: string | undefined; code: string }[] {
  if (!isObject(value)) return typeof value === "string" ? [{ system: implied, code: value }] : [];
  if (Array.isArray(value["coding"])) return value["coding"].flatMap((each) => tokensOf(each, undefined));
  const code = value["code"] ?? value["value"];
  const system = value["system"];
  if (typeof code !== "string") return [];
  return [{ system: typeof system === "string" ? system : undefined, code }];
}

function testToken(asked: string, expression: string): Test {
  const at = asked.search(/(?<!\\)\|/);
  const system = at === -1 ? undefined : unescape(asked.slice(0, at));
  const code = unescape(asked.slice(at + 1));
  if (system === "" && code === "") throw new InvalidSearch(`"${asked}" has neither a system nor a code.`);
  const implied = codeSystems()[expression];
  return (values) =>
    values.some((value) =>
      tokensOf(value, implied).some((token) => {
        if (code !== "" && token.code !== code) return false;
        return system === undefined || (system === "" ? token.system === undefined : token.system === system);
      }),
    );
}

const fold = (text: string) =>
  text
    .normalize("NFD")
    .replaceAll(/\p{Mn}/gu, "")
    .toLowerCase();

const TEXTS = [
  "text",
  "family",
  "given",
  "prefix",
  "suffix",
  "line",
  "city",
  "district",
  "state",
  "postalCode",
  "country",
];

function textsOf(value: Json): string[] {
  if (typeof value === "string") return [value];
  if (!isObject(value)) return [];
  return TEXTS.flatMap((part) =>
    each(value[part]).filter((text): text is string => typeof text === "string"),
  );
}

function testString(asked: string, modifier: string | undefined): Test {
  const text = unescape(asked);
  if (modifier === "exact") return (values) => values.some((value) => textsOf(value).includes(text));
  const wanted = fold(text);
  return (values) =>
    values.some((value) =>
      textsOf(value).some((one) =>
        modifier === "contains" ? fold(one).includes(wanted) : fold(one).startsWith(wanted),
      ),
    );
}

function testReference(asked: string, type: string | undefined, base: string): Test {
  const text = unescape(asked);
  const wanted = text.startsWith(`${base}/`) ? text.slice(base.length + 1) : text;
  return (values) =>
    values.some((value) => {
      // A canonical is matched with its version or without.
      if (typeof value === "string") return value === wanted || value.split("|")[0] === wanted;
      const stored = isObject(value) ? value["reference"] : undefined;
      const reference = localReference(stored);
      if (reference === undefined)
        return stored === wanted && (type === undefined || wanted.split("/").at(-2) === type);
      const [kind, id] = reference.split("/");
      if (type !== undefined && kind !== type) return false;
      return wanted === reference || (!wanted.includes("/") && wanted === id);
    });
}

/** What a parameter's values are compared with. */
export interface Comparison {
  readonly parameter: { readonly name: string; readonly type: string; readonly expression: string };
  /** What stands behind the colon of the parameter's name. */
  readonly modifier: string | undefined;
  /** As it was sent, with its commas. */
  readonly value: string;
  /** Base URL of the API, for absolute references to it. */
  readonly base: string;
}

const MODIFIERS: Readonly<Record<string, RegExp>> = {
  string: /^(exact|contains)$/,
  reference: /^[A-Z]\w+$/,
  token: /^not$/,
};

/**
 * Reads what a search asks of one parameter (FHIR R4, 3.1.1.5): any of several values, none of them with `:not`.
 *
 * @throws InvalidSearch for a value or modifier that cannot be used with this type of parameter
 */
export function readComparison({ parameter, modifier, value, base }: Comparison): Test {
  if (modifier === "missing") {
    if (value !== "true" && value !== "false") throw new InvalidSearch(":missing is true or false.");
    return (values) => (values.length === 0) === (value === "true");
  }
  if (modifier !== undefined && MODIFIERS[parameter.type]?.test(modifier) !== true) {
    throw new InvalidSearch(`The modifier :${modifier} is not supported for ${parameter.name}.`);
  }
  const tests = alternatives(value).map((asked) => {
    if (asked === "") throw new InvalidSearch(`One of the values of ${parameter.name} is empty.`);
    switch (parameter.type) {
      case "date":
        return testDate(asked);
      case "token":
        return testToken(asked, parameter.expression);
      case "reference":
        return testReference(asked, modifier, base);
      default:
        return testString(asked, modifier);
    }
  });
  const any: Test = (values) => tests.some((test) => test(values));
  return modifier === "not" ? (values) => !any(values) : any;
}
