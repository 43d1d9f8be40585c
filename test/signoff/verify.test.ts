import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { command, inTemporaryFolder } from "../cli/process.ts";
import { GREEN, settings, sha256, writeRun } from "./example.ts";
import type { CheckResult } from "../../lib/checks/results.ts";
import { verdict } from "../report/fixture.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const today = () => new Date().toISOString().slice(0, 10);

/** A user's configuration and results of today that rest on it. */
function prepare(
  folder: string,
  results: readonly CheckResult[] = GREEN,
  attested = true,
): readonly string[] {
  const config = join(folder, "conf");
  mkdirSync(join(config, "tenants"), { recursive: true });
  writeFileSync(
    join(config, "tenants", "riverside.yaml"),
    "name: Riverside\nenvironments:\n  preview:\n    apis:\n      ours:\n        fhirBase: https://fhir.example.org/r4\n        access: system\n        client: { id: app, authentication: client_secret_basic, secret: '${env:PLANTED_SECRET}' }\n",
  );
  const items = settings.checklist.filter(({ answeredBy }) => answeredBy !== "checks");
  const attestations = (attested ? items : items.slice(1)).map(({ id }) => ({
    item: id,
    tenant: "riverside",
    environment: "preview",
    by: "Ada Example",
    role: "Integration lead",
    at: today(),
    note: "Seen and found right.",
  }));
  writeFileSync(join(config, "attestations.yaml"), JSON.stringify({ attestations }));
  const files = {
    "config/tenants/riverside.yaml": join(config, "tenants", "riverside.yaml"),
    "config/environments.yaml": join(root, "config", "environments.yaml"),
    "config/apis.yaml": join(root, "config", "apis.yaml"),
  };
  const digests = Object.fromEntries(
    Object.entries(files).map(([name, path]) => [name, sha256(readFileSync(path))]),
  );
  const startedAt = new Date(Date.now() - 60_000).toISOString();
  writeRun(join(folder, "results"), results, { digests, startedAt });
  const whose = ["--config", config, "--tenant", "riverside", "--environment", "preview"];
  return ["signoff", ...whose, "--results", join(folder, "results")];
}

const DECIDED = ["--decision", "go", "--by", "Ada Example", "--role", "Integration lead"];

