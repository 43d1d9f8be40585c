/**
 * The one mapping from a verdict to an Allure test result. The reporter that writes while checks run and the rebuild
 * from `results.ndjson` both use it, so both give the same report.
 */
import { createHash } from "node:crypto";
import { Stage, Status as AllureStatus } from "allure-js-commons";
import type { Attachment, Label, Link, Parameter, StepResult, TestResult } from "allure-js-commons";
import type { CheckResult, ResultFinding, ResultTable } from "../../checks/results.ts";
import type { Level, Status } from "../../checks/verdict.ts";
import { allureExchange, exchangeTitle } from "../evidence.ts";
import type { ExchangeReader } from "../evidence.ts";
import {
  explanation,
  findingsShown,
  findingTitle,
  headline,
  reproduceCommand,
  STATUS_WORDS,
} from "../explain.ts";
import type { KnownIssue } from "../known-issues.ts";
import { tableHtml, tableMarkdown, tablePage, TABLES_STYLE } from "../tables.ts";
import { codeSpan, escapeMarkdown, escapeXml, markdownLink, oneLine, shown, webAddress } from "../text.ts";

/** A file that belongs to a test result. */
export interface AllureAttachmentFile {
  readonly fileName: string;
  readonly content: string;
}

export interface MappedResult {
  readonly test: TestResult;
  /** To be written beside the result before the result itself. */
  readonly files: readonly AllureAttachmentFile[];
}

const EXCHANGE_TYPE = "application/vnd.allure.http+json";

// Checks that passed share their exchanges with many others: a short look is enough there.
const BODY_OF_PROBLEM = 64_000;
const BODY_OF_OTHERS = 2_000;
const EXCHANGES_OF_PROBLEM = 50;
const EXCHANGES_OF_OTHERS = 5;

/** A plain table with more rows is read better as a page of its own. */
const PLAIN_ROWS = 20;

/** What a mapping may draw on beside the verdict. */
export interface MappingContext {
  /** Gives the exchanges of the results directory. */
  readonly readExchange: ExchangeReader;
  /** The API's title; its id when absent. */
  readonly apiTitle?: string | undefined;
  readonly knownIssue?: KnownIssue | undefined;
  /** Characters of each body to show at most; 0 shows no exchanges at all. Default: as many as are of use. */
  readonly bodyLimit?: number;
}

/** Whether a verdict has to be looked into, and its exchanges are wanted at length. */
export function isProblem({ status }: CheckResult): boolean {
  return status === "fail" || status === "warn" || status === "error";
}

const STATUS: Readonly<Record<Status, AllureStatus>> = {
  pass: AllureStatus.PASSED,
  fail: AllureStatus.FAILED,
  warn: AllureStatus.PASSED,
  info: AllureStatus.PASSED,
  blocked: AllureStatus.SKIPPED,
  "not-applicable": AllureStatus.SKIPPED,
  "no-data": AllureStatus.SKIPPED,
  error: AllureStatus.BROKEN,
};

const SEVERITY: Readonly<Record<Level, string>> = { SHALL: "critical", SHOULD: "normal", MAY: "minor" };

/** Label by which categories tell verdicts apart that Allure has one status for. */
export const VERDICT_LABEL = "verdict";

/**
 * Maps a verdict.
 *
 * Identity is API and check, and nothing of the machine: a test case keeps its history wherever the package is
 * installed. Tenant, environment and API are parameters, so each target has a history of its own while environments
 * of one report line up by test case.
 *
 * @param result the verdict
 */
