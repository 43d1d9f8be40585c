import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

export type Party = "provider" | "payer";
export type Access = "patient" | "system" | "public";
export type Generation = "v1" | "v2";
/** Where a tenant owner's authorization of an application stands. Only `approved` opens anything. */
export type AuthorizationState = "requested" | "approved" | "revoked" | "rejected";
export type ClientAuthentication =
  | "public"
  | "client_secret_basic"
  | "client_secret_post"
  | "private_key_jwt";

export interface ApiDefinition {
  readonly id: string;
  readonly path: string;
  readonly party: Party;
  readonly access: Access;
  readonly generation: Generation;
  readonly fhirVersion: string;
  readonly usCore?: "6.1.0" | "3.1.1";
  readonly bulkData?: true;
  readonly claims?: true;
  readonly defaultFormat?: "xml";
  readonly resources?: readonly string[];
  /** What it gives instead of FHIR resources. */
  readonly serves?: "document" | "image";
}

export interface Tenant {
  readonly id: string;
  readonly uuid: string;
  readonly name: string;
}

export interface User {
  readonly id: string;
  readonly tenant: string;
  readonly fhirUser: string;
}

export interface Application {
  readonly id: string;
  readonly tenant: string;
  readonly generation: Generation;
  readonly party: Party;
  readonly access: "patient" | "system";
  readonly authentication: ClientAuthentication;
  readonly algorithm?: "RS384" | "ES384";
  /** What of it ends within seconds. */
  readonly shortLived?: "codes" | "tokens";
  readonly state: AuthorizationState;
}

interface Verb<T> {
  readonly value: T;
  readonly verb: string;
}

/** What US Core asks of a server for one resource type, with the verb of each part. */
export interface ResourceFacts {
  readonly type: string;
  readonly supportedProfile: readonly string[];
  readonly interaction: readonly { readonly code: string; readonly verb: string }[];
  readonly searchParam: readonly {
    readonly name: string;
    readonly definition: string;
    readonly type: string;
    readonly verb: string;
  }[];
  readonly combination: readonly {
    readonly verb: string;
    readonly required: readonly string[];
    readonly optional: readonly string[];
  }[];
  readonly searchInclude: readonly Verb<string>[];
  readonly searchRevInclude: readonly Verb<string>[];
  readonly operation: readonly {
    readonly name: string;
    readonly definition: string;
    readonly verb: string;
  }[];
}

export interface SearchParameterFacts {
  readonly url: string;
  readonly base: readonly string[];
  readonly code: string;
  readonly type: string;
  readonly expression: string;
  /** Parameters of the targets that may follow it, in a chained search; and of what types those are. */
  readonly chain?: readonly string[];
  readonly target?: readonly string[];
}

export interface UsCoreFacts {
  readonly statement: string;
  readonly version: string;
  readonly resource: readonly ResourceFacts[];
  readonly searchParameter: readonly SearchParameterFacts[];
}

// The compiled code lies in dist/, its data stays beside the sources: the package root is the nearest folder above
// that has a package.json.
function findPackageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

const packageRoot = findPackageRoot();

/** Folder of the sandbox's data files, whether it runs from its sources or compiled. */
export function dataFolder(name: "data" | "faults"): string {
  return join(packageRoot, "lib", "sandbox", name);
}

const remembered = new Map<string, unknown>();

function remember<T>(name: string, load: (path: string) => T): T {
  let value = remembered.get(name);
  if (value === undefined) {
    value = load(join(dataFolder("data"), name));
    remembered.set(name, value);
  }
  return value as T;
}

const readYaml = (path: string): unknown => parse(readFileSync(path, "utf8"));
const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));

/** The APIs of the sandbox, in the order in which their paths are to be matched (longer ones first). */
export function apis(): readonly ApiDefinition[] {
  return remember("apis.yaml", (path) => (readYaml(path) as { apis: ApiDefinition[] }).apis);
}

/** Tenants, users and registered applications. */
export function registrations(): {
  readonly tenants: readonly Tenant[];
  readonly users: readonly User[];
  readonly applications: readonly Application[];
} {
  return remember("tenants.yaml", (path) => readYaml(path) as ReturnType<typeof registrations>);
}

/** Code systems that bindings imply, by the path of an element that has a code only. */
export function codeSystems(): Readonly<Record<string, string>> {
  return remember("code-systems.yaml", (path) => readYaml(path) as ReturnType<typeof codeSystems>);
}

/** What a US Core server of a version declares. */
export function usCore(version: "6.1.0" | "3.1.1"): UsCoreFacts {
  return remember(`us-core-${version}.json`, (path) => readJson(path) as UsCoreFacts);
}

/** Of each type: whether its resources are about one patient each, and what no partial resource leaves out. */
export function exportTypes(): Readonly<
  Record<string, { readonly ofPatients: boolean; readonly mandatory: readonly string[] }>
> {
  return remember("export-types.json", (path) => readJson(path) as ReturnType<typeof exportTypes>);
}
