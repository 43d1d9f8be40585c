import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "../config/errors.ts";
import { ownPackage } from "../config/package.ts";
import { compileSchema, readYaml, type YamlFile } from "../config/yaml.ts";
import type {
  Applies,
  CheckDefinition,
  Condition,
  Expectation,
  Proof,
  RequestSpecification,
  SuiteDefinition,
} from "./definition.ts";
import { loadRequirements, type RequirementIndex } from "./requirements.ts";
import { isObject, select } from "./select.ts";
import { substitute, type Variables } from "./substitute.ts";
import type { Level } from "./verdict.ts";

interface RowsEntry {
  readonly from: string;
  readonly each: string;
  readonly as: readonly string[];
  readonly where?: Readonly<Record<string, unknown>>;
}

interface CheckEntry {
  readonly id: string;
  readonly kind?: string;
  readonly profile?: string;
  readonly title: string;
  readonly level: string;
  readonly requirements: readonly string[];
  readonly further?: { readonly from: string; readonly at: string };
  readonly fault: string | Proof | readonly Proof[];
  readonly finding?: string;
  readonly sandbox?: { readonly tls?: true };
  readonly remedy: string;
  readonly applies?: Applies;
  readonly when?: readonly Condition[];
  readonly given?: string;
  readonly request?: RequestSpecification;
  readonly expect?: readonly Expectation[];
  readonly procedure?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly rows?: RowsEntry;
}

interface SuiteEntry {
  readonly suite: string;
  readonly title?: string;
  readonly description?: string;
  readonly applies?: Applies;
  readonly checks?: readonly CheckEntry[];
}

/** What `checks.yaml` says of the suite for all its files. */
interface SuiteHead {
  readonly id: string;
  readonly title: string;
}

let loaded: readonly SuiteDefinition[] | undefined;

/**
 * Loads every `suites/<suite>/checks.yaml` of the package with the further `*.yaml` beside it, checks them against
 * their schema and expands rows.
 *
 * @throws ConfigurationError naming file, line and field
 */
export function loadSuites(): readonly SuiteDefinition[] {
  if (loaded !== undefined) return loaded;
  const { root } = ownPackage();
  const validate = compileSchema(join(root, "config", "schema", "suite.schema.json"));
  const requirements = loadRequirements();
  const folder = join(root, "suites");
  const suites = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, "checks.yaml")))
    .map(({ name }) => name)
    .toSorted()
    .map((name) => {
      const files = readdirSync(join(folder, name))
        .filter((file) => file.endsWith(".yaml"))
        .toSorted((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1))
        .map((file) => `suites/${name}/${file}`)
        .map((file) => readYaml<SuiteEntry>(join(root, file), file, validate));
      return expandSuite(files, requirements);
    });
  const seen = new Map<string, string>();
  for (const check of suites.flatMap((suite) => suite.checks)) {
    const before = seen.get(check.id);
    if (before !== undefined)
      throw new ConfigurationError(`check id ${check.id} stands twice: at ${before} and at ${check.source}`);
    seen.set(check.id, check.source);
  }
  return (loaded = suites);
}

/** The file that says what the suite is comes first. */
function rank(file: string): number {
  return file === "checks.yaml" ? 0 : 1;
}

function expandSuite(
  files: readonly YamlFile<SuiteEntry>[],
  requirements: RequirementIndex,
): SuiteDefinition {
  const [first] = files;
  const title = first?.value.title;
  if (first === undefined || title === undefined)
    throw new ConfigurationError(`lacks "title"`, { file: first?.file ?? "suites" });
  const head: SuiteHead = { id: first.value.suite, title };
  const { description, applies } = first.value;
  return {
    id: head.id,
    files: files.map(({ file }) => file),
    title,
    ...(description === undefined ? {} : { description }),
    applies: applies ?? {},
    checks: files.flatMap((file) => expandFile(file, head, requirements)),
  };
}

function expandFile(
  file: YamlFile<SuiteEntry>,
  suite: SuiteHead,
  requirements: RequirementIndex,
): readonly CheckDefinition[] {
  if (file.value.suite !== suite.id) {
    throw new ConfigurationError(`is of the suite ${file.value.suite}, in the folder of ${suite.id}`, {
      file: file.file,
      line: file.line(["suite"]),
      field: "suite",
    });
  }
  return (file.value.checks ?? []).flatMap((entry, index) => {
    const place = (...path: (string | number)[]) => ({
      file: file.file,
      line: file.line(["checks", index, ...path]),
      field: ["checks", String(index), ...path].join("."),
    });
    return rowsOf(entry, place).map((row) => defineCheck(suite, substitute(entry, row), requirements, place));
  });
}

type Place = (...path: (string | number)[]) => { file: string; line: number | undefined; field: string };

