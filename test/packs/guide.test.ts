import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { create, Header } from "tar";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadGuide } from "../../lib/validator/pack/guide.ts";
import { loadBuiltIn, loadDefinitions } from "../../lib/validator/pack/load.ts";
import { builtInFolder } from "../../lib/validator/pack/locate.ts";
import { packageLimits, readPackageArchive } from "../../lib/validator/pack/package.ts";
import { openPack } from "../../lib/validator/pack/store.ts";
import { needs, usCore610 } from "./archives.ts";
import { codeSystem, exampleUrl, profile, valueSet, type Resource } from "./definitions.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "packs-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const description = (name: string, more: Resource = {}): Resource => ({
  name,
  version: "1.0.0",
  fhirVersions: ["4.0.1"],
  dependencies: { "hl7.fhir.r4.core": "4.0.1" },
  ...more,
});

function write(root: string, files: Readonly<Record<string, unknown>>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = join(root, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  }
}

/** An archive of a package's files, given below its root (`package/…`). */
async function archive(name: string, files: Readonly<Record<string, unknown>>): Promise<string> {
  const root = join(folder, `${name}-files`);
  write(root, files);
  const file = join(folder, `${name}.tgz`);
  await create({ gzip: true, file, cwd: root, portable: true }, ["package"]);
  return file;
}

