import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { ConfigurationError, suggest } from "./errors.ts";
import type {
  Access,
  BulkEntry,
  ClientAuthentication,
  Configuration,
  EvidenceMode,
  LimitsEntry,
  TenantApiEntry,
  TenantEnvironmentEntry,
  TenantFile,
} from "./load.ts";
import type { Login, LoginEntry } from "./login.ts";
import { tenantOwnerOf, withdrawalOf, type TenantOwner, type Withdrawal } from "./owner.ts";
import { checkPrivateKey } from "./private-key.ts";
import { resolveSecret, type Secret } from "./secret.ts";

/** How an application is registered at the authorization server, secrets in memory. */
export interface ClientRegistration {
  readonly id: string;
  readonly authentication: ClientAuthentication;
  readonly secret?: Secret;
  readonly key?: Secret;
  readonly algorithm?: "RS384" | "ES384";
  readonly keyId?: string;
  /** Where the public keys are published, when they are registered by URL. */
  readonly jwksUrl?: string;
  readonly redirectUri?: string;
  readonly scopes?: readonly string[];
}

/** How exports are followed. */
export interface BulkSettings {
  /** All exports of a run together, from the first kick-off. */
  readonly timeLimitSeconds: number;
  /** First pause between two looks at the status where the server names none. */
  readonly pollSeconds: number;
  /** Longest pause between two looks, whatever Retry-After says; absent: Retry-After is honoured. */
  readonly longestPauseSeconds?: number;
  /** Exports under way at once. */
  readonly parallelExports: number;
  readonly parallelDownloads: number;
  readonly maxLineBytes: number;
  /** Origins beside the FHIR server's own that files may be fetched from, without the token. */
  readonly fileOrigins: readonly string[];
  /** Keeps the downloaded files in the results folder. */
  readonly keepFiles?: "plain" | "encrypted";
  /** 32 bytes in base64 or hexadecimal. */
  readonly fileKey?: Secret;
}

/** tenant × environment × API, with a client registration. */
export interface Target {
  readonly tenant: string;
  readonly tenantName: string;
  /** UUID of the tenant; absent where a `fhirBase` says all. */
  readonly uuid?: string;
  /** UUID of a second tenant, for the questions that need two. */
  readonly otherTenant?: string;
  readonly environment: string;
  readonly api: string;
  readonly title: string;
  /** FHIR base URL, without a slash at the end. */
  readonly base: string;
  /** Base URL that this API would have for another tenant; absent where there is no tenant in it. */
  readonly baseOf?: (uuid: string) => string;
  /** Where the vendor documents the tenant's authorization server to be; absent for other servers. */
  readonly authorizationBase?: string;
  /** True where the URL has the vendor's form, so that the vendor's promises apply. */
  readonly vendor: boolean;
  readonly generation?: "v1" | "v2";
  readonly party?: "provider" | "payer";
  readonly access: Access;
  readonly authorization: "authorization-code" | "client-credentials" | "none";
  readonly fhirVersion?: string;
  readonly standards: readonly string[];
  readonly client?: ClientRegistration;
  /** Further registrations by what they are for. */
  readonly otherClients: Readonly<Record<string, ClientRegistration>>;
  /** How a user logs in; absent where nobody does. */
  readonly login?: Login;
  /** What acts as the EHR that launches an application. */
  readonly ehrLaunch?: { readonly start: string };
  readonly patients: readonly string[];
  /** Patients of the tenant whom the user in the test may not see. */
  readonly otherPatients?: readonly string[];
  /** Ids of such patients' resources, by type. */
  readonly foreignResources?: Readonly<Record<string, readonly string[]>>;
  /** Ids of resources that the tenant had and has deleted, by type. */
  readonly deletedResources?: Readonly<Record<string, readonly string[]>>;
  /** Guides beside US Core: paths of packages, or `name#version` in the package cache. */
  readonly guides?: readonly string[];
  readonly groups: readonly string[];
  /** Absent where the configuration says nothing of it: `bulkSettings` has the defaults. */
  readonly bulk?: BulkSettings;
  readonly mutations: "forbidden" | "allowed";
  /** Who changes the tenant's authorization of `otherClients.revocable`. */
  readonly tenantOwner?: TenantOwner;
  /** How the user withdraws consent to `otherClients.revocable`. */
  readonly withdrawal?: Withdrawal;
  /** The same API at the second tenant, with a registration there where there is one; only where URLs tell tenants. */
  readonly atOtherTenant?: Target;
}

/** Hosts, variables and trust that a started sandbox brings along. */
export interface SandboxPlace {
  readonly origin: string;
  readonly legacyOrigin: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ca?: string;
}

export interface TargetSelection {
  readonly tenant: string;
  readonly environment: string;
  /** API ids; empty means all that the tenant has. */
  readonly apis: readonly string[];
  /** Keep the files of exports; how, says the configuration. */
  readonly keepFiles?: true;
}

