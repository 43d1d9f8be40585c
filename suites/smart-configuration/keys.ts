import { importJWK, type JWK } from "jose";
import type { Procedure } from "../../lib/checks/answer.ts";
import type { CheckContext } from "../../lib/checks/context.ts";
import { jwks } from "../../lib/checks/facts.ts";
import { isObject } from "../../lib/checks/select.ts";
import type { Finding } from "../../lib/checks/verdict.ts";

type Key = Readonly<Record<string, unknown>>;

/** RFC 7518 section 3.3. */
const SMALLEST_MODULUS_BITS = 2048;
/** Members of a JWK that only its owner may know (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1). */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/** Curves whose keys are looked into; of others nothing is known. */
const ALGORITHMS: Readonly<Record<string, string>> = {
  "P-256": "ES256",
  "P-384": "ES384",
  "P-521": "ES512",
  Ed25519: "EdDSA",
};
const PUBLIC_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  RSA: ["n", "e"],
  EC: ["crv", "x", "y"],
  OKP: ["crv", "x"],
};

interface KeySet {
  readonly keys: readonly unknown[];
  readonly exchange: { readonly exchange?: string };
}

async function keySet(context: CheckContext): Promise<KeySet> {
  const subject = await context.fact(jwks);
  const keys = isObject(subject.json) && Array.isArray(subject.json["keys"]) ? subject.json["keys"] : [];
  return { keys, exchange: subject.exchange === undefined ? {} : { exchange: subject.exchange } };
}

/** Every key of the set is there as a bare JWK and has a `kid` of its own (SMART: "bare JWK keys"; RFC 7517). */
export const usableKeys: Procedure = async (context) => {
  const { keys, exchange } = await keySet(context);
  if (keys.length === 0) {
    return [
      { code: "jwks.empty", expected: "at least one key", actual: "none", location: "/keys", ...exchange },
    ];
  }
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const [index, key] of keys.entries()) {
    const location = `/keys/${index}`;
    const problem = await problemOf(key);
    if (problem !== undefined) {
      findings.push({
        code: "jwks.unusable-key",
        expected: "a complete public key",
        actual: problem,
        location,
        ...exchange,
      });
    }
    // Equivalent keys of different types may share a kid (RFC 7517 section 4.5).
    const name = isObject(key) ? `${String(key["kty"])} ${String(key["kid"])}` : "";
    const kid = isObject(key) && typeof key["kid"] === "string" ? key["kid"] : undefined;
    if (kid === undefined) {
      // One key needs no name to be found; of several, only a name tells which.
      if (keys.length === 1) continue;
      findings.push({
        code: "jwks.duplicate-kid",
        expected: "a kid, since there are several keys",
        actual: "a key without one",
        location,
        ...exchange,
      });
    } else if (seen.has(name)) {
      findings.push({
        code: "jwks.duplicate-kid",
        expected: "a kid that no other key has",
        actual: `${JSON.stringify(kid)} a second time`,
        location,
        ...exchange,
      });
    } else {
      seen.add(name);
    }
  }
  return findings;
};

/** A key that verifies RS256 is in the set (SMART: id tokens can be signed with RSA SHA-256). */
export const rs256Key: Procedure = async (context) => {
  const { keys, exchange } = await keySet(context);
  for (const key of keys) {
    if (isObject(key) && verifiesRs256(key) && (await problemOf(key)) === undefined) return [];
  }
  const kinds = keys.map((key) => (isObject(key) ? String(key["kty"]) : "something else"));
  return [
    {
      code: "jwks.no-rs256-key",
      expected: `an RSA key of at least ${SMALLEST_MODULUS_BITS} bits for signatures`,
      actual: kinds.length === 0 ? "no key" : `no such key among ${kinds.length} (${kinds.join(", ")})`,
      location: "/keys",
      ...exchange,
    },
  ];
};

/** No key of the set has a member that only its owner may know. Values are never repeated in findings. */
export const publicKeysOnly: Procedure = async (context) => {
  const { keys, exchange } = await keySet(context);
  const findings: Finding[] = [];
  for (const [index, key] of keys.entries()) {
    if (!isObject(key)) continue;
    const members = PRIVATE_MEMBERS.filter((member) => Object.hasOwn(key, member));
    if (members.length === 0) continue;
    findings.push({
      code: "jwks.private-key",
      expected: "public keys only",
      actual: `a key with the private members ${members.join(", ")}`,
      location: `/keys/${index}`,
      ...exchange,
    });
  }
  return findings;
};

function verifiesRs256(key: Key): boolean {
  if (key["kty"] !== "RSA") return false;
  if (key["use"] !== undefined && key["use"] !== "sig") return false;
  if (key["alg"] !== undefined && key["alg"] !== "RS256") return false;
  if (Array.isArray(key["key_ops"]) && !key["key_ops"].includes("verify")) return false;
  return modulusBits(key) >= SMALLEST_MODULUS_BITS;
}

function modulusBits(key: Key): number {
  const modulus = typeof key["n"] === "string" ? Buffer.from(key["n"], "base64url") : Buffer.alloc(0);
  const first = modulus.findIndex((byte) => byte !== 0);
  if (first < 0) return 0;
  return (modulus.length - first - 1) * 8 + (32 - Math.clz32(modulus[first] ?? 0));
}

/** What is wrong with a key, without any of its values; `undefined` when it can be used. */
async function problemOf(key: unknown): Promise<string | undefined> {
  if (!isObject(key)) return "something that is not an object";
  const kty = key["kty"];
  if (typeof kty !== "string") return "a key without kty";
  const members = PUBLIC_MEMBERS[kty];
  // Key types that came after RFC 7518 are to be ignored, not refused (RFC 7517 section 5).
  if (members === undefined) return undefined;
  const lacking = members.filter((member) => typeof key[member] !== "string");
  if (lacking.length > 0) return `a key of type ${kty} without ${lacking.join(", ")}`;
  // The same holds for curves: a key for something else than signatures may stand here too.
  const algorithm = kty === "RSA" ? "RS256" : ALGORITHMS[String(key["crv"])];
  if (algorithm === undefined) return undefined;
  try {
    const bare = Object.fromEntries(["kty", ...members].map((member) => [member, key[member]])) as JWK;
    await importJWK(bare, algorithm);
    return undefined;
  } catch {
    return `a key of type ${kty} that cannot be read`;
  }
}
