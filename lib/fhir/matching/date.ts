/** Dates in searches (FHIR R4, search.html#date): everything is a span of time, and comparators compare spans. */
import { agreed, type Match } from "./truth.ts";

/** Comparators of date searches, as prefixes of the value (FHIR R4, search.html#prefix). */
export const COMPARATORS = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"] as const;
export type Comparator = (typeof COMPARATORS)[number];

/** A span of time in milliseconds since 1970; the end is not part of it. */
export interface Span {
  readonly start: number;
  readonly end: number;
  /** Without a time zone: read as UTC here, it may be any other. */
  readonly floating: boolean;
}

const DATE = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Every hour of the zones there are, from UTC-12 to UTC+14. */
const ZONES = Array.from({ length: 27 }, (_, index) => (index - 12) * HOUR);

/**
 * The span that a FHIR date, dateTime or instant covers by its precision.
 *
 * @returns undefined for text that is no date, 30 February among it
 */
export function spanOf(text: string): Span | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, year = "", month, day, hour, minute = "00", second, fraction, zone] = match;
  const start = Date.parse(
    `${year}-${month ?? "01"}-${day ?? "01"}T${hour ?? "00"}:${minute}:${second ?? "00"}${zone ?? "Z"}`,
  );
  if (Number.isNaN(start)) return undefined;
  const [years, months, days] = [Number(year), Number(month ?? 1), Number(day ?? 1)];
  if (new Date(Date.UTC(years, months - 1, days)).getUTCDate() !== days) return undefined;
  const floating = zone === undefined;
  if (month === undefined) return { start, end: Date.UTC(years + 1, 0, 1), floating };
  if (day === undefined) return { start, end: Date.UTC(years, months, 1), floating };
  if (hour === undefined) return { start, end: start + DAY, floating };
  if (second === undefined) return { start, end: start + 60_000, floating };
  if (fraction === undefined) return { start, end: start + 1000, floating };
  const length = 1000 / 10 ** fraction.length;
  const at = start + Number(`0.${fraction}`) * 1000;
  return { start: at, end: at + length, floating };
}

type JsonObject = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The span of a value of a resource: date, dateTime, instant, Period, or the outer limits of a Timing.
 *
 * @returns undefined where it says no time at all; `unclear` where it does so in a way that has no limits
 */
export function spanOfValue(value: unknown): Span | "unclear" | undefined {
  if (typeof value === "string") return spanOf(value);
  if (!isObject(value)) return undefined;
  if (typeof value["start"] === "string" || typeof value["end"] === "string")
    return periodSpan(value["start"], value["end"]);
  const events = Array.isArray(value["event"]) ? (value["event"] as unknown[]) : [];
  const spans = events.flatMap((one) => (typeof one === "string" ? [spanOf(one)] : []));
  const repeat = isObject(value["repeat"]) ? value["repeat"]["boundsPeriod"] : undefined;
  if (isObject(repeat)) spans.push(periodSpan(repeat["start"], repeat["end"]));
  const known = spans.filter((one) => one !== undefined);
  if (known.length === 0) return "repeat" in value || "code" in value ? "unclear" : undefined;
  return {
    start: Math.min(...known.map(({ start }) => start)),
    end: Math.max(...known.map(({ end }) => end)),
    floating: known.some(({ floating }) => floating),
  };
}

function periodSpan(start: unknown, end: unknown): Span | undefined {
  const first = typeof start === "string" ? spanOf(start) : undefined;
  const last = typeof end === "string" ? spanOf(end) : undefined;
  if (first === undefined && last === undefined) return undefined;
  return {
    start: first?.start ?? -Infinity,
    end: last?.end ?? Infinity,
    floating: first?.floating === true || last?.floating === true,
  };
}

const within = (value: Span, asked: Span) => value.start >= asked.start && value.end <= asked.end;
const apart = (value: Span, asked: Span) => value.end <= asked.start || value.start >= asked.end;

const COMPARE: Readonly<Record<Exclude<Comparator, "ap">, (value: Span, asked: Span) => boolean>> = {
  eq: within,
  ne: (value, asked) => !within(value, asked),
  gt: (value, asked) => value.end > asked.end,
  lt: (value, asked) => value.start < asked.start,
  ge: (value, asked) => value.end > asked.end || within(value, asked),
  le: (value, asked) => value.start < asked.start || within(value, asked),
  sa: (value, asked) => value.start >= asked.end,
  eb: (value, asked) => value.end <= asked.start,
};

/** The comparator and the date of a search value; undefined where it is no date. */
export function readDateValue(
  text: string,
): { readonly comparator: Comparator; readonly span: Span } | undefined {
  const prefix = COMPARATORS.find((one) => text.startsWith(one));
  const span = spanOf(prefix === undefined ? text : text.slice(2));
  return span === undefined ? undefined : { comparator: prefix ?? "eq", span };
}

/** Whether a span of a resource matches what is asked for. */
export function matchSpan(value: Span, comparator: Comparator, asked: Span): Match {
  if (comparator === "ap") return apart(value, asked) ? "maybe" : "yes";
  const ways = zonesOf(value, asked).map(([one, other]) => COMPARE[comparator](one, other));
  const match = agreed(ways);
  // What only overlaps with an end of the span that was asked for is read in two ways by servers.
  const straddles = !within(value, asked) && !apart(value, asked);
  if ((comparator === "ge" || comparator === "le") && match === "no" && straddles) return "maybe";
  return match;
}

/** The pairs of spans that a server may have in mind: what has no zone is in the server's, whichever that is. */
function zonesOf(value: Span, asked: Span): readonly (readonly [Span, Span])[] {
  if (value.floating === asked.floating) return [[value, asked]];
  return ZONES.map((offset) => [
    value.floating ? shifted(value, offset) : value,
    asked.floating ? shifted(asked, offset) : asked,
  ]);
}

function shifted(span: Span, offset: number): Span {
  return { ...span, start: span.start - offset, end: span.end - offset };
}
