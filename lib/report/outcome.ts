import { isWaived, type CheckResult, type RunDescription } from "../checks/results.ts";

/**
 * What a run says as a whole.
 * - `failed`: something that counts is not as it has to be;
 * - `incomplete`: the run did not come to its end, or the harness itself failed somewhere;
 * - `unverified`: nothing failed, but a required question could not be asked, or nothing at all was answered: nobody
 *   may read that as a pass;
 * - `passed`.
 */
export type Outcome = "passed" | "failed" | "incomplete" | "unverified";

/**
 * Judges a run: failures first, because they stay true however the run ended.
 *
 * @param run how the run ended, what it planned, and whether warnings count
 * @param results its verdicts
 */
export function outcomeOf(
  run: Pick<RunDescription, "state" | "planned" | "failOn" | "waivers">,
  results: readonly Pick<CheckResult, "status" | "level" | "waived">[],
): Outcome {
  const has = (status: CheckResult["status"]): boolean => results.some((result) => result.status === status);
  const counts = (status: CheckResult["status"]): boolean =>
    results.some((result) => result.status === status && !isWaived(result));
  if (counts("fail") || (run.failOn === "warn" && counts("warn"))) return "failed";
  if (run.waivers?.some(({ state }) => state === "expired") === true) return "failed";
  if (run.state !== "complete" || results.length < run.planned || has("error")) return "incomplete";
  if (results.some(({ status, level }) => status === "blocked" && level === "SHALL")) return "unverified";
  return has("pass") || has("warn") || has("info") || has("fail") ? "passed" : "unverified";
}
