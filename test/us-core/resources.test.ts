import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ownPackage } from "../../lib/config/package.ts";
import { loadCapability } from "../../lib/validator/pack/load.ts";
import { guide } from "../../suites/us-core/content/guides.ts";
import { missing, sightings } from "../../suites/us-core/content/must-support.ts";
import { obligations } from "../../suites/us-core/content/obligations.ts";
import { referencesOf } from "../../suites/us-core/content/references.ts";
import type { Resource, Seen } from "../../suites/us-core/content/seen.ts";
import { defectFindings, judgeAll } from "../../suites/us-core/content/validity.ts";

const US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/";
const CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category";
const usCore = guide("us-core-6.1.0");
const { definitions } = usCore;

const seen = (resource: Resource): Seen => ({ resource, exchange: "x0001" });
const observation = (code: string, category: string, more: object = {}): Resource => ({
  resourceType: "Observation",
  id: "one",
  status: "final",
  category: [{ coding: [{ system: CATEGORY, code: category }] }],
  code: { coding: [{ system: "http://loinc.org", code }] },
  subject: { reference: "Patient/a" },
  effectiveDateTime: "2026-01-01",
  ...more,
});
const owed = (resource: Resource) =>
  obligations(definitions, resource).map(({ profile, why }) => `${profile.slice(US_CORE.length)}: ${why}`);

describe("what a resource has to be", () => {
  it("is what it claims, and what its code says beyond that", () => {
    const bloodPressure = observation("85354-9", "vital-signs", {
      meta: { profile: [`${US_CORE}us-core-vital-signs`] },
    });
    expect(owed(bloodPressure)).toEqual([
      "us-core-vital-signs: claimed",
      "us-core-blood-pressure: of the guide",
    ]);
  });

  it("is never a laboratory result where it is a vital sign", () => {
    expect(owed(observation("8867-4", "vital-signs"))).toEqual(["us-core-heart-rate: of the guide"]);
    expect(owed(observation("2339-0", "laboratory"))).toEqual(["us-core-observation-lab: of the guide"]);
  });

  it("is nothing of the guide where the guide does not speak of it", () => {
    expect(owed(observation("1-8", "activity"))).toEqual([]);
    expect(owed({ resourceType: "Account", id: "a" })).toEqual([]);
  });

  it("is not an implantable device unless it says so: crutches are devices too", () => {
    const device: Resource = { resourceType: "Device", id: "d" };
    expect(owed(device)).toEqual([]);
    expect(owed({ ...device, meta: { profile: [`${US_CORE}us-core-implantable-device`] } })).toEqual([
      "us-core-implantable-device: claimed",
    ]);
  });

  it("is not what it claims to be in another version of the guide", () => {
    const claimed = (version: string): Resource => ({
      resourceType: "Device",
      id: "d",
      meta: { profile: [`${US_CORE}us-core-implantable-device|${version}`] },
    });
    expect(owed(claimed("3.1.1"))).toEqual([]);
    expect(owed(claimed("6.1.0"))).toEqual(["us-core-implantable-device: claimed"]);
  });
});

