import { Ajv, type ValidateFunction } from "ajv";
import formats from "ajv-formats";
import { isDeepStrictEqual } from "node:util";
import type {
  BodyExpectation,
  Expectation,
  HeaderExpectation,
  SameAs,
  StatusExpectation,
  UrlRules,
  ValueExpectation,
} from "./definition.ts";
import { isObject, select, type Selected } from "./select.ts";
import { isLoopback, isWithin, sameUrl } from "./urls.ts";
import type { Finding } from "./verdict.ts";
import { preview } from "./words.ts";

/** What expectations look at: a JSON document, the response it came in, or both. */
export interface Subject {
  /** What the document is, for words: `the SMART configuration`. */
  readonly name: string;
  /** The parsed JSON document; absent when there is none. */
  readonly json?: unknown;
  /** Why there is no document, when there should be one. */
  readonly problem?: string;
  readonly status?: number;
  readonly header?: (name: string) => string | undefined;
  readonly bodyBytes?: number;
  /** Exchange to show as evidence. */
  readonly exchange?: string;
}

/** Gives the document of another fact, for comparisons. */
export type FactDocument = (name: string) => Promise<unknown>;

/**
 * Evaluates one expectation on a subject.
 *
 * @returns the findings; empty when the expectation holds
 */
export async function evaluate(
  expectation: Expectation,
  subject: Subject,
  fact: FactDocument,
): Promise<readonly Finding[]> {
  const findings = await evaluateByKind(expectation, subject, fact);
  return findings.map((finding) => ({
    ...finding,
    ...(expectation.expected === undefined ? {} : { expected: expectation.expected }),
    ...(subject.exchange === undefined ? {} : { exchange: subject.exchange }),
  }));
}

async function evaluateByKind(
  expectation: Expectation,
  subject: Subject,
  fact: FactDocument,
): Promise<readonly Finding[]> {
  if ("status" in expectation) return evaluateStatus(expectation, subject);
  if ("header" in expectation) return evaluateHeader(expectation, subject);
  if ("body" in expectation) return evaluateBody(expectation, subject);
  return await evaluateValue(expectation, subject, fact);
}

function evaluateStatus(expectation: StatusExpectation, subject: Subject): readonly Finding[] {
  const wanted = [expectation.status].flat();
  if (subject.status !== undefined && wanted.includes(subject.status)) return [];
  return [
    {
      code: "http.status",
      expected: `status ${wanted.join(" or ")}`,
      actual: `status ${subject.status ?? "unknown"}`,
    },
  ];
}

function evaluateHeader(expectation: HeaderExpectation, subject: Subject): readonly Finding[] {
  const name = expectation.header.toLowerCase();
  const value = subject.header?.(name);
  const found = (code: string, expected: string): readonly Finding[] => [
    {
      code,
      expected,
      actual: value === undefined ? `no ${name} header` : `${name}: ${preview(value)}`,
      location: name,
    },
  ];
  if (expectation.exists === false)
    return value === undefined ? [] : found("http.header-present", `no ${name} header`);
  if (value === undefined) {
    return expectation.optional === true ? [] : found("http.header-missing", `a ${name} header`);
  }
  if (expectation.mediaType !== undefined) {
    const wanted = [expectation.mediaType].flat();
    const essence = (value.split(";")[0] ?? "").trim().toLowerCase();
    if (!wanted.includes(essence)) return found("http.media-type", `${name} ${wanted.join(" or ")}`);
  }
  if (expectation.equals !== undefined && value !== expectation.equals) {
    return found("http.header", `${name}: ${expectation.equals}`);
  }
  if (expectation.oneOf !== undefined && !expectation.oneOf.includes(value)) {
    return found("http.header", `${name}: ${expectation.oneOf.join(" or ")}`);
  }
  if (expectation.matches !== undefined && !new RegExp(expectation.matches, "iu").test(value)) {
    return found("http.header", `${name} in the form ${expectation.matches}`);
  }
  if (expectation.contains !== undefined) {
    const members = value.split(",").map((member) => member.trim().toLowerCase());
    if (!members.includes(expectation.contains.toLowerCase())) {
      return found("http.header", `${name} with ${expectation.contains}`);
    }
  }
  return [];
}

