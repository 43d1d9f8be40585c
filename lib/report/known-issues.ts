import { isWaived, type CheckResult, type ResultWaiver } from "../checks/results.ts";

/** A failure that somebody already looks after. It is marked as such and still counts in full. */
export interface KnownIssue {
  /** The issue's number or name where it is tracked. */
  readonly id: string;
  /** The check it explains, by id. */
  readonly check: string;
  /** Only on this API; absent for all. */
  readonly api?: string;
  readonly reason: string;
  readonly url?: string;
}

/** The known issue behind a verdict that is not as it should be. */
export function knownIssueOf(result: CheckResult, issues: readonly KnownIssue[]): KnownIssue | undefined {
  if (result.status !== "fail" && result.status !== "warn" && result.status !== "error") return undefined;
  const [waiver] = result.waived?.waivers ?? [];
  if (waiver !== undefined) return waiverAsIssue(result.check, waiver, isWaived(result));
  return issues.find(({ check, api }) => check === result.check && (api === undefined || api === result.api));
}

function waiverAsIssue(check: string, waiver: ResultWaiver, complete: boolean): KnownIssue {
  const { id, reason, owner, expires, link } = waiver;
  const extent = complete ? "waived" : "some of it waived";
  return {
    id,
    check,
    reason: `${reason.replace(/\.$/, "")} (${extent} until ${expires} by ${owner})`,
    ...(link === undefined ? {} : { url: link }),
  };
}
