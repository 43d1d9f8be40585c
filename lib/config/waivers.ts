import { existsSync } from "node:fs";
import type { ValidateFunction } from "ajv";
import { ConfigurationError } from "./errors.ts";
import { readYaml } from "./yaml.ts";

/** The whole of a text, or how it has to start. */
export type TextPattern = string | { readonly startsWith: string };

/** Findings that somebody has accepted until a date. */
export interface Waiver {
  readonly id: string;
  /** Check id, in which `*` stands for any characters. */
  readonly check: string;
  /** Where it holds; absent: everywhere. */
  readonly apis?: readonly string[];
  readonly tenants?: readonly string[];
  readonly environments?: readonly string[];
  readonly finding: {
    readonly code: string;
    readonly location?: TextPattern;
    readonly expected?: TextPattern;
    readonly actual?: TextPattern;
  };
  readonly reason: string;
  readonly owner: string;
  /** Last day on which it holds, `YYYY-MM-DD` in UTC. */
  readonly expires: string;
  readonly link?: string;
  /** Where it stands, for messages. */
  readonly place: { readonly file: string; readonly line: number | undefined };
}

type Names = string | readonly string[];

type WaiverEntry = Omit<Waiver, "apis" | "tenants" | "environments" | "place"> & {
  readonly api?: Names;
  readonly tenant?: Names;
  readonly environment?: Names;
};

/**
 * Reads waivers. A folder without the file has none.
 *
 * @param shown the path as the user knows it
 * @throws ConfigurationError naming file, line and field
 */
export function readWaivers(path: string, shown: string, validate: ValidateFunction): readonly Waiver[] {
  if (!existsSync(path)) return [];
  const file = readYaml<{ readonly waivers: readonly WaiverEntry[] }>(path, shown, validate);
  const seen = new Set<string>();
  return file.value.waivers.map(({ api, tenant, environment, ...entry }, index) => {
    const place = { file: shown, line: file.line(["waivers", index]) };
    if (seen.has(entry.id)) {
      const line = file.line(["waivers", index, "id"]);
      throw new ConfigurationError(`"${entry.id}" names two waivers`, {
        file: shown,
        line,
        field: `waivers.${index}.id`,
      });
    }
    seen.add(entry.id);
    return {
      ...entry,
      ...(api === undefined ? {} : { apis: listOf(api) }),
      ...(tenant === undefined ? {} : { tenants: listOf(tenant) }),
      ...(environment === undefined ? {} : { environments: listOf(environment) }),
      place,
    };
  });
}

function listOf(names: Names): readonly string[] {
  return typeof names === "string" ? [names] : names;
}