/** A tar archive written header by header, for what no tool would write. */
function rawArchive(name: string, entries: readonly { path: string; size: number; body: Buffer }[]): string {
  const blocks: Buffer[] = [];
  for (const { path, size, body } of entries) {
    const block = Buffer.alloc(512);
    new Header({ path, size, mode: 0o644, mtime: new Date(0), type: "File" }).encode(block, 0);
    blocks.push(block, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  blocks.push(Buffer.alloc(1024));
  const file = join(folder, `${name}.tgz`);
  writeFileSync(file, gzipSync(Buffer.concat(blocks)));
  return file;
}

const exampleGuide: Readonly<Record<string, unknown>> = {
  "package/package.json": description("example.guide"),
  "package/StructureDefinition-adult.json": profile("adult", [
    { id: "Patient.birthDate", path: "Patient.birthDate", min: 1 },
  ]),
  "package/CodeSystem-colours.json": codeSystem("colours", [{ code: "red" }, { code: "blue" }]),
  "package/ValueSet-warm.json": valueSet("warm", {
    include: [{ system: "http://example.org/fhir/CodeSystem/colours", concept: [{ code: "red" }] }],
  }),
  "package/example/Patient-bad.json": "this is no JSON, and is not read",
  "package/other/validation-summary.json": "nor is this",
};

describe("a guide's archive", () => {
  it("gives its profiles, value sets and code systems over R4", async () => {
    const source = await loadDefinitions([await archive("good", exampleGuide)]);
    const adult = source.structure(`${exampleUrl}/adult|1.0.0`);
    expect(adult?.elements.find((element) => element.id === "Patient.birthDate")?.min).toBe(1);
    expect(source.profilesOf("Patient")).toEqual([adult]);
    expect(source.valueSet("http://example.org/fhir/ValueSet/warm")?.include).toEqual({
      "http://example.org/fhir/CodeSystem/colours": ["red"],
    });
    expect(source.codeSystem("http://example.org/fhir/CodeSystem/colours")?.codes).toEqual(["red", "blue"]);
    expect(source.type("Patient")?.url).toBe("http://hl7.org/fhir/StructureDefinition/Patient");
  });

  it("stands beside a built-in guide", async () => {
    const source = await loadDefinitions(["us-core-6.1.0", await archive("beside", exampleGuide)]);
    expect(source.profilesOf("Patient").map((found) => found.url)).toEqual([
      `${exampleUrl}/adult`,
      "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient",
    ]);
  });

  it.skipIf(!usCore610)(
    `gives the same facts as the built-in pack${needs(usCore610, "hl7.fhir.us.core-6.1.0.tgz")}`,
    async () => {
      const source = await loadDefinitions([usCore610 ?? ""]);
      const builtIn = loadBuiltIn(["us-core-6.1.0"]);
      for (const type of ["Patient", "Observation", "Provenance", "Condition"]) {
        expect(source.profilesOf(type)).toEqual(builtIn.profilesOf(type));
      }
      for (const name of ["us-core-clinical-note-type", "us-core-vital-signs", "simple-language"]) {
        const url = `http://hl7.org/fhir/us/core/ValueSet/${name}`;
        expect(source.valueSet(url)).toEqual(builtIn.valueSet(url));
      }
    },
  );

  const refused: readonly [string, () => Promise<string>, string, RegExp][] = [
    ["is not there", async () => join(folder, "absent.tgz"), "not-found", /absent\.tgz: no such archive/],
    [
      "is not gzipped",
      async () => {
        const file = join(folder, "plain.tgz");
        writeFileSync(file, "plain text, not an archive");
        return file;
      },
      "bad-archive",
      /no gzipped archive/,
    ],
    [
      "is no tar",
      async () => {
        const file = join(folder, "no-tar.tgz");
        writeFileSync(file, gzipSync(Buffer.alloc(4096, "x")));
        return file;
      },
      "bad-archive",
      /tar archive|package\.json is missing/,
    ],
    [
      "is cut off",
      async () => {
        const file = join(folder, "cut.tgz");
        const whole = readFileSync(await archive("whole", exampleGuide));
        writeFileSync(file, whole.subarray(0, whole.length - 200));
        return file;
      },
      "bad-archive",
      /damaged|tar archive/,
    ],
    [
      "has no package.json",
      async () => archive("nameless", { "package/ValueSet-a.json": valueSet("a", {}) }),
      "bad-archive",
      /package\.json is missing/,
    ],
    [
      "holds a definition that is no JSON",
      async () => archive("broken", { ...exampleGuide, "package/ValueSet-broken.json": "{" }),
      "bad-definition",
      /broken\.tgz: ValueSet-broken\.json: is not JSON/,
    ],
    [
      "is for another FHIR version",
      async () => archive("r5", { "package/package.json": description("r5", { fhirVersions: ["5.0.0"] }) }),
      "wrong-fhir-version",
      /FHIR 5\.0\.0/,
    ],
    [
      "profiles what is nowhere",
      async () =>
        archive("orphan", {
          "package/package.json": description("orphan"),
          "package/StructureDefinition-o.json": profile("o", [], {}, "http://example.org/nowhere"),
        }),
      "missing-dependency",
      /StructureDefinition-o\.json: base "http:\/\/example\.org\/nowhere"/,
    ],
  ];
  for (const [what, make, code, message] of refused) {
    it(`is refused in one line when it ${what}`, async () => {
      const file = await make();
      const error: unknown = await loadDefinitions([file]).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: "PackError", code });
      expect(String(error)).toMatch(message);
      expect(String(error)).not.toContain("\n");
    });
  }

  it("is refused when it unpacks to more than is allowed, without being unpacked whole", async () => {
    const file = join(folder, "bomb.tgz");
    writeFileSync(file, gzipSync(Buffer.alloc(20_000_000)));
    const limits = { ...packageLimits, totalBytes: 1_000_000 };
    await expect(readPackageArchive(file, undefined, limits)).rejects.toMatchObject({ code: "too-large" });
    const big = await archive("big", { "package/package.json": description("big") });
    await expect(
      readPackageArchive(big, undefined, { ...packageLimits, fileBytes: 10 }),
    ).rejects.toMatchObject({ code: "too-large" });
    await expect(
      readPackageArchive(big, undefined, { ...packageLimits, archiveBytes: 10 }),
    ).rejects.toMatchObject({ code: "too-large" });
    await expect(readPackageArchive(big, undefined, { ...packageLimits, files: 0 })).rejects.toMatchObject({
      code: "too-large",
    });
  });

  it("reads nothing from entries that lead out of the package, and writes nothing", async () => {
    const body = Buffer.from(JSON.stringify(description("escape")));
    const evil = Buffer.from(JSON.stringify(valueSet("evil", {})));
    const file = rawArchive("escape", [
      { path: "package/package.json", size: body.length, body },
      { path: "../package/ValueSet-evil.json", size: evil.length, body: evil },
      { path: "/package/ValueSet-evil.json", size: evil.length, body: evil },
      { path: "package/../ValueSet-evil.json", size: evil.length, body: evil },
    ]);
    const found = await readPackageArchive(file);
    expect(found.resources).toEqual([]);
  });

  it("is refused when an entry promises more than there is", async () => {
    const file = rawArchive("short", [{ path: "package/package.json", size: 5000, body: Buffer.from("{}") }]);
    await expect(readPackageArchive(file)).rejects.toMatchObject({ code: "bad-archive" });
  });
});

