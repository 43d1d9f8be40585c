import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { base64url, decodeJwt, decodeProtectedHeader, exportSPKI, SignJWT, type JWTPayload } from "jose";
import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import {
  defaultScopes,
  endpointOf,
  exchangeToken,
  explained,
  granted,
  serverSeconds,
} from "../../lib/checks/tokens.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import {
  ASSERTION_TYPE,
  assertionContent,
  signAssertion,
  type AssertionContent,
} from "../../lib/smart/client-assertion.ts";
import { assertionProof } from "../../lib/smart/client-authentication.ts";
import { readSigningKey, type SigningKey } from "../../lib/smart/keys.ts";
import { clientCredentialsRequest } from "../../lib/smart/token-request.ts";
import { assureThat, refusalFindings } from "../../lib/checks/refusals.ts";
import { registration } from "../../lib/checks/registrations.ts";

interface Assertion {
  readonly key: SigningKey;
  readonly content: AssertionContent;
  readonly now: number;
  readonly endpoint: string;
}

const encode = (value: unknown) => base64url.encode(JSON.stringify(value));

type Flaw = (assertion: Assertion) => Promise<string>;

/** An assertion that differs in its claims alone: signed as it should be. */
const claims =
  (change: (assertion: Assertion) => Readonly<Record<string, unknown>>): Flaw =>
  async (assertion) => {
    const { key, content } = assertion;
    const changed: Record<string, unknown> = { ...content.claims, ...change(assertion) };
    for (const [name, value] of Object.entries(changed)) if (value === undefined) delete changed[name];
    const token = await signAssertion({ ...content, claims: changed }, key);
    assureThat(isSignedBy(token, key), "the signature is bad");
    return token;
  };

/** What can be wrong with a client assertion (RFC 7523 §3; SMART 2.0.0 client-confidential-asymmetric). */
const FLAWS: Readonly<Record<string, Flaw>> = {
  "bad-signature": async ({ key, content }) => {
    const token = await signAssertion(content, key);
    const [header = "", payload = "", signature = ""] = token.split(".");
    const bytes = base64url.decode(signature);
    const at = bytes.length - 5;
    bytes[at] = (bytes[at] ?? 0) ^ 0x5a;
    const broken = `${header}.${payload}.${base64url.encode(bytes)}`;
    assureThat(!isSignedBy(broken, key), "the signature is good");
    return broken;
  },
  "other-key": async ({ key, content }) => {
    const { privateKey } =
      key.algorithm === "ES384"
        ? generateKeyPairSync("ec", { namedCurve: "P-384" })
        : generateKeyPairSync("rsa", { modulusLength: 2048 });
    const token = await signAssertion(content, { ...key, privateKey });
    assureThat(!isSignedBy(token, key), "the registered key verifies it");
    return token;
  },
  "alg-none": ({ content }) => {
    const token = `${encode({ ...content.header, alg: "none" })}.${encode(content.claims)}.`;
    assureThat(decodeProtectedHeader(token).alg === "none", "alg is not none");
    return Promise.resolve(token);
  },
  "hs256-with-public-key": async ({ key, content }) => {
    const secret = new TextEncoder().encode(await exportSPKI(key.publicKey));
    const token = await new SignJWT(content.claims)
      .setProtectedHeader({ ...content.header, alg: "HS256" })
      .sign(secret);
    assureThat(decodeProtectedHeader(token).alg === "HS256", "alg is not HS256");
    return token;
  },
  "unknown-kid": async ({ key, content }) => {
    const header = { ...content.header, kid: "careconnect-conformance-no-such-key" };
    const token = await signAssertion({ ...content, header }, key);
    assureThat(decodeProtectedHeader(token).kid !== key.keyId, "the key id is the registered one");
    return token;
  },
  "wrong-aud": claims(() => ({ aud: "https://token.example.org/token" })),
  "missing-aud": claims(() => ({ aud: undefined })),
  "wrong-iss": claims(() => ({ iss: "https://client.example.org" })),
  "missing-iss": claims(() => ({ iss: undefined })),
  "wrong-sub": claims(() => ({ sub: "careconnect-conformance-no-such-client" })),
  "missing-sub": claims(() => ({ sub: undefined })),
  expired: claims(({ now }) => ({ iat: now - 600, exp: now - 360 })),
  "too-far-ahead": claims(({ now }) => ({ exp: now + 3600 })),
  "not-yet-valid": claims(({ now }) => ({ nbf: now + 200, exp: now + 280 })),
  "missing-exp": claims(() => ({ exp: undefined })),
  "missing-jti": claims(() => ({ jti: undefined })),
};