describe("a signed sign-off", { timeout: 60_000 }, () => {
  let made: string;
  beforeAll(async () => {
    made = mkdtempSync(join(tmpdir(), "careconnect-"));
    const args = prepare(made);
    const keys = await command(["signoff", "keygen", "--out", join(made, "key.jwk")]);
    expect(keys.code).toBe(0);
    const out = join(made, "out");
    const ended = await command([...args, ...DECIDED, "--key", join(made, "key.jwk"), "--out", out], {
      env: { PLANTED_SECRET: "planted-secret-value" },
    });
    expect(ended.stderr).toBe("");
    expect(ended.code).toBe(0);
  });
  afterAll(() => rmSync(made, { recursive: true, force: true }));

  const verify = (folder: string, file = "signoff.html", key = join(made, "key.pub.jwk")) =>
    command(["signoff", "verify", join(folder, file), "--key", key]);

  test("verifies, from its page and from its statement, wherever it is copied to", async () => {
    await inTemporaryFolder(async (folder) => {
      cpSync(join(made, "out"), join(folder, "copy"), { recursive: true });
      for (const file of ["signoff.html", "signoff.jws"]) {
        const ended = await verify(join(folder, "copy"), file);
        expect(ended.stdout).toContain("Verified: riverside · preview, go by Ada Example, Integration lead");
        expect(ended.code).toBe(0);
      }
    });
  });

  test("holds neither the private key nor a secret, and is readable by its owner alone", () => {
    const { d } = JSON.parse(readFileSync(join(made, "key.jwk"), "utf8")) as { d: string };
    const out = join(made, "out");
    for (const name of readdirSync(out, { recursive: true, encoding: "utf8" })) {
      const status = statSync(join(out, name));
      expect(status.mode & 0o077, name).toBe(0);
      if (status.isDirectory()) continue;
      const text = readFileSync(join(out, name), "utf8");
      expect(text).not.toContain(d);
      expect(text).not.toContain("planted-secret-value");
    }
    expect(statSync(join(made, "key.jwk")).mode & 0o077).toBe(0);
  });

  const flip = (path: string, at: number) => {
    const bytes = readFileSync(path);
    const index = at < 0 ? bytes.length + at : at;
    bytes[index] = (bytes[index] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  };

  test.each([
    ["results.ndjson", "results.ndjson was changed"],
    ["run.json", "run.json was changed"],
    ["evidence/x0001.json", "evidence/x0001.json was changed"],
    ["config/tenants/riverside.yaml", "config/tenants/riverside.yaml was changed"],
    ["config/attestations.yaml", "config/attestations.yaml was changed"],
    ["config/signoff.yaml", "config/signoff.yaml was changed"],
    ["signoff.html", "signoff.html was changed"],
    ["signoff.json", "signoff.json was changed"],
    ["signoff.md", "signoff.md was changed"],
  ])("names %s when one byte of it is changed", async (name, says) => {
    await inTemporaryFolder(async (folder) => {
      const out = join(folder, "out");
      cpSync(join(made, "out"), out, { recursive: true });
      flip(join(out, name), 40);
      const ended = await verify(out);
      expect(ended.code).toBe(1);
      expect(ended.stdout).toContain(`NOT VERIFIED: ${join(out, "signoff.html")}`);
      expect(ended.stdout.trim().split("\n")).toHaveLength(2);
      expect(ended.stdout).toContain(says);
    });
  });

  test.each<[string, (out: string) => void, string]>([
    [
      "evidence that was added",
      (out) => writeFileSync(join(out, "evidence", "x0999.json"), "{}"),
      "evidence/x0999.json was added",
    ],
    [
      "evidence that is gone",
      (out) => rmSync(join(out, "evidence", "x0001.json")),
      "evidence/x0001.json is missing",
    ],
    [
      "a line added to results",
      (out) => appendFileSync(join(out, "results.ndjson"), "\n"),
      "results.ndjson was changed",
    ],
    [
      "a link in place of a file",
      (out) => {
        rmSync(join(out, "signoff.md"));
        symlinkSync(join(made, "out", "signoff.md"), join(out, "signoff.md"));
      },
      "signoff.md was changed",
    ],
    [
      "any byte of the statement",
      (out) => flip(join(out, "signoff.jws"), -5),
      "signoff.jws carries another statement",
    ],
    [
      "a space within the statement's place",
      (out) => {
        const path = join(out, "signoff.html");
        writeFileSync(path, readFileSync(path, "utf8").replace('id="statement">', 'id="statement"> '));
      },
      "it is not as it was written",
    ],
    [
      "a statement that is gone",
      (out) => {
        const path = join(out, "signoff.html");
        writeFileSync(path, readFileSync(path, "utf8").replace(/(id="statement">)[^<]*/, "$1"));
      },
      "it carries no signed statement",
    ],
  ])("tells of %s", async (_, change, says) => {
    await inTemporaryFolder(async (folder) => {
      const out = join(folder, "out");
      cpSync(join(made, "out"), out, { recursive: true });
      change(out);
      const ended = await verify(out);
      expect(ended.code).toBe(1);
      expect(ended.stdout).toContain(says);
    });
  });

  test("lets not one character of its signature be another, not even one that reads the same", async () => {
    await inTemporaryFolder(async (folder) => {
      const out = join(folder, "out");
      cpSync(join(made, "out"), out, { recursive: true });
      const path = join(out, "signoff.jws");
      const jws = JSON.parse(readFileSync(path, "utf8")) as { signature: string };
      // The last of 86 characters carries four bits that mean nothing.
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      const last = alphabet.indexOf(jws.signature.at(-1) ?? "");
      jws.signature = jws.signature.slice(0, -1) + (alphabet[last ^ 1] ?? "");
      writeFileSync(path, JSON.stringify(jws));
      const ended = await verify(out, "signoff.jws");
      expect(ended.code).toBe(1);
      expect(ended.stdout).toContain("it is not as it was written");
    });
  });

  test("is not proven by a key of somebody else, also not under the same name", async () => {
    await inTemporaryFolder(async (folder) => {
      const other = join(folder, "other.jwk");
      await command(["signoff", "keygen", "--out", other]);
      const unknown = await verify(join(made, "out"), "signoff.html", join(folder, "other.pub.jwk"));
      expect(unknown.code).toBe(1);
      expect(unknown.stdout).toContain("not among the keys given");
      const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as { kid: string };
      const { kid } = read(join(made, "key.pub.jwk"));
      writeFileSync(
        join(folder, "posing.jwk"),
        JSON.stringify({ ...read(join(folder, "other.pub.jwk")), kid }),
      );
      const posing = await verify(join(made, "out"), "signoff.html", join(folder, "posing.jwk"));
      expect(posing.code).toBe(1);
      expect(posing.stdout).toContain("the signature does not fit");
      writeFileSync(
        join(folder, "set.json"),
        JSON.stringify({ keys: [read(join(folder, "other.pub.jwk")), read(join(made, "key.pub.jwk"))] }),
      );
      expect((await verify(join(made, "out"), "signoff.html", join(folder, "set.json"))).code).toBe(0);
    });
  });
});

describe("a decision", { timeout: 60_000 }, () => {
  test.each<[string, readonly string[], RegExp]>([
    ["without a person", ["--decision", "go"], /a person has to stand for it: --by and --role/],
    ["without a role", ["--decision", "no-go", "--by", "Ada"], /--by and --role/],
    [
      "under conditions that are not said",
      ["--decision", "conditional", "--by", "Ada", "--role", "Lead"],
      /--note/,
    ],
    ["that is none", ["--by", "Ada"], /go with a --decision/],
  ])("%s is refused", async (_, args, says) => {
    await inTemporaryFolder(async (folder) => {
      const ended = await command([...prepare(folder), ...args, "--out", join(folder, "out")]);
      expect(ended.code).toBe(2);
      expect(ended.stderr.trim().split("\n")).toHaveLength(1);
      expect(ended.stderr).toMatch(says);
      expect(readdirSync(folder)).not.toContain("out");
    });
  });

  test("to go is refused while an item is not attested, and nothing is written", async () => {
    await inTemporaryFolder(async (folder) => {
      const args = prepare(folder, GREEN, false);
      const ended = await command([...args, ...DECIDED, "--out", join(folder, "out")]);
      expect(ended.code).toBe(2);
      expect(ended.stderr).toContain("the decision cannot be go, at best conditional: checklist-attested");
      expect(readdirSync(folder)).not.toContain("out");
      const open = await command([...args, "--out", join(folder, "out"), "--json"]);
      expect(open.code).toBe(1);
      expect(JSON.parse(open.stdout)).toMatchObject({ outcome: "conditional", ruled: "conditional" });
    });
  });

  test("rests on the configuration of the run: a change of it stands in the way", async () => {
    await inTemporaryFolder(async (folder) => {
      const args = prepare(folder);
      appendFileSync(join(folder, "conf", "tenants", "riverside.yaml"), "# changed\n");
      const ended = await command([...args, "--out", join(folder, "out")]);
      expect(ended.code).toBe(1);
      expect(ended.stdout).toContain(
        "no-go: same-configuration: config/tenants/riverside.yaml is not what it was",
      );
    });
  });

  test("says what failed and what that means for the application, in all three forms", async () => {
    await inTemporaryFolder(async (folder) => {
      const args = prepare(folder, [...GREEN, verdict("auth-flows.one", "fail")]);
      const ended = await command([...args, "--out", join(folder, "out")]);
      expect(ended.code).toBe(1);
      const means = settings.meaning.suites["auth-flows"]!;
      for (const name of ["signoff.html", "signoff.md", "signoff.json"]) {
        const text = readFileSync(join(folder, "out", name), "utf8");
        expect(text.replaceAll("<wbr>", ""), name).toContain("auth-flows.one");
        expect(text, name).toContain(means);
      }
      const { code } = await command([...args, "--out", join(folder, "out")]);
      expect(code).toBe(2);
    });
  });
});

test.each([
  ["no key", "not-a-key"],
  ["a key of another kind", '{"kty":"oct","k":"c2VjcmV0LXZhbHVl"}'],
  ["a public key", '{"kty":"EC","crv":"P-256","x":"c2VjcmV0LXZhbHVl","y":"c2VjcmV0LXZhbHVl"}'],
  ["a broken key", '{"kty":"EC","crv":"P-256","x":"c2VjcmV0LXZhbHVl","y":"AA","d":"c2VjcmV0LXZhbHVl"}'],
])("%s to sign with is refused, without a word of it", async (_, text) => {
  await inTemporaryFolder(async (folder) => {
    const key = join(folder, "key.jwk");
    writeFileSync(key, text);
    const ended = await command([...prepare(folder), "--key", key, "--out", join(folder, "out")]);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain(`--key ${key}: `);
    expect(ended.stderr.replace(basename(key), "")).not.toMatch(/c2VjcmV0|not-a-key/);
  });
});

test("a key is never written over", async () => {
  await inTemporaryFolder(async (folder) => {
    const out = join(folder, "key.jwk");
    await command(["signoff", "keygen", "--out", out]);
    const before = readFileSync(out);
    const ended = await command(["signoff", "keygen", "--out", out]);
    expect(ended.code).toBe(2);
    expect(readFileSync(out).equals(before)).toBe(true);
  });
});
