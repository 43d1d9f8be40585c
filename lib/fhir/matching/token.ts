/** Tokens in searches (FHIR R4, search.html#token): `code`, `system|code`, `|code` and `system|`. */
import { unescaped } from "./escapes.ts";
import { anyOf, type Match } from "./truth.ts";

/** One code of a value, with its system. */
export interface Token {
  readonly code: string;
  readonly system: string | undefined;
  /** A plain `code`, whose system is that of its binding and not in the resource. */
  readonly implicit: boolean;
}

type JsonObject = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The tokens of a value: of a Coding, CodeableConcept, Identifier, ContactPoint, or of a primitive. */
export function tokensOf(value: unknown): readonly Token[] {
  if (typeof value === "string") return [{ code: value, system: undefined, implicit: true }];
  if (typeof value === "boolean" || typeof value === "number")
    return [{ code: String(value), system: undefined, implicit: true }];
  if (!isObject(value)) return [];
  if (Array.isArray(value["coding"])) return (value["coding"] as unknown[]).flatMap((one) => tokensOf(one));
  const code = value["code"] ?? value["value"];
  const system = value["system"];
  if (typeof code !== "string") return [];
  return [{ code, system: typeof system === "string" ? system : undefined, implicit: false }];
}

/** Whether a value has the token that is asked for, escapes and all: a bar that is escaped parts nothing. */
export function matchToken(value: unknown, asked: string): Match {
  const at = asked.search(/(?<!\\)\|/);
  const system = at < 0 ? undefined : unescaped(asked.slice(0, at));
  const code = unescaped(asked.slice(at + 1));
  return anyOf(tokensOf(value).map((token) => matchOne(token, system, code)));
}

function matchOne(token: Token, system: string | undefined, code: string): Match {
  const sameCode = code === "" ? "yes" : sameText(token.code, code);
  if (sameCode === "no" || system === undefined) return sameCode;
  if (token.implicit) return "maybe";
  if (system === "") return token.system === undefined ? sameCode : "no";
  return token.system === system ? sameCode : "no";
}

/** Whether case matters is up to the code system. */
function sameText(one: string, other: string): Match {
  if (one === other) return "yes";
  return one.toLowerCase() === other.toLowerCase() ? "maybe" : "no";
}