describe("a guide in the package cache", () => {
  const cached = (name: string, version: string, files: Readonly<Record<string, unknown>>) =>
    write(join(folder, "cache", `${name}#${version}`), files);
  const options = () => ({ cache: join(folder, "cache") });

  it("is found by name and version, with its dependencies, newest where the version is a pattern", async () => {
    cached("base.guide", "1.0.9", {
      "package/package.json": description("base.guide", { version: "1.0.9" }),
      "package/StructureDefinition-person.json": profile("person", [
        { id: "Patient.active", path: "Patient.active", min: 1 },
      ]),
    });
    cached("base.guide", "1.0.10", {
      "package/package.json": description("base.guide", { version: "1.0.10" }),
      "package/StructureDefinition-person.json": profile("person", [
        { id: "Patient.gender", path: "Patient.gender", min: 1 },
      ]),
      "package/ValueSet-b.json": valueSet("b", { include: [{ system: "urn:b" }] }),
    });
    cached("top.guide", "2.0.0", {
      "package/package.json": description("top.guide", {
        version: "2.0.0",
        dependencies: { "base.guide": "1.0.x", "hl7.fhir.us.core": "6.1.0", "hl7.terminology.r4": "5.0.0" },
      }),
      "package/StructureDefinition-member.json": profile(
        "member",
        [{ id: "Patient.photo", path: "Patient.photo", max: "0" }],
        {},
        `${exampleUrl}/person`,
      ),
      "package/StructureDefinition-us.json": profile(
        "us",
        [],
        {},
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient",
      ),
      "package/ValueSet-t.json": valueSet("t", {
        include: [{ valueSet: ["http://example.org/fhir/ValueSet/b"] }],
      }),
    });
    const source = await loadDefinitions(["top.guide#2.0.0"], options());
    const elements = source.structure(`${exampleUrl}/member`)?.elements ?? [];
    expect(elements.find((element) => element.id === "Patient.gender")?.min).toBe(1);
    expect(elements.find((element) => element.id === "Patient.active")?.min).toBe(0);
    expect(elements.find((element) => element.id === "Patient.photo")?.max).toBe(0);
    expect(source.valueSet("http://example.org/fhir/ValueSet/t")?.include).toEqual({ "urn:b": "*" });
    const us = source.structure(`${exampleUrl}/us`)?.elements ?? [];
    expect(us.find((element) => element.id === "Patient.extension:race")).toBeDefined();
    // Profiles of what it depends on are there, but are not its own.
    expect(source.structure(`${exampleUrl}/person`)).toBeDefined();
    expect(source.profilesOf("Patient").map((found) => found.name)).toEqual(["member", "us"]);
  });

  it("says which of its dependencies are in no place known", async () => {
    cached("needy.guide", "1.0.0", {
      "package/package.json": description("needy.guide", { dependencies: { "absent.guide": "3.0.0" } }),
    });
    const told: string[] = [];
    await loadDefinitions(["needy.guide#1.0.0"], { ...options(), onMissing: (name) => told.push(name) });
    expect(told).toEqual(["absent.guide#3.0.0"]);
    const r4 = openPack(join(builtInFolder(), "fhir-r4-4.0.1"));
    const loaded = await loadGuide("needy.guide#1.0.0", {
      ...options(),
      r4: () => r4,
      builtIn: () => undefined,
    });
    expect(loaded.missing).toEqual(["absent.guide#3.0.0"]);
  });

  it("takes nothing from a dependency for another FHIR version", async () => {
    cached("later.guide", "1.0.0", {
      "package/package.json": description("later.guide", { fhirVersions: ["5.0.0"] }),
      "package/ValueSet-later.json": valueSet("later", {}),
    });
    cached("mixed.guide", "1.0.0", {
      "package/package.json": description("mixed.guide", { dependencies: { "later.guide": "1.0.0" } }),
    });
    const told: string[] = [];
    const source = await loadDefinitions(["mixed.guide#1.0.0"], {
      ...options(),
      onMissing: (name) => told.push(name),
    });
    expect(told).toEqual(["later.guide#1.0.0"]);
    expect(source.valueSet("http://example.org/fhir/ValueSet/later")).toBeUndefined();
  });

  it("comes to an end where packages depend on each other", async () => {
    for (const [name, other] of [
      ["ring.a", "ring.b"],
      ["ring.b", "ring.a"],
    ] as const) {
      cached(name, "1.0.0", {
        "package/package.json": description(name, { dependencies: { [other]: "1.0.0" } }),
        "package/ValueSet-v.json": valueSet(name, {}),
      });
    }
    const source = await loadDefinitions(["ring.a#1.0.0"], options());
    expect(source.valueSet("http://example.org/fhir/ValueSet/ring.b")).toBeDefined();
  });

  it("is refused by name where it is not there, and a reference that is nothing known too", async () => {
    await expect(loadDefinitions(["absent.guide#1.0.0"], options())).rejects.toThrow(
      /is not in the package cache/,
    );
    await expect(loadDefinitions(["../../etc#1"], options())).rejects.toMatchObject({ code: "not-found" });
    await expect(loadDefinitions(["nothing"], options())).rejects.toThrow(
      /^nothing: is no built-in pack, no archive, no folder and no name#version$/,
    );
  });

  it("may be named by its folder", async () => {
    write(join(folder, "unpacked"), exampleGuide);
    const source = await loadDefinitions([join(folder, "unpacked")]);
    expect(source.structure(`${exampleUrl}/adult`)).toBeDefined();
    const inner = await loadDefinitions([join(folder, "unpacked", "package")]);
    expect(inner.structure(`${exampleUrl}/adult`)).toBeDefined();
  });
});
