import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { keepIn, type KeptState } from "../../lib/checks/kept.ts";
import type { CheckResult, RunDescription } from "../../lib/checks/results.ts";
import { readAsked, tell } from "../../lib/checks/waiting.ts";
import type { Target } from "../../lib/config/targets.ts";
import { startSandbox, type Sandbox } from "../../lib/sandbox/index.ts";
import { command, inTemporaryFolder } from "../cli/process.ts";
import { startAsking } from "./asking.ts";

const REVOCABLE = "riverbend-system-revocable";

const guided =
  (minutes: number) =>
  (target: Target): Target => ({
    ...target,
    tenantOwner: { driver: "guided", minutes, everySeconds: 0.1, effectSeconds: 0.5 },
  });

/** A tenant owner who does what is asked of them. */
function obedient(sandbox: () => Sandbox, application = REVOCABLE) {
  return (text: string): void => {
    if (/ to revoke /.test(text)) void sandbox().authorize(application, "revoked");
    if (/ to authorize /.test(text)) void sandbox().authorize(application, "approved");
  };
}

const statuses = (verdicts: Readonly<Record<string, { status: string }>>) =>
  Object.fromEntries(Object.entries(verdicts).map(([id, { status }]) => [id, status]));

describe("a tenant that must not be changed", () => {
  test.each(["provider-patient-access", "provider-system-access"])("is not, at %s", async (api) => {
    const asking = await startAsking(api, { change: (target) => ({ ...target, mutations: "forbidden" }) });
    try {
      const verdicts = await asking.ask("revocation");
      const changing = asking.exchanges.filter(({ request }) =>
        /\/tenant-owner\/|\/manage$|\$export/.test(request.url),
      );
      expect(changing).toEqual([]);
      expect(verdicts["access-token-dies"]).toMatchObject({
        status: "not-applicable",
        reason: expect.stringContaining("mutations: allowed") as string,
      });
      expect(verdicts["revoked-gets-no-access"]).toEqual({ status: "pass" });
    } finally {
      await asking.close();
    }
  });

  test("a registration that other checks use is never revoked", async () => {
    const asking = await startAsking("provider-system-access", {
      change: (target) => ({
        ...target,
        otherClients: { ...target.otherClients, ...(target.client && { revocable: target.client }) },
      }),
    });
    try {
      const verdicts = await asking.ask("revocation", ["access-token-dies"]);
      expect(verdicts["access-token-dies"]?.status).toBe("not-applicable");
      expect(asking.exchanges).toEqual([]);
    } finally {
      await asking.close();
    }
  });
});

describe("a tenant owner who is asked", () => {
  test("revokes and restores while the run waits, and every question is answered", async () => {
    const said: string[] = [];
    const owner = obedient(() => asking.sandbox);
    const asking = await startAsking("provider-system-access", {
      change: guided(1),
      surroundings: {
        announce: (text) => {
          said.push(text);
          owner(text);
        },
      },
    });
    try {
      const found = statuses(await asking.ask("revocation"));
      // The previous API, to compare errors with, is not part of this session.
      const { "errors-documented": compared, ...rest } = found;
      expect(compared).toBe("not-applicable");
      expect(Object.entries(rest).filter(([, status]) => !/^(pass|not-applicable)$/.test(status))).toEqual(
        [],
      );
      expect(rest["export-file-closed"]).toBe("pass");
      expect(rest["works-again-api"]).toBe("pass");
      expect(said.filter((text) => text.includes("Waiting until"))).toHaveLength(2);
    } finally {
      await asking.close();
    }
  });

  test("and does not act: the run ends with what is to be done, and has changed nothing", async () => {
    await inTemporaryFolder(async (folder) => {
      const kept = keepIn(folder);
      const asking = await startAsking("provider-system-access", {
        change: guided(0.004),
        surroundings: { kept: () => kept },
      });
      try {
        const verdicts = await asking.ask("revocation", ["access-token-dies", "works-again-token"]);
        for (const verdict of Object.values(verdicts)) {
          expect(verdict).toMatchObject({
            status: "blocked",
            reason: expect.stringMatching(/nobody did it .* run --resume/) as string,
          });
        }
        expect(readAsked(kept)).toMatchObject({ act: "revoke", application: REVOCABLE, state: "given-up" });
      } finally {
        await asking.close();
      }
    });
  });

  test("says so from elsewhere, though the server does not act on it", async () => {
    await inTemporaryFolder(async (folder) => {
      const kept = keepIn(folder);
      const owner = obedient(() => asking.sandbox);
      const asking = await startAsking("provider-system-access", {
        faults: ["revocation.access-token-dies", "revocation.token-request-refused"],
        change: guided(1),
        surroundings: {
          kept: () => kept,
          announce: (text) => {
            owner(text);
            // Nothing is to be noticed: only the word of the tenant owner remains.
            confirmSoon(kept);
          },
        },
      });
      try {
        const found = statuses(
          await asking.ask("revocation", ["access-token-dies", "token-request-refused"]),
        );
        expect(found).toEqual({ "access-token-dies": "fail", "token-request-refused": "fail" });
      } finally {
        await asking.close();
      }
    });
  });
});

