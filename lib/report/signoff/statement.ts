/**
 * The signed statement of a sign-off: a JWS (RFC 7515, flattened JSON serialization, ES256) over the digests of every
 * file of its folder. The key is not in it: whoever verifies has to have it from elsewhere.
 */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  calculateJwkThumbprint,
  FlattenedSign,
  flattenedVerify,
  importJWK,
  type FlattenedJWS,
  type JWK,
} from "jose";
import { list, objectOf } from "../read.ts";
import type { Signoff } from "./model.ts";
import { outcome } from "./words.ts";

/** Where the page carries the statement; its digest is taken with nothing between the two. */
export const STATEMENT_START = '<script type="application/jose+json" id="statement">';
export const STATEMENT_END = "</script>";

export const PAGE_FILE = "signoff.html";
export const STATEMENT_FILE = "signoff.jws";

/** What is signed. */
export interface Statement {
  readonly schema: 1;
  readonly tenant: string;
  readonly environment: string;
  readonly run: string;
  readonly at: string;
  readonly decision: string;
  readonly decidedBy?: string;
  /** Digest by path below the folder. */
  readonly files: Readonly<Record<string, string>>;
}

/** A key that cannot be used, said without any of it. */
export class UnusableKey extends Error {
  override readonly name = "UnusableKey";
}

/**
 * Reads a key of the curve P-256 from a JWK, or the fitting one from a JWK Set.
 *
 * @param text JSON
 * @param part which part is needed
 * @param id of the key that is wanted, where there are several
 * @throws UnusableKey
 */
export async function readKeys(
  text: string,
  part: "private" | "public",
): Promise<readonly (JWK & { readonly kid: string })[]> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new UnusableKey("is not JSON: a JWK or a JWK Set is needed");
  }
  const all = Array.isArray(objectOf(parsed)["keys"]) ? list(objectOf(parsed)["keys"]) : [parsed];
  const fitting = all
    .map(objectOf)
    .filter(
      (key) =>
        key["kty"] === "EC" && key["crv"] === "P-256" && (part === "public" || typeof key["d"] === "string"),
    ) as JWK[];
  if (fitting.length === 0) throw new UnusableKey(`holds no ${part} key for ES256 (kty EC, crv P-256)`);
  return await Promise.all(
    fitting.map(async (key) => {
      const { d: _, ...open } = key;
      const used = part === "private" ? key : open;
      try {
        await importJWK(used, "ES256");
        return { ...used, kid: key.kid ?? (await calculateJwkThumbprint(key, "sha256")) };
      } catch {
        throw new UnusableKey("holds a key that cannot be used");
      }
    }),
  );
}

/** The statement about a folder whose reports have been written. */
export function stateOf(signoff: Signoff, folder: string): Statement {
  const { decided } = signoff;
  return {
    schema: 1,
    tenant: signoff.tenant,
    environment: signoff.environment,
    run: signoff.run.run,
    at: signoff.at,
    decision: decided === undefined ? `undecided (${outcome(signoff)} by the rules)` : decided.decision,
    ...(decided === undefined ? {} : { decidedBy: `${decided.by}, ${decided.role}` }),
    files: digestsOf(folder),
  };
}

/** Signs a statement. */
export async function signStatement(
  statement: Statement,
  key: JWK & { readonly kid: string },
): Promise<string> {
  const jws = await new FlattenedSign(new TextEncoder().encode(JSON.stringify(statement)))
    .setProtectedHeader({ alg: "ES256", kid: key.kid, typ: "careconnect-signoff" })
    .sign(await importJWK(key, "ES256"));
  return JSON.stringify(jws);
}

/** What a verification found; nothing in `problems` means that all is as it was signed. */
export interface Verification {
  readonly problems: readonly string[];
  /** Only where the signature is good. */
  readonly statement?: Statement;
  readonly key?: string;
}

/**
 * Verifies the signature of a sign-off and every file that it speaks of.
 *
 * @param folder of the sign-off
 * @param carried the statement's text as the file has it that was named; undefined where it has none
 * @param keys public keys, any of which may have signed
 */
