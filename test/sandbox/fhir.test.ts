import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import { base, bearer, exchange, HARBOR, json, logIn, systemToken } from "./client.ts";

interface Resource {
  resourceType: string;
  id: string;
  [member: string]: unknown;
}

interface Bundle {
  total: number;
  link: { relation: string; url: string }[];
  entry?: { fullUrl: string; resource: Resource; search: { mode: string } }[];
}

let sandbox: Sandbox;
let system: string;
let api: string;
beforeAll(async () => {
  sandbox = await startSandbox({ patients: 12 });
  system = await systemToken(sandbox, { scope: "system/*.cruds" });
  api = base(sandbox, "provider/system-access");
});
afterAll(() => sandbox.close());

const ask = (path: string, token = system, headers: Record<string, string> = {}) =>
  fetch(`${api}/${path}`, { headers: { ...bearer(token), ...headers } });
const search = async (path: string) => json<Bundle>(await ask(path));
const ids = (bundle: Bundle) => (bundle.entry ?? []).map((each) => each.resource.id);

async function userToken(scope: string, user = "riverbend-patient", patient?: string) {
  const login = await logIn(sandbox, { scope, user, ...(patient === undefined ? {} : { patient }) });
  const { access_token: token } = await json<{ access_token: string }>(await exchange(sandbox, login));
  return token;
}

describe("a token at the API", () => {
  it.each<[string, Record<string, string>]>([
    ["none", {}],
    ["garbage", { authorization: "Bearer garbage" }],
    ["another scheme", { authorization: "Basic Z2FyYmFnZQ==" }],
  ])("is refused with 401 and an OperationOutcome: %s", async (_name, headers) => {
    const response = await fetch(`${api}/Patient`, { headers });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer /);
    expect(await json(response)).toMatchObject({
      resourceType: "OperationOutcome",
      issue: [{ code: "security" }],
    });
  });

  it("does not work in the query", async () => {
    expect((await fetch(`${api}/Patient?access_token=${system}`)).status).toBe(401);
  });

  it("works at the API and tenant it was issued for only", async () => {
    const elsewhere = [
      base(sandbox, "provider/patient-access"),
      base(sandbox, "payer/system-access"),
      base(sandbox, "provider/system-access", HARBOR),
      `${sandbox.origin}/uscore/v1`,
    ];
    for (const url of elsewhere) {
      expect((await fetch(`${url}/Patient`, { headers: bearer(system) })).status, url).toBe(401);
    }
  });
});

describe("scopes", () => {
  it("permit reading and searching apart, type by type", async () => {
    const readOnly = await systemToken(sandbox, { scope: "system/Patient.r" });
    expect((await ask("Patient/riverbend-patient-1", readOnly)).status).toBe(200);
    expect((await ask("Patient", readOnly)).status).toBe(403);
    const searchOnly = await systemToken(sandbox, { scope: "system/Patient.s" });
    expect((await ask("Patient", searchOnly)).status).toBe(200);
    const refused = await ask("Patient/riverbend-patient-1", searchOnly);
    expect(refused.status).toBe(403);
    expect(await json(refused)).toMatchObject({ issue: [{ code: "forbidden" }] });
    expect((await ask("Observation", searchOnly)).status).toBe(403);
  });

  it("mean the same in both syntaxes", async () => {
    for (const scope of ["system/Patient.read", "system/Patient.rs", "system/*.*", "system/*.cruds"]) {
      const token = await systemToken(sandbox, { scope });
      expect((await ask("Patient/riverbend-patient-1", token)).status, scope).toBe(200);
      expect((await ask("Patient", token)).status, scope).toBe(200);
    }
  });

  it("confine a granular token to what its search names, also by id and by posted search", async () => {
    const category = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs";
    const token = await systemToken(sandbox, { scope: `system/Observation.rs?category=${category}` });
    const all = await json<Bundle>(await ask("Observation?patient=riverbend-patient-1", token));
    expect(all.total).toBe(26);
    expect((await ask("Observation/riverbend-observation-glucose-1", token)).status).toBe(403);
    expect((await ask("Observation/riverbend-observation-heart-rate-1", token)).status).toBe(200);
    const laboratory = await json<Bundle>(await ask("Observation?category=laboratory", token));
    expect(laboratory.total).toBe(0);
  });

  it("do not let an include show a type that they do not name", async () => {
    const token = await systemToken(sandbox, { scope: "system/Observation.rs" });
    const bundle = await json<Bundle>(
      await ask("Observation?patient=riverbend-patient-1&_revinclude=Provenance:target", token),
    );
    expect(new Set((bundle.entry ?? []).map((each) => each.resource.resourceType))).toEqual(
      new Set(["Observation"]),
    );
  });

  it("confine a patient's token to that patient, for every type", async () => {
    const token = await userToken("openid launch/patient patient/*.rs");
    const patientApi = base(sandbox);
    for (const type of [
      "Patient",
      "Observation",
      "Condition",
      "Encounter",
      "Coverage",
      "AllergyIntolerance",
      "Provenance",
    ]) {
      const bundle = await json<Bundle>(await fetch(`${patientApi}/${type}`, { headers: bearer(token) }));
      expect(bundle.total, type).toBeGreaterThan(0);
      expect(
        ids(bundle).every((id) => id.includes("-1-") || id.endsWith("-1")),
        type,
      ).toBe(true);
    }
    const other = await fetch(`${patientApi}/Patient/riverbend-patient-2`, { headers: bearer(token) });
    expect(other.status).toBe(403);
    const byUser = await userToken("openid user/*.rs");
    const own = await json<Bundle>(await fetch(`${patientApi}/Patient`, { headers: bearer(byUser) }));
    expect(ids(own)).toEqual(["riverbend-patient-1"]);
  });

  it("show a practitioner's token all patients, and a launched one the chosen patient", async () => {
    const patientApi = base(sandbox);
    const all = await userToken("openid user/*.rs", "riverbend-practitioner");
    expect((await json<Bundle>(await fetch(`${patientApi}/Patient`, { headers: bearer(all) }))).total).toBe(
      12,
    );
    const one = await userToken(
      "openid launch/patient patient/*.rs",
      "riverbend-practitioner",
      "riverbend-patient-7",
    );
    expect(ids(await json<Bundle>(await fetch(`${patientApi}/Patient`, { headers: bearer(one) })))).toEqual([
      "riverbend-patient-7",
    ]);
  });
});

