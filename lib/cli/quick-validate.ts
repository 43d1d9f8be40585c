import { parseArgs } from "node:util";
import type { ValidateArguments } from "./validate.ts";

/**
 * Reads the plain uses of `validate` without loading the command line parser, which takes longer than the first
 * verdict does. Whatever is not plain (a mistake, `--help`, an unusual form) is left to that parser and its words.
 *
 * @param args arguments after `validate`
 */
export function readPlainArguments(args: readonly string[]): ValidateArguments | undefined {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      tokens: true,
      options: {
        ig: { type: "string" },
        profile: { type: "string", multiple: true },
        json: { type: "boolean" },
        warnings: { type: "boolean" },
        jobs: { type: "string" },
        "max-findings": { type: "string" },
        terminology: { type: "string" },
      },
    });
  } catch {
    return undefined;
  }
  const { values, positionals: paths } = parsed;
  const { ig, profile, json = false, warnings = false, jobs, terminology } = values;
  const maxFindings = values["max-findings"] ?? String(DEFAULT_MAX_FINDINGS);
  const texts = [ig, terminology, ...paths, ...(profile ?? [])].filter((text) => text !== undefined);
  const given = parsed.tokens.flatMap((token) => (token.kind === "option" ? [token.name] : []));
  const once = given.filter((name) => name !== "profile");
  const plain =
    paths.length > 0 &&
    new Set(once).size === once.length &&
    texts.every((text) => !/^[\s,]*$/.test(text)) &&
    [jobs ?? "1", maxFindings].every((number) => /^[0-9]{1,9}$/.test(number));
  if (!plain) return undefined;
  return {
    paths,
    json,
    warnings,
    maxFindings: Number(maxFindings),
    ...(ig !== undefined && { ig }),
    ...(profile !== undefined && { profile }),
    ...(jobs !== undefined && { jobs: Number(jobs) }),
    ...(terminology !== undefined && { terminology }),
  };
}

/** Findings printed for one resource where nothing else is said. */
export const DEFAULT_MAX_FINDINGS = 50;
