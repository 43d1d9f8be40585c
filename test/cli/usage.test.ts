import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { command, filesBelow, inTemporaryFolder } from "./process.ts";

const GOOD = ["run", "--tenant", "demo", "--environment", "sandbox"];

describe("bad usage ends with exit code 2, one helpful line, and nothing written", () => {
  test.each<[string, readonly string[], RegExp]>([
    ["no command", [], /a command is needed/],
    ["an unknown command", ["rnu"], /there is no command "rnu"\. Did you mean "run"\?/],
    ["an unknown option", [...GOOD, "--tenannt", "x"], /unknown argument: tenannt/],
    ["a missing option", ["run", "--tenant", "demo"], /environment/],
    ["an option without its value", ["run", "--tenant", "demo", "--environment"], /environment/],
    [
      "an unknown tenant",
      ["run", "--tenant", "dmeo", "--environment", "sandbox"],
      /no tenant "dmeo".*Did you mean "demo"\?/,
    ],
    [
      "an unknown environment",
      ["run", "--tenant", "demo", "--environment", "sandbx"],
      /no environment "sandbx"\. Did you mean "sandbox"\?/,
    ],
    [
      "an environment that the tenant lacks",
      ["run", "--tenant", "demo", "--environment", "production"],
      /demo\.yaml:\d+: environments: has no environment "production"/,
    ],
    [
      "an unknown API",
      [...GOOD, "--api", "provider-patient-acces"],
      /has no API "provider-patient-acces" in sandbox\. Did you mean "provider-patient-access"\?/,
    ],
    [
      "an unknown suite",
      [...GOOD, "--suite", "smart-config"],
      /no such suite\. Did you mean "smart-configuration"\?/,
    ],
    [
      "an unknown check",
      [...GOOD, "--check", "smart-configuration.pkce-s265"],
      /no check has this id\. Did you mean "smart-configuration\.pkce-s256"\?/,
    ],
    ["a pattern that matches nothing", [...GOOD, "--check", "nothing*"], /no check has this id/],
    [
      "an unknown format",
      [...GOOD, "--format", "allure,junti"],
      /--format junti: not one of .*Did you mean "junit"\?/,
    ],
    ["an unknown evidence mode", [...GOOD, "--evidence", "some"], /evidence/],
    ["a concurrency that is none", [...GOOD, "--concurrency", "0"], /--concurrency: give a whole number/],
    [
      "a concurrency that is no number",
      [...GOOD, "--concurrency", "many"],
      /--concurrency: give a whole number/,
    ],
    [
      "a configuration directory that is not there",
      [...GOOD, "--config", "nowhere"],
      /--config nowhere: there is no such directory/,
    ],
    ["an unknown list", ["list", "chekcs"], /Did you mean "checks"\?/],
    ["a fault that is not there", ["sandbox", "--fault", "smart-configuration.without-s265"], /without-s265/],
    ["a port that is none", ["sandbox", "--port", "70000"], /--port/],
    ["results that are not there", ["report", "nowhere"], /nowhere: has no run\.json/],
    ["a name that every object knows", ["list", "constructor"], /there is no such list/],
    [
      "an environment that every object knows",
      ["run", "--tenant", "demo", "--environment", "constructor"],
      /no environment "constructor"/,
    ],
    ["an empty results directory", [...GOOD, "--out", ""], /--out: the value is empty/],
    ["an empty selection", [...GOOD, "--check", ","], /--check: the value is empty/],
    ["one value given twice", [...GOOD, "--out", "a", "--out", "b"], /--out: given 2 times/],
    [
      "results below something that is no directory",
      [...GOOD, "--out", "/dev/null/x"],
      /--out .*: cannot be used as a directory \(ENOTDIR\)/,
    ],
    ["a tenant's name that is none", ["init", "St Elsewhere!"], /lower-case letters/],
  ])("%s", async (_, args, line) => {
    await inTemporaryFolder(async (folder) => {
      const ended = await command(args, { cwd: folder });
      expect(ended.stderr.trim().split("\n")).toHaveLength(1);
      expect(ended.stderr).toMatch(line);
      expect(ended.stdout).toBe("");
      expect(ended.code).toBe(2);
      expect([...filesBelow(folder).keys()]).toEqual([]);
    });
  });

  test("another's files are not taken for an earlier run's", async () => {
    await inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, "mine", "evidence"), { recursive: true });
      writeFileSync(join(folder, "mine", "evidence", "thesis.txt"), "years of work");
      const ended = await command([...GOOD, "--out", "mine"], { cwd: folder });
      expect(ended.stderr).toMatch(/--out .*mine: holds "evidence" but no run\.json/);
      expect(ended.code).toBe(2);
      expect([...filesBelow(folder).keys()]).toEqual(["mine/evidence/thesis.txt"]);
    });
  });

  test("two runs do not write into the same directory at once, and a killed one does not keep it", async () => {
    await inTemporaryFolder(async (folder) => {
      const args = [
        ...GOOD,
        "--check",
        "smart-configuration.pkce-plain",
        "--out",
        "out",
        "--format",
        "junit",
      ];
      mkdirSync(join(folder, "out"));
      writeFileSync(join(folder, "out", ".run.lock"), String(process.pid));
      const second = await command(args, { cwd: folder });
      expect(second.stderr).toMatch(/--out .*out: another run \(process \d+\) is writing there/);
      expect(second.code).toBe(2);
      // No process can have this number.
      writeFileSync(join(folder, "out", ".run.lock"), "99999999");
      const third = await command(args, { cwd: folder });
      expect(third.code).toBe(0);
      expect([...filesBelow(join(folder, "out")).keys()]).not.toContain(".run.lock");
    });
  });

  test("a mistake in a file names file, line and field", async () => {
    await inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, "conf", "tenants"), { recursive: true });
      writeFileSync(
        join(folder, "conf", "tenants", "acme.yaml"),
        "name: Acme\nuuid: nope\nenvironments: {}\n",
      );
      const ended = await command(
        ["run", "--config", "conf", "--tenant", "acme", "--environment", "preview"],
        { cwd: folder },
      );
      expect(ended.stderr).toMatch(
        /^careconnect-conformance: conf\/tenants\/acme\.yaml:2: uuid: "nope" is not a UUID/,
      );
      expect(ended.code).toBe(2);
      expect([...filesBelow(folder).keys()]).toEqual(["conf/tenants/acme.yaml"]);
    });
  });
});