describe("reading", () => {
  it("gives a resource with its version, and 304 to who has it", async () => {
    const response = await ask("Patient/riverbend-patient-1");
    expect(response.headers.get("etag")).toBe('W/"1"');
    expect(response.headers.get("last-modified")).toMatch(/GMT$/);
    const again = await ask("Patient/riverbend-patient-1", system, { "if-none-match": 'W/"1"' });
    expect(again.status).toBe(304);
  });

  it("gives versions and the history", async () => {
    expect((await ask("Patient/riverbend-patient-1/_history/1")).status).toBe(200);
    expect((await ask("Patient/riverbend-patient-1/_history/2")).status).toBe(404);
    expect((await search("Patient/riverbend-patient-1/_history")).total).toBe(1);
  });

  it("gives 404 for an unknown id or type, 405 for what is not offered, 501 for an unknown operation", async () => {
    expect((await ask("Patient/nobody")).status).toBe(404);
    expect((await ask("Account/1")).status).toBe(404);
    const put = await fetch(`${api}/Patient/riverbend-patient-1`, {
      method: "PUT",
      headers: bearer(system),
      body: "{}",
    });
    expect(put.status).toBe(405);
    expect((await ask("Patient/riverbend-patient-1/$everything")).status).toBe(501);
  });

  it("has no id of one tenant at another", async () => {
    const token = await systemToken(sandbox, { id: "harbor-system-es384", tenant: HARBOR });
    const harbor = base(sandbox, "provider/system-access", HARBOR);
    expect((await fetch(`${harbor}/Patient/riverbend-patient-1`, { headers: bearer(token) })).status).toBe(
      404,
    );
    expect((await fetch(`${harbor}/Patient/harbor-patient-1`, { headers: bearer(token) })).status).toBe(200);
  });
});

