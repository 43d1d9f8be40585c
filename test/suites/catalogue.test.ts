import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadSuites } from "../../lib/checks/load.ts";
import { loadFaultCatalogue, readFaultCall, trippedChecks } from "../../lib/sandbox/index.ts";
import { procedures } from "../../suites/index.ts";

const checks = loadSuites().flatMap((suite) => suite.checks);
const ids = new Set(checks.map(({ id }) => id));

describe("checks and faults", () => {
  it("know each other: every check's fault exists and is called as it wants to be", () => {
    const problems: string[] = [];
    for (const check of checks) {
      for (const proof of check.proofs) {
        try {
          readFaultCall(proof.id);
        } catch (error) {
          problems.push(`${check.id}: ${String(error)}`);
        }
      }
    }
    expect(problems).toEqual([]);
  });

  it("know each other: every check that a fault of these suites is to trip exists", () => {
    const suites = new Set(["smart-configuration", "capability-statement", "declared-answers"]);
    const called = checks
      .filter(({ suite }) => suites.has(suite))
      .flatMap(({ proofs }) => proofs.map(({ id }) => readFaultCall(id)));
    const unknown = called.flatMap((call) =>
      trippedChecks(call)
        .filter((check) => !ids.has(check))
        .map((check) => `${call.call} is to trip ${check}`),
    );
    // A fault may be called with an argument for which there is no row, such as an interaction of Group.
    expect(
      unknown.filter((line) => !line.includes("Group") && !line.includes("ExplanationOfBenefit")),
    ).toEqual([]);
  });

  it("know each other: no fault of these suites is without a check", () => {
    const used = new Set(checks.flatMap(({ proofs }) => proofs.map(({ id }) => id.split(":")[0])));
    const unused = loadFaultCatalogue()
      .map(({ id }) => id)
      .filter(
        (id) => /^(smart-configuration|capability-statement|declared-answers)\./.test(id) && !used.has(id),
      );
    expect(unused).toEqual([]);
  });
});

describe("every check", () => {
  it("of a row that has further requirements names them, and no list is left over", () => {
    const lists = JSON.parse(readFileSync("suites/us-core/requirements.json", "utf8")) as Record<
      string,
      Record<string, readonly string[] | Record<string, readonly string[]>>
    >;
    const requirementsOf = (id: string) =>
      checks.find((one) => one.id === `us-core.${id}`)?.requirements ?? [];
    const named = (id: string) => requirementsOf(id).map((one) => one.id);
    const lacking: string[] = [];
    const compare = (id: string, wanted: readonly string[]) =>
      lacking.push(...wanted.filter((one) => !named(id).includes(one)).map((one) => `${id}: ${one}`));
    for (const [profile, wanted] of Object.entries(lists["valid"] ?? {}))
      compare(`valid:${profile}`, wanted as readonly string[]);
    for (const [profile, wanted] of Object.entries(lists["mustSupport"] ?? {}))
      compare(`must-support:${profile}`, wanted as readonly string[]);
    for (const [profile, searches] of Object.entries(lists["search"] ?? {})) {
      for (const [search, wanted] of Object.entries(searches))
        compare(`search:${profile}.${search}`, wanted as readonly string[]);
    }
    expect(lacking).toEqual([]);
  });

  it("names a procedure that exists, and no procedure is left over", () => {
    const named = new Set(
      checks.filter(({ procedure }) => procedure !== undefined).map((one) => `${one.suite}.${one.procedure}`),
    );
    const known = Object.entries(procedures).flatMap(([suite, own]) =>
      Object.keys(own).map((name) => `${suite}.${name}`),
    );
    expect(known.toSorted((a, b) => a.localeCompare(b))).toEqual(
      [...named].toSorted((a, b) => a.localeCompare(b)),
    );
  });

  it("says in plain words what holds and what to do, with nothing left to fill in", () => {
    const unfilled = /\{[A-Za-z][A-Za-z0-9]*\.[A-Za-z]/;
    const odd = checks.filter(
      ({ id, title, remedy }) =>
        unfilled.test(`${id} ${title} ${remedy}`) || title.length < 8 || remedy.length < 8,
    );
    expect(odd.map(({ id }) => id)).toEqual([]);
  });
});
