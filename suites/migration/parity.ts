import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NoData, NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { recordsOf } from "../../lib/checks/records/records.ts";
import { search } from "../../lib/checks/records/searching.ts";
import type { ResultCell } from "../../lib/checks/results.ts";
import { isObject } from "../../lib/checks/select.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { ownPackage } from "../../lib/config/package.ts";
import {
  compareRecords,
  type ComparisonRules,
  type Difference,
  type Resource,
  type TypeComparison,
} from "./compare.ts";

/** The API whose place the v2 API takes. */
const PREVIOUS = "v1-patient-access";
const EXAMPLES = 3;
const MAPPED = 200;

interface ComparedType {
  readonly name: string;
  readonly search: string;
  readonly at: string;
}

function readData(name: string): unknown {
  return JSON.parse(readFileSync(join(ownPackage().root, "suites", "migration", name), "utf8"));
}

/** The resource types that are compared, with a search that both versions of US Core have. */
function comparedTypes(): readonly ComparedType[] {
  return (readData("types.json") as { readonly types: readonly ComparedType[] }).types;
}

/** What was found of a type at both APIs. */
interface TypeParity {
  /** Absent where the type is not offered by one of them. */
  readonly comparison?: TypeComparison;
  readonly notOffered?: { readonly by: "previous" | "current"; readonly reason: string };
  /** Set where not everything was seen at an API: nothing may be concluded from an absence. */
  readonly incomplete?: string;
  readonly exchanges: { readonly previous?: string; readonly current?: string };
}

interface Parity {
  readonly types: ReadonlyMap<string, TypeParity>;
}

interface Gathered {
  readonly resources: readonly Resource[];
  readonly incomplete?: string;
  readonly exchange?: string;
  readonly notOffered?: string;
}

async function gather(context: CheckContext, type: string): Promise<Gathered> {
  try {
    const { resources, refusals, incomplete } = await recordsOf(context, type);
    const [refusal] = refusals;
    const partial = incomplete ?? (refusal === undefined ? undefined : "a search was refused");
    const exchange = resources[0]?.exchange ?? refusal?.exchange;
    return {
      resources: resources.map(({ resource }) => resource),
      ...(partial === undefined ? {} : { incomplete: partial }),
      ...(exchange === undefined ? {} : { exchange }),
    };
  } catch (error) {
    if (error instanceof NotApplicable) return { resources: [], notOffered: error.message };
    throw error;
  }
}

/** Everything that both APIs have about the same patient, compared once for all checks. */
const parity: Fact<Parity> = {
  name: "comparison with v1",
  explainedBy: "migration.same-patient",
  async provide(context) {
    const previous = context.elsewhere(PREVIOUS);
    await samePatient(context, previous);
    const names = ["Patient", ...comparedTypes().map(({ name }) => name)];
    const gathered = await Promise.all(
      names.map(async (name) => ({
        name,
        before: await gather(previous, name),
        after: await gather(context, name),
      })),
    );
    const offered = gathered.filter(
      ({ before, after }) => before.notOffered === undefined && after.notOffered === undefined,
    );
    const comparisons = compareRecords(
      new Map(offered.map(({ name, before }) => [name, before.resources])),
      new Map(offered.map(({ name, after }) => [name, after.resources])),
      readData("version-differences.json") as ComparisonRules,
    );
    return {
      types: new Map(
        gathered.map(({ name, before, after }) => {
          const comparison = comparisons.find(({ type }) => type === name);
          const incomplete = before.incomplete ?? after.incomplete;
          const missing =
            before.notOffered === undefined
              ? after.notOffered === undefined
                ? undefined
                : ({ by: "current", reason: after.notOffered } as const)
              : ({ by: "previous", reason: before.notOffered } as const);
          return [
            name,
            {
              ...(comparison === undefined ? {} : { comparison }),
              ...(missing === undefined ? {} : { notOffered: missing }),
              ...(incomplete === undefined ? {} : { incomplete }),
              exchanges: {
                ...(before.exchange === undefined ? {} : { previous: before.exchange }),
                ...(after.exchange === undefined ? {} : { current: after.exchange }),
              },
            },
          ] as const;
        }),
      ),
    };
  },
};

/**
 * Both tokens have to be for the same person, or everything would seem to have changed.
 *
 * @throws Blocked where they are not
 */
