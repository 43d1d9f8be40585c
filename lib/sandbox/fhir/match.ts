import { each, isObject, type Json } from "../json.ts";
import { localReference } from "./present.ts";

/** A search value that cannot be read: 400. */
export class InvalidSearch extends Error {
  override readonly name = "InvalidSearch";
}

/** Splits a search value at its commas, `\,` being one that belongs to it (FHIR R4, 3.1.1.5.3). */
export function alternatives(value: string): string[] {
  return value.split(/(?<!\\),/).map((part) => part.replaceAll(/\\([,$|\\])/g, "$1"));
}

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

function matchDate(values: readonly Json[], asked: string): boolean {
  const prefix = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=\d)/.exec(asked)?.[1];
  // An unescaped plus of a time zone is read as a space.
  const text = (prefix === undefined ? asked : asked.slice(2)).replace(/ (?=\d\d:\d\d$)/, "+");
  const span = spanOf(text);
  if (span === undefined) throw new InvalidSearch(`"${asked}" is not a date.`);
  const compare = COMPARE[prefix ?? "eq"];
  return values.some((value) => {
    const covered = spanOfValue(value);
    return covered !== undefined && compare?.(covered, span) === true;
  });
}

/** System and code pairs of a value that a token may match. */
function tokensOf(value: Json): { system: string | undefined; code: string; isPlain: boolean }[] {
  if (!isObject(value))
    return value === null
      ? []
      : [{ system: undefined, code: JSON.stringify(value).replaceAll('"', ""), isPlain: true }];
  if (Array.isArray(value["coding"])) return value["coding"].flatMap(tokensOf);
  const code = value["code"] ?? value["value"];
  const system = value["system"];
  if (typeof code !== "string") return [];
  return [{ system: typeof system === "string" ? system : undefined, code, isPlain: false }];
}

function matchToken(values: readonly Json[], asked: string): boolean {
  const at = asked.indexOf("|");
  const system = at === -1 ? undefined : asked.slice(0, at);
  const code = asked.slice(at + 1);
  return values.flatMap(tokensOf).some((token) => {
    if (code !== "" && token.code !== code) return false;
    if (system === undefined) return true;
    // A plain code's system is that of its binding, which is not in the resource.
    if (token.isPlain) return system !== "";
    return system === "" ? token.system === undefined : token.system === system;
  });
}

const fold = (text: string) =>
  text
    .normalize("NFD")
    .replaceAll(/\p{Mn}/gu, "")
    .toLowerCase();

function textsOf(value: Json): string[] {
  if (typeof value === "string") return [value];
  if (!isObject(value)) return [];
  const parts = [
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
  return parts.flatMap((part) =>
    each(value[part]).filter((text): text is string => typeof text === "string"),
  );
}

function matchString(values: readonly Json[], asked: string, modifier: string | undefined): boolean {
  const texts = values.flatMap(textsOf);
  if (modifier === "exact") return texts.includes(asked);
  const wanted = fold(asked);
  return texts.some((text) =>
    modifier === "contains" ? fold(text).includes(wanted) : fold(text).startsWith(wanted),
  );
}

function matchReference(
  values: readonly Json[],
  asked: string,
  type: string | undefined,
  base: string,
): boolean {
  const wanted = asked.startsWith(`${base}/`) ? asked.slice(base.length + 1) : asked;
  return values.some((value) => {
    // A canonical is matched with its version or without.
    if (typeof value === "string") return value === wanted || value.split("|")[0] === wanted;
    const reference = localReference(isObject(value) ? value["reference"] : undefined);
    if (reference === undefined) return false;
    const [kind, id] = reference.split("/");
    if (type !== undefined && kind !== type) return false;
    return wanted === reference || (!wanted.includes("/") && wanted === id);
  });
}

/**
 * Whether values match one search value (FHIR R4, 3.1.1.5).
 *
 * @param modifier what stands behind the colon of the parameter's name
 * @throws InvalidSearch for a value or modifier that cannot be used with this type of parameter
 */
export function matches(
  values: readonly Json[],
  parameter: { readonly name: string; readonly type: string },
  modifier: string | undefined,
  asked: string,
  base: string,
): boolean {
  if (modifier === "missing") {
    if (asked !== "true" && asked !== "false") throw new InvalidSearch(":missing is true or false.");
    return (values.length === 0) === (asked === "true");
  }
  const allowed = { string: /^(exact|contains)$/, reference: /^[A-Z]\w+$/, token: /^not$/ }[parameter.type];
  if (modifier !== undefined && allowed?.test(modifier) !== true) {
    throw new InvalidSearch(`The modifier :${modifier} is not supported for ${parameter.name}.`);
  }
  switch (parameter.type) {
    case "date":
      return matchDate(values, asked);
    case "token":
      return modifier === "not" ? !matchToken(values, asked) : matchToken(values, asked);
    case "reference":
      return matchReference(values, asked, modifier, base);
    default:
      return matchString(values, asked, modifier);
  }
}
