import type { KnownToken } from "../authorization/server.ts";
import type { ApiDefinition } from "../data.ts";
import { registrations } from "../data.ts";
import { each, isObject, type JsonObject } from "../json.ts";
import { readClinicalScope, readMisspelled, type ClinicalScope } from "../scopes.ts";
import { namesType, type Settings } from "../settings.ts";
import { searchParameters } from "../statement.ts";
import { InvalidSearch, readComparison, type Test } from "./match.ts";
import { valuesAt } from "./paths.ts";
import { localReference } from "./present.ts";

/** What one token may do at an API. */
export interface Access {
  /** Whether any of the token's scopes gives a permission (a letter of `cruds`) on a type at all. */
  permits(type: string, permission: "c" | "r" | "u" | "d" | "s"): boolean;
  /** Whether a resource may be shown by a read (r) or a search (s). */
  sees(resource: JsonObject, permission: "r" | "s"): boolean;
}

/** Looks up a resource by type and id. */
export type Find = (type: string, id: string) => JsonObject | undefined;

const OF_PATIENT = ["subject", "patient", "beneficiary", "individual", "securityContext"];

function referredTo(reference: unknown): readonly string[] {
  const text = isObject(reference as JsonObject) ? (reference as JsonObject)["reference"] : undefined;
  return localReference(text)?.split("/") ?? [];
}

function patientIn(reference: unknown): string[] {
  const [type, id] = referredTo(reference);
  return type === "Patient" && id !== undefined ? [id] : [];
}

const knownPatients = new WeakMap<JsonObject, readonly string[]>();

/** Ids of the patients whose record a resource belongs to; none for what belongs to nobody's. */
export function patientsOf(resource: JsonObject, find: Find): readonly string[] {
  // What is stored does not change; what was made for an answer may.
  if (!Object.isFrozen(resource)) return readPatients(resource, find);
  let patients = knownPatients.get(resource);
  if (patients === undefined) knownPatients.set(resource, (patients = readPatients(resource, find)));
  return patients;
}

function readPatients(resource: JsonObject, find: Find): readonly string[] {
  const type = resource["resourceType"];
  if (type === "Patient") return [resource["id"] as string];
  if (type === "Group")
    return each(resource["member"]).flatMap((member) => patientIn((member as JsonObject)["entity"]));
  if (type === "Provenance") {
    return each(resource["target"]).flatMap((target) => {
      const [targetType = "", id = ""] = referredTo(target);
      const found = find(targetType, id);
      return found === undefined ? patientIn(target) : patientsOf(found, find);
    });
  }
  return OF_PATIENT.flatMap((name) => patientIn(resource[name]));
}

/** Everything, for an API that needs no token. */
export const OPEN_ACCESS: Access = { permits: () => true, sees: () => true };

function gives(scope: ClinicalScope, type: string, permission: string, settings: Settings): boolean {
  const { permissions } = scope;
  const has =
    permissions.includes(permission) ||
    (permission === "s" && settings.readGivesSearch && permissions.includes("r")) ||
    (permission === "r" && settings.searchGivesRead && permissions.includes("s"));
  return has && (scope.type === "*" || scope.type === type);
}

/** The access that a token gives at the API it was issued for. */
export function accessOf(
  token: KnownToken,
  api: ApiDefinition,
  base: string,
  find: Find,
  settings: Settings,
): Access {
  const scopes = token.scopes
    .map((scope) => readClinicalScope(scope) ?? readMisspelled(scope, settings.lenientScopes))
    .filter((each) => each !== undefined);
  const user = registrations().users.find((each) => each.id === token.user);
  const ownRecord =
    user?.fhirUser.startsWith("Patient/") === true ? user.fhirUser.slice("Patient/".length) : undefined;

  // The one patient a scope is confined to; null is nobody, undefined is everybody.
  const confinedTo = (scope: ClinicalScope): string | null | undefined => {
    if (scope.level === "system") return undefined;
    if (scope.level === "patient") return token.context?.patient ?? null;
    return ownRecord;
  };
  const restrictions = new Map<string, (resource: JsonObject) => boolean>();
  const isRestrictedTo = (scope: ClinicalScope, resource: JsonObject) => {
    if (scope.restriction === undefined || !settings.enforceRestrictions) return true;
    const key = `${resource["resourceType"] as string}?${scope.restriction}`;
    let restriction = restrictions.get(key);
    if (restriction === undefined) {
      restriction = readRestriction(api, resource["resourceType"] as string, scope.restriction, base);
      restrictions.set(key, restriction);
    }
    return restriction(resource);
  };

  return {
    permits: (type, permission) =>
      namesType(settings.unscopedTypes, type) ||
      scopes.some((scope) => gives(scope, type, permission, settings)),
    sees(resource, permission) {
      const type = resource["resourceType"] as string;
      if (namesType(settings.unscopedTypes, type)) return true;
      const patients = patientsOf(resource, find);
      return scopes.some((scope) => {
        if (!gives(scope, type, permission, settings) || !isRestrictedTo(scope, resource)) return false;
        const patient = confinedTo(scope);
        if (patient === undefined || namesType(settings.unconfinedTypes, type)) return true;
        if (type === "Group") return false;
        return patients.length === 0 || (patient !== null && patients.includes(patient));
      });
    },
  };
}

/** What the search restriction of a granular scope lets through: nothing, when it cannot be read. */
function readRestriction(
  api: ApiDefinition,
  type: string,
  restriction: string,
  base: string,
): (resource: JsonObject) => boolean {
  const parameters = searchParameters(api, type);
  const tests: { readonly expression: string; readonly test: Test }[] = [];
  try {
    for (const [name, value] of new URLSearchParams(restriction)) {
      const parameter = parameters.find((each) => each.name === name);
      if (parameter === undefined) return () => false;
      tests.push({
        expression: parameter.expression,
        test: readComparison({ parameter, modifier: undefined, value, base }),
      });
    }
  } catch (error) {
    if (error instanceof InvalidSearch) return () => false;
    throw error;
  }
  return (resource) => tests.every(({ expression, test }) => test(valuesAt(resource, expression)));
}
