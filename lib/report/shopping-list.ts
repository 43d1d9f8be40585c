/** What test data are wanted: the checks that found nothing to ask with, told as what would make them possible. */
import type { CheckResult, ResultTable } from "../checks/results.ts";
import { bounded, codeSpan, escapeMarkdown } from "./text.ts";

/** A record that somebody could add, with what it would have to hold. */
export interface WantedData {
  /** Who, or what, would have it: `a patient with a Goal (us-core-goal)`. */
  readonly what: string;
  /** What that would have to hold; empty where its being there is enough. */
  readonly details: readonly string[];
  /** Checks that it would make possible. */
  readonly checks: readonly string[];
  readonly apis: readonly string[];
}

const TEXT_SHOWN = 1_000;
const CHECKS_SHOWN = 10;

/**
 * The test data that are wanted, the most useful first. What `wanted` says before its first colon is what is wanted;
 * what stands behind it says more closely what has to be in it.
 */
export function shoppingList(results: readonly CheckResult[]): readonly WantedData[] {
  const groups = new Map<string, { details: Set<string>; checks: Set<string>; apis: Set<string> }>();
  for (const { status, wanted, check, api } of results) {
    if (status !== "no-data" || wanted === undefined) continue;
    const colon = wanted.indexOf(": ");
    const what = colon < 0 ? wanted : wanted.slice(0, colon);
    const group = groups.get(what) ?? { details: new Set(), checks: new Set(), apis: new Set() };
    groups.set(what, group);
    if (colon >= 0) group.details.add(wanted.slice(colon + 2));
    group.checks.add(check);
    group.apis.add(api);
  }
  return [...groups]
    .map(([what, { details, checks, apis }]) => ({
      what,
      details: [...details],
      checks: [...checks],
      apis: [...apis],
    }))
    .toSorted((a, b) => b.checks.length - a.checks.length);
}

/** The list as a section of Markdown; empty where nothing is wanted. */
export function shoppingSection(results: readonly CheckResult[]): string {
  const wanted = shoppingList(results);
  if (wanted.length === 0) return "";
  const items = wanted.map(({ what, details, checks }) => {
    const shown = checks.slice(0, CHECKS_SHOWN).map((check) => codeSpan(check));
    const more = checks.length - shown.length;
    const which = `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
    const holding = details.map((detail) => `\n  - with ${escapeMarkdown(bounded(detail, TEXT_SHOWN))}`);
    return `- [ ] **${escapeMarkdown(bounded(what, TEXT_SHOWN))}** makes ${checks.length === 1 ? "a check" : `${checks.length} checks`} possible: ${which}${holding.join("")}`;
  });
  return [
    `### Test data wanted (${wanted.length})`,
    "",
    "Nothing is known to be wrong here: the tenant holds no data to tell. Test patients with these records would.",
    "",
    ...items,
  ].join("\n");
}

/** The list as a table; undefined where nothing is wanted. */
export function shoppingTable(results: readonly CheckResult[]): ResultTable | undefined {
  const wanted = shoppingList(results);
  if (wanted.length === 0) return undefined;
  return {
    id: "test-data-wanted",
    title: "Test data wanted",
    columns: ["What", "With", "Makes possible"],
    rows: wanted.map(({ what, details, checks }) => [what, details.join("; "), checks.join(", ")]),
    note: "Nothing is known to be wrong here: the tenant holds no data to tell. Test patients with these records would.",
  };
}
