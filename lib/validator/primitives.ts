/**
 * The primitive datatypes of R4 (https://hl7.org/fhir/R4/datatypes.html#primitive), judged on their JSON form.
 * Every check is linear in the length of the value: no expression here can backtrack.
 */

/** Small integers, so that the walk can switch on them. */
export const PRIMITIVE = {
  boolean: 0,
  integer: 1,
  positiveInt: 2,
  unsignedInt: 3,
  decimal: 4,
  string: 5,
  markdown: 6,
  code: 7,
  id: 8,
  uri: 9,
  url: 10,
  canonical: 11,
  oid: 12,
  uuid: 13,
  date: 14,
  dateTime: 15,
  instant: 16,
  time: 17,
  base64Binary: 18,
  xhtml: 19,
} as const;

const TAGS: ReadonlyMap<string, number> = new Map(Object.entries(PRIMITIVE));

/** The tag of a primitive type, or -1 where the type is not primitive. */
export function primitiveTag(code: string): number {
  const tag = TAGS.get(code);
  if (tag !== undefined) return tag;
  if (!code.startsWith("http://hl7.org/fhirpath/System.") && !code.startsWith("System.")) return -1;
  const name = code.slice(code.lastIndexOf(".") + 1);
  return TAGS.get(name.charAt(0).toLowerCase() + name.slice(1)) ?? PRIMITIVE.string;
}

/** What `typeof` must say of a JSON value of this tag. */
export function jsonTypeOf(tag: number): "boolean" | "number" | "string" {
  return tag === PRIMITIVE.boolean ? "boolean" : tag <= PRIMITIVE.decimal ? "number" : "string";
}

/** Names of rules broken by a primitive; `undefined` where none is. */
export type PrimitiveProblem =
  | "empty"
  | "whitespace-only"
  | "whitespace-around"
  | "control-character"
  | "size"
  | "format"
  | "calendar"
  | "zone"
  | "range"
  | "whitespace-inside";

/** Problems that make a value worth a warning only, as the HL7 validator has it. */
export function isMildProblem(problem: PrimitiveProblem): boolean {
  return (
    problem === "whitespace-only" ||
    problem === "whitespace-around" ||
    problem === "control-character" ||
    problem === "whitespace-inside"
  );
}

/** R4: strings SHALL NOT exceed 1 MB (1,048,576 characters). */
const LONGEST_STRING = 1_048_576;
const LARGEST_INTEGER = 2_147_483_647;