export interface ResolvedTargets {
  readonly tenant: TenantFile;
  readonly environmentTitle: string;
  readonly evidence: EvidenceMode;
  readonly embedded: boolean;
  /** PEM of the certificate authorities to trust beside the usual ones. */
  readonly certificateAuthority?: string;
  readonly limits: LimitsEntry;
  readonly targets: readonly Target[];
}

/** Whether an environment is the sandbox that a command has to start itself. */
export function isEmbedded(configuration: Configuration, environment: string): boolean {
  return environmentOf(configuration, environment).embedded === true;
}

/** The faults that an environment's embedded sandbox is started with. */
export function faultsOf(configuration: Configuration, environment: string): readonly string[] {
  return environmentOf(configuration, environment).faults ?? [];
}

function environmentOf(configuration: Configuration, id: string) {
  const entry = Object.hasOwn(configuration.environments, id) ? configuration.environments[id] : undefined;
  if (entry === undefined) {
    throw new ConfigurationError(
      `there is no environment "${id}".${suggest(id, Object.keys(configuration.environments))}`,
    );
  }
  return entry;
}

/**
 * Turns tenant + environment into targets, resolving the secrets of those that are selected.
 *
 * @param sandbox where the embedded sandbox listens; needed when the environment is embedded
 * @param variables environment variables that `${env:…}` may name
 * @throws ConfigurationError for an unknown tenant, environment or API, or a secret that cannot be had
 */
export function resolveTargets(
  configuration: Configuration,
  selection: TargetSelection,
  variables: Readonly<Record<string, string | undefined>>,
  sandbox?: SandboxPlace,
): ResolvedTargets {
  const environment = environmentOf(configuration, selection.environment);
  const tenant = configuration.tenant(selection.tenant);
  const entry = tenant.value.environments[selection.environment];
  if (entry === undefined) {
    const configured = Object.keys(tenant.value.environments);
    throw new ConfigurationError(
      `has no environment "${selection.environment}".${suggest(selection.environment, configured)}`,
      {
        file: tenant.file,
        line: tenant.line(["environments"]),
        field: "environments",
      },
    );
  }
  const configured = Object.keys(entry.apis);
  for (const api of selection.apis) {
    if (configured.includes(api)) continue;
    const hint = !Object.hasOwn(configuration.apis, api)
      ? suggest(api, configured)
      : ` It is an API of the vendor, but this tenant has: ${configured.join(", ")}.`;
    throw new ConfigurationError(`has no API "${api}" in ${selection.environment}.${hint}`, {
      file: tenant.file,
      line: tenant.line(["environments", selection.environment, "apis"]),
      field: `environments.${selection.environment}.apis`,
    });
  }
  const embedded = environment.embedded === true;
  const hosts = {
    fhir: embedded ? sandbox?.origin : environment.fhirHost,
    legacy: embedded ? sandbox?.legacyOrigin : environment.legacyAuthorizationHost,
  };
  const apis =
    selection.apis.length === 0 ? configured : configured.filter((api) => selection.apis.includes(api));
  const env = { ...variables, ...sandbox?.env };
  const targets = apis.map((api) => {
    const target = entry.apis[api];
    if (target === undefined) throw new Error(`unreachable: ${api}`);
    const built = buildTarget(configuration, tenant, selection.environment, entry, api, target, hosts, env);
    return selection.keepFiles === true ? keepingFiles(built) : built;
  });
  const ca = sandbox?.ca ?? readAuthority(configuration, environment.certificateAuthority);
  return {
    tenant,
    environmentTitle: environment.title,
    evidence: entry.evidence ?? environment.evidence ?? "masked",
    embedded,
    ...(ca === undefined ? {} : { certificateAuthority: ca }),
    limits: { ...environment.limits, ...entry.limits },
    targets,
  };
}

/**
 * The tenant's targets beside those that were selected, for questions that need two APIs. One whose secrets cannot
 * be had is left out: nobody asked for it.
 *
 * @throws ConfigurationError as {@link resolveTargets} does for the selection itself
 */
export function resolveOthers(
  configuration: Configuration,
  selection: TargetSelection,
  variables: Readonly<Record<string, string | undefined>>,
  sandbox?: SandboxPlace,
): readonly Target[] {
  if (selection.apis.length === 0) return [];
  const entry = configuration.tenant(selection.tenant).value.environments[selection.environment];
  return Object.keys(entry?.apis ?? {})
    .filter((api) => !selection.apis.includes(api))
    .flatMap((api) => {
      try {
        return resolveTargets(configuration, { ...selection, apis: [api] }, variables, sandbox).targets;
      } catch (error) {
        if (error instanceof ConfigurationError) return [];
        throw error;
      }
    });
}