describe("commands that tell", () => {
  test("a reader that has seen enough is no error", async () => {
    const ended = await command(["list", "checks"], { started: (child) => child.stdout?.destroy() });
    expect(ended.stderr).toBe("");
    expect(ended.code).toBe(0);
  });

  test.each(["tenants", "apis", "suites", "checks", "faults", "requirements"])(
    "list %s, as a table and as JSON",
    async (what) => {
      const table = await command(["list", what]);
      expect(table.stderr).toBe("");
      expect(table.stdout.split("\n").length).toBeGreaterThan(3);
      const json = await command(["list", what, "--json"]);
      expect(JSON.parse(json.stdout)).not.toHaveLength(0);
    },
  );

  test("coverage prints real numbers", async () => {
    const { stdout } = await command(["coverage", "--json"]);
    const { catalogues } = JSON.parse(stdout) as {
      catalogues: { catalogue: string; counts: Record<string, number> }[];
    };
    const smart = catalogues.find(({ catalogue }) => catalogue === "smart-app-launch-2.0.0");
    expect(smart?.counts["total"]).toBe(203);
    for (const { counts } of catalogues) {
      expect((counts["covered"] ?? 0) + (counts["notObservable"] ?? 0) + (counts["open"] ?? 0)).toBe(
        counts["total"],
      );
    }
  });

  test("init writes a tenant file that is valid once filled in, and never over another", async () => {
    await inTemporaryFolder(async (folder) => {
      const first = await command(["init", "st-elsewhere"], { cwd: folder });
      expect(first.code).toBe(0);
      expect(first.stdout).toContain("config/tenants/st-elsewhere.yaml is written");
      const again = await command(["init", "st-elsewhere"], { cwd: folder });
      expect(again.code).toBe(2);
      expect(again.stderr).toContain("is there already");
      const listed = await command(["list", "tenants", "--config", "config", "--json"], { cwd: folder });
      expect(JSON.parse(listed.stdout)).toMatchObject([{ tenant: "st-elsewhere", environment: "preview" }]);
      const run = await command(
        ["run", "--config", "config", "--tenant", "st-elsewhere", "--environment", "preview"],
        { cwd: folder },
      );
      expect(run.stderr).toContain("the environment variable CARECONNECT_CLIENT_SECRET is not set");
    });
  });
});
