import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { differences, readResourceXml, throughXml, type ResourceObject } from "../../lib/fhir/xml.ts";
import { readStatement } from "./statement.ts";

const METADATA_BYTES = 16 << 20;
const SHOWN = 5;
/** What may differ between two answers a moment apart, and the narrative, whose white space XML does not keep. */
const PASSED_OVER = new Set(["date", "id", "meta", "text"]);

interface XmlStatement {
  readonly resource: ResourceObject;
  readonly exchange: string;
}

const capabilityStatementXml: Fact<XmlStatement> = {
  name: "capabilityStatementXml",
  explainedBy: "capability-statement.xml-served",
  async provide(context) {
    const response = await context.send({
      method: "GET",
      url: `${context.target.base}/metadata`,
      headers: { accept: "application/fhir+xml" },
      limits: { bodyBytes: METADATA_BYTES, decodedBytes: METADATA_BYTES },
      purpose: "the CapabilityStatement as XML",
    });
    const { exchange } = response;
    const refuse = (code: string, expected: string, actual: string) =>
      new Blocked(`the CapabilityStatement as XML could not be read: ${actual}`, this.explainedBy, [
        { code, expected, actual, exchange },
      ]);
    if (response.status !== 200) throw refuse("http.status", "status 200", `status ${response.status}`);
    const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
    if (type !== "application/fhir+xml") {
      throw refuse("http.media-type", "application/fhir+xml", type ?? "no content-type header");
    }
    const resource = parse(response.body, refuse);
    if (resource.resourceType !== "CapabilityStatement") {
      throw refuse("fhir.resource-type", "a CapabilityStatement", `a ${resource.resourceType}`);
    }
    return { resource, exchange };
  },
};

function parse(
  body: Uint8Array,
  refuse: (code: string, expected: string, actual: string) => Blocked,
): ResourceObject {
  try {
    return readResourceXml(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw refuse("fhir.xml", "a FHIR resource as XML", firstLine(error));
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

/** The statement is served as XML, and an XML reader that is not ours can read it. */
export const xmlServed: Procedure = async (context) => {
  await context.fact(capabilityStatementXml);
  return [];
};

/** The statement says the same in XML as in JSON. */
export const xmlSame: Procedure = async (context: CheckContext) => {
  const { document } = await readStatement(context);
  const xml = await context.fact(capabilityStatementXml);
  // Usually they are simply equal. Only when they are not does it matter what XML or its reader cannot tell apart.
  if (differences(compared(document), compared(xml.resource), 1).length === 0) return [];
  let json: ResourceObject;
  try {
    json = throughXml(document);
  } catch (error) {
    throw new Blocked(
      `the JSON statement cannot be written as XML: ${firstLine(error)}`,
      "capability-statement.served",
    );
  }
  return differences(compared(json), compared(xml.resource), SHOWN).map((pointer) => ({
    code: "fhir.xml-differs",
    expected: "the same in XML as in JSON",
    actual: "they differ here",
    location: pointer,
    exchange: xml.exchange,
  }));
};

function compared(resource: object): object {
  return Object.fromEntries(Object.entries(resource).filter(([name]) => !PASSED_OVER.has(name)));
}
