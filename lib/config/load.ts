import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { ConfigurationError, suggest } from "./errors.ts";
import { ownPackage } from "./package.ts";
import type { LoginEntry } from "./login.ts";
import type { TenantOwnerEntry, WithdrawalEntry } from "./owner.ts";
import { readWaivers, type Waiver } from "./waivers.ts";
import { compileSchema, readYaml, type YamlFile } from "./yaml.ts";

export type EvidenceMode = "full" | "masked" | "none";
export type Access = "patient" | "system" | "public";
export type ClientAuthentication =
  | "public"
  | "client_secret_basic"
  | "client_secret_post"
  | "private_key_jwt";

/** Bounds on what one request may cost; what is absent keeps the client's default. */
export interface LimitsEntry {
  readonly connectSeconds?: number;
  readonly headersSeconds?: number;
  readonly bodyIdleSeconds?: number;
  readonly exchangeSeconds?: number;
  readonly totalSeconds?: number;
  readonly retryWaitSeconds?: number;
  readonly attempts?: number;
  readonly connectionsPerOrigin?: number;
}

export interface EnvironmentEntry {
  readonly title: string;
  readonly fhirHost?: string;
  readonly legacyAuthorizationHost?: string;
  readonly developerPortal?: string;
  readonly embedded?: true;
  /** Faults that the embedded sandbox is started with. */
  readonly faults?: readonly string[];
  readonly certificateAuthority?: string;
  readonly evidence?: EvidenceMode;
  readonly limits?: LimitsEntry;
}

export interface ApiEntry {
  readonly title: string;
  readonly generation: "v1" | "v2";
  readonly path: string;
  readonly party?: "provider" | "payer";
  readonly access: Access;
  readonly authorization: {
    readonly kind: "authorization-code" | "client-credentials" | "none";
    readonly server?: string;
  };
  readonly fhirVersion?: string;
  readonly defaultFormat?: "json" | "xml";
  readonly standards: readonly string[];
}

export interface ClientEntry {
  readonly id: string;
  readonly authentication: ClientAuthentication;
  readonly secret?: string;
  readonly key?: string;
  readonly algorithm?: "RS384" | "ES384";
  readonly keyId?: string;
  readonly jwksUrl?: string;
  readonly redirectUri?: string;
  readonly scopes?: readonly string[];
}

/** How exports are followed, as a tenant file says it. */
export interface BulkEntry {
  readonly timeLimitSeconds?: number;
  readonly pollSeconds?: number;
  readonly longestPauseSeconds?: number;
  readonly parallelExports?: number;
  readonly parallelDownloads?: number;
  readonly maxLineBytes?: number;
  readonly fileOrigins?: readonly string[];
  readonly keepFiles?: "plain" | "encrypted";
  readonly fileKey?: string;
}

export interface TenantApiEntry {
  readonly client?: ClientEntry;
  readonly otherClients?: Readonly<Record<string, ClientEntry>>;
  readonly login?: LoginEntry;
  readonly ehrLaunch?: { readonly start: string };
  readonly withdrawal?: WithdrawalEntry;
  readonly atOtherTenant?: {
    readonly client?: ClientEntry;
    readonly login?: LoginEntry;
    readonly patients?: readonly string[];
  };
  readonly patients?: readonly string[];
  readonly otherPatients?: readonly string[];
  readonly foreignResources?: Readonly<Record<string, readonly string[]>>;
  readonly deletedResources?: Readonly<Record<string, readonly string[]>>;
  readonly guides?: readonly string[];
  readonly groups?: readonly string[];
  readonly bulk?: BulkEntry;
  readonly fhirBase?: string;
  readonly title?: string;
  readonly access?: Access;
  readonly fhirVersion?: string;
  readonly standards?: readonly string[];
}

export interface TenantEnvironmentEntry {
  readonly uuid?: string;
  readonly otherTenant?: string;
  readonly evidence?: EvidenceMode;
  readonly mutations?: "forbidden" | "allowed";
  readonly tenantOwner?: TenantOwnerEntry;
  readonly limits?: LimitsEntry;
  readonly apis: Readonly<Record<string, TenantApiEntry>>;
}

export interface TenantEntry {
  readonly name: string;
  readonly uuid?: string;
  readonly otherTenant?: string;
  readonly environments: Readonly<Record<string, TenantEnvironmentEntry>>;
}

/** Configuration as read and checked, secrets still references. Tenant files are read when asked for. */
export interface Configuration {
  readonly environments: Readonly<Record<string, EnvironmentEntry>>;
  readonly environmentsFile: YamlFile<unknown>;
  readonly apis: Readonly<Record<string, ApiEntry>>;
  readonly authorizationServers: Readonly<
    Record<string, { readonly host: "fhir" | "legacy"; readonly path: string }>
  >;
  /** Ids of the tenants that have a file, sorted. */
  readonly tenants: readonly string[];
  /** @throws ConfigurationError for an unknown tenant (naming the nearest) or a wrong file */
  tenant(id: string): TenantFile;
  /** Files that make up the configuration of a tenant, for checksums. */
  files(tenant: string): readonly string[];
  /**
   * Findings that are accepted until a date, of this directory alone.
   *
   * @throws ConfigurationError naming file, line and field
   */
  waivers(): readonly Waiver[];
}

