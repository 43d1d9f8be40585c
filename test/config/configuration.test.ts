import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfigurationError } from "../../lib/config/errors.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import { resolveTargets } from "../../lib/config/targets.ts";

const UUID = "6f1d0f3e-2b64-4c58-9a55-0d3c7a1e4b21";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "careconnect-config-"));
  mkdirSync(join(folder, "tenants"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function tenant(text: string): void {
  writeFileSync(join(folder, "tenants", "acme.yaml"), text);
}

function targets(
  environment = "preview",
  apis: readonly string[] = [],
  variables: Record<string, string> = {},
) {
  return resolveTargets(loadConfiguration(folder), { tenant: "acme", environment, apis }, variables);
}

function mistake(work: () => unknown): ConfigurationError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigurationError) {
      expect(error.message).not.toContain("\n");
      return error;
    }
    throw error;
  }
  throw new Error("nothing was refused");
}

const apiLines = (lines: string) =>
  `name: Acme\nuuid: ${UUID}\nenvironments:\n  preview:\n    apis:\n      provider-patient-access:\n${lines}`;

describe("a tenant's configuration", () => {
  test("becomes targets with the vendor's URLs", () => {
    tenant(apiLines("        client: { id: app, authentication: public }\n"));
    const [target] = targets().targets;
    expect(target?.base).toBe(`https://fhirtest.netsmartcloud.com/provider/patient-access/v2/${UUID}`);
    expect(target?.authorizationBase).toBe(`https://fhirtest.netsmartcloud.com/auth/${UUID}/oauth2/v1`);
    expect(target?.vendor).toBe(true);
    expect(targets().evidence).toBe("masked");
  });

  test("takes any SMART server by its fhirBase, without the vendor's promises", () => {
    tenant(
      "name: Acme\nenvironments:\n  preview:\n    apis:\n      ours:\n        fhirBase: https://fhir.example.org/r4\n        access: system\n",
    );
    const [target] = targets().targets;
    expect(target).toMatchObject({
      base: "https://fhir.example.org/r4",
      vendor: false,
      authorization: "client-credentials",
    });
    expect(target?.authorizationBase).toBeUndefined();
  });

  test("uses the legacy hosts for v1", () => {
    tenant("name: Acme\nenvironments:\n  production:\n    apis:\n      v1-patient-access: {}\n");
    const [target] = targets("production").targets;
    expect(target?.base).toBe("https://fhir.netsmartcloud.com/uscore/v1");
    expect(target?.authorizationBase).toBe("https://oauth.netsmartcloud.com");
  });

  test("keeps a secret out of everything that prints", () => {
    tenant(
      apiLines(
        "        client:\n          id: app\n          authentication: client_secret_basic\n          secret: ${env:ACME_SECRET}\n",
      ),
    );
    const [target] = targets("preview", [], { ACME_SECRET: "hunter2hunter2" }).targets;
    expect(target?.client?.secret?.reveal()).toBe("hunter2hunter2");
    for (const shown of [
      JSON.stringify(target),
      inspect(target, { depth: 9 }),
      String(target?.client?.secret),
    ]) {
      expect(shown).not.toContain("hunter2");
    }
  });

  test("reads a secret from a file that only its owner can read", () => {
    writeFileSync(join(folder, "tenants", "secret.txt"), "from-a-file\n", { mode: 0o600 });
    tenant(
      apiLines(
        '        client: { id: app, authentication: client_secret_post, secret: "${file:secret.txt}" }\n',
      ),
    );
    expect(targets().targets[0]?.client?.secret?.reveal()).toBe("from-a-file");
  });
});

