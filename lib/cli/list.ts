import type { Argv } from "yargs";
import { ConfigurationError, suggest } from "../config/errors.ts";
import { EXIT } from "./exit-codes.ts";
import { membersOf, printJson, printTable, type Done } from "./options.ts";

interface ListArguments {
  readonly what: string;
  readonly suite?: readonly string[];
  readonly config?: string;
  readonly json: boolean;
}

interface Listing {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** The same for programs, with all that is known. */
  readonly entries: readonly unknown[];
}

const LISTINGS: Readonly<Record<string, (args: ListArguments) => Promise<Listing>>> = {
  tenants: listTenants,
  apis: listApis,
  suites: listSuites,
  checks: listChecks,
  kinds: listKinds,
  faults: listFaults,
  requirements: listRequirements,
};

/** `list`: what there is. */
export function listCommand(done: Done) {
  return {
    command: "list <what>",
    describe: "List tenants, apis, suites, checks, kinds, faults or requirements",
    builder: (yargs: Argv) =>
      yargs
        .positional("what", {
          type: "string",
          demandOption: true,
          describe: Object.keys(LISTINGS).join(", "),
        })
        .options({
          suite: {
            type: "string",
            array: true,
            requiresArg: true,
            describe: "Checks of this suite only (repeatable)",
          },
          config: {
            type: "string",
            requiresArg: true,
            describe: "Directory with tenants/*.yaml, in place of the package's config",
          },
          json: { type: "boolean", default: false, describe: "Print JSON" },
        }),
    handler: async (args: ListArguments) => {
      const listing = Object.hasOwn(LISTINGS, args.what) ? LISTINGS[args.what] : undefined;
      if (listing === undefined)
        throw new ConfigurationError(
          `list ${args.what}: there is no such list.${suggest(args.what, Object.keys(LISTINGS))}`,
        );
      const { header, rows, entries } = await listing(args);
      if (args.json) printJson(entries);
      else printTable(header, rows);
      done(EXIT.passed);
    },
  };
}

async function listTenants(args: ListArguments): Promise<Listing> {
  const { loadConfiguration } = await import("../config/load.ts");
  const configuration = loadConfiguration(args.config);
  const entries = configuration.tenants.flatMap((id) => {
    const { value, file } = configuration.tenant(id);
    return Object.entries(value.environments).map(([environment, { apis }]) => ({
      tenant: id,
      name: value.name,
      environment,
      apis: Object.keys(apis),
      file,
    }));
  });
  return {
    header: ["tenant", "name", "environment", "APIs"],
    rows: entries.map((entry) => [entry.tenant, entry.name, entry.environment, entry.apis.join(", ")]),
    entries,
  };
}

async function listApis(args: ListArguments): Promise<Listing> {
  const { loadConfiguration } = await import("../config/load.ts");
  const entries = Object.entries(loadConfiguration(args.config).apis).map(([id, api]) => ({ id, ...api }));
  return {
    header: ["api", "title", "path", "authorization", "standards"],
    rows: entries.map((api) => [
      api.id,
      api.title,
      api.path,
      api.authorization.kind,
      api.standards.join(", "),
    ]),
    entries,
  };
}

async function listSuites(): Promise<Listing> {
  const { loadSuites } = await import("../checks/load.ts");
  const entries = loadSuites().map(({ checks, ...suite }) => ({
    ...suite,
    checks: checks.length,
    levels: Object.fromEntries(
      ["SHALL", "SHOULD", "MAY"].map((level) => [
        level,
        checks.filter((check) => check.level === level).length,
      ]),
    ),
  }));
  return {
    header: ["suite", "title", "checks"],
    rows: entries.map((suite) => [suite.id, suite.title, String(suite.checks)]),
    entries,
  };
}

async function listChecks(args: ListArguments): Promise<Listing> {
  const { loadSuites } = await import("../checks/load.ts");
  const { checkSelection } = await import("../runner/plan.ts");
  const suites = membersOf(args.suite);
  checkSelection(loadSuites(), { suites, checks: [] });
  const entries = loadSuites()
    .filter((suite) => suites.length === 0 || suites.includes(suite.id))
    .flatMap((suite) => suite.checks)
    .map(({ id, suite, kind, profile, title, level, requirements, proofs, remedy, source }) => ({
      id,
      suite,
      ...(kind === undefined ? {} : { kind }),
      ...(profile === undefined ? {} : { profile }),
      title,
      level,
      requirements,
      proofs,
      remedy,
      source,
    }));
  return {
    header: ["check", "level", "title"],
    rows: entries.map((check) => [check.id, check.level, check.title]),
    entries,
  };
}

/** The kinds of checks with how many there are of each, and of how many profiles. */
async function listKinds(args: ListArguments): Promise<Listing> {
  const { loadSuites } = await import("../checks/load.ts");
  const { checkSelection } = await import("../runner/plan.ts");
  const suites = membersOf(args.suite);
  checkSelection(loadSuites(), { suites, checks: [] });
  const entries = loadSuites()
    .filter((suite) => suites.length === 0 || suites.includes(suite.id))
    .flatMap((suite) => {
      const kinds = new Map<string, { checks: number; profiles: Set<string> }>();
      for (const { kind, profile } of suite.checks) {
        if (kind === undefined) continue;
        const known = kinds.get(kind) ?? { checks: 0, profiles: new Set<string>() };
        known.checks += 1;
        if (profile !== undefined) known.profiles.add(profile);
        kinds.set(kind, known);
      }
      return [...kinds].map(([kind, { checks, profiles }]) => ({
        suite: suite.id,
        kind,
        checks,
        profiles: profiles.size,
      }));
    });
  return {
    header: ["suite", "kind", "checks", "profiles"],
    rows: entries.map((entry) => [
      entry.suite,
      entry.kind,
      String(entry.checks),
      entry.profiles === 0 ? "" : String(entry.profiles),
    ]),
    entries,
  };
}

async function listFaults(): Promise<Listing> {
  const { loadFaultCatalogue } = await import("../sandbox/index.ts");
  const entries = loadFaultCatalogue();
  return {
    header: ["fault", "description"],
    rows: entries.map((fault) => [fault.id, fault.description]),
    entries,
  };
}

async function listRequirements(): Promise<Listing> {
  const { loadRequirements } = await import("../checks/requirements.ts");
  const entries = [...loadRequirements().values()];
  return {
    header: ["requirement", "verb", "url"],
    rows: entries.map((requirement) => [requirement.id, requirement.conformance ?? "", requirement.url]),
    entries,
  };
}
