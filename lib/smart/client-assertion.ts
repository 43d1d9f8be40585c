import { randomUUID } from "node:crypto";
import { SignJWT, type JWTHeaderParameters, type JWTPayload } from "jose";
import type { SigningKey } from "./keys.ts";

export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** Protected header and claims of a client assertion. */
export interface AssertionContent {
  readonly header: JWTHeaderParameters;
  readonly claims: JWTPayload;
}

/**
 * Header and claims of a client assertion (SMART 2.0.0, client-confidential-asymmetric §authenticating): good for
 * four minutes, of the five that are allowed, so that a clock that runs a little ahead does no harm.
 *
 * @param audience the token endpoint's URL
 * @param now seconds since 1970
 */
export function assertionContent(
  key: SigningKey,
  clientId: string,
  audience: string,
  now = Math.floor(Date.now() / 1000),
): AssertionContent {
  return {
    header: {
      alg: key.algorithm,
      kid: key.keyId,
      typ: "JWT",
      ...(key.jwksUrl === undefined ? {} : { jku: key.jwksUrl }),
    },
    claims: {
      iss: clientId,
      sub: clientId,
      aud: audience,
      iat: now,
      exp: now + 240,
      jti: randomUUID(),
    },
  };
}

/** Signs an assertion: compact JWS (RFC 7515 §7.1). */
export async function signAssertion({ header, claims }: AssertionContent, key: SigningKey): Promise<string> {
  return await new SignJWT(claims).setProtectedHeader(header).sign(key.privateKey);
}
