/** Strings in searches (FHIR R4, search.html#string): the start of a field, without regard to case and accents. */
import { anyOf, type Match } from "./truth.ts";

/** Parts of HumanName and Address that a search for the whole looks into. */
const PARTS = [
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

type JsonObject = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Folds case and accents. */
export function fold(text: string): string {
  return text
    .normalize("NFD")
    .replaceAll(/\p{Mn}/gu, "")
    .toLowerCase();
}

/** The texts of a value that a string search looks at. */
export function textsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (!isObject(value)) return [];
  return PARTS.flatMap((part) => {
    const found = value[part];
    return (Array.isArray(found) ? (found as unknown[]) : [found]).filter((one) => typeof one === "string");
  });
}

/** Whether a value starts with the text that is asked for. Punctuation and inner words are left to the server. */
export function matchText(value: unknown, asked: string): Match {
  const wanted = fold(asked);
  const words = wordsOf(wanted);
  const texts = textsOf(value).map(fold);
  const strict = texts.some((text) => text.startsWith(wanted));
  if (strict) return "yes";
  const whole = texts.map(wordsOf).join(" ");
  return anyOf([
    ...texts.map((text): Match => (` ${wordsOf(text)}`.includes(` ${words}`) ? "maybe" : "no")),
    words.split(" ").every((word) => ` ${whole}`.includes(` ${word}`)) ? "maybe" : "no",
  ]);
}

function wordsOf(text: string): string {
  return text.replaceAll(/[^\p{L}\p{N}]+/gu, " ").trim();
}
