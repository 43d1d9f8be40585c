import type { Application, AuthorizationState } from "./data.ts";
import type { ActiveFault } from "./faults.ts";
import type { Credentials } from "./keys.ts";
import type { Settings } from "./settings.ts";

/** What one running sandbox knows: everything that two of them must not share. */
export interface SandboxState {
  readonly origin: string;
  readonly legacyOrigin: string;
  readonly settings: Settings;
  readonly faults: readonly ActiveFault[];
  readonly credentials: Credentials;
  /** Tenant authorizations, which may change while the sandbox runs. */
  readonly authorizations: Map<Application["id"], AuthorizationState>;
}
