import { get } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { loadFaultCatalogue, startSandbox } from "../../lib/sandbox/index.ts";
import { base, bearer, systemToken } from "./client.ts";
import type { Manifest } from "./export-client.ts";

/** Arguments of the faults that have them: each really does something. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  "kick-off-answers": ["200"],
  "kick-off-level-refused": ["/Group/*/$export", "/$export"],
  "kick-off-refused-with": ["401", "403", "404", "400", "406"],
  "output-format-refused": ["application/fhir+ndjson", "ndjson"],
  ignores: [
    "_type",
    "_since",
    "_typeFilter",
    "_elements",
    "patient",
    "includeAssociatedData",
    "_outputFormat",
  ],
  refuses: ["_since", "_outputFormat"],
  "status-retry-after": ["soon"],
  "status-answers-at-once": ["200"],
  "manifest-expires": ["Thu, 01 Jan 2026 00:00:00 GMT"],
  "manifest-without": ["transactionTime", "request", "requiresAccessToken", "output", "error"],
  "manifest-member-is-number": [
    "transactionTime",
    "request",
    "requiresAccessToken",
    "output",
    "error",
    "deleted",
  ],
  "manifest-member-is": ["transactionTime=2026-01-01", "request={base}/$export"],
  "file-item-without": ["type", "url", "count"],
  "manifest-flaw": [
    "relative-url",
    "elsewhere",
    "private-address",
    "duplicate-url",
    "count",
    "differs",
    "earlier-than-kick-off",
    "later-than-answer",
  ],
  "file-missing": ["Patient"],
  "file-flaw": [
    "blank-line",
    "duplicate-resource",
    "older-version",
    "wrong-type",
    "byte-order-mark",
    "carriage-return",
    "broken-json",
    "several-lines",
    "one-array",
    "not-utf-8",
    "no-id",
    "not-a-code",
    "not-us-core",
    "without-must-support",
    "dangling-reference",
    "without-tag",
    "without-mandatory",
    "other-patient",
    "missing-resource",
  ].map((flaw) => `${flaw}.Observation`),
  "deleted-file-flaw": ["not-transaction", "not-delete"],
  "error-file-flaw": ["no-outcome", "blank-line"],
  flaw: [
    "patient-too-many",
    "patient-of-another-tenant",
    "resource-of-another-patient",
    "patient-missing",
    "empty-file",
    "deleted-in-output",
    "error-in-output",
  ],
  "delete-answers": ["200"],
  "gone-answers": ["410"],
  "exports-entangled": ["replaced", "deleted", "shared"],
};

const calls = loadFaultCatalogue()
  .filter(({ id }) => id.startsWith("bulk-export."))
  .flatMap(({ id, parameter }) =>
    parameter === undefined
      ? [id]
      : (ARGUMENTS[id.slice("bulk-export.".length)] ?? ["?"]).map((argument) => `${id}:${argument}`),
  );

