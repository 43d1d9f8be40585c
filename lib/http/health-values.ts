import { isConformanceType, isResourceType, replacePathIds } from "./fhir-paths.ts";
import type { Pseudonyms } from "./pseudonyms.ts";

/** What stands where a text stood. */
export const placeholder = "masked";

const label = /^(?:‹[\w ]+›|%E2%80%B9\w+%E2%80%BA)$/;
const absoluteUrl = /^https?:\/\//i;
const dateShape = /^(\d{4})(-\d{2})?(-\d{2})?(?:T(\d{2}:\d{2})(:\d{2})?(\.\d+)?(Z|[+-]\d{2}:\d{2})?)?$/;
const timeShape = /^\d{2}:\d{2}(:\d{2}(\.\d+)?)?$/;
const codeShape = /^[^\s]{1,64}$/;
const numberShape = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Elements that hold a code, never a person's own words or numbers. */
const codeElements = new Set([
  ..."code status use type intent mode severity gender kind language comparator contentType relation priority".split(
    " ",
  ),
  ..."criticality category docStatus lifecycleStatus clinicalStatus verificationStatus valueCode version".split(
    " ",
  ),
  ..."fhirVersion unit fhir_version token_type scope grant_type outcome interpretation method".split(" "),
  ..."client_id profile instantiatesCanonical source_type".split(" "),
]);
const referenceElements = new Set(
  "reference fullUrl patient encounter fhirUser user subject location_id practitioner url uri request resource".split(
    " ",
  ),
);
/** Elements whose URL names a definition or an endpoint, not a document about a person. */
const canonicalElements = new Set(
  "valueCanonical questionnaire instantiatesUri implicitRules definition library measure valueSet address".split(
    " ",
  ),
);
/** Where a `url` is a link of a Bundle, a file of an export, or a member of a document without a parent. */
const plainUrlParents = new Set(["", "link", "output", "error", "deleted"]);
const keptNumbers = new Set("total count expires_in exp iat nbf offset rank".split(" "));

/**
 * What may be shown instead of a text of a FHIR element (or of a member of another JSON object): codes, canonical
 * URLs and statuses as they are, everything else as a placeholder of its type.
 * @param element name of the element or JSON member
 * @param parent name of the element around it, without array indexes; empty at the root
 */