export interface TenantFile extends YamlFile<TenantEntry> {
  readonly id: string;
  /** Folder of the file, which `${file:…}` is relative to. */
  readonly folder: string;
}

const TENANT_FILE = /\.ya?ml$/;

/**
 * Reads `environments.yaml`, `apis.yaml` and the list of tenants.
 *
 * @param directory a directory of the user's (`--config`); what it lacks of environments and APIs comes from the
 *   package. Without it, the package's own `config/`.
 * @throws ConfigurationError naming file, line and field
 */
export function loadConfiguration(directory?: string): Configuration {
  const own = join(ownPackage().root, "config");
  const root = directory === undefined ? own : resolve(directory);
  if (!existsSync(root) || !statSync(root).isDirectory()) {
    throw new ConfigurationError(`--config ${directory}: there is no such directory`);
  }
  const locate = (name: string) => {
    const path = existsSync(join(root, name)) ? join(root, name) : join(own, name);
    return { path, shown: show(path) };
  };
  const schema = (name: string) => compileSchema(join(own, "schema", `${name}.schema.json`));

  const environmentsAt = locate("environments.yaml");
  const environments = readYaml<{ environments: Record<string, EnvironmentEntry> }>(
    environmentsAt.path,
    environmentsAt.shown,
    schema("environments"),
  );
  const apisAt = locate("apis.yaml");
  const apis = readYaml<Pick<Configuration, "apis" | "authorizationServers">>(
    apisAt.path,
    apisAt.shown,
    schema("apis"),
  );
  for (const [id, api] of Object.entries(apis.value.apis)) {
    const { server } = api.authorization;
    const servers = Object.keys(apis.value.authorizationServers);
    if (server !== undefined && !servers.includes(server)) {
      throw new ConfigurationError(
        `"${server}" is not one of authorizationServers.${suggest(server, servers)}`,
        {
          file: apis.file,
          line: apis.line(["apis", id, "authorization", "server"]),
          field: `apis.${id}.authorization.server`,
        },
      );
    }
  }

  const folder = join(root, "tenants");
  const files = new Map(
    (existsSync(folder) ? readdirSync(folder) : [])
      .filter((name) => TENANT_FILE.test(name))
      .toSorted()
      .map((name) => [basename(name).replace(TENANT_FILE, ""), join(folder, name)]),
  );
  const tenants = [...files.keys()];
  const waiversAt = join(root, "waivers.yaml");
  return {
    environments: environments.value.environments,
    environmentsFile: environments,
    apis: apis.value.apis,
    authorizationServers: apis.value.authorizationServers,
    tenants,
    tenant(id) {
      const path = files.get(id);
      if (path === undefined) {
        throw new ConfigurationError(`there is no tenant "${id}" in ${show(folder)}.${suggest(id, tenants)}`);
      }
      const file = readYaml<TenantEntry>(path, show(path), schema("tenant"));
      checkTenant(file, environments.value.environments, apis.value.apis);
      return { ...file, id, folder: dirname(path) };
    },
    waivers: () => readWaivers(waiversAt, show(waiversAt), schema("waivers")),
    files: (tenant) => [
      environmentsAt.path,
      apisAt.path,
      ...[files.get(tenant)].filter((path) => path !== undefined),
      waiversAt,
    ],
  };
}

/** What a configuration file is called wherever its directory lies: `config/tenants/demo.yaml`. */
export function configName(path: string): string {
  return `config/${basename(dirname(path)) === "tenants" ? "tenants/" : ""}${basename(path)}`;
}

/** A path as short as it can be shown: relative where it is below the working directory. */
function show(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}

function checkTenant(
  file: YamlFile<TenantEntry>,
  environments: Readonly<Record<string, EnvironmentEntry>>,
  apis: Readonly<Record<string, ApiEntry>>,
): void {
  for (const [environment, entry] of Object.entries(file.value.environments)) {
    const at = ["environments", environment];
    if (!Object.hasOwn(environments, environment)) {
      throw new ConfigurationError(
        `is not a known environment.${suggest(environment, Object.keys(environments))}`,
        {
          file: file.file,
          line: file.line(at),
          field: at.join("."),
        },
      );
    }
    for (const [api, target] of Object.entries(entry.apis)) {
      const path = [...at, "apis", api];
      const place = { file: file.file, line: file.line(path), field: path.join(".") };
      if (target.fhirBase !== undefined) continue;
      const known = Object.hasOwn(apis, api) ? apis[api] : undefined;
      if (known === undefined) {
        throw new ConfigurationError(
          `is not a known API, and gives no fhirBase of its own.${suggest(api, Object.keys(apis))}`,
          place,
        );
      }
      if (known.path.includes("{tenant}") && (entry.uuid ?? file.value.uuid) === undefined) {
        throw new ConfigurationError(`needs the tenant's uuid (its base URL is ${known.path})`, place);
      }
    }
  }
}
