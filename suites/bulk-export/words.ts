import { NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import type { TokenWish } from "../../lib/checks/tokens.ts";
import type { Asker } from "../../lib/checks/bulk/session.ts";
import type { Finding } from "../../lib/checks/verdict.ts";

/** Who else asks, by the name that check data have for it. */
const ASKERS = {
  nobody: { words: "without a token" },
  stranger: { words: "with a token that nobody issued" },
  second: { role: "second", words: "with another client's token" },
  "other-tenant": { words: "with a token of another tenant" },
} as const;

/**
 * The asker that check data name.
 *
 * @throws NotApplicable where the server needs no token, or the configuration has no such registration
 */
export function askerOf(
  context: CheckContext,
  name: unknown,
): { readonly asker: Asker; readonly words: string } {
  if (typeof name !== "string" || !(name in ASKERS)) throw new Error(`there is no asker ${String(name)}`);
  if (context.target.client === undefined) {
    throw new NotApplicable("the configuration gives no client: the server is asked without a token");
  }
  const known = ASKERS[name as keyof typeof ASKERS];
  if (!("role" in known)) {
    const asker = name as Exclude<Asker, object>;
    if (asker === "other-tenant") context.atOtherTenant();
    return { asker, words: known.words };
  }
  if (context.target.otherClients[known.role] === undefined) {
    throw new NotApplicable(`the configuration gives no registration otherClients.${known.role}`);
  }
  return { asker: { client: known.role } satisfies TokenWish, words: known.words };
}

/** The finding of an answer that should have been a refusal; none where it was. */
export function refusalExpected(
  answer: { readonly status: number; readonly exchange: string },
  what: string,
): readonly Finding[] {
  if (answer.status >= 400 && answer.status < 500) return [];
  return [
    {
      code: answer.status < 400 ? "export.not-refused" : "http.status",
      expected: `${what} to be refused with status 401, 403 or 404`,
      actual: `status ${answer.status}`,
      exchange: answer.exchange,
    },
  ];
}

/** Counts by type in words, the largest first: `3 Observation, 1 Patient`. */
export function countsInWords(counts: ReadonlyMap<string, number>, most = 6): string {
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a);
  const shown = sorted.slice(0, most).map(([type, count]) => `${count} ${type}`);
  const rest = sorted.length - shown.length;
  return `${shown.join(", ")}${rest > 0 ? ` and ${rest} more types` : ""}`;
}

/** The first few members in words, and how many more there are. */
export function some(members: readonly string[], most = 5): string {
  const rest = members.length - most;
  return `${members.slice(0, most).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
