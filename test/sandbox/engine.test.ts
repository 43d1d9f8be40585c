import { Fhir } from "fhir";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import { base, bearer, exchange, json, logIn, systemToken } from "./client.ts";

interface Resource {
  resourceType: string;
  id: string;
  [member: string]: unknown;
}

interface Bundle {
  resourceType: string;
  total: number;
  link: { relation: string; url: string }[];
  entry?: { resource: Resource; search: { mode: string }; request?: { method: string } }[];
}

let sandbox: Sandbox;
let token: string;
let api: string;
beforeAll(async () => {
  sandbox = await startSandbox({ patients: 12 });
  token = await systemToken(sandbox);
  api = base(sandbox, "provider/system-access");
});
afterAll(() => sandbox.close());

const ask = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${api}/${path}`, { headers: { ...bearer(token), ...headers } });
const search = async (path: string) => json<Bundle>(await ask(path));
const ids = (bundle: Bundle) => (bundle.entry ?? []).map((entry) => entry.resource.id);

describe("a token", () => {
  it.each([
    ["Encounter", "status=finished", "status=http://hl7.org/fhir/encounter-status|finished", true],
    ["Encounter", "status=finished", "status=urn:other|finished", false],
    ["Encounter", "status=finished", "status=|finished", false],
    ["Patient", "gender=female", "gender=http://hl7.org/fhir/administrative-gender|female", true],
    ["Encounter", "class=AMB", "class=http://terminology.hl7.org/CodeSystem/v3-ActCode|AMB", true],
    ["Encounter", "class=AMB", "class=urn:other|AMB", false],
    ["Condition", "code=35489007", "code=http://snomed.info/sct|35489007", true],
    ["Patient", "_id=riverbend-patient-2", "_id=|riverbend-patient-2", true],
    ["Encounter", "identifier=E3", "identifier=https://riverbend.example/encounters|E3", true],
  ])("of %s: %s and %s find the same: %s", async (type, bare, full, isSame) => {
    const found = ids(await search(`${type}?${bare}`));
    expect(found.length).toBeGreaterThan(0);
    expect(ids(await search(`${type}?${full}`))).toEqual(isSame ? found : []);
  });

  it("is any of a system that is named alone", async () => {
    expect((await search("Encounter?identifier=https://riverbend.example/encounters|")).total).toBe(36);
    expect((await ask("Encounter?identifier=|")).status).toBe(400);
  });

  it("is escaped where it has a comma or a bar", async () => {
    expect((await search(String.raw`Encounter?identifier=E3\,E4`)).total).toBe(0);
    expect((await search("Encounter?identifier=E3,E4")).total).toBe(2);
  });
});

describe("a date", () => {
  // The stay of patient 1 lasts five days; that of patient 4 has not ended.
  it.each<[prefix: string, whole: boolean, within: boolean, before: boolean, after: boolean]>([
    // The year of the stay, a moment within it, the day before it, the day after it.
    ["eq", true, false, false, false],
    ["ne", false, true, true, true],
    ["gt", false, true, true, false],
    ["lt", false, true, false, true],
    ["ge", true, true, true, false],
    ["le", true, true, false, true],
    ["sa", false, false, true, false],
    ["eb", false, false, false, true],
  ])("compares a period by %s", async (prefix, ...expected) => {
    const stay = await json<Resource>(await ask("Encounter/riverbend-encounter-stay-1"));
    const { start, end } = stay["period"] as { start: string; end: string };
    const shift = (at: string, days: number) =>
      new Date(Date.parse(at) + days * 86_400_000).toISOString().slice(0, 10);
    const asked = [start.slice(0, 4), shift(start, 2), shift(start, -2), shift(end, 2)];
    for (const [index, at] of asked.entries()) {
      const found = await search(`Encounter?_id=riverbend-encounter-stay-1&date=${prefix}${at}`);
      expect(found.total === 1, `${prefix}${at} of ${start} to ${end}`).toBe(expected[index]);
    }
  });

  it("is open where a period has no end", async () => {
    const stay = "Encounter?_id=riverbend-encounter-stay-4";
    expect((await search(`${stay}&date=gt2090`)).total).toBe(1);
    expect((await search(`${stay}&date=2025`)).total).toBe(0);
  });

  it("is all of the time that its precision covers", async () => {
    const past = "Condition?_id=riverbend-condition-past-1";
    for (const [query, total] of [
      ["onset-date=2019", 1],
      ["onset-date=2019-03", 0],
      ["onset-date=ge2019-03", 1],
      ["onset-date=lt2019-03", 1],
      ["onset-date=ne2019-03", 1],
      ["onset-date=sa2018-12-31", 1],
    ] as const) {
      expect((await search(`${past}&${query}`)).total, query).toBe(total);
    }
  });

  it("may be when a resource was changed", async () => {
    const { total } = await search("Patient?_lastUpdated=gt2026-01-01");
    expect(total).toBe(12);
    expect((await search("Patient?_lastUpdated=gt2026-02-01")).total).toBe(0);
  });
});

describe("a string", () => {
  it("is found whatever its accents and capitals", async () => {
    const all = await search("Patient?_count=50");
    const named = (all.entry ?? []).filter(({ resource }) =>
      JSON.stringify(resource["name"]).includes("Zoë"),
    );
    expect(named.length).toBeGreaterThan(0);
    for (const query of ["given=zoe", "given=ZOË", "name=Zo"]) {
      expect(ids(await search(`Patient?${query}`))).toEqual(
        expect.arrayContaining(named.map((e) => e.resource.id)),
      );
    }
    expect((await search("Patient?given:exact=zoe")).total).toBe(0);
  });

  it("is any part of an address", async () => {
    for (const query of ["address=old", "address=100", "address-postalcode=640", "address-state=mo"]) {
      expect((await search(`Location?${query}`)).total, query).toBeGreaterThan(0);
    }
  });
});

describe("what is included", () => {
  it.each([
    ["CareTeam", "CareTeam:participant:Practitioner", "Practitioner"],
    ["CareTeam", "CareTeam:participant:PractitionerRole", "PractitionerRole"],
    ["CareTeam", "CareTeam:participant:RelatedPerson", "RelatedPerson"],
    ["MedicationRequest", "MedicationRequest:medication", "Medication"],
    ["MedicationDispense", "MedicationDispense:medication", "Medication"],
    ["PractitionerRole", "PractitionerRole:endpoint", "Endpoint"],
  ])("of %s by %s is a %s", async (type, include, included) => {
    const bundle = await search(`${type}?_include=${include}`);
    const types = new Set(
      (bundle.entry ?? []).filter((e) => e.search.mode === "include").map((e) => e.resource.resourceType),
    );
    expect([...types]).toEqual([included]);
  });

  it("is nothing, or an error when asked to be strict, where it is not offered", async () => {
    const query = "Goal?_include=Goal:addresses&patient=riverbend-patient-1";
    expect((await search(query)).entry?.every((entry) => entry.search.mode === "match")).toBe(true);
    expect((await ask(query, { prefer: "handling=strict" })).status).toBe(400);
    expect((await ask("Goal?_include=addresses")).status).toBe(400);
  });
});

describe("a search", () => {
  it.each([
    "Observation?patient.name=x",
    "Observation?subject:Patient.name=x",
    "Patient?_has:Observation:patient:code=1",
    "Patient?_count=-1",
    "Patient?_summary=short",
    "Patient?gender=female,",
    "Encounter?date=gt",
    "Patient?birthdate=31.12.1999",
  ])("is refused: %s", async (query) => {
    const response = await ask(query);
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({ resourceType: "OperationOutcome" });
  });

  it("may be chained where that is offered", async () => {
    const all = await search("Practitioner");
    const first = all.entry?.[0]?.resource ?? { resourceType: "none", id: "none" };
    const [identifier] = first["identifier"] as { system: string; value: string }[];
    const [name] = first["name"] as { family: string }[];
    const role = "riverbend-practitioner-role-1";
    for (const query of [
      `practitioner.identifier=${identifier?.system}|${identifier?.value}`,
      `practitioner.identifier=${identifier?.value}`,
      `practitioner.name=${name?.family.slice(0, 3)}`,
      `practitioner:Practitioner.name=${name?.family}`,
      `practitioner.name:exact=${name?.family}`,
    ]) {
      expect(ids(await search(`PractitionerRole?${query}`)), query).toEqual([role]);
    }
    const narrow = await systemToken(sandbox, { scope: "system/PractitionerRole.rs" });
    const answer = await fetch(`${api}/PractitionerRole?practitioner.name=o`, { headers: bearer(narrow) });
    expect(await json(answer)).toMatchObject({ total: 0 });
    for (const query of ["practitioner.active=true", "practitioner:Patient.name=o", "organization.name=o"]) {
      expect((await ask(`PractitionerRole?${query}`)).status, query).toBe(400);
    }
  });

  it("may ask for the number only", async () => {
    for (const query of ["_summary=count", "_count=0"]) {
      const bundle = await search(`Patient?${query}`);
      expect(bundle.total).toBe(12);
      expect(bundle.entry).toBeUndefined();
    }
  });

  it("says in its link what it understood", async () => {
    const { link } = await search("Patient?shoe-size=42&gender=female&_sort=birthdate");
    expect(link).toEqual([{ relation: "self", url: `${api}/Patient?gender=female` }]);
  });

  it("may need a status, and says so", async () => {
    const other = await startSandbox({
      patients: 2,
      faults: ["test.status"],
      furtherFaults: [
        {
          id: "test.status",
          description: "A status is needed.",
          trips: [],
          change: [{ setting: "statusRequiredTypes", value: "*" }],
        },
      ],
    });
    try {
      const headers = bearer(await systemToken(other));
      const at = base(other, "provider/system-access");
      const patient = "patient=riverbend-patient-1";
      expect((await fetch(`${at}/Encounter?${patient}`, { headers })).status).toBe(400);
      expect((await fetch(`${at}/Encounter?${patient}&status=finished,planned`, { headers })).status).toBe(
        200,
      );
      expect((await fetch(`${at}/Encounter?_id=riverbend-encounter-1`, { headers })).status).toBe(200);
      expect((await fetch(`${at}/Patient`, { headers })).status).toBe(200);
    } finally {
      await other.close();
    }
  });
});

describe("reading", () => {
  it("gives earlier versions", async () => {
    const now = await ask("MedicationRequest/riverbend-prescription-coded-1");
    expect(now.headers.get("etag")).toBe('W/"2"');
    expect(await json(now)).toMatchObject({ status: "completed" });
    const before = await ask("MedicationRequest/riverbend-prescription-coded-1/_history/1");
    expect(await json(before)).toMatchObject({ status: "active", meta: { versionId: "1" } });
    const history = await search("MedicationRequest/riverbend-prescription-coded-1/_history");
    expect((history.entry ?? []).map((entry) => entry.request?.method)).toEqual(["PUT", "POST"]);
  });

  it("says that a resource was deleted, to whom may know of it", async () => {
    const path = "Observation/riverbend-observation-withdrawn-1";
    expect((await ask(path)).status).toBe(410);
    const history = await search(`${path}/_history`);
    expect((history.entry ?? []).map((entry) => entry.request?.method)).toEqual(["DELETE"]);
    const login = await logIn(sandbox, {
      scope: "openid launch/patient patient/*.rs",
      user: "riverbend-patient-2",
    });
    const { access_token: own } = await json<{ access_token: string }>(await exchange(sandbox, login));
    expect((await fetch(`${base(sandbox)}/${path}`, { headers: bearer(own) })).status).toBe(404);
  });

  it("gives an attachment as what it is, or as a resource", async () => {
    const report = await json<Resource>(await ask("DiagnosticReport/riverbend-report-cardiology-1"));
    const [form] = report["presentedForm"] as { url: string; contentType: string }[];
    expect(form?.url).toMatch(new RegExp(`^${api}/Binary/`));
    const at = form?.url.slice(api.length + 1) ?? "";
    const native = await ask(at);
    expect(native.headers.get("content-type")).toBe(form?.contentType);
    const text = await native.text();
    const resource = await json<{ data: string }>(await ask(at, { accept: "application/fhir+json" }));
    expect(Buffer.from(resource.data, "base64").toString()).toBe(text);
    expect((await ask(at, { accept: "image/png" })).status).toBe(406);
    expect((await ask(`${at}?_format=json`)).headers.get("content-type")).toMatch(/fhir\+json/);
    const other = at.replace(/-1$/, "-2");
    const login = await logIn(sandbox, { scope: "openid launch/patient patient/*.rs" });
    const { access_token: own } = await json<{ access_token: string }>(await exchange(sandbox, login));
    expect((await fetch(`${base(sandbox)}/${other}`, { headers: bearer(own) })).status).toBe(403);
  });

  it("finds documents by type and time", async () => {
    const all = await search("DocumentReference/$docref?patient=riverbend-patient-1");
    expect((all.entry ?? []).every(({ resource }) => resource["status"] === "current")).toBe(true);
    const type = "http://loinc.org|18842-5";
    const discharge = await search(`DocumentReference/$docref?patient=riverbend-patient-1&type=${type}`);
    expect(ids(discharge)).toEqual(["riverbend-document-discharge-1"]);
    const posted = await fetch(`${api}/DocumentReference/$docref`, {
      method: "POST",
      headers: { ...bearer(token), "content-type": "application/fhir+json" },
      body: JSON.stringify({
        resourceType: "Parameters",
        parameter: [
          { name: "patient", valueId: "riverbend-patient-1" },
          {
            name: "type",
            valueCodeableConcept: { coding: [{ system: "http://loinc.org", code: "18842-5" }] },
          },
          { name: "end", valueDate: "2090-01-01" },
        ],
      }),
    });
    expect(ids(await json<Bundle>(posted))).toEqual(ids(discharge));
    const none = "DocumentReference/$docref?patient=riverbend-patient-1&start=2090-01-01";
    expect((await search(none)).total).toBe(0);
    expect((await ask("DocumentReference/$docref")).status).toBe(400);
    expect((await ask("DocumentReference/$docref?patient=riverbend-patient-1&start=soon")).status).toBe(400);
  });

  it("says the same in XML as in JSON, of every type", async () => {
    const fhir = new Fhir();
    const types =
      "AllergyIntolerance CarePlan CareTeam Condition Coverage Device DiagnosticReport DocumentReference Encounter " +
      "Goal Immunization MedicationDispense MedicationRequest Observation Procedure QuestionnaireResponse " +
      "RelatedPerson ServiceRequest Specimen";
    // The reader of XML does not know every number for one.
    const numbersAsTexts = (value: unknown): unknown =>
      JSON.parse(
        JSON.stringify(value, (_key, member: unknown) => (typeof member === "number" ? `${member}` : member)),
      );
    for (const type of types.split(" ")) {
      const query = `${type}?patient=riverbend-patient-1&_revinclude=Provenance:target`;
      const inXml = await (await ask(query, { accept: "application/fhir+xml" })).text();
      expect(numbersAsTexts(fhir.xmlToObj(inXml)), type).toEqual(numbersAsTexts(await search(query)));
    }
  });
});
