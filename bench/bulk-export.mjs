// An export of any size from a sandbox in a process of its own: downloaded; downloaded and parsed; and asked all that the
// suite asks of what its files hold, without the runner around it. JSON lines:
//
//   npm run bench:bulk [-- --resources <n>]
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { arch, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { rounded } from "./measure.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const PROGRAM = here("../dist/lib/cli/main.js");
const { values } = parseArgs({ options: { resources: { type: "string", default: "1000000" } } });
const resources = Number(values.resources);
const say = (figures) => console.log(JSON.stringify(figures));

/** What is asked of the files of an export; nothing here starts a second one. */
const ASKED = [
  "manifest-count",
  "files-accessible",
  "files-media-type",
  "lines-*",
  "resources-ids",
  "resources-once",
  "resources-valid",
  "resources-us-core",
  "resources-belong",
  "provenance-belongs",
  "references-*",
  "patients-exported",
].map((name) => `bulk-export.${name}`);

function configure(folder, { origin, legacyOrigin }) {
  const config = join(folder, "conf");
  mkdirSync(join(config, "tenants"), { recursive: true });
  const environment = {
    title: "Bench",
    fhirHost: origin,
    legacyAuthorizationHost: legacyOrigin,
    evidence: "masked",
  };
  const client = {
    id: "riverbend-system-es384",
    authentication: "private_key_jwt",
    key: "${env:CARECONNECT_SANDBOX_RIVERBEND_SYSTEM_ES384_KEY}",
    algorithm: "ES384",
  };
  const bulk = { pollSeconds: 0.2, timeLimitSeconds: 7200 };
  const tenant = {
    name: "Bench",
    uuid: "6f1d0f3e-2b64-4c58-9a55-0d3c7a1e4b21",
    environments: { bench: { apis: { "provider-system-access": { client, bulk } } } },
  };
  // JSON is YAML.
  writeFileSync(join(config, "environments.yaml"), JSON.stringify({ environments: { bench: environment } }));
  writeFileSync(join(config, "tenants", "bench.yaml"), JSON.stringify(tenant));
  return config;
}

async function startSandbox() {
  const child = spawn(
    process.execPath,
    [PROGRAM, "sandbox", "--export-resources", String(resources), "--json"],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let text = "";
  for await (const line of createInterface({ input: child.stdout })) {
    text += line;
    try {
      return { child, place: JSON.parse(text) };
    } catch {
      // Not the whole of it yet.
    }
  }
  throw new Error("the sandbox did not start");
}

const folder = mkdtempSync(join(tmpdir(), "bench-"));
const { child, place } = await startSandbox();
try {
  const config = configure(folder, place);
  const peak = join(folder, "peak");
  const env = { ...process.env, ...place.env, BENCH_PEAK: peak };
  const measure = (args) => {
    const start = performance.now();
    const { status, stdout } = spawnSync(process.execPath, ["--import", here("peak-memory.mjs"), ...args], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
      maxBuffer: 1 << 26,
    });
    const seconds = (performance.now() - start) / 1000;
    return {
      status,
      text: String(stdout),
      seconds,
      peakResidentMb: Math.round(Number(readFileSync(peak, "utf8")) / 1024),
    };
  };
  say({ bench: "machine", node: process.version, cpu: cpus()[0]?.model ?? arch(), cores: cpus().length });
  let megabytes = 0;
  for (const mode of ["download", "parse"]) {
    const { text, peakResidentMb } = measure([here("download-export.mjs"), config, mode]);
    const { bytes, lines, files, seconds } = JSON.parse(text);
    megabytes = bytes / 1e6;
    const engine = mode === "parse" ? "download, and JSON.parse of each line" : "download";
    say({
      bench: "bulk-export",
      engine,
      resources: lines,
      files,
      megabytes: Math.round(megabytes),
      seconds: rounded(seconds, 3),
      mbPerSecond: rounded(megabytes / seconds, 3),
      peakResidentMb,
    });
  }
  const { text, peakResidentMb } = measure([here("ask-export.mjs"), config, ASKED.join(",")]);
  const { seconds, verdicts } = JSON.parse(text);
  say({
    bench: "bulk-export",
    engine: "download, and every question about what the files hold",
    verdicts,
    seconds: rounded(seconds, 3),
    mbPerSecond: rounded(megabytes / seconds, 3),
    resourcesPerSecond: Math.round(resources / seconds),
    peakResidentMb,
  });
} finally {
  child.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}