describe("what is wrong with resources", () => {
  it("is counted in every resource and told once for each kind", () => {
    const patients = Array.from({ length: 40 }, (_, index) =>
      seen({ resourceType: "Patient", id: `p${index}`, gender: "unheard-of", name: [{ family: "A" }] }),
    );
    const judged = judgeAll(usCore, patients).byProfile.get(`${US_CORE}us-core-patient`) ?? [];
    const findings = defectFindings(judged, "", () => "masked");
    expect(judged).toHaveLength(40);
    expect(findings.map(({ code, location }) => `${code} ${location}`).toSorted()).toEqual([
      "validation.binding-required Patient.gender",
      "validation.cardinality-min Patient",
    ]);
    expect(findings.every(({ actual }) => actual.startsWith("40 of 40 "))).toBe(true);
  });

  it("is told without what stands in the resource", () => {
    const judged = judgeAll(usCore, [
      seen({ resourceType: "Patient", id: "secret-id", birthDate: "secret-date", gender: "secret-gender" }),
    ]).byProfile.get(`${US_CORE}us-core-patient`);
    const told = JSON.stringify(defectFindings(judged ?? [], "", () => "masked"));
    expect(told).not.toContain("secret");
  });

  it("is not asked of a record that says it is a mistake", () => {
    const judgement = judgeAll(usCore, [
      seen({ resourceType: "Observation", id: "o", status: "entered-in-error" }),
    ]);
    expect(judgement.enteredInError).toHaveLength(1);
    expect([...judgement.byProfile]).toEqual([]);
  });

  it("counts for the profiles that a profile builds on, by their own rules", () => {
    const judgement = judgeAll(usCore, [seen(observation("8867-4", "vital-signs"))]);
    expect([...judgement.byProfile.keys()].map((url) => url.slice(US_CORE.length)).toSorted()).toEqual([
      "us-core-heart-rate",
      "us-core-vital-signs",
    ]);
  });
});

describe("must-support", () => {
  const names = (profile: string, resources: readonly Resource[]) =>
    missing(sightings(definitions, `${US_CORE}${profile}`, resources.map(seen))).map(({ id }) => id);

  it("wants one of two where the guide leaves the choice, and both where neither is there", () => {
    const goal: Resource = {
      resourceType: "Goal",
      id: "g",
      lifecycleStatus: "active",
      description: { text: "a" },
    };
    expect(names("us-core-goal", [goal])).toContain("Goal.start[x]");
    expect(names("us-core-goal", [{ ...goal, startDate: "2026-01-01" }])).toEqual([
      "Goal.subject",
      "Goal.target",
    ]);
  });

  it("wants components of panels only, and reasons for missing values of blood pressures only", () => {
    const rate = observation("8867-4", "vital-signs");
    expect(names("us-core-heart-rate", [rate]).filter((id) => /component|AbsentReason/.test(id))).toEqual([]);
    const pressure = names("us-core-blood-pressure", [observation("85354-9", "vital-signs")]);
    expect(pressure).toContain("Observation.component:systolic.dataAbsentReason");
    expect(pressure).not.toContain("Observation.value[x]");
  });
});

describe("references", () => {
  it("are found wherever they stand, with their path", () => {
    const request: Resource = {
      resourceType: "MedicationRequest",
      id: "m",
      contained: [{ resourceType: "Medication", id: "x", manufacturer: { reference: "Organization/o" } }],
      medicationReference: { reference: "#x" },
      subject: { identifier: { value: "1" } },
      extension: [{ url: "http://example.org", valueReference: { reference: "Goal/g" } }],
    };
    expect(referencesOf(seen(request)).map(({ path, to }) => `${path} ${to}`)).toEqual([
      "MedicationRequest.contained.manufacturer Organization/o",
      "MedicationRequest.medicationReference #x",
      "MedicationRequest.extension.valueReference Goal/g",
    ]);
  });
});

describe("the rows of the suite", () => {
  const rows = JSON.parse(
    readFileSync(join(ownPackage().root, "suites", "us-core", "profiles.json"), "utf8"),
  ) as { profiles: { url: string; type: string }[]; former: { url: string; type: string }[] };

  const official = (name: string) =>
    loadCapability(name)
      .resources.flatMap(({ type, profiles }) => profiles.map(({ value }) => `${type} ${value}`))
      .filter((row) => row.includes(US_CORE))
      .toSorted();
  const own = (list: readonly { url: string; type: string }[]) =>
    list.map(({ url, type }) => `${type} ${url}`).toSorted();

  it("are all profiles of the official CapabilityStatements", () => {
    expect(own(rows.profiles)).toEqual(official("us-core-6.1.0"));
    expect(rows.profiles).toHaveLength(49);
    expect(own(rows.former)).toEqual(official("us-core-3.1.1"));
  });
});
