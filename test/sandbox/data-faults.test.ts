import { afterEach, describe, expect, it } from "vitest";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import type { FaultOperation } from "../../lib/sandbox/catalogue.ts";
import { base, bearer, json, systemToken } from "./client.ts";

interface Resource {
  resourceType: string;
  id: string;
  meta: { profile?: string[] };
  [member: string]: unknown;
}

interface Bundle {
  total: number;
  link: { relation: string; url: string }[];
  entry?: { fullUrl: string; resource: Resource; search: { mode: string } }[];
}

const running: Sandbox[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((sandbox) => sandbox.close()));
});

/** A sandbox with one behaviour, and one without; what both answer to a path. */
async function compare(behaviour: string, options: FaultOperation["with"] = {}) {
  const id = "test.data";
  const definition = {
    id,
    description: "A fault of the test.",
    trips: [],
    change: [{ behaviour, with: options }],
  };
  const wrong = await startSandbox({ patients: 4, faults: [id], furtherFaults: [definition] });
  const right = await startSandbox({ patients: 4 });
  running.push(wrong, right);
  const tokens = new Map([
    [wrong, await systemToken(wrong)],
    [right, await systemToken(right)],
  ]);
  const send = async (sandbox: Sandbox, path: string, form?: string) => {
    const url = path.startsWith("http") ? path : `${base(sandbox, "provider/system-access")}/${path}`;
    return fetch(url, {
      headers: {
        ...bearer(tokens.get(sandbox) ?? ""),
        ...(form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
      },
      ...(form === undefined ? {} : { method: "POST", body: form }),
    });
  };
  return {
    sandbox: wrong,
    wrong: (path: string, form?: string) => send(wrong, path, form),
    right: (path: string, form?: string) => send(right, path, form),
    both: async (path: string, form?: string) => {
      return {
        wrong: await json<Bundle>(await send(wrong, path, form)),
        right: await json<Bundle>(await send(right, path, form)),
      };
    },
    applied: () => wrong.faults[0]?.applied ?? 0,
  };
}

const ids = (bundle: Bundle) => (bundle.entry ?? []).map((entry) => entry.resource.id);
const PATIENT = "patient=riverbend-patient-2";

describe("a fault of searches", () => {
  it.each([
    ["Condition", "category", `${PATIENT}&category=encounter-diagnosis`],
    ["Encounter", "date", `${PATIENT}&date=lt2020`],
    ["Coverage", "patient", PATIENT],
    ["Patient", "name", "name=nobody-has-this"],
    ["Location", "address-city", "address-city=Oldbridge"],
  ])("adds a wrong match of %s for %s, by GET and by POST", async (type, parameter, query) => {
    const { both, wrong, applied } = await compare("wrongMatch", { type, parameter });
    const answers = await both(`${type}?${query}`);
    expect(answers.wrong.total).toBe(answers.right.total + 1);
    const added = ids(answers.wrong).filter((id) => !ids(answers.right).includes(id));
    expect(added).toHaveLength(1);
    const posted = await json<Bundle>(await wrong(`${type}/_search`, query));
    expect(ids(posted)).toEqual(ids(answers.wrong));
    expect(applied()).toBe(2);
  });

  it("concerns the combination that was meant, and no other", async () => {
    const { both } = await compare("dropMatch", {
      type: "Observation",
      parameter: "patient+category",
      exactly: true,
    });
    const meant = await both(`Observation?${PATIENT}&category=laboratory&_count=50`);
    expect(meant.wrong.total).toBe(meant.right.total - 1);
    for (const query of [PATIENT, `${PATIENT}&category=laboratory&date=gt2020`]) {
      const { wrong, right } = await both(`Observation?${query}`);
      expect(ids(wrong)).toEqual(ids(right));
    }
    const other = await both(`Condition?${PATIENT}&category=problem-list-item`);
    expect(ids(other.wrong)).toEqual(ids(other.right));
  });

  it("shows another patient's resource", async () => {
    const { both } = await compare("foreignPatient", { type: "Goal" });
    const { wrong, right } = await both(`Goal?${PATIENT}`);
    const foreign = (wrong.entry ?? []).find((entry) => !ids(right).includes(entry.resource.id));
    expect(foreign?.resource["subject"]).not.toEqual({ reference: "Patient/riverbend-patient-2" });
  });

  it("ignores a parameter, changes its value, and heeds the first only", async () => {
    const ignoring = await compare("ignoreParameter", { type: "Condition", parameter: "category" });
    const ignored = await ignoring.both(`Condition?${PATIENT}&category=encounter-diagnosis`);
    expect(ignored.wrong.total).toBeGreaterThan(ignored.right.total);

    const comparing = await compare("changeValue", {
      type: "Encounter",
      parameter: "date",
      pattern: "^(gt|ge|lt|le)",
      replacement: "",
    });
    const compared = await comparing.both(`Encounter?${PATIENT}&date=gt2000`);
    expect(compared.right.total).toBeGreaterThan(0);
    expect(compared.wrong.total).toBe(0);

    const either = await compare("heedFirst", { type: "Encounter", parameter: "status", of: "or" });
    const alternatives = await either.both(`Encounter?${PATIENT}&status=planned,finished`);
    expect(alternatives.wrong.total).toBe(1);
    expect(alternatives.right.total).toBeGreaterThan(1);

    const each = await compare("heedFirst", { type: "Encounter", parameter: "date", of: "and" });
    const both = await each.both(`Encounter?${PATIENT}&date=gt2000&date=lt2001`);
    expect(both.right.total).toBe(0);
    expect(both.wrong.total).toBeGreaterThan(0);
  });

  it("finds nothing, or says so by an error", async () => {
    const finding = await compare("findNothing", { type: "Goal", parameter: "patient" });
    const found = await finding.both(`Goal?${PATIENT}`);
    expect(found.wrong).toMatchObject({ total: 0 });
    expect(found.wrong.entry).toBeUndefined();
    const erring = await compare("emptyAsError");
    expect((await erring.wrong("Patient?name=nobody-has-this")).status).toBe(404);
    expect((await erring.wrong("Patient?name=o")).status).toBe(200);
  });

  it("accepts what cannot be read", async () => {
    const { wrong, right } = await compare("acceptInvalid", { type: "Encounter", parameter: "date" });
    expect((await right(`Encounter?${PATIENT}&date=yesterday`)).status).toBe(400);
    expect((await wrong(`Encounter?${PATIENT}&date=yesterday`)).status).toBe(200);
  });

  it("leaves out what was to be included", async () => {
    const { both } = await compare("withoutIncluded", { type: "Goal", of: "Provenance" });
    const { wrong, right } = await both(`Goal?${PATIENT}&_revinclude=Provenance:target`);
    expect(ids(right).length).toBe(2 * ids(wrong).length);
    expect(wrong.total).toBe(right.total);
  });

  it.each([
    ["losePage", (seen: string[], all: number) => seen.length < all],
    ["repeatPage", (seen: string[]) => new Set(seen).size < seen.length],
    ["endlessPages", (seen: string[], all: number) => seen.length > all + 5],
  ] as const)("%s makes paging wrong", async (behaviour, isWrong) => {
    const { both, wrong } = await compare(behaviour, { type: "Condition" });
    const seen: string[] = [];
    const { right } = await both("Condition?_count=5");
    let url: string | undefined = "Condition?_count=5";
    for (let page = 0; url !== undefined && page < 20; page += 1) {
      const bundle: Bundle = await json<Bundle>(await wrong(url));
      seen.push(...ids(bundle));
      url = bundle.link.find((link) => link.relation === "next")?.url;
    }
    expect(isWrong(seen, right.total)).toBe(true);
  });
});

describe("a fault of resources", () => {
  it.each([
    ["us-core-blood-pressure", "component:systolic.code", /Systolic/],
    ["us-core-patient", "extension:race", /us-core-race/],
    ["us-core-condition-problems-health-concerns", "onset[x]:dateTime", /onsetDateTime/],
    ["us-core-questionnaireresponse", "questionnaire.extension:url", /us-core-extension-questionnaire-uri/],
    [
      "us-core-careteam",
      "participant.member:http://hl7.org/fhir/us/core/StructureDefinition/us-core-practitioner",
      /"member"/,
    ],
    ["us-core-documentreference", "content.attachment.url", /Binary\//],
  ])("drops an element of %s: %s", async (profile, path, sign) => {
    const { both, wrong, right } = await compare("dropElement", { profile, path });
    const types = {
      "us-core-blood-pressure": "Observation",
      "us-core-patient": "Patient",
      "us-core-condition-problems-health-concerns": "Condition",
      "us-core-questionnaireresponse": "QuestionnaireResponse",
      "us-core-careteam": "CareTeam",
      "us-core-documentreference": "DocumentReference",
    }[profile];
    const answers = await both(`${types}?_count=200`);
    const ofProfile = ({ entry = [] }: Bundle) =>
      entry.filter(({ resource }) => resource.meta.profile?.some((url) => url.endsWith(`/${profile}`)));
    expect(JSON.stringify(ofProfile(answers.right))).toMatch(sign);
    expect(ofProfile(answers.wrong)).toHaveLength(ofProfile(answers.right).length);
    expect(JSON.stringify(ofProfile(answers.wrong))).not.toMatch(sign);
    const [first] = ofProfile(answers.right);
    const read = `${types}/${first?.resource.id ?? ""}`;
    expect(await (await wrong(read)).text()).not.toMatch(sign);
    expect((await right(read)).status).toBe(200);
  });

  it("sets an element, in searches only if so wanted, and of the first resource only", async () => {
    const { wrong } = await compare("changeElement", {
      type: "Patient",
      path: "gender",
      value: "unclear",
      in: "search",
      only: "first",
    });
    const bundle = await json<Bundle>(await wrong("Patient"));
    const genders = (bundle.entry ?? []).map(({ resource }) => resource["gender"]);
    expect(genders.filter((gender) => gender === "unclear")).toHaveLength(1);
    expect(await json(await wrong("Patient/riverbend-patient-1"))).not.toMatchObject({ gender: "unclear" });
  });

  it("makes a resource invalid", async () => {
    const { wrong } = await compare("changeElement", { type: "Patient" });
    expect(await (await wrong("Patient/riverbend-patient-1")).text()).toContain("thereIsNoSuchElement");
  });

  it("breaks a reference", async () => {
    const missing = await compare("breakReference", { type: "Encounter", path: "participant.individual" });
    expect(await (await missing.wrong("Encounter/riverbend-encounter-1")).text()).toContain(
      "Practitioner/there-is-none",
    );
    const wrongType = await compare("breakReference", {
      profile: "us-core-encounter",
      path: "location.location",
      to: "wrong-type",
    });
    expect(await (await wrongType.wrong("Encounter/riverbend-encounter-1")).text()).toContain(
      '"location":{"reference":"Organization/riverbend-organization-1"}',
    );
  });
});
