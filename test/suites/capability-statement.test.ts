import * as fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownPackage } from "../../lib/config/package.ts";
import { answerSuite, having, startServer, targetAt, type Page, type TestServer } from "./server.ts";

const SUITE = "capability-statement";
const METADATA = "/fhir/metadata";
const FHIR_JSON = { "content-type": "application/fhir+json;charset=utf-8" };

interface Value {
  readonly value: string;
  readonly conformance: string;
}

interface ResourceFacts {
  readonly type: string;
  readonly profiles: readonly Value[];
  readonly interactions: readonly Value[];
  readonly searchParams: readonly {
    readonly name: string;
    readonly type: string;
    readonly conformance: string;
  }[];
  readonly combinations: readonly { readonly required: readonly string[]; readonly conformance: string }[];
  readonly searchIncludes: readonly Value[];
  readonly searchRevIncludes: readonly Value[];
  readonly operations: readonly {
    readonly name: string;
    readonly definition: string;
    readonly conformance: string;
  }[];
}

const facts = JSON.parse(
  readFileSync(join(ownPackage().root, "profiles", "us-core-6.1.0", "capability.json"), "utf8"),
) as { resources: readonly ResourceFacts[] };

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.close();
});

/** What a server of US Core has to say, in a form that no example has: as little as it may, in other words. */
function resources(): Record<string, unknown>[] {
  return facts.resources.map((resource) => {
    const needed = new Set(
      resource.combinations
        .filter(({ conformance }) => conformance === "SHALL")
        .flatMap(({ required }) => required),
    );
    const entry = {
      type: resource.type,
      supportedProfile: resource.profiles.map(({ value }) => `${value}|6.1.0`),
      interaction: resource.interactions
        .filter(({ conformance }) => conformance === "SHALL")
        .map(({ value }) => ({ code: value })),
      searchParam: resource.searchParams
        .filter(({ name, conformance }) => name !== "_id" && (conformance === "SHALL" || needed.has(name)))
        .map(({ name, type }) => ({
          name,
          type,
          definition: `http://hl7.org/fhir/SearchParameter/clinical-${name}`,
        })),
      searchRevInclude: ["*"],
      operation: resource.operations.map(({ name, definition }) => ({
        name: `$${name}`,
        definition: `${definition}|6.1.0`,
      })),
    };
    // FHIR has no empty lists.
    return Object.fromEntries(
      Object.entries(entry).filter(([, value]) => !Array.isArray(value) || value.length > 0),
    );
  });
}

function statement(): Record<string, unknown> {
  return {
    resourceType: "CapabilityStatement",
    status: "active",
    date: "2026-11-22T08:30:00.123+01:00",
    kind: "instance",
    software: { name: "Another server" },
    implementation: { description: "Another server", url: `${server.origin.replace("http", "HTTP")}/fhir/` },
    fhirVersion: "4.0.1",
    format: ["application/fhir+json"],
    instantiates: [
      "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server|3.1.1",
      "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server|6.1.0",
    ],
    rest: [
      { mode: "client", resource: [{ type: "Patient" }] },
      {
        mode: "server",
        security: {
          extension: [
            {
              url: "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
              extension: ["token", "authorize", "introspect", "revoke"].map((url) => ({
                url,
                valueUri: `${server.origin}/${url}`,
              })),
            },
          ],
          service: [
            { text: "Something else" },
            { coding: [{ system: "http://hl7.org/fhir/restful-security-service", code: "SMART-on-FHIR" }] },
          ],
        },
        resource: resources(),
        searchParam: [{ name: "_id", type: "token" }],
        operation: [
          {
            name: "export",
            definition: "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export|2.0.0",
          },
        ],
      },
    ],
  };
}

function pages(document: unknown, more: Readonly<Record<string, Page>> = {}): void {
  server.pages = {
    [METADATA]: {
      headers: FHIR_JSON,
      body: typeof document === "string" ? document : JSON.stringify(document),
    },
    "/fhir/Patient": { status: 401, body: "" },
    ...more,
  };
}

