import { get } from "node:http";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import { ASSERTION_TYPE, assertion, base, bearer, json, post, systemToken } from "./client.ts";
import { exporter, type Line, type Manifest } from "./export-client.ts";

let sandbox: Sandbox;
let token: string;
let api: string;
let client: ReturnType<typeof exporter>;
beforeAll(async () => {
  sandbox = await startSandbox({ patients: 8 });
  token = await systemToken(sandbox);
  api = base(sandbox, "provider/system-access");
  client = exporter(api, token);
});
afterAll(() => sandbox.close());

const ids = (lines: readonly Line[]) => lines.map(({ id }) => id);
const of = (manifest: Manifest, type: string) => manifest.output.filter((output) => output.type === type);
const patientIds = (...numbers: number[]) => numbers.map((number) => `riverbend-patient-${number}`);

describe("a bulk export", () => {
  it("is started, followed, downloaded and deleted", async () => {
    const response = await client.kickOff("Group/riverbend-group-half/$export?_type=Patient,Observation");
    const status = response.headers.get("content-location") ?? "";
    const manifest = await client.finish(response);
    expect(manifest).toMatchObject({
      request: `${api}/Group/riverbend-group-half/$export?_type=Patient,Observation`,
      requiresAccessToken: true,
      deleted: [],
      error: [],
    });
    expect(ids(await client.lines(of(manifest, "Patient")))).toEqual(patientIds(1, 3, 5, 7));
    for (const item of manifest.output) {
      const resources = await client.lines([item]);
      expect(resources).toHaveLength(item.count);
      expect(resources.every((resource) => resource.resourceType === item.type)).toBe(true);
    }
    expect((await fetch(status, { method: "DELETE", headers: bearer(token) })).status).toBe(202);
    const gone = await fetch(status, { headers: bearer(token) });
    expect(gone.status).toBe(404);
    expect(await json(gone)).toMatchObject({ resourceType: "OperationOutcome" });
    expect((await client.download(manifest.output[0]?.url ?? "")).status).toBe(404);
  });

  it("is the same when it is started by POST", async () => {
    const manifest = await client.finish(
      await client.post("Patient/$export", [
        { name: "_type", valueString: "Condition" },
        { name: "_since", valueInstant: "2020-01-01T00:00:00Z" },
        { name: "patient", valueReference: { reference: "Patient/riverbend-patient-2" } },
      ]),
    );
    expect(manifest.request).toBe(`${api}/Patient/$export`);
    const subjects = (await client.lines(manifest.output)).map((one) => one["subject"]);
    expect(new Set(subjects.map((one) => JSON.stringify(one)))).toEqual(
      new Set([JSON.stringify({ reference: "Patient/riverbend-patient-2" })]),
    );
  });

  it("has only what is newer than _since, and everything on the level of the system", async () => {
    const newer = await client.finish(
      await client.kickOff("$export?_since=2026-01-11T00:00:00Z&_type=Patient,Practitioner"),
    );
    expect(newer.output.map((output) => output.type)).toEqual(["Patient"]);
    const all = await client.finish(await client.kickOff("$export"));
    expect(all.output.map((output) => output.type)).toEqual(
      expect.arrayContaining(["Group", "Organization", "Patient"]),
    );
  });

  it("tells what was deleted since, within its types and patients", async () => {
    const since = "_since=2026-01-01T00:00:00Z";
    const deleted = async (path: string) =>
      (await client.lines((await client.finish(await client.kickOff(path))).deleted)).flatMap(
        (bundle) => bundle["entry"],
      );
    expect(await deleted(`$export?${since}`)).toHaveLength(3);
    expect(await deleted(`Group/riverbend-group-half/$export?_type=Condition&${since}`)).toEqual([
      { request: { method: "DELETE", url: "Condition/riverbend-condition-withdrawn-3" } },
    ]);
    expect(await deleted("$export")).toEqual([]);
  });

  it("has what the queries of _typeFilter match, any of several", async () => {
    const filter = (query: string) => encodeURIComponent(query);
    const manifest = await client.finish(
      await client.kickOff(
        `Patient/$export?_type=Observation,Patient&_typeFilter=${filter("Observation?code=8867-4,Observation?code=29463-7&status=final")}` +
          `&_typeFilter=${filter("Patient?gender=female")}`,
      ),
    );
    const codes = (await client.lines(of(manifest, "Observation"))).map(
      (one) => (one["code"] as { coding: { code: string }[] }).coding[0]?.code,
    );
    expect(new Set(codes)).toEqual(new Set(["8867-4", "29463-7"]));
    const genders = (await client.lines(of(manifest, "Patient"))).map((one) => one["gender"]);
    expect(new Set(genders)).toEqual(new Set(["female"]));
  });

  it("has the elements asked for and the mandatory ones, and says that others are missing", async () => {
    const manifest = await client.finish(
      await client.kickOff("Patient/$export?_type=Patient,Condition&_elements=Patient.birthDate"),
    );
    const [patient] = await client.lines(of(manifest, "Patient"));
    expect(Object.keys(patient ?? {}).toSorted()).toEqual([
      "birthDate",
      "gender",
      "id",
      "identifier",
      "meta",
      "name",
      "resourceType",
    ]);
    expect(patient?.["meta"]).toMatchObject({ tag: [{ code: "SUBSETTED" }] });
    const [condition] = await client.lines(of(manifest, "Condition"));
    expect(condition).toHaveProperty("recordedDate");
  });

  it("has the provenance that includeAssociatedData asks for, of values that disagree the larger", async () => {
    const provenance = async (query: string) => {
      const manifest = await client.finish(await client.kickOff(`Patient/$export?${query}`));
      const lines = await client.lines(of(manifest, "Provenance"));
      return lines.flatMap((one) => (one["target"] as { reference: string }[]).map((each) => each.reference));
    };
    const relevant = "includeAssociatedData=RelevantProvenanceResources";
    const latest = "includeAssociatedData=LatestProvenanceResources";
    expect(await provenance("_type=Encounter")).toEqual([]);
    const targets = await provenance(`_type=Encounter&${relevant}`);
    expect(targets.length).toBeGreaterThan(0);
    expect(targets.every((target) => target.startsWith("Encounter/"))).toBe(true);
    const ofLatest = await provenance(`_type=Encounter&${latest}`);
    expect(new Set(ofLatest).size).toBe(ofLatest.length);
    expect(await provenance(`_type=Encounter&${relevant},LatestProvenanceResources`)).toEqual(targets);
  });

  it("splits a type into files of a size that is a setting", async () => {
    const small = await startSandbox({
      patients: 8,
      faults: ["test.small-files"],
      furtherFaults: [
        {
          id: "test.small-files",
          description: "Files have three resources at most.",
          trips: [],
          change: [{ setting: "exportFileResources", value: 3 }],
        },
      ],
    });
    const own = exporter(base(small, "provider/system-access"), await systemToken(small));
    const { output } = await own.finish(await own.kickOff("Patient/$export?_type=Patient"));
    expect(output.map(({ count }) => count)).toEqual([3, 3, 2]);
    expect(ids(await own.lines(output))).toEqual(patientIds(1, 2, 3, 4, 5, 6, 7, 8));
    await small.close();
  });

  it("goes on with less when leniency is preferred, and tells what it left out", async () => {
    const manifest = await client.finish(
      await client.kickOff("Patient/$export?_type=Patient,Account&_unknown=1", {
        prefer: "respond-async, handling=lenient",
      }),
    );
    expect(manifest.output.map(({ type }) => type)).toEqual(["Patient"]);
    const messages = await client.lines(manifest.error);
    expect(messages.map((one) => one.resourceType)).toEqual(["OperationOutcome", "OperationOutcome"]);
  });

  it.each<[string, string, Record<string, string>, number]>([
    ["without Prefer", "$export", { prefer: "" }, 400],
    ["for an answer in XML", "$export", { accept: "application/fhir+xml" }, 406],
    ["without a token", "$export", { authorization: "" }, 401],
    ["for an unknown group", "Group/nobody/$export", {}, 404],
    ["in a format that is not offered", "$export?_outputFormat=text/csv", {}, 400],
    ["since something that is no instant", "$export?_since=2026", {}, 400],
    ["since a day that there is not", "$export?_since=2026-02-30T00:00:00Z", {}, 400],
    ["of a type that is not there", "$export?_type=Account", {}, 400],
    ["of types outside the compartment", "Patient/$export?_type=Organization", {}, 400],
    [
      "with an unknown parameter, strictly",
      "$export?_unknown=1",
      { prefer: "respond-async, handling=strict" },
      400,
    ],
    ["with patients in the URL", "Patient/$export?patient=Patient/riverbend-patient-1", {}, 400],
    ["with elements below the root", "$export?_elements=Patient.name.family", {}, 400],
    ["with associated data that is not known", "$export?includeAssociatedData=_mine", {}, 400],
    ["with a query that cannot be answered", "$export?_typeFilter=Patient%3Fshoe-size%3D9", {}, 400],
  ])("is refused %s", async (_name, path, headers, status) => {
    const response = await client.kickOff(path, headers);
    expect(response.status).toBe(status);
    expect(await json(response)).toMatchObject({ resourceType: "OperationOutcome" });
  });

  it("is refused for a patient who is no member of the group", async () => {
    const patient = { name: "patient", valueReference: { reference: "Patient/riverbend-patient-2" } };
    expect((await client.post("Group/riverbend-group-half/$export", [patient])).status).toBe(400);
  });

  it.each(["application/fhir%2Bndjson", "application/fhir+ndjson", "application/ndjson", "ndjson"])(
    "is given in the format %s",
    async (format) => {
      expect((await client.kickOff(`$export?_type=Group&_outputFormat=${format}`)).status).toBe(202);
    },
  );

  it("is refused to a token whose scopes do not reach it, and to another application", async () => {
    const narrow = await systemToken(sandbox, { scope: "system/Patient.rs" });
    expect((await client.kickOff("$export?_type=Observation", bearer(narrow))).status).toBe(403);
    const started = await client.kickOff("$export?_type=Patient,Observation");
    const other = await systemToken(sandbox, { id: "riverbend-system-rs384" });
    const status = started.headers.get("content-location") ?? "";
    expect((await fetch(status, { headers: bearer(other) })).status).toBe(404);
    expect((await fetch(status)).status).toBe(401);
    expect((await fetch(status, { headers: bearer(narrow) })).status).toBe(403);
    const { output } = await client.finish(started);
    const url = output[0]?.url ?? "";
    expect((await fetch(url)).status).toBe(401);
    expect((await fetch(url, { headers: bearer(other) })).status).toBe(404);
    expect((await fetch(url, { headers: bearer(narrow) })).status).toBe(403);
  });

  it("is told of with 429 when it is asked for much too often, and goes on", async () => {
    const slow = await startSandbox({
      patients: 1,
      faults: ["test.slow"],
      furtherFaults: [
        {
          id: "test.slow",
          description: "An export takes a minute, and one may be under way.",
          trips: [],
          change: [
            { setting: "exportMilliseconds", value: 60_000 },
            { setting: "exportsAtOnce", value: 1 },
          ],
        },
      ],
    });
    const own = await systemToken(slow);
    const { kickOff } = exporter(base(slow, "provider/system-access"), own);
    const started = await kickOff("$export");
    const status = started.headers.get("content-location") ?? "";
    const statuses: number[] = [];
    for (let count = 0; count < 12; count += 1) {
      const answer = await fetch(status, { headers: bearer(own) });
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      statuses.push(answer.status);
    }
    expect(new Set(statuses)).toEqual(new Set([202, 429]));
    const second = await kickOff("$export");
    expect(second.status).toBe(429);
    expect(Number(second.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await fetch(status, { method: "DELETE", headers: bearer(own) })).status).toBe(202);
    expect((await kickOff("$export")).status).toBe(202);
    await slow.close();
  });

  it("stays as it is while another is started and deleted", async () => {
    const [first, second] = [
      await client.kickOff("$export?_type=Patient"),
      await client.kickOff("$export?_type=Encounter"),
    ];
    const manifest = await client.finish(first);
    const status = second.headers.get("content-location") ?? "";
    await fetch(status, { method: "DELETE", headers: bearer(token) });
    expect(await client.finish(first)).toEqual(manifest);
    expect(await client.lines(manifest.output)).toHaveLength(8);
  });

  it("is not offered to patients", async () => {
    const response = await fetch(`${base(sandbox)}/$export`, { headers: bearer(token) });
    expect(response.status).toBe(401);
  });
});

