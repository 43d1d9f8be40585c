import type { Launches } from "./authorization/launch.ts";
import type { AuthorizationServers } from "./authorization/server.ts";
import type { Application, AuthorizationState } from "./data.ts";
import type { ActiveFault } from "./faults.ts";
import type { ExportJob } from "./bulk/job.ts";
import type { Scale } from "./bulk/scale.ts";
import type { JsonObject } from "./json.ts";
import type { Credentials } from "./keys.ts";
import type { Population } from "./population/population.ts";
import type { Settings } from "./settings.ts";

/** What one running sandbox knows: everything that two of them must not share. */
export interface SandboxState {
  readonly origin: string;
  readonly legacyOrigin: string;
  readonly settings: Settings;
  readonly faults: readonly ActiveFault[];
  readonly credentials: Credentials;
  /** Signs the cookies of the authorization servers. */
  readonly cookieKey: string;
  /** Tenant authorizations, which may change while the sandbox runs. */
  readonly authorizations: Map<Application["id"], AuthorizationState>;
  readonly authorizationServers: AuthorizationServers;
  readonly launches: Launches;
  /** The synthetic data of a tenant (by id), made when it is first asked for. */
  readonly population: (tenant: string) => Population;
  /** Bulk exports that were started, by id. */
  readonly exports: Map<string, ExportJob>;
  /** The large generated export of a tenant, when the sandbox was started with one. */
  readonly scale: (tenant: string) => Scale | undefined;
  /** What clients have created at a tenant (by id). */
  readonly created: (tenant: string) => JsonObject[];
}
