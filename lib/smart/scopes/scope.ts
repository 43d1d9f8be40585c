/**
 * Scopes as SMART App Launch writes them: 1.0.0 (`patient/Patient.read`) and 2.0.0 (`patient/Patient.rs`, with or
 * without a restriction by search parameters), launch context, identity and refresh (SMART 2.0.0, Scopes and Launch
 * Context).
 */

/** Whose data: the patient in context, what the user may see, or what the service may see. */
export type ScopeLevel = "patient" | "user" | "system";

/** A scope for clinical data. */
export interface ClinicalScope {
  readonly kind: "clinical";
  readonly level: ScopeLevel;
  /** Resource type, or `*`. */
  readonly type: string;
  /** Permissions as written: `read`, `write`, `*`, or letters of `cruds` in this order. */
  readonly written: string;
  /** What they permit, as letters of `cruds`. */
  readonly permissions: string;
  /** Search parameters that confine it, as written; all of them must hold. */
  readonly restriction: readonly (readonly [name: string, value: string])[];
}

/** A scope about the launch, the user or refresh tokens, or one of somebody's own. */
export interface OtherScope {
  readonly kind: "launch" | "identity" | "refresh" | "extension";
  readonly text: string;
}

export type Scope = ClinicalScope | OtherScope;

/** What the permissions of SMART 1.0.0 mean (SMART 2.0.0, "Scopes for requesting clinical data"). */
const FIRST_SYNTAX: ReadonlyMap<string, string> = new Map([
  ["read", "rs"],
  ["write", "cud"],
  ["*", "cruds"],
]);

const KINDS: ReadonlyMap<string, OtherScope["kind"]> = new Map([
  ["launch", "launch"],
  ["launch/patient", "launch"],
  ["launch/encounter", "launch"],
  ["openid", "identity"],
  ["fhirUser", "identity"],
  ["profile", "identity"],
  ["offline_access", "refresh"],
  ["online_access", "refresh"],
]);

const CLINICAL =
  /^(patient|user|system)\/(\*|[A-Z][A-Za-z]*)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)(?:\?([^?]+))?$/;
/** RFC 6749 §3.3. */
const SCOPE_TOKEN = /^[\x21\x23-\x5B\x5D-\x7E]+$/;
/** A full URI, or two underscores (SMART 2.0.0, "Extensibility"). */
const EXTENSION = /^(?:__.+|(?:https?:\/\/|urn:).+)$/;
const PARAMETER = /^([A-Za-z_][A-Za-z0-9_.:-]*)=(.+)$/;

/**
 * Reads one scope.
 *
 * @returns undefined for what is not well-formed: letters out of order or repeated, another case, an unknown prefix, a
 *   restriction without name or value, or one on permissions of SMART 1.0.0
 */
export function parseScope(text: string): Scope | undefined {
  if (!SCOPE_TOKEN.test(text)) return undefined;
  const known = KINDS.get(text);
  if (known !== undefined) return { kind: known, text };
  const match = CLINICAL.exec(text);
  if (match === null) return EXTENSION.test(text) ? { kind: "extension", text } : undefined;
  const [, level, type = "", written = "", query] = match;
  const first = FIRST_SYNTAX.get(written);
  if (first !== undefined && query !== undefined) return undefined;
  const restriction = query === undefined ? [] : parseRestriction(query);
  if (restriction === undefined) return undefined;
  return {
    kind: "clinical",
    level: level as ScopeLevel,
    type,
    written,
    permissions: first ?? written,
    restriction,
  };
}

function parseRestriction(query: string): (readonly [string, string])[] | undefined {
  const pairs: (readonly [string, string])[] = [];
  for (const part of query.split("&")) {
    const [, name, value] = PARAMETER.exec(part) ?? [];
    if (name === undefined || value === undefined || alternativesOf(value).includes("")) return undefined;
    pairs.push([name, value]);
  }
  return pairs;
}

/** The values of a restriction's parameter, of which one must match (FHIR R4, 3.1.1.4.4); sorted, none twice. */
export function alternativesOf(value: string): readonly string[] {
  return [...new Set(decode(value).split(/(?<!\\),/))].toSorted();
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** Writes a scope as it was read. */
export function formatScope(scope: Scope): string {
  if (scope.kind !== "clinical") return scope.text;
  const { level, type, written, restriction } = scope;
  const query = restriction.map(([name, value]) => `${name}=${value}`).join("&");
  return `${level}/${type}.${written}${query === "" ? "" : `?${query}`}`;
}