function evaluateBody(expectation: BodyExpectation, subject: Subject): readonly Finding[] {
  if (expectation.body === "empty") {
    return (subject.bodyBytes ?? 0) === 0
      ? []
      : [{ code: "http.body", expected: "no body", actual: `a body of ${subject.bodyBytes} bytes` }];
  }
  const wanted =
    expectation.body === "json"
      ? "a JSON document"
      : expectation.body === "json-object"
        ? "a JSON object"
        : `a FHIR ${expectation.body.slice("fhir:".length)} as JSON`;
  if (subject.problem !== undefined)
    return [{ code: "json.syntax", expected: wanted, actual: subject.problem }];
  if (expectation.body === "json") return [];
  if (!isObject(subject.json))
    return [{ code: "json.type", expected: wanted, actual: preview(subject.json) }];
  if (expectation.body === "json-object") return [];
  const type = subject.json["resourceType"];
  if (type === expectation.body.slice("fhir:".length)) return [];
  return [
    {
      code: "fhir.resource-type",
      expected: wanted,
      actual: typeof type === "string" ? `a ${preview(type)}` : "JSON without a resourceType",
      location: "/resourceType",
    },
  ];
}

async function evaluateValue(
  expectation: ValueExpectation,
  subject: Subject,
  fact: FactDocument,
): Promise<readonly Finding[]> {
  const at = expectation.at ?? "";
  const where = at === "" ? subject.name : at;
  if (subject.problem !== undefined) {
    return [{ code: "json.syntax", expected: `${subject.name} as JSON`, actual: subject.problem }];
  }
  const selected = select(subject.json, at);
  if (expectation.exists === false) {
    return selected.map(({ pointer, value }) => ({
      code: "json.present",
      expected: `nothing at ${where}`,
      actual: preview(value),
      location: pointer,
    }));
  }
  if (selected.length === 0) {
    // A path through * or a predicate that finds nothing is an absence too, unless absence is allowed.
    if (expectation.optional === true) return [];
    return [
      { code: "json.missing", expected: `${where} to be present`, actual: "it is missing", location: at },
    ];
  }
  const findings: Finding[] = [];
  for (const each of selected) findings.push(...(await evaluateSelected(expectation, each, fact)));
  return findings;
}

async function evaluateSelected(
  expectation: ValueExpectation,
  { pointer, value }: Selected,
  fact: FactDocument,
): Promise<readonly Finding[]> {
  const found = (code: string, expected: string, actual = preview(value)): readonly Finding[] => [
    { code, expected, actual, location: pointer },
  ];
  if (expectation.schema !== undefined) {
    const problem = schemaProblem(expectation.schema, value);
    if (problem !== undefined) return found("json.type", `${pointer || "the document"} ${problem}`);
  }
  if (expectation.equals !== undefined && !isDeepStrictEqual(value, expectation.equals)) {
    return found("json.value", preview(expectation.equals));
  }
  if (
    expectation.oneOf !== undefined &&
    !expectation.oneOf.some((wanted) => isDeepStrictEqual(value, wanted))
  ) {
    return found("json.value", `one of ${expectation.oneOf.map((wanted) => preview(wanted)).join(", ")}`);
  }
  const members: readonly unknown[] = Array.isArray(value) ? value : [value];
  const has = (wanted: unknown) => members.some((member) => isDeepStrictEqual(member, wanted));
  const findings: Finding[] = [];
  if (expectation.contains !== undefined) {
    const lacking = [expectation.contains].flat().filter((wanted) => !has(wanted));
    if (lacking.length > 0) {
      findings.push(
        ...found(
          "json.not-contained",
          `${pointer} with ${lacking.map((wanted) => preview(wanted)).join(", ")}`,
        ),
      );
    }
  }
  if (expectation.containsAny !== undefined && !expectation.containsAny.some(has)) {
    const wanted = expectation.containsAny.map((member) => preview(member)).join(" or ");
    findings.push(...found("json.not-contained", `${pointer} with ${wanted}`));
  }
  if (expectation.excludes !== undefined) {
    const present = [expectation.excludes].flat().filter((unwanted) => has(unwanted));
    if (present.length > 0) {
      findings.push(
        ...found(
          "json.excluded",
          `${pointer} without ${present.map((unwanted) => preview(unwanted)).join(", ")}`,
        ),
      );
    }
  }
  if (expectation.matches !== undefined) {
    if (typeof value !== "string" || !new RegExp(expectation.matches, "u").test(value)) {
      findings.push(...found("json.pattern", `${pointer} in the form ${expectation.matches}`));
    }
  }
  if (expectation.url !== undefined) findings.push(...evaluateUrl(expectation.url, pointer, value));
  if (expectation.sameAs !== undefined)
    findings.push(...(await evaluateSame(expectation.sameAs, pointer, value, fact)));
  return findings;
}

