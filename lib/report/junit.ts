/**
 * JUnit XML as CI servers read it: a test suite per API and suite, a test case per check. Warnings pass, with their
 * text as `system-out`; blocked and not applicable are skipped with their reason; the harness's own errors are errors.
 */
import type { CheckResult } from "../checks/results.ts";
import { explanation, headline, reproduceCommand } from "./explain.ts";
import type { RunResults } from "./read.ts";
import { escapeXml, escapeXmlAttribute, oneLine } from "./text.ts";

/**
 * Writes the runs as one JUnit document.
 *
 * @param runs what results directories hold
 * @returns well-formed XML 1.0, UTF-8, whatever the results contain
 */
export function junitXml(runs: readonly RunResults[]): string {
  const all = runs.flatMap(({ results }) => results);
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<testsuites name="CareConnect conformance" ${totals(all)}>`,
    ...runs.flatMap((entry) => suitesOf(entry)),
    `</testsuites>`,
    "",
  ].join("\n");
}

function suitesOf({ run, results }: RunResults): string[] {
  const groups = new Map<string, CheckResult[]>();
  for (const result of results) {
    const key = JSON.stringify([result.api, result.suite]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [result]);
    else group.push(result);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const name = `${first.tenant}.${first.environment}.${first.api}.${first.suite}`;
    const properties = {
      tenant: run.tenant,
      environment: run.environment,
      api: first.api,
      base: run.targets.find(({ api }) => api === first.api)?.base ?? "",
      suite: first.suiteTitle,
      run: run.run,
      state: run.state,
      harness: `${run.harness.name} ${run.harness.version}`,
      node: run.harness.node,
    };
    const open = `  <testsuite ${attributes({ name, timestamp: timestamp(first.startedAt) })} ${totals(group)}>`;
    const cases = group.flatMap((result) => caseLines(result));
    return [open].concat(propertyLines(Object.entries(properties), "    "), cases, `  </testsuite>`);
  });
}

function caseLines(result: CheckResult): string[] {
  const open = `    <testcase ${attributes({
    classname: `${result.api}.${result.suite}`,
    name: `${result.check}: ${oneLine(result.title, 300)}`,
    time: seconds(result.durationMs),
  })}>`;
  const properties: [string, string][] = [
    ["check", result.check],
    ["level", result.level],
    ["status", result.status],
    ...result.requirements.map(({ id }): [string, string] => ["requirement", id]),
    ...result.exchanges.slice(0, 20).map((id): [string, string] => ["exchange", id]),
  ];
  return [open, ...propertyLines(properties, "      "), ...outcomeLines(result), `    </testcase>`];
}

function outcomeLines(result: CheckResult): string[] {
  const message = oneLine(headline(result), 500);
  const body = `${explanation(result)}\n\nRepeat: ${reproduceCommand(result)}`;
  switch (result.status) {
    case "pass":
      return [];
    case "fail":
      return [element("failure", { message, type: result.findings[0]?.code ?? "fail" }, body)];
    case "error":
      return [element("error", { message, type: "harness-error" }, body)];
    case "blocked":
    case "not-applicable":
    case "no-data":
      return [`      <skipped ${attributes({ message })}/>`];
    case "warn":
      return [element("system-out", {}, `Warning (SHOULD): ${body}`)];
    case "info":
      return [element("system-out", {}, `Not taken up (MAY): ${body}`)];
  }
}

function element(name: string, values: Readonly<Record<string, string>>, body: string): string {
  const head = Object.keys(values).length === 0 ? name : `${name} ${attributes(values)}`;
  return `      <${head}>${escapeXml(body)}</${name}>`;
}

function propertyLines(properties: readonly (readonly [string, string])[], indent: string): string[] {
  return [
    `${indent}<properties>`,
    ...properties.map(
      ([name, value]) => `${indent}  <property ${attributes({ name, value: oneLine(value, 500) })}/>`,
    ),
    `${indent}</properties>`,
  ];
}

function attributes(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${escapeXmlAttribute(value)}"`)
    .join(" ");
}

function totals(results: readonly CheckResult[]): string {
  const count = (...statuses: readonly string[]): string =>
    String(results.filter(({ status }) => statuses.includes(status)).length);
  return attributes({
    tests: String(results.length),
    failures: count("fail"),
    errors: count("error"),
    skipped: count("blocked", "not-applicable", "no-data"),
    time: seconds(results.reduce((sum, { durationMs }) => sum + durationMs, 0)),
  });
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}

/** ISO 8601 without a fraction, as the format's schema asks for. */
function timestamp(iso: string): string {
  const time = Date.parse(iso);
  return new Date(Number.isNaN(time) ? 0 : time).toISOString().slice(0, 19);
}
