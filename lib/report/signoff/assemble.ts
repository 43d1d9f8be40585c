import { isWaived, type CheckResult, type ResultTable } from "../../checks/results.ts";
import { STATUSES, type Status } from "../../checks/verdict.ts";
import type { Attestation, SignoffSettings } from "../../config/signoff.ts";
import { reasonOf } from "../explain.ts";
import { countStatuses } from "../history.ts";
import type { RunResults } from "../read.ts";
import { answerItem } from "./checklist.ts";
import type { Decision, PersonsDecision, Problem, Signoff, SuiteCounts, Untested } from "./model.ts";
import { DECISIONS } from "./model.ts";
import { applyRules, bestDecision } from "./rules.ts";

/** What a sign-off is made from. */
export interface SignoffInput {
  readonly tenant: string;
  readonly environment: string;
  readonly results: RunResults;
  readonly settings: SignoffSettings;
  readonly attestations: readonly Attestation[];
  /** Names of configuration files that are not what they were in the run. */
  readonly changed: readonly string[];
  readonly now: Date;
  readonly decided?: PersonsDecision;
  readonly key?: string;
}

/** A decision that is better than the rules allow. */
export class DecisionNotAllowed extends Error {
  override readonly name = "DecisionNotAllowed";
}

/**
 * Puts the rules to the results and gathers all that a sign-off says.
 *
 * @throws DecisionNotAllowed when a person decides better than the rules allow: to go on nevertheless, a failure has
 *   to be waived, an item attested, or the rules changed, where everybody sees it
 */
export function assembleSignoff(input: SignoffInput): Signoff {
  const { tenant, environment, results: entry, settings, now, decided } = input;
  const { run, results } = entry;
  const answers = {
    environment,
    results,
    attestations: input.attestations.filter(
      (one) => one.tenant === tenant && one.environment === environment,
    ),
    attestationDays: settings.limits.attestationDays,
    now,
  };
  const checklist = settings.checklist.map((item) => answerItem(item, answers));
  const steps = (settings.steps ?? []).map((step) => answerItem({ ...step, answeredBy: "checks" }, answers));
  const facts = { ...input, checklist, resultsDays: settings.limits.resultsDays };
  const rules = applyRules(settings.rules, facts);
  const ruled = bestDecision(rules);
  if (decided !== undefined && isBetter(decided.decision, ruled)) {
    const broken = rules.filter(({ count, rule }) => count > 0 && isBetter(decided.decision, rule.then));
    throw new DecisionNotAllowed(
      `the decision cannot be ${decided.decision}, at best ${ruled}: ${broken
        .map(
          ({ rule, because, count }) =>
            `${rule.id} (${because[0] ?? ""}${count > 1 ? `, and ${count - 1} more` : ""})`,
        )
        .join("; ")}`,
    );
  }
  const problems = (status: Status): readonly Problem[] =>
    alike(results.filter((result) => result.status === status)).map(([result, ...others]) => ({
      result,
      apis: [result.api, ...others.map(({ api }) => api)],
      means: settings.meaning.suites[result.suite] ?? settings.meaning.levels[result.level],
    }));
  return {
    schema: 1,
    tenant,
    tenantName: run.tenant === tenant ? run.tenantName : tenant,
    environment,
    at: now.toISOString(),
    ruled,
    ...(decided === undefined ? {} : { decided }),
    rules,
    checklist,
    steps,
    counts: countStatuses(results),
    suites: suiteCounts(entry),
    failures: [...problems("fail"), ...problems("error")],
    warnings: problems("warn"),
    waivers: run.waivers ?? [],
    untested: untested(entry),
    parity: parityTables(results),
    run,
    ...(input.key === undefined ? {} : { key: input.key }),
  };
}

function isBetter(decision: Decision, than: Decision): boolean {
  return DECISIONS.indexOf(decision) < DECISIONS.indexOf(than);
}

