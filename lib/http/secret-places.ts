import { isFhirPath } from "./fhir-paths.ts";
import type { SecretRange } from "./secret-values.ts";

/**
 * Names under which a secret travels in a form, a query, a fragment or a JSON object. `code` is not among them: in
 * FHIR it mostly is a clinical code, so that its surroundings have to decide.
 */
const secretNames = [
  "access_token",
  "refresh_token",
  "id_token",
  "id_token_hint",
  "registration_access_token",
  "initial_access_token",
  "subject_token",
  "actor_token",
  "logout_token",
  "device_code",
  "client_secret",
  "client_assertion",
  "assertion",
  "code_verifier",
  "password",
  "passwd",
  "secret",
  "token",
  "api_key",
  "private_key",
  "session_id",
  "jsessionid",
  "phpsessid",
];
const canonicalNames = new Map(secretNames.map((name) => [name.replaceAll("_", ""), name]));
/** Also `access-token` and `accessToken`. */
const anyName = secretNames
  .toSorted((a, b) => b.length - a.length)
  .map((name) => name.replaceAll("_", "[_-]?"))
  .join("|");

function canonicalName(name: string): string | undefined {
  return canonicalNames.get(name.toLowerCase().replaceAll(/[_-]/g, ""));
}

/** Whether a form field, query parameter or JSON member of this name is secret wherever it stands. */
export function isSecretName(name: string): boolean {
  return canonicalName(name) !== undefined;
}

/** The label for the value of a secret name: `access_token` for `accessToken`. */
export function labelOfName(name: string): string {
  return canonicalName(name) ?? name.toLowerCase();
}