describe("a file of an export", () => {
  let url = "";
  let text = "";
  beforeAll(async () => {
    const { output } = await client.finish(await client.kickOff("$export?_type=Observation"));
    url = output[0]?.url ?? "";
    const response = await client.download(url, { "accept-encoding": "identity" });
    expect(response.headers.get("content-type")).toBe("application/fhir+ndjson");
    text = await response.text();
    expect(response.headers.get("content-length")).toBe(String(Buffer.byteLength(text)));
  });

  it("is compressed when that is asked for", async () => {
    const response = await new Promise<{ encoding: string | undefined; body: Buffer }>((resolve, reject) => {
      get(url, { headers: { ...bearer(token), "accept-encoding": "gzip" } }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.once("end", () =>
          resolve({ encoding: incoming.headers["content-encoding"], body: Buffer.concat(chunks) }),
        );
      }).once("error", reject);
    });
    expect(response.encoding).toBe("gzip");
    expect(gunzipSync(response.body).toString()).toBe(text);
  });

  it.each([
    ["bytes=0-99", 0, 100],
    ["bytes=100-", 100, undefined],
    ["bytes=-50", -50, undefined],
    ["bytes=17000-17100", 17_000, 17_101],
  ])("is given in part: %s", async (range, start, end) => {
    const response = await client.download(url, { range, "accept-encoding": "identity" });
    expect(response.status).toBe(206);
    expect(await response.text()).toBe(text.slice(start, end));
    expect(response.headers.get("content-range")).toMatch(new RegExp(`^bytes \\d+-\\d+/${text.length}$`));
  });

  it("is given as a whole when it is not what the range was about", async () => {
    const etag = (await client.download(url, { "accept-encoding": "identity" })).headers.get("etag") ?? "";
    const range = { range: "bytes=0-9", "accept-encoding": "identity" };
    expect((await client.download(url, { ...range, "if-range": etag })).status).toBe(206);
    expect((await client.download(url, { ...range, "if-range": '"another"' })).status).toBe(200);
    expect((await client.download(url, { range: `bytes=${text.length}-` })).status).toBe(416);
  });
});

