import { Fhir } from "fhir";
import { beforeAll, describe, expect, it } from "vitest";
import { createValidator, mustSupport } from "../../lib/validator/index.ts";
import { loadDefinitions } from "../../lib/validator/pack/load.ts";
import { apis } from "../../lib/sandbox/data.ts";
import { present } from "../../lib/sandbox/fhir/present.ts";
import { startSandbox } from "../../lib/sandbox/index.ts";
import type { JsonObject } from "../../lib/sandbox/json.ts";
import { populate, type Population } from "../../lib/sandbox/population/population.ts";
import { resourceTypes } from "../../lib/sandbox/statement.ts";
import { base, bearer, systemToken } from "./client.ts";

const BASE = "https://fhir.example/base";
// ValueSet is declared for its operation only.
const TYPES = [...new Set([...apis().flatMap(resourceTypes), "Group"])].filter((type) => type !== "ValueSet");

const textAt = (resource: JsonObject, name: string) => {
  const value = resource[name];
  return typeof value === "string" ? value : "";
};

const shown = (population: Population, type: string) =>
  population.ofType(type).map((resource) => present(resource, BASE));

function finderIn(population: Population) {
  return (reference: string) => {
    const relative = reference.startsWith(`${BASE}/`) ? reference.slice(BASE.length + 1) : reference;
    const [type = "", id = ""] = relative.split("/");
    const found = population.find(type, id);
    return found === undefined ? undefined : present(found, BASE);
  };
}

/** Errors that a pack of definitions has against the data, once for each rule and type. */
async function errorsIn(
  population: Population,
  guide: "us-core-6.1.0" | "us-core-3.1.1",
  change: (resource: JsonObject) => void = () => {},
): Promise<string[]> {
  const definitions = await loadDefinitions([guide]);
  const validator = createValidator(definitions);
  const resolve = finderIn(population);
  const errors = new Set<string>();
  for (const resource of TYPES.flatMap((type) => shown(population, type))) {
    change(resource);
    const { findings } = validator.validateResource(resource, { resolve, guideProfiles: true });
    for (const { severity, rule, expression, message } of findings) {
      if (severity === "error" || severity === "fatal") errors.add(`${rule} ${expression} ${message}`);
    }
  }
  return [...errors];
}

