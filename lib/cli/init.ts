import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import type { Argv } from "yargs";
import { ConfigurationError } from "../config/errors.ts";
import { ownPackage } from "../config/package.ts";
import { EXIT } from "./exit-codes.ts";
import type { Done } from "./options.ts";

interface InitArguments {
  readonly tenant: string;
  readonly config: string;
}

/** `init`: writes a commented tenant file to fill in. */
export function initCommand(done: Done) {
  return {
    command: "init <tenant>",
    describe: "Write a commented tenant file to fill in",
    builder: (yargs: Argv) =>
      yargs
        .positional("tenant", {
          type: "string",
          demandOption: true,
          describe: "A short name for it, such as st-elsewhere",
        })
        .options({
          config: {
            type: "string",
            default: "config",
            requiresArg: true,
            describe: "Configuration directory",
          },
        }),
    handler: (args: InitArguments) => {
      const path = writeTenant(args);
      process.stdout.write(
        `${path} is written. Fill it in, then:\n  careconnect-conformance run --config ${args.config} --tenant ${args.tenant} --environment preview\n`,
      );
      done(EXIT.passed);
    },
  };
}

function writeTenant({ tenant, config }: InitArguments): string {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(tenant)) {
    throw new ConfigurationError(
      `init ${tenant}: a tenant's name has lower-case letters, digits and hyphens`,
    );
  }
  const folder = join(resolve(config), "tenants");
  const path = join(folder, `${tenant}.yaml`);
  if (existsSync(path) || existsSync(join(folder, `${tenant}.yml`))) {
    throw new ConfigurationError("is there already; it was left as it is", {
      file: relative(process.cwd(), path),
    });
  }
  const own = ownPackage().root;
  const template = readFileSync(join(own, "config", "tenant.template.yaml"), "utf8");
  const schemas = relative(folder, join(own, "config", "schema")).replaceAll("\\", "/");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, template.replaceAll("{tenant}", tenant).replaceAll("{schemas}", schemas), {
    flag: "wx",
  });
  return relative(process.cwd(), path);
}