export function maskString(value: string, element: string, parent: string, pseudonyms: Pseudonyms): string {
  if (value === "" || label.test(value)) return value;
  if (element === "resourceType") return value;
  if (element === "div") return `<div xmlns="http://www.w3.org/1999/xhtml">${placeholder}</div>`;
  if (element === "data") return Buffer.from(placeholder).toString("base64");
  if (element === "id" || element === "versionId") return pseudonyms.of(value);
  if (element === "url" && /^(?:modifierE|e)xtension$/.test(parent)) return value;
  if (element === "system") return codeShape.test(value) ? value : placeholder;
  if (element === "value" && parent === "identifier") return pseudonyms.of(value);
  if (element === "value" && parent === "telecom") return maskContact(value);
  if (element === "scope") return value;
  if (element === "expression" || (element === "location" && parent === "issue"))
    return value.replaceAll(/(['"])(?:(?!\1).)*\1/g, `$1${placeholder}$1`);
  if (codeElements.has(element) && codeShape.test(value))
    return absoluteUrl.test(value) ? maskUrl(value, pseudonyms) : value;
  if (dateShape.test(value) || timeShape.test(value)) return maskDate(value);
  if (canonicalElements.has(element) && absoluteUrl.test(value)) return maskUrl(value, pseudonyms);
  if (element === "url" && !plainUrlParents.has(parent)) return maskDocumentUrl(value, pseudonyms);
  if (referenceElements.has(element)) return maskReference(value, pseudonyms);
  if (/^urn:(?:uuid|oid):/.test(value)) return maskReference(value, pseudonyms);
  if (absoluteUrl.test(value)) return maskDocumentUrl(value, pseudonyms);
  if (element === "postalCode") return "00000";
  if (value.includes("@") && codeShape.test(value)) return "masked@example.org";
  return numberShape.test(value) ? "0" : placeholder;
}

/** Counts as they are; a measured value as a number of its kind. */
export function maskNumber(value: number, element: string): number {
  if (keptNumbers.has(element)) return value;
  return Number.isInteger(value) ? 1 : 1.5;
}

/** A date of the same precision and form: `1985-03-12` becomes `1900-01-01`. */
export function maskDate(value: string): string {
  if (timeShape.test(value)) return value.replaceAll(/\d/g, "0");
  const [, , month, day, clock, seconds, fraction, zone] = dateShape.exec(value) ?? [];
  return [
    "1900",
    month === undefined ? "" : "-01",
    day === undefined ? "" : "-01",
    clock === undefined ? "" : "T00:00",
    seconds === undefined ? "" : ":00",
    (fraction ?? "").replaceAll(/\d/g, "0"),
    zone === undefined || zone === "Z" ? (zone ?? "") : "+00:00",
  ].join("");
}

function maskContact(value: string): string {
  if (value.includes("@")) return "masked@example.org";
  return absoluteUrl.test(value) ? "https://masked.example.org/" : "000-000-0000";
}

/** A literal reference with another id: `Patient/123`, its absolute form, `#contained`, `urn:uuid:…`. */
export function maskReference(value: string, pseudonyms: Pseudonyms): string {
  if (label.test(value)) return value;
  if (value.startsWith("#")) return value.length === 1 ? value : `#${pseudonyms.of(value.slice(1))}`;
  if (value.startsWith("urn:uuid:")) return `urn:uuid:${pseudonyms.of(value.slice("urn:uuid:".length))}`;
  if (value.startsWith("urn:oid:")) return value;
  if (absoluteUrl.test(value) || isResourceType(value.split(/[/?]/)[0] ?? ""))
    return maskUrl(value, pseudonyms);
  return /^[\w.-]{1,64}$/.test(value) ? pseudonyms.of(value) : maskUrl(value, pseudonyms);
}

/** A URL with the ids of its path and the values of its query replaced. */
export function maskUrl(url: string, pseudonyms: Pseudonyms): string {
  const withoutFragment = url.split("#")[0] ?? "";
  const question = withoutFragment.indexOf("?");
  const path = question < 0 ? withoutFragment : withoutFragment.slice(0, question);
  const maskedPath = replacePathIds(path, (id, type) =>
    isConformanceType(type) ? id : pseudonyms.of(decoded(id)),
  );
  return question < 0
    ? maskedPath
    : `${maskedPath}?${maskQuery(withoutFragment.slice(question + 1), pseudonyms)}`;
}

/** A URL that may lead to a document about a person: shown as far as it is FHIR, else only its origin. */
function maskDocumentUrl(url: string, pseudonyms: Pseudonyms): string {
  const path = url.split(/[?#]/)[0] ?? "";
  if (path.split("/").some((segment) => isResourceType(segment))) return maskUrl(url, pseudonyms);
  const origin = /^https?:\/\/[^/?#]*/i.exec(url)?.[0];
  return origin === undefined ? placeholder : `${origin}/${placeholder}`;
}

/** Parameters that steer the answer or the authorization and say nothing about a person. */
const plainParameters = new Set([
  ..."_count _sort _format _summary _elements _include _revinclude _type _outputFormat _offset _total _pretty".split(
    " ",
  ),
  ..."_profile _getpagesoffset page offset code category status clinical-status verification-status intent class".split(
    " ",
  ),
  ..."type vaccine-code discharge-disposition lifecycle-status role specialty scope response_type grant_type".split(
    " ",
  ),
  ..."client_id redirect_uri state aud nonce code_challenge code_challenge_method client_assertion_type".split(
    " ",
  ),
  ..."token_type_hint prompt iss error".split(" "),
]);

/** The parameters of a query or of a form; names and order stay. */
export function maskQuery(query: string, pseudonyms: Pseudonyms): string {
  return query
    .split("&")
    .map((pair) => {
      const equals = pair.indexOf("=");
      if (equals < 0) return pair;
      const name = decoded(pair.slice(0, equals).replaceAll("+", " "));
      const raw = pair.slice(equals + 1);
      if (raw === "" || label.test(raw)) return pair;
      const value = decoded(raw.replaceAll("+", " "));
      if (plainParameters.has(name.split(":")[0] ?? "") && codeOrList(name, value)) return pair;
      if (name === "_typeFilter")
        return `${pair.slice(0, equals)}=${encodeURIComponent(maskUrl(value, pseudonyms))}`;
      const masked = value.split(",").map((part) => maskParameter(part, pseudonyms));
      return `${pair.slice(0, equals)}=${encodeURIComponent(masked.join(",")).replaceAll("%2F", "/").replaceAll("%7C", "|")}`;
    })
    .join("&");
}

function codeOrList(name: string, value: string): boolean {
  return name === "scope" || name === "prompt" || !/\s/.test(value);
}

function maskParameter(part: string, pseudonyms: Pseudonyms): string {
  if (label.test(part)) return part;
  const [, prefix = "", date = ""] = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?(\d{4}.*)$/.exec(part) ?? [];
  if (dateShape.test(date)) return prefix + maskDate(date);
  const bar = part.indexOf("|");
  if (bar >= 0)
    return part.slice(0, bar + 1) + (bar + 1 < part.length ? pseudonyms.of(part.slice(bar + 1)) : "");
  if (part === "true" || part === "false" || part === "") return part;
  return maskReference(part, pseudonyms);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