describe("the synthetic data", () => {
  it.each([
    ["riverbend", 1],
    ["riverbend", 42],
    ["harbor", 7],
  ])("of %s with seed %i is valid US Core 6.1.0 in every resource", async (tenant, seed) => {
    const population = populate(tenant, seed, 24);
    for (const type of TYPES) expect(population.ofType(type).length, type).toBeGreaterThan(0);
    expect(await errorsIn(population, "us-core-6.1.0")).toEqual([]);
  });

  it("is valid US Core 3.1.1 but for what 6.1.0 must support and 3.1.1 forbids", async () => {
    const errors = await errorsIn(populate("riverbend", 1, 24), "us-core-3.1.1", (resource) => {
      delete (resource["meta"] as JsonObject)["profile"];
    });
    const places = new Set(errors.map((error) => error.split(" ").slice(0, 2).join(" ")));
    expect([...places].toSorted()).toEqual([
      // The unit that 3.1.1 fixes for the flow of oxygen is not in the value set that it requires.
      "binding-required Observation.component[0].value.ofType(Quantity)",
      "reference-target CareTeam.participant[1].member",
      "reference-target CareTeam.participant[3].member",
      // FHIR's own profile, which 3.1.1 points to: a body mass index has a value.
      "slice-min Observation",
    ]);
  });

  it("is valid FHIR R4 by another's judgement", () => {
    const fhir = new Fhir();
    const population = populate("riverbend", 1, 4);
    for (const resource of TYPES.flatMap((type) => shown(population, type))) {
      const { messages } = fhir.validate(resource);
      expect(
        messages.filter(({ severity }) => /error|fatal/.test(severity ?? "")),
        textAt(resource, "id"),
      ).toEqual([]);
    }
  });

  describe("has all that must be supported", () => {
    let definitions: Awaited<ReturnType<typeof loadDefinitions>>;
    const population = populate("riverbend", 1, 24);
    const claimed = new Map<string, JsonObject[]>();
    for (const resource of TYPES.flatMap((type) => shown(population, type))) {
      const profiles = (resource["meta"] as JsonObject)["profile"] ?? [];
      for (const profile of profiles as string[])
        claimed.set(profile, [...(claimed.get(profile) ?? []), resource]);
    }
    beforeAll(async () => {
      definitions = await loadDefinitions(["us-core-6.1.0"]);
    });

    const OF_NOBODY = new Set(["Location", "Medication", "Organization", "Practitioner", "PractitionerRole"]);

    it("in every profile of US Core 6.1.0", () => {
      const profiles = TYPES.flatMap((type) => definitions.profilesOf(type)).map(({ url }) => url);
      expect(profiles.length).toBeGreaterThan(45);
      expect(profiles.toSorted()).toEqual([...claimed.keys()].toSorted());
    });

    it.each(
      [...claimed].map(
        ([profile, resources]) => [profile.split("/").at(-1) ?? "", profile, resources] as const,
      ),
    )("%s, for at least 20 patients", (_name, profile, resources) => {
      const observer = mustSupport(definitions, profile);
      const patients = new Map<string, Set<string>>();
      for (const resource of resources) {
        const patient = /-(\d+)(?:-origin)?$/.exec(textAt(resource, "id"))?.[1] ?? "";
        for (const item of observer.observe(resource)) {
          patients.set(item, (patients.get(item) ?? new Set()).add(patient));
        }
      }
      const wanted = OF_NOBODY.has(textAt(resources[0] ?? {}, "resourceType")) ? 1 : 20;
      // The values of a blood pressure are in its components, and should not stand beside them.
      const needless = profile.endsWith("/us-core-blood-pressure") ? /^Observation\.value/ : /^$/;
      const rare = observer.items.filter(
        ({ id }) => !needless.test(id) && (patients.get(id)?.size ?? 0) < wanted,
      );
      expect(rare.map((item) => item.id)).toEqual([]);
    });
  });

  it("refers only to what is there", () => {
    const population = populate("riverbend", 1, 24);
    const find = finderIn(population);
    for (const resource of TYPES.flatMap((type) => shown(population, type))) {
      for (const [, reference = ""] of JSON.stringify(resource).matchAll(/"(?:reference|url)":"([^"]+)"/g)) {
        if (!/^(?:https:\/\/fhir\.example|[A-Z]\w+\/)/.test(reference)) continue;
        expect(find(reference), reference).toBeDefined();
      }
    }
  });

  it("has references of every form, dates of every precision, and reasons for what is absent", () => {
    const population = populate("riverbend", 1, 24);
    const text = JSON.stringify(TYPES.flatMap((type) => population.ofType(type)));
    for (const form of [
      /"reference":"Patient\/[^"/]+"/,
      /"reference":"\{base\}\/Patient\/[^"]+"/,
      /"reference":"Practitioner\/[^"/]+\/_history\/1"/,
      /"reference":"#[^"]+"/,
      /"onsetDateTime":"\d{4}"/,
      /"onsetDateTime":"\d{4}-\d\d"/,
      /"effectiveDateTime":"\d{4}-\d\d-\d\d"/,
      /"effectiveDateTime":"[^"]+Z"/,
      /"effectiveDateTime":"[^"]+-06:00"/,
      /structuredefinition\/data-absent-reason/i,
      /CodeSystem\/data-absent-reason/,
      /"code":"UNK"/,
    ]) {
      expect(text).toMatch(form);
    }
  });

  it("is the same for the same seed, other for another, and cannot be changed", () => {
    const one = populate("riverbend", 1, 3);
    const more = populate("riverbend", 1, 5);
    for (const type of ["Patient", "Observation", "Encounter"]) {
      const few = one.ofType(type);
      expect(JSON.stringify(few)).toBe(JSON.stringify(more.ofType(type).slice(0, few.length)));
    }
    expect(JSON.stringify(populate("riverbend", 2, 3).ofType("Observation"))).not.toBe(
      JSON.stringify(one.ofType("Observation")),
    );
    const [patient] = one.ofType("Patient");
    expect(() => {
      (patient as { gender: string }).gender = "changed";
    }).toThrow(TypeError);
  });

  it("comes in a valid Bundle", async () => {
    const validator = createValidator(await loadDefinitions(["us-core-6.1.0"]));
    const sandbox = await startSandbox({ patients: 3 });
    try {
      const url = `${base(sandbox, "provider/system-access")}/Condition?_revinclude=Provenance:target&_count=2`;
      const bundle: unknown = await (
        await fetch(url, { headers: bearer(await systemToken(sandbox)) })
      ).json();
      const { findings } = validator.validateResource(bundle);
      expect(findings.filter(({ severity }) => severity === "error" || severity === "fatal")).toEqual([]);
    } finally {
      await sandbox.close();
    }
  });
});
