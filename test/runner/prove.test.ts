import { describe, expect, test } from "vitest";
import { loadSuites } from "../../lib/checks/load.ts";
import type { CheckDefinition, SuiteDefinition } from "../../lib/checks/definition.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import { sampleRows } from "../../lib/runner/plan.ts";
import { proveChecks, type CheckProof } from "../../lib/runner/prove.ts";
import { startSandbox } from "../../lib/sandbox/index.ts";
import { procedures } from "../../suites/index.ts";
import { command } from "../cli/process.ts";

/** Only what hangs takes so long. */
const LONG = 1_200_000;

/** Rows of each generated check on US Core data that are proven here. */
const ROWS = 3;

describe("prove", () => {
  const prove = async (suites: readonly string[], ...options: readonly string[]) => {
    const { stdout, stderr, code } = await command([
      "prove",
      "--json",
      ...suites.flatMap((suite) => ["--suite", suite]),
      ...options,
    ]);
    expect(stderr).toBe("");
    const matrix = JSON.parse(stdout) as { proven: number; unproven: number; checks: readonly CheckProof[] };
    expect(matrix.checks.filter(({ proven }) => !proven)).toEqual([]);
    expect(matrix.unproven).toBe(0);
    expect(code).toBe(0);
    return matrix.proven;
  };
  const others = loadSuites().filter(({ id }) => id !== "us-core");
  const count = (suites: readonly SuiteDefinition[]) =>
    suites.reduce((sum, suite) => sum + suite.checks.length, 0);

  test.each(others.map(({ id }) => id))(
    "every check of %s passes where it should, and is tripped by its own fault",
    async (id) => {
      expect(await prove([id])).toBe(count(others.filter((suite) => suite.id === id)));
    },
    LONG,
  );

  // All rows of it take some minutes: `prove --suite us-core`.
  test(
    "so do some rows of each check on US Core data",
    async () => {
      const sample = sampleRows(loadSuites(), ROWS).filter(({ id }) => id === "us-core");
      expect(await prove(["us-core"], "--rows", String(ROWS))).toBe(count(sample));
    },
    LONG,
  );

  test("asks enough distinct questions of discovery", () => {
    // Rows that data generates count once: they are one question about many things.
    const questions = (id: string) =>
      new Set(
        loadSuites()
          .find((suite) => suite.id === id)
          ?.checks.map((check) => check.id.split(":")[0]),
      ).size;
    expect(questions("smart-configuration")).toBeGreaterThanOrEqual(30);
    expect(questions("capability-statement")).toBeGreaterThanOrEqual(30);
  });
});

describe("a check is not proven", () => {
  const suite = loadSuites().find(({ id }) => id === "smart-configuration");
  const check = suite?.checks.find(({ id }) => id === "smart-configuration.pkce-s256");
  if (suite === undefined || check === undefined) throw new Error("the suite has changed its name");

  async function prove(change: Partial<CheckDefinition>): Promise<CheckProof | undefined> {
    const changed: SuiteDefinition = { ...suite!, checks: [{ ...check!, ...change }] };
    const [proof] = await proveChecks({
      configuration: loadConfiguration(),
      tenant: "demo",
      environment: "sandbox",
      suites: [changed],
      procedures,
      startSandbox: ({ faults, tls }) => startSandbox({ faults: [...faults], tls }),
      concurrency: 1,
    });
    return proof;
  }

  test("when it is right, it is", async () => {
    expect((await prove({}))?.proven).toBe(true);
  });

  test("when it finds what it declares, but not because of its fault", async () => {
    const suite = loadSuites().find(({ id }) => id === "smart-configuration");
    const check = suite?.checks.find(({ id }) => id === "smart-configuration.served");
    if (suite === undefined || check === undefined) throw new Error("the suite has changed its name");
    const proofs = [{ id: "smart-configuration.without-s256", finding: "http.connection-refused" }];
    const [proof] = await proveChecks({
      configuration: loadConfiguration(),
      tenant: "demo",
      environment: "sandbox",
      suites: [{ ...suite, checks: [{ ...check, proofs }] }],
      procedures,
      // A sandbox that falls over as soon as it has a fault.
      async startSandbox({ faults, tls }) {
        const sandbox = await startSandbox({ faults: [...faults], tls });
        if (faults.length > 0) await sandbox.close();
        return sandbox;
      },
      concurrency: 1,
    });
    expect(proof?.proven).toBe(false);
  });

  test("when its fault leads to another finding than it declares", async () => {
    const proof = await prove({ proofs: [{ id: "smart-configuration.without-s256", finding: "json.type" }] });
    expect(proof?.proven).toBe(false);
    expect(proof?.faults[0]?.problem).toMatch(/expected the finding json\.type, got json\.not-contained/);
  });

  test("when its fault makes it fail, and a lack of data is all that it declares", async () => {
    const proof = await prove({ proofs: [{ id: "smart-configuration.without-s256", finding: "no-data" }] });
    expect(proof?.proven).toBe(false);
    expect(proof?.faults[0]?.problem).toMatch(/expected no-data, got fail/);
  });

  test("when its fault is not there", async () => {
    const proof = await prove({
      proofs: [{ id: "smart-configuration.no-such-fault", finding: "json.type" }],
    });
    expect(proof?.proven).toBe(false);
    expect(proof?.faults[0]?.problem).toContain("no-such-fault");
  });

  test("when it cannot fail", async () => {
    const proof = await prove({ expect: [{ at: "", exists: true }] });
    expect(proof?.proven).toBe(false);
    expect(proof?.faults[0]?.problem).toMatch(/expected fail, got pass/);
  });

  test("when the conformant sandbox does not pass", async () => {
    const proof = await prove({ expect: [{ at: "/nowhere", exists: true }] });
    expect(proof?.proven).toBe(false);
    expect(proof?.problems.join()).toMatch(/fail on the conformant sandbox/);
  });

  test("when it is applicable nowhere", async () => {
    const proof = await prove({ applies: { apis: ["ccd"] } });
    expect(proof?.proven).toBe(false);
    expect(proof?.problems.join()).toContain("passes at no API");
  });
});
