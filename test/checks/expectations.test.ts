import { describe, expect, test } from "vitest";
import type { Expectation } from "../../lib/checks/definition.ts";
import { evaluate, type Subject } from "../../lib/checks/expectations.ts";
import { formatFinding } from "../../lib/checks/words.ts";

const json = {
  methods: ["S256"],
  issuer: "https://h/auth",
  name: "x",
  empty: [],
  flag: false,
  endpoint: "http://elsewhere.example/token",
  local: "http://127.0.0.1:8080/token",
};
const subject: Subject = {
  name: "the document",
  json,
  status: 200,
  header: (name) =>
    (({ "content-type": "application/json; charset=utf-8", allow: "GET, POST" }) as Record<string, string>)[
      name
    ],
  bodyBytes: 10,
  exchange: "x0001",
};
const facts = async () => ({ issuer: "HTTPS://H/auth/", other: 1 });

async function codes(expectation: Expectation, on: Subject = subject): Promise<string[]> {
  return (await evaluate(expectation, on, facts)).map((finding) => finding.code);
}

describe("an expectation holds, or says by its code why not", () => {
  test.each<[Expectation, string[]]>([
    [{ status: [200, 304] }, []],
    [{ status: 404 }, ["http.status"]],
    [{ header: "Content-Type", mediaType: "application/json" }, []],
    [{ header: "Content-Type", mediaType: ["text/html"] }, ["http.media-type"]],
    [{ header: "cache-control", contains: "no-store" }, ["http.header-missing"]],
    [{ header: "cache-control", contains: "no-store", optional: true }, []],
    [{ header: "allow", contains: "post" }, []],
    [{ header: "allow", contains: "put" }, ["http.header"]],
    [{ header: "allow", exists: false }, ["http.header-present"]],
    [{ header: "allow", exists: true }, []],
    [{ header: "allow", equals: "GET" }, ["http.header"]],
    [{ header: "allow", oneOf: ["GET, POST"] }, []],
    [{ header: "allow", matches: "^get" }, []],
    [{ body: "json-object" }, []],
    [{ body: "fhir:Patient" }, ["fhir.resource-type"]],
    [{ body: "empty" }, ["http.body"]],
    [{ at: "/methods", exists: true }, []],
    [{ at: "/nowhere", exists: true }, ["json.missing"]],
    [{ at: "/nowhere", exists: false }, []],
    [{ at: "/methods", exists: false }, ["json.present"]],
    [{ at: "/nowhere", contains: "x", optional: true }, []],
    [{ at: "/nowhere", contains: "x" }, ["json.missing"]],
    [{ at: "/methods", contains: "S256", excludes: "plain" }, []],
    [{ at: "/methods", contains: ["S256", "S512"] }, ["json.not-contained"]],
    [{ at: "/methods", excludes: "S256" }, ["json.excluded"]],
    [{ at: "/methods", containsAny: ["a", "S256"] }, []],
    [{ at: "/empty", containsAny: ["a"] }, ["json.not-contained"]],
    [{ at: "/flag", equals: false }, []],
    [{ at: "/flag", equals: true }, ["json.value"]],
    [{ at: "/name", oneOf: ["y", "z"] }, ["json.value"]],
    [{ at: "/name", matches: "^x$" }, []],
    [{ at: "/flag", matches: "false" }, ["json.pattern"]],
    [{ at: "/methods", schema: { type: "array", items: { type: "string" }, minItems: 1 } }, []],
    [{ at: "/empty", schema: { type: "array", minItems: 1 } }, ["json.type"]],
    [{ at: "/name", url: { absolute: true } }, ["url.relative"]],
    [{ at: "/issuer", url: { secure: true, within: "https://h" } }, []],
    [{ at: "/issuer", url: { within: "https://other" } }, ["url.elsewhere"]],
    [{ at: "/endpoint", url: { secure: true } }, ["url.insecure"]],
    [{ at: "/local", url: { secure: true } }, []],
    [{ at: "/issuer", sameAs: { fact: "other", at: "/issuer", as: "url" } }, []],
    [{ at: "/issuer", sameAs: { fact: "other", at: "/issuer" } }, ["json.disagrees"]],
    [{ at: "/issuer", sameAs: { fact: "other", at: "/nowhere" } }, ["json.disagrees"]],
    [{ at: "/issuer", sameAs: { fact: "other", at: "/nowhere", optional: true } }, []],
  ])("%j → %j", async (expectation, expected) => {
    expect(await codes(expectation)).toEqual(expected);
  });

  test("a document that is not JSON is said to be so, whatever is expected of it", async () => {
    const broken: Subject = { name: "the document", problem: "an HTML page", status: 200 };
    expect(await codes({ body: "json" }, broken)).toEqual(["json.syntax"]);
    expect(await codes({ at: "/x", exists: false }, broken)).toEqual(["json.syntax"]);
    expect(await codes({ at: "/x", contains: 1, optional: true }, broken)).toEqual(["json.syntax"]);
  });

  test("says what was expected, seen and where, and carries its evidence", async () => {
    const [finding] = await evaluate({ at: "/methods", contains: "plain" }, subject, facts);
    expect(finding?.exchange).toBe("x0001");
    expect(finding && formatFinding(finding)).toBe('Expected /methods with "plain"; saw ["S256"].');
    const [plain] = await evaluate(
      { at: "/methods", contains: "plain", expected: "PKCE without hashing" },
      subject,
      facts,
    );
    expect(plain && formatFinding(plain)).toBe('Expected PKCE without hashing; saw ["S256"] (at /methods).');
  });

  test("ends its sentence once, also where what was seen is a sentence", () => {
    const finding = { code: "http.dns", expected: "a response", actual: "The host name cannot be resolved." };
    expect(formatFinding(finding)).toBe("Expected a response; saw The host name cannot be resolved.");
  });
});
