/** One page of Markdown: the verdict first, then what to do, then the counts. */
import {
  isWaived,
  type CheckResult,
  type ResultFinding,
  type RunDescription,
  type RunWaiver,
} from "../checks/results.ts";
import { STATUSES } from "../checks/verdict.ts";
import type { Level, Status } from "../checks/verdict.ts";
import {
  findingsShown,
  findingTitle,
  headline,
  reasonOf,
  reproduceCommand,
  saysItAll,
  STATUS_WORDS,
} from "./explain.ts";
import { countStatuses } from "./history.ts";
import type { Change, Changes } from "./history.ts";
import { knownIssueOf } from "./known-issues.ts";
import type { KnownIssue } from "./known-issues.ts";
import { outcomeOf } from "./outcome.ts";
import type { RunResults } from "./read.ts";
import { shoppingSection } from "./shopping-list.ts";
import { tableMarkdown } from "./tables.ts";
import { bounded, codeSpan, escapeMarkdown, markdownLink } from "./text.ts";

const TEXT_SHOWN = 500;
const FINDINGS_IN_SUMMARY = 5;
const CHECKS_PER_REASON = 30;
/** Problems of a kind told at length; the others get a line each. */
const PROBLEMS_AT_LENGTH = 40;
const TABLES_SHOWN = 20;

/** A run with what is needed to tell its story. */
export interface SummaryInput {
  readonly results: RunResults;
  readonly changes: Changes;
}

/**
 * Writes the summary of one or several runs.
 *
 * @param runs runs with their changes
 * @param knownIssues failures that somebody looks after already
 * @returns GitHub-flavoured Markdown in which nothing that a server sent has any effect
 */
export function summaryMarkdown(
  runs: readonly SummaryInput[],
  knownIssues: readonly KnownIssue[] = [],
): string {
  const pages = runs.map((input) => page(input, knownIssues));
  return runs.length < 2
    ? pages.join("")
    : `# CareConnect conformance\n\n${overview(runs)}\n${pages.join("\n")}`;
}

function overview(runs: readonly SummaryInput[]): string {
  const rows = runs.map(({ results: { run, results } }) => {
    const counts = countStatuses(results);
    return row([
      escapeMarkdown(run.tenantName),
      escapeMarkdown(run.environment),
      OUTCOME_WORDS[outcomeOf(run, results)],
      ...STATUSES.map((status) => String(counts[status])),
    ]);
  });
  return [
    row(["Tenant", "Environment", "Result", ...STATUSES]),
    row(Array(3 + STATUSES.length).fill("---")),
    ...rows,
    "",
  ].join("\n");
}

const OUTCOME_WORDS = {
  passed: "✅ Passed",
  failed: "❌ Failed",
  incomplete: "⚠️ Incomplete",
  unverified: "❌ Not verified",
} as const;