export function mapToAllure(result: CheckResult, context: MappingContext): MappedResult {
  const uuid = allureUuid(result);
  const apiTitle = context.apiTitle ?? result.api;
  const evidence = attachExchanges(result, context, uuid);
  const tables = attachTables(result, uuid);
  const start = Date.parse(result.startedAt);
  const begun = Number.isNaN(start) ? 0 : start;
  const status = STATUS[result.status];
  const fullName = `${result.api}/${result.check}`;
  const parameters: Parameter[] = [
    { name: "tenant", value: oneLine(result.tenant, 200) },
    { name: "environment", value: oneLine(result.environment, 200) },
    { name: "API", value: oneLine(result.api, 200) },
  ];
  const test: TestResult = {
    uuid,
    // Allure knows no warning: without a sign in its name it would stand unseen among what passed.
    name: `${result.status === "warn" ? "⚠ " : ""}${oneLine(result.title, 300) || result.check}`,
    fullName,
    testCaseId: digest(fullName),
    historyId: digest([fullName, result.tenant, result.environment].join("\n")),
    status,
    statusDetails: statusDetails(result),
    stage: Stage.FINISHED,
    ...descriptions(result, context.knownIssue),
    titlePath: [oneLine(apiTitle, 200), oneLine(result.suiteTitle, 200)],
    steps: [...findingSteps(result, status, evidence), ...requestSteps(evidence)],
    attachments: tables.map(({ attachment }) => attachment),
    parameters,
    labels: labels(result, apiTitle, context.knownIssue),
    links: links(result, context.knownIssue),
    start: begun,
    stop: begun + Math.round(result.durationMs),
  };
  return { test, files: [...tables.map(({ file }) => file), ...evidence.files] };
}

/** A table of a few rows in which nothing is marked: what a check looked at, not what it found. */
function isPlain({ rows }: ResultTable): boolean {
  return (
    rows.length <= PLAIN_ROWS &&
    rows.every((row) => row.every((cell) => typeof cell === "string" || cell.state === "muted"))
  );
}

/**
 * Each table as a page beside the verdict: Allure shows it in a frame of its own. Plain ones stand in the description
 * alone: thousands of checks have one, and the page has to be opened.
 */
function attachTables(result: CheckResult, uuid: string) {
  return (result.tables ?? [])
    .filter((table) => !isPlain(table))
    .map((table, index) => {
      const fileName = `${uuid}-table-${index + 1}-attachment.html`;
      const name = oneLine(table.title, 200) || "Table";
      return {
        attachment: { name, source: fileName, type: "text/html" } satisfies Attachment,
        file: { fileName, content: tablePage(table) },
      };
    });
}

/** Stable per run, API and check: writing a verdict twice leaves one file. */
export function allureUuid(result: CheckResult): string {
  const hex = digest([result.run, result.api, result.check].join("\n"));
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  );
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

function statusDetails(result: CheckResult): TestResult["statusDetails"] {
  if (result.status === "pass") return {};
  const [first, ...more] = result.findings;
  if (first === undefined) return { message: explanation(result) };
  const join = (pick: (finding: ResultFinding) => string): string =>
    more.length === 0
      ? shown(pick(first), 4_000)
      : findingsShown(result)
          .shown.map((finding, index) => `${index + 1}. ${shown(pick(finding), 1_000)}`)
          .join("\n");
  return {
    message: explanation(result),
    expected: join((finding) => finding.expected),
    actual: join((finding) => finding.actual),
  };
}

/** How the parts of a description are written. */
interface Writer {
  readonly text: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly code: (text: string) => string;
  readonly link: (text: string, url: string) => string;
  readonly paragraph: (text: string) => string;
  readonly list: (items: readonly string[]) => string;
}

const MARKDOWN: Writer = {
  text: escapeMarkdown,
  strong: (text) => `**${text}**`,
  code: codeSpan,
  link: markdownLink,
  paragraph: (text) => `${text}\n`,
  list: (items) => `${items.map((item) => `- ${item}`).join("\n")}\n`,
};

const HTML: Writer = {
  text: escapeXml,
  strong: (text) => `<strong>${text}</strong>`,
  code: (text) => `<code>${escapeXml(text)}</code>`,
  link(text, url) {
    const address = webAddress(url);
    const name = escapeXml(text);
    return address === undefined
      ? name
      : `<a href="${escapeXml(address)}" target="_blank" rel="noreferrer">${name}</a>`;
  },
  paragraph: (text) => `<p>${text}</p>`,
  list: (items) => `<ul>${items.map((item) => `<li>${item}</li>`).join("")}</ul>`,
};