function readAuthority(configuration: Configuration, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const file = configuration.environmentsFile;
  const full = resolve(dirname(file.file), path);
  try {
    return readFileSync(full, "utf8");
  } catch {
    throw new ConfigurationError(`the certificate authority file ${path} cannot be read`, {
      file: file.file,
    });
  }
}

function buildTarget(
  configuration: Configuration,
  tenant: TenantFile,
  environment: string,
  entry: TenantEnvironmentEntry,
  api: string,
  target: TenantApiEntry,
  hosts: { readonly fhir: string | undefined; readonly legacy: string | undefined },
  env: Readonly<Record<string, string | undefined>>,
): Target {
  const at = ["environments", environment, "apis", api];
  const place = (...more: string[]) => ({
    file: tenant.file,
    line: tenant.line([...at, ...more]),
    field: [...at, ...more].join("."),
  });
  const uuid = entry.uuid ?? tenant.value.uuid;
  const otherTenant = entry.otherTenant ?? tenant.value.otherTenant;
  const client = target.client === undefined ? undefined : registration(target.client, tenant, env, place);
  const common = {
    tenant: tenant.id,
    tenantName: tenant.value.name,
    environment,
    api,
    ...(client === undefined ? {} : { client }),
    otherClients: Object.fromEntries(
      Object.entries(target.otherClients ?? {}).map(([role, entry]) => [
        role,
        registration(entry, tenant, env, place, ["otherClients", role]),
      ]),
    ),
    ...(target.login === undefined ? {} : { login: loginOf(target.login, tenant, env, place) }),
    ...(target.ehrLaunch === undefined ? {} : { ehrLaunch: target.ehrLaunch }),
    patients: target.patients ?? [],
    ...(target.otherPatients === undefined ? {} : { otherPatients: target.otherPatients }),
    ...(target.foreignResources === undefined ? {} : { foreignResources: target.foreignResources }),
    ...(target.deletedResources === undefined ? {} : { deletedResources: target.deletedResources }),
    ...(target.guides === undefined
      ? {}
      : {
          guides: target.guides.map((guide) =>
            /^[\w.-]+#[\w.-]+$/.test(guide) ? guide : resolve(tenant.folder, guide),
          ),
        }),
    groups: target.groups ?? [],
    ...(target.bulk === undefined ? {} : { bulk: bulkOf(target.bulk, tenant, env, place) }),
    mutations: entry.mutations ?? "forbidden",
    ...(entry.tenantOwner === undefined
      ? {}
      : {
          tenantOwner: tenantOwnerOf(entry.tenantOwner, (reference) =>
            resolveSecret(reference, "tenant_owner_secret", tenant.folder, env, {
              file: tenant.file,
              line: tenant.line(["environments", environment, "tenantOwner", "secret"]),
              field: `environments.${environment}.tenantOwner.secret`,
            }),
          ),
        }),
    ...(target.withdrawal === undefined ? {} : { withdrawal: withdrawalOf(target.withdrawal) }),
  } as const;

  if (target.fhirBase !== undefined) {
    const access = target.access ?? "patient";
    return {
      ...common,
      title: target.title ?? api,
      base: target.fhirBase.replaceAll("{fhirHost}", hosts.fhir ?? "").replaceAll("{uuid}", uuid ?? ""),
      vendor: false,
      access,
      authorization:
        access === "public" ? "none" : access === "system" ? "client-credentials" : "authorization-code",
      fhirVersion: target.fhirVersion ?? "4.0.1",
      standards: target.standards ?? defaultStandards(access),
    };
  }

  const known = configuration.apis[api];
  if (known === undefined) throw new Error(`unreachable: ${api}`);
  if (hosts.fhir === undefined) {
    throw new ConfigurationError(`environment ${environment} has no fhirHost`, place());
  }
  const fhirHost = hosts.fhir;
  const baseOf = (id: string) => `${fhirHost}${known.path.replaceAll("{tenant}", id)}`;
  const server =
    known.authorization.server === undefined
      ? undefined
      : configuration.authorizationServers[known.authorization.server];
  const serverHost = server === undefined ? undefined : hosts[server.host];
  const authorizationBaseOf = (id: string | undefined) =>
    server === undefined || serverHost === undefined
      ? {}
      : { authorizationBase: `${serverHost}${server.path.replaceAll("{tenant}", id ?? "")}` };
  const vendors: Target = {
    ...common,
    ...(uuid === undefined ? {} : { uuid }),
    ...(otherTenant === undefined ? {} : { otherTenant }),
    title: known.title,
    base: baseOf(uuid ?? ""),
    ...(known.path.includes("{tenant}") ? { baseOf } : {}),
    ...authorizationBaseOf(uuid),
    vendor: true,
    generation: known.generation,
    ...(known.party === undefined ? {} : { party: known.party }),
    access: known.access,
    authorization: known.authorization.kind,
    ...(known.fhirVersion === undefined ? {} : { fhirVersion: known.fhirVersion }),
    standards: known.standards,
  };
  if (otherTenant === undefined || !known.path.includes("{tenant}")) return vendors;
  const { client: _client, login: _login, tenantOwner: _owner, withdrawal: _withdrawal, ...rest } = vendors;
  const there = target.atOtherTenant;
  return {
    ...vendors,
    atOtherTenant: {
      ...rest,
      uuid: otherTenant,
      ...(uuid === undefined ? {} : { otherTenant: uuid }),
      base: baseOf(otherTenant),
      ...authorizationBaseOf(otherTenant),
      ...(there?.client === undefined
        ? {}
        : { client: registration(there.client, tenant, env, place, ["atOtherTenant", "client"]) }),
      ...(there?.login === undefined
        ? {}
        : { login: loginOf(there.login, tenant, env, (...more) => place("atOtherTenant", ...more)) }),
      otherClients: {},
      patients: there?.patients ?? [],
      otherPatients: [],
      foreignResources: {},
      groups: [],
    },
  };
}

