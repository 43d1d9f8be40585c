/** The sentences that every report shares, so that Allure, JUnit and the summary say the same. */
import type { CheckResult, ResultFinding, ResultWaiver } from "../checks/results.ts";
import type { Status } from "../checks/verdict.ts";
import { oneLine, shellWord, shown } from "./text.ts";

/** Findings shown of one verdict; the count is always the full one. */
const FINDINGS_SHOWN = 20;
const VALUE_SHOWN = 2_000;

/** How a verdict is called where people read. */
export const STATUS_WORDS: Readonly<Record<Status, string>> = {
  pass: "Passed",
  fail: "Failed",
  warn: "Warning",
  info: "Not taken up (MAY)",
  blocked: "Blocked",
  "not-applicable": "Not applicable",
  "no-data": "No data",
  error: "Harness error",
};

/** Why a check has no answer, or the one sentence of what was seen. */
export function headline(result: CheckResult): string {
  switch (result.status) {
    case "blocked":
      return `Blocked: ${reasonOf(result)}${
        result.blockedBy === undefined ? "" : ` (explained by ${result.blockedBy})`
      }`;
    case "not-applicable":
      return `Not applicable: ${reasonOf(result)}`;
    case "no-data":
      return `No data to test with: ${reasonOf(result)}${
        result.wanted === undefined ? "" : `; wanted: ${result.wanted}`
      }`;
    case "error":
      return `Harness error: ${reasonOf(result)}`;
    default:
      return result.summary === ""
        ? (result.findings[0]?.message ?? STATUS_WORDS[result.status])
        : result.summary;
  }
}

/** The reason of a check without an answer. */
export function reasonOf(result: CheckResult): string {
  return result.reason ?? (result.summary === "" ? "no reason was recorded" : result.summary);
}

/** Expected, seen, where, and what to do: the text below a failed check. */
export function explanation(result: CheckResult): string {
  const [first] = result.findings;
  // A sentence that only repeats the first finding gives way to the question.
  const lines = [
    first !== undefined && headline(result).startsWith(first.message)
      ? `Not as expected: ${oneLine(result.title, 300)}`
      : shown(headline(result), VALUE_SHOWN),
  ];
  const several = result.findings.length > 1;
  for (const [index, finding] of result.findings.slice(0, FINDINGS_SHOWN).entries()) {
    lines.push("");
    const sentence = saysItAll(finding) ? "" : `: ${findingTitle(finding)}`;
    if (several) lines.push(`Finding ${index + 1} of ${result.findings.length}${sentence}`);
    lines.push(...findingLines(finding));
  }
  const hidden = result.findings.length - FINDINGS_SHOWN;
  if (hidden > 0) lines.push("", `… and ${hidden} more findings, all in results.ndjson`);
  for (const waiver of result.waived?.waivers ?? []) lines.push("", waiverSentence(result, waiver));
  if (result.remedy !== undefined) lines.push("", `What to do: ${shown(result.remedy, VALUE_SHOWN)}`);
  return lines.join("\n");
}

/** Which findings somebody has accepted, who, until when and why. */
export function waiverSentence(result: CheckResult, waiver: ResultWaiver): string {
  const all = waiver.findings.length === result.findings.length;
  const which = all ? "Waived" : `Waived (${waiver.findings.length} of ${result.findings.length} findings)`;
  return `${which} until ${waiver.expires} by ${oneLine(waiver.owner, 200)} (${oneLine(waiver.id, 100)}): ${oneLine(waiver.reason, 1_000)}`;
}

/** Whether a finding's sentence holds what was expected and seen, so that both need not be said again beside it. */
export function saysItAll({ message, expected, actual }: ResultFinding): boolean {
  return message === "" || (message.includes(expected) && message.includes(actual));
}

/** The sentence of a finding on one line. */
export function findingTitle(finding: ResultFinding): string {
  return oneLine(finding.message === "" ? finding.code : finding.message, 300);
}

function findingLines(finding: ResultFinding): string[] {
  return [
    `Expected: ${shown(finding.expected, VALUE_SHOWN)}`,
    `Seen: ${shown(finding.actual, VALUE_SHOWN)}`,
    ...(finding.location === undefined ? [] : [`Where: ${shown(finding.location, VALUE_SHOWN)}`]),
    `Code: ${oneLine(finding.code, 200)}${
      finding.exchange === undefined ? "" : `, exchange ${oneLine(finding.exchange, 100)}`
    }`,
  ];
}

/** The findings of which reports show details, and how many they leave out. */
export function findingsShown(result: CheckResult): { shown: readonly ResultFinding[]; hidden: number } {
  return {
    shown: result.findings.slice(0, FINDINGS_SHOWN),
    hidden: Math.max(0, result.findings.length - FINDINGS_SHOWN),
  };
}

/** The command that repeats one check alone. */
export function reproduceCommand(result: CheckResult): string {
  return [
    "careconnect-conformance run",
    `--tenant ${shellWord(result.tenant)}`,
    `--environment ${shellWord(result.environment)}`,
    `--api ${shellWord(result.api)}`,
    `--check ${shellWord(result.check)}`,
  ].join(" ");
}
