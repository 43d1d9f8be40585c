import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { Argv } from "yargs";
import { ConfigurationError } from "../config/errors.ts";
import type { Decision } from "../report/signoff/model.ts";
import { EXIT } from "./exit-codes.ts";
import { printJson, type Done } from "./options.ts";

interface SignoffArguments {
  readonly tenant?: string;
  readonly environment?: string;
  readonly results?: string;
  readonly decision?: Decision;
  readonly by?: string;
  readonly role?: string;
  readonly note?: string;
  readonly key?: string;
  readonly out?: string;
  readonly config?: string;
  readonly json: boolean;
}

/** `signoff`: the go-live decision, as a report a person can put a name under; with `verify` and `keygen`. */
export function signoffCommand(done: Done) {
  return {
    command: "signoff",
    describe: "Decide on going live, and prove later that nothing was changed",
    builder: (yargs: Argv) =>
      yargs
        .command(verifyCommand(done) as never)
        .command(keygenCommand(done) as never)
        .options({
          tenant: { type: "string", requiresArg: true, describe: "Tenant: a file of config/tenants" },
          environment: {
            type: "string",
            requiresArg: true,
            describe: "production, preview, sandbox or rehearsal",
          },
          results: {
            type: "string",
            requiresArg: true,
            describe: "Results directory [reports/out/<environment>/<tenant>]",
          },
          decision: { choices: ["go", "no-go", "conditional"] as const, describe: "What a person decides" },
          by: { type: "string", requiresArg: true, describe: "Who decides" },
          role: { type: "string", requiresArg: true, describe: "In which role" },
          note: { type: "string", requiresArg: true, describe: "Conditions, or why" },
          key: { type: "string", requiresArg: true, describe: "Private key (JWK) to sign with" },
          out: {
            type: "string",
            requiresArg: true,
            describe: "New folder [reports/out/signoff/<environment>/<tenant>/<time>]",
          },
          config: {
            type: "string",
            requiresArg: true,
            describe: "Directory with tenants/*.yaml, in place of the package's config",
          },
          json: { type: "boolean", default: false, describe: "Print the outcome as JSON" },
        }),
    handler: async (args: SignoffArguments) => done(await signOff(args)),
  };
}

async function signOff(args: SignoffArguments): Promise<number> {
  const { tenant, environment } = args;
  if (tenant === undefined || environment === undefined)
    throw new ConfigurationError("signoff needs --tenant and --environment (or verify, or keygen)");
  const decided = decisionOf(args);
  const { configName, loadConfiguration } = await import("../config/load.ts");
  const { loadSignoff } = await import("../config/signoff.ts");
  const { readResults, UnreadableResults } = await import("../report/read.ts");
  const { assembleSignoff, DecisionNotAllowed } = await import("../report/signoff/assemble.ts");
  const { changedConfiguration, writeSignoff } = await import("../report/signoff/write.ts");
  const { DECISION_WORDS, outcome, verdictSentence } = await import("../report/signoff/words.ts");
  const configuration = loadConfiguration(args.config);
  configuration.tenant(tenant);
  if (!Object.hasOwn(configuration.environments, environment))
    throw new ConfigurationError(`--environment ${environment}: there is no such environment`);
  const { settings, attestations, files } = loadSignoff(args.config);
  const key = args.key === undefined ? undefined : (await keysIn(args.key, "private", "--key"))[0];
  const shown = args.results ?? join("reports", "out", environment, tenant);
  const configurationFiles = new Map(configuration.files(tenant).map((path) => [configName(path), path]));
  try {
    const results = readResults(resolve(shown));
    const now = new Date();
    const signoff = assembleSignoff({
      tenant,
      environment,
      results,
      settings,
      attestations,
      changed: changedConfiguration(results.run.digests, configurationFiles),
      now,
      ...(decided === undefined ? {} : { decided }),
      ...(key === undefined ? {} : { key: key.kid }),
    });
    const out = newFolder(args.out ?? defaultFolder(tenant, environment, now));
    const all = new Map([...configurationFiles, ...files]);
    const written = await writeSignoff(signoff, out, results.folder, all, key);
    const found = outcome(signoff);
    const exitCode = found === "go" ? EXIT.passed : EXIT.failed;
    const broken = signoff.rules.filter(({ count }) => count > 0);
    if (args.json) {
      const rules = broken.map(({ rule, because, count }) => ({ id: rule.id, because, count }));
      printJson({ outcome: found, ruled: signoff.ruled, decided, broken: rules, exitCode, files: written });
    } else {
      const lines = [
        `${DECISION_WORDS[found]}: ${verdictSentence(signoff)}`,
        ...broken.map(
          ({ rule, because, count }) =>
            `  ${rule.then}: ${rule.id}: ${because[0] ?? ""}${count > 1 ? ` (and ${count - 1} more)` : ""}`,
        ),
        ...(decided === undefined ? [] : [`  decided by ${decided.by}, ${decided.role}`]),
        ...(key === undefined ? ["  not signed: give --key"] : [`  signed with the key ${key.kid}`]),
        ...written.map((path) => `  ${shortened(path)}`),
      ];
      process.stdout.write(`${lines.join("\n")}\n`);
    }
    return exitCode;
  } catch (error) {
    throw error instanceof UnreadableResults || error instanceof DecisionNotAllowed
      ? new ConfigurationError(error.message)
      : error;
  }
}

