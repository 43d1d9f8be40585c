import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** The compiled program, as a user runs it. `npm test` builds it first. */
export const PROGRAM = join(root, "dist", "lib", "cli", "main.js");

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Settings {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly program?: string;
  /** Called with the child once it runs. */
  readonly started?: (child: ChildProcess) => void;
}

/** Runs the program to its end. */
export function command(args: readonly string[], settings: Settings = {}): Promise<Ended> {
  return new Promise((resolved, rejected) => {
    const env = { ...process.env, ...settings.env };
    // What vitest sets for its own workers is not the user's.
    for (const name of Object.keys(env))
      if (/^(VITEST|TEST$|NODE_ENV$|GITHUB_|FORCE_COLOR)/.test(name)) delete env[name];
    const child = spawn(process.execPath, [settings.program ?? PROGRAM, ...args], {
      cwd: settings.cwd ?? root,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
    child.on("error", rejected);
    child.on("close", (code) => resolved({ code, stdout, stderr }));
    settings.started?.(child);
  });
}

/** A folder that is gone when the work is done. */
export async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "careconnect-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Every file below a folder with its content. */
export function filesBelow(folder: string): ReadonlyMap<string, Buffer> {
  return new Map(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(folder, name)).isFile())
      .map((name) => [name, readFileSync(join(folder, name))]),
  );
}
