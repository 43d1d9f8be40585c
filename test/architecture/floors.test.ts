import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** Floors from the top; a room may import from its own floor's row only itself, and from any floor below. */
const FLOORS: readonly (readonly string[])[] = [
  ["cli"],
  ["runner", "report", "sandbox"],
  ["suites"],
  ["checks"],
  ["smart", "fhir", "bulk", "validator"],
  ["http"],
  ["config"],
];
const floorOf = new Map(FLOORS.flatMap((rooms, floor) => rooms.map((room) => [room, floor] as const)));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly file: string;
  readonly typeOnly: boolean;
}

function roomOf(path: string): string | undefined {
  const [first, second] = relative(root, path).split("/");
  return first === "suites" ? "suites" : first === "lib" ? second : undefined;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(root, folder, name));
}

const imports: Import[] = [...sources("lib"), ...sources("suites")].flatMap((file) => {
  const text = readFileSync(file, "utf8");
  const found = text.matchAll(
    /(import|export)\s+(type\s)?[^;'"]*?from\s*"(\.[^"]+)"|import\(\s*"(\.[^"]+)"\s*\)/g,
  );
  return [...found].flatMap((match) => {
    const specifier = match[3] ?? match[4] ?? "";
    const from = roomOf(file);
    const to = roomOf(resolve(dirname(file), specifier));
    return from === undefined || to === undefined
      ? []
      : [{ from, to, file: relative(root, file), typeOnly: match[2] !== undefined }];
  });
});

describe("the floors of the house", () => {
  test("every room has a floor", () => {
    const rooms = new Set(imports.flatMap(({ from, to }) => [from, to]));
    expect([...rooms].filter((room) => !floorOf.has(room))).toEqual([]);
  });

  test("imports go down, never up", () => {
    const up = imports.filter(({ from, to }) => (floorOf.get(to) ?? 0) < (floorOf.get(from) ?? 0));
    expect(up).toEqual([]);
  });

  test("report reads files: it imports neither client nor suites nor runner", () => {
    const allowed = new Set(["report", "config", "checks"]);
    // Of checks only the words and types of results, never what asks a server.
    const reached = imports.filter(({ from, to }) => from === "report" && !allowed.has(to));
    expect(reached).toEqual([]);
    const checks = sources("lib/report").flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/from\s*"(?:\.\.\/)+checks\/([^"]+)"/g)].map(
        (match) => match[1],
      ),
    );
    expect([...new Set(checks)].filter((name) => !/^(results|verdict|words)\.ts$/.test(name ?? ""))).toEqual(
      [],
    );
  });

  test("the sandbox shares no code with the client and the validator that it tests", () => {
    const allowed = new Set(["sandbox", "config"]);
    expect(imports.filter(({ from, to }) => from === "sandbox" && !allowed.has(to))).toEqual([]);
  });

  test("suites never import each other", () => {
    const crossing = sources("suites").flatMap((file) => {
      const suite = relative(root, file).split("/")[1] ?? "";
      if (suite.endsWith(".ts")) return [];
      return [...readFileSync(file, "utf8").matchAll(/from\s*"(\.[^"]+)"/g)]
        .map((match) => relative(root, resolve(dirname(file), match[1] ?? "")))
        .filter((target) => target.startsWith("suites/") && target.split("/")[1] !== suite);
    });
    expect(crossing).toEqual([]);
  });

  test("nothing of the product imports what is only for tests and builds", () => {
    const outside = [...sources("lib"), ...sources("suites")].filter((file) =>
      /from\s*"(\.\.\/)+(test|bench|scripts)\//.test(readFileSync(file, "utf8")),
    );
    expect(outside).toEqual([]);
  });
});
