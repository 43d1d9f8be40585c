import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerCheck, type Answer } from "../../lib/checks/answer.ts";
import type { CheckDefinition } from "../../lib/checks/definition.ts";
import { loadSuites } from "../../lib/checks/load.ts";
import { procedures } from "../../suites/index.ts";
import { openOnSandbox, type Opened } from "../smart/sandbox-session.ts";

const suite = loadSuites().find(({ id }) => id === "us-core");
if (suite === undefined) throw new Error("the suite has changed its name");
const { checks } = suite;

/** How many requests the reference suite sends for the same API. */
const OF_THE_REFERENCE_SUITE = 1940;

/** Asks checks, several at a time as a run does. */
async function ask(opened: Opened, asked: readonly CheckDefinition[]): Promise<ReadonlyMap<string, Answer>> {
  const answers = new Map<string, Answer>();
  const queue = asked.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const check of queue) answers.set(check.id, await answerCheck(check, opened.session, procedures));
    }),
  );
  return answers;
}

describe("US Core data of a conformant tenant", () => {
  let opened: Opened;
  let answers: ReadonlyMap<string, Answer>;
  beforeAll(async () => {
    opened = await openOnSandbox("provider-patient-access");
    answers = await ask(opened, checks);
  }, 300_000);
  afterAll(() => opened.close());

  const having = (...statuses: readonly string[]) =>
    [...answers].filter(([, { verdict }]) => statuses.includes(verdict.status)).map(([id]) => id);

  test("meets every question for which there are data", () => {
    expect(having("fail", "warn", "info", "error", "blocked")).toEqual([]);
    expect(having("no-data").length).toBeLessThan(20);
  });

  test("is asked for with fewer requests than the reference suite sends", () => {
    expect(opened.exchanges.length).toBeGreaterThan(100);
    expect(opened.exchanges.length).toBeLessThan(OF_THE_REFERENCE_SUITE);
  });

  test("is asked for the same only once", () => {
    const sent = opened.exchanges
      .filter(({ request }) => request.method === "GET" && request.url.startsWith(`${opened.target.base}/`))
      .map(({ request }) => {
        const header = (name: string) =>
          request.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? "";
        return `${request.url} ${header("accept")} ${header("prefer")}`;
      });
    const twice = [...new Set(sent.filter((one, index) => sent.indexOf(one) !== index))];
    // Some questions are about one request of their own; a plan that forgot to share would have hundreds.
    expect(twice.length).toBeLessThan(40);
  });

  test("says of each search which value was taken from which resource", () => {
    const { tables } = answers.get("us-core.search:us-core-goal.patient+lifecycle-status") ?? { tables: [] };
    expect(tables.map(({ columns }) => columns)).toEqual([["parameter", "value", "taken from"]]);
    // Masked here, as for any tenant whose evidence may not hold health data.
    expect(tables[0]?.rows).toEqual([
      ["patient", "masked", "masked"],
      ["lifecycle-status", "masked", "masked"],
    ]);
  });
});

describe("a tenant that does not do what US Core asks for", () => {
  async function verdictOf(id: string, faults: readonly string[]) {
    const opened = await openOnSandbox("provider-patient-access", { faults });
    try {
      const check = checks.find((one) => one.id === id);
      if (check === undefined) throw new Error(`there is no check ${id}`);
      return (await ask(opened, [check])).get(id);
    } finally {
      await opened.close();
    }
  }

  test("is not blamed for a search that it does not declare", async () => {
    const answer = await verdictOf("us-core.search:us-core-goal.patient+lifecycle-status", [
      "capability-statement.without-search-parameter:Goal.lifecycle-status",
    ]);
    expect(answer?.verdict).toMatchObject({
      status: "not-applicable",
      reason: "the CapabilityStatement does not declare a search of Goal by lifecycle-status",
    });
  });

  test.each([
    ["us-core-goal", "Goal", "patient"],
    ["us-core-bmi", "Observation", "patient+category"],
  ])("is told so where no search of %s is answered at all", async (profile, type, search) => {
    const answer = await verdictOf(`us-core.search:${profile}.${search}`, [
      `us-core.searches-refused:${profile} ${type}`,
    ]);
    expect(answer?.verdict).toMatchObject({ status: "fail", findings: [{ code: "search.refused" }] });
  });

  test("may insist on a status: then every status is named, and the evidence says so", async () => {
    const answer = await verdictOf("us-core.search:us-core-observation-lab.patient+category", [
      "us-core.status-insisted-on:Observation.status",
    ]);
    expect(answer?.verdict).toEqual({ status: "pass" });
    expect(answer?.tables[0]?.note).toContain("every status was named");
  });

  test("is told that one of its resources is found where it does not belong", async () => {
    const answer = await verdictOf("us-core.search:us-core-goal.patient+lifecycle-status", [
      "us-core.wrong-match:us-core-goal Goal.patient+lifecycle-status patient+lifecycle-status",
    ]);
    expect(answer?.verdict).toMatchObject({
      status: "warn",
      findings: [{ code: "search.wrong-match", location: "lifecycle-status" }],
    });
  });
});

describe("the rows", () => {
  test("have ids that are the same in every run, and each its kind", () => {
    expect(new Set(checks.map(({ id }) => id)).size).toBe(checks.length);
    expect(checks.filter(({ kind }) => kind === undefined)).toEqual([]);
    expect(checks.map(({ id }) => id)).toContain("us-core.search:us-core-bmi.patient+category+date");
  });

  test("ask about every profile of US Core as much as the reference suite does", () => {
    const profiles = (kind: string) =>
      new Set(checks.filter((check) => check.kind === kind).map(({ profile }) => profile));
    expect(checks.filter(({ kind }) => kind === "search").length).toBeGreaterThanOrEqual(217);
    expect(profiles("read").size).toBeGreaterThanOrEqual(46);
    expect(profiles("revinclude").size).toBeGreaterThanOrEqual(41);
  });
});
