const TEMPORAL_TYPES: ReadonlySet<string> = new Set([
  "date",
  "dateTime",
  "instant",
  "time",
  "System.Date",
  "System.DateTime",
  "System.Time",
]);

/** Is this the name of a date, dateTime, instant or time type? */
export function isTemporalType(type: string | undefined): boolean {
  return type !== undefined && TEMPORAL_TYPES.has(type);
}

const SHAPE =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;
const TIME = /^(\d\d)(?::(\d\d)(?::(\d\d)(\.\d+)?)?)?$/;

/** Does this text look like a FHIR date or dateTime? */
export function looksTemporal(text: string): boolean {
  return text.length >= 4 && text.length <= 40 && SHAPE.test(text);
}

function zoneMinutes(zone: string): number {
  if (zone === "Z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return zone.startsWith("-") ? -minutes : minutes;
}

interface Moment {
  /** Year, month, day, hour, minute, second: as many as were written. */
  readonly parts: number[];
  readonly zone: number | undefined;
}

function parseMoment(text: string): Moment | undefined {
  const found = SHAPE.exec(text);
  if (found === null) {
    const time = TIME.exec(text);
    if (time === null) return undefined;
    return { parts: collect(time.slice(1, 4), time[4]), zone: undefined };
  }
  const zone = found[8] === undefined ? undefined : zoneMinutes(found[8]);
  return { parts: collect(found.slice(1, 7), found[7]), zone };
}

function collect(written: readonly (string | undefined)[], fraction: string | undefined): number[] {
  const parts: number[] = [];
  for (const part of written) if (part !== undefined) parts.push(Number(part));
  const last = parts.length - 1;
  // Seconds and their fraction are one precision (FHIRPath 2.0.0, section 6.2).
  if (fraction !== undefined && parts[last] !== undefined) parts[last] += Number(fraction);
  return parts;
}

function toUtc(moment: Moment): Moment {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = moment.parts;
  if (moment.zone === undefined || moment.zone === 0 || moment.parts.length < 5) return moment;
  const date = new Date(Date.UTC(2000, 0, 1));
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute - moment.zone);
  const parts = [
    date.getUTCFullYear(),
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    second,
  ];
  return { parts: parts.slice(0, moment.parts.length), zone: 0 };
}

/**
 * Orders two dates, dateTimes, instants or times: negative, 0, positive; `undefined` where their precisions do not let
 * it be told (FHIRPath 2.0.0, section 6.2).
 */
export function compareTemporal(left: string, right: string): number | undefined {
  if (left === right) return 0;
  const sameLength = left.length === right.length;
  if (sameLength && left.length <= 10) return left < right ? -1 : 1;
  const a = parseMoment(left);
  const b = parseMoment(right);
  if (a === undefined || b === undefined) return undefined;
  const zoned = a.zone !== undefined && b.zone !== undefined;
  const x = zoned ? toUtc(a) : a;
  const y = zoned ? toUtc(b) : b;
  const common = Math.min(x.parts.length, y.parts.length);
  for (let i = 0; i < common; i++) {
    const difference = (x.parts[i] ?? 0) - (y.parts[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return x.parts.length === y.parts.length ? 0 : undefined;
}
