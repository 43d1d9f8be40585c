import { createJudge } from "./judge.ts";
import type { Judge } from "./judge.ts";
import type { DefinitionSource } from "./pack/format.ts";

const judges = new WeakMap<DefinitionSource, Judge>();

/** The judge of a set of definitions, prepared once. */
export function judgeOf(definitions: DefinitionSource): Judge {
  let judge = judges.get(definitions);
  if (judge === undefined) judges.set(definitions, (judge = createJudge(definitions)));
  return judge;
}
