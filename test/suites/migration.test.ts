import { afterEach, expect, test } from "vitest";
import { answerCheck } from "../../lib/checks/answer.ts";
import { loadSuites } from "../../lib/checks/load.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import { faultsOf, resolveTargets } from "../../lib/config/targets.ts";
import { openClient } from "../../lib/runner/client.ts";
import { openSessions } from "../../lib/runner/sessions.ts";
import { startSandbox } from "../../lib/sandbox/index.ts";
import { procedures } from "../../suites/index.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** Everything that the suite finds in an environment of the demo tenant, by check and code. */
async function findIn(environment: string) {
  const configuration = loadConfiguration();
  const sandbox = await startSandbox({ faults: faultsOf(configuration, environment) });
  ends.push(() => sandbox.close());
  const selection = { tenant: "demo", environment, apis: [] };
  const resolved = resolveTargets(configuration, selection, {}, sandbox);
  const { http } = openClient(resolved, () => undefined);
  ends.push(() => http.close());
  const sessions = openSessions(resolved, http);
  ends.push(() => sessions.close());
  const target = resolved.targets.find(({ api }) => api === "provider-patient-access");
  if (target === undefined) throw new Error("the demo has no provider-patient-access");
  const suite = loadSuites().find(({ id }) => id === "migration");
  const answers = await Promise.all(
    (suite?.checks ?? []).map(async (check) => ({
      id: check.id,
      ...(await answerCheck(check, sessions.of(target), procedures)),
    })),
  );
  return {
    faults: sandbox.faults.length,
    answers,
    findings: answers
      .flatMap(({ id, verdict }) =>
        "findings" in verdict
          ? verdict.findings.map(({ code, location }) => `${id} ${code} ${location ?? ""}`.trim())
          : [],
      )
      .toSorted(),
  };
}

test("without differences nothing is found", async () => {
  const { answers, findings } = await findIn("sandbox");
  expect(findings).toEqual([]);
  expect(answers.filter(({ verdict }) => verdict.status !== "pass").map(({ id }) => id)).toEqual([
    // Asked of system access.
    "migration.exports",
  ]);
});

test("every planted difference is found, and nothing else", async () => {
  const { faults, findings } = await findIn("rehearsal");
  expect(findings).toEqual([
    // One prescription more
    "migration.additions parity.resource-appeared MedicationRequest",
    "migration.behaviour:page-size behaviour.changed",
    "migration.behaviour:unknown-type behaviour.changed",
    "migration.contents:Condition parity.code-changed Condition.code.coding",
    "migration.contents:Patient parity.element-vanished Patient.telecom",
    "migration.contents:Patient parity.identifier-vanished Patient.identifier",
    "migration.contents:Procedure parity.reference-changed Procedure.encounter.reference",
    "migration.resources:Goal parity.resource-vanished Goal",
    // The same lost goal, once more in the numbers
    "migration.totals parity.total-less",
  ]);
  expect(faults).toBe(8);
});

test("the tables count what was planted", async () => {
  const { answers } = await findIn("rehearsal");
  const [table] = answers.find(({ id }) => id === "migration.totals")?.tables ?? [];
  const goals = table?.rows.find(([type]) => type === "Goal");
  expect(goals?.[4]).toEqual({ text: "1", state: "bad" });
  const changes = answers.find(({ id }) => id === "migration.what-changes")?.tables.at(0);
  expect(changes?.title).toMatch(/^What changes for your code: \d+ of 21$/);
});
