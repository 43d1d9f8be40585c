import { STATUSES } from "../../checks/verdict.ts";
import { headline, STATUS_WORDS } from "../explain.ts";
import { tableMarkdown } from "../tables.ts";
import { bounded, codeSpan, escapeMarkdown, markdownLink } from "../text.ts";
import type { Problem, Signoff } from "./model.ts";
import {
  answerSentence,
  DECISION_WORDS,
  itemWords,
  openRules,
  outcome,
  UNTESTED_WORDS,
  verdictSentence,
  waivedSentence,
} from "./words.ts";

/** The sign-off in GitHub-flavoured Markdown. */
export function signoffMarkdown(signoff: Signoff): string {
  const { decided, run } = signoff;
  const open = openRules(signoff);
  const parts = [
    `# ${DECISION_WORDS[outcome(signoff)]}: ${text(signoff.tenantName)} · ${text(signoff.environment)}`,
    text(verdictSentence(signoff)),
    decided === undefined
      ? "**Not decided.**"
      : `**Decided by** ${text(decided.by)} (${text(decided.role)}), ${signoff.at}${decided.note === undefined ? "" : `: ${text(decided.note)}`}`,
    signoff.key === undefined ? "Not signed." : `Signed with the key ${codeSpan(signoff.key)}.`,
    "## Why",
    open.length === 0
      ? `All ${signoff.rules.length} rules hold.`
      : open
          .map(
            ({ rule, because, count }) =>
              `- **${DECISION_WORDS[rule.then]}.** ${text(rule.otherwise)} (${count}×: ${because.map(text).join("; ")}${count > because.length ? "; …" : ""}) ${text(rule.remedy)}`,
          )
          .join("\n"),
    "## The migration checklist",
    table(
      ["Item", "State", "Answer"],
      signoff.checklist.map((item, index) => [
        `${index + 1}. ${text(item.title)}`,
        itemWords(item),
        text(answerSentence(item)),
      ]),
    ),
    "## Results by suite and level",
    table(
      ["Suite", "API", "Level", ...STATUSES.map((status) => STATUS_WORDS[status])],
      signoff.suites.map((one) => [
        text(one.suite),
        codeSpan(one.api),
        one.level,
        ...STATUSES.map((status) => (one.counts[status] === 0 ? "" : String(one.counts[status]))),
      ]),
    ),
    problems("Failures", signoff.failures),
    problems("Warnings", signoff.warnings),
    "## Waivers",
    signoff.waivers.length === 0
      ? "Nothing is waived."
      : table(
          ["Waiver", "Check", "Reason", "Owner", "Expires", "State"],
          signoff.waivers.map(({ id, check, reason, owner, expires, link, state }) => [
            markdownLink(id, link ?? ""),
            codeSpan(check),
            text(reason),
            text(owner),
            text(expires),
            state,
          ]),
        ),
    "## What was not tested, and why",
    signoff.untested.length === 0
      ? "Everything was."
      : signoff.untested
          .map(
            ({ kind, reason, wanted, count }) =>
              `- **${count}×** ${UNTESTED_WORDS[kind]}: ${text(reason)}${wanted === undefined ? "" : `; wanted: ${text(wanted)}`}`,
          )
          .join("\n"),
    "## How v1 and v2 compare",
    ...(signoff.parity.length === 0
      ? ["They were not compared in this run."]
      : signoff.parity.map((one) => tableMarkdown(one))),
    ...(signoff.steps.length === 0
      ? []
      : [
          "## Readiness, step by step",
          table(
            ["Step", "Ready", "What the checks say"],
            signoff.steps.map((step, index) => [
              `${index + 1}. ${text(step.title)}`,
              itemWords(step),
              text(answerSentence(step)),
            ]),
          ),
        ]),
    "## The rules",
    table(
      ["Rule", "State", "At best, while it does not hold"],
      signoff.rules.map(({ rule, count }) => [
        text(rule.title),
        count === 0 ? "holds" : `does not hold (${count})`,
        DECISION_WORDS[rule.then],
      ]),
    ),
    "## What it rests on",
    [
      `- Run ${codeSpan(run.run)}, started ${text(run.startedAt)}, ${text(run.harness.name)} ${text(run.harness.version)}`,
      `- Repeat: ${codeSpan(run.reproduce)}`,
      ...Object.entries(run.digests).map(([file, digest]) => `- ${codeSpan(file)} ${codeSpan(digest)}`),
    ].join("\n"),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function problems(title: string, found: readonly Problem[]): string {
  if (found.length === 0) return `## ${title}\n\nNone.`;
  const items = found.map((problem) => {
    const { result, apis, means } = problem;
    const waived = waivedSentence(problem);
    return `- ${codeSpan(result.check)} at ${apis.map(codeSpan).join(", ")} (${result.level}): ${text(headline(result))} **For the application:** ${text(means)}${result.remedy === undefined ? "" : ` **What to do:** ${text(result.remedy)}`}${waived === undefined ? "" : ` **${text(waived)}**`}`;
  });
  const count = found.reduce((sum, { apis }) => sum + apis.length, 0);
  return `## ${title} (${count})\n\n${items.join("\n")}`;
}

function text(value: string): string {
  return escapeMarkdown(bounded(value, 1_000));
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replace(/(?<!\\)\|/g, String.raw`\|`)).join(" | ")} |`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