describe("a mistake is one line that names file, line and field", () => {
  test("a secret that stands there literally, without repeating it", () => {
    tenant(
      apiLines(
        "        client:\n          id: app\n          authentication: client_secret_basic\n          secret: hunter2\n",
      ),
    );
    const error = mistake(() => targets());
    expect(error.message).toMatch(
      /acme\.yaml:10: environments\.preview\.apis\.provider-patient-access\.client\.secret: .*\$\{env:NAME\}/,
    );
    expect(error.message).not.toContain("hunter2");
  });

  test("a key file that others can read", () => {
    const path = join(folder, "tenants", "key.json");
    writeFileSync(path, "{}");
    chmodSync(path, 0o644);
    tenant(
      apiLines(
        "        client:\n          id: app\n          authentication: private_key_jwt\n          key: ${file:key.json}\n",
      ),
    );
    expect(mistake(() => targets()).message).toMatch(
      /acme\.yaml:10: .*client\.key: the file key\.json can be read by others/,
    );
  });

  test("a variable that is missing or empty, and a file that is missing or empty", () => {
    const withSecret = (reference: string) =>
      tenant(
        apiLines(
          `        client: { id: app, authentication: client_secret_basic, secret: "${reference}" }\n`,
        ),
      );
    withSecret("${env:NOWHERE}");
    expect(mistake(() => targets()).message).toContain("the environment variable NOWHERE is not set");
    expect(mistake(() => targets("preview", [], { NOWHERE: " " })).message).toContain("NOWHERE is empty");
    withSecret("${file:nowhere.txt}");
    expect(mistake(() => targets()).message).toContain("the file nowhere.txt does not exist");
    writeFileSync(join(folder, "tenants", "empty.txt"), "\n", { mode: 0o600 });
    withSecret("${file:empty.txt}");
    expect(mistake(() => targets()).message).toContain("the file empty.txt is empty");
  });

  test("a secret where the client authentication needs a key, and the other way round", () => {
    tenant(apiLines('        client: { id: app, authentication: private_key_jwt, secret: "${env:X}" }\n'));
    expect(mistake(() => targets()).message).toMatch(/acme\.yaml:7: .*client/);
    tenant(apiLines("        client: { id: app, authentication: client_secret_basic }\n"));
    expect(mistake(() => targets()).message).toMatch(/client: lacks "secret"/);
  });

  test("a key that is none, without repeating it", () => {
    tenant(
      apiLines('        client: { id: app, authentication: private_key_jwt, key: "${env:ACME_KEY}" }\n'),
    );
    const { message } = mistake(() => targets("preview", [], { ACME_KEY: "hunter2-not-a-key" }));
    expect(message).toMatch(/acme\.yaml:7: .*client\.key: is no private key/);
    expect(message).not.toContain("hunter2");
    const publicOnly = { kty: "EC", crv: "P-256", x: "a", y: "b" };
    expect(mistake(() => targets("preview", [], { ACME_KEY: JSON.stringify(publicOnly) })).message).toMatch(
      /is no private key/,
    );
  });

  test("malformed YAML, and a key that stands twice", () => {
    tenant("name: Acme\nenvironments: [\n");
    expect(mistake(() => targets()).message).toMatch(/acme\.yaml:\d+: is not valid YAML/);
    tenant("name: Acme\nname: Again\n");
    expect(mistake(() => targets()).message).toMatch(/acme\.yaml:2: is not valid YAML/);
  });

  test("an unknown key, with the nearest that is known", () => {
    tenant(apiLines("        cleint: { id: app, authentication: public }\n"));
    const error = mistake(() => targets());
    expect(error.message).toMatch(
      /acme\.yaml:7: environments\.preview\.apis\.provider-patient-access\.cleint: is not a known key\. Did you mean "client"\?/,
    );
  });

  test("a wrong UUID", () => {
    tenant(
      "name: Acme\nuuid: 1234\nenvironments:\n  preview:\n    apis:\n      provider-patient-access: {}\n",
    );
    expect(mistake(() => targets()).message).toMatch(/acme\.yaml:2: uuid: .*UUID/);
    tenant(
      "name: Acme\nuuid: not-a-uuid\nenvironments:\n  preview:\n    apis:\n      provider-patient-access: {}\n",
    );
    expect(mistake(() => targets()).message).toMatch(/acme\.yaml:2: uuid: "not-a-uuid" is not a UUID/);
  });

  test("no UUID where the base URL has one", () => {
    tenant("name: Acme\nenvironments:\n  preview:\n    apis:\n      provider-patient-access: {}\n");
    expect(mistake(() => targets()).message).toMatch(/acme\.yaml:5: .*needs the tenant's uuid/);
  });

  test("an unknown tenant, environment or API", () => {
    tenant(apiLines("        client: { id: app, authentication: public }\n"));
    const configuration = loadConfiguration(folder);
    expect(mistake(() => configuration.tenant("acne")).message).toMatch(
      /no tenant "acne".*Did you mean "acme"\?/,
    );
    expect(mistake(() => targets("preveiw")).message).toMatch(
      /no environment "preveiw"\. Did you mean "preview"\?/,
    );
    expect(mistake(() => targets("production")).message).toMatch(
      /acme\.yaml:3: environments: has no environment "production"/,
    );
    expect(mistake(() => targets("preview", ["provider-patient-acess"])).message).toMatch(
      /Did you mean "provider-patient-access"\?/,
    );
    tenant("name: Acme\nenvironments:\n  preview:\n    apis:\n      provider-pateint-access: {}\n");
    expect(mistake(() => targets()).message).toMatch(
      /acme\.yaml:5: .*not a known API.*Did you mean "provider-patient-access"\?/,
    );
    tenant("name: Acme\nenvironments:\n  prevue:\n    apis:\n      ccd: {}\n");
    expect(mistake(() => targets()).message).toMatch(
      /acme\.yaml:3: environments\.prevue: is not a known environment\. Did you mean "preview"\?/,
    );
  });

  test("a vendor field beside fhirBase's own, and a base URL with a slash at the end", () => {
    tenant(apiLines("        title: Ours\n"));
    expect(mistake(() => targets()).message).toMatch(/acme\.yaml:6: .*fhirBase/);
    tenant(
      'name: Acme\nenvironments:\n  preview:\n    apis:\n      ours: { fhirBase: "https://fhir.example.org/" }\n',
    );
    expect(mistake(() => targets()).message).toMatch(
      /acme\.yaml:5: .*fhirBase: .*without query and without a slash at the end/,
    );
  });

  test("a directory that is not there, and aliases that multiply", () => {
    expect(mistake(() => loadConfiguration(join(folder, "nowhere"))).message).toContain(
      "there is no such directory",
    );
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ...["b", "c", "d", "e", "f", "g"].map(
        (name, index) => `${name}: &${name} [${Array(9).fill(`*${"abcdefg"[index]}`).join(",")}]`,
      ),
    ];
    tenant(bomb.join("\n"));
    expect(mistake(() => targets()).message).toMatch(/acme\.yaml/);
  });
});

test("what has the wrong shape is not repeated, since a secret may stand in it", () => {
  for (const client of [
    "Planted-Secret-1",
    "[{ secret: Planted-Secret-1 }]",
    "{ id: { secret: Planted-Secret-1 } }",
  ]) {
    tenant(apiLines(`        client: ${client}\n`));
    const { message, line } = mistake(() => targets());
    expect(message).toMatch(/client/);
    expect(message).not.toContain("Planted");
    expect(line).toBe(7);
  }
});
