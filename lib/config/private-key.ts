import { createPrivateKey } from "node:crypto";
import { ConfigurationError } from "./errors.ts";
import type { Secret } from "./secret.ts";

/**
 * Makes sure that a secret is a private key, as PEM, JWK or JWK Set, before anything is sent. What is wrong with it is said
 * without repeating any of it.
 *
 * @throws ConfigurationError
 */
export function checkPrivateKey(
  key: Secret,
  place: { file: string; line: number | undefined; field: string },
): void {
  const text = key.reveal().trim();
  try {
    if (text.startsWith("{")) {
      const parsed = JSON.parse(text) as {
        readonly d?: unknown;
        readonly keys?: readonly { readonly d?: unknown }[];
      };
      const jwk = (parsed.keys ?? [parsed]).find((one) => one.d !== undefined);
      createPrivateKey({ key: jwk, format: "jwk" } as never);
    } else createPrivateKey(text);
  } catch {
    throw new ConfigurationError(
      "is no private key: give a PEM, or a JWK (or JWK Set) with its private members",
      place,
    );
  }
}
