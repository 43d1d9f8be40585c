import { decodedViews } from "./decoded-views.ts";
import { isFhirPath } from "./fhir-paths.ts";
import { findSecretPlaces, isSecretName, labelOfName, type TextPlace } from "./secret-places.ts";
import { createSecretValueIndex, shortestSecret, type SecretRange } from "./secret-values.ts";
import type { SecretVault } from "./types.ts";

/** How many values a vault learns from what servers send; a hostile server must not fill memory. */
const mostLearned = 20_000;
/** Deeper nesting than this is an attack on whoever walks it. */
const deepestValue = 200;

/** What the client needs beyond the public vault: what kind of text it is, and learning from traffic. */
export interface LearningVault extends SecretVault {
  redactText(text: string, place: TextPlace): string;
  redactHeader(name: string, value: string): string;
  /** Remembers what a request is about to send in secret places. */
  learnFromRequest(headers: ReadonlyArray<readonly [string, string]>, body: string | undefined): void;
  /** Remembers the tokens, codes and cookies that a response carries. */
  learnFromResponse(headers: ReadonlyArray<readonly [string, string]>, body: string | undefined): void;
}

/** An empty vault; one serves a whole run, so that a token seen once is removed wherever it turns up later. */
export function createSecretVault(): LearningVault {
  const values = createSecretValueIndex();
  let learned = 0;

  const learn = (value: string, label: string): void => {
    if (learned >= mostLearned) return;
    learned += 1;
    values.add(value, `‹${label}›`);
  };
  const learnFromUrl = (url: string): void => {
    const clinical = isFhirPath(url.split(/[?#]/)[0] ?? "");
    for (const [name, value] of parametersOf(url)) {
      if ((isSecretName(name) || (name === "code" && !clinical)) && value.length >= 8 && looksRandom(value))
        learn(value, labelOfName(name));
    }
  };
  const redactText = (text: string, place: TextPlace = {}): string => {
    if (text.length < 2) return text;
    const ranges: SecretRange[] = [];
    for (const view of decodedViews(text)) {
      for (const range of [...values.find(view.text), ...findSecretPlaces(view.text, place)]) {
        const [start, end] = view.locate(range.start, range.end);
        ranges.push({ start, end, label: range.label });
      }
    }
    return replaceRanges(text, ranges);
  };
  const redactValue = (value: unknown, name: string, depth = 0): unknown => {
    if (typeof value === "string") {
      return isSecretName(name) && value !== "" && !value.startsWith("‹")
        ? `‹${labelOfName(name)}›`
        : redactText(value);
    }
    if (typeof value !== "object" || value === null) return value;
    if (depth > deepestValue) return "…";
    if (Array.isArray(value)) return value.map((item) => redactValue(item, name, depth + 1));
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [redactText(key), redactValue(member, key, depth + 1)]),
    );
  };

  return {
    register(secret, label) {
      if (secret.length < shortestSecret) return;
      values.add(secret, `‹${label}›`);
      for (const part of keyParts(secret)) values.add(part, `‹${label}›`);
    },
    redact: (text) => redactText(text),
    redactUrl: (url) => redactText(url),
    redactValue: <T>(value: T): T => redactValue(value, "") as T,
    redactText,
    redactHeader(name, value) {
      switch (name.toLowerCase()) {
        case "authorization":
        case "proxy-authorization":
          return redactAuthorization(value);
        case "cookie":
        case "cookie2":
          return "‹cookie›";
        case "set-cookie":
        case "set-cookie2":
          return redactSetCookie(value, redactText);
        case "x-api-key":
        case "api-key":
        case "x-auth-token":
        case "x-csrf-token":
        case "x-amz-security-token":
          return "‹credentials›";
        case "authentication-info":
          return "‹credentials›";
        default:
          return redactText(value);
      }
    },
    learnFromRequest(headers, body) {
      for (const [name, value] of headers) {
        if (name.toLowerCase() !== "authorization") continue;
        const [, scheme = "", credentials = ""] = /^\s*(\S+)\s+(\S+)\s*$/.exec(value) ?? [];
        if (/^basic$/i.test(scheme)) {
          if (credentials.length >= 8) learn(credentials, "credentials");
          const password = Buffer.from(credentials, "base64").toString("utf8").split(":").slice(1).join(":");
          for (const secret of [password, formDecoded(password)])
            if (secret.length >= 8) learn(secret, "client_secret");
        } else if (credentials.length >= 8) learn(credentials, "access_token");
      }
      if (body === undefined) return;
      for (const [name, value] of parametersOf(`?${body}`)) {
        const secret = isSecretName(name) || (name === "code" && body.includes("grant_type="));
        if (secret && value.length >= 8 && looksRandom(value)) learn(value, labelOfName(name));
      }
    },
    learnFromResponse(headers, body) {
      for (const [name, value] of headers) {
        const lower = name.toLowerCase();
        if (lower === "location") learnFromUrl(value);
        if (lower === "set-cookie") {
          const cookie = (value.split(";")[0] ?? "").split("=").slice(1).join("=").trim();
          if (cookie.length >= 12) learn(cookie, "cookie");
        }
      }
      if (body === undefined || !/^\s*[[{]/.test(body) || !/token|secret/i.test(body)) return;
      for (const [name, value] of secretMembers(body)) if (value.length >= 8) learn(value, labelOfName(name));
    },
  };
}

/** The parts of a private key that give it away one by one: the lines of a PEM, the private members of a JWK. */
function keyParts(secret: string): string[] {
  if (secret.includes("PRIVATE KEY-----"))
    return secret.split(/\r?\n/).filter((line) => line.length >= 16 && !line.startsWith("-----"));
  const parts: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [name, member] of Object.entries(value)) {
      if (typeof member !== "string") visit(member);
      else if (privateJwkMembers.has(name) && member.length >= 16) parts.push(member);
    }
  };
  if (!secret.includes('"kty"')) return parts;
  try {
    visit(JSON.parse(secret));
  } catch {
    // Not a JWK after all: only the whole of it is known.
  }
  return parts;
}

const privateJwkMembers = new Set(["d", "p", "q", "dp", "dq", "qi", "k"]);

/** A value that a person would not write as prose: requests of negative checks carry words such as `invalid`. */
function looksRandom(value: string): boolean {
  return /\d/.test(value) || value.length >= 20;
}

function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

/** Name and value of everything that stands in a query or a fragment. */
function parametersOf(url: string): Array<[string, string]> {
  return url
    .split(/[?#]/)
    .slice(1)
    .flatMap((part) =>
      [...new URLSearchParams(part)].map(([name, value]): [string, string] => [name, value]),
    );
}

function secretMembers(body: string): Array<[string, string]> {
  const found: Array<[string, string]> = [];
  const visit = (value: unknown, depth: number): void => {
    if (typeof value !== "object" || value === null || depth > 8) return;
    for (const [name, member] of Object.entries(value)) {
      if (typeof member === "string") {
        if (isSecretName(name)) found.push([labelOfName(name), member]);
      } else visit(member, depth + 1);
    }
  };
  try {
    visit(JSON.parse(body), 0);
  } catch {
    // Not JSON: what can be found without reading it is found by its place.
  }
  return found;
}

function redactAuthorization(value: string): string {
  const scheme = /^\s*(Bearer|Basic|DPoP|Digest|Negotiate)\s/i.exec(value)?.[1];
  if (scheme === undefined) return "‹credentials›";
  return `${scheme} ${/^(?:bearer|dpop)$/i.test(scheme) ? "‹access_token›" : "‹credentials›"}`;
}

/** Keeps name and attributes, which say how the cookie is protected. */
function redactSetCookie(value: string, redactText: (text: string) => string): string {
  const [pair = "", ...attributes] = value.split(";");
  const name = pair.includes("=") ? pair.slice(0, pair.indexOf("=")) : "";
  return [`${redactText(name)}=‹cookie›`, ...attributes.map((attribute) => redactText(attribute))].join(";");
}

function replaceRanges(text: string, ranges: readonly SecretRange[]): string {
  if (ranges.length === 0) return text;
  const sorted = ranges.toSorted((a, b) => a.start - b.start || b.end - a.end);
  const pieces: string[] = [];
  let written = 0;
  for (const { start, end, label } of sorted) {
    if (end <= written) continue;
    if (start >= written) pieces.push(text.slice(written, start), label);
    written = end;
  }
  pieces.push(text.slice(written));
  return pieces.join("");
}
