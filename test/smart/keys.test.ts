import { generateKeyPairSync } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { secretOf } from "../../lib/config/secret.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import { assertionContent, signAssertion } from "../../lib/smart/client-assertion.ts";
import { readSigningKey } from "../../lib/smart/keys.ts";

const ec = generateKeyPairSync("ec", { namedCurve: "P-384" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const small = generateKeyPairSync("ec", { namedCurve: "P-256" });

const client = (key: string, more: Partial<ClientRegistration> = {}): ClientRegistration => ({
  id: "service",
  authentication: "private_key_jwt",
  key: secretOf("private_key", key),
  ...more,
});

describe("a registration's private key", () => {
  test.each([
    ["PKCS #8", ec.privateKey.export({ type: "pkcs8", format: "pem" }), "ES384"],
    ["SEC 1", ec.privateKey.export({ type: "sec1", format: "pem" }), "ES384"],
    ["PKCS #8", rsa.privateKey.export({ type: "pkcs8", format: "pem" }), "RS384"],
    ["PKCS #1", rsa.privateKey.export({ type: "pkcs1", format: "pem" }), "RS384"],
  ])("is read from PEM (%s), and signs with the algorithm that it fits", async (_form, pem, algorithm) => {
    const key = await readSigningKey(client(pem.toString()));
    expect(key.algorithm).toBe(algorithm);
    const { publicKey } = algorithm === "ES384" ? ec : rsa;
    expect(key.keyId).toBe(await calculateJwkThumbprint(await exportJWK(publicKey), "sha256"));
    const token = await signAssertion(
      assertionContent(key, "service", "https://server.example.org/token"),
      key,
    );
    const { protectedHeader, payload } = await jwtVerify(token, publicKey, {
      subject: "service",
      issuer: "service",
    });
    expect(protectedHeader).toMatchObject({ alg: algorithm, kid: key.keyId });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBeLessThanOrEqual(300);
    expect(payload.jti).toBeTypeOf("string");
  });

  test("is read from a JWK with its own kid, or from a JWK Set by the configured one", async () => {
    const jwk = { ...(await exportJWK(ec.privateKey)), kid: "first" };
    const other = { ...(await exportJWK(rsa.privateKey)), kid: "second" };
    expect((await readSigningKey(client(JSON.stringify(jwk)))).keyId).toBe("first");
    const key = await readSigningKey(client(JSON.stringify({ keys: [jwk, other] }), { keyId: "second" }));
    expect(key).toMatchObject({ keyId: "second", algorithm: "RS384" });
  });

  test.each([
    [
      "a public key",
      ec.publicKey.export({ type: "spki", format: "pem" }).toString(),
      /not a usable private key/,
    ],
    [
      "a curve that SMART does not use",
      small.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      /does not fit/,
    ],
    ["a JWK without its private part", JSON.stringify({ kty: "EC" }), /no private part/],
    ["something that is no key", "hello", /not a usable private key/],
  ])("is refused when it is %s, without a word of it", async (_what, text, problem) => {
    const error = await readSigningKey(client(text)).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ name: "SmartError", code: "key", message: expect.stringMatching(problem) });
    expect((error as Error).message).not.toContain(text.slice(30, 60) || text);
  });

  test("that is registered by URL has that URL in the header of its assertions", async () => {
    const pem = ec.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const jwksUrl = "https://app.example.org/jwks.json";
    const key = await readSigningKey(client(pem, { jwksUrl }));
    expect(assertionContent(key, "service", "https://server.example.org/token").header.jku).toBe(jwksUrl);
    const registered = await readSigningKey(client(pem));
    expect(
      assertionContent(registered, "service", "https://server.example.org/token").header,
    ).not.toHaveProperty("jku");
  });

  test("is refused when the configured algorithm is another", async () => {
    const pem = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    await expect(readSigningKey(client(pem, { algorithm: "ES384" }))).rejects.toThrow(/does not fit ES384/);
  });
});
