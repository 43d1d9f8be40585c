import { generateKeyPairSync } from "node:crypto";
import { exportJWK, SignJWT, type JWTPayload } from "jose";
import { describe, expect, test } from "vitest";
import { verifyIdToken, type IdTokenExpectations } from "../../lib/smart/id-token.ts";

const [old, current] = [1, 2].map(() => generateKeyPairSync("rsa", { modulusLength: 2048 }));
if (old === undefined || current === undefined) throw new Error("no keys");
const now = Math.floor(Date.now() / 1000);
const jwks = async (pair: typeof old, kid: string) => ({
  keys: [{ ...(await exportJWK(pair.publicKey)), kid, alg: "RS256" }],
});

const sign = (claims: JWTPayload, pair = current, kid = "current") =>
  new SignJWT({
    iss: "https://issuer.example.org",
    sub: "user",
    aud: "app",
    iat: now,
    exp: now + 300,
    nonce: "n",
    fhirUser: "Patient/1",
    ...claims,
  })
    .setProtectedHeader({ alg: "RS256", kid })
    .sign(pair.privateKey);

const expectations = async (more: Partial<IdTokenExpectations> = {}): Promise<IdTokenExpectations> => ({
  issuer: "https://issuer.example.org",
  clientId: "app",
  nonce: "n",
  jwks: await jwks(current, "current"),
  now: now * 1000,
  fhirUser: true,
  ...more,
});
const faults = async (token: string, more: Partial<IdTokenExpectations> = {}) =>
  (await verifyIdToken(token, await expectations(more))).problems.map(({ fault }) => fault);

describe("an id token", () => {
  test("without a mistake has no problem", async () => {
    expect(await faults(await sign({}))).toEqual([]);
    expect(await faults(await sign({ fhirUser: "https://fhir.example.org/r4/Practitioner/9" }))).toEqual([]);
  });

  test("is verified with keys fetched anew when its key is not known yet", async () => {
    const token = await sign({});
    const before = await jwks(old, "old");
    expect(await faults(token, { jwks: before })).toEqual(["unknown-key"]);
    expect(await faults(token, { jwks: before, refetch: () => jwks(current, "current") })).toEqual([]);
  });

  test("shows every problem, not the first", async () => {
    const token = await sign({
      iss: "https://other.example.org",
      aud: ["app", "other"],
      nonce: "x",
      exp: now - 400,
      fhirUser: 5,
    });
    expect((await faults(token)).toSorted()).toEqual([
      "authorized-party",
      "expired",
      "fhir-user",
      "issuer",
      "nonce",
    ]);
  });

  test("of another key under a known id has a bad signature", async () => {
    expect(await faults(await sign({}, old, "current"))).toEqual(["signature"]);
  });

  test("is judged by the server's clock", async () => {
    const token = await sign({ iat: now + 60, exp: now + 90 });
    expect(await faults(token)).toEqual(["issued-at"]);
    expect(await faults(token, { now: (now + 60) * 1000 })).toEqual([]);
  });

  test("that is none is malformed", async () => {
    expect(await faults("not.a.token")).toEqual(["malformed"]);
  });
});
