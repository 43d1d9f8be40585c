import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import { base, bearer, json, systemToken } from "./client.ts";
import { exporter, type Line, type Manifest } from "./export-client.ts";

const TOTAL = 3000;

let sandbox: Sandbox;
let token: string;
let client: ReturnType<typeof exporter>;
let manifest: Manifest;
let lines: Line[];
beforeAll(async () => {
  sandbox = await startSandbox({ patients: 4, exportResources: TOTAL });
  token = await systemToken(sandbox);
  client = exporter(base(sandbox, "provider/system-access"), token);
  manifest = await client.finish(await client.kickOff("$export"));
  lines = await client.lines(manifest.output);
});
afterAll(() => sandbox.close());

function* referencesIn(value: unknown): Iterable<string> {
  if (typeof value !== "object" || value === null) return;
  if ("reference" in value && typeof value.reference === "string") yield value.reference;
  for (const member of Object.values(value)) yield* referencesIn(member);
}

describe("an export of a given size", () => {
  it("has exactly so many resources, each once, as many in a file as the manifest says", async () => {
    expect(lines).toHaveLength(TOTAL);
    expect(new Set(lines.map((each) => `${each.resourceType}/${each.id}`)).size).toBe(TOTAL);
    expect(manifest.output.reduce((sum, { count }) => sum + count, 0)).toBe(TOTAL);
    for (const item of manifest.output) expect(await client.lines([item])).toHaveLength(item.count);
  });

  it("has everything that it refers to, but for members of its groups' copies", () => {
    const known = new Set(lines.map((each) => `${each.resourceType}/${each.id}`));
    const missing = lines
      .filter((each) => each.resourceType !== "Group")
      .flatMap((each) => [...referencesIn(each)])
      .filter(
        (reference) => !reference.startsWith("#") && !known.has(reference.replace(/\/_history\/.*/, "")),
      );
    expect(missing).toEqual([]);
  });

  it("is the same every time, in whatever parts it is taken", async () => {
    const { url } = manifest.output.find(({ type }) => type === "Observation") ?? { url: "" };
    const whole = await (await client.download(url, { "accept-encoding": "identity" })).text();
    let parts = "";
    for (let at = 0; at < whole.length; at += 100_001) {
      const range = `bytes=${at}-${at + 100_000}`;
      parts += await (await client.download(url, { range, "accept-encoding": "identity" })).text();
    }
    expect(parts).toBe(whole);
  });

  it("is of the members of a group when it is a group's", async () => {
    const at = base(sandbox, "provider/system-access");
    const group = await json<{ member: { entity: { reference: string } }[] }>(
      await fetch(`${at}/Group/riverbend-group-half`, { headers: bearer(token) }),
    );
    const members = group.member.map(({ entity }) => entity.reference);
    const { output } = await client.finish(
      await client.kickOff("Group/riverbend-group-half/$export?_type=Patient"),
    );
    const exported = (await client.lines(output)).map(({ id }) => `Patient/${id}`);
    expect(exported.length).toBeGreaterThan(4);
    expect(exported.toSorted()).toEqual(members.toSorted());
    const read = await fetch(`${at}/${exported.at(-1) ?? ""}`, { headers: bearer(token) });
    expect(await json(read)).toMatchObject({ resourceType: "Patient" });
  });
});
