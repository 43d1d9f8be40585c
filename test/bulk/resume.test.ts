import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync, readdirSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { CheckResult } from "../../lib/checks/results.ts";
import { command, inTemporaryFolder } from "../cli/process.ts";

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Files of the export, each with patients or conditions of its own. */
const FILES = ["Patient-1", "Patient-2", "Condition-1", "Condition-2", "Condition-3"] as const;
const LINES = 40;

function lineOf(file: string, index: number): string {
  const id = `${file}-${index}`;
  const resource = file.startsWith("Patient")
    ? { resourceType: "Patient", id, gender: "unknown", identifier: [{ system: "urn:x", value: id }] }
    : // The last file refers to nobody, and says the first resource twice.
      {
        resourceType: "Condition",
        id,
        subject: { reference: `Patient/Patient-${1 + (index % 2)}-${index}` },
      };
  return `${JSON.stringify(resource)}\n`;
}

/** A public server of one export; the last file stands still in the midst until it may go on. */
async function serve() {
  const asked = new Map<string, number>();
  let kickOffs = 0;
  let isHeld = false;
  let mayEnd = true;
  const stopped: (() => void)[] = [];
  const count = (name: string) => asked.set(name, (asked.get(name) ?? 0) + 1);
  const giveFile = async (name: string, response: ServerResponse) => {
    const lines = Array.from({ length: LINES }, (_, index) => lineOf(name, index));
    if (name === "Condition-3") lines.push(lines[0] ?? "");
    response.writeHead(200, { "content-type": "application/fhir+ndjson" });
    response.write(lines.slice(0, 20).join(""));
    if (name === FILES.at(-1) && !mayEnd) {
      isHeld = true;
      await new Promise<void>((resolve) => stopped.push(resolve));
    }
    response.end(lines.slice(20).join(""));
  };
  const server = createServer((request, response) => {
    const { pathname: path } = new URL(request.url ?? "", "http://server");
    const origin = `http://${request.headers.host ?? ""}`;
    const json = (status: number, body: object, headers: Record<string, string> = {}) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(body));
    };
    if (path === "/fhir/Patient/$export") {
      kickOffs += 1;
      response.writeHead(202, { "content-location": `${origin}/jobs/${kickOffs}` }).end();
    } else if (path.startsWith("/jobs/") && request.method === "DELETE") response.writeHead(202).end();
    else if (path.startsWith("/jobs/")) {
      json(200, {
        transactionTime: new Date().toISOString(),
        request: `${origin}/fhir/Patient/$export`,
        requiresAccessToken: false,
        output: FILES.map((name) => ({
          type: name.split("-")[0],
          url: `${origin}/files/${name}`,
          count: LINES,
        })),
        error: [],
      });
    } else if (path.startsWith("/files/")) {
      const name = path.slice("/files/".length);
      count(name);
      void giveFile(name, response);
    } else json(404, { resourceType: "OperationOutcome", issue: [] });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  ends.push(() => {
    for (const stop of stopped) stop();
    server.closeAllConnections();
    server.close();
  });
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir`,
    asked,
    kickOffs: () => kickOffs,
    isHeld: () => isHeld,
    hold: () => {
      mayEnd = false;
    },
    release: () => {
      mayEnd = true;
      asked.clear();
    },
  };
}

function configure(folder: string, base: string): string {
  const config = join(folder, "conf");
  mkdirSync(join(config, "tenants"), { recursive: true });
  const lines = [
    "name: Clinic",
    "environments:",
    "  preview:",
    "    apis:",
    "      bulk:",
    `        fhirBase: ${base}`,
    "        access: system",
    "        bulk: { pollSeconds: 0.1 }",
  ];
  writeFileSync(join(config, "tenants", "clinic.yaml"), lines.join("\n"));
  return config;
}

const verdictsOf = (out: string) =>
  Object.fromEntries(
    readFileSync(join(out, "results.ndjson"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as CheckResult)
      .map(({ check, status, findings }) => [check, { status, found: findings.map(({ actual }) => actual) }]),
  );

describe("an export whose download was killed", { timeout: 120_000 }, () => {
  test("goes on with --resume: no finished file is fetched again, and the verdicts are the same", async () => {
    await inTemporaryFolder(async (folder) => {
      const server = await serve();
      const config = configure(folder, server.base);
      const [whole, out] = [join(folder, "whole"), join(folder, "out")];
      const start = ["run", "--config", config, "--tenant", "clinic", "--environment", "preview"];
      const wanted = [
        "manifest-count",
        "lines-*",
        "resources-once",
        "resources-valid",
        "resources-belong",
        "references-*",
      ];
      const args = [...start, "--check", wanted.map((name) => `bulk-export.${name}`).join(",")];
      await command([...args, "--out", whole]);
      expect(verdictsOf(whole)["bulk-export.resources-once"]).toMatchObject({ status: "fail" });

      server.hold();
      const killed = await command([...args, "--out", out], {
        started: (child) => {
          const journal = join(out, "state", "bulk", "export-files.ndjson");
          const watch = setInterval(() => {
            const finished = existsSync(journal) ? readFileSync(journal, "utf8").split("\n").length - 1 : 0;
            if (!server.isHeld() || finished < FILES.length - 1) return;
            clearInterval(watch);
            child.kill("SIGKILL");
          }, 20);
          child.on("close", () => clearInterval(watch));
        },
      });
      expect(killed.code).toBeNull();
      const kickOffs = server.kickOffs();

      server.release();
      await command([...start, "--out", out, "--resume"]);
      expect(verdictsOf(out)).toEqual(verdictsOf(whole));
      expect(Object.fromEntries(server.asked)).toEqual({ "Condition-3": 1 });
      expect(server.kickOffs()).toBe(kickOffs);

      // What was kept for that is nobody else's to read, and holds no resource.
      const state = join(out, "state", "bulk");
      for (const name of readdirSync(state)) {
        expect(statSync(join(state, name)).mode & 0o077).toBe(0);
        expect(readFileSync(join(state, name), "latin1")).not.toContain("urn:x");
      }
    });
  });
});
