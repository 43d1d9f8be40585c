import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { keepIn, NOTHING_KEPT } from "../../lib/checks/kept.ts";

const folders: string[] = [];
const folder = () => {
  const made = mkdtempSync(join(tmpdir(), "kept-"));
  folders.push(made);
  return join(made, "state", "some-api");
};

afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
});

test("what is written is read again by another process's state, and only its owner can read it", () => {
  const path = folder();
  keepIn(path).write("export", { status: "https://fhir.example.org/status/1" });
  expect(keepIn(path).read("export")).toEqual({ status: "https://fhir.example.org/status/1" });
  expect(statSync(join(path, "export.json")).mode & 0o077).toBe(0);
  expect(statSync(path).mode & 0o077).toBe(0);
});

test("what was never written, or was broken since, reads as nothing", () => {
  const path = folder();
  const kept = keepIn(path);
  expect(kept.read("export")).toBeUndefined();
  kept.write("export", 1);
  writeFileSync(join(path, "export.json"), "{");
  expect(kept.read("export")).toBeUndefined();
});

test("a name cannot lead out of the folder", () => {
  expect(() => keepIn(folder()).write("../run", 1)).toThrow("cannot name kept state");
});

test("where nothing is kept, writing is no error", () => {
  NOTHING_KEPT.write("export", 1);
  expect(NOTHING_KEPT.read("export")).toBeUndefined();
  expect(NOTHING_KEPT.folder).toBeUndefined();
});
