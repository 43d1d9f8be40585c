/** Checks on references: they lead to something, and to what their profile says. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import { Blocked, NoData, type CheckContext } from "../../../lib/checks/context.ts";
import type { ResultTable } from "../../../lib/checks/results.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import { guide } from "./guides.ts";
import { judgedBy, judgedRecords, shortName, wantedOf, articled } from "./judged.ts";
import {
  allowsType,
  referenceElements,
  referencesOf,
  typeOfTarget,
  type ReferenceElement,
} from "./references.ts";
import { countKinds, followAll, type Resolved } from "./resolution.ts";
import { grouped, isEnteredInError, nameOf } from "./seen.ts";
import { meets } from "./validity.ts";

/** Broken references that are told one by one; all are counted. */
const SHOWN = 5;

/** A must-support reference of a profile leads to a resource of the right type that meets a right profile. */
const mustSupportReferences: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const profile = String(parameters["profile"]);
  const { judged } = await judgedBy(context, type, profile);
  const { definitions } = guide("us-core-6.1.0");
  const elements = [...referenceElements(definitions, profile).values()].filter((one) => one.mustSupport);
  const references = judged.flatMap((one) => referencesOf(one));
  const findings: Finding[] = [];
  const told: (readonly [ReferenceElement, readonly Resolved[]])[] = [];
  for (const element of elements) {
    const followed = await followAll(
      context,
      references.filter(({ path }) => path === element.path),
    );
    if (followed.length === 0) continue;
    told.push([element, followed]);
    findings.push(...judgeElement(context, element, followed));
  }
  if (told.length === 0) {
    throw new NoData(
      `no resource of ${shortName(profile)} in reach has a reference to follow`,
      `${wantedOf(type, profile)}: ${elements.map(({ path }) => path).join(", ")}`,
    );
  }
  context.table(tableOf(profile, told));
  const counts = countKinds(told.flatMap(([, followed]) => followed));
  if (findings.length === 0 && counts.resolved === 0) {
    if (counts.refused + counts.unanswered > 0)
      throw new Blocked(
        `of ${counts.refused + counts.unanswered} resources that are referred to, none could be read: the token does not reach them, or there was no answer`,
        "declared-answers.read",
      );
    throw new NoData(
      `all references of ${shortName(profile)} lead to other servers, which are not asked`,
      `${wantedOf(type, profile)}: references to resources of this server`,
    );
  }
  return findings;
};

function judgeElement(
  context: CheckContext,
  { path, targets }: ReferenceElement,
  followed: readonly Resolved[],
): readonly Finding[] {
  const known = guide("us-core-6.1.0");
  const { definitions } = known;
  const findings: Finding[] = [];
  const expected = `${path} to lead to ${targets.map((target) => shortName(target)).join(" or ")}`;
  for (const { reference, resolution } of followed) {
    const from = context.health(nameOf(reference.holder.resource));
    if (resolution.kind === "wrong") {
      findings.push({
        code: "reference.wrong-type",
        expected,
        actual: `${from} refers to ${context.health(reference.to)}, and a read of it gave ${resolution.problem}`,
        location: path,
        exchange: resolution.exchange,
      });
    }
    if (resolution.kind !== "resolved") continue;
    const { resource, exchange } = resolution;
    if (targets.length > 0 && !allowsType(definitions, targets, resource.resourceType)) {
      findings.push({
        code: "reference.wrong-type",
        expected,
        actual: `${from} leads to ${articled(resource.resourceType)}`,
        location: path,
        exchange,
      });
      continue;
    }
    const profiles = targets.filter(
      (target) =>
        typeOfTarget(definitions, target) === resource.resourceType &&
        definitions.structure(target)?.derivation === "constraint",
    );
    const isOpen = targets.some(
      (target) =>
        definitions.structure(target)?.derivation !== "constraint" &&
        ["Resource", resource.resourceType].includes(typeOfTarget(definitions, target)),
    );
    if (profiles.length === 0 || isOpen || isEnteredInError(resource)) continue;
    if (profiles.some((one) => meets(known, { resource, exchange }, one))) continue;
    findings.push({
      code: "reference.target-profile",
      expected,
      actual: `${from} leads to ${context.health(nameOf(resource))}, which does not meet ${profiles.map((one) => shortName(one)).join(" or ")}`,
      location: path,
      exchange,
    });
  }
  const { gone, resolved, "not contained": lost } = countKinds(followed);
  if (resolved === 0 && gone + lost > 0) {
    const first = followed.find(({ resolution }) => ["gone", "not contained"].includes(resolution.kind));
    findings.push({
      code: "reference.none-resolves",
      expected,
      actual: `none of ${gone + lost} references that were followed leads anywhere, such as ${context.health(first?.reference.to)}`,
      location: path,
      ...(first === undefined ? {} : { exchange: exchangeOf(first) }),
    });
  }
  return bounded(findings);
}

