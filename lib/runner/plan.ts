import { ConfigurationError, suggest } from "../config/errors.ts";
import type { Target } from "../config/targets.ts";
import { notApplicableReason } from "../checks/applies.ts";
import type { CheckDefinition, SuiteDefinition } from "../checks/definition.ts";

export interface CheckSelection {
  /** Suite ids; empty means all. */
  readonly suites: readonly string[];
  /** Check ids, where `*` stands for any characters; empty means all. */
  readonly checks: readonly string[];
}

export interface PlannedSuite {
  readonly target: Target;
  readonly suite: SuiteDefinition;
  readonly checks: readonly CheckDefinition[];
}

/** A suite that is not asked of a target, with the reason: nothing is left out silently. */
export interface NotAsked {
  readonly api: string;
  readonly suite: string;
  readonly reason: string;
  readonly checks: number;
}

export interface Plan {
  readonly planned: readonly PlannedSuite[];
  readonly notAsked: readonly NotAsked[];
}

/**
 * Selects the checks of a run.
 *
 * @throws ConfigurationError for a suite or a check pattern that selects nothing, naming the nearest
 */
export function planRun(
  targets: readonly Target[],
  suites: readonly SuiteDefinition[],
  selection: CheckSelection,
): Plan {
  checkSelection(suites, selection);
  const patterns = selection.checks.map(patternOf);
  const planned: PlannedSuite[] = [];
  const notAsked: NotAsked[] = [];
  for (const target of targets) {
    for (const suite of suites) {
      if (selection.suites.length > 0 && !selection.suites.includes(suite.id)) continue;
      const checks = suite.checks.filter(
        (check) => patterns.length === 0 || patterns.some((one) => one.test(check.id)),
      );
      if (checks.length === 0) continue;
      const reason = notApplicableReason(suite.applies, target);
      if (reason === undefined) planned.push({ target, suite, checks });
      else notAsked.push({ api: target.api, suite: suite.id, reason, checks: checks.length });
    }
  }
  return { planned, notAsked };
}

/** The suites that are selected, with their selected checks; suites without any are left out. */
export function selectChecks(
  suites: readonly SuiteDefinition[],
  selection: CheckSelection,
): readonly SuiteDefinition[] {
  const patterns = selection.checks.map(patternOf);
  return suites
    .filter((suite) => selection.suites.length === 0 || selection.suites.includes(suite.id))
    .map((suite) => ({
      ...suite,
      checks: suite.checks.filter(
        (check) => patterns.length === 0 || patterns.some((one) => one.test(check.id)),
      ),
    }))
    .filter((suite) => suite.checks.length > 0);
}

/**
 * Keeps every check that stands for itself, and of those that one entry of a suite file makes of many rows only some,
 * spread evenly.
 *
 * @param rows rows that are kept of each entry
 */
export function sampleRows(suites: readonly SuiteDefinition[], rows: number): readonly SuiteDefinition[] {
  return suites.map((suite) => {
    const entries = new Map<string, CheckDefinition[]>();
    for (const check of suite.checks)
      entries.set(check.source, [...(entries.get(check.source) ?? []), check]);
    const kept = new Set(
      [...entries.values()].flatMap((checks) => {
        const step = Math.max(1, checks.length / rows);
        return checks
          .filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step))
          .slice(0, rows);
      }),
    );
    return { ...suite, checks: suite.checks.filter((check) => kept.has(check)) };
  });
}

/**
 * Makes sure that what was asked for exists, before anything is started or written.
 *
 * @throws ConfigurationError
 */
export function checkSelection(suites: readonly SuiteDefinition[], selection: CheckSelection): void {
  const known = suites.map((suite) => suite.id);
  for (const suite of selection.suites) {
    if (!known.includes(suite))
      throw new ConfigurationError(`--suite ${suite}: there is no such suite.${suggest(suite, known)}`);
  }
  const ids = suites.flatMap((suite) => suite.checks.map((check) => check.id));
  for (const check of selection.checks) {
    if (!ids.some((id) => patternOf(check).test(id))) {
      throw new ConfigurationError(`--check ${check}: no check has this id.${suggest(check, ids)}`);
    }
  }
}

/** What a check id has to match: `*` stands for any characters. */
export function patternOf(glob: string): RegExp {
  const escaped = glob.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${escaped.join(".*")}$`, "u");
}
