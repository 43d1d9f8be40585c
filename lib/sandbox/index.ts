import { randomBytes } from "node:crypto";
import { answer } from "./answer.ts";
import { scaler } from "./bulk/scale.ts";
import { createLaunches } from "./authorization/launch.ts";
import { createAuthorizationServers } from "./authorization/server.ts";
import { changeAuthorization } from "./authorization/tenant-owner.ts";
import type { FaultDefinition } from "./catalogue.ts";
import { serverCertificate } from "./certificates.ts";
import { registrations, type Application, type AuthorizationState } from "./data.ts";
import type { SandboxRequest } from "./exchange.ts";
import { activate, answerThroughFaults, type ActiveFault } from "./faults.ts";
import { credentials, credentialVariables } from "./keys.ts";
import { listen, type Listener } from "./listener.ts";
import { populate } from "./population/population.ts";
import type { JsonObject } from "./json.ts";
import { locate } from "./places.ts";
import type { SandboxState } from "./state.ts";

export { loadFaultCatalogue, readFaultCall, trippedChecks } from "./catalogue.ts";

export interface SandboxOptions {
  /** Port of the main origin; 0 or absent takes a free one. */
  readonly port?: number;
  /** Faults by `id` or `id:argument`. */
  readonly faults?: readonly string[];
  /** Faults beside those of the catalogue, to be called by id as well. */
  readonly furtherFaults?: readonly FaultDefinition[];
  /** The synthetic data depends on nothing else; default 1. */
  readonly seed?: number;
  /** Patients of each tenant; default 24. */
  readonly patients?: number;
  /**
   * How many resources an export of everything has at the first tenant: its patients are copied until there are so
   * many. Files are made while they are downloaded, so that a million resources take no memory.
   */
  readonly exportResources?: number;
  /** Serve https, with a certificate from an authority of this process. */
  readonly tls?: boolean;
}

/** A running sandbox: a reference CareConnect on 127.0.0.1. */
export interface Sandbox {
  /** Scheme, host and port of the v2 APIs, the v1 APIs and the tenants' authorization servers. */
  readonly origin: string;
  /** Those of the legacy (v1) authorization server. */
  readonly legacyOrigin: string;
  /** Secrets, keys and passwords of applications and users: CARECONNECT_SANDBOX_<ID>_SECRET, _KEY, _PASSWORD. */
  readonly env: Readonly<Record<string, string>>;
  /** PEM of the certificate authority to trust, when it serves https. */
  readonly ca?: string;
  /** The faults it was started with, and how often each really changed something. */
  readonly faults: readonly Readonly<ActiveFault>[];
  /** Changes an application's tenant authorization, as its tenant owner would. */
  authorize(application: Application["id"], state: AuthorizationState): Promise<void>;
  /** Closes every connection and stops listening. */
  close(): Promise<void>;
}

/**
 * Starts a sandbox. Instances share nothing that changes; a process may run hundreds at once.
 *
 * @throws Error for an unknown fault, one that needs an argument, or one that needs `tls`; when the port is taken
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { faults, settings } = activate(options.faults ?? [], options.furtherFaults ?? []);
  const needsTls = faults.find((fault) => fault.definition.tls === true);
  if (needsTls !== undefined && options.tls !== true) {
    throw new Error(`The fault ${needsTls.definition.id} needs a sandbox that serves https.`);
  }
  const certificate = options.tls === true ? serverCertificate(settings.certificate) : undefined;
  const identity = certificate && {
    ...certificate,
    minimum: settings.tlsMinimum,
    maximum: settings.tlsMaximum,
  };

  const made = await credentials();
  let state: SandboxState | undefined;
  const respond = (request: SandboxRequest) => {
    if (state === undefined) throw new Error("The sandbox has not started yet.");
    const running = state;
    return answerThroughFaults(
      running,
      request,
      (asked) =>
        locate(
          asked.url.origin,
          asked.url.origin === running.legacyOrigin ? "legacy" : "main",
          asked.url.pathname,
        ),
      (asked, place) => answer(running, asked, place),
    );
  };

  const listeners: Listener[] = [];
  const close = async () => {
    await Promise.all(listeners.map((listener) => listener.close()));
  };
  try {
    listeners.push(await listen("main", options.port ?? 0, identity, respond));
    listeners.push(await listen("legacy", 0, identity, respond));
  } catch (error) {
    await close();
    throw error;
  }
  const [origin = "", legacyOrigin = ""] = listeners.map((listener) => listener.origin);
  const { applications } = registrations();
  const launches = createLaunches();
  const created = new Map<string, JsonObject[]>();
  const own = (tenant: string) => populate(tenant, options.seed ?? 1, options.patients ?? 24);
  const scaled = scaler(own, options.exportResources);
  const running: SandboxState = {
    origin,
    legacyOrigin,
    settings,
    faults,
    credentials: made,
    cookieKey: randomBytes(24).toString("base64url"),
    authorizations: new Map(applications.map((each) => [each.id, each.state])),
    authorizationServers: createAuthorizationServers(() => running, launches),
    launches,
    population: (tenant) => scaled(tenant)?.population ?? own(tenant),
    scale: (tenant) => scaled(tenant)?.scale,
    exports: new Map(),
    created(tenant) {
      const resources = created.get(tenant) ?? [];
      created.set(tenant, resources);
      return resources;
    },
  };
  state = running;
  return {
    origin,
    legacyOrigin,
    env: credentialVariables(made),
    ...(certificate === undefined ? {} : { ca: certificate.authority }),
    faults,
    async authorize(application, authorization) {
      await changeAuthorization(running, application, authorization);
    },
    close,
  };
}