async function samePatient(context: CheckContext, previous: CheckContext): Promise<void> {
  const [before] = (await gather(previous, "Patient")).resources;
  const [after] = (await gather(context, "Patient")).resources;
  if (before === undefined || after === undefined)
    throw new Blocked(
      `no patient could be had at ${before === undefined ? "v1" : "v2"}`,
      "migration.same-patient",
    );
  if (isSamePerson(before, after)) return;
  throw new Blocked(
    "the patients at v1 and v2 are not the same person: they share no identifier, and neither name nor birth date",
    "migration.same-patient",
    [
      {
        code: "parity.other-patient",
        expected: "the same person at v1 and v2",
        actual: `${context.health(`Patient/${String(before["id"])}`)} and ${context.health(`Patient/${String(after["id"])}`)}`,
      },
    ],
  );
}

function isSamePerson(one: Resource, other: Resource): boolean {
  const own = identifiersOf(one);
  if (identifiersOf(other).some((identifier) => own.includes(identifier))) return true;
  return (
    one["birthDate"] !== undefined &&
    one["birthDate"] === other["birthDate"] &&
    familyOf(one) === familyOf(other)
  );
}

function identifiersOf({ identifier }: Resource): readonly string[] {
  return (Array.isArray(identifier) ? identifier : [])
    .filter(isObject)
    .map(({ system, value }) => JSON.stringify([system, value]));
}

function familyOf({ name }: Resource): unknown {
  return Array.isArray(name) && isObject(name[0]) ? name[0]["family"] : undefined;
}

/** The same patient is asked about at both APIs. */
export const samePatientChecked: Procedure = async (context) => {
  await samePatient(context, context.elsewhere(PREVIOUS));
  return [];
};

async function comparisonOf(context: CheckContext, type: string) {
  const found = (await context.fact(parity)).types.get(type);
  if (found === undefined) throw new Error(`${type} is not compared`);
  const { comparison, notOffered } = found;
  if (notOffered?.by === "previous") throw new NotApplicable(`at v1, ${notOffered.reason}`);
  return { found, comparison };
}

/**
 * Nothing of a type that v1 gives is missing at v2.
 *
 * `with: { type, of: resources | contents }`: whole resources, or what stands in those that are at both.
 */
export const nothingLost: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const isAboutResources = parameters["of"] === "resources";
  const { found, comparison } = await comparisonOf(context, type);
  if (comparison === undefined) {
    return [
      {
        code: "parity.type-missing",
        expected: `${type} to be offered at v2, as at v1`,
        actual: found.notOffered?.reason ?? "it is not",
      },
    ];
  }
  if (comparison.before === 0) {
    throw new NoData(
      `v1 has no ${type} of the patient`,
      `a patient with a resource of type ${type} at v1 and v2`,
    );
  }
  const relevant = comparison.differences.filter(
    ({ aspect, kind, known }) =>
      (aspect === "resource") === isAboutResources && kind !== "appeared" && known === undefined,
  );
  if (isAboutResources && found.incomplete !== undefined && relevant.length > 0)
    throw new Blocked(`not all of ${type} was seen: ${found.incomplete}`);
  showType(context, comparison);
  showDifferences(context, comparison);
  return grouped(relevant).map((group) => findingOf(context, comparison, group, found.exchanges.current));
};

/** What v2 gives that v1 does not: for an application that has to expect it. */
export const whatIsNew: Procedure = async (context) => {
  const { types } = await context.fact(parity);
  const appeared = [...types.values()].flatMap(({ comparison }) =>
    (comparison?.differences ?? []).filter(({ kind, known }) => kind === "appeared" && known === undefined),
  );
  const groups = grouped(appeared);
  context.table({
    id: "new",
    title: "What v2 gives and v1 does not",
    columns: ["Element", "Resources", "Examples"],
    rows: groups.map((group) => [group.path, String(group.members.length), examples(context, group.members)]),
    note: "Beside what the change from US Core 3.1.1 to 6.1.0 explains.",
  });
  return groups.map((group) => ({
    code: `parity.${group.aspect}-appeared`,
    expected: `${group.path} as at v1`,
    actual: `${group.members.length} that v1 does not give`,
    location: group.path,
  }));
};

