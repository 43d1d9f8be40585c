import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NoData } from "../../lib/checks/context.ts";
import { mainContent, type ExportContent } from "../../lib/checks/bulk/content.ts";
import type { ResultCell } from "../../lib/checks/results.ts";
import { typeOfKey } from "../../lib/validator/files/keys.ts";

const PREVIOUS = "v1-bulk-data";

/** The export of v2 holds what the export of v1 holds, counted by type and, where ids are kept, by id. */
export const sameExport: Procedure = async (context) => {
  const before = await context.elsewhere(PREVIOUS).fact(mainContent);
  const after = await context.fact(mainContent);
  if (!before.isWhole || !after.isWhole)
    throw new Blocked(
      "not every file of both exports could be read to its end",
      "bulk-export.files-accessible",
    );
  const countsBefore = countsOf(before);
  const countsAfter = countsOf(after);
  if (countsBefore.size === 0)
    throw new NoData("the export of v1 holds nothing", "a group with patients at v1 and v2");
  const { exchange } = after.completed.completed;
  const gone = vanished(before, after);
  const types = [...new Set([...countsBefore.keys(), ...countsAfter.keys()])].toSorted();
  context.table({
    id: "exports",
    title: "Export against export",
    columns: ["Type", "v1", "v2", "Gone by id"],
    rows: types.map((type): ResultCell[] => {
      const [old, now] = [countsBefore.get(type) ?? 0, countsAfter.get(type) ?? 0];
      const lost = gone.get(type);
      return [
        type,
        String(old),
        { text: String(now), state: now < old ? "bad" : "good" },
        lost === undefined
          ? { text: "ids differ between the APIs", state: "muted" }
          : { text: String(lost), state: lost > 0 ? "bad" : "good" },
      ];
    }),
  });
  return types.flatMap((type) => {
    const [old, now] = [countsBefore.get(type) ?? 0, countsAfter.get(type) ?? 0];
    const lost = gone.get(type) ?? 0;
    if (now >= old && lost === 0) return [];
    return [
      {
        code: "parity.export-less",
        expected: `${old} ${type} in the export, as at v1`,
        actual: lost > 0 ? `${now}, of which ${lost} of v1 are missing` : String(now),
        location: type,
        ...(exchange === undefined ? {} : { exchange }),
      },
    ];
  });
};

function countsOf({ census }: ExportContent): ReadonlyMap<string, number> {
  return new Map(Object.entries(census.types).map(([type, { resources }]) => [type, resources]));
}

/** How many resources of v1 are not in the export of v2, by type; without the types of which no id was kept. */
function vanished(before: ExportContent, after: ExportContent): ReadonlyMap<string, number> {
  const lost = new Map<string, number>();
  const kept = new Set<string>();
  for (const key of before.keys.ids.view()) {
    const type = typeOfKey(key) ?? "unknown";
    if (after.keys.ids.count(key) > 0) kept.add(type);
    else lost.set(type, (lost.get(type) ?? 0) + 1);
  }
  return new Map([...kept].map((type) => [type, lost.get(type) ?? 0]));
}
