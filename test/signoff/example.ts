/** A results directory and what else a sign-off is made from, whole and green unless told otherwise. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CheckResult, RunDescription } from "../../lib/checks/results.ts";
import { loadSignoff, type Attestation } from "../../lib/config/signoff.ts";
import { readResults } from "../../lib/report/read.ts";
import { assembleSignoff, type SignoffInput } from "../../lib/report/signoff/assemble.ts";
import { verdict, writeExchange, writeResultsFolder } from "../report/fixture.ts";

export const { settings } = loadSignoff();
export const NOW = new Date("2026-11-22T12:00:00Z");

const PASSED = [
  "smart-configuration.served",
  "capability-statement.served",
  "auth-flows.standalone-granted",
  "auth-flows.standalone-scope",
  "us-core.patient-read",
];

export const GREEN: readonly CheckResult[] = PASSED.map((check) => verdict(check, "pass"));

export const ATTESTED: readonly Attestation[] = settings.checklist
  .filter(({ answeredBy }) => answeredBy !== "checks")
  .map(({ id }) => ({
    item: id,
    tenant: "riverside",
    environment: "preview",
    by: "Ada Example",
    role: "Integration lead",
    at: "2026-11-20",
    note: `Seen to: ${id}.`,
  }));

/** Writes a results directory; `run` is laid over its run.json. */
export function writeRun(
  folder: string,
  results: readonly CheckResult[] = GREEN,
  run: Partial<RunDescription> = {},
): void {
  mkdirSync(folder, { recursive: true });
  writeResultsFolder(folder, results);
  writeExchange(folder, "x0001", `{"resourceType":"CapabilityStatement"}`);
  const file = join(folder, "run.json");
  const written = JSON.parse(readFileSync(file, "utf8")) as RunDescription;
  writeFileSync(file, JSON.stringify({ ...written, digests: {}, ...run }));
}

/** A sign-off of a results directory. */
export function signOff(folder: string, more: Partial<SignoffInput> = {}) {
  return assembleSignoff({
    tenant: "riverside",
    environment: "preview",
    results: readResults(folder),
    settings,
    attestations: ATTESTED,
    changed: [],
    now: NOW,
    ...more,
  });
}

export function sha256(content: string | Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