const nameHint = /token|secret|assertion|verifier|passw|api[_-]?key|private[_-]?key|device[_-]?code|sess/i;
const parameter = new RegExp(`((?:^|[^\\w-])(${anyName})["']?(?:=|\\s*=>\\s*)["']?)([^&#\\s"<>‹]+)`, "gi");
const labelled = new RegExp(`((?:^|[^\\w-])(${anyName})["']?\\s*:\\s*["']?)([^&#\\s"'<>‹,;]{8,})`, "gi");
const jsonMember = new RegExp(
  `("(${anyName})"\\s*:\\s*)(?:"((?:[^"\\\\]|\\\\[^])*)(?:"|\\\\?$)|(-?\\d[\\d.eE+-]*))`,
  "gi",
);
const xmlElement = new RegExp(`(<(?:[\\w.-]+:)?(${anyName})(?:\\s[^<>]*)?>)([^<]+)`, "gi");
const input = /<input\b[^<>]{0,2000}>/gi;
const inputName = new RegExp(`\\bname\\s*=\\s*["']?(${anyName}|code)["'\\s/>]`, "i");
const inputValue = /(\bvalue\s*=\s*)(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/i;
// base64url of an object's first characters: `{"`, `{ ` or `{` and a line's end.
const jwt = /(?:eyJ|(?<![\w-])(?:ey[A-Z0-9]|ew[0o]))[\w-]{8,}(?:\.[\w-]*){2,4}/g;
const userinfo = /(:\/\/)([^/?#\s"'<>@‹]+)@/g;
const credentials = /\b((Bearer|Basic|DPoP|Negotiate)\s+)([\w.~+/-]{8,}=*)/gi;
const headerLine =
  /((?:^|[^\w-])((?:proxy-)?authorization|x-api-key|(?:set-)?cookie)["']?\s*[:=]\s*)([^\r\n"<‹]{4,})/gi;
const jwkMember = /("(d|p|q|dp|dq|qi|k)"\s*:\s*")([\w-]{16,})/g;
const privateKey = /(-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----)([^]*?)(?:-----END|$)/g;
const codeParameter = /(^|[^\w-])(code=)([^&#\s"'<>‹]+)/gi;
const codeMember = /("code"\s*:\s*")((?:[^"\\]|\\[^])*)(?:"|\\?$)/g;

/** What is known about where a text comes from. */
export interface TextPlace {
  /** The text is the form of a FHIR search, where `code` is a clinical code. */
  readonly fhirForm?: boolean;
}

/** Finds what is secret by its place: behind a telling name, in a credential's syntax, or shaped as a JWT. */
export function findSecretPlaces(text: string, place: TextPlace = {}): SecretRange[] {
  const found: SecretRange[] = [];
  const add = (start: number, value: string | undefined, label: string): void => {
    if (value === undefined || value === "" || value.startsWith("‹")) return;
    found.push({ start, end: start + value.length, label: `‹${label}›` });
  };
  if (nameHint.test(text)) findNamed(text, add);
  if (text.includes("code")) findCodes(text, place, add);
  if (text.includes("<input") || text.includes("<INPUT")) findInputs(text, add);
  for (const match of text.matchAll(jwt)) add(match.index, match[0], "jwt");
  if (text.includes("://")) {
    for (const match of text.matchAll(userinfo))
      add(match.index + (match[1] ?? "").length, match[2], "credentials");
  }
  for (const match of text.matchAll(credentials)) findCredentials(text, match, add);
  for (const match of text.matchAll(headerLine)) findHeaderLine(match, add);
  if (text.includes('"kty"')) addSecondGroup(text, jwkMember, add, "private_key");
  if (text.includes("PRIVATE KEY")) {
    for (const match of text.matchAll(privateKey))
      add(match.index + (match[1] ?? "").length, match[2], "private_key");
  }
  return found;
}

type Add = (start: number, value: string | undefined, label: string) => void;

/** Patterns of three groups: what leads up to the value, the name in it, the value. */
function addSecondGroup(text: string, pattern: RegExp, add: Add, label?: string): void {
  for (const match of text.matchAll(pattern))
    add(match.index + (match[1] ?? "").length, match[3], label ?? labelOfName(match[2] ?? ""));
}

function findNamed(text: string, add: Add): void {
  addSecondGroup(text, parameter, add);
  addSecondGroup(text, labelled, add);
  addSecondGroup(text, xmlElement, add);
  for (const match of text.matchAll(jsonMember)) {
    const start = match.index + (match[1] ?? "").length;
    const name = labelOfName(match[2] ?? "");
    if (match[3] === undefined) add(start, match[4], name);
    else add(start + 1, match[3], name);
  }
}

function findInputs(text: string, add: Add): void {
  for (const match of text.matchAll(input)) {
    const name = inputName.exec(match[0])?.[1];
    const value = inputValue.exec(match[0]);
    if (name === undefined || value === null) continue;
    const quoted = value[4] === undefined ? 1 : 0;
    const start = match.index + value.index + (value[1] ?? "").length + quoted;
    add(start, value[2] ?? value[3] ?? value[4], labelOfName(name));
  }
}

function findCredentials(text: string, match: RegExpExecArray, add: Add): void {
  const value = match[3] ?? "";
  const after = text.charAt(match.index + match[0].length);
  // "Bearer error_description=…" is a challenge and "Basic authentication" is prose.
  if (value.endsWith("=") && /["\w]/.test(after)) return;
  if (!/\d/.test(value) && value.length < 20 && !value.endsWith("=")) return;
  add(
    match.index + (match[1] ?? "").length,
    value,
    /^basic$/i.test(match[2] ?? "") ? "credentials" : "access_token",
  );
}

function findHeaderLine(match: RegExpExecArray, add: Add): void {
  const start = match.index + (match[1] ?? "").length;
  const value = match[3] ?? "";
  const name = (match[2] ?? "").toLowerCase();
  if (name.endsWith("cookie")) {
    add(start, value, "cookie");
    return;
  }
  const scheme = /^["']?(?:Bearer|Basic|DPoP|Negotiate|Digest)\s+/i.exec(value)?.[0] ?? "";
  const secret = /^[^\s"',]+/.exec(value.slice(scheme.length))?.[0] ?? "";
  if (secret.length >= 8) add(start + scheme.length, secret, "credentials");
}

const companions = /[?&#](?:state|session_state|iss|grant_type|redirect_uri|code_verifier|client_id)=/i;
const randomLooking = /^(?=.*\d)[\w.~+/=%-]{16,}$/;

function findCodes(text: string, place: TextPlace, add: Add): void {
  for (const match of text.matchAll(codeParameter)) {
    const nameAt = match.index + (match[1] ?? "").length;
    if (isAuthorizationCode(text, nameAt, match, place))
      add(nameAt + (match[2] ?? "").length, match[3], "code");
  }
  // FHIR resources are full of members called "code"; elsewhere only one that looks like a grant is taken out.
  if (text.includes('"resourceType"')) return;
  const grant = /"(?:state|redirect_uri|grant_type|code_verifier)"\s*:/.test(text);
  for (const match of text.matchAll(codeMember)) {
    const value = match[2] ?? "";
    if (grant || randomLooking.test(value)) add(match.index + (match[1] ?? "").length, value, "code");
  }
}

function isAuthorizationCode(
  text: string,
  nameAt: number,
  match: RegExpExecArray,
  place: TextPlace,
): boolean {
  // The parameter list: from the nearest ? or # (or a gap) before the name up to the next gap.
  const before = /[^\s"'<>]*$/.exec(text.slice(Math.max(0, nameAt - 1536), nameAt))?.[0] ?? "";
  const after = /^[^\s"'<>]*/.exec(text.slice(nameAt, nameAt + 1536))?.[0] ?? "";
  const opening = Math.max(before.lastIndexOf("?"), before.lastIndexOf("#"));
  const list = `&${before.slice(opening + 1)}${after}`;
  if (companions.test(list)) return true;
  if (opening >= 0) return !isFhirPath(before.slice(0, opening));
  if (place.fhirForm === true) return false;
  return place.fhirForm === false || randomLooking.test(match[3] ?? "");
}
