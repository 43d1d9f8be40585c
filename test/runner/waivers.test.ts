import { describe, expect, test } from "vitest";
import type { Waiver } from "../../lib/config/waivers.ts";
import { isWaived } from "../../lib/checks/results.ts";
import { applyWaivers, surveyWaivers } from "../../lib/runner/waivers.ts";
import { outcomeOf } from "../../lib/report/outcome.ts";
import { finding, verdict } from "../report/fixture.ts";

const TODAY = "2026-11-22";

function waiver(more: Partial<Waiver> = {}): Waiver {
  return {
    id: "W-1",
    check: "suite.one",
    finding: { code: "json.missing" },
    reason: "It is being corrected.",
    owner: "Somebody",
    expires: "2026-11-22",
    place: { file: "waivers.yaml", line: 1 },
    ...more,
  };
}

const missing = finding({ code: "json.missing", location: "/a/b", expected: "b", actual: "nothing" });
const { location: _, ...status } = finding({
  code: "http.status",
  expected: "status 200",
  actual: "status 500",
});
const failed = verdict("suite.one", "fail", { findings: [missing, status] });

describe("a waiver holds for a finding", () => {
  test.each<[string, Partial<Waiver>, readonly number[]]>([
    ["by its code", {}, [0]],
    ["of exactly this code", { finding: { code: "json.miss" } }, []],
    ["at exactly this place", { finding: { code: "json.missing", location: "/a/b" } }, [0]],
    ["and at no place above it", { finding: { code: "json.missing", location: "/a" } }, []],
    [
      "at a place that starts so",
      { finding: { code: "json.missing", location: { startsWith: "/a/" } } },
      [0],
    ],
    ["and not without a place", { finding: { code: "http.status", location: { startsWith: "/" } } }, []],
    ["with what was seen", { finding: { code: "http.status", actual: "status 500" } }, [1]],
    ["and nothing else", { finding: { code: "http.status", actual: "status 5.0" } }, []],
    [
      "where all given fields fit",
      { finding: { code: "http.status", expected: "status 201", actual: "status 500" } },
      [],
    ],
    ["of the named check", { check: "suite.o" }, []],
    ["of checks by a pattern", { check: "suite.*" }, [0]],
    ["on the last day", { expires: TODAY }, [0]],
    ["and not on the day after", { expires: "2026-11-21" }, []],
    ["on its API", { apis: ["other", "provider-patient-access"] }, [0]],
    ["and on no other", { apis: ["other"] }, []],
    ["of its tenant", { tenants: ["elsewhere"] }, []],
    ["in its environment", { environments: ["production"] }, []],
  ])("%s", (_, more, findings) => {
    const { waived } = applyWaivers(failed, [waiver(more)], TODAY);
    expect(waived?.waivers.flatMap((one) => one.findings) ?? []).toEqual(findings);
  });
});

describe("a check", () => {
  const byStatus = waiver({ id: "W-2", finding: { code: "http.status" } });
  const run = { state: "complete", planned: 1, failOn: "fail" } as const;

  test("fails as long as one of its findings is not waived", () => {
    const result = applyWaivers(failed, [waiver()], TODAY);
    expect(result.status).toBe("fail");
    expect(isWaived(result)).toBe(false);
    expect(outcomeOf(run, [result])).toBe("failed");
  });

  test("does not fail the run when several waivers hold for all of them", () => {
    const result = applyWaivers(failed, [waiver(), byStatus], TODAY);
    expect(result.status).toBe("fail");
    expect(result.findings).toEqual(failed.findings);
    expect(isWaived(result)).toBe(true);
    expect(outcomeOf(run, [result])).toBe("passed");
  });

  test("that is blocked or in error cannot be waived: nothing was found", () => {
    for (const kind of ["blocked", "error"] as const)
      expect(applyWaivers(verdict("suite.one", kind), [waiver()], TODAY).waived).toBeUndefined();
  });

  test("is not waived any longer when its waiver is gone", () => {
    const before = applyWaivers(failed, [waiver(), byStatus], TODAY);
    expect(applyWaivers(before, [], TODAY).waived).toBeUndefined();
  });
});

describe("what became of waivers", () => {
  test("is counted for those of checks that were answered, and only for those", () => {
    const waivers = [
      waiver(),
      waiver({ id: "W-2", finding: { code: "tls.expired" } }),
      waiver({ id: "W-3", expires: "2020-01-01" }),
      waiver({ id: "W-4", check: "suite.blocked" }),
      waiver({ id: "W-5", check: "suite.other" }),
    ];
    const results = [failed, verdict("suite.blocked", "blocked")];
    expect(surveyWaivers(results, waivers, TODAY)).toMatchObject([
      { id: "W-1", state: "applied", verdicts: 1, findings: 1 },
      { id: "W-2", state: "unused", verdicts: 0, findings: 0 },
      { id: "W-3", state: "expired" },
    ]);
  });

  test("fails a run in which one has expired, even if all else passes", () => {
    const [expired] = surveyWaivers([failed], [waiver({ expires: "2020-01-01" })], TODAY);
    const run = { state: "complete", planned: 1, failOn: "fail", waivers: [expired!] } as const;
    expect(outcomeOf(run, [verdict("suite.one", "pass")])).toBe("failed");
  });
});