/** A path as short as it can be shown. */
function shortened(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}

function decisionOf({ decision, by, role, note }: SignoffArguments) {
  if (decision === undefined) {
    if (by !== undefined || role !== undefined || note !== undefined)
      throw new ConfigurationError("--by, --role and --note go with a --decision");
    return undefined;
  }
  if (by === undefined || role === undefined)
    throw new ConfigurationError(`--decision ${decision}: a person has to stand for it: --by and --role`);
  if (decision === "conditional" && note === undefined)
    throw new ConfigurationError("--decision conditional: --note has to say under which conditions");
  return { decision, by, role, ...(note === undefined ? {} : { note }) };
}

function defaultFolder(tenant: string, environment: string, now: Date): string {
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return join("reports", "out", "signoff", environment, tenant, time);
}

function newFolder(out: string): string {
  const path = resolve(out);
  if (existsSync(path) && readdirSync(path).length > 0)
    throw new ConfigurationError(`--out ${out}: is not empty; a sign-off has a folder of its own`);
  return path;
}

/** @throws ConfigurationError that repeats nothing of the key */
async function keysIn(file: string, part: "private" | "public", option: string) {
  const { readKeys, UnusableKey } = await import("../report/signoff/statement.ts");
  let text: string;
  try {
    text = readFileSync(resolve(file), "utf8");
  } catch (error) {
    throw new ConfigurationError(
      `${option} ${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})`,
    );
  }
  try {
    return await readKeys(text, part);
  } catch (error) {
    throw error instanceof UnusableKey
      ? new ConfigurationError(`${option} ${file}: ${error.message}`)
      : error;
  }
}

interface VerifyArguments {
  readonly file: string;
  readonly key: string;
  readonly json: boolean;
}

function verifyCommand(done: Done) {
  return {
    command: "verify <file>",
    describe: "Prove that a sign-off was not changed, or name what was",
    builder: (yargs: Argv) =>
      yargs
        .positional("file", {
          type: "string",
          demandOption: true,
          describe: "signoff.html or signoff.jws, in its folder",
        })
        .options({
          key: {
            type: "string",
            demandOption: true,
            requiresArg: true,
            describe: "Public key (JWK) or keys (JWK Set) of those who may sign",
          },
          json: { type: "boolean", default: false, describe: "Print the outcome as JSON" },
        }),
    handler: async (args: VerifyArguments) => done(await verify(args)),
  };
}

async function verify({ file, key, json }: VerifyArguments): Promise<number> {
  const { carriedBy, verifySignoff } = await import("../report/signoff/statement.ts");
  const path = resolve(file);
  if (!existsSync(path)) throw new ConfigurationError(`${file}: there is no such file`);
  const keys = await keysIn(key, "public", "--key");
  const carried = carriedBy(basename(path), readFileSync(path, "utf8"));
  const { problems, statement, key: kid } = await verifySignoff(dirname(path), carried, keys);
  const verified = problems.length === 0;
  if (json) printJson({ verified, problems, statement, key: kid });
  else if (verified && statement !== undefined) {
    const by = statement.decidedBy === undefined ? "" : ` by ${statement.decidedBy}`;
    process.stdout.write(
      `Verified: ${statement.tenant} · ${statement.environment}, ${statement.decision}${by}, ${statement.at}\n` +
        `  ${Object.keys(statement.files).length} files are as they were signed with the key ${kid ?? ""}\n`,
    );
  } else {
    process.stdout.write(`NOT VERIFIED: ${file}\n${problems.map((problem) => `  ${problem}`).join("\n")}\n`);
  }
  return verified ? EXIT.passed : EXIT.failed;
}

interface KeygenArguments {
  readonly out: string;
}

function keygenCommand(done: Done) {
  return {
    command: "keygen",
    describe: "Make a key to sign with: a private JWK, and beside it the public one to publish",
    builder: (yargs: Argv) =>
      yargs.options({
        out: {
          type: "string",
          default: "signoff-key.jwk",
          requiresArg: true,
          describe: "File for the private key; the public one gets the ending .pub.jwk",
        },
      }),
    handler: async (args: KeygenArguments) => done(await makeKey(args)),
  };
}

async function makeKey({ out }: KeygenArguments): Promise<number> {
  const { calculateJwkThumbprint, exportJWK, generateKeyPair } = await import("jose");
  const pair = await generateKeyPair("ES256", { extractable: true });
  const open = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint(open, "sha256");
  const published = { ...open, kid, alg: "ES256", use: "sig" };
  const secret = { ...(await exportJWK(pair.privateKey)), kid, alg: "ES256", use: "sig" };
  const publicFile = `${out.replace(/\.jwk$/, "")}.pub.jwk`;
  write(out, secret, 0o600);
  write(publicFile, published, 0o644);
  process.stdout.write(
    `private key: ${out} (keep it secret)\npublic key: ${publicFile} (publish it)\nkid: ${kid}\n`,
  );
  return EXIT.passed;
}

function write(file: string, key: object, mode: number): void {
  try {
    writeFileSync(resolve(file), `${JSON.stringify(key, null, 2)}\n`, { mode, flag: "wx" });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem =
      code === "EEXIST" ? "exists already; a key is never written over" : `cannot be written (${code})`;
    throw new ConfigurationError(`--out ${file}: ${problem}`);
  }
}