function defaultStandards(access: Access): readonly string[] {
  const shared = ["us-core-6.1.0", "smart-app-launch-2.0.0"];
  if (access === "public") return [];
  return access === "system" ? [...shared, "bulk-data-2.0.0"] : shared;
}

function registration(
  client: NonNullable<TenantApiEntry["client"]>,
  tenant: TenantFile,
  env: Readonly<Record<string, string | undefined>>,
  place: (...more: string[]) => { file: string; line: number | undefined; field: string },
  at: readonly string[] = ["client"],
): ClientRegistration {
  const { secret, key, ...rest } = client;
  const resolved = (name: "secret" | "key", reference: string, label: string) =>
    resolveSecret(reference, label, tenant.folder, env, place(...at, name));
  const registered: ClientRegistration = {
    ...rest,
    ...(secret === undefined ? {} : { secret: resolved("secret", secret, "client_secret") }),
    ...(key === undefined ? {} : { key: resolved("key", key, "private_key") }),
  };
  if (registered.key !== undefined) checkPrivateKey(registered.key, place(...at, "key"));
  return registered;
}

/** How exports are followed where nothing else is said. */
export const BULK_DEFAULTS: BulkSettings = {
  timeLimitSeconds: 3600,
  pollSeconds: 2,
  parallelExports: 1,
  parallelDownloads: 4,
  maxLineBytes: 32 * 1024 * 1024,
  fileOrigins: [],
};

/** A target whose exported files are kept: readable by their owner only, where its configuration says no more. */
function keepingFiles(target: Target): Target {
  const bulk = target.bulk ?? BULK_DEFAULTS;
  return { ...target, bulk: { ...bulk, keepFiles: bulk.keepFiles ?? "plain" } };
}

function bulkOf(
  { fileKey, ...entry }: BulkEntry,
  tenant: TenantFile,
  env: Readonly<Record<string, string | undefined>>,
  place: (...more: string[]) => { file: string; line: number | undefined; field: string },
): BulkSettings {
  if (fileKey === undefined) return { ...BULK_DEFAULTS, ...entry };
  const key = resolveSecret(fileKey, "file_key", tenant.folder, env, place("bulk", "fileKey"));
  const bytes = /^[0-9a-f]{64}$/i.test(key.reveal()) ? 32 : Buffer.from(key.reveal(), "base64").length;
  if (bytes !== 32)
    throw new ConfigurationError("is not 32 bytes in base64 or hexadecimal", place("bulk", "fileKey"));
  return { ...BULK_DEFAULTS, ...entry, fileKey: key };
}

const TIMEOUT_SECONDS = { form: 60, browser: 20, manual: 180, "refresh-token": 60 } as const;

function loginOf(
  entry: LoginEntry,
  tenant: TenantFile,
  env: Readonly<Record<string, string | undefined>>,
  place: (...more: string[]) => { file: string; line: number | undefined; field: string },
): Login {
  const { driver, user, password, timeoutSeconds = TIMEOUT_SECONDS[driver], file = "", executable } = entry;
  const shared = { ...(user === undefined ? {} : { user }), timeoutSeconds };
  const secret =
    password === undefined
      ? {}
      : { password: resolveSecret(password, "password", tenant.folder, env, place("login", "password")) };
  switch (driver) {
    case "form":
      return { driver, ...shared, ...secret, pages: entry.pages ?? [] };
    case "browser":
      return {
        driver,
        ...shared,
        ...secret,
        steps: entry.steps ?? [],
        ...(executable === undefined ? {} : { executable }),
      };
    case "manual":
      return { driver, ...shared, repeat: entry.repeat ?? false };
    case "refresh-token":
      return { driver, ...shared, file: resolve(tenant.folder, file), shown: file };
  }
}
