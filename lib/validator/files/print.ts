import type { PrintSettings, RecordedFinding, ResourceRecord, Tally } from "./record.ts";

/** Text from data may hold control characters that would act on a terminal. */
function visible(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Value sets that the summary names; the counts include all. */
const SHOWN_VALUE_SETS = 20;

function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? singular : plural}`;
}

function lastSegment(canonical: string): string {
  return canonical.slice(canonical.lastIndexOf("/") + 1);
}

function findingLine({ severity, code, expression, message, profile, constraint }: RecordedFinding): string {
  const origin = [constraint, profile === null ? undefined : lastSegment(profile)].filter(
    (part) => part !== undefined,
  );
  const from = origin.length === 0 ? "" : `  [${origin.join(", ")}]`;
  return visible(`  ${severity.padEnd(11)} ${code.padEnd(13)} ${expression}: ${message}${from}`);
}

function printText(record: ResourceRecord, printed: PrintSettings): string {
  const { counts } = record;
  if (record.findings.length === 0 && record.valid) return "";
  const errors = counts.fatal + counts.error;
  const quiet =
    errors + (printed.warnings ? counts.warning + counts.information : 0) - record.findings.length;
  const name =
    record.resourceType === null ? "" : ` ${record.resourceType}${record.id === null ? "" : `/${record.id}`}`;
  const against =
    record.profiles.length === 0 ? "" : `, judged against ${record.profiles.map(lastSegment).join(", ")}`;
  const head = `${record.source}:${record.line}${name}: ${counted(errors, "error")}, ${counted(counts.warning, "warning")}${against}`;
  const lines = [visible(head), ...record.findings.map(findingLine)];
  if (quiet > 0) lines.push(`  … and ${quiet.toLocaleString("en-US")} more (--max-findings)`);
  return `${lines.join("\n")}\n`;
}

/** A record as it is printed: one line of JSON, or readable text (nothing for a resource without printed findings). */
export function printRecord(record: ResourceRecord, settings: PrintSettings): string {
  return settings.format === "json" ? `${JSON.stringify(record)}\n` : printText(record, settings);
}

/** The last words: sums, and what the verdicts do not cover. */
export function printSummary(tally: Tally, guide: string | undefined): string {
  const lines: string[] = [];
  const errors = tally.counts.fatal + tally.counts.error;
  lines.push(
    `${counted(tally.resources, "resource")}: ${(tally.resources - tally.invalid).toLocaleString("en-US")} valid, ` +
      `${tally.invalid.toLocaleString("en-US")} with errors. ${counted(errors, "error")}, ${counted(tally.counts.warning, "warning")}.`,
  );
  if (tally.assumed > 0) {
    const whose = guide === undefined ? "the guide's profile" : `the profile of ${guide}`;
    lines.push(`${counted(tally.assumed, "resource")} without a profile judged by ${whose} for the type.`);
  }
  const open = Object.entries(tally.notVerified).toSorted(([, a], [, b]) => b - a);
  if (open.length > 0) {
    const total = open.reduce((sum, [, count]) => sum + count, 0);
    lines.push(
      `Not verified: ${counted(total, "code")} that cannot be looked up offline (see --terminology):`,
    );
    for (const [valueSet, count] of open.slice(0, SHOWN_VALUE_SETS)) {
      lines.push(`  ${visible(valueSet)}: ${count.toLocaleString("en-US")}`);
    }
    if (open.length > SHOWN_VALUE_SETS)
      lines.push(`  … and ${open.length - SHOWN_VALUE_SETS} more value sets`);
  }
  return `${[...lines, ...tally.notices.map(visible)].join("\n")}\n`;
}
