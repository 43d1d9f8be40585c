/** Which requirements the checks answer, which cannot be answered from outside, and which are open. */
import { resolveRequirement, VERBS, type Catalogue, type Requirement, type Verb } from "./requirements.ts";

/** What coverage needs to know of a check: its id, and the requirements it answers as `<catalogue>#<id>`. */
export interface AnsweringCheck {
  readonly id: string;
  readonly requirements: readonly string[];
}

export interface RequirementCoverage {
  readonly id: string;
  readonly url: string;
  readonly conformance: Verb;
  readonly conditional: boolean;
  readonly title?: string;
  readonly state: "covered" | "not-observable" | "open";
  /** Ids of the checks that answer it or, where it is not observable, touch on it; sorted. */
  readonly checks: readonly string[];
  /** Why it is not observable from outside. */
  readonly reason?: string;
}

export interface CoverageCounts {
  readonly total: number;
  readonly covered: number;
  readonly notObservable: number;
  readonly open: number;
}

export interface CatalogueCoverage {
  readonly catalogue: string;
  readonly counts: CoverageCounts;
  /** By conformance verb; verbs that a catalogue does not use are absent. */
  readonly verbs: Readonly<Partial<Record<Verb, CoverageCounts>>>;
  readonly requirements: readonly RequirementCoverage[];
}

export interface Coverage {
  readonly catalogues: readonly CatalogueCoverage[];
}

/**
 * Sets the requirements of every catalogue against the checks that name them.
 *
 * Only requirements on servers count. One that is marked as not observable is not covered by a check that touches on
 * it: such a check is listed, and the count stays honest.
 *
 * @throws ConfigurationError when a check names a requirement that no catalogue has
 */
export function computeCoverage(
  catalogues: ReadonlyMap<string, Catalogue>,
  checks: readonly AnsweringCheck[],
): Coverage {
  const answers = new Map<string, Set<string>>();
  for (const check of checks) {
    for (const reference of check.requirements) {
      resolveRequirement(catalogues, reference);
      const known = answers.get(reference);
      if (known === undefined) answers.set(reference, new Set([check.id]));
      else known.add(check.id);
    }
  }
  return { catalogues: [...catalogues.values()].map((catalogue) => coverCatalogue(catalogue, answers)) };
}

function coverCatalogue(
  catalogue: Catalogue,
  answers: ReadonlyMap<string, ReadonlySet<string>>,
): CatalogueCoverage {
  const requirements = catalogue.requirements
    .filter((requirement) => requirement.actors.includes("Server"))
    .map((requirement) => coverRequirement(catalogue, requirement, answers));
  const verbs: Partial<Record<Verb, CoverageCounts>> = {};
  for (const verb of VERBS) {
    const some = requirements.filter((requirement) => requirement.conformance === verb);
    if (some.length > 0) verbs[verb] = count(some);
  }
  return { catalogue: catalogue.id, counts: count(requirements), verbs, requirements };
}

function coverRequirement(
  catalogue: Catalogue,
  requirement: Requirement,
  answers: ReadonlyMap<string, ReadonlySet<string>>,
): RequirementCoverage {
  const reference = `${catalogue.id}#${requirement.id}`;
  const checks = [...(answers.get(reference) ?? [])].toSorted();
  const reason = catalogue.notObservable.get(requirement.id);
  return {
    id: requirement.id,
    url: requirement.url,
    conformance: requirement.conformance,
    conditional: requirement.conditional,
    ...(requirement.title === undefined ? {} : { title: requirement.title }),
    state: reason !== undefined ? "not-observable" : checks.length > 0 ? "covered" : "open",
    checks,
    ...(reason === undefined ? {} : { reason }),
  };
}

function count(requirements: readonly RequirementCoverage[]): CoverageCounts {
  const of = (state: RequirementCoverage["state"]) =>
    requirements.filter((requirement) => requirement.state === state).length;
  return {
    total: requirements.length,
    covered: of("covered"),
    notObservable: of("not-observable"),
    open: of("open"),
  };
}

const COLUMNS = ["requirements", "covered", "not observable", "open"] as const;

/**
 * The coverage as a table for a terminal: one block per catalogue, one line per verb.
 *
 * @param coverage as {@link computeCoverage} gave it
 * @returns lines, each ended by a newline
 */
export function formatCoverage(coverage: Coverage): string {
  const width = Math.max(...coverage.catalogues.map((entry) => entry.catalogue.length), 12);
  const lines = [row("", width, COLUMNS)];
  for (const entry of coverage.catalogues) {
    lines.push(row(entry.catalogue, width, numbers(entry.counts)));
    for (const verb of VERBS) {
      const counts = entry.verbs[verb];
      if (counts !== undefined) lines.push(row(`  ${verb}`, width, numbers(counts)));
    }
  }
  return `${lines.join("\n")}\n`;
}

function numbers(counts: CoverageCounts): readonly string[] {
  return [counts.total, counts.covered, counts.notObservable, counts.open].map(String);
}

function row(name: string, width: number, cells: readonly string[]): string {
  const columns = cells.map((cell, index) => cell.padStart(COLUMNS[index]?.length ?? 0));
  return [name.padEnd(width), ...columns].join("  ");
}
