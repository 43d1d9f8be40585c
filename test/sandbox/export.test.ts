import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import { base, bearer, json, systemToken } from "./client.ts";

interface Manifest {
  transactionTime: string;
  request: string;
  requiresAccessToken: boolean;
  output: { type: string; url: string; count: number }[];
}

let sandbox: Sandbox;
let token: string;
let api: string;
beforeAll(async () => {
  sandbox = await startSandbox({ patients: 8 });
  token = await systemToken(sandbox);
  api = base(sandbox, "provider/system-access");
});
afterAll(() => sandbox.close());

const kickOff = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
  fetch(`${api}/${path}`, {
    ...init,
    headers: { accept: "application/fhir+json", prefer: "respond-async", ...bearer(token), ...headers },
  });

async function finish(response: Response): Promise<Manifest> {
  const status = response.headers.get("content-location") ?? "";
  for (;;) {
    const answer = await fetch(status, { headers: { accept: "application/json", ...bearer(token) } });
    if (answer.status === 200) return json<Manifest & Record<string, unknown>>(answer);
    expect(answer.status).toBe(202);
    expect(answer.headers.get("retry-after")).toBe("1");
    await wait(50);
  }
}

const lines = async (url: string) => {
  const response = await fetch(url, { headers: { accept: "application/fhir+ndjson", ...bearer(token) } });
  expect(response.headers.get("content-type")).toBe("application/fhir+ndjson");
  const text = await response.text();
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { resourceType: string; id: string });
};

describe("a bulk export", () => {
  it("is started, followed, downloaded and deleted", async () => {
    const response = await kickOff("Group/riverbend-group-half/$export?_type=Patient,Observation");
    expect(response.status).toBe(202);
    const status = response.headers.get("content-location") ?? "";
    const manifest = await finish(response);
    expect(manifest).toMatchObject({
      request: `${api}/Group/riverbend-group-half/$export?_type=Patient,Observation`,
      requiresAccessToken: true,
    });
    const patients = await lines(manifest.output.find((output) => output.type === "Patient")?.url ?? "");
    expect(patients.map((patient) => patient.id)).toEqual(
      [1, 3, 5, 7].map((number) => `riverbend-patient-${number}`),
    );
    for (const { type, url, count } of manifest.output) {
      const resources = await lines(url);
      expect(resources).toHaveLength(count);
      expect(resources.every((resource) => resource.resourceType === type)).toBe(true);
    }
    expect((await fetch(status, { method: "DELETE", headers: bearer(token) })).status).toBe(202);
    expect((await fetch(status, { headers: bearer(token) })).status).toBe(404);
    expect((await fetch(manifest.output[0]?.url ?? "", { headers: bearer(token) })).status).toBe(404);
  });

  it("is the same when it is started by POST", async () => {
    const posted = await kickOff(
      "Patient/$export",
      { "content-type": "application/fhir+json" },
      {
        method: "POST",
        body: JSON.stringify({
          resourceType: "Parameters",
          parameter: [
            { name: "_type", valueString: "Condition" },
            { name: "patient", valueReference: { reference: "Patient/riverbend-patient-2" } },
          ],
        }),
      },
    );
    const { output } = await finish(posted);
    expect(output.map(({ type, count }) => [type, count])).toEqual([["Condition", 2]]);
  });

  it("has only what is newer than _since, and everything on the level of the system", async () => {
    const newer = await finish(
      await kickOff("$export?_since=2026-01-11T00:00:00Z&_type=Patient,Practitioner"),
    );
    expect(newer.output.map((output) => output.type)).toEqual(["Patient"]);
    const all = await finish(await kickOff("$export"));
    expect(all.output.map((output) => output.type)).toEqual(
      expect.arrayContaining(["Group", "Organization", "Patient"]),
    );
  });

  it.each<[string, string, Record<string, string>, number]>([
    ["without Prefer", "$export", { prefer: "" }, 400],
    ["without a token", "$export", { authorization: "" }, 401],
    ["for an unknown group", "Group/nobody/$export", {}, 404],
    ["in a format that is not offered", "$export?_outputFormat=text/csv", {}, 400],
    ["since something that is no instant", "$export?_since=2026", {}, 400],
    ["of a type that is not there", "$export?_type=Account", {}, 400],
    [
      "with an unknown parameter, strictly",
      "$export?_unknown=1",
      { prefer: "respond-async, handling=strict" },
      400,
    ],
  ])("is refused %s", async (_name, path, headers, status) => {
    const response = await kickOff(path, headers);
    expect(response.status).toBe(status);
    expect(await json(response)).toMatchObject({ resourceType: "OperationOutcome" });
  });

  it("is refused to a token whose scopes do not reach it, and to another application", async () => {
    const narrow = await systemToken(sandbox, { scope: "system/Patient.rs" });
    expect((await kickOff("$export?_type=Observation", bearer(narrow))).status).toBe(403);
    const started = await kickOff("$export?_type=Patient");
    const other = await systemToken(sandbox, { id: "riverbend-system-rs384" });
    const status = started.headers.get("content-location") ?? "";
    expect((await fetch(status, { headers: bearer(other) })).status).toBe(404);
    expect((await fetch(status)).status).toBe(401);
  });

  it("is not offered to patients", async () => {
    const response = await fetch(`${base(sandbox)}/$export`, { headers: bearer(token) });
    expect(response.status).toBe(401);
  });
});