function isSignedBy(token: string, key: SigningKey): boolean {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const publicKey = createPublicKey(key.publicKey.export({ type: "spki", format: "pem" }));
  const parameters =
    key.algorithm === "ES384" ? { key: publicKey, dsaEncoding: "ieee-p1363" as const } : publicKey;
  return verify("sha384", Buffer.from(`${header}.${payload}`), parameters, base64url.decode(signature));
}

/** The registration whose assertions are looked at. */
function asymmetric(context: CheckContext, role: unknown): ClientRegistration {
  const candidates = [
    context.target.client,
    ...["client-es384", "client-rs384"].map((one) => context.target.otherClients[one]),
  ];
  const client =
    typeof role === "string"
      ? registration(context, role)
      : candidates.find((one) => one?.authentication === "private_key_jwt");
  if (client?.authentication !== "private_key_jwt") {
    throw new NotApplicable("no registration of this API authenticates with a private key");
  }
  return client;
}

async function prepare(
  context: CheckContext,
  role: unknown,
): Promise<Assertion & { client: ClientRegistration }> {
  const client = asymmetric(context, role);
  return await explained(context, async () => {
    const endpoint = await endpointOf(context, "tokenEndpoint");
    const key = await readSigningKey(client);
    const now = await serverSeconds(context);
    return { client, key, now, endpoint, content: assertionContent(key, client.id, endpoint, now) };
  });
}

/** A client assertion with something wrong is refused with `invalid_client`. Parameters: `flaw`, `client`. */
export const assertionRefused: Procedure = async (context, parameters) => {
  const name = String(parameters["flaw"]);
  const assertion = await prepare(context, parameters["client"]);
  const scopes = await defaultScopes(context, assertion.client);
  const proof = await proofWith(name, assertion);
  const request = clientCredentialsRequest(assertion.endpoint, scopes, proof);
  const answer = await exchangeToken(context, request, `client assertion that is wrong: ${name}`);
  // A request without any sign of a client may also be called invalid (RFC 6749 §5.2).
  const errors = ["wrong-type", "no-assertion", "missing-sub", "missing-iss"].includes(name)
    ? ["invalid_client", "invalid_request"]
    : ["invalid_client"];
  return refusalFindings(answer, { errors });
};

async function proofWith(name: string, assertion: Assertion) {
  const valid = () => signAssertion(assertion.content, assertion.key);
  if (name === "wrong-type") {
    const type = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    assureThat(type !== (ASSERTION_TYPE as string), "the type is right");
    return assertionProof(await valid(), type);
  }
  if (name === "no-assertion") {
    return { headers: {}, parameters: [["client_assertion_type", ASSERTION_TYPE]] as const };
  }
  const make = FLAWS[name];
  if (make === undefined) throw new Error(`there is no flaw ${name}`);
  const token = await make(assertion);
  assureThat(
    differs(token, assertion.content) || name === "bad-signature" || name === "other-key",
    "nothing is wrong",
  );
  return assertionProof(token);
}

function differs(token: string, { header, claims: wanted }: AssertionContent): boolean {
  const came: JWTPayload = decodeJwt(token);
  return JSON.stringify([decodeProtectedHeader(token), came]) !== JSON.stringify([header, wanted]);
}

/** An assertion serves once: the same `jti` again is refused. */
export const assertionReplayed: Procedure = async (context, parameters) => {
  const assertion = await prepare(context, parameters["client"]);
  const scopes = await defaultScopes(context, assertion.client);
  const token = await signAssertion(assertion.content, assertion.key);
  const request = clientCredentialsRequest(assertion.endpoint, scopes, assertionProof(token));
  await explained(context, async () =>
    granted(await exchangeToken(context, request, "first use of an assertion")),
  );
  const answer = await exchangeToken(context, request, "second use of the same assertion");
  return refusalFindings(answer, { errors: ["invalid_client"] });
};
