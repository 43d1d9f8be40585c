import type { RunDescription } from "../checks/results.ts";
import type { Status } from "../checks/verdict.ts";

/**
 * What a run says as a whole.
 * - `failed`: something that counts is not as it has to be;
 * - `incomplete`: the run did not come to its end, or the harness itself failed somewhere;
 * - `unverified`: nothing failed, but not everything could be asked, or nothing at all passed;
 * - `passed`.
 */
export type Outcome = "passed" | "failed" | "incomplete" | "unverified";

/**
 * Judges a run: failures first, because they stay true however the run ended.
 *
 * @param run how the run ended, what it planned, and whether warnings count
 * @param counts verdicts by status
 */
export function outcomeOf(
  run: Pick<RunDescription, "state" | "planned" | "failOn">,
  counts: Readonly<Record<Status, number>>,
): Outcome {
  if (counts.fail > 0 || (run.failOn === "warn" && counts.warn > 0)) return "failed";
  const verdicts = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (run.state !== "complete" || verdicts < run.planned || counts.error > 0) return "incomplete";
  if (counts.blocked > 0 || counts.pass + counts.warn + counts.info === 0) return "unverified";
  return "passed";
}
