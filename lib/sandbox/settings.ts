import type { Json } from "./json.ts";

/** How a sandbox is set up where a fault may differ; the conformant values. */
export interface Settings {
  /** Lowest and highest TLS version of the https listener. */
  tlsMinimum: string;
  tlsMaximum: string;
  /** The listener's certificate. */
  certificate: "valid" | "expired" | "other-host" | "self-signed";
  /** Seconds. */
  accessTokenLifetime: number;
  authorizationCodeLifetime: number;
  refreshTokenLifetime: number;
  idTokenLifetime: number;
  /** Of the application whose codes and tokens are to end soon. */
  shortCodeLifetime: number;
  shortTokenLifetime: number;
  rotateRefreshTokens: boolean;
  requirePkce: boolean;
  /** Longest time ahead of now that a client assertion may expire, in seconds. */
  assertionLifetime: number;
  /**
   * Where access is not enforced: types by name with commas, or `*`. `unconfinedTypes` show other patients' resources
   * too; `unscopedTypes` need no scope.
   */
  unconfinedTypes: string;
  unscopedTypes: string;
  /** A granular scope's search restriction counts. */
  enforceRestrictions: boolean;
  /** A permission to read is one to search too, or the other way round. */
  readGivesSearch: boolean;
  searchGivesRead: boolean;
  /** A way to write a scope wrongly that is overlooked: see `readMisspelled` in `scopes.ts`. */
  lenientScopes: string;
  /** Included resources need a scope of their own. */
  enforceOnIncludes: boolean;
  /** A token works only at the API it was issued for. */
  enforceAudience: boolean;
  /** What is taken from an application that is revoked: `everything` it was issued, or `nothing` (its state still counts). */
  revocationForgets: "everything" | "nothing";
  /** The tenant owner's approval has effect. */
  approvalActs: boolean;
  /** Withdrawn consent ends the tokens that rest on it: `everything`, `refresh` tokens only, or `nothing`. */
  withdrawalEnds: "everything" | "refresh" | "nothing";
  /** Types of which a search must name a status: by name with commas, or `*`. */
  statusRequiredTypes: string;
  /** How long a bulk export takes. */
  exportMilliseconds: number;
  /** See `ExportSettings` in `bulk/kick-off.ts`. */
  exportFileResources: number;
  exportsAtOnce: number;
  exportPollsPerSecond: number;
  exportOwnerOnly: boolean;
  exportScopesEverywhere: boolean;
  exportIgnores: string;
  exportOutsideCompartment: boolean;
  /** Status and files of an export need an access token. */
  exportStatusNeedsToken: boolean;
  exportFilesNeedToken: boolean;
}

const CONFORMANT: Settings = {
  tlsMinimum: "TLSv1.2",
  tlsMaximum: "TLSv1.3",
  certificate: "valid",
  accessTokenLifetime: 300,
  authorizationCodeLifetime: 60,
  refreshTokenLifetime: 86_400,
  idTokenLifetime: 300,
  shortCodeLifetime: 1,
  shortTokenLifetime: 1,
  rotateRefreshTokens: true,
  requirePkce: true,
  assertionLifetime: 300,
  unconfinedTypes: "",
  unscopedTypes: "",
  enforceRestrictions: true,
  readGivesSearch: false,
  searchGivesRead: false,
  lenientScopes: "",
  enforceOnIncludes: true,
  enforceAudience: true,
  revocationForgets: "everything",
  approvalActs: true,
  withdrawalEnds: "everything",
  statusRequiredTypes: "",
  exportMilliseconds: 200,
  exportFileResources: 250,
  exportsAtOnce: 100,
  exportPollsPerSecond: 8,
  exportOwnerOnly: true,
  exportScopesEverywhere: true,
  exportIgnores: "",
  exportOutsideCompartment: false,
  exportStatusNeedsToken: true,
  exportFilesNeedToken: true,
};

/**
 * The settings of a sandbox, some of them changed.
 *
 * @throws Error for a setting that does not exist or a value of another type
 */
export function settle(changes: readonly { readonly setting: string; readonly value: Json }[]): Settings {
  const settings: Settings = { ...CONFORMANT };
  for (const { setting, value } of changes) {
    const standard = (CONFORMANT as unknown as Record<string, Json>)[setting];
    if (standard === undefined) throw new Error(`There is no setting "${setting}".`);
    if (typeof standard !== typeof value) throw new Error(`The setting ${setting} is a ${typeof standard}.`);
    Object.assign(settings, { [setting]: value });
  }
  return settings;
}

/** Whether a setting that lists types names this one. */
export function namesType(list: string, type: string): boolean {
  return list === "*" || list.split(",").includes(type);
}