describe("a server that is different and right", () => {
  it("may say the least that US Core asks for, in other words than the guide's", async () => {
    pages(statement());
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "system"));
    expect(having(verdicts, "fail", "error", "blocked")).toEqual([]);
  });

  it("is not asked for XML when it does not declare it", async () => {
    pages(statement());
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    expect(verdicts.get("capability-statement.xml-served")?.verdict.status).toBe("not-applicable");
    expect(verdicts.get("capability-statement.xml-same")?.verdict.status).toBe("not-applicable");
    expect(verdicts.get("capability-statement.xml-declared")?.verdict.status).toBe("warn");
  });

  it("has one failure for a resource type that it does not have, not one for each of its parts", async () => {
    const document = statement();
    const [, rest] = document["rest"] as { resource: { type: string }[] }[];
    if (rest !== undefined) rest.resource = rest.resource.filter(({ type }) => type !== "Immunization");
    pages(document);
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    const about = having(verdicts, "fail", "warn", "info", "blocked", "error").filter((line) =>
      line.includes("Immunization"),
    );
    expect(about.map((line) => line.split(": ")[0])).toEqual(["capability-statement.resource:Immunization"]);
  });
});

describe("a server that is wrong", () => {
  it("that leaves one SHALL out fails exactly there", async () => {
    const document = statement();
    const [, rest] = document["rest"] as { resource: { type: string; searchParam: { name: string }[] }[] }[];
    const patient = rest?.resource.find(({ type }) => type === "Patient");
    if (patient !== undefined)
      patient.searchParam = patient.searchParam.filter(({ name }) => name !== "birthdate");
    pages(document);
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    const failed = having(verdicts, "fail").map((line) => line.split(": ")[0]);
    expect(failed).toEqual(["capability-statement.combination:Patient.birthdate+name"]);
  });

  it("that gives patients to everyone fails, and what it gave is not repeated", async () => {
    pages(statement(), {
      "/fhir/Patient": {
        headers: FHIR_JSON,
        body: {
          resourceType: "Bundle",
          entry: [{ resource: { resourceType: "Patient", name: [{ family: "Planted" }] } }],
        },
      },
    });
    const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "patient"));
    expect(verdicts.get("capability-statement.security-enforced")?.verdict.status).toBe("fail");
    expect(JSON.stringify([...verdicts])).not.toContain("Planted");
  });
});

describe("a server that makes no sense", () => {
  it("never makes a check stumble, whatever JSON it sends", async () => {
    const junk = fc.jsonValue({ maxDepth: 2 });
    const resource = fc.record(
      {
        type: fc.oneof(fc.constantFrom("Patient", "Observation"), junk),
        supportedProfile: fc.oneof(fc.array(fc.oneof(fc.string(), junk)), junk),
        interaction: junk,
        searchParam: fc.oneof(
          fc.array(fc.oneof(fc.record({ name: junk, type: junk, definition: junk }), junk)),
          junk,
        ),
        searchInclude: junk,
        searchRevInclude: junk,
        extension: junk,
        operation: fc.oneof(fc.array(fc.oneof(fc.record({ name: junk, definition: junk }), junk)), junk),
      },
      { requiredKeys: [] },
    );
    const document = fc.record(
      {
        resourceType: fc.constant("CapabilityStatement"),
        format: fc.oneof(fc.constant(["json"]), junk),
        implementation: junk,
        instantiates: junk,
        rest: fc.oneof(
          fc.array(
            fc.record(
              {
                mode: fc.oneof(fc.constant("server"), junk),
                security: junk,
                resource: fc.oneof(fc.array(resource), junk),
              },
              { requiredKeys: [] },
            ),
          ),
          junk,
        ),
      },
      { requiredKeys: ["resourceType"] },
    );
    await fc.assert(
      fc.asyncProperty(document, async (value) => {
        pages(value);
        const verdicts = await answerSuite(SUITE, targetAt(`${server.origin}/fhir`, "system"));
        expect(having(verdicts, "error").slice(0, 3)).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});