function evaluateUrl(rules: UrlRules, pointer: string, value: unknown): readonly Finding[] {
  const found = (code: string, expected: string): readonly Finding[] => [
    { code, expected, actual: preview(value), location: pointer },
  ];
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    return found("url.relative", `${pointer} to be an absolute URL`);
  if (rules.secure === true && url.protocol !== "https:" && !isLoopback(url)) {
    return found("url.insecure", `${pointer} to be an https URL`);
  }
  if (rules.withoutFragment === true && url.hash !== "")
    return found("url.fragment", `${pointer} without a fragment`);
  if (rules.within !== undefined && !isWithin(String(value), rules.within)) {
    return found("url.elsewhere", `${pointer} at or below ${rules.within}`);
  }
  return [];
}

async function evaluateSame(
  rule: SameAs,
  pointer: string,
  value: unknown,
  fact: FactDocument,
): Promise<readonly Finding[]> {
  const others = select(await fact(rule.fact), rule.at);
  if (others.length === 0 && rule.optional === true) return [];
  const same = (a: unknown, b: unknown) =>
    rule.as === "url" && typeof a === "string" && typeof b === "string"
      ? sameUrl(a, b)
      : isDeepStrictEqual(a, b);
  if (others.length > 0 && others.every((other) => same(value, other.value))) return [];
  const other = others.find((one) => !same(value, one.value))?.value;
  return [
    {
      code: "json.disagrees",
      expected:
        others.length === 0
          ? `${rule.at} of ${factWords(rule.fact)} to be present too`
          : `the same as in ${factWords(rule.fact)}: ${preview(other)}`,
      actual: preview(value),
      location: pointer,
    },
  ];
}

/** A fact's name as people say it. */
function factWords(name: string): string {
  const words: Readonly<Record<string, string>> = {
    smartConfiguration: "the SMART configuration",
    capabilityStatement: "the CapabilityStatement",
    openidConfiguration: "the OpenID configuration",
    jwks: "the JSON Web Key Set",
  };
  return words[name] ?? `the ${name}`;
}

const ajv = new Ajv({ strict: false, allErrors: false });
(formats as unknown as (ajv: Ajv) => void)(ajv);
const compiled = new WeakMap<object, ValidateFunction>();

function schemaProblem(schema: object, value: unknown): string | undefined {
  let validate = compiled.get(schema);
  if (validate === undefined) compiled.set(schema, (validate = ajv.compile(schema)));
  if (validate(value)) return undefined;
  const error = validate.errors?.[0];
  return `${error?.instancePath ? `(at ${error.instancePath}) ` : ""}that ${error?.message ?? "matches its schema"}`;
}