/** Results of one check that say the same of several APIs, together: what is read once need not be read again. */
function alike(results: readonly CheckResult[]): (readonly [CheckResult, ...CheckResult[]])[] {
  const groups = new Map<string, [CheckResult, ...CheckResult[]]>();
  for (const result of results) {
    const { check, reason, findings, waived } = result;
    const seen = findings.map(({ code, expected, actual, location }) => [code, expected, actual, location]);
    const key = JSON.stringify([check, reason, seen, waived]);
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [result]);
    else members.push(result);
  }
  return [...groups.values()];
}

function suiteCounts({ run, results }: RunResults): readonly SuiteCounts[] {
  const apis = run.targets.map(({ api }) => api);
  return [...group(results, apis).values()].map((members) => {
    const [first] = members;
    return {
      api: first?.api ?? "",
      suite: first?.suiteTitle ?? "",
      level: first?.level ?? "",
      counts: countStatuses(members),
      waived: members.filter((one) => isWaived(one)).length,
    };
  });
}

function group(results: readonly CheckResult[], apis: readonly string[]): Map<string, CheckResult[]> {
  const groups = new Map<string, CheckResult[]>();
  const sorted = results.toSorted(
    (a, b) =>
      apis.indexOf(a.api) - apis.indexOf(b.api) ||
      a.suiteTitle.localeCompare(b.suiteTitle) ||
      LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level),
  );
  for (const result of sorted) {
    const key = JSON.stringify([result.api, result.suite, result.level]);
    add(groups, key, result);
  }
  return groups;
}

/** Checks of the suite `migration` that sum up come before the details of what differs. */
const SUMMARIES: readonly string[] = ["migration.totals", "migration.what-changes"];

function rank({ check }: CheckResult): number {
  const at = SUMMARIES.indexOf(check);
  return at >= 0 ? at : check.includes(":") ? SUMMARIES.length + 1 : SUMMARIES.length;
}

/** What a reader needs of the comparison: the summaries, and the details of what is not as it was. */
function parityTables(results: readonly CheckResult[]): readonly ResultTable[] {
  return results
    .filter(
      ({ suite, check, status }) => suite === "migration" && (!check.includes(":") || status !== "pass"),
    )
    .toSorted((a, b) => rank(a) - rank(b) || a.check.localeCompare(b.check))
    .flatMap(({ tables = [] }) => tables);
}

function add(groups: Map<string, CheckResult[]>, key: string, result: CheckResult): void {
  const members = groups.get(key);
  if (members === undefined) groups.set(key, [result]);
  else members.push(result);
}

const LEVELS: readonly string[] = ["SHALL", "SHOULD", "MAY"];

const UNTESTED = STATUSES.filter(
  (status): status is "blocked" | "no-data" | "not-applicable" =>
    status === "blocked" || status === "no-data" || status === "not-applicable",
);

function untested({ run, results }: RunResults): readonly Untested[] {
  const found = UNTESTED.flatMap((kind) => {
    const groups = new Map<string, CheckResult[]>();
    for (const result of results.filter(({ status }) => status === kind)) {
      const key = JSON.stringify([reasonOf(result), result.wanted]);
      add(groups, key, result);
    }
    return [...groups.values()]
      .toSorted((a, b) => b.length - a.length)
      .flatMap((members) => {
        const [first] = members;
        if (first === undefined) return [];
        return [
          {
            kind,
            reason: reasonOf(first),
            ...(first.wanted === undefined ? {} : { wanted: first.wanted }),
            checks: [...new Set(members.map(({ check }) => check))],
            count: members.length,
          },
        ];
      });
  });
  const reasons = [...new Set(run.notAsked.map(({ reason }) => reason))];
  const notAsked = reasons.map((reason) => {
    const members = run.notAsked.filter((one) => one.reason === reason);
    return {
      kind: "not-asked" as const,
      reason,
      checks: members.map(({ api, suite }) => `${suite} at ${api}`),
      count: members.reduce((sum, { checks }) => sum + checks, 0),
    };
  });
  return [...found, ...notAsked];
}
