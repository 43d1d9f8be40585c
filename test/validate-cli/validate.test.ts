import { createReadStream, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { command, inTemporaryFolder, PROGRAM } from "../cli/process.ts";

const PROFILE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient";

const patient = (more: object = {}): object => ({
  resourceType: "Patient",
  id: "p1",
  identifier: [{ system: "http://example.org/mrn", value: "1" }],
  name: [{ family: "Shaw", given: ["Amy"] }],
  gender: "female",
  ...more,
});

const good = JSON.stringify(patient());
const bad = JSON.stringify(patient({ id: "p2", birthDate: "1999-02-30", gender: "femal" }));

interface Line {
  readonly source: string;
  readonly line: number;
  readonly resourceType: string | null;
  readonly id: string | null;
  readonly profiles: string[];
  readonly valid: boolean;
  readonly counts: Record<string, number>;
  readonly findings: {
    severity: string;
    code: string;
    expression: string;
    message: string;
    profile: string | null;
  }[];
}

function lines(stdout: string): Line[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

/** Runs `validate` with standard input. */
function piped(
  args: readonly string[],
  input: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, "validate", ...args], {
      stdio: "pipe",
      env: { ...process.env, ...env },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    // A command that refuses its arguments does not read.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

describe("validate", () => {
  it("says nothing but a summary of a valid resource, and ends with 0", () =>
    inTemporaryFolder(async (folder) => {
      const file = join(folder, "p.json");
      writeFileSync(file, JSON.stringify(JSON.parse(good), null, 2));
      const { code, stdout, stderr } = await command(["validate", file]);
      expect(stderr).toBe("");
      expect(stdout).toMatch(/^1 resource: 1 valid, 0 with errors\. 0 errors/);
      expect(code).toBe(0);
    }));

  it("names file, line, resource and place of each error, and ends with 1", () =>
    inTemporaryFolder(async (folder) => {
      const file = join(folder, "p.ndjson");
      writeFileSync(file, `${good}\n\n${bad}\n`);
      const { code, stdout } = await command(["validate", file]);
      expect(stdout).toContain(`${file}:3 Patient/p2: 2 errors`);
      expect(stdout).toContain("Patient.birthDate");
      expect(stdout).toContain("Patient.gender");
      expect(stdout).toContain("2 resources: 1 valid, 1 with errors. 2 errors");
      expect(code).toBe(1);
    }));

  it("prints one line of JSON for each resource, with exactly the fields promised", () =>
    inTemporaryFolder(async (folder) => {
      const file = join(folder, "p.ndjson");
      writeFileSync(file, `${good}\n${bad}`);
      const { code, stdout, stderr } = await command(["validate", "--json", file]);
      const [first, second] = lines(stdout);
      expect(Object.keys(first ?? {})).toEqual([
        "source",
        "line",
        "resourceType",
        "id",
        "profiles",
        "valid",
        "counts",
        "findings",
      ]);
      expect(first).toMatchObject({
        source: file,
        line: 1,
        resourceType: "Patient",
        id: "p1",
        valid: true,
        findings: [],
      });
      expect(second).toMatchObject({ line: 2, id: "p2", valid: false });
      expect(second?.counts["error"]).toBe(2);
      expect(second?.findings.map(({ expression }) => expression).toSorted()).toEqual([
        "Patient.birthDate",
        "Patient.gender",
      ]);
      for (const finding of second?.findings ?? []) {
        expect(Object.keys(finding)).toEqual(
          expect.arrayContaining(["severity", "code", "expression", "message", "profile"]),
        );
      }
      expect(stderr).toContain("2 resources");
      expect(code).toBe(1);
    }));

  it("reads directories with their JSON and NDJSON, and says what it passed over", () =>
    inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, "deep/er"), { recursive: true });
      writeFileSync(join(folder, "a.json"), good);
      writeFileSync(join(folder, "deep/er/b.ndjson"), `${good}\n${good}\n`);
      writeFileSync(join(folder, "deep/c.xml"), "<Patient/>");
      writeFileSync(join(folder, "package.json"), "{}");
      writeFileSync(join(folder, ".hidden.json"), "{");
      const { code, stdout } = await command(["validate", folder]);
      expect(stdout).toContain("3 resources: 3 valid");
      expect(stdout).toContain("Not read: 1 file .xml");
      expect(code).toBe(0);
    }));

  it("reads standard input, NDJSON or one document", async () => {
    const ndjson = await piped(["-", "--json"], `${good}\n${bad}\n`);
    expect(lines(ndjson.stdout).map(({ source, line, valid }) => [source, line, valid])).toEqual([
      ["-", 1, true],
      ["-", 2, false],
    ]);
    const document = await piped(["-", "--json"], JSON.stringify(patient(), null, 2));
    expect(lines(document.stdout)).toMatchObject([{ line: 1, id: "p1", valid: true }]);
  });

  it("judges by the guide's profile for the type where --ig asks for it, and says so", async () => {
    const nameless = JSON.stringify(patient({ name: undefined }));
    const base = await piped(["-", "--json"], nameless);
    expect(lines(base.stdout)[0]).toMatchObject({ valid: true, profiles: [] });
    const guide = await piped(["-", "--json", "--ig", "us-core-6.1.0"], nameless);
    expect(lines(guide.stdout)[0]?.valid).toBe(false);
    expect(lines(guide.stdout)[0]?.profiles.join()).toContain("us-core-patient");
    expect(guide.stderr).toContain("1 resource without a profile judged by the profile of us-core-6.1.0");
    expect(guide.code).toBe(1);
  });

  it("judges by the profiles given and by those claimed", async () => {
    const nameless = patient({ name: undefined });
    const given = await piped(["-", "--json", "--profile", PROFILE], JSON.stringify(nameless));
    expect(lines(given.stdout)[0]).toMatchObject({ valid: false });
    const claimed = await piped(
      ["-", "--json"],
      JSON.stringify({ ...nameless, meta: { profile: [PROFILE] } }),
    );
    expect(lines(claimed.stdout)[0]).toMatchObject({ valid: false });
  });

  it("prints warnings when asked, and no more findings than asked; all are counted", async () => {
    const many = JSON.stringify(patient({ name: Array.from({ length: 30 }, () => ({ famly: "x" })) }));
    const { stdout } = await piped(["-", "--json", "--max-findings", "3"], many);
    const [record] = lines(stdout);
    expect(record?.findings.length).toBe(3);
    expect(record?.counts["error"]).toBeGreaterThanOrEqual(30);
    const quiet = await piped(["-", "--json"], good);
    expect(lines(quiet.stdout)[0]?.findings).toEqual([]);
    const loud = await piped(["-", "--json", "--warnings"], good);
    // No narrative: dom-6, a warning.
    expect(lines(loud.stdout)[0]?.findings.map(({ severity }) => severity)).toContain("warning");
    expect(loud.code).toBe(0);
  });

  it.each([
    ["a line that is cut off", `${good}\n${good.slice(0, 40)}`, 2],
    ["a line that is no JSON", `${good}\n<Patient/>\n${good}`, 2],
    ["a line that is no object", `${good}\n[]\n${good}`, 2],
  ])("finds %s, with its line", async (_what, input, line) => {
    const { stdout, code } = await piped(["-", "--json"], input);
    expect(
      lines(stdout)
        .filter(({ valid }) => !valid)
        .map((record) => record.line),
    ).toEqual([line]);
    expect(code).toBe(1);
  });

  it("finds the line where a document stops being JSON", () =>
    inTemporaryFolder(async (folder) => {
      const file = join(folder, "p.json");
      writeFileSync(file, JSON.stringify(patient(), null, 2).split("\n").slice(0, 4).join("\n"));
      const { stdout, code } = await command(["validate", "--json", file]);
      expect(lines(stdout)).toMatchObject([{ line: 4, valid: false, counts: { fatal: 1 } }]);
      expect(code).toBe(1);
    }));

  it("reads NDJSON also where its file is called .json", () =>
    inTemporaryFolder(async (folder) => {
      const file = join(folder, "p.json");
      writeFileSync(file, `${good}\n${bad}\n{"resourceType":\n`);
      const { stdout } = await command(["validate", "--json", file]);
      expect(lines(stdout).map(({ line, valid }) => [line, valid])).toEqual([
        [1, true],
        [2, false],
        [3, false],
      ]);
    }));

  it("finds text that is not UTF-8, on its line only", () =>
    inTemporaryFolder(async (folder) => {
      const file = join(folder, "p.ndjson");
      const latin = Buffer.from(good.replace("Shaw", "M\u00fcller"), "latin1");
      writeFileSync(file, Buffer.concat([Buffer.from(`${good}\n`), latin, Buffer.from(`\n${good}\n`)]));
      const { stdout } = await command(["validate", "--json", file]);
      expect(lines(stdout).map(({ valid, counts }) => [valid, counts["fatal"]])).toEqual([
        [true, 0],
        [false, 1],
        [true, 0],
      ]);
    }));

  it("takes a byte order mark at the beginning for what it is", () =>
    inTemporaryFolder(async (folder) => {
      writeFileSync(join(folder, "p.json"), `\uFEFF${good}`);
      writeFileSync(join(folder, "p.ndjson"), `\uFEFF${good}\n${good}`);
      const { stdout } = await command(["validate", folder]);
      expect(stdout).toContain("3 resources: 3 valid");
    }));

  it(
    "judges a large file with threads as it does without, in the order of its lines",
    () =>
      inTemporaryFolder(async (folder) => {
        const file = join(folder, "large.ndjson");
        const block: string[] = [];
        for (let i = 0; i < 40_000; i++) {
          const one = patient({
            id: `p${i}`,
            ...(i % 1000 === 0 ? { gender: "x" } : {}),
            language: "en",
            implicitRules: `http://e.org/${"x".repeat(180)}`,
          });
          block.push(JSON.stringify(one));
        }
        writeFileSync(file, `${block.join("\n")}\n`);
        const one = await command(["validate", "--jobs", "1", file]);
        const two = await command(["validate", "--jobs", "2", file]);
        expect(one.stdout).toContain("40,000 resources: 39,960 valid, 40 with errors");
        expect(two.stdout).toBe(one.stdout);
        const stream = await new Promise<string>((resolve, reject) => {
          const child = spawn(process.execPath, [PROGRAM, "validate", "--jobs", "2", "-"], { stdio: "pipe" });
          let stdout = "";
          child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
          child.on("error", reject);
          child.on("close", () => resolve(stdout));
          child.stdin.on("error", reject);
          createReadStream(file).pipe(child.stdin);
        });
        expect(stream.replaceAll(/^-:/gm, `${file}:`)).toBe(one.stdout);
      }),
    120_000,
  );

  it.each([
    [["nothing-here.json"], "no such file or directory"],
    [[], "Not enough non-option arguments"],
    [["-", "-"], "standard input"],
    [["-", "--ig", "us-core-9.9.9"], "us-core-9.9.9"],
    [["-", "--profile", "http://example.org/none"], "http://example.org/none"],
    [["-", "--jobs", "0"], "--jobs"],
    [["-", "--max-findings", "-1"], "--max-findings"],
    [["-", "--terminology", "ftp://x"], "--terminology"],
    [["-", "--igg", "x"], "igg"],
    [["-", "--ig", "us-core-6.1.0", "--ig", "us-core-3.1.1"], "--ig"],
    [["-", "--ig", ""], "--ig"],
    [["-", "--ig"], "ig"],
  ])("refuses %j in one line, and ends with 2", async (args, saying) => {
    const { code, stdout, stderr } = await piped(args, good);
    expect(stderr).toContain(saying);
    expect(stderr.trim().split("\n").length).toBe(1);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  it("says that XML is not judged", () =>
    inTemporaryFolder(async (folder) => {
      const file = join(folder, "p.xml");
      writeFileSync(file, "<Patient/>");
      const { code, stderr } = await command(["validate", file]);
      expect(stderr).toContain("XML is not judged");
      expect(code).toBe(2);
    }));

  it("keeps control characters of the data away from the terminal", async () => {
    const { stdout } = await piped(["-"], JSON.stringify({ resourceType: "Patient", "na\u001B[2Jme": 1 }));
    expect(stdout).not.toContain("\u001B");
  });

  it("reports an unreachable terminology service and judges without it", async () => {
    const observation = JSON.stringify({
      resourceType: "Observation",
      meta: { profile: ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"] },
      status: "final",
      category: [
        {
          coding: [
            { system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "laboratory" },
          ],
        },
      ],
      code: { coding: [{ system: "http://loinc.org", code: "2339-0" }] },
      subject: { reference: "Patient/1" },
      effectiveDateTime: "2020-01-02",
      valueQuantity: { value: 1, unit: "mg/dL", system: "http://unitsofmeasure.org", code: "mg/dL" },
    });
    const { stdout, code } = await piped(["-", "--terminology", "http://127.0.0.1:9/fhir"], observation);
    expect(stdout).toContain("Not verified:");
    expect(stdout).toContain("http://127.0.0.1:9");
    expect(code).toBe(0);
  });

  it("asks a terminology service what it cannot look up, and takes its word", async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "application/fhir+json" });
      response.end(
        JSON.stringify({ resourceType: "Parameters", parameter: [{ name: "result", valueBoolean: false }] }),
      );
    });
    await new Promise<void>((listening) => {
      server.listen(0, "127.0.0.1", listening);
    });
    const { port } = server.address() as AddressInfo;
    // Bound to a value set of VSAC, which nobody can list offline.
    const sex = {
      url: "http://hl7.org/fhir/us/core/StructureDefinition/us-core-sex",
      valueCode: "248153007",
    };
    const input = JSON.stringify(patient({ extension: [sex] }));
    try {
      const offline = await piped(["-", "--json"], input);
      expect(lines(offline.stdout)[0]?.valid).toBe(true);
      expect(offline.stderr).toContain("2.16.840.1.113762.1.4.1240.3: 1");
      await inTemporaryFolder(async (cache) => {
        const asked = await piped(["-", "--json", "--terminology", `http://127.0.0.1:${port}`], input, {
          XDG_CACHE_HOME: cache,
        });
        expect(lines(asked.stdout)[0]).toMatchObject({
          valid: false,
          findings: [{ severity: "error", code: "code-invalid" }],
        });
        expect(asked.stderr).not.toContain("Not verified");
        expect(asked.code).toBe(1);
      });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  it("finds a line that is too long to be read, and reads on", async () => {
    const long = JSON.stringify(patient({ language: "x".repeat(33 * 1024 * 1024) }));
    const { stdout, code } = await piped(["-", "--json"], `${good}\n${long}\n${good}\n`);
    expect(lines(stdout).map(({ line, valid }) => [line, valid])).toEqual([
      [1, true],
      [2, false],
      [3, true],
    ]);
    expect(lines(stdout)[1]?.findings[0]?.code).toBe("too-long");
    expect(code).toBe(1);
  });

  it("follows links to files, and says which links it did not follow", () =>
    inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, "in"));
      writeFileSync(join(folder, "p.json"), good);
      symlinkSync(join(folder, "p.json"), join(folder, "in/p.json"));
      symlinkSync(folder, join(folder, "in/circle"));
      symlinkSync(join(folder, "none.json"), join(folder, "in/none.json"));
      const { stdout, code } = await command(["validate", join(folder, "in")]);
      expect(stdout).toContain("1 resource: 1 valid");
      expect(stdout).toContain("Not read: 2 files that are links");
      expect(code).toBe(0);
    }));

  it("ends quietly where its reader stops reading", async () => {
    const child = spawn(process.execPath, [PROGRAM, "validate", "-", "--json", "--jobs", "1"], {
      stdio: "pipe",
    });
    let stderr = "";
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
    child.stdin.on("error", () => undefined);
    child.stdout.once("data", () => child.stdout.destroy());
    child.stdin.end(`${good}\n`.repeat(30_000));
    await new Promise((closed) => {
      child.on("close", closed);
    });
    expect(stderr).toBe("");
  });
});
