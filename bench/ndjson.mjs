import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { examples, ownSamples } from "./examples.mjs";
import { rounded, timed } from "./measure.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const PROGRAM = here("../dist/lib/cli/main.js");

function write(file, megabytes) {
  const found = examples();
  const texts = (found.length > 0 ? found : ownSamples)
    .map(({ text }) => text)
    .filter((text) => text.length < 20_000);
  const round = Buffer.from(`${texts.join("\n")}\n`);
  const handle = openSync(file, "w");
  for (let written = 0; written < megabytes * 2 ** 20; written += round.length) writeSync(handle, round);
  closeSync(handle);
}

/** Throughput and resident size over one large NDJSON file. */
export async function ndjson(say, megabytes) {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  try {
    const file = join(folder, "large.ndjson");
    const peak = join(folder, "peak");
    write(file, megabytes);
    const size = statSync(file).size / 2 ** 20;
    const run = (args) => {
      let status;
      const ms = timed(() => {
        const env = { ...process.env, BENCH_PEAK: peak };
        ({ status } = spawnSync(process.execPath, ["--import", here("peak-memory.mjs"), ...args], {
          stdio: "ignore",
          env,
        }));
      });
      return {
        status,
        mbPerSecond: rounded(size / (ms / 1000), 3),
        peakResidentMb: Math.round(Number(readFileSync(peak, "utf8")) / 1024),
      };
    };
    say({
      bench: "ndjson",
      engine: "JSON.parse line by line, 1 thread",
      sizeMb: Math.round(size),
      ...run([here("parse-lines.mjs"), file]),
    });
    for (const jobs of new Set([1, availableParallelism()])) {
      const figures = run([PROGRAM, "validate", file, "--ig", "us-core-6.1.0", "--jobs", String(jobs)]);
      say({
        bench: "ndjson",
        engine: "careconnect-conformance validate",
        jobs,
        sizeMb: Math.round(size),
        ...figures,
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