export async function verifySignoff(
  folder: string,
  carried: string | undefined,
  keys: readonly (JWK & { readonly kid: string })[],
): Promise<Verification> {
  if (carried === undefined || carried === "") return { problems: ["it carries no signed statement"] };
  const jws = parseJws(carried);
  if (jws === undefined)
    return { problems: ["its signed statement was changed: it is not as it was written"] };
  const { kid } = jws;
  const key = keys.find((one) => one.kid === kid);
  if (key === undefined)
    return { problems: [`it is signed with the key ${kid}, which is not among the keys given`] };
  let payload: Uint8Array;
  try {
    ({ payload } = await flattenedVerify(jws.jws, await importJWK(key, "ES256"), { algorithms: ["ES256"] }));
  } catch {
    return { problems: ["its signed statement was changed: the signature does not fit"] };
  }
  const statement = JSON.parse(new TextDecoder().decode(payload)) as Statement;
  return { problems: changes(statement.files, digestsOf(folder), carried, folder), statement, key: kid };
}

function changes(
  signed: Readonly<Record<string, string>>,
  present: Readonly<Record<string, string>>,
  carried: string,
  folder: string,
): readonly string[] {
  const names = [...new Set([...Object.keys(signed), ...Object.keys(present)])].toSorted();
  const found = names.flatMap((name) => {
    if (signed[name] === present[name]) return [];
    if (signed[name] === undefined) return [`${name} was added`];
    return [`${name} ${present[name] === undefined ? "is missing" : "was changed"}`];
  });
  // The statement stands in two places; both must be the one that was verified.
  for (const name of [PAGE_FILE, STATEMENT_FILE]) {
    const path = join(folder, name);
    if (existsSync(path) && carriedBy(name, readFileSync(path, "utf8")) !== carried)
      found.push(`${name} carries another statement`);
    else if (!existsSync(path) && name === STATEMENT_FILE) found.push(`${name} is missing`);
  }
  return found;
}

/** The statement that a file carries: the page within it, the statement's own file as a whole. */
export function carriedBy(name: string, text: string): string | undefined {
  if (!name.endsWith(".html")) return text;
  const start = text.lastIndexOf(STATEMENT_START);
  const end = text.indexOf(STATEMENT_END, start);
  return start < 0 || end < 0 ? undefined : text.slice(start + STATEMENT_START.length, end);
}

/** The page with a statement put into its place. */
export function withStatement(page: string, statement: string): string {
  const at = page.lastIndexOf(STATEMENT_START) + STATEMENT_START.length;
  return page.slice(0, at) + statement + page.slice(at);
}

/** Only the one way of writing a statement is taken, so that no byte of it can be changed without being seen. */
function parseJws(text: string): { readonly jws: FlattenedJWS; readonly kid: string } | undefined {
  try {
    const value = objectOf(JSON.parse(text));
    const { payload, protected: head, signature } = value;
    if (typeof payload !== "string" || typeof head !== "string" || typeof signature !== "string")
      return undefined;
    if (JSON.stringify(value) !== text || Object.keys(value).length !== 3) return undefined;
    if (
      [payload, head, signature].some((part) => Buffer.from(part, "base64url").toString("base64url") !== part)
    )
      return undefined;
    const { kid } = objectOf(JSON.parse(Buffer.from(head, "base64url").toString("utf8")));
    return typeof kid === "string" ? { jws: { payload, protected: head, signature }, kid } : undefined;
  } catch {
    return undefined;
  }
}

/** Digests of all files below a folder but the statement's own, the page without the statement in it. */
function digestsOf(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name !== STATEMENT_FILE && !lstatSync(join(folder, name)).isDirectory())
    .toSorted();
  return Object.fromEntries(
    names.map((name) => {
      const path = join(folder, name);
      // A link is no file of this folder: what it leads to may change.
      if (!lstatSync(path).isFile()) return [name, "not a file"];
      const content = readFileSync(path);
      return [name, digest(name === PAGE_FILE ? withoutStatement(content) : content)];
    }),
  );
}

function withoutStatement(content: Buffer): Buffer {
  // Byte by byte: what is no UTF-8 must not become the same character.
  const page = content.toString("latin1");
  const carried = carriedBy(PAGE_FILE, page);
  if (carried === undefined) return content;
  const at = page.lastIndexOf(STATEMENT_START) + STATEMENT_START.length;
  return Buffer.from(page.slice(0, at) + page.slice(at + carried.length), "latin1");
}

function digest(content: Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
