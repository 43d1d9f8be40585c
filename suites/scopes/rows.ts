import { loadSuites } from "../../lib/checks/load.ts";

/**
 * The resource types that have a check of their own in this suite.
 *
 * @param prefix how the names of these checks begin: `outside:`, `confined:`
 */
export function typesWithCheck(prefix: string): ReadonlySet<string> {
  const start = `scopes.${prefix}`;
  const checks = loadSuites().find(({ id }) => id === "scopes")?.checks ?? [];
  return new Set(checks.filter(({ id }) => id.startsWith(start)).map(({ id }) => id.slice(start.length)));
}
