/**
 * JUnit XML as CI servers read it: a test suite per API and suite, a test case per check. Warnings pass, with their
 * text as `system-out`; blocked and not applicable are skipped with their reason; the harness's own errors are errors.
 */
import { isWaived, type CheckResult, type RunDescription, type RunWaiver } from "../checks/results.ts";
import { explanation, headline, reproduceCommand, waiverSentence } from "./explain.ts";
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
  const expired = runs.flatMap(({ run }) => expiredOf(run));
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<testsuites name="CareConnect conformance" ${totals(all, expired.length)}>`,
    ...runs.flatMap((entry) => suitesOf(entry).concat(expiredWaivers(entry))),
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

function expiredOf({ waivers = [] }: RunDescription): readonly RunWaiver[] {
  return waivers.filter(({ state }) => state === "expired");
}

/** What has expired fails the run, so it is a failure here too. */
function expiredWaivers({ run }: RunResults): string[] {
  const expired = expiredOf(run);
  if (expired.length === 0) return [];
  const name = `${run.tenant}.${run.environment}.waivers`;
  return [
    `  <testsuite ${attributes({ name, timestamp: timestamp(run.startedAt) })} ${totals([], expired.length)}>`,
    ...expired.flatMap(({ id, check, expires, owner, reason }) => {
      const message = oneLine(`Waiver ${id} expired on ${expires}`, 500);
      const body = `Renew it with a reason, or remove it.\nCheck: ${check}\nOwner: ${owner}\nReason it was given: ${reason}`;
      return [
        `    <testcase ${attributes({ classname: "waivers", name: oneLine(id, 300), time: "0.000" })}>`,
        element("failure", { message, type: "waiver-expired" }, body),
        `    </testcase>`,
      ];
    }),
    `  </testsuite>`,
  ];
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
    ...(result.waived?.waivers ?? []).map(({ id }): [string, string] => ["waiver", id]),
    ...result.exchanges.slice(0, 20).map((id): [string, string] => ["exchange", id]),
  ];
  return [open, ...propertyLines(properties, "      "), ...outcomeLines(result), `    </testcase>`];
}

function outcomeLines(result: CheckResult): string[] {
  const message = oneLine(headline(result), 500);
  const body = `${explanation(result)}\n\nRepeat: ${reproduceCommand(result)}`;
  const [waiver] = result.waived?.waivers ?? [];
  // A CI server fails its job by what is called a failure: what is waived stays visible and is none.
  if (result.status === "fail" && waiver !== undefined && isWaived(result)) {
    const said = oneLine(`${waiverSentence(result, waiver)}. ${message}`, 1_000);
    return [
      `      <skipped ${attributes({ message: said })}/>`,
      element("system-out", {}, `Failed, waived: ${body}`),
    ];
  }
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

const UNASKED: ReadonlySet<string> = new Set(["blocked", "not-applicable", "no-data"]);

function totals(results: readonly CheckResult[], failuresBeside = 0): string {
  const count = (...statuses: readonly string[]): string =>
    String(results.filter(({ status }) => statuses.includes(status)).length);
  return attributes({
    tests: String(results.length + failuresBeside),
    failures: String(
      results.filter((result) => result.status === "fail" && !isWaived(result)).length + failuresBeside,
    ),
    errors: count("error"),
    skipped: String(
      results.filter((result) => UNASKED.has(result.status) || (result.status === "fail" && isWaived(result)))
        .length,
    ),
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