describe("searching", () => {
  it("pages without loss and without repeating", async () => {
    const seen: string[] = [];
    let url: string | undefined = `${api}/Observation?_count=50`;
    let total = 0;
    while (url !== undefined) {
      const bundle: Bundle = await json<Bundle>(await fetch(url, { headers: bearer(system) }));
      total = bundle.total;
      seen.push(...ids(bundle));
      url = bundle.link.find((link) => link.relation === "next")?.url;
    }
    expect(total).toBeGreaterThan(500);
    expect(seen).toHaveLength(total);
    expect(new Set(seen).size).toBe(total);
  });

  it("is the same by GET and by POST", async () => {
    const form = new URLSearchParams({ patient: "riverbend-patient-3", category: "vital-signs" });
    const posted = await fetch(`${api}/Observation/_search`, {
      method: "POST",
      headers: bearer(system),
      body: form,
    });
    expect(await json(posted)).toEqual(await search(`Observation?${form.toString()}`));
  });

  it.each<[string, string, string]>([
    ["Observation", "patient=Patient/riverbend-patient-3", "patient=riverbend-patient-3"],
    [
      "Observation",
      "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
      "category=laboratory",
    ],
    ["Observation", "code=8867-4,2339-0", "code=http://loinc.org|8867-4,http://loinc.org|2339-0"],
    ["Patient", "gender=female,male,other,unknown", "_id:missing=false"],
    ["Condition", "patient:Patient=riverbend-patient-2", "patient=riverbend-patient-2"],
  ])("%s: %s is %s", async (type, one, other) => {
    const first = await search(`${type}?${one}`);
    expect(first.total).toBeGreaterThan(0);
    expect(ids(first)).toEqual(ids(await search(`${type}?${other}`)));
  });

  it("compares dates by precision and prefix", async () => {
    const [first] = (await search("Observation?_count=1")).entry ?? [];
    const at = String(first?.resource["effectiveDateTime"]);
    const id = first?.resource.id ?? "";
    const day = at.slice(0, 10);
    for (const query of [
      `date=${day}`,
      `date=ge${day}&date=le${day}`,
      `date=${at}`,
      `date=lt2030`,
      `date=sa2020`,
      `date=${day.slice(0, 7)}`,
    ]) {
      expect(ids(await search(`Observation?_id=${id}&${query}`)), query).toEqual([id]);
    }
    for (const query of [`date=gt${day}`, `date=lt${day}`, `date=ne${day}`, "date=1999", "date=eb2020"]) {
      expect(ids(await search(`Observation?_id=${id}&${query}`)), query).toEqual([]);
    }
  });

  it("finds names by their beginning, exactly, and inside", async () => {
    const [first] = (await search("Patient?_id=riverbend-patient-1")).entry ?? [];
    const [name] = (first?.resource["name"] ?? []) as { family: string }[];
    const family = name?.family ?? "";
    for (const query of [
      `family=${family.slice(0, 3).toUpperCase()}`,
      `name=${family}`,
      `family:exact=${family}`,
      `family:contains=${family.slice(1, 4)}`,
    ]) {
      expect(ids(await search(`Patient?${query}`)), query).toContain("riverbend-patient-1");
    }
    expect((await search(`Patient?family:exact=${family.toLowerCase()}`)).total).toBe(0);
  });

  it("adds the provenance of what it found", async () => {
    const bundle = await search("Condition?patient=riverbend-patient-1&_revinclude=Provenance:target");
    const modes = (bundle.entry ?? []).map((each) => `${each.resource.resourceType} ${each.search.mode}`);
    expect(modes).toEqual([
      ...Array.from({ length: 4 }, () => "Condition match"),
      ...Array.from({ length: 4 }, () => "Provenance include"),
    ]);
    expect(bundle.total).toBe(4);
  });

  it("answers a search without a match with an empty Bundle", async () => {
    const bundle = await search("Patient?identifier=nobody");
    expect(bundle).toMatchObject({ total: 0 });
    expect(bundle.entry).toBeUndefined();
  });

  it.each([
    "Observation?date=yesterday",
    "Observation?date=2025-02-30",
    "Patient?_count=many",
    "Patient?family:fuzzy=x",
    "Patient?family=",
  ])("refuses %s", async (query) => {
    const response = await ask(query);
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({ issue: [{ code: "invalid" }] });
  });

  it("ignores an unknown parameter, or refuses it when asked to be strict", async () => {
    expect((await search("Patient?shoe-size=42")).total).toBe(12);
    expect((await ask("Patient?shoe-size=42", system, { prefer: "handling=strict" })).status).toBe(400);
  });
});

describe("creating and operations", () => {
  it("creates a document reference that can be read and found by $docref", async () => {
    const created = await fetch(`${api}/DocumentReference`, {
      method: "POST",
      headers: { ...bearer(system), "content-type": "application/fhir+json" },
      body: JSON.stringify({
        resourceType: "DocumentReference",
        status: "current",
        subject: { reference: "Patient/riverbend-patient-5" },
        content: [{ attachment: { contentType: "text/plain", data: "aGVsbG8=" } }],
      }),
    });
    expect(created.status).toBe(201);
    const location = created.headers.get("location") ?? "";
    expect((await fetch(location, { headers: bearer(system) })).status).toBe(200);
    const { total } = await search("DocumentReference/$docref?patient=riverbend-patient-6");
    expect((await search("DocumentReference/$docref?patient=riverbend-patient-5")).total).toBe(total + 1);
  });

  it("refuses to create what is not the type, or for nobody", async () => {
    const create = (body: unknown) =>
      fetch(`${api}/DocumentReference`, {
        method: "POST",
        headers: bearer(system),
        body: JSON.stringify(body),
      });
    expect((await create({ resourceType: "Patient" })).status).toBe(422);
    expect(
      (await create({ resourceType: "DocumentReference", subject: { reference: "Patient/nobody" } })).status,
    ).toBe(422);
    expect(
      (await fetch(`${api}/DocumentReference`, { method: "POST", headers: bearer(system), body: "{" }))
        .status,
    ).toBe(400);
  });

  it("expands the note types", async () => {
    const answer = await ask("ValueSet/$expand?context=DocumentReference.type&contextdirection=incoming");
    expect(await json(answer)).toMatchObject({ resourceType: "ValueSet", expansion: { total: 5 } });
  });
});

const patientOfSeed = async (seed: number) => {
  const own = await startSandbox({ seed, patients: 3 });
  try {
    const token = await systemToken(own);
    const url = `${base(own, "provider/system-access")}/Patient/riverbend-patient-2`;
    return await json(await fetch(url, { headers: bearer(token) }));
  } finally {
    await own.close();
  }
};

describe("the data", () => {
  it("is the same for the same seed, and other for another", async () => {
    const first = await patientOfSeed(7);
    expect(await patientOfSeed(7)).toEqual(first);
    expect(await patientOfSeed(8)).not.toEqual(first);
  });
});
