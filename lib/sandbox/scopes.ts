import type { ApiDefinition } from "./data.ts";
import { resourceTypes } from "./statement.ts";

/** A clinical scope, in either syntax, as what it permits. */
export interface ClinicalScope {
  readonly level: "patient" | "user" | "system";
  readonly type: string;
  /** Letters of `cruds`. */
  readonly permissions: string;
  /** Search restriction of a granular scope, as a query. */
  readonly restriction: string | undefined;
}

const FIRST_SYNTAX: Readonly<Record<string, string>> = { read: "rs", write: "cud", "*": "cruds" };
const CLINICAL =
  /^(?<level>patient|user|system)\/(?<type>\*|[A-Z][A-Za-z]+)\.(?<permissions>read|write|\*|(?=[cruds])c?r?u?d?s?)(?:\?(?<restriction>[^\s?&=]+=[^\s?&]+(?:&[^\s?&=]+=[^\s?&]+)*))?$/;

/**
 * Reads a scope for clinical data: SMART 1.0 (`patient/Patient.read`) or 2.0 (`patient/Patient.rs`, letters in order,
 * with or without a search restriction).
 *
 * @returns undefined for what is not one, or not well-formed
 */
export function readClinicalScope(scope: string): ClinicalScope | undefined {
  const groups = CLINICAL.exec(scope)?.groups;
  if (groups === undefined) return undefined;
  const permissions = groups["permissions"] ?? "";
  const first = FIRST_SYNTAX[permissions];
  if (first !== undefined && groups["restriction"] !== undefined) return undefined;
  return {
    level: groups["level"] as ClinicalScope["level"],
    type: groups["type"] ?? "*",
    permissions: first ?? permissions,
    restriction: groups["restriction"],
  };
}

const LEVELS = "(?:patient|user|system)";

/** Ways to write a scope wrongly: what it looks like, and what a server takes it for that overlooks the mistake. */
const MISSPELLED: Readonly<Record<string, readonly [RegExp, string]>> = {
  "letters-out-of-order": [/\.sr$/, ".rs"],
  "letters-repeated": [/\.rrs$/, ".rs"],
  "unknown-letter": [/\.rsx$/, ".rs"],
  "two-permissions": [/\.rs,cud$/, ".rs"],
  "upper-case-letters": [/\.RS$/, ".rs"],
  "capital-read": [/\.Read$/, ".read"],
  "no-permission": [/\.$/, ".rs"],
  "no-dot": [new RegExp(`^(${LEVELS}/[A-Za-z]+)$`), "$1.rs"],
  "wildcard-within": [/\*\.rs$/, ".rs"],
  "wildcard-level": [/^\*\//, "system/"],
  "capital-level": [/^(System|Patient)\//, "system/"],
  "unknown-level": [/^practitioner\//, "system/"],
  "no-level": [/^\//, "system/"],
  "no-type": [/\/\.rs$/, "/*.rs"],
  "restriction-of-read": [/\.read\?.*$/, ".read"],
  "restriction-without-value": [/\.rs\?\w+$/, ".rs"],
};

/**
 * Reads a scope as a server would that overlooks one kind of mistake.
 *
 * @param mistake a name, or empty for none
 */
export function readMisspelled(scope: string, mistake: string): ClinicalScope | undefined {
  const [pattern, instead] = MISSPELLED[mistake] ?? [];
  if (pattern === undefined || instead === undefined || !pattern.test(scope)) return undefined;
  return readClinicalScope(scope.replace(pattern, instead));
}

/** Scopes that are not about clinical data. */
export const LAUNCH_SCOPES = [
  "openid",
  "fhirUser",
  "profile",
  "launch",
  "launch/patient",
  "launch/encounter",
  "offline_access",
  "online_access",
];

/** The scopes an API's SMART configuration lists. */
export function supportedScopes(api: ApiDefinition): string[] {
  const types = ["*", ...resourceTypes(api)];
  if (api.access === "system") {
    return types.flatMap((type) => [`system/${type}.rs`, `system/${type}.read`]);
  }
  const syntaxes = api.generation === "v1" ? ["read"] : ["rs", "read"];
  const clinical = ["patient", "user"].flatMap((level) =>
    types.flatMap((type) => syntaxes.map((syntax) => `${level}/${type}.${syntax}`)),
  );
  const launch = LAUNCH_SCOPES.filter((scope) => api.generation === "v2" || scope !== "online_access");
  return [...launch, ...clinical];
}
