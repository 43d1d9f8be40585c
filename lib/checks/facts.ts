import { Blocked, type CheckContext, type Fact } from "./context.ts";
import type { Subject } from "./expectations.ts";
import { isObject } from "./select.ts";
import { subjectOf } from "./subject.ts";

const DISCOVERY_BYTES = 1 << 20;
const METADATA_BYTES = 16 << 20;

/** A fact that is the response to a GET, whatever its status. */
function response(
  name: string,
  words: string,
  explainedBy: string,
  maxBodyBytes: number,
  url: (context: CheckContext) => string | Promise<string>,
  accept: string,
): Fact<Subject> {
  return {
    name,
    explainedBy,
    async provide(context) {
      const outcome = await context.send({
        method: "GET",
        url: await url(context),
        headers: { accept },
        limits: { bodyBytes: maxBodyBytes, decodedBytes: maxBodyBytes },
        purpose: words,
      });
      return subjectOf(words, outcome);
    },
  };
}

/** A fact that is the JSON object of a successful response. */
function document(
  name: string,
  from: Fact<Subject>,
  accepts: (json: Record<string, unknown>) => string | undefined,
): Fact<Subject> {
  return {
    name,
    explainedBy: from.explainedBy,
    async provide(context) {
      const subject = await context.fact(from);
      const refuse = (actual: string, code: string) => {
        const finding = { code, expected: `${subject.name} as a JSON object with status 200`, actual };
        const shown = subject.exchange === undefined ? finding : { ...finding, exchange: subject.exchange };
        return new Blocked(`${subject.name} could not be read: ${actual}`, from.explainedBy, [shown]);
      };
      if (subject.status !== 200) throw refuse(`status ${subject.status}`, "http.status");
      if (subject.problem !== undefined) throw refuse(subject.problem, "json.syntax");
      if (!isObject(subject.json)) throw refuse("JSON that is not an object", "json.type");
      const problem = accepts(subject.json);
      if (problem !== undefined) throw refuse(problem, "json.type");
      return subject;
    },
  };
}

/** The response of `{base}/.well-known/smart-configuration` (SMART App Launch 2.0.0, conformance §well-known). */
export const smartConfigurationResponse = response(
  "smartConfigurationResponse",
  "the SMART configuration",
  "smart-configuration.served",
  DISCOVERY_BYTES,
  ({ target }) => `${target.base}/.well-known/smart-configuration`,
  "application/json",
);

/** The SMART configuration as a JSON object. */
export const smartConfiguration = document("smartConfiguration", smartConfigurationResponse, () => undefined);

/** The response of `{base}/metadata`, asked for as JSON (FHIR R4 §http.capabilities). */
export const capabilityStatementResponse = response(
  "capabilityStatementResponse",
  "the CapabilityStatement",
  "capability-statement.served",
  METADATA_BYTES,
  ({ target }) => `${target.base}/metadata`,
  "application/fhir+json",
);

/** The CapabilityStatement as a JSON object. */
export const capabilityStatement = document("capabilityStatement", capabilityStatementResponse, (json) =>
  json["resourceType"] === "CapabilityStatement"
    ? undefined
    : "JSON whose resourceType is not CapabilityStatement",
);

/** The response of the issuer's OpenID configuration (OpenID Connect Discovery 1.0 §4). */
export const openidConfigurationResponse = response(
  "openidConfigurationResponse",
  "the OpenID configuration",
  "smart-configuration.openid-configuration-served",
  DISCOVERY_BYTES,
  async (context) => {
    const issuer = await member(context, "issuer");
    return `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  },
  "application/json",
);

/** The issuer's OpenID configuration as a JSON object. */
export const openidConfiguration = document(
  "openidConfiguration",
  openidConfigurationResponse,
  () => undefined,
);

/** The response of the `jwks_uri` of the SMART configuration (RFC 7517 §5). */
export const jwksResponse = response(
  "jwksResponse",
  "the JSON Web Key Set",
  "smart-configuration.jwks-served",
  DISCOVERY_BYTES,
  (context) => member(context, "jwks_uri"),
  "application/json",
);

/** The JSON Web Key Set as a JSON object. */
export const jwks = document("jwks", jwksResponse, (json) =>
  Array.isArray(json["keys"]) ? undefined : "JSON without an array of keys",
);

async function member(context: CheckContext, name: string): Promise<string> {
  const { json } = await context.fact(smartConfiguration);
  const value = isObject(json) ? json[name] : undefined;
  if (typeof value !== "string" || !/^https?:/.test(value) || !URL.canParse(value)) {
    throw new Blocked(
      `the SMART configuration has no usable ${name}`,
      `smart-configuration.${name.replaceAll("_", "-")}`,
    );
  }
  return value;
}

/** Facts that check data may name. */
export const documentFacts: Readonly<Record<string, Fact<Subject>>> = Object.fromEntries(
  [
    smartConfigurationResponse,
    smartConfiguration,
    capabilityStatementResponse,
    capabilityStatement,
    openidConfigurationResponse,
    openidConfiguration,
    jwksResponse,
    jwks,
  ].map((fact) => [fact.name, fact]),
);
