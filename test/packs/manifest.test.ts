import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { builtInGuides, compileGuide, compileR4 } from "../../lib/validator/pack/build.ts";
import { decodeStructure, encodeStructure, ConstraintTable } from "../../lib/validator/pack/codec.ts";
import { builtInPacks, loadBuiltIn } from "../../lib/validator/pack/load.ts";
import { builtInFolder, findPackage } from "../../lib/validator/pack/locate.ts";
import { readManifest } from "../../lib/validator/pack/store.ts";
import { sha256 } from "../../lib/validator/pack/write.ts";
import { needs } from "./archives.ts";

const folderOf = (name: string) => join(builtInFolder(), name);
const filesOf = (name: string) =>
  new Map(
    readdirSync(folderOf(name))
      .toSorted()
      .map((file) => [file, readFileSync(join(folderOf(name), file), "utf8")]),
  );

describe("the built-in packs", () => {
  it("are R4 and both versions of US Core", () => {
    expect(builtInPacks()).toEqual(["fhir-r4-4.0.1", "us-core-3.1.1", "us-core-6.1.0"]);
  });

  for (const name of builtInPacks()) {
    it(`${name} holds exactly the bytes that its manifest names`, () => {
      const manifest = readManifest(folderOf(name));
      const files = filesOf(name);
      files.delete("manifest.json");
      const found = Object.fromEntries(
        [...files].map(([file, text]) => [file, { bytes: Buffer.byteLength(text), sha256: sha256(text) }]),
      );
      expect(found).toEqual(manifest.files);
      expect(`${manifest.name}-${manifest.version}`).toBe(name);
      for (const source of manifest.sources) expect(source.sha256).toMatch(/^[0-9a-f]{64}$/);
    });

    it(`${name} has no file that costs much to read, and no prose`, () => {
      for (const [file, text] of filesOf(name)) {
        expect(Buffer.byteLength(text), file).toBeLessThan(400_000);
        expect(text, file).not.toMatch(
          /"(?:definition|comment|human|description|requirements|purpose)":"[A-Z]/,
        );
      }
    });

    it(`${name} answers for every structure that it lists`, () => {
      const source = loadBuiltIn([name]);
      const urls = readdirSync(folderOf(name))
        .filter((file) => file.endsWith(".ndjson"))
        .flatMap((file) =>
          readFileSync(join(folderOf(name), file), "utf8")
            .trim()
            .split("\n"),
        )
        .map((line): { url: string; elements?: unknown[] } => JSON.parse(line))
        .filter((entry) => entry.elements)
        .map((entry) => entry.url);
      expect(urls.length).toBe(readManifest(folderOf(name)).counts["structures"]);
      for (const url of urls) expect(source.structure(url)?.elements[0]?.path, url).toBeDefined();
    });
  }
});

describe("the pack compiler", () => {
  const r4 = compileR4();

  it("writes R4 byte for byte as it is in the repository", () => {
    const files = filesOf("fhir-r4-4.0.1");
    expect([...r4.files.keys()].toSorted()).toEqual([...files.keys()]);
    for (const [file, text] of r4.files) expect(sha256(text), file).toBe(sha256(files.get(file) ?? ""));
  });

  for (const guide of builtInGuides) {
    const name = `${guide.pack}-${guide.version}`;
    const archive = findPackage(guide.id, guide.version);
    it.skipIf(archive === undefined)(
      `writes ${name} byte for byte as it is in the repository${needs(archive, `${guide.id}-${guide.version}.tgz`)}`,
      async () => {
        const built = new Map(await compileGuide(archive ?? "", guide, r4.compiled));
        const files = filesOf(name);
        expect([...built.keys()].toSorted()).toEqual([...files.keys()]);
        // The checksum of the archive, which the manifest names, is not known of a folder.
        if (!archive?.endsWith(".tgz")) built.delete("manifest.json");
        for (const [file, text] of built) expect(sha256(text), file).toBe(sha256(files.get(file) ?? ""));
      },
    );
  }

  it("loses nothing between facts and disk", () => {
    const table = new ConstraintTable();
    for (const structure of r4.compiled.structures.values()) {
      const record = JSON.parse(JSON.stringify(encodeStructure(structure, table)));
      expect(decodeStructure(record, table.constraints, "memory")).toEqual(structure);
    }
  });

  it("undoes what the R4 source had changed, and nothing else", () => {
    const of = (type: string) =>
      r4.changes.filter((line) => line.startsWith(type)).map((line) => line.slice(type.length));
    expect(of("Meta.")).toEqual([
      "project: removed",
      "author: removed",
      "onBehalfOf: removed",
      "account: removed",
      "accounts: removed",
      "compartment: removed",
    ]);
    expect(of("Binary.")).toEqual(["url: removed"]);
    expect(of("Bundle.")).toEqual(["entry.response.outcome: type"]);
    expect(of("AuditEvent.")).toEqual(["source.observer: type"]);
    expect(of("DetectedIssue.")).toEqual(["status: binding"]);
    const types = new Set(r4.changes.map((line) => line.split(/[.#]/)[0] ?? ""));
    expect([...types].toSorted()).toEqual([
      "AuditEvent",
      "Binary",
      "Bundle",
      "DetectedIssue",
      "DeviceDefinition",
      "EvidenceVariable",
      "MeasureReport",
      "Meta",
      "ObservationDefinition",
      "ResearchStudy",
      "http://hl7",
    ]);
  });
});
