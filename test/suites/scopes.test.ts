import { afterEach, describe, expect, test } from "vitest";
import { procedures } from "../../suites/index.ts";
import { answerCheck, type Answer } from "../../lib/checks/answer.ts";
import { loadSuites } from "../../lib/checks/load.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import { resolveTargets, type Target } from "../../lib/config/targets.ts";
import { openClient } from "../../lib/runner/client.ts";
import { openSessions } from "../../lib/runner/sessions.ts";
import { loadFaultCatalogue, startSandbox } from "../../lib/sandbox/index.ts";

const suite = loadSuites().find(({ id }) => id === "scopes");
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

interface Setting {
  readonly faults?: readonly string[];
  readonly furtherFaults?: NonNullable<Parameters<typeof startSandbox>[0]>["furtherFaults"];
  readonly api?: string;
  readonly change?: (target: Target) => Target;
  /** Only this API is configured. */
  readonly alone?: boolean;
}

/** Asks checks of the suite at a sandbox, sharing facts. */
async function ask(checks: readonly string[], setting: Setting = {}): Promise<readonly Answer[]> {
  const { faults = [], furtherFaults = [], api = "provider-patient-access" } = setting;
  const sandbox = await startSandbox({ faults, furtherFaults });
  ends.push(() => sandbox.close());
  const selection = { tenant: "demo", environment: "sandbox", apis: setting.alone === true ? [api] : [] };
  const resolved = resolveTargets(loadConfiguration(), selection, {}, sandbox);
  const targets = resolved.targets.map((target) =>
    target.api === api ? (setting.change?.(target) ?? target) : target,
  );
  const { http } = openClient({ ...resolved, targets }, () => undefined);
  ends.push(() => http.close());
  const sessions = openSessions({ ...resolved, targets }, http);
  ends.push(() => sessions.close());
  const target = targets.find((one) => one.api === api);
  if (target === undefined) throw new Error(`the demo has no ${api}`);
  const answers: Answer[] = [];
  for (const id of checks) {
    const check = suite?.checks.find((one) => one.id === `scopes.${id}`);
    if (check === undefined) throw new Error(`there is no check ${id}`);
    answers.push(await answerCheck(check, sessions.of(target), procedures));
  }
  return answers;
}

const statuses = (answers: readonly Answer[]) => answers.map(({ verdict }) => verdict.status);

describe("the suite scopes", () => {
  test("asks at least sixty questions, each proven by a fault that names it", () => {
    expect(suite?.checks.length).toBeGreaterThanOrEqual(60);
    const known = new Map(loadFaultCatalogue().map((fault) => [fault.id, fault]));
    for (const check of suite?.checks ?? []) {
      expect(check.requirements).not.toEqual([]);
      for (const { id } of check.proofs) {
        const [name = "", argument = ""] = id.split(/:(.*)/);
        const trips = known.get(name)?.trips.map((one) => one.replace(/\{\w+\}/, argument));
        if (check.id !== "scopes.outside-further" && check.id !== "scopes.confined-further")
          expect(trips, check.id).toContain(check.id);
      }
    }
  });

  test("names the type that leaks, in the matrix too, and no other", async () => {
    const [matrix, goal, carePlan] = await ask(["enforcement-matrix", "outside:Goal", "outside:CarePlan"], {
      faults: ["scopes.unscoped:Goal"],
    });
    expect(statuses([matrix, goal, carePlan].filter((one) => one !== undefined))).toEqual([
      "fail",
      "fail",
      "pass",
    ]);
    const [table] = matrix?.tables ?? [];
    const bad = table?.rows.filter((row) =>
      row.some((cell) => typeof cell !== "string" && cell.state === "bad"),
    );
    expect(bad?.map(([type]) => type)).toEqual(["Goal"]);
  });

  test("says nothing about patients in what it finds", async () => {
    const [answer] = await ask(["confinement-matrix"], { faults: ["scopes.unconfined:Goal"] });
    expect(answer?.verdict.status).toBe("fail");
    const text = JSON.stringify([answer?.verdict, answer?.tables]);
    expect(text).toContain("of another patient (Goal)");
    expect(text).not.toMatch(/riverbend-(?:patient|goal)/);
  });

  test("does not pass where nobody knows another patient", async () => {
    const checks = ["confined:Goal", "confined:Patient", "confined-reference-forms", "confinement-matrix"];
    const answers = await ask(checks, { alone: true });
    expect(statuses(answers)).toEqual(["no-data", "no-data", "no-data", "no-data"]);
  });

  test("still finds a leak there by a search that names nobody", async () => {
    const [answer] = await ask(["confined:Goal"], { alone: true, faults: ["scopes.unconfined:Goal"] });
    expect(answer?.verdict).toMatchObject({
      status: "fail",
      findings: [{ code: "patient.leak", location: "search without a patient" }],
    });
  });

  test("takes other patients' ids from the configuration", async () => {
    const change = (target: Target): Target => ({
      ...target,
      otherPatients: ["riverbend-patient-2"],
      foreignResources: { Goal: ["riverbend-goal-2"] },
    });
    const answers = await ask(["confined:Goal", "confined:Patient"], { alone: true, change });
    expect(statuses(answers)).toEqual(["pass", "pass"]);
  });

  test("blames no server that hides what it does not show: 404 and empty results", async () => {
    const furtherFaults = [
      {
        id: "test.hidden",
        description: "What may not be read is not found.",
        trips: [],
        on: { path: "/*/*", status: 403 },
        change: [{ outcome: "Not found", status: 404 }],
      },
    ];
    const setting = { faults: ["test.hidden"], furtherFaults };
    const answers = await ask(
      ["confined:Goal", "outside:Goal", "refused-by-status", "refused-by-403"],
      setting,
    );
    expect(statuses(answers)).toEqual(["pass", "pass", "pass", "warn"]);
  });

  test("counts a family's insurance as nobody's leak", async () => {
    const entry = {
      resource: {
        resourceType: "Coverage",
        id: "of-the-family",
        status: "active",
        subscriber: { reference: "Patient/riverbend-patient-1" },
        beneficiary: { reference: "Patient/riverbend-patient-9" },
      },
    };
    const furtherFaults = [
      {
        id: "test.family",
        description: "A family's insurance is shown.",
        trips: [],
        on: { path: "/Coverage", status: 200, method: "GET" },
        change: [{ append: "/entry", value: entry }],
      },
    ];
    const answers = await ask(["confined:Coverage"], { faults: ["test.family"], furtherFaults });
    expect(statuses(answers)).toEqual(["pass"]);
  });

  test("takes a server that fails for neither a refusal nor a grant", async () => {
    const furtherFaults = [
      {
        id: "test.broken-search",
        description: "Searches by POST fail.",
        trips: [],
        on: { path: "/Observation/_search" },
        change: [{ outcome: "Broken", status: 503 }],
      },
    ];
    const [posted] = await ask(["permission-v2"], { faults: ["test.broken-search"], furtherFaults });
    expect(posted?.verdict.status).toBe("blocked");
  });

  test("asks nothing that needs a login of its own where nobody can log in", async () => {
    const change = (target: Target): Target => ({
      ...target,
      login: { driver: "manual", timeoutSeconds: 1, repeat: false },
    });
    const [answer] = await ask(["second-syntax-accepted"], { change });
    expect(answer?.verdict.status).toBe("blocked");
  });
});