/* oxlint-disable no-control-regex -- control characters are what these look for */
const REFUSED_CHARACTER = /[\u000b\u000c]/;
const CONTROL_CHARACTER = /[\u0000-\u0008\u000e-\u001f]/;
/* oxlint-enable no-control-regex */
const ONLY_WHITESPACE = /^[ \t\r\n]*$/;
const URI_WHITESPACE = /[ \t\r\n]/;
const ID = /^[A-Za-z0-9.-]{1,64}$/;
const OID = /^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+$/;
const OID_BODY = /^[0-2](?:\.(?:0|[1-9][0-9]*))+$/;
const UUID = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID_BODY = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const TIME = /^(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?$/;
const TIME_AND_ZONE =
  /^(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?(Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))?$/;
const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:/;

/** Whether a URI names its scheme. */
export function isAbsoluteUri(uri: string): boolean {
  return ABSOLUTE_URI.test(uri);
}

/**
 * Judges a string-typed primitive (every tag from `string` to `base64Binary`).
 *
 * @returns the rule it breaks, or undefined.
 */
export function stringProblem(tag: number, value: string): PrimitiveProblem | undefined {
  const length = value.length;
  if (length === 0) return "empty";
  switch (tag) {
    case PRIMITIVE.string:
    case PRIMITIVE.markdown:
      return textProblem(tag, value, length);
    case PRIMITIVE.code:
      return codeProblem(value);
    case PRIMITIVE.id:
      return ID.test(value) ? undefined : "format";
    case PRIMITIVE.uri:
    case PRIMITIVE.url:
    case PRIMITIVE.canonical:
      return uriProblem(tag, value);
    case PRIMITIVE.oid:
      return OID.test(value) ? undefined : "format";
    case PRIMITIVE.uuid:
      return UUID.test(value) ? undefined : "format";
    case PRIMITIVE.date:
      return length > 10 ? "format" : dateProblem(value);
    case PRIMITIVE.dateTime:
      return dateTimeProblem(value);
    case PRIMITIVE.instant:
      return length < 20 ? "format" : dateTimeProblem(value);
    case PRIMITIVE.time:
      return TIME.test(value) ? undefined : "format";
    case PRIMITIVE.base64Binary:
      return base64Problem(value);
    default:
      return undefined;
  }
}

/** Judges a number-typed primitive by its value; how it was written is judged from the source text. */
export function numberProblem(tag: number, value: number): PrimitiveProblem | undefined {
  if (tag === PRIMITIVE.decimal) return Number.isFinite(value) ? undefined : "range";
  if (!Number.isInteger(value)) return "format";
  if (value > LARGEST_INTEGER || value < -LARGEST_INTEGER - 1) return "range";
  if (tag === PRIMITIVE.unsignedInt) return value >= 0 ? undefined : "range";
  if (tag === PRIMITIVE.positiveInt) return value > 0 ? undefined : "range";
  return undefined;
}

function textProblem(tag: number, value: string, length: number): PrimitiveProblem | undefined {
  if (length > LONGEST_STRING) return "size";
  if (REFUSED_CHARACTER.test(value)) return "format";
  if (value.charCodeAt(0) <= 32 || value.charCodeAt(length - 1) <= 32) {
    if (ONLY_WHITESPACE.test(value)) return "whitespace-only";
    if (CONTROL_CHARACTER.test(value)) return "control-character";
    return tag === PRIMITIVE.string ? "whitespace-around" : undefined;
  }
  return CONTROL_CHARACTER.test(value) ? "control-character" : undefined;
}

function codeProblem(value: string): PrimitiveProblem | undefined {
  let spaceBefore = true;
  for (let at = 0; at < value.length; at++) {
    const unit = value.charCodeAt(at);
    if (unit > 32) spaceBefore = false;
    else if (unit !== 32 || spaceBefore) return "format";
    else spaceBefore = true;
  }
  return spaceBefore ? "format" : undefined;
}

function uriProblem(tag: number, value: string): PrimitiveProblem | undefined {
  if (URI_WHITESPACE.test(value) || REFUSED_CHARACTER.test(value)) return "format";
  const first = value.charCodeAt(0);
  if (tag === PRIMITIVE.canonical && first !== 35 && !ABSOLUTE_URI.test(value)) return "format";
  // `o` and `u`: only these can begin oid:, uuid:, urn:oid: and urn:uuid:.
  if (first !== 111 && first !== 117) return undefined;
  if (value.startsWith("oid:") || value.startsWith("uuid:")) return "format";
  if (value.startsWith("urn:uuid:")) {
    return UUID_BODY.test(withoutFragmentAndVersion(value).slice(9)) ? undefined : "format";
  }
  if (value.startsWith("urn:oid:")) {
    return OID_BODY.test(withoutFragmentAndVersion(value).slice(8)) ? undefined : "format";
  }
  return undefined;
}

function withoutFragmentAndVersion(uri: string): string {
  const fragment = uri.indexOf("#");
  const withoutFragment = fragment < 0 ? uri : uri.slice(0, fragment);
  const version = withoutFragment.indexOf("|");
  return version < 0 ? withoutFragment : withoutFragment.slice(0, version);
}

/** `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, a day that exists. */
function dateProblem(value: string): PrimitiveProblem | undefined {
  const length = value.length;
  if (length !== 10 && length !== 7 && length !== 4) return "format";
  const year = digits(value, 0, 4);
  if (year <= 0) return "format";
  if (length === 4) return undefined;
  if (value.charCodeAt(4) !== 45) return "format";
  const month = digits(value, 5, 7);
  if (month < 1 || month > 12) return "format";
  if (length === 7) return undefined;
  if (value.charCodeAt(7) !== 45) return "format";
  const day = digits(value, 8, 10);
  if (day < 1 || day > 31) return "format";
  return day > daysIn(year, month) ? "calendar" : undefined;
}

function dateTimeProblem(value: string): PrimitiveProblem | undefined {
  if (value.length <= 10) return dateProblem(value);
  if (value.charCodeAt(10) !== 84) return "format";
  const day = dateProblem(value.slice(0, 10));
  if (day === "format") return day;
  const time = TIME_AND_ZONE.exec(value.slice(11));
  if (time === null) return "format";
  if (time[1] === undefined) return "zone";
  return day;
}

/** The number written from `from` up to `to`, or -1 where that is not all digits. */
function digits(value: string, from: number, to: number): number {
  let number = 0;
  for (let at = from; at < to; at++) {
    const digit = value.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    number = number * 10 + digit;
  }
  return number;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const BASE64_SPACE = /[ \t\r\n]/;

function base64Problem(value: string): PrimitiveProblem | undefined {
  if (value.length % 4 === 0 && BASE64.test(value)) return undefined;
  if (!BASE64_SPACE.test(value)) return "format";
  const packed = value.replace(/[ \t\r\n]+/g, "");
  return packed.length > 0 && packed.length % 4 === 0 && BASE64.test(packed) ? "whitespace-inside" : "format";
}

/** How many bytes a valid base64 value holds. */
export function base64Size(value: string): number {
  const packed = BASE64_SPACE.test(value) ? value.replace(/[ \t\r\n]+/g, "") : value;
  const padding = packed.endsWith("==") ? 2 : packed.endsWith("=") ? 1 : 0;
  return (packed.length / 4) * 3 - padding;
}
