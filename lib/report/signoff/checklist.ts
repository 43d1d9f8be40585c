import { isWaived, type CheckResult } from "../../checks/results.ts";
import type { Attestation, ChecklistItem } from "../../config/signoff.ts";
import type { AnsweredItem } from "./model.ts";

const DAY_MS = 86_400_000;

/** What the answers of a checklist are taken from. */
export interface Answers {
  readonly environment: string;
  readonly results: readonly CheckResult[];
  /** Those of this tenant and environment. */
  readonly attestations: readonly Attestation[];
  readonly attestationDays: number;
  readonly now: Date;
}

/** Answers an item from its checks, from what a person attests, or from both. A person cannot contradict a check. */
export function answerItem(item: ChecklistItem, answers: Answers): AnsweredItem {
  const { id, title, attests } = item;
  const asked = item.answeredBy === "person" || !(item.environments?.includes(answers.environment) ?? true);
  const relevant = asked ? [] : answers.results.filter(({ check }) => matchesAny(check, item.checks ?? []));
  const bad = relevant.filter(isBad);
  const good = relevant.filter(({ status }) => status === "pass" || status === "warn" || status === "info");
  const waived = relevant.filter((result) => result.status === "fail" && isWaived(result));
  const attestation = latest(id, answers);
  const answered = bad.length > 0 || good.length > 0 || waived.length > 0;
  return {
    id,
    title,
    state: stateOf(item, bad.length > 0, answered, attestation !== undefined),
    reservation: waived.length > 0,
    ...(answered ? { checks: sayChecks(relevant, bad, waived.length) } : {}),
    ...(attestation === undefined ? {} : { attestation }),
    ...(attests === undefined ? {} : { attests }),
  };
}

function stateOf(
  { answeredBy }: ChecklistItem,
  bad: boolean,
  answered: boolean,
  attested: boolean,
): AnsweredItem["state"] {
  if (bad) return "not-met";
  if (answeredBy === "checks") return answered ? "met" : attested ? "attested" : "unanswered";
  return attested ? "attested" : "to-attest";
}

/** What must not be read as an answer in the tenant's favour. */
function isBad(result: CheckResult): boolean {
  if (result.status === "fail") return !isWaived(result);
  return result.status === "error" || (result.status === "blocked" && result.level === "SHALL");
}

function sayChecks(relevant: readonly CheckResult[], bad: readonly CheckResult[], waived: number): string {
  const passed = relevant.filter(({ status }) => status === "pass").length;
  const of = (status: CheckResult["status"], words: string) => {
    const count = relevant.filter((result) => result.status === status && !bad.includes(result)).length;
    return count === 0 ? [] : [`${count} ${words}`];
  };
  const parts = [
    `${passed} of ${relevant.length} checks passed`,
    ...(bad.length === 0 ? [] : [`${bad.length} failed or blocked (${some(bad)})`]),
    ...(waived === 0 ? [] : [`${waived} failed and waived`]),
    ...of("warn", "with a warning"),
    ...of("info", "optional and not taken up"),
    ...of("blocked", "blocked"),
    ...of("no-data", "without test data"),
    ...of("not-applicable", "not applicable"),
  ];
  return parts.join(", ");
}

function some(results: readonly CheckResult[]): string {
  const names = [...new Set(results.map(({ check }) => check))];
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}

function latest(item: string, { attestations, attestationDays, now }: Answers) {
  const [found] = attestations
    .filter((one) => one.item === item && isCurrent(one.at, attestationDays, now))
    .toSorted((a, b) => b.at.localeCompare(a.at));
  if (found === undefined) return undefined;
  const { by, role, at, note } = found;
  return { by, role, at, note };
}

/** Neither too old nor of a day that is still to come. */
function isCurrent(day: string, days: number, now: Date): boolean {
  const age = now.getTime() - Date.parse(`${day}T00:00:00Z`);
  return age >= 0 && age <= (days + 1) * DAY_MS;
}

function matchesAny(check: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => matches(check, pattern));
}

/** Whether an id is one of a pattern, in which `*` stands for any characters. */
function matches(id: string, pattern: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return id === pattern;
  const last = rest.at(-1) ?? "";
  if (!id.startsWith(first) || !id.endsWith(last) || id.length < first.length + last.length) return false;
  let from = first.length;
  for (const part of rest.slice(0, -1)) {
    const at = id.indexOf(part, from);
    if (at < 0 || at + part.length > id.length - last.length) return false;
    from = at + part.length;
  }
  return true;
}
