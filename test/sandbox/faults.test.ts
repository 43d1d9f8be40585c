import { afterEach, describe, expect, it } from "vitest";
import {
  loadFaultCatalogue,
  readFaultCall,
  startSandbox,
  trippedChecks,
  type Sandbox,
} from "../../lib/sandbox/index.ts";
import type { FaultDefinition } from "../../lib/sandbox/catalogue.ts";
import { append, remove, set, spots } from "../../lib/sandbox/pointer.ts";
import { base, HARBOR, json } from "./client.ts";

const running: Sandbox[] = [];

// Faults of the tests' own: the catalogue's belong to the checks that they prove.
const FAULTS: readonly FaultDefinition[] = [
  {
    id: "test.without-s256",
    description: "The configuration does not offer S256.",
    trips: ["test.pkce"],
    on: { path: "/.well-known/smart-configuration" },
    change: [{ remove: "/code_challenge_methods_supported[.=S256]" }],
  },
  {
    id: "test.without-search-parameter",
    description: "A search parameter is not declared.",
    parameter: "{type}.{search}",
    trips: ["test.search-{type}-{search}", "test.search-{argument}"],
    on: { path: "/metadata" },
    change: [{ remove: "/rest/0/resource[type={type}]/searchParam[name={search}]" }],
  },
  {
    id: "test.unknown-tenant-is-served",
    description: "An unknown tenant gets the configuration of the first.",
    trips: ["test.unknown-tenant"],
    on: { path: "/.well-known/smart-configuration", tenant: "unknown" },
    change: [{ rewrite: "{origin}/provider/patient-access/v2/{tenant}/.well-known/smart-configuration" }],
  },
];

const start = async (...faults: string[]) => {
  const sandbox = await startSandbox({ faults, furtherFaults: FAULTS });
  running.push(sandbox);
  return sandbox;
};
afterEach(async () => {
  await Promise.all(running.splice(0).map((sandbox) => sandbox.close()));
});

const configuration = async (sandbox: Sandbox, at = base(sandbox)) =>
  json(await fetch(`${at}/.well-known/smart-configuration`));
const withoutOrigin = (sandbox: Sandbox, value: unknown) =>
  JSON.parse(JSON.stringify(value).replaceAll(sandbox.origin, "http://sandbox")) as unknown;

describe("the catalogue", () => {
  it("is readable, and every id in it is unique", () => {
    const faults = loadFaultCatalogue();
    expect(faults.length).toBeGreaterThan(0);
    expect(new Set(faults.map((fault) => fault.id)).size).toBe(faults.length);
  });

  it("reads the argument of a call into the checks it trips", () => {
    const call = readFaultCall("test.without-search-parameter:Patient.name", FAULTS);
    expect(call.parts).toEqual({ type: "Patient", search: "name" });
    expect(trippedChecks(call)).toEqual(["test.search-Patient-name", "test.search-Patient.name"]);
  });

  it.each([
    ["no.such-fault", /There is no fault/],
    ["test.without-s256:x", /takes no argument/],
    ["test.without-search-parameter", /is called as/],
  ])("does not start with %s", async (call, message) => {
    await expect(startSandbox({ faults: [call], furtherFaults: FAULTS })).rejects.toThrow(message);
  });
});

describe("a fault", () => {
  it("changes what it says and nothing else", async () => {
    const [conformant, faulty] = [await start(), await start("test.without-s256")];
    const expected = withoutOrigin(conformant, await configuration(conformant)) as Record<string, unknown>;
    const actual = withoutOrigin(faulty, await configuration(faulty));
    expect(actual).toEqual({ ...expected, code_challenge_methods_supported: [] });
    const statements = await Promise.all(
      [conformant, faulty].map(async (sandbox) =>
        withoutOrigin(sandbox, await (await fetch(`${base(sandbox)}/metadata`)).json()),
      ),
    );
    expect(statements[0]).toEqual(statements[1]);
  });

  it("changes JSON and XML alike", async () => {
    const sandbox = await start("test.without-search-parameter:Patient.family");
    const inJson = await (await fetch(`${base(sandbox)}/metadata`)).text();
    const inXml = await (await fetch(`${base(sandbox)}/metadata?_format=xml`)).text();
    expect(inJson).not.toContain("us-core-patient-family");
    expect(inXml).not.toContain("us-core-patient-family");
    expect(inXml).toContain("us-core-patient-given");
  });

  it("counts how often it changed something", async () => {
    const sandbox = await start("test.without-search-parameter:Patient.no-such-parameter");
    await fetch(`${base(sandbox)}/metadata`);
    expect(sandbox.faults[0]).toMatchObject({ met: 1, applied: 0 });
  });

  it("does not reach another sandbox or survive it", async () => {
    await start("test.without-s256");
    const conformant = await start();
    expect((await configuration(conformant))["code_challenge_methods_supported"]).toEqual(["S256"]);
  });

  it("can send a request elsewhere", async () => {
    const sandbox = await start("test.unknown-tenant-is-served");
    const unknown = base(sandbox, "provider/patient-access", "00000000-0000-4000-8000-000000000000");
    const response = await fetch(`${unknown}/.well-known/smart-configuration`);
    expect(response.status).toBe(200);
    const known = base(sandbox, "provider/patient-access", HARBOR);
    expect((await configuration(sandbox, known))["issuer"]).toContain(HARBOR);
  });
});

const document = () => ({
  rest: [
    {
      resource: [
        {
          type: "Patient",
          searchParam: [
            { name: "name", url: "http://a/b" },
            { name: "family", url: "http://a/c" },
          ],
        },
        { type: "Group", codes: ["read", "search"] },
      ],
    },
  ],
});

describe("a pointer", () => {
  it.each([
    ["/rest/0/resource[type=Patient]/searchParam[name=name]", 1],
    ["/rest/0/resource[type=Patient]/searchParam[url=http://a/c]", 1],
    ["/rest/0/resource[*]/type", 2],
    ["/rest[*]/resource/*/type", 2],
    ["/rest/0/resource[searchParam.name=family]", 1],
    ["/rest/0/resource[codes=read]/codes[.=search]", 1],
    ["/rest/0/resource[type=Nobody]/type", 0],
  ])("%s reaches %i", (pointer, count) => {
    expect(spots(document(), pointer)).toHaveLength(count);
  });

  it("removes, sets and appends where it points", () => {
    const removed = document();
    expect(remove(removed, "/rest/0/resource[*]")).toBe(2);
    expect(removed).toEqual({ rest: [{ resource: [] }] });
    const changed = document();
    expect(set(changed, "/rest/0/resource[type=Group]/codes/0", "write")).toBe(1);
    expect(append(changed, "/rest/0/resource[type=Group]/codes", "delete")).toBe(1);
    expect(append(changed, "/rest/0/resource[type=Patient]/codes", "read")).toBe(1);
    expect(changed.rest[0]?.resource[1]).toEqual({ type: "Group", codes: ["write", "search", "delete"] });
    expect(changed.rest[0]?.resource[0]).toMatchObject({ codes: ["read"] });
  });
});
