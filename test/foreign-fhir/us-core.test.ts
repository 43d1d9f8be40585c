import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadSuites } from "../../lib/checks/load.ts";
import { populate } from "../../lib/sandbox/population/population.ts";
import type { Target } from "../../lib/config/targets.ts";
import { answerSuite, having, targetAt } from "../suites/server.ts";
import { startForeignServer, type ForeignResource, type ForeignServer } from "./server.ts";

// Binary, Endpoint and Media are left out on purpose.
const TYPES = [
  "AllergyIntolerance",
  "CarePlan",
  "CareTeam",
  "Condition",
  "Coverage",
  "Device",
  "DiagnosticReport",
  "DocumentReference",
  "Encounter",
  "Goal",
  "Immunization",
  "Location",
  "Medication",
  "MedicationDispense",
  "MedicationRequest",
  "Observation",
  "Organization",
  "Patient",
  "Practitioner",
  "PractitionerRole",
  "Procedure",
  "Provenance",
  "QuestionnaireResponse",
  "RelatedPerson",
  "ServiceRequest",
  "Specimen",
];

/** Of a type; there is a Provenance about everything, and the server has to look at each. */
const MOST = 60;

/**
 * Everything that is found wrong with this server, and why it is wrong indeed. Each was looked at: a finding that
 * stands in no line here is a false verdict, and a line without a finding is one that got lost.
 */
const REAL: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/^us-core\.valid:us-core-immunization$/, "an immunization was loaded without its vaccine"],
  [/^us-core\.attachments$/, "Binary was not loaded: the addresses of attachments lead nowhere"],
  [/^us-core\.reference:us-core-diagnosticreport-note$/, "Media was not loaded"],
  [/^us-core\.references-resolve:DiagnosticReport$/, "Media was not loaded"],
  [/^us-core\.reference:us-core-practitionerrole$/, "Endpoint was not loaded"],
  [/^us-core\.references-resolve:PractitionerRole$/, "Endpoint was not loaded"],
  [
    /^us-core\.(search|search-post|reference-forms)\b.*[.+](encounter|location|practitioner)$/,
    "the repository compares references as texts, so that an id alone finds nothing",
  ],
  [/^us-core\.bundle:/, "results have neither a self link nor a fullUrl in any entry"],
  [/^us-core\.paging:/, "the repository heeds _count and gives no link to what is left"],
  [/^us-core\.unknown-strict:/, "Prefer: handling=strict is not heeded"],
  [/^us-core\.unknown-lenient:/, "by an unknown parameter the repository finds nothing at all"],
  [/^us-core\.version-headers:/, "reads come without ETag and Last-Modified"],
  [/^us-core\.history:/, "histories do not say how a version came about (entry.request)"],
];

describe("a server that is not ours", () => {
  let server: ForeignServer;
  let verdicts: Awaited<ReturnType<typeof answerSuite>>;

  beforeAll(async () => {
    const population = populate("riverbend", 1, 1);
    server = await startForeignServer((base) => {
      const resources = TYPES.flatMap((type) => structuredClone(population.ofType(type).slice(0, MOST)));
      const spoilt = resources.find(({ resourceType }) => resourceType === "Immunization");
      delete spoilt?.["vaccineCode"];
      return JSON.parse(JSON.stringify(resources).replaceAll("{base}", base)) as ForeignResource[];
    });
    const target: Target = { ...targetAt(server.base, "system"), access: "public", authorization: "none" };
    verdicts = await answerSuite("us-core", target);
  }, 300_000);
  afterAll(() => server.close());

  const ids = (...statuses: Parameters<typeof having>[1][]) =>
    [...verdicts].filter(([, { verdict }]) => statuses.includes(verdict.status)).map(([id]) => id);

  it("is asked to the end, without anything that the harness itself does wrong", () => {
    expect(verdicts.size).toBe(loadSuites().find(({ id }) => id === "us-core")?.checks.length);
    expect(having(verdicts, "error", "blocked")).toEqual([]);
    expect(ids("pass").length).toBeGreaterThan(600);
  });

  it("is blamed for what is wrong with it, and for nothing else", () => {
    const blamed = having(verdicts, "fail", "warn", "info");
    const unexplained = blamed.filter(
      (line) => !REAL.some(([pattern]) => pattern.test(line.split(": ")[0] ?? "")),
    );
    expect(unexplained).toEqual([]);
    const lost = REAL.filter(([pattern]) => !blamed.some((line) => pattern.test(line.split(": ")[0] ?? "")));
    expect(lost).toEqual([]);
  });

  it("is not blamed for data that it does not have", () => {
    // It gives no Provenance along with what it is about, and nobody says that it does.
    expect(ids("no-data")).toContain("us-core.valid:us-core-provenance");
    expect(ids("no-data")).toContain("us-core.provenance-of:Condition");
    for (const [id, { verdict }] of verdicts) {
      if (verdict.status === "no-data") expect(verdict.wanted, id).not.toBe("");
    }
  });

  it("is not asked for what its statement does not declare, and the vendor alone promises", () => {
    expect(ids("not-applicable")).toContain("us-core.docref:GET");
    expect(ids("not-applicable")).toContain("us-core.compatible-3-1-1:us-core-goal");
  });
});