/** Which id at v1 is which at v2. */
export const idMapping: Procedure = async (context) => {
  const { types } = await context.fact(parity);
  const pairs = [...types.values()].flatMap(({ comparison }) => comparison?.pairs ?? []);
  if (pairs.length === 0) throw new NoData("nothing is at both APIs", "a patient with a record at v1 and v2");
  const moved = pairs.filter(({ previous, current }) => previous !== current);
  const shown = moved.length > 0 ? moved : pairs;
  context.table({
    id: "ids",
    title: `Ids at v1 and v2 (${shown.length === pairs.length ? "" : "those that differ, "}${Math.min(shown.length, MAPPED)} of ${pairs.length})`,
    columns: ["v1", "v2"],
    rows: shown
      .slice(0, MAPPED)
      .map(({ previous, current }): ResultCell[] => [
        context.health(previous),
        previous === current
          ? { text: context.health(current), state: "good" }
          : { text: context.health(current), state: "warning" },
      ]),
  });
  if (moved.length === 0) return [];
  return [
    {
      code: "parity.other-ids",
      expected: "the same ids at v2 as at v1",
      actual: `${moved.length} of ${pairs.length} resources with another id`,
    },
  ];
};

function bad(count: number): ResultCell {
  return { text: String(count), state: count === 0 ? "good" : "bad" };
}

/** No type has fewer resources at v2; and the whole comparison as one table, for the sign-off. */
export const totals: Procedure = async (context) => {
  const { types } = await context.fact(parity);
  const rows = [...types].map(([type, { comparison, notOffered, incomplete }]): ResultCell[] => {
    if (comparison === undefined)
      return [type, "", "", "", "", "", { text: notOffered?.reason ?? "", state: "muted" }];
    const count = (kind: Difference["kind"]) =>
      comparison.differences.filter((one) => one.kind === kind && one.known === undefined).length;
    return [
      type,
      String(comparison.before),
      String(comparison.after),
      String(comparison.same),
      bad(count("vanished")),
      bad(count("changed")),
      `${count("appeared")} new${incomplete === undefined ? "" : `; ${incomplete}`}`,
    ];
  });
  context.table({
    id: "parity",
    title: "v1 and v2 side by side",
    columns: ["Type", "At v1", "At v2", "The same", "Vanished", "Changed", "Further"],
    rows,
    note: "Vanished and changed count resources, elements, codes, identifiers and references. Order, narrative, meta, ids and base URLs do not count.",
  });
  const compared = [...types.values()].flatMap(({ comparison, exchanges }) =>
    comparison === undefined || comparison.before === 0 ? [] : [{ comparison, exchanges }],
  );
  if (compared.length === 0)
    throw new NoData("v1 has nothing to compare with", "a patient with a record at v1 and v2");
  return compared
    .filter(({ comparison: { before, after } }) => after < before)
    .map(({ comparison: { type, before, after }, exchanges }) => ({
      code: "parity.total-less",
      expected: `${before} ${type} as at v1, or more`,
      actual: String(after),
      ...(exchanges.current === undefined ? {} : { exchange: exchanges.current }),
    }));
};

/** A search that both versions have finds the same at both. */
export const sameSearch: Procedure = async (context, parameters) => {
  const type = comparedTypes().find(({ name }) => name === parameters["type"]);
  if (type === undefined) throw new Error(`${String(parameters["type"])} is not compared`);
  const { comparison } = await comparisonOf(context, type.name);
  const previous = context.elsewhere(PREVIOUS);
  const value = (await recordsOf(previous, type.name)).resources
    .map(({ resource }) => tokenIn(resource[type.at]))
    .find((token) => token !== undefined);
  if (comparison === undefined) throw new NotApplicable(`v2 does not offer ${type.name}`);
  if (value === undefined) {
    throw new NoData(
      `no ${type.name} at v1 has a ${type.at} to search by`,
      `a patient with a ${type.name} that has ${type.at}`,
    );
  }
  const find = async (at: CheckContext, label: string) => {
    const [patient] = (await recordsOf(at, "Patient")).resources;
    const result = await search(at, {
      type: type.name,
      parameters: [
        ["patient", patient?.id ?? ""],
        [type.search, value],
      ],
    });
    if (result.kind === "found" || result.kind === "unusable") return result;
    // US Core lets a server demand a status beside it.
    throw new NotApplicable(`${label} refuses the search with status ${result.status}`);
  };
  const before = await find(previous, "v1");
  const after = await find(context, "v2");
  if (before.kind !== "found")
    throw new NotApplicable("v1 answers the search with something else than a Bundle");
  const expected = new Map(comparison.pairs.map((pair) => [pair.previous, pair.current]));
  const found = new Set(
    after.kind === "found"
      ? after.matches.map(({ resource }) => `${type.name}/${String(resource["id"])}`)
      : [],
  );
  const missing = before.matches
    .map(({ resource }) => expected.get(`${type.name}/${String(resource["id"])}`))
    .filter((reference) => reference !== undefined && !found.has(reference));
  if (missing.length === 0) return [];
  return [
    {
      code: "parity.search-differs",
      expected: `${before.matches.length} resources by ${type.search}, as at v1`,
      actual: `${missing.length} of them not found, although v2 has them`,
      location: `${type.name}?patient&${type.search}`,
      exchange: after.exchange,
    },
  ];
};

