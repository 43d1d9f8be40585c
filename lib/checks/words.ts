import type { Finding, Verdict } from "./verdict.ts";

const LONGEST = 200;

/** A value as people see it in a sentence: JSON, bounded. */
export function preview(value: unknown): string {
  const text = value === undefined ? "nothing" : written(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length} characters)` : text;
}

function written(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "nothing";
  } catch {
    // What was parsed has no cycles: it is too deep.
    return "JSON that is nested too deeply to be shown";
  }
}

/** The sentence of a finding: what was expected, what was seen, where. */
export function formatFinding(finding: Finding): string {
  const { location = "", expected } = finding;
  const place = location === "" || expected.includes(location) ? "" : ` (at ${location})`;
  // A failure's message is a sentence of its own.
  const actual = finding.actual.replace(/\.$/, "");
  return `Expected ${expected}; saw ${actual}${place}.`;
}

/** The one sentence of a verdict. */
export function formatVerdict(title: string, verdict: Verdict): string {
  switch (verdict.status) {
    case "pass":
      return `As expected: ${title}.${verdict.note === undefined ? "" : ` ${verdict.note}`}`;
    case "fail":
    case "warn":
    case "info": {
      const [first] = verdict.findings;
      const more = verdict.findings.length - 1;
      const rest = more <= 0 ? "" : ` And ${more} more finding${more === 1 ? "" : "s"}.`;
      return first === undefined ? `Not as expected: ${title}.` : `${formatFinding(first)}${rest}`;
    }
    case "blocked":
      return `Could not be asked: ${verdict.reason}${verdict.by === undefined ? "" : ` (see ${verdict.by})`}.`;
    case "not-applicable":
      return `Not applicable: ${verdict.reason}.`;
    case "no-data":
      return `No data to test with: ${verdict.reason}. Wanted: ${verdict.wanted}.`;
    case "error":
      return `The harness itself failed: ${verdict.reason}.`;
  }
}