/** One finding of each kind stands for its like, with how many there are. */
function bounded(findings: readonly Finding[]): readonly Finding[] {
  const kinds = grouped(findings, ({ code }) => code);
  return [...kinds.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const more = others.length === 0 ? "" : ` (and ${others.length} more like it)`;
    return [{ ...first, actual: `${first.actual}${more}` }];
  });
}

function exchangeOf({ reference, resolution }: Resolved): string {
  return "exchange" in resolution ? resolution.exchange : reference.holder.exchange;
}

/** Every reference of a type's resources leads to something. */
const referencesResolve: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const { records } = await judgedRecords(context, type);
  const references = records.resources
    .filter(({ resource }) => !isEnteredInError(resource))
    .flatMap((one) => referencesOf(one));
  const followed = await followAll(context, references);
  const byPath = grouped(followed, ({ reference }) => reference.path);
  const counts = countKinds(followed);
  if (counts.resolved + counts.gone + counts["not contained"] === 0) {
    const why =
      records.resources.length === 0
        ? `no ${type} is in reach`
        : followed.length === 0
          ? `no ${type} in reach refers to anything`
          : `of what is referred to, nothing could be read with this token`;
    throw new NoData(why, `a patient with ${articled(type)}: references to resources of this server`);
  }
  context.table(
    tableOf(
      type,
      [...byPath].map(([path, group]) => [{ path, mustSupport: false, targets: [] }, group] as const),
    ),
  );
  const broken = followed.filter(({ resolution }) => ["gone", "not contained"].includes(resolution.kind));
  return broken.slice(0, SHOWN).map((one, index) => ({
    code: "reference.broken",
    expected: `${one.reference.path} to lead to a resource`,
    actual: `${context.health(nameOf(one.reference.holder.resource))} refers to ${context.health(one.reference.to)}, which ${one.resolution.kind === "gone" ? `answers ${one.resolution.status}` : "it does not contain"}${index === 0 && broken.length > 1 ? ` (${broken.length} of ${followed.length} references are broken)` : ""}`,
    location: one.reference.path,
    exchange: exchangeOf(one),
  }));
};

function tableOf(
  of: string,
  told: readonly (readonly [ReferenceElement, readonly Resolved[]])[],
): ResultTable {
  return {
    id: "references",
    title: `References of ${shortName(of)}`,
    columns: ["Element", "References", "Resolved", "Broken", "Not reached", "Elsewhere", "Not tried"],
    rows: told.map(([{ path }, followed]) => {
      const counts = countKinds(followed);
      const broken = counts.gone + counts.wrong + counts["not contained"];
      return [
        path,
        String(followed.length),
        { text: String(counts.resolved), state: counts.resolved > 0 ? "good" : "muted" },
        { text: String(broken), state: broken > 0 ? "bad" : "muted" },
        { text: String(counts.refused + counts.unanswered), state: "muted" },
        { text: String(counts.elsewhere), state: "muted" },
        { text: String(counts["not tried"]), state: "muted" },
      ];
    }),
    note: "A target that is in reach already counts as resolved; of others, two are read for each element and type. Other servers are never asked.",
  };
}

export const referenceProcedures: Readonly<Record<string, Procedure>> = {
  mustSupportReferences,
  referencesResolve,
};