/** A token to search with, of an element that is a code, or a CodeableConcept or a list of them. */
function tokenIn(value: unknown): string | undefined {
  const [first] = Array.isArray(value) ? value : [value];
  if (typeof first === "string") return first;
  const coding =
    isObject(first) && Array.isArray(first["coding"]) ? first["coding"].find(isObject) : undefined;
  const { code, system } = coding ?? {};
  if (typeof code !== "string" || /^(?:UNK|unknown)$/i.test(code)) return undefined;
  return typeof system === "string" ? `${system}|${code}` : code;
}

interface Group {
  readonly kind: Difference["kind"];
  readonly aspect: Difference["aspect"];
  readonly path: string;
  readonly members: readonly Difference[];
}

function grouped(differences: readonly Difference[]): readonly Group[] {
  const groups = new Map<string, Difference[]>();
  for (const difference of differences) {
    const key = `${difference.kind} ${difference.path}`;
    groups.set(key, [...(groups.get(key) ?? []), difference]);
  }
  return [...groups.values()].flatMap((members) => {
    const [first] = members;
    return first === undefined ? [] : [{ kind: first.kind, aspect: first.aspect, path: first.path, members }];
  });
}

function findingOf(
  context: CheckContext,
  comparison: TypeComparison,
  { kind, aspect, path, members }: Group,
  exchange: string | undefined,
): Finding {
  const what = aspect === "resource" ? `every ${comparison.type}` : path;
  return {
    code: `parity.${aspect}-${kind}`,
    expected: `${what} of v1 at v2 too`,
    actual: `${members.length} ${kind} (of ${comparison.before} resources): ${examples(context, members)}`,
    location: path,
    ...(exchange === undefined ? {} : { exchange }),
  };
}

function examples(context: CheckContext, members: readonly Difference[]): string {
  const shown = members.slice(0, EXAMPLES).map(({ previous, current, before, after }) => {
    const where = context.health(current ?? previous ?? "");
    if (before === undefined && after === undefined) return where;
    return `${where}: ${before === undefined ? "nothing" : context.health(before)} → ${after === undefined ? "nothing" : context.health(after)}`;
  });
  const more = members.length - shown.length;
  return `${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}

function showType(context: CheckContext, comparison: TypeComparison): void {
  context.table({
    id: "counts",
    title: `${comparison.type} at v1 and v2`,
    columns: ["At v1", "At v2", "At both", "The same"],
    rows: [
      [comparison.before, comparison.after, comparison.pairs.length, comparison.same].map((count) =>
        String(count),
      ),
    ],
  });
}

function showDifferences(context: CheckContext, comparison: TypeComparison): void {
  const groups = grouped(comparison.differences);
  if (groups.length === 0) return;
  context.table({
    id: "differences",
    title: `How ${comparison.type} differs`,
    columns: ["Element", "What", "Count", "Examples (v1 → v2)", "Explained by"],
    rows: groups.map(({ path, aspect, kind, members }): ResultCell[] => {
      const known = members[0]?.known;
      const state = known !== undefined || kind === "appeared" ? "muted" : "bad";
      return [
        path,
        { text: `${aspect} ${kind}`, state },
        String(members.length),
        examples(context, members),
        known ?? "",
      ];
    }),
  });
}