function defineCheck(
  suite: SuiteHead,
  entry: CheckEntry,
  requirements: RequirementIndex,
  place: Place,
): CheckDefinition {
  const level = entry.level;
  if (level !== "SHALL" && level !== "SHOULD" && level !== "MAY") {
    throw new ConfigurationError(`"${level}" is not SHALL, SHOULD or MAY`, place("level"));
  }
  const at = place();
  return {
    id: `${suite.id}.${entry.id}`,
    suite: suite.id,
    suiteTitle: suite.title,
    ...(entry.kind === undefined ? {} : { kind: entry.kind }),
    ...(entry.profile === undefined ? {} : { profile: entry.profile }),
    title: entry.title,
    level: level satisfies Level,
    requirements: requirementsOf(entry, requirements, place),
    proofs: proofsOf(entry, place),
    ...(entry.sandbox === undefined ? {} : { sandbox: entry.sandbox }),
    remedy: entry.remedy,
    applies: entry.applies ?? {},
    when: entry.when ?? [],
    ...(entry.given === undefined ? {} : { given: entry.given }),
    ...(entry.request === undefined ? {} : { request: entry.request }),
    expect: entry.expect ?? [],
    ...(entry.procedure === undefined ? {} : { procedure: entry.procedure }),
    with: entry.with ?? {},
    source: `${at.file}:${at.line ?? 1}`,
  };
}

/** The requirements of the check, and those that only its row answers. */
function requirementsOf(entry: CheckEntry, known: RequirementIndex, place: Place) {
  const resolve = (id: string, at: ReturnType<Place>) => {
    const requirement = known.get(id);
    if (requirement === undefined)
      throw new ConfigurationError(`there is no requirement ${id} in config/requirements`, at);
    return requirement;
  };
  const own = entry.requirements.map((id, index) => resolve(id, place("requirements", index)));
  if (entry.further === undefined) return own;
  const { from, at } = entry.further;
  const ofRow = select(readRows(from, place("further", "from")), `${at}/*`);
  return [...own, ...ofRow.map(({ value }) => resolve(String(value), place("further", "at")))];
}

function proofsOf(entry: CheckEntry, place: Place): readonly Proof[] {
  if (typeof entry.fault === "string") {
    if (entry.finding === undefined)
      throw new ConfigurationError(`lacks "finding", the code that its fault must lead to`, place());
    return [{ id: entry.fault, finding: entry.finding }];
  }
  return "id" in entry.fault ? [entry.fault] : entry.fault;
}

/** The rows of a generated check as variables; one empty row for a check that is not generated. */
function rowsOf(entry: CheckEntry, place: Place): readonly Variables[] {
  if (entry.rows === undefined) return [{}];
  const { from, each, as, where } = entry.rows;
  const levels = each.split("/").filter((segment) => segment === "*").length;
  if (levels !== as.length) {
    throw new ConfigurationError(
      `names ${as.length} levels, but "each" has ${levels} *`,
      place("rows", "as"),
    );
  }
  const document = readRows(from, place("rows", "from"));
  const rows = descend(document, each.split("/").slice(1), as, {}).filter((row) => keeps(row, where ?? {}));
  if (rows.length === 0) throw new ConfigurationError("finds no rows", place("rows", "each"));
  return rows;
}

const documents = new Map<string, unknown>();

function readRows(from: string, place: ReturnType<Place>): unknown {
  if (!documents.has(from)) {
    try {
      documents.set(from, JSON.parse(readFileSync(join(ownPackage().root, from), "utf8")));
    } catch {
      throw new ConfigurationError(`${from} cannot be read as JSON`, place);
    }
  }
  return documents.get(from);
}

function descend(
  value: unknown,
  path: readonly string[],
  names: readonly string[],
  row: Variables,
): readonly Variables[] {
  const star = path.indexOf("*");
  if (star < 0) return [row];
  const [name = "", ...others] = names;
  return select(value, `/${[...path.slice(0, star), "*"].join("/")}`).flatMap(
    ({ value: member, pointer }) => {
      // Members of an object are known by their key too.
      const key = pointer.slice(pointer.lastIndexOf("/") + 1);
      const named = isObject(member) ? { ...member, key } : { value: member, key };
      const variables = { ...named, ...tailOf(named) };
      return descend(member, path.slice(star + 1), others, { ...row, [name]: variables });
    },
  );
}

/** What follows the last slash of a URL: the short name of a profile. */
function tailOf(member: Variables): Variables {
  const value = member["value"];
  return typeof value === "string" ? { tail: value.slice(value.lastIndexOf("/") + 1) } : {};
}

function keeps(row: Variables, where: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(where).every(([path, wanted]) => {
    const value = select(row, `/${path.replaceAll(".", "/")}`)[0]?.value;
    return Array.isArray(wanted) ? wanted.includes(value) : value === wanted;
  });
}