/** Goes through all that there is to an export, whatever comes of it. */
async function followEverything(origin: string, token: string, other: string): Promise<void> {
  const api = base({ origin } as never, "provider/system-access");
  const ask = async (url: string, headers: Record<string, string> = {}, init: RequestInit = {}) => {
    try {
      const response = await fetch(url, {
        ...init,
        headers: {
          accept: "application/fhir+json",
          prefer: "respond-async",
          ...bearer(token),
          ...headers,
        },
      });
      const text = await response.text();
      return { response, text };
    } catch {
      return undefined;
    }
  };
  const post = (path: string, parameter: object[]) =>
    ask(
      `${api}/${path}`,
      { "content-type": "application/fhir+json" },
      { method: "POST", body: JSON.stringify({ resourceType: "Parameters", parameter }) },
    );
  const group = `${api}/Group/riverbend-group-half/$export`;
  const since = "_since=2000-01-01T00:00:00Z";
  const kickOff = await ask(`${group}?_type=Patient,Observation,Condition&${since}&_unknown=1`, {
    prefer: "respond-async, handling=lenient",
  });
  const second = await ask(
    `${api}/$export?_type=Patient&_outputFormat=ndjson&_typeFilter=Patient%3Fgender%3Dmale`,
  );
  await ask(`${api}/$export?_outputFormat=application%2Ffhir%2Bndjson&_elements=id&_type=Patient`);
  await ask(`${api}/$export?_unknown=1`, { prefer: "respond-async, handling=strict" });
  await ask(`${api}/$export?_type=Account&includeAssociatedData=_x`);
  await ask(`${api}/$export?_type=Observation`, { authorization: "" });
  await ask(`${api}/$export?_type=Observation`, { accept: "text/html" });
  await ask(`${api}/Group/nobody/$export`);
  await ask(`${api}/Group/00000000-0000-4000-8000-000000000000/$export`);
  await ask(`${api}/Group/harbor-group-all/$export`);
  await ask(`${api}/$export?_type=Patient&_type=Encounter`);
  await ask(`${api}/metadata`);
  await askPlainly(`${api}/$export`, token);
  await ask(`${api}/$export?_type=Observation`, bearer(other));
  await post("Patient/$export", [
    { name: "patient", valueReference: { reference: "Patient/riverbend-patient-1" } },
  ]);
  const status = kickOff?.response.headers.get("content-location") ?? "";
  for (let count = 0; count < 10; count += 1) await ask(status);
  await ask(status, { authorization: "" });
  await ask(status, bearer(other));
  // Until it is over, one way or another: what is under way says so with 202, or with 429 when it is asked too often.
  let complete = await ask(status);
  for (let count = 0; count < 20 && [202, 429].includes(complete?.response.status ?? 0); count += 1) {
    await wait(200);
    complete = await ask(status);
  }
  await ask(status);
  let manifest: Partial<Manifest> = {};
  try {
    manifest = JSON.parse(complete?.text ?? "") as Partial<Manifest>;
  } catch {
    // A fault may see to it that it is none.
  }
  const lists: unknown[] = [manifest.output, manifest.deleted, manifest.error];
  const urls = lists
    .flatMap((list) => (Array.isArray(list) ? (list as { url?: string }[]) : []))
    .map(({ url }) => url ?? "")
    .filter((url) => url.startsWith(origin));
  for (const url of urls) {
    await ask(url, { accept: "application/fhir+ndjson", "accept-encoding": "gzip" });
    await ask(url, { accept: "application/fhir+ndjson", "accept-encoding": "identity" });
    await ask(url, {
      accept: "application/fhir+ndjson",
      range: "bytes=10-20",
      "accept-encoding": "identity",
    });
    await ask(url, { accept: "application/fhir+ndjson", authorization: "" });
  }
  for (const location of [status, second?.response.headers.get("content-location") ?? ""]) {
    await ask(location, {}, { method: "DELETE" });
    await ask(location);
  }
  for (const url of urls) await ask(url, { accept: "application/fhir+ndjson" });
}

/** Asks without the headers that fetch adds. */
function askPlainly(url: string, token: string): Promise<void> {
  return new Promise((resolve) => {
    get(url, { headers: bearer(token) }, (incoming) => incoming.resume().once("close", resolve)).once(
      "error",
      () => resolve(),
    );
  });
}

describe("every fault of exports", () => {
  it.concurrent.each(calls)("%s changes something", async (call) => {
    const sandbox = await startSandbox({ patients: 4, faults: [call] });
    try {
      const token = await systemToken(sandbox);
      const narrow = await systemToken(sandbox, { scope: "system/Patient.rs" });
      await followEverything(sandbox.origin, token, narrow);
      expect(sandbox.faults.map(({ applied }) => applied > 0)).toEqual([true]);
    } finally {
      await sandbox.close();
    }
  });
});
