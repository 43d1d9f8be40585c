import { ConfigurationError, suggest } from "../config/errors.ts";
import type { Configuration } from "../config/load.ts";
import type { TextPattern, Waiver } from "../config/waivers.ts";
import type { SuiteDefinition } from "../checks/definition.ts";
import type { CheckResult, RunWaiver } from "../checks/results.ts";
import type { Finding } from "../checks/verdict.ts";
import { patternOf } from "./plan.ts";

/** Verdicts that answer the question: only of them can be said that there is nothing left to waive. */
const ANSWERED: ReadonlySet<CheckResult["status"]> = new Set(["pass", "fail", "warn", "info"]);

/**
 * Makes sure that every waiver speaks of checks, tenants, environments and APIs that exist: a waiver that can never
 * hold would be believed in.
 *
 * @throws ConfigurationError naming file and line
 */
export function checkWaivers(
  configuration: Configuration,
  suites: readonly SuiteDefinition[],
  tenant: string,
): void {
  const waivers = configuration.waivers();
  const checks = suites.flatMap((suite) => suite.checks.map(({ id }) => id));
  const entries = Object.values(configuration.tenant(tenant).value.environments);
  const apis = [
    ...new Set([...Object.keys(configuration.apis), ...entries.flatMap((entry) => Object.keys(entry.apis))]),
  ];
  for (const waiver of waivers) {
    const wrong = (problem: string) =>
      new ConfigurationError(`waiver ${waiver.id}: ${problem}`, waiver.place);
    const pattern = patternOf(waiver.check);
    if (!checks.some((id) => pattern.test(id)))
      throw wrong(`no check has the id "${waiver.check}".${suggest(waiver.check, checks)}`);
    const known = (what: string, names: readonly string[] | undefined, all: readonly string[]) => {
      const unknown = names?.find((name) => !all.includes(name));
      if (unknown !== undefined) throw wrong(`there is no ${what} "${unknown}".${suggest(unknown, all)}`);
    };
    known("tenant", waiver.tenants, configuration.tenants);
    known("environment", waiver.environments, Object.keys(configuration.environments));
    // Of another tenant's own APIs nothing is known here.
    if (waiver.tenants?.every((one) => one === tenant) === true) known("API", waiver.apis, apis);
  }
}

/**
 * A result with the findings that are waived marked as such; the verdict stays what it is.
 *
 * @param today `YYYY-MM-DD`
 */
export function applyWaivers(result: CheckResult, waivers: readonly Waiver[], today: string): CheckResult {
  const { waived: _, ...plain } = result;
  if (plain.findings.length === 0) return plain;
  const holding = waivers
    .filter((waiver) => !isExpired(waiver, today) && covers(waiver, plain))
    .map((waiver) => ({ waiver, findings: matching(waiver, plain.findings) }))
    .filter(({ findings }) => findings.length > 0);
  if (holding.length === 0) return plain;
  const all = new Set(holding.flatMap(({ findings }) => findings));
  return {
    ...plain,
    waived: {
      complete: all.size === plain.findings.length,
      waivers: holding.map(({ waiver: { id, reason, owner, expires, link }, findings }) => ({
        id,
        reason,
        owner,
        expires,
        ...(link === undefined ? {} : { link }),
        findings,
      })),
    },
  };
}

/**
 * What became of the waivers that speak of checks of this run. Those that speak only of what was not answered are left
 * out: nobody knows.
 *
 * @param today `YYYY-MM-DD`
 */
export function surveyWaivers(
  results: readonly CheckResult[],
  waivers: readonly Waiver[],
  today: string,
): readonly RunWaiver[] {
  return waivers.flatMap((waiver) => {
    const answered = results.filter((result) => ANSWERED.has(result.status) && covers(waiver, result));
    if (answered.length === 0) return [];
    const found = answered
      .map(({ findings }) => matching(waiver, findings).length)
      .filter((count) => count > 0);
    const { id, check, reason, owner, expires, link } = waiver;
    return [
      {
        id,
        check,
        reason,
        owner,
        expires,
        ...(link === undefined ? {} : { link }),
        state: isExpired(waiver, today) ? "expired" : found.length === 0 ? "unused" : "applied",
        verdicts: found.length,
        findings: found.reduce((sum, count) => sum + count, 0),
      },
    ];
  });
}

function isExpired({ expires }: Waiver, today: string): boolean {
  return today > expires;
}

function covers(waiver: Waiver, result: CheckResult): boolean {
  return (
    allows(waiver.tenants, result.tenant) &&
    allows(waiver.environments, result.environment) &&
    allows(waiver.apis, result.api) &&
    patternOf(waiver.check).test(result.check)
  );
}

function allows(names: readonly string[] | undefined, name: string): boolean {
  return names === undefined || names.includes(name);
}

/** Indices of the findings that a waiver speaks of. */
function matching({ finding: pattern }: Waiver, findings: readonly Finding[]): number[] {
  return findings.flatMap((finding, index) =>
    finding.code === pattern.code &&
    fits(pattern.location, finding.location) &&
    fits(pattern.expected, finding.expected) &&
    fits(pattern.actual, finding.actual)
      ? [index]
      : [],
  );
}

function fits(pattern: TextPattern | undefined, text: string | undefined): boolean {
  if (pattern === undefined) return true;
  if (text === undefined) return false;
  return typeof pattern === "string" ? text === pattern : text.startsWith(pattern.startsWith);
}
