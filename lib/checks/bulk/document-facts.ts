import type { Fact } from "../context.ts";
import type { Subject } from "../expectations.ts";
import { subjectOf } from "../subject.ts";
import { mainExport, mainKickOff } from "./export.ts";

/** What exports answer, for check data to name. */
export const exportFacts: Readonly<Record<string, Fact<Subject>>> = {
  /** The answer to the main kick-off. */
  exportKickOff: {
    name: "exportKickOff",
    explainedBy: "bulk-export.kick-off-accepted",
    provide: async (context) =>
      subjectOf("the answer to the kick-off", (await context.fact(mainKickOff)).response),
  },
  /** The status of the main export when it is complete: its manifest. */
  exportManifest: {
    name: "exportManifest",
    explainedBy: "bulk-export.status-completes",
    provide: async (context) => (await context.fact(mainExport)).completed,
  },
};