function page({ results: entry, changes }: SummaryInput, knownIssues: readonly KnownIssue[]): string {
  const { run, results, problems } = entry;
  const counts = countStatuses(results);
  const outcome = outcomeOf(run, results);
  const open = (status: Status) => results.filter((one) => one.status === status && !isWaived(one));
  const waived = (status: Status) => results.filter((one) => one.status === status && isWaived(one));
  const sections = [
    `## ${OUTCOME_WORDS[outcome]}: ${escapeMarkdown(run.tenantName)} · ${escapeMarkdown(run.environment)}`,
    verdictSentence(entry, counts),
    facts(entry),
    changeSection(changes),
    problemSection("Failures", open("fail"), knownIssues),
    problemSection("Harness errors", open("error"), knownIssues),
    problemSection("Warnings", open("warn"), knownIssues),
    problemSection("Waived failures", waived("fail"), knownIssues),
    problemSection("Waived warnings", waived("warn"), knownIssues),
    waiverSection(run),
    unansweredSection("Blocked", "blocked", results),
    shoppingSection(results),
    unansweredSection("No data to test with", "no-data", results),
    unansweredSection("Not applicable", "not-applicable", results),
    notAskedSection(entry),
    resultTables(results),
    tableSection(results),
    problems.length === 0
      ? ""
      : `### Not readable\n\n${problems.map((problem) => `- ${escapeMarkdown(problem)}`).join("\n")}`,
    `Repeat this run: ${codeSpan(run.reproduce)}`,
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function verdictSentence({ run, results }: RunResults, counts: Readonly<Record<Status, number>>): string {
  const waivedOf = (status: Status): string => {
    const waived = results.filter((one) => one.status === status && isWaived(one)).length;
    return waived === 0 ? "" : ` (${waived} of them waived)`;
  };
  const parts = [
    `${counts.pass} passed`,
    `${counts.fail} failed${waivedOf("fail")}`,
    `${counts.warn} ${plural(counts.warn, "warning", "warnings")}${waivedOf("warn")}`,
    `${counts.info} optional not taken up`,
    `${counts.blocked} blocked`,
    `${counts["not-applicable"]} not applicable`,
    `${counts["no-data"]} without data to test with`,
    `${counts.error} harness ${plural(counts.error, "error", "errors")}`,
  ];
  const missing = run.planned - results.length;
  const ended =
    run.state === "complete" && missing <= 0
      ? ""
      : ` **The run did not come to its end** (${run.state}): ${results.length} of ${run.planned} planned verdicts fell; what is missing says nothing about the tenant.`;
  const blocked =
    counts.blocked === 0 ? "" : " Blocked checks are questions that could not be asked: they are not passes.";
  const warns = run.failOn === "warn" && counts.warn > 0 ? " Warnings count as failures in this run." : "";
  return `**${results.length} ${plural(results.length, "verdict", "verdicts")}:** ${parts.join(", ")}.${ended}${blocked}${warns}`;
}

function facts({ run }: RunResults): string {
  const { resumed = [] } = run;
  const targets = run.targets.map(({ api, base }) => `${codeSpan(api)} at ${codeSpan(base)}`);
  return [
    `- Tested: ${targets.length === 0 ? "nothing" : targets.join("; ")}`,
    `- Run ${codeSpan(run.run)}, started ${escapeMarkdown(run.startedAt)}, ${escapeMarkdown(run.harness.name)} ${escapeMarkdown(run.harness.version)} on Node.js ${escapeMarkdown(run.harness.node)}`,
    ...resumed.map(
      ({ at, kept }) =>
        `- Resumed ${escapeMarkdown(at)}, with ${kept} ${plural(kept, "verdict", "verdicts")} from before`,
    ),
  ].join("\n");
}

function changeSection(changes: Changes): string {
  if (changes.since === null)
    return "### Since the last run\n\nThis is the first run kept here: nothing to compare with.";
  const since = `Compared with the last answer to each check; the run before was ${codeSpan(changes.since.run)}.`;
  const lists = [
    changeList("New failures", changes.newFailures),
    changeList("Fixed", changes.fixed),
    changeList("New warnings", changes.newWarnings),
    changeList("Warnings resolved", changes.resolvedWarnings),
    changeList("Answered before, not answered now (neither failed nor fixed)", changes.noLongerAnswered),
    changes.failuresNotRunAgain.length === 0
      ? ""
      : `**Failed before and not run this time (${changes.failuresNotRunAgain.length}):** ${some(
          changes.failuresNotRunAgain.map(({ api, check }) => codeSpan(`${check} @ ${api}`)),
        )}`,
    changes.stillFailing === 0 ? "" : `**Still failing:** ${changes.stillFailing}`,
  ].filter((list) => list !== "");
  return `### Since the last run\n\n${since}\n\n${lists.length === 0 ? "Nothing changed." : lists.join("\n\n")}`;
}

function changeList(title: string, changes: readonly Change[]): string {
  if (changes.length === 0) return "";
  const items = changes
    .slice(0, CHECKS_PER_REASON)
    .map(
      ({ api, check, title: name, before }) =>
        `- ${codeSpan(check)} on ${codeSpan(api)}: ${escapeMarkdown(bounded(name, 200))} (${
          before === undefined ? "not answered before" : `was: ${STATUS_WORDS[before].toLowerCase()}`
        })`,
    );
  const more = changes.length - items.length;
  return [
    `**${title} (${changes.length})**`,
    "",
    ...items,
    ...(more > 0 ? [`- … and ${more} more`] : []),
  ].join("\n");
}

function problemSection(
  title: string,
  found: readonly CheckResult[],
  knownIssues: readonly KnownIssue[],
): string {
  if (found.length === 0) return "";
  const rest = found.slice(PROBLEMS_AT_LENGTH).map((result) => problemLine(result));
  return [
    `### ${title} (${found.length})`,
    ...found.slice(0, PROBLEMS_AT_LENGTH).map((result) => problem(result, knownIssues)),
    ...(rest.length === 0 ? [] : [`#### ${rest.length} more`, rest.join("\n")]),
  ].join("\n\n");
}

function problemLine(result: CheckResult): string {
  const remedy =
    result.remedy === undefined ? "" : ` **What to do:** ${escapeMarkdown(bounded(result.remedy, 200))}`;
  return `- ${codeSpan(result.check)} on ${codeSpan(result.api)}: ${escapeMarkdown(bounded(headline(result), 200))}${remedy}`;
}

function problem(result: CheckResult, knownIssues: readonly KnownIssue[]): string {
  const issue = knownIssueOf(result, knownIssues);
  const { shown } = findingsShown(result);
  const visible = shown.slice(0, FINDINGS_IN_SUMMARY);
  const more = result.findings.length - visible.length;
  const repeated =
    result.findings[0] !== undefined && headline(result).startsWith(result.findings[0].message);
  const lines = [
    `#### ${escapeMarkdown(bounded(result.title, 200))}`,
    "",
    `${codeSpan(result.check)} on ${codeSpan(result.api)} · ${result.level}${requirementLinks(result)}`,
    "",
    ...(repeated ? [] : [escapeMarkdown(bounded(headline(result), TEXT_SHOWN)), ""]),
    ...visible.map((finding) => findingItem(finding)),
    ...(more > 0 ? [`- … and ${more} more findings, all in results.ndjson`] : []),
    ...(visible.length === 0 ? [] : [""]),
    ...(result.remedy === undefined
      ? []
      : [`**What to do:** ${escapeMarkdown(bounded(result.remedy, TEXT_SHOWN))}`, ""]),
    ...(issue === undefined
      ? []
      : [`**Known issue:** ${markdownLink(issue.id, issue.url ?? "")}, ${escapeMarkdown(issue.reason)}`, ""]),
    `Repeat: ${codeSpan(reproduceCommand(result))}`,
  ];
  return lines.join("\n");
}

function findingItem(finding: ResultFinding): string {
  const sentence = saysItAll(finding) ? "" : `${escapeMarkdown(findingTitle(finding))}: `;
  const place = finding.location === undefined ? "" : `, at ${value(finding.location)}`;
  return `- ${sentence}expected ${value(finding.expected)}, seen ${value(finding.actual)}${place}`;
}

function value(text: string): string {
  return text === "" ? "nothing" : codeSpan(bounded(text, TEXT_SHOWN));
}

function requirementLinks(result: CheckResult): string {
  if (result.requirements.length === 0) return "";
  return ` · ${result.requirements.map(({ id, url }) => markdownLink(id, url)).join(", ")}`;
}

const WAIVER_STATES: Readonly<Record<RunWaiver["state"], string>> = {
  applied: "applied",
  unused: "nothing left to waive: remove it",
  expired: "**expired: it fails this run**; renew it with a reason, or remove it",
};

/** What is accepted for now, who answers for it, and until when. */
function waiverSection({ waivers = [] }: RunDescription): string {
  if (waivers.length === 0) return "";
  const rows = waivers.map(({ id, check, reason, owner, expires, link, state, findings }) =>
    row([
      markdownLink(id, link ?? ""),
      codeSpan(check),
      escapeMarkdown(bounded(reason, TEXT_SHOWN)),
      escapeMarkdown(bounded(owner, 100)),
      escapeMarkdown(expires),
      String(findings),
      WAIVER_STATES[state],
    ]),
  );
  const head = ["Waiver", "Check", "Reason", "Owner", "Expires", "Findings", "State"];
  return ["### Waivers", "", row(head), row(head.map(() => "---")), ...rows].join("\n");
}

function notAskedSection({ run }: RunResults): string {
  if (run.notAsked.length === 0) return "";
  const items = run.notAsked.map(
    ({ api, suite, reason, checks }) =>
      `- ${codeSpan(suite)} on ${codeSpan(api)} (${checks} ${plural(checks, "check", "checks")}): ${escapeMarkdown(bounded(reason, TEXT_SHOWN))}`,
  );
  return ["### Not asked", "", ...items].join("\n");
}

/** Checks without an answer, by reason: one cause is one line, however many checks it hides. */
function unansweredSection(
  title: string,
  status: "blocked" | "not-applicable" | "no-data",
  results: readonly CheckResult[],
): string {
  const found = results.filter((result) => result.status === status);
  if (found.length === 0) return "";
  const groups = new Map<string, CheckResult[]>();
  for (const result of found) {
    const by = result.blockedBy === undefined ? "" : ` → see ${codeSpan(result.blockedBy)}`;
    const reason = `${escapeMarkdown(bounded(reasonOf(result), TEXT_SHOWN))}${by}`;
    const group = groups.get(reason);
    if (group === undefined) groups.set(reason, [result]);
    else group.push(result);
  }
  const items = [...groups]
    .toSorted(([, a], [, b]) => b.length - a.length)
    .map(
      ([reason, group]) =>
        `- **${group.length}×** ${reason}: ${some(group.map(({ check }) => codeSpan(check)))}`,
    );
  return [`### ${title} (${found.length})`, "", ...items].join("\n");
}

function some(words: readonly string[]): string {
  const unique = [...new Set(words)];
  const more = unique.length - CHECKS_PER_REASON;
  return unique.slice(0, CHECKS_PER_REASON).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** The tables that verdicts came with, those of problems first. */
function resultTables(results: readonly CheckResult[]): string {
  const withTables = results.flatMap((result) => (result.tables ?? []).map((table) => ({ result, table })));
  if (withTables.length === 0) return "";
  const ranked = [true, false].flatMap((unmet) =>
    withTables.filter(({ result }) => UNMET.has(result.status) === unmet),
  );
  const more = ranked.length - TABLES_SHOWN;
  return [
    "### Tables",
    ...ranked
      .slice(0, TABLES_SHOWN)
      .map(
        ({ result, table }) =>
          `${codeSpan(result.check)} on ${codeSpan(result.api)}\n\n${tableMarkdown(table)}`,
      ),
    ...(more > 0 ? [`… and ${more} more tables, in the report and in results.ndjson`] : []),
  ].join("\n\n");
}

const UNMET: ReadonlySet<Status> = new Set(["fail", "error", "warn"]);

const LEVELS: readonly Level[] = ["SHALL", "SHOULD", "MAY"];

function tableSection(results: readonly CheckResult[]): string {
  const groups = new Map<string, CheckResult[]>();
  for (const result of results) {
    const key = JSON.stringify([result.api, result.suiteTitle, result.level]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [result]);
    else group.push(result);
  }
  const rows = [...groups.values()]
    .toSorted((a, b) => compareGroups(a[0], b[0]))
    .map((group) => {
      const counts = countStatuses(group);
      const [first] = group;
      return row([
        codeSpan(first?.api ?? ""),
        escapeMarkdown(bounded(first?.suiteTitle ?? "", 100)),
        first?.level ?? "",
        ...STATUSES.map((status) => (counts[status] === 0 ? "" : String(counts[status]))),
        String(group.length),
      ]);
    });
  const head = ["API", "Suite", "Level", ...STATUSES.map((status) => STATUS_WORDS[status]), "All"];
  return [
    "### By suite and level",
    "",
    row(head),
    row(head.map((_, index) => (index < 3 ? "---" : "--:"))),
    ...rows,
  ].join("\n");
}

function compareGroups(a: CheckResult | undefined, b: CheckResult | undefined): number {
  if (a === undefined || b === undefined) return 0;
  return (
    a.api.localeCompare(b.api) ||
    a.suiteTitle.localeCompare(b.suiteTitle) ||
    LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level)
  );
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replace(/(?<!\\)\|/g, String.raw`\|`)).join(" | ")} |`;
}

function plural(count: number, one: string, many: string): string {
  return count === 1 ? one : many;
}
