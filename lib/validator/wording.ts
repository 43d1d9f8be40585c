/** The one place where findings get their words. */
import type { Finding, FindingDetails } from "./result.ts";

/** Every rule the validator can find broken, with what it says then; names in braces are the finding's details. */
const WORDINGS = {
  "json-syntax": "This is not JSON: {problem}.",
  "validation-stopped": "The validation stopped half-way: {problem}.",
  "json-not-a-resource": "A resource is a JSON object; this is {found}.",
  "json-too-deep": "Nested deeper than {limit} levels; what lies below was not checked.",
  "json-null": "null is not allowed here: leave the property out.",
  "json-null-pair": "A null in this list needs an id or extension in the other one.",
  "json-empty-array": '"{key}" is an empty array: leave the property out.',
  "json-empty-object": "An object has to have content.",
  "json-expected-array": '"{key}" can repeat, so it has to be an array; this is {found}.',
  "json-unexpected-array": '"{key}" cannot repeat, so it must not be an array.',
  "json-expected-object": '"{key}" has to be an object; this is {found}.',
  "json-expected-primitive": "A {type} is written as a JSON {expected}; this is {found}.",
  "json-duplicate-key": '"{key}" stands more than once in the same object.',
  "json-alignment": '"{key}" and "{companion}" differ in length, so their entries do not line up.',
  "json-number-form": "{written} is not how a {type} is written.",
  "element-unknown": '{type} has no element "{key}".',
  "resource-type-missing": 'A resource names its type in "resourceType".',
  "resource-type-unknown": '"{type}" is not a resource type of FHIR R4.',
  "resource-type-wrong": "A {type} cannot stand here; allowed: {allowed}.",
  "contained-id-missing": "A contained resource needs an id.",
  "contained-id-duplicate": 'Two contained resources have the id "{value}".',
  "element-id-duplicate": 'The element id "{value}" stands more than once in this resource.',
  "primitive-empty": "A value cannot be an empty string: leave the property out.",
  "primitive-whitespace-only": "The value is nothing but whitespace.",
  "primitive-whitespace-around": "The value begins or ends with whitespace.",
  "primitive-whitespace-inside": "The base64 value has whitespace in it.",
  "primitive-control-character": "The value has control characters in it.",
  "primitive-size": "A string may have at most 1,048,576 characters.",
  "primitive-format": '"{value}" is not a {type}.',
  "primitive-calendar": "{value}: there is no such day.",
  "primitive-zone": "{value}: a time of day needs its time zone.",
  "primitive-range": "{value} is outside what a {type} may be.",
  "primitive-no-value": "A code of {valueSet} is required here, an extension cannot stand in for it.",
  "cardinality-min": "{element}: at least {min} required, {count} found.",
  "cardinality-max": "{element}: at most {max} allowed, {count} found.",
  "choice-several": "{element} has one value only; found {found}.",
  "choice-type": "{element} cannot be a {type} here; allowed: {allowed}.",
  "value-fixed": "The value has to be exactly {wanted}; it differs at {at}.",
  "value-pattern": "The value has to contain {wanted}; that is missing at {at}.",
  "value-max-length": "At most {maxLength} characters allowed; these are {length}.",
  "value-minimum": "{value} is less than the least allowed value, {minimum}.",
  "value-maximum": "{value} is more than the greatest allowed value, {maximum}.",
  "slice-min": "Slice {element}: at least {min} required, {count} found.",
  "slice-max": "Slice {element}: at most {max} allowed, {count} found.",
  "slice-closed": "This is none of the slices of {element}, and others are not allowed.",
  "slice-order": "Slice {slice} of {element} is out of order.",
  "slice-open-at-end": "What is none of the slices of {element} has to stand behind them.",
  "binding-required": "A code of the value set {valueSet} is required here; found: {codes}.",
  "binding-extensible":
    "The value set {valueSet} has to be used where it has a fitting code; found: {codes}.",
  "binding-maximum": "No code beyond the value set {valueSet} is allowed here; found: {codes}.",
  "code-unknown": 'The code system {system} has no code "{code}".',
  "coding-without-system": 'The code "{code}" has no system, so nobody can tell what it means.',
  "system-relative": '"{system}" is no absolute URI, as a system has to be.',
  "system-is-value-set": "{system} is a value set; a coding names a code system.",
  "identifier-uri-value": 'The system says that the value is a URI, but "{value}" is not an absolute one.',
  "attachment-size": "The size is given as {size}, the data are {actual} bytes.",
  "extension-unknown-modifier":
    "The modifier extension {url} is not known, so the resource cannot be understood.",
  "extension-url-version": "{url}: the url of an extension carries no version.",
  "extension-url-relative": '"{url}" is not an absolute URL, as that of an extension has to be.',
  "extension-context": "The extension {url} cannot stand here, only on {contexts}.",
  "extension-context-invariant": "The extension {url} can stand here only where {expression}.",
  "extension-modifier": "{url} is a modifier extension and has to stand in modifierExtension.",
  "extension-not-modifier": "{url} is not a modifier extension and cannot stand in modifierExtension.",
  "extension-value-type": "The value of the extension {url} cannot be a {type}; allowed: {allowed}.",
  "extension-value-missing": "The extension {url} has a value of its own, not nested extensions.",
  "extension-value-unexpected": "The extension {url} has nested extensions, not a value of its own.",
  "extension-part-unknown": 'The extension {url} has no part "{part}".',
  "reference-form": '"{reference}" is not a reference.',
  "reference-relative": 'In a Bundle a relative reference is Type/id; this is "{reference}".',
  "reference-target": "A reference to {type} is not allowed here; allowed: {allowed}.",
  "reference-type-mismatch": '"type" says {type}, but the reference is to {actual}.',
  "reference-type-unknown": '"{type}" in "type" is not a resource type.',
  "reference-not-contained": "There is no contained resource {reference}.",
  "reference-target-profile": "What {reference} refers to meets none of {profiles}.",
  "reference-aggregation": "{reference} is not {allowed}, as a reference has to be here.",
  "bundle-full-url-missing": "Every entry of a {type} Bundle needs a fullUrl.",
  "bundle-full-url-relative": 'The fullUrl "{fullUrl}" is not absolute.',
  "bundle-full-url-mismatch": "The fullUrl {fullUrl} does not end with {resource}, the entry's type and id.",
  "bundle-full-url-without-id": "The fullUrl {fullUrl} is a RESTful one, so the resource needs its id.",
  "bundle-search-no-id": "A resource that a search found, or included, has an id.",
  "bundle-search-not-outcome":
    "An entry with the search mode outcome holds an OperationOutcome, not a {type}.",
  "bundle-link-duplicate": "A Bundle of type {type} has one link with the relation {relation}, not more.",
  "bundle-document-reference": "The document has no entry for {reference}, to which its {element} refers.",
  "meta-security-duplicate": "The security label {label} stands more than once: labels are a set.",
  "reference-not-bundled": "The Bundle has no entry for {reference}.",
  "url-relative": "The url {url} of this resource is not absolute.",
  "narrative-malformed": "The narrative is not well-formed XHTML.",
  "narrative-namespace": "The div of a narrative has to be in the namespace http://www.w3.org/1999/xhtml.",
  "narrative-root": 'A narrative is a div; this is "{subject}".',
  "narrative-element": '"{subject}" is not an element that a narrative may have.',
  "narrative-block": 'A paragraph of a narrative cannot hold the element "{subject}".',
  "narrative-attribute": '"{subject}" is not an attribute that a narrative may have.',
  "narrative-entity": "The narrative has an & that begins no entity.",
  "narrative-empty": "The narrative has to have some text or an image.",
  "narrative-active-link": "The narrative has a link that runs a script.",
  "narrative-declaration": "The narrative has a document type declaration.",
  "profile-unknown": "The profile {canonical} is not known here, so it was not checked.",
  "profile-version": "The profile {canonical} is not known here in that version; checked against {version}.",
  "profile-wrong-type": "The profile {canonical} is for {type}, not for {actual}.",
  "profile-none-met": "The value meets none of {profiles}.",
  "constraint-failed": "Constraint {key} is not met: {expression}",
  "constraint-not-evaluated": "Constraint {key} could not be evaluated: {problem}.",
  "narrative-missing": "Constraint dom-6 is not met: a resource should have a narrative.",
  "contained-nested": "Constraint dom-2 is not met: a contained resource cannot contain resources.",
  "contained-unreferenced":
    'Constraint dom-3 is not met: the contained resource "{id}" is neither referred to nor refers to its container.',
  "contained-version":
    "Constraint dom-4 is not met: a contained resource has no meta.versionId and no meta.lastUpdated.",
  "contained-security": "Constraint dom-5 is not met: a contained resource has no security label.",
  "element-without-content":
    "Constraint ele-1 is not met: an element has a value or children besides its id.",
  "extension-content": "Constraint ext-1 is not met: an extension has either a value or nested extensions.",
  "reference-local": "Constraint ref-1 is not met: there is no contained resource {reference}.",
} as const;

