import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JSONWebKeySet,
} from "jose";

/** What is wrong with an id token: a closed set, one code for each rule of OpenID Connect Core §3.1.3.7. */
export type IdTokenFault =
  | "malformed"
  | "algorithm"
  | "unknown-key"
  | "signature"
  | "issuer"
  | "audience"
  | "authorized-party"
  | "expired"
  | "issued-at"
  | "nonce"
  | "subject"
  | "fhir-user";

export interface IdTokenProblem {
  readonly fault: IdTokenFault;
  readonly expected: string;
  readonly actual: string;
}

export interface IdTokenExpectations {
  readonly issuer: string;
  readonly clientId: string;
  readonly nonce: string | undefined;
  readonly jwks: JSONWebKeySet;
  /** Fetches the keys anew when the id token names one that is not among them: keys rotate. */
  readonly refetch?: () => Promise<JSONWebKeySet>;
  /** Milliseconds since 1970 by the server's clock, as near as it is known. */
  readonly now: number;
  /** Whether `fhirUser` was asked for and granted. */
  readonly fhirUser: boolean;
}

export interface IdTokenReading {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly problems: readonly IdTokenProblem[];
}

/** Seconds that clocks may differ by without anybody being wrong. */
const TOLERANCE = 30;
const USER_TYPES = ["Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"];

/** Verifies an id token completely (OpenID Connect Core §3.1.3.7; SMART 2.0.0 scopes §identity): every problem, not the first. */
export async function verifyIdToken(token: string, expected: IdTokenExpectations): Promise<IdTokenReading> {
  let header: Record<string, unknown>;
  let claims: Record<string, unknown>;
  try {
    header = decodeProtectedHeader(token);
    claims = decodeJwt(token);
  } catch {
    const problem = {
      fault: "malformed",
      expected: "a signed JWT",
      actual: "something that is none",
    } as const;
    return { header: {}, claims: {}, problems: [problem] };
  }
  const signature = await signatureProblem(token, header, expected);
  return {
    header,
    claims,
    problems: [...(signature === undefined ? [] : [signature]), ...claimProblems(claims, expected)],
  };
}

async function signatureProblem(
  token: string,
  header: Record<string, unknown>,
  expected: IdTokenExpectations,
): Promise<IdTokenProblem | undefined> {
  if (header["alg"] !== "RS256") {
    return { fault: "algorithm", expected: "RS256", actual: String(header["alg"]) };
  }
  const verify = (jwks: JSONWebKeySet) =>
    jwtVerify(token, createLocalJWKSet(jwks), {
      algorithms: ["RS256"],
      // Times are judged apart, by the server's clock.
      currentDate: new Date((decodeJwt(token).iat ?? 0) * 1000),
    });
  try {
    await verify(expected.jwks);
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey)) return problemOf(error);
    const actual = `key id ${JSON.stringify(header["kid"] ?? null)}`;
    const unknown: IdTokenProblem = { fault: "unknown-key", expected: "a key of the server's JWKS", actual };
    if (expected.refetch === undefined) return unknown;
    try {
      await verify(await expected.refetch());
    } catch (again) {
      return again instanceof errors.JWKSNoMatchingKey ? unknown : problemOf(again);
    }
  }
  return undefined;
}

function problemOf(error: unknown): IdTokenProblem | undefined {
  // Claims have their own words.
  if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired)
    return undefined;
  return {
    fault: "signature",
    expected: "a signature that the server's keys verify",
    actual: error instanceof errors.JOSEError ? error.code : "a signature that could not be verified",
  };
}

function claimProblems(claims: Record<string, unknown>, expected: IdTokenExpectations): IdTokenProblem[] {
  const { issuer, clientId, nonce } = expected;
  const now = expected.now / 1000;
  const problems: IdTokenProblem[] = [];
  const found = (fault: IdTokenFault, wanted: string, actual: unknown) =>
    problems.push({
      fault,
      expected: wanted,
      actual: actual === undefined ? "nothing" : JSON.stringify(actual),
    });
  const { iss, sub, aud, azp, exp, iat, fhirUser } = claims;
  if (iss !== issuer) found("issuer", issuer, iss);
  if (typeof sub !== "string" || sub === "" || sub.length > 255)
    found("subject", "sub of 1 to 255 characters", sub);
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (!audiences.includes(clientId)) found("audience", `aud with the client id ${clientId}`, aud);
  if (azp === undefined ? audiences.length > 1 : azp !== clientId) {
    found("authorized-party", `azp ${clientId} where there is more than one audience`, azp);
  }
  if (typeof exp !== "number") found("expired", "exp as a number", exp);
  else if (exp + TOLERANCE < now) found("expired", "exp in the future", `${Math.round(now - exp)} s ago`);
  if (typeof iat !== "number") found("issued-at", "iat as a number", iat);
  else if (iat - TOLERANCE > now)
    found("issued-at", "iat not in the future", `${Math.round(iat - now)} s ahead`);
  if (nonce !== undefined && claims["nonce"] !== nonce) {
    found("nonce", "the nonce that was sent", claims["nonce"] === undefined ? undefined : "another");
  }
  if (expected.fhirUser && !isUserReference(fhirUser)) {
    found("fhir-user", `fhirUser as the URL of a ${USER_TYPES.join(", ")}`, fhirUser);
  }
  return problems;
}

function isUserReference(value: unknown): boolean {
  return (
    typeof value === "string" &&
    new RegExp(`(^|/)(${USER_TYPES.join("|")})/[A-Za-z0-9.-]{1,64}(/_history/[A-Za-z0-9.-]{1,64})?$`).test(
      value,
    )
  );
}
