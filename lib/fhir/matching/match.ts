/**
 * Whether values of a resource match a parameter of a search (FHIR R4, search.html#ptypes). Which values a parameter
 * looks at is told by its expression; see `lib/checks/records/search-values.ts`.
 */
import { matchSpan, readDateValue, spanOfValue } from "./date.ts";
import { unescaped } from "./escapes.ts";
import { matchReference } from "./reference.ts";
import { matchText } from "./text.ts";
import { matchToken } from "./token.ts";
import { anyOf, type Match } from "./truth.ts";

export { escaped } from "./escapes.ts";

/** One parameter as it was sent. */
export interface AskedParameter {
  /** `token`, `date`, `reference`, `string`, `uri` …; of other types nothing is said. */
  readonly type: string;
  /** What stands behind the colon of its name. */
  readonly modifier?: string;
  /** As it was sent, before it was encoded for the URL: commas part alternatives. */
  readonly value: string;
}

/** Parts a value at its commas; `\,` is a comma that belongs to it (FHIR R4, search.html#escaping). */
export function alternatives(value: string): readonly string[] {
  return value.split(/(?<!\\),/);
}

/**
 * Whether one of the values of a resource matches one of the alternatives.
 *
 * @param base FHIR base URL of the server, for references
 */
export function matchValues(values: readonly unknown[], asked: AskedParameter, base: string): Match {
  const { type, modifier } = asked;
  const isReferenceType = type === "reference" && modifier !== undefined && /^[A-Z]/.test(modifier);
  if (modifier !== undefined && !isReferenceType) return "maybe";
  return anyOf(
    alternatives(asked.value).flatMap((one) => values.map((value) => matchOne(value, asked, one, base))),
  );
}

function matchOne(value: unknown, { type, modifier }: AskedParameter, asked: string, base: string): Match {
  switch (type) {
    case "token":
      return matchToken(value, asked);
    case "date": {
      const wanted = readDateValue(asked);
      const span = spanOfValue(value);
      if (wanted === undefined || span === "unclear") return "maybe";
      return span === undefined ? "no" : matchSpan(span, wanted.comparator, wanted.span);
    }
    case "reference":
      return matchReference(value, asked, modifier, base);
    case "string":
      return matchText(value, unescaped(asked));
    case "uri":
      return value === asked ? "yes" : "no";
    default:
      return "maybe";
  }
}
