import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { examples, ownSamples } from "./examples.mjs";
import { rounded, timed } from "./measure.mjs";

const PROGRAM = fileURLToPath(new URL("../dist/lib/cli/main.js", import.meta.url));
const ROUNDS = 15;
const run = (args) => timed(() => spawnSync(process.execPath, args, { stdio: "ignore" }));

/** From the start of the process to its end, for one resource and for nothing. */
export function coldStart(say) {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  try {
    const file = join(folder, "one.json");
    const found = examples().find(({ name }) => name.includes("Patient-example.json")) ?? ownSamples[0];
    writeFileSync(file, found.text);
    const nothing = ["-e", "0"];
    const verdict = [PROGRAM, "validate", file, "--ig", "us-core-6.1.0"];
    run(nothing);
    run(verdict);
    const node = [];
    const ours = [];
    for (let i = 0; i < ROUNDS; i++) {
      node.push(run(nothing));
      ours.push(run(verdict));
    }
    say({
      bench: "cold-start",
      nodeMs: rounded(Math.min(...node)),
      firstVerdictMs: rounded(Math.min(...ours)),
      differenceMs: rounded(Math.min(...ours) - Math.min(...node)),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
