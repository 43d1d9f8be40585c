import { createHash, generateKeyPair, randomBytes, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { registrations, type Application } from "./data.ts";

const generate = promisify(generateKeyPair);

/** A JSON Web Key as node writes it, with what tells its use. */
export interface Jwk {
  readonly kty: string;
  readonly kid: string;
  readonly alg: string;
  readonly use: "sig";
  readonly [member: string]: unknown;
}

export interface SigningKey {
  readonly privateJwk: Jwk;
  readonly publicJwk: Jwk;
  readonly privateKey: KeyObject;
}

/** RFC 7638 thumbprint, as a key id that does not depend on the order of generation. */
function thumbprint(jwk: Record<string, unknown>): string {
  const members = jwk["kty"] === "RSA" ? ["e", "kty", "n"] : ["crv", "kty", "x", "y"];
  const canonical = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])));
  return createHash("sha256").update(canonical).digest("base64url");
}

async function makeKey(algorithm: "RS256" | "RS384" | "ES384"): Promise<SigningKey> {
  const { privateKey, publicKey } =
    algorithm === "ES384"
      ? await generate("ec", { namedCurve: "P-384" })
      : await generate("rsa", { modulusLength: 2048 });
  const publicMembers = publicKey.export({ format: "jwk" }) as Record<string, unknown>;
  const marks = { kid: thumbprint(publicMembers), alg: algorithm, use: "sig" as const };
  return {
    privateKey,
    privateJwk: { ...privateKey.export({ format: "jwk" }), ...marks } as Jwk,
    publicJwk: { ...publicMembers, ...marks } as Jwk,
  };
}

/** Secrets and keys of the applications and users: made once for a process, shared by all of its sandboxes. */
export interface Credentials {
  readonly secrets: ReadonlyMap<string, string>;
  readonly keys: ReadonlyMap<string, SigningKey>;
  readonly passwords: ReadonlyMap<string, string>;
  /** What tells the tenant owners of the sandbox from everybody else. */
  readonly ownerSecret: string;
}

const random = () => randomBytes(24).toString("base64url");

async function makeCredentials(): Promise<Credentials> {
  const { applications, users } = registrations();
  const withKey = applications.filter((each) => each.authentication === "private_key_jwt");
  const keys = await Promise.all(
    withKey.map(async (each) => [each.id, await makeKey(each.algorithm ?? "ES384")] as const),
  );
  return {
    secrets: new Map(applications.filter(hasSecret).map((each) => [each.id, random()])),
    keys: new Map(keys),
    passwords: new Map(users.map((each) => [each.id, random()])),
    ownerSecret: random(),
  };
}

/** Whether an application authenticates with a client secret. */
export function hasSecret(application: Application): boolean {
  return application.authentication.startsWith("client_secret_");
}

let credentialsOfProcess: Promise<Credentials> | undefined;

/** The credentials of the registered applications and users. */
export function credentials(): Promise<Credentials> {
  credentialsOfProcess ??= makeCredentials();
  return credentialsOfProcess;
}

const serverKeys = new Map<string, Promise<SigningKey>>();

/**
 * The key with which an authorization server signs id tokens: RS256, one for each server (tenant id or "legacy"),
 * made when it is first needed, for that takes a tenth of a second.
 */
export function serverKey(server: string): Promise<SigningKey> {
  let key = serverKeys.get(server);
  if (key === undefined) {
    key = makeKey("RS256");
    serverKeys.set(server, key);
  }
  return key;
}

const variable = (id: string, kind: string) =>
  `CARECONNECT_SANDBOX_${id.toUpperCase().replaceAll("-", "_")}_${kind}`;

/** The credentials as environment variables: CARECONNECT_SANDBOX_<ID>_SECRET, _KEY (private JWK), _PASSWORD. */
export function credentialVariables(made: Credentials): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [id, secret] of made.secrets) variables[variable(id, "SECRET")] = secret;
  for (const [id, key] of made.keys) variables[variable(id, "KEY")] = JSON.stringify(key.privateJwk);
  for (const [id, password] of made.passwords) variables[variable(id, "PASSWORD")] = password;
  variables[variable("tenant-owner", "SECRET")] = made.ownerSecret;
  return variables;
}