export type RuleId = keyof typeof WORDINGS;

/** Says in words what a finding is about. */
export function messageFor(rule: RuleId, details: FindingDetails): string {
  return WORDINGS[rule].replace(/\{(\w+)\}/g, (_, name: string) => worded(details[name]));
}

/** Details that repeat what stands in the resource; all others repeat the definitions, or count. */
const FROM_THE_RESOURCE: ReadonlySet<string> = new Set([
  "code",
  "codes",
  "fullUrl",
  "id",
  "label",
  "problem",
  "reference",
  "resource",
  "value",
  "written",
]);

/**
 * The words of a finding with every value that stands in the resource shown as `shown` says, so that a finding about
 * a patient's data can be told without them.
 */
export function describeFinding(
  { rule, details }: Pick<Finding, "rule" | "details">,
  shown: (value: string) => string,
): string {
  if (!(rule in WORDINGS)) return rule;
  const told = Object.entries(details).map(([name, value]) => {
    if (!FROM_THE_RESOURCE.has(name) || value === undefined) return [name, value] as const;
    return [
      name,
      Array.isArray(value) ? value.map((one) => shown(String(one))) : shown(String(value)),
    ] as const;
  });
  return messageFor(rule as RuleId, Object.fromEntries(told));
}

function worded(detail: FindingDetails[string]): string {
  return Array.isArray(detail) ? detail.join(", ") : String(detail ?? "");
}

/** Shortens what is quoted from a resource, so that a finding never carries a document. */
export function quoted(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing");
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}