function confirmSoon(kept: KeptState): void {
  const asked = readAsked(kept);
  if (asked?.state === "waiting") tell(kept, asked);
}

describe("a run that was killed", () => {
  test("while the authorization was revoked: the next one gives it back first", async () => {
    const sandbox = await startSandbox();
    await sandbox.authorize(REVOCABLE, "revoked");
    const asking = await startAsking("provider-system-access", { sandbox });
    try {
      const found = statuses(await asking.ask("revocation", ["access-token-dies", "works-again-token"]));
      expect(found).toEqual({ "access-token-dies": "pass", "works-again-token": "pass" });
    } finally {
      await asking.close();
      await sandbox.close();
    }
  });

  test("while it waited for the tenant owner is gone on with by another process", async () => {
    const sandbox = await startSandbox();
    try {
      await inTemporaryFolder(async (folder) => {
        const config = join(folder, "config");
        const out = join(folder, "out");
        writeConfiguration(config, sandbox);
        const selection = ["--suite", "revocation", "--api", "provider-system-access"];
        const args = [
          "run",
          "--tenant",
          "guided",
          "--environment",
          "preview",
          "--config",
          config,
          "--out",
          out,
          ...selection,
        ];
        const env = { ...sandbox.env };
        const killed = await command(args, {
          env,
          started: (child) =>
            watch(child, {
              " to revoke ": () => void sandbox.authorize(REVOCABLE, "revoked"),
              " to authorize ": () => {
                const killing = setInterval(() => {
                  // All that can be told while it is revoked has been told: two questions are left.
                  if (results(out).size < plannedIn(out) - 2) return;
                  clearInterval(killing);
                  child.kill("SIGKILL");
                }, 50);
              },
            }),
        });
        expect(killed.code).toBeNull();
        const before = results(out);
        expect(before.get("revocation.access-token-dies")?.status).toBe("pass");
        expect(before.has("revocation.works-again-token")).toBe(false);

        const told = await command(["revocation", "--out", out]);
        expect(told.stdout).toContain(`to authorize the application ${REVOCABLE} again`);

        await sandbox.authorize(REVOCABLE, "approved");
        const ended = await command([...args, "--resume"], { env });
        expect(ended.code, ended.stderr).toBe(0);
        const after = results(out);
        expect(after.get("revocation.works-again-token")?.status).toBe("pass");
        expect(after.get("revocation.access-token-dies")?.startedAt).toBe(
          before.get("revocation.access-token-dies")?.startedAt,
        );
        expect((await command(["revocation", "--out", out])).stdout).toBe(
          "Nothing is asked of the tenant owner.\n",
        );
      });
    } finally {
      await sandbox.close();
    }
  }, 180_000);
});

/** Does something when the program says something. */
function watch(child: ChildProcess, reactions: Readonly<Record<string, () => void>>): void {
  const left = new Map(Object.entries(reactions));
  let text = "";
  child.stderr?.on("data", (data: Buffer) => {
    text += data.toString();
    for (const [words, react] of left) {
      if (!text.includes(words)) continue;
      left.delete(words);
      react();
    }
  });
}

function results(out: string): ReadonlyMap<string, CheckResult> {
  // What follows the last line's end is being written.
  const lines = readFileSync(join(out, "results.ndjson"), "utf8").split("\n").slice(0, -1);
  return new Map(
    lines
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as CheckResult)
      .map((result) => [result.check, result]),
  );
}

function plannedIn(out: string): number {
  return (JSON.parse(readFileSync(join(out, "run.json"), "utf8")) as RunDescription).planned;
}

/** A tenant at a server that is already there, with a tenant owner who has to be asked. */
function writeConfiguration(folder: string, sandbox: Sandbox): void {
  mkdirSync(join(folder, "tenants"), { recursive: true });
  writeFileSync(
    join(folder, "environments.yaml"),
    `environments:
  preview:
    title: Preview
    fhirHost: ${sandbox.origin}
    legacyAuthorizationHost: ${sandbox.legacyOrigin}
`,
  );
  writeFileSync(
    join(folder, "tenants", "guided.yaml"),
    `name: Riverbend Community Health
uuid: 6f1d0f3e-2b64-4c58-9a55-0d3c7a1e4b21
environments:
  preview:
    mutations: allowed
    tenantOwner: { driver: guided, minutes: 3, everySeconds: 0.2, effectSeconds: 1 }
    apis:
      provider-system-access:
        client: &client
          id: riverbend-system-es384
          authentication: private_key_jwt
          key: \${env:CARECONNECT_SANDBOX_RIVERBEND_SYSTEM_ES384_KEY}
          algorithm: ES384
        otherClients:
          revocable:
            id: ${REVOCABLE}
            authentication: private_key_jwt
            key: \${env:CARECONNECT_SANDBOX_RIVERBEND_SYSTEM_REVOCABLE_KEY}
            algorithm: ES384
`,
  );
}
