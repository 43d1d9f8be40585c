/** Which must-support elements a set of resources shows, by the profile and by what the guide's pages say of it. */
import type { ResultCell, ResultTable } from "../../../lib/checks/results.ts";
import { mustSupport } from "../../../lib/validator/index.ts";
import type { DefinitionSource } from "../../../lib/validator/pack/format.ts";
import type { MustSupportItem } from "../../../lib/validator/result.ts";
import { ALTERNATIVES, EXCUSES } from "./must-support-rules.ts";
import { lineage } from "./obligations.ts";
import { nameOf, type Seen } from "./seen.ts";

/** What was seen of one item. */
export interface Sighting {
  readonly item: MustSupportItem;
  /** Resources that show it. */
  readonly count: number;
  readonly first: Seen | undefined;
  /** Why it does not matter that nobody shows it. */
  readonly excuse?: string;
}

const shortName = (profile: string) => profile.slice(profile.lastIndexOf("/") + 1);

/** Whether an item is the one with this id, or a part of it. */
function isWithin(id: string, item: string): boolean {
  return id === item || id.startsWith(`${item}.`) || id.startsWith(`${item}:`);
}

/**
 * Looks for every must-support item of a profile.
 *
 * @param seen resources that have to meet the profile
 */
export function sightings(
  definitions: DefinitionSource,
  profile: string,
  seen: readonly Seen[],
): readonly Sighting[] {
  const observer = mustSupport(definitions, profile);
  const first = new Map<string, Seen>();
  for (const one of seen) {
    for (const id of observer.observe(one.resource)) if (!first.has(id)) first.set(id, one);
  }
  const excuses = excusesOf(definitions, profile, new Set(first.keys()));
  return observer.items.map((item) => {
    const count = observer.seen.get(item.id) ?? 0;
    const excuse = count > 0 ? undefined : excuses(item.id);
    return { item, count, first: first.get(item.id), ...(excuse === undefined ? {} : { excuse }) };
  });
}

function excusesOf(
  definitions: DefinitionSource,
  profile: string,
  shown: ReadonlySet<string>,
): (id: string) => string | undefined {
  const own = shortName(profile);
  const names = new Set(lineage(definitions, profile).map((url) => shortName(url)));
  const excused = EXCUSES.filter((one) => names.has(one.profile) && one.except?.includes(own) !== true);
  const alternatives = ALTERNATIVES.filter((one) => one.profile === own);
  return (id) => {
    for (const { items, requirement } of alternatives) {
      const group = items.find((ids) => ids.some((item) => isWithin(id, item)));
      if (group === undefined) continue;
      const other = items.find(
        (ids) => ids !== group && [...shown].some((seen) => ids.some((item) => isWithin(seen, item))),
      );
      if (other !== undefined) return `one of the two is enough (US Core requirement ${requirement})`;
    }
    const excuse = excused.find(({ item }) => isWithin(id, item));
    return excuse === undefined
      ? undefined
      : `not every system has to support it here (US Core requirement ${excuse.requirement})`;
  };
}

/** Items that nobody shows and that somebody should. */
export function missing(found: readonly Sighting[]): readonly MustSupportItem[] {
  return found.filter(({ count, excuse }) => count === 0 && excuse === undefined).map(({ item }) => item);
}

/** What to call an item: its path, with the slice, type, extension or target that it is about. */
export function itemName({ id, kind, path, of, sliceName }: MustSupportItem): string {
  const name = of === undefined ? "" : shortName(of);
  switch (kind) {
    case "target":
      return `${path} → ${name}`;
    case "extension":
      return `${path} (${name})`;
    case "choice":
      return `${path} as ${name}`;
    case "slice":
      return `${path} (${sliceName ?? name})`;
    case "element":
      // Parts of a slice are told by their id, which names the slice.
      return id.replaceAll("[x]", "");
  }
}

/** Element by element: how many resources show it, and one that does. */
export function sightingsTable(
  profile: string,
  found: readonly Sighting[],
  shown: (value: unknown) => string,
): ResultTable {
  return {
    id: "must-support",
    title: `Must-support elements of ${shortName(profile)}`,
    columns: ["Element", "Seen in", "Resources"],
    rows: found.map(({ item, count, first, excuse }) => [
      `${itemName(item)}${item.uscdi === true ? " (USCDI)" : ""}`,
      first === undefined
        ? { text: excuse ?? "never seen", state: excuse === undefined ? "warning" : "muted" }
        : ({
            text: shown(nameOf(first.resource)),
            state: "good",
            exchange: first.exchange,
          } satisfies ResultCell),
      String(count),
    ]),
    note: "An element that no resource shows is not an error: it may be that nothing is recorded. Test data with these elements would show that the API can return them. USCDI: required of systems that are certified for it.",
  };
}