/** As Markdown, or as HTML where there are tables to show: Markdown's have neither colours nor anything that stays. */
function descriptions(
  result: CheckResult,
  issue: KnownIssue | undefined,
): Pick<TestResult, "description" | "descriptionHtml"> {
  const { tables = [] } = result;
  if (tables.every(isPlain)) {
    const [headline = "", ...more] = description(result, issue, MARKDOWN);
    const shownTables = tables.map((table) => `${tableMarkdown(table)}\n`);
    return { description: [headline, ...shownTables, ...more].join("\n") };
  }
  const [headline = "", ...more] = description(result, issue, HTML);
  const shownTables = tables.map((table, index) => tableHtml(table, `table-${index + 1}`));
  // Allure's sanitizer drops a style that comes first.
  const html = [headline, `<style>${TABLES_STYLE}</style>`, ...shownTables, ...more].join("\n");
  return { descriptionHtml: html };
}

function description(result: CheckResult, issue: KnownIssue | undefined, to: Writer): readonly string[] {
  const verbs = { SHALL: "required", SHOULD: "recommended", MAY: "optional" } as const;
  const labelled = (label: string, text: string) => to.paragraph(`${to.strong(`${label}:`)} ${text}`);
  const lines = [
    to.paragraph(
      `${to.strong(`${STATUS_WORDS[result.status]}.`)} ${to.text(shown(headline(result), 2_000))}`,
    ),
    ...(result.remedy === undefined ? [] : [labelled("What to do", to.text(shown(result.remedy, 2_000)))]),
    ...(issue === undefined
      ? []
      : [
          labelled(
            "Known issue",
            `${to.link(issue.id, issue.url ?? "")}: ${to.text(shown(issue.reason, 1_000))}`,
          ),
        ]),
    to.paragraph(
      `${to.strong("Level:")} ${result.level} (${verbs[result.level]}) · ${to.strong("Check:")} ${to.code(result.check)}`,
    ),
  ];
  if (result.requirements.length > 0) {
    lines.push(
      to.paragraph(to.strong("Requirements:")),
      to.list(
        result.requirements.map(
          ({ id, url, conformance }) =>
            `${to.link(id, url)}${conformance === undefined ? "" : ` (${to.text(conformance)})`}`,
        ),
      ),
    );
  }
  return [...lines, to.paragraph(to.strong("Repeat this check alone:")), to.code(reproduceCommand(result))];
}

function labels(result: CheckResult, apiTitle: string, issue: KnownIssue | undefined): Label[] {
  const row = /^[^:]*?([^.:]+):/.exec(result.check)?.[1];
  const tags = [result.level, STATUS_WORDS[result.status], ...(issue === undefined ? [] : ["Known issue"])];
  return [
    { name: "parentSuite", value: oneLine(apiTitle, 200) },
    { name: "suite", value: oneLine(result.suiteTitle, 200) },
    ...(row === undefined ? [] : [{ name: "subSuite", value: row }]),
    { name: "epic", value: oneLine(apiTitle, 200) },
    { name: "feature", value: oneLine(result.suiteTitle, 200) },
    { name: "severity", value: SEVERITY[result.level] },
    { name: "framework", value: "careconnect-conformance" },
    { name: "api", value: oneLine(result.api, 200) },
    { name: "suiteId", value: oneLine(result.suite, 200) },
    { name: "check", value: oneLine(result.check, 300) },
    { name: "level", value: result.level },
    { name: VERDICT_LABEL, value: result.status },
    { name: "tenant", value: oneLine(result.tenant, 200) },
    { name: "environment", value: oneLine(result.environment, 200) },
    { name: "run", value: oneLine(result.run, 200) },
    ...(result.status === "warn" ? [{ name: "conformance", value: "warning" }] : []),
    ...result.requirements.map(({ id }) => ({ name: "requirement", value: oneLine(id, 200) })),
    ...tags.map((value) => ({ name: "tag", value })),
  ];
}

function links(result: CheckResult, issue: KnownIssue | undefined): Link[] {
  const tracked = issue?.url === undefined ? undefined : webAddress(issue.url);
  const requirements = result.requirements.flatMap(({ id, url, conformance }) => {
    const address = webAddress(url);
    const name = oneLine(conformance === undefined ? id : `${id} (${conformance})`, 200);
    return address === undefined ? [] : [{ name, url: address, type: "requirement" }];
  });
  return tracked === undefined || issue === undefined
    ? requirements
    : [...requirements, { name: oneLine(issue.id, 200), url: tracked, type: "issue" }];
}

