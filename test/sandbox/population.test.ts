import { beforeAll, describe, expect, it } from "vitest";
import { loadDefinitions } from "../../lib/validator/pack/load.ts";
import { createValidator, type Validator } from "../../lib/validator/index.ts";
import { populate } from "../../lib/sandbox/population/population.ts";
import { startSandbox } from "../../lib/sandbox/index.ts";
import { base, bearer, systemToken } from "./client.ts";

const TYPES = [
  "AllergyIntolerance",
  "Condition",
  "Coverage",
  "Encounter",
  "Group",
  "Location",
  "Observation",
  "Organization",
  "Patient",
  "Practitioner",
  "PractitionerRole",
  "Provenance",
];

let validator: Validator;
beforeAll(async () => {
  validator = createValidator(await loadDefinitions(["us-core-6.1.0"]));
});

const errorsIn = (resource: unknown) =>
  validator
    .validateResource(resource)
    .findings.filter((finding) => finding.severity === "error" || finding.severity === "fatal");

describe("the synthetic data", () => {
  it.each([
    ["riverbend", 1],
    ["riverbend", 42],
    ["harbor", 7],
  ])("of %s with seed %i is valid US Core 6.1.0 in every resource", (tenant, seed) => {
    const population = populate(tenant, seed, 20);
    for (const type of TYPES) {
      const resources = population.ofType(type);
      expect(resources.length, type).toBeGreaterThan(0);
      for (const resource of resources) expect(errorsIn(resource)).toEqual([]);
    }
  });

  it("refers only to resources that are there", () => {
    const population = populate("riverbend", 1, 10);
    for (const type of TYPES) {
      for (const resource of population.ofType(type)) {
        for (const [, target = "", id = ""] of JSON.stringify(resource).matchAll(
          /"reference":"(\w+)\/([^"]+)"/g,
        )) {
          expect(population.find(target, id), `${target}/${id}`).toBeDefined();
        }
      }
    }
  });

  it("comes in a valid Bundle", async () => {
    const sandbox = await startSandbox({ patients: 3 });
    try {
      const url = `${base(sandbox, "provider/system-access")}/Condition?_revinclude=Provenance:target&_count=2`;
      const bundle: unknown = await (
        await fetch(url, { headers: bearer(await systemToken(sandbox)) })
      ).json();
      expect(errorsIn(bundle)).toEqual([]);
    } finally {
      await sandbox.close();
    }
  });
});
