import { generateKeyPairSync } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSecretVault } from "../../lib/http/secret-vault.ts";

const encoders: Record<string, (text: string) => string> = {
  plain: (text) => text,
  "percent-encoded": encodeURIComponent,
  "percent-encoded in small letters": (text) =>
    encodeURIComponent(text).replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
  "percent-encoded character by character": (text) =>
    [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
  "form-encoded": (text) => new URLSearchParams({ a: text }).toString().slice(2),
  "JSON string": (text) => JSON.stringify(text),
  "JSON string with \\u everywhere": (text) =>
    text
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join(""),
  XML: (text) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
  "XML by number": (text) =>
    Array.from(text, (character) => `&#x${character.codePointAt(0)?.toString(16)};`).join(""),
};
const base64: Record<string, (text: string) => string> = {
  base64: (text) => Buffer.from(text).toString("base64"),
  base64url: (text) => Buffer.from(text).toString("base64url"),
  "Basic credentials": (text) => Buffer.from(`client:${text}`).toString("base64"),
  "base64 within more": (text) => Buffer.from(`{"a":"${text}"}`).toString("base64"),
};

const labels = "‹planted›";
/** Secrets as people and servers make them, and stranger ones; none that the label itself contains. */
const secrets = fc
  .oneof(
    fc.string({ minLength: 6, maxLength: 60 }),
    fc.string({ minLength: 6, maxLength: 60, unit: "grapheme" }),
    fc.base64String({ minLength: 8, maxLength: 80 }),
    fc.uuid(),
    fc.constantFrom(
      'a"b\\c/d',
      "x y+z&w=v",
      "100%41sure",
      "<tag>&amp;",
      "ключ-секрет",
      "p@ss:word!",
      "\\u0041bc\\n",
    ),
  )
  .filter(
    (secret) =>
      Buffer.from(secret).toString() === secret && secret.trim().length >= 6 && !/^[x ]*$/.test(secret),
  )
  .filter((secret) => !labels.includes(secret) && new Set(secret).size > 3);
const around = fc.constantFrom(
  "",
  " ",
  "x=",
  '{"a":"',
  "https://host/path?a=",
  "&b=c",
  "Error: ",
  "\n",
  "'",
  '"',
);

/** Everything that a reader could decode a text to. */
function readings(text: string, depth = 3): string[] {
  if (depth === 0) return [text];
  const decoded = [
    text.replaceAll(/(?:%[0-9a-fA-F]{2})+/g, (run) =>
      Buffer.from(run.replaceAll("%", ""), "hex").toString("utf8"),
    ),
    text.replaceAll(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    text.replaceAll(/&#x([0-9a-f]+);/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16))),
  ].filter((reading) => reading !== text);
  return [text, ...decoded.flatMap((reading) => readings(reading, depth - 1))];
}

describe("a registered secret never survives", () => {
  test.each(Object.keys(encoders))("%s", (name) => {
    const encode = encoders[name] ?? String;
    fc.assert(
      fc.property(secrets, around, around, (secret, before, after) => {
        const vault = createSecretVault();
        vault.register(secret, "planted");
        const encoded = encode(secret);
        const redacted = vault.redact(before + encoded + after);
        expect(redacted).toContain("‹planted›");
        expect(redacted.replaceAll("‹planted›", "")).not.toContain(encoded);
        for (const reading of readings(redacted.replaceAll("‹planted›", "|")))
          expect(reading).not.toContain(secret);
      }),
      { numRuns: 150 },
    );
  });

  test.each(Object.keys(base64))("%s", (name) => {
    const encode = base64[name] ?? String;
    fc.assert(
      fc.property(secrets, (secret) => {
        const vault = createSecretVault();
        vault.register(secret, "planted");
        expect(vault.redact(`value ${encode(secret)} end`)).toBe("value ‹planted› end");
      }),
      { numRuns: 150 },
    );
  });

  test("two encodings on top of one another", () => {
    const names = Object.keys(encoders);
    fc.assert(
      fc.property(secrets, fc.constantFrom(...names), fc.constantFrom(...names), (secret, first, second) => {
        const vault = createSecretVault();
        vault.register(secret, "planted");
        const encoded = encoders[second]?.(encoders[first]?.(secret) ?? "") ?? "";
        expect(vault.redact(`a ${encoded} z`)).toContain("‹planted›");
      }),
      { numRuns: 400 },
    );
  });

  test("redacting twice changes nothing more, and text without secrets stays as it is", () => {
    fc.assert(
      fc.property(secrets, fc.string({ unit: "grapheme" }), (secret, text) => {
        const vault = createSecretVault();
        vault.register(secret, "planted");
        const once = vault.redact(`${text} ${secret} ${text}`);
        expect(vault.redact(once)).toBe(once);
      }),
    );
    const vault = createSecretVault();
    vault.register("0123456789abcdef", "planted");
    const resource = JSON.stringify({
      resourceType: "Observation",
      code: { coding: [{ system: "http://loinc.org", code: "8480-6", display: '100% "sure" & <b>' }] },
    });
    expect(vault.redact(resource)).toBe(resource);
  });

  test("one secret that contains another goes whole", () => {
    const vault = createSecretVault();
    vault.register("inner-1234", "inner");
    vault.register("outer-inner-1234-outer", "outer");
    expect(vault.redact("a outer-inner-1234-outer b inner-1234")).toBe("a ‹outer› b ‹inner›");
  });

  test("each part of a private key goes on its own", () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const pem = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const jwk = pair.privateKey.export({ format: "jwk" });
    const vault = createSecretVault();
    vault.register(pem, "private_key");
    vault.register(JSON.stringify(jwk), "private_key");
    for (const part of [pem, ...pem.trim().split("\n").slice(1, -1), jwk.d ?? "", JSON.stringify(jwk)])
      expect(vault.redact(`error near ${part} there`)).toBe("error near ‹private_key› there");
    expect(vault.redact(`public ${jwk.x}`)).toBe(`public ${jwk.x}`);
  });

  test("a thousand secrets cost hardly more than one", () => {
    const vault = createSecretVault();
    for (let index = 0; index < 1000; index += 1)
      vault.register(`secret-number-${index}-abcdefgh`, "planted");
    expect(vault.redact("x secret-number-777-abcdefgh y")).toBe("x ‹planted› y");
  });

  test("very short ones do not turn text to mush, and are hidden where they are named", () => {
    const vault = createSecretVault();
    vault.register("a", "client_secret");
    vault.register("pw", "password");
    expect(vault.redact("a patient has a pwd")).toBe("a patient has a pwd");
    expect(vault.redact("client_secret=a&password=pw")).toBe(
      "client_secret=‹client_secret›&password=‹password›",
    );
  });
});

describe("what is secret by its place", () => {
  const jwt = "eyJhbGciOiJSUzM4NCIsImtpZCI6IjEifQ.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
  const nested = encodeURIComponent("https://app.example/cb?code=SECRET&state=st");
  const cases: Array<[what: string, text: string]> = [
    ["a query", "https://host/x?access_token=SECRET&state=st"],
    ["a fragment", "https://app.example/cb#access_token=SECRET&token_type=bearer&state=st"],
    ["a code in a redirect", "https://app.example/cb?code=SECRET&state=st"],
    ["a code in a redirect without state", "https://app.example/cb?code=SECRET"],
    ["a code in a fragment", "https://app.example/cb#code=SECRET"],
    ["a nested URL", `https://host/login?next=${nested}`],
    ["a URL nested twice", `https://host/login?next=${encodeURIComponent(`https://b/?to=${nested}`)}`],
    ["a form", "grant_type=authorization_code&code=SECRET&code_verifier=SECRET&client_secret=SECRET"],
    ["an assertion", "client_assertion=SECRET&client_assertion_type=urn%3Aietf"],
    ["an introspection", "token=SECRET&token_type_hint=access_token"],
    ["JSON", '{"access_token":"SECRET","id_token" : "SECRET", "refresh_token": "SECRET", "expires_in": 300}'],
    ["JSON in camel case", '{"accessToken":"SECRET","clientSecret":"SECRET","refresh-token":"SECRET"}'],
    ["a query with hyphens", "https://host/x?access-token=SECRET"],
    ["JSON with escapes", '{"client_secret":"SEC\\"RET SECRET"}'],
    ["JSON with an escaped name", '{"access\\u005ftoken":"SECRET"}'],
    ["JSON that ends early", '{"expires_in":300,"access_token":"SECRET'],
    ["JSON within JSON", JSON.stringify({ log: JSON.stringify({ refresh_token: "SECRET" }) })],
    ["a number", '{"password": 77777777}'],
    ["XML", "<response><access_token>SECRET</access_token></response>"],
    ["a hidden field", '<input type="hidden" name="code" value="SECRET"/>'],
    ["a hidden field the other way round", "<input value='SECRET' name='client_secret'>"],
    ["a log line", "sending access_token: SECRET-77777777 to the server"],
    ["a hash in Ruby", 'params {"client_secret"=>"SECRET"}'],
    ["Authorization in a dump", "GET / HTTP/1.1\nAuthorization: Bearer SECRET-77777777\nHost: a"],
    ["a bearer in prose", "refused: Bearer SECRET-77777777"],
    ["Basic", `Basic ${Buffer.from("app:77777777").toString("base64")}`],
    ["a cookie in a dump", "Cookie: sid=SECRET; other=SECRET"],
    ["userinfo", "see https://user:SECRET@host/path"],
    ["a JWT", `the token ${jwt} has expired`],
    ["a JWT behind a word", `token_${jwt}`],
    ["a JWE", `x ${jwt}.SECRET.77777777 y`],
    ["a private key", "-----BEGIN PRIVATE KEY-----\nSECRET\n77777777\n-----END PRIVATE KEY-----"],
    ["a private JWK", '{"keys":[{"kty":"EC","x":"abc","d":"SECRET77777777777777"}]}'],
    ["a code in JSON of a callback", '{"code":"SECRET","state":"st"}'],
  ];
  test.each(cases)("%s", (_, text) => {
    const redacted = createSecretVault().redact(text);
    expect(redacted).not.toMatch(/SECRET|77777777|eyJ/);
    expect(redacted).toContain("‹");
    expect(createSecretVault().redact(redacted)).toBe(redacted);
    if (text.includes("state=st")) expect(redacted).toContain("state=st");
  });

  test.each([
    "GET /Observation?patient=1&code=http://loinc.org|8480-6",
    "https://host/provider/v2/Condition?code=http%3A%2F%2Fsnomed.info%2Fsct%7C38341003",
    "https://host/ValueSet/$validate-code?code=abc&system=x",
    '{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"security"}]}',
    '{"resourceType":"Observation","code":{"coding":[{"code":"8480-6"}]}}',
    '{"token_endpoint":"https://host/token","response_types_supported":["code"],"grant_types_supported":["client_credentials"]}',
    '{"error":"invalid_client","error_description":"Basic authentication is required"}',
    'Bearer realm="fhir", error="invalid_token", error_description="The access token expired"',
    "see https://eyehospital-example.example.org/fhir/metadata",
    "mail to someone@example.org about https://host/a@b",
    '{"type":"token","name":"code","documentation":"search by token: see the guide"}',
  ])("leaves what is not secret: %s", (text) => {
    expect(createSecretVault().redact(text)).toBe(text);
  });

  test("header values", () => {
    const vault = createSecretVault();
    expect(vault.redactHeader("Authorization", "Bearer abc")).toBe("Bearer ‹access_token›");
    expect(vault.redactHeader("authorization", "abc")).toBe("‹credentials›");
    expect(vault.redactHeader("Cookie", "a=b; c=d")).toBe("‹cookie›");
    expect(vault.redactHeader("Set-Cookie", "sid=abc; Path=/; Secure")).toBe("sid=‹cookie›; Path=/; Secure");
    expect(vault.redactHeader("Location", "/cb?code=abc&state=s")).toBe("/cb?code=‹code›&state=s");
    expect(vault.redactHeader("Content-Type", "text/html")).toBe("text/html");
  });

  test("values: members by name, strings by content", () => {
    const vault = createSecretVault();
    vault.register("known-secret-1", "planted");
    expect(
      vault.redactValue({
        access_token: "x",
        list: ["a known-secret-1 b", 5, null],
        deep: { password: "p" },
      }),
    ).toEqual({
      access_token: "‹access_token›",
      list: ["a ‹planted› b", 5, null],
      deep: { password: "‹password›" },
    });
  });
});

describe("what traffic carries is remembered", () => {
  test("tokens of a response are removed wherever they turn up", () => {
    const vault = createSecretVault();
    vault.learnFromResponse([], '{"access_token":"opaque-token-1","patient":"p1"}');
    expect(vault.redact("GET /x/opaque-token-1")).toBe("GET /x/‹access_token›");
    expect(vault.redact("p1")).toBe("p1");
  });

  test("clinical codes of a redirected search are not", () => {
    const vault = createSecretVault();
    vault.learnFromResponse([["Location", "https://host/fhir/Condition?code=38341003"]], undefined);
    expect(vault.redact("code 38341003")).toBe("code 38341003");
    vault.learnFromResponse([["Location", "https://app/cb?code=38341004"]], undefined);
    expect(vault.redact("code 38341004")).toBe("code ‹code›");
  });

  test("words of negative checks are not", () => {
    const vault = createSecretVault();
    vault.learnFromRequest([], "grant_type=authorization_code&code=invalid&client_secret=wrong");
    expect(vault.redact("the code is invalid or wrong")).toBe("the code is invalid or wrong");
  });
});
