import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, type JWK } from "jose";
import type { ClientRegistration } from "../config/targets.ts";
import { SmartError } from "./errors.ts";

export type AssertionAlgorithm = "RS384" | "ES384";

/** A private key with the id and algorithm that its assertions carry. */
export interface SigningKey {
  readonly algorithm: AssertionAlgorithm;
  readonly keyId: string;
  /** Where its public part is published; goes into the header of assertions. */
  readonly jwksUrl?: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/**
 * Reads the private key of a registration: a JWK, a JWK Set with one private key (or one with the wanted `kid`), or
 * PEM (PKCS #8, PKCS #1, SEC 1). The key id is the configured one, the JWK's own, or its RFC 7638 thumbprint.
 *
 * @throws SmartError `key`
 */
export async function readSigningKey(client: ClientRegistration): Promise<SigningKey> {
  if (client.key === undefined) throw new SmartError("not-configured", `the client ${client.id} has no key`);
  const text = client.key.reveal().trim();
  const { privateKey, keyId } = text.startsWith("{")
    ? readJwk(text, client.keyId)
    : { privateKey: readPem(text), keyId: undefined };
  const publicKey = createPublicKey(privateKey);
  const algorithm = algorithmOf(privateKey, client.algorithm);
  const thumbprint = () => calculateJwkThumbprint(publicKey.export({ format: "jwk" }), "sha256");
  return {
    algorithm,
    keyId: client.keyId ?? keyId ?? (await thumbprint()),
    ...(client.jwksUrl === undefined ? {} : { jwksUrl: client.jwksUrl }),
    privateKey,
    publicKey,
  };
}

function readJwk(text: string, wanted: string | undefined) {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new SmartError("key", "the private key is neither JSON nor PEM");
  }
  const keys = (parsed as { keys?: JWK[] }).keys ?? [parsed as JWK];
  const jwk = keys.find((key) => key["d"] !== undefined && (wanted === undefined || key.kid === wanted));
  const only = jwk ?? keys.find((key) => key["d"] !== undefined);
  if (only === undefined) throw new SmartError("key", "the JWK has no private part (d)");
  try {
    const privateKey = createPrivateKey({ key: only as object, format: "jwk" } as never);
    return { privateKey, keyId: only.kid };
  } catch (cause) {
    throw new SmartError("key", "the JWK is not a usable private key", { cause });
  }
}

function readPem(text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new SmartError("key", "the PEM is not a usable private key (is it encrypted, or a public key?)", {
      cause,
    });
  }
}

function algorithmOf(key: KeyObject, wanted: AssertionAlgorithm | undefined): AssertionAlgorithm {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === "rsa" && wanted !== "ES384") {
    if ((details?.modulusLength ?? 0) < 2048)
      throw new SmartError("key", "the RSA key has fewer than 2048 bits");
    return "RS384";
  }
  if (key.asymmetricKeyType === "ec" && details?.namedCurve === "secp384r1" && wanted !== "RS384")
    return "ES384";
  throw new SmartError(
    "key",
    `the key (${key.asymmetricKeyType} ${details?.namedCurve ?? ""}) does not fit ${wanted ?? "RS384 or ES384"}`,
  );
}
