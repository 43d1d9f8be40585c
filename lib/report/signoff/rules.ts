import { isWaived, type CheckResult } from "../../checks/results.ts";
import type { Breach, SignoffRule } from "../../config/signoff.ts";
import type { RunResults } from "../read.ts";
import type { AnsweredItem, Decision, RuledRule } from "./model.ts";

const DAY_MS = 86_400_000;
const SHOWN = 5;

/** What the rules are put to. */
export interface Facts {
  readonly tenant: string;
  readonly environment: string;
  readonly results: RunResults;
  readonly checklist: readonly AnsweredItem[];
  readonly resultsDays: number;
  /** Names of configuration files that are not what they were in the run. */
  readonly changed: readonly string[];
  readonly now: Date;
}

/** Puts every rule to the facts. */
export function applyRules(rules: readonly SignoffRule[], facts: Facts): readonly RuledRule[] {
  return rules.map((rule) => {
    const because = breaches(rule.broken, facts);
    return { rule, because: because.slice(0, SHOWN), count: because.length };
  });
}

/** The best that may be decided: the strictest broken rule says. */
export function bestDecision(rules: readonly RuledRule[]): Decision {
  const best = new Set(rules.filter(({ count }) => count > 0).map(({ rule }) => rule.then));
  return best.has("no-go") ? "no-go" : best.has("conditional") ? "conditional" : "go";
}

function breaches({ run, verdicts, waivers, checklist }: Breach, facts: Facts): readonly string[] {
  if (run !== undefined) return runBreaches(run, facts);
  if (verdicts !== undefined) {
    return facts.results.results
      .filter(
        (result) =>
          result.status === verdicts.status &&
          (verdicts.level === undefined || result.level === verdicts.level) &&
          (verdicts.waived === undefined || isWaived(result) === verdicts.waived),
      )
      .map(named);
  }
  if (waivers !== undefined) return expiredWaivers(facts);
  return facts.checklist
    .filter((item) => (checklist === "with-reservation" ? item.reservation : item.state === checklist))
    .map(({ title }) => title);
}

function named({ check, api }: CheckResult): string {
  return `${check} at ${api}`;
}

/** Also those that held while the run went on and have expired since. */
function expiredWaivers({ results: { run }, now }: Facts): readonly string[] {
  const today = now.toISOString().slice(0, 10);
  return (run.waivers ?? [])
    .filter(({ state, expires }) => state === "expired" || today > expires)
    .map(({ id, expires }) => `${id} expired on ${expires}`);
}

function runBreaches(kind: NonNullable<Breach["run"]>, facts: Facts): readonly string[] {
  const { run, results, problems } = facts.results;
  switch (kind) {
    case "other-target":
      return [
        ...(run.tenant === facts.tenant ? [] : [`the results are of the tenant ${run.tenant}`]),
        ...(run.environment === facts.environment
          ? []
          : [`the results are of the environment ${run.environment}`]),
        ...results
          .filter(
            (one) => one.tenant !== run.tenant || one.environment !== run.environment || one.run !== run.run,
          )
          .map((one) => `${named(one)} is of another run`),
      ];
    case "not-complete": {
      const missing = run.planned - results.length;
      return [
        ...(run.state === "complete" ? [] : [`the run is ${run.state}`]),
        ...(missing > 0 ? [`${missing} of ${run.planned} verdicts are missing`] : []),
        ...(results.length === 0 ? ["nothing was asked"] : []),
      ];
    }
    case "partial": {
      const { apis, suites, checks } = run.selection;
      return [...only("--api", apis), ...only("--suite", suites), ...only("--check", checks)];
    }
    case "unreadable":
      return problems;
    case "outdated": {
      const age = facts.now.getTime() - Date.parse(run.startedAt);
      if (age >= -DAY_MS / 24 && age <= facts.resultsDays * DAY_MS) return [];
      return [
        age < 0
          ? `the run started in the future: ${run.startedAt}`
          : `the run started ${Math.floor(age / DAY_MS)} days ago, ${run.startedAt}; ${facts.resultsDays} days are allowed`,
      ];
    }
    case "configuration-changed":
      return facts.changed.map((name) => `${name} is not what it was in the run`);
  }
}

function only(option: string, values: readonly string[]): readonly string[] {
  return values.length === 0 ? [] : [`only ${option} ${values.join(", ")} was asked`];
}