interface AttachedExchanges {
  /** By exchange id; each is taken out by the first step that shows it. */
  readonly open: Map<string, Attachment>;
  readonly files: readonly AllureAttachmentFile[];
  readonly missing: readonly string[];
  readonly hidden: number;
}

/**
 * Makes the attachment files of a result. Allure shows a file only where it is referred to first, so each result has
 * its own.
 */
function attachExchanges(result: CheckResult, context: MappingContext, uuid: string): AttachedExchanges {
  const { bodyLimit = Number.POSITIVE_INFINITY } = context;
  const problem = isProblem(result);
  const limit = Math.min(bodyLimit, problem ? BODY_OF_PROBLEM : BODY_OF_OTHERS);
  const count = limit === 0 ? 0 : problem ? EXCHANGES_OF_PROBLEM : EXCHANGES_OF_OTHERS;
  const shownByFindings = findingsShown(result).shown.flatMap(({ exchange }) => exchange ?? []);
  const all = [...new Set([...shownByFindings, ...result.exchanges])];
  const ids = all.slice(0, count);
  const open = new Map<string, Attachment>();
  const files: AllureAttachmentFile[] = [];
  const missing: string[] = [];
  for (const id of ids) {
    const exchange = context.readExchange(id);
    if (exchange === undefined) {
      missing.push(id);
      continue;
    }
    const fileName = `${uuid}-${id}-attachment.httpexchange`;
    const content = JSON.stringify(allureExchange(exchange, limit));
    files.push({ fileName, content });
    open.set(id, { name: exchangeTitle(exchange), source: fileName, type: EXCHANGE_TYPE });
  }
  return { open, files, missing, hidden: all.length - ids.length };
}

function findingSteps(result: CheckResult, status: AllureStatus, evidence: AttachedExchanges): StepResult[] {
  const { shown: visible, hidden } = findingsShown(result);
  const prefix = result.status === "warn" ? "Warning: " : "";
  const steps = visible.map((finding) => {
    const attachment = finding.exchange === undefined ? undefined : evidence.open.get(finding.exchange);
    if (attachment !== undefined && finding.exchange !== undefined) evidence.open.delete(finding.exchange);
    const parameters: Parameter[] = [
      { name: "expected", value: shown(finding.expected, 2_000) },
      { name: "seen", value: shown(finding.actual, 2_000) },
      ...(finding.location === undefined ? [] : [{ name: "where", value: shown(finding.location, 1_000) }]),
      { name: "code", value: oneLine(finding.code, 200) },
      ...(finding.exchange === undefined
        ? []
        : [{ name: "exchange", value: oneLine(finding.exchange, 100) }]),
    ];
    return step(`${prefix}${findingTitle(finding)}`, status, {
      parameters,
      attachments: attachment === undefined ? [] : [attachment],
    });
  });
  if (hidden > 0) steps.push(step(`… and ${hidden} more findings, all in results.ndjson`, status, {}));
  return steps;
}

function requestSteps(evidence: AttachedExchanges): StepResult[] {
  const attachments = [...evidence.open.values()];
  const notes = [
    ...(evidence.hidden > 0 ? [`${evidence.hidden} more exchanges are in the evidence folder`] : []),
    ...(evidence.missing.length > 0
      ? [`${evidence.missing.length} exchanges were not kept as evidence in this run`]
      : []),
  ];
  if (attachments.length === 0 && notes.length === 0) return [];
  const title = `Requests and responses (${attachments.length})`;
  const steps = notes.map((note) => step(note, AllureStatus.PASSED, {}));
  return [step(title, AllureStatus.PASSED, { attachments, steps })];
}

function step(
  name: string,
  status: AllureStatus,
  parts: Partial<Pick<StepResult, "parameters" | "attachments" | "steps">>,
): StepResult {
  return {
    name,
    status,
    statusDetails: {},
    stage: Stage.FINISHED,
    steps: [],
    attachments: [],
    parameters: [],
    ...parts,
  };
}
