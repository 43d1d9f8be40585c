import { describe, expect, it } from "vitest";
import { differences, readResourceXml, throughXml } from "../../lib/fhir/xml.ts";

const XML = `<?xml version="1.0" encoding="UTF-8"?>
<CapabilityStatement xmlns="http://hl7.org/fhir">
  <status value="active"/><experimental value="false"/><date value="2026-01-01"/><kind value="instance"/>
  <fhirVersion value="4.0.1"/><format value="json"/><format value="xml"/>
  <rest><mode value="server"/><resource><type value="Patient"/></resource></rest>
</CapabilityStatement>`;

const JSON_FORM = {
  resourceType: "CapabilityStatement",
  status: "active",
  experimental: false,
  date: "2026-01-01",
  kind: "instance",
  fhirVersion: "4.0.1",
  format: ["json", "xml"],
  rest: [{ mode: "server", resource: [{ type: "Patient" }] }],
};

describe("FHIR XML", () => {
  it("is read as the resource that JSON gives", () => {
    expect(differences(readResourceXml(XML), throughXml(JSON_FORM), 5)).toEqual([]);
  });

  it("may have other white space", () => {
    expect(differences(readResourceXml(XML.replaceAll("><", ">\n  <")), throughXml(JSON_FORM), 5)).toEqual(
      [],
    );
  });

  it("is told apart from a resource that says something else, naming the place", () => {
    const other = structuredClone(JSON_FORM);
    other.rest[0]?.resource.push({ type: "Observation" });
    expect(differences(readResourceXml(XML), throughXml(other), 5)).toEqual(["/rest/0/resource/1"]);
  });

  it.each([
    ["text that is no XML", "{}"],
    ["XML that is cut off", XML.slice(0, 200)],
    ["XML without its last tag", XML.replace("</CapabilityStatement>", "")],
    ["XML of another namespace", XML.replace("http://hl7.org/fhir", "http://example.org/fhir")],
    ["XML that is no resource", "<html><body>Sign in</body></html>"],
    ["nothing", ""],
  ])("is refused when it is %s", (_name, text) => {
    expect(() => readResourceXml(text)).toThrow();
  });
});