describe("an export of v1", () => {
  it("follows the first edition: groups only, no list of what was deleted, no later parameter", async () => {
    const at = `${sandbox.origin}/uscore/v1/bulk-data`;
    const endpoint = `${sandbox.legacyOrigin}/token`;
    const { access_token: legacy } = await json<{ access_token: string }>(
      await post(endpoint, {
        grant_type: "client_credentials",
        scope: "system/*.read",
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: assertion(sandbox, "v1-system-es384", {}, {}, endpoint),
      }),
    );
    const own = exporter(at, legacy);
    const group = "Group/riverbend-group-half/$export";
    const manifest = await own.finish(
      await own.kickOff(`${group}?_type=Patient&_since=2020-01-01T00:00:00Z`),
    );
    expect(ids(await own.lines(manifest.output))).toEqual(patientIds(1, 3, 5, 7));
    expect(manifest).not.toHaveProperty("deleted");
    expect((await own.kickOff(`${group}?_elements=id`)).status).toBe(400);
    expect((await own.kickOff("$export")).status).toBe(501);
  });
});

describe("an application whose authorization was revoked", () => {
  it("finds its exports gone when it is authorized again", async () => {
    const own = await startSandbox({ patients: 1 });
    const other = exporter(base(own, "provider/system-access"), await systemToken(own));
    const started = await other.kickOff("$export");
    const status = started.headers.get("content-location") ?? "";
    await own.authorize("riverbend-system-es384", "revoked");
    await own.authorize("riverbend-system-es384", "approved");
    expect((await fetch(status, { headers: bearer(await systemToken(own)) })).status).toBe(404);
    await own.close();
  });
});
