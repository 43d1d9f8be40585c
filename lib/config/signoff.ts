import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { ConfigurationError, suggest } from "./errors.ts";
import { ownPackage } from "./package.ts";
import { compileSchema, readYaml } from "./yaml.ts";

type Level = "SHALL" | "SHOULD" | "MAY";

/** What breaks a rule; exactly one of these is given. */
export interface Breach {
  readonly run?:
    | "other-target"
    | "not-complete"
    | "partial"
    | "unreadable"
    | "outdated"
    | "configuration-changed";
  readonly verdicts?: {
    readonly status: "fail" | "warn" | "info" | "blocked" | "no-data" | "error";
    readonly level?: Level;
    readonly waived?: boolean;
  };
  readonly waivers?: "expired";
  readonly checklist?: "not-met" | "to-attest" | "unanswered" | "with-reservation";
}

export interface SignoffRule {
  readonly id: string;
  readonly title: string;
  /** What is the case when it does not hold. */
  readonly otherwise: string;
  readonly broken: Breach;
  /** The best that can be decided while it is broken. */
  readonly then: "no-go" | "conditional";
  readonly remedy: string;
}

export interface ChecklistItem {
  readonly id: string;
  readonly title: string;
  readonly answeredBy: "checks" | "person" | "both";
  /** Ids of checks, in which `*` stands for any characters. */
  readonly checks?: readonly string[];
  /** Environments in which checks answer it; absent: in all. */
  readonly environments?: readonly string[];
  readonly attests?: string;
}

/** A step of a migration, with the checks that have to be green before it. */
export interface MigrationStep {
  readonly id: string;
  readonly title: string;
  readonly checks: readonly string[];
}

export interface SignoffSettings {
  readonly limits: { readonly resultsDays: number; readonly attestationDays: number };
  readonly rules: readonly SignoffRule[];
  readonly checklist: readonly ChecklistItem[];
  /** In the order in which they are taken. */
  readonly steps?: readonly MigrationStep[];
  /** What a finding means for the application: by suite, else by level. */
  readonly meaning: {
    readonly levels: Readonly<Record<Level, string>>;
    readonly suites: Readonly<Record<string, string>>;
  };
}

/** What a person says about an item that no check can answer. */
export interface Attestation {
  readonly item: string;
  readonly tenant: string;
  readonly environment: string;
  readonly by: string;
  readonly role: string;
  /** Day, `YYYY-MM-DD`. */
  readonly at: string;
  readonly note: string;
}

export interface SignoffConfiguration {
  readonly settings: SignoffSettings;
  readonly attestations: readonly Attestation[];
  /** The files that it was read from, by name below `config/`. */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * Reads `signoff.yaml` (the package's own, where the directory has none) and `attestations.yaml` (none, where the
 * directory has none).
 *
 * @param directory a directory of the user's (`--config`); without it the package's own `config/`
 * @throws ConfigurationError naming file, line and field
 */
export function loadSignoff(directory?: string): SignoffConfiguration {
  const own = join(ownPackage().root, "config");
  const root = directory === undefined ? own : resolve(directory);
  const schema = (name: string) => compileSchema(join(own, "schema", `${name}.schema.json`));
  const settingsAt = existsSync(join(root, "signoff.yaml"))
    ? join(root, "signoff.yaml")
    : join(own, "signoff.yaml");
  const settings = readYaml<SignoffSettings>(settingsAt, show(settingsAt), schema("signoff"));
  const attestationsAt = join(root, "attestations.yaml");
  const files = new Map([["config/signoff.yaml", settingsAt]]);
  if (!existsSync(attestationsAt)) return { settings: settings.value, attestations: [], files };
  files.set("config/attestations.yaml", attestationsAt);
  const shown = show(attestationsAt);
  const file = readYaml<{ readonly attestations: readonly Attestation[] }>(
    attestationsAt,
    shown,
    schema("attestations"),
  );
  const items = settings.value.checklist.map(({ id }) => id);
  for (const [index, { item }] of file.value.attestations.entries()) {
    if (items.includes(item)) continue;
    throw new ConfigurationError(`"${item}" is no item of the checklist.${suggest(item, items)}`, {
      file: shown,
      line: file.line(["attestations", index, "item"]),
      field: `attestations.${index}.item`,
    });
  }
  return { settings: settings.value, attestations: file.value.attestations, files };
}

function show(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}
