import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { list } from "tar";
import { describe, expect, test } from "vitest";
import { applyEvidenceMode } from "../../lib/http/evidence.ts";
import { maskBody } from "../../lib/http/health-data.ts";
import { maskUrl } from "../../lib/http/health-values.ts";
import { createPseudonyms } from "../../lib/http/pseudonyms.ts";
import type { Exchange } from "../../lib/http/types.ts";

const pseudonyms = createPseudonyms(Buffer.alloc(32, 7));
const id = pseudonyms.of("pat-4711");

const patient = {
  resourceType: "Patient",
  id: "pat-4711",
  meta: {
    versionId: "3",
    lastUpdated: "2023-05-06T07:08:09.123+02:00",
    profile: ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|6.1.0"],
  },
  text: { status: "generated", div: '<div xmlns="http://www.w3.org/1999/xhtml"><b>Shaw, Amy</b></div>' },
  identifier: [{ use: "usual", system: "http://hospital.example.org", value: "MRN-778899" }],
  active: true,
  name: [{ use: "official", family: "Shaw", given: ["Amy", "V."], text: "Amy Shaw" }],
  telecom: [
    { system: "phone", value: "555-123-4567" },
    { system: "email", value: "amy.shaw@mail.example" },
  ],
  gender: "female",
  birthDate: "1987-02-20",
  _birthDate: { extension: [{ url: "http://x.example/birthTime", valueDateTime: "1987-02-20T14:35:45Z" }] },
  address: [{ line: ["49 Meadow St"], city: "Mounds", state: "OK", postalCode: "74047", country: "US" }],
  multipleBirthInteger: 4,
  photo: [
    { contentType: "image/png", data: "c2VjcmV0", url: "https://h.example/fhir/Binary/pic-4711", size: 99 },
  ],
  generalPractitioner: [{ reference: "Practitioner/doc-1", display: "Dr Jones" }],
  managingOrganization: { reference: "https://h.example/fhir/Organization/org-1/_history/2" },
  link: [{ other: { reference: "Patient/pat-4711" }, type: "seealso" }],
  contact: [
    { relationship: [{ coding: [{ system: "http://x.example", code: "N", display: "Next of kin" }] }] },
  ],
};
const personal =
  /4711|Shaw|Amy|MRN|778899|555-123|mail\.example|1987|2023|Meadow|Mounds|74047|Jones|doc-1|org-1|c2VjcmV0|Next of kin|14:35|"multipleBirthInteger": ?4|"OK"/;

function mask(value: unknown): unknown {
  return JSON.parse(maskBody(JSON.stringify(value), "application/fhir+json", pseudonyms));
}

describe("masked JSON", () => {
  test("says nothing about the person and keeps the structure, codes and types", () => {
    const masked = mask(patient);
    expect(JSON.stringify(masked)).not.toMatch(personal);
    expect(masked).toEqual({
      resourceType: "Patient",
      id,
      meta: {
        versionId: pseudonyms.of("3"),
        lastUpdated: "1900-01-01T00:00:00.000+00:00",
        profile: ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|6.1.0"],
      },
      text: { status: "generated", div: '<div xmlns="http://www.w3.org/1999/xhtml">masked</div>' },
      identifier: [
        { use: "usual", system: "http://hospital.example.org", value: pseudonyms.of("MRN-778899") },
      ],
      active: true,
      name: [{ use: "official", family: "masked", given: ["masked", "masked"], text: "masked" }],
      telecom: [
        { system: "phone", value: "000-000-0000" },
        { system: "email", value: "masked@example.org" },
      ],
      gender: "female",
      birthDate: "1900-01-01",
      _birthDate: {
        extension: [{ url: "http://x.example/birthTime", valueDateTime: "1900-01-01T00:00:00Z" }],
      },
      address: [
        { line: ["masked"], city: "masked", state: "masked", postalCode: "00000", country: "masked" },
      ],
      multipleBirthInteger: 1,
      photo: [
        {
          contentType: "image/png",
          data: "bWFza2Vk",
          url: `https://h.example/fhir/Binary/${pseudonyms.of("pic-4711")}`,
          size: 1,
        },
      ],
      generalPractitioner: [{ reference: `Practitioner/${pseudonyms.of("doc-1")}`, display: "masked" }],
      managingOrganization: {
        reference: `https://h.example/fhir/Organization/${pseudonyms.of("org-1")}/_history/2`,
      },
      link: [{ other: { reference: `Patient/${id}` }, type: "seealso" }],
      contact: [
        { relationship: [{ coding: [{ system: "http://x.example", code: "N", display: "masked" }] }] },
      ],
    });
  });

  test("keeps its indentation, and knows a text that was cut off", () => {
    const text = JSON.stringify(patient, null, 2);
    const masked = maskBody(text, "application/fhir+json", pseudonyms);
    expect(masked.split("\n")[1]).toBe('  "resourceType": "Patient",');
    for (let end = 1; end < text.length; end += 7) {
      const cut = maskBody(text.slice(0, end), "application/fhir+json", pseudonyms);
      expect(cut).not.toMatch(personal);
      if (end > 40) expect(JSON.parse(cut)).toMatchObject({ resourceType: "Patient" });
    }
  });

  test("a Bundle: links, references and resources within", () => {
    const masked = mask({
      resourceType: "Bundle",
      type: "searchset",
      total: 42,
      link: [
        { relation: "self", url: "https://h.example/fhir/Patient?name=Shaw&_count=5&birthdate=ge1987-02-20" },
      ],
      entry: [
        {
          fullUrl: "urn:uuid:c4f4b1d5-6d0c-4c6b-9a39-3d1a1a1a4711",
          resource: patient,
          search: { mode: "match" },
        },
      ],
    });
    expect(masked).toMatchObject({ type: "searchset", total: 42, entry: [{ search: { mode: "match" } }] });
    expect(JSON.stringify(masked)).not.toMatch(personal);
    expect(JSON.stringify(masked)).toContain(
      `Patient?name=${pseudonyms.of("Shaw")}&_count=5&birthdate=ge1900-01-01`,
    );
  });

  test("an OperationOutcome keeps what is wrong and where, not its words", () => {
    expect(
      mask({
        resourceType: "OperationOutcome",
        issue: [
          {
            severity: "error",
            code: "invalid",
            details: {
              coding: [{ system: "http://x.example", code: "MSG_DATE" }],
              text: "bad date of Amy Shaw",
            },
            diagnostics: "Amy Shaw 1987",
            expression: ["Patient.name.where(family = 'Shaw').given"],
          },
        ],
      }),
    ).toEqual({
      resourceType: "OperationOutcome",
      issue: [
        {
          severity: "error",
          code: "invalid",
          details: { coding: [{ system: "http://x.example", code: "MSG_DATE" }], text: "masked" },
          diagnostics: "masked",
          expression: ["Patient.name.where(family = 'masked').given"],
        },
      ],
    });
  });

  test.each([
    [
      {
        resourceType: "CapabilityStatement",
        date: "2024-01-01",
        implementation: { description: "The server" },
      },
    ],
    [{ issuer: "https://a", authorization_endpoint: "https://a/auth", token_endpoint: "https://a/token" }],
    [{ keys: [{ kty: "EC", kid: "1", x: "abc", y: "def" }] }],
    [{ error: "invalid_grant", error_description: "the code has expired" }],
  ])("a document about no person stays as it is: %j", (document) => {
    expect(mask(document)).toEqual(document);
  });

  test("an error that carries more than OAuth says is a document like any other", () => {
    expect(mask({ error: "not_found", patient: { name: "Amy Shaw" } })).toEqual({
      error: "masked",
      patient: { name: "masked" },
    });
  });

  test("a token response keeps type and scope", () => {
    expect(
      mask({
        access_token: "‹access_token›",
        token_type: "Bearer",
        expires_in: 300,
        scope: "launch/patient patient/*.rs",
        patient: "pat-4711",
        fhirUser: "Practitioner/doc-1",
      }),
    ).toEqual({
      access_token: "‹access_token›",
      token_type: "Bearer",
      expires_in: 300,
      scope: "launch/patient patient/*.rs",
      patient: id,
      fhirUser: `Practitioner/${pseudonyms.of("doc-1")}`,
    });
  });

  test("NDJSON line by line, the last one cut off", () => {
    const line = JSON.stringify(patient);
    const masked = maskBody(`${line}\n${line}\n${line.slice(0, 300)}`, "application/fhir+ndjson", pseudonyms);
    expect(masked).not.toMatch(personal);
    expect(masked.split("\n")).toHaveLength(3);
    expect(masked.split("\n")[0]).toBe(JSON.stringify(mask(patient)));
  });

  test("nesting beyond reason is cut, not walked", () => {
    for (const text of [
      "[".repeat(50_000),
      '[{"a":'.repeat(30_000),
      "{".repeat(50_000),
      "<!--".repeat(50_000),
    ])
      expect(maskBody(text, "application/json", pseudonyms).length).toBeLessThanOrEqual(text.length);
  });

  test("what is no JSON after all, HTML and prose keep only their shape", () => {
    expect(maskBody('{"name": Amy 1987', "application/json", pseudonyms)).not.toMatch(personal);
    expect(maskBody("<html><body class='Amy'>Amy Shaw, 1987</body></html>", "text/html", pseudonyms)).toBe(
      "<html><body>xxx xxxx, 0000</body></html>",
    );
    expect(maskBody("Amy: ‹access_token›", "text/plain", pseudonyms)).toBe("xxx: ‹access_token›");
  });
});

test("masked XML follows the same rules", () => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
<Patient xmlns="http://hl7.org/fhir"><id value="pat-4711"/><!-- Amy -->
 <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><div>Amy <b>Shaw</b></div> 1987</div></text>
 <extension url="http://x.example/race"><valueCode value="2106-3"/></extension>
 <identifier><system value="http://hospital.example.org"/><value value="MRN-778899"/></identifier>
 <active value="true"/><name><family value="O&apos;Shaw &amp; Amy"/></name>
 <telecom><system value="phone"/><value value='555-123-4567'/></telecom><birthDate value="1987-02-20"/>
 <managingOrganization><reference value="Organization/org-1"/></managingOrganization></Patient>`;
  const masked = maskBody(xml, "application/fhir+xml", pseudonyms);
  expect(masked).not.toMatch(personal);
  expect(masked).toContain(`<id value="${id}"/>`);
  expect(masked).toContain('<div xmlns="http://www.w3.org/1999/xhtml">masked</div></text>');
  expect(masked).toContain('<extension url="http://x.example/race"><valueCode value="2106-3"/></extension>');
  expect(masked).toContain('<active value="true"/>');
  expect(masked).toContain('<telecom><system value="phone"/><value value="000-000-0000"/></telecom>');
  expect(masked).toContain(`<reference value="Organization/${pseudonyms.of("org-1")}"/>`);
  const statement =
    '<CapabilityStatement xmlns="http://hl7.org/fhir"><name value="A server"/></CapabilityStatement>';
  expect(maskBody(statement, "application/fhir+xml", pseudonyms)).toBe(statement);
});

test.each([
  ["https://h.example/fhir/Patient/pat-4711", `https://h.example/fhir/Patient/${id}`],
  ["https://h.example/fhir/Patient/pat-4711/_history/2", `https://h.example/fhir/Patient/${id}/_history/2`],
  ["https://h.example/fhir/Patient/_search", "https://h.example/fhir/Patient/_search"],
  [
    "https://h.example/fhir/Group/pat-4711/$export?_type=Patient",
    `https://h.example/fhir/Group/${id}/$export?_type=Patient`,
  ],
  [
    "https://h.example/fhir/Observation?patient=Patient%2Fpat-4711",
    `https://h.example/fhir/Observation?patient=Patient/${id}`,
  ],
  [
    "https://h.example/fhir/Observation?patient=pat-4711&code=http://loinc.org|8480-6",
    `https://h.example/fhir/Observation?patient=${id}&code=http://loinc.org|8480-6`,
  ],
  ["Patient?identifier=http://sys|pat-4711", `Patient?identifier=http%3A//sys|${id}`],
  ["https://h.example/fhir/metadata", "https://h.example/fhir/metadata"],
  [
    "https://h.example/x/v2/0b5e6a55-0000-4000-8000-000000000001/metadata",
    "https://h.example/x/v2/0b5e6a55-0000-4000-8000-000000000001/metadata",
  ],
])("a masked URL: %s", (url, expected) => {
  expect(maskUrl(url, pseudonyms)).toBe(expected);
});

describe("an exchange", () => {
  const body = {
    mediaType: "application/fhir+json",
    bytes: 900,
    storedBytes: 900,
    text: JSON.stringify(patient),
    truncated: false,
  };
  const exchange: Exchange = {
    id: "x0007",
    purpose: "read Patient/pat-4711",
    startedAt: "2026-01-02T03:04:05.000Z",
    durationMs: 12,
    attempt: 1,
    previous: "x0006",
    request: {
      method: "POST",
      url: "https://h.example/v2/Patient/pat-4711?name=Shaw",
      headers: [["Accept", "application/fhir+json"]],
      body: {
        mediaType: "application/x-www-form-urlencoded",
        bytes: 20,
        storedBytes: 20,
        text: "name=Shaw&birthdate=1987-02-20",
        truncated: false,
      },
    },
    response: {
      status: 200,
      headers: [
        ["Location", "/Patient/pat-4711"],
        ["Link", '<https://h/Patient?name=Amy>; rel="next"'],
      ],
      body,
    },
    failure: {
      code: "redirect-loop",
      message: "The redirects lead back.",
      seen: "https://h.example/Patient/pat-4711",
    },
  };

  test("is untouched in full mode", () => {
    expect(applyEvidenceMode(exchange, "full")).toBe(exchange);
  });

  test("says nothing about the person in masked mode, in any part", () => {
    const masked = applyEvidenceMode(exchange, "masked", pseudonyms);
    expect(JSON.stringify(masked)).not.toMatch(personal);
    expect(masked.purpose).toBe(`read Patient/${id}`);
    expect(masked.request.url).toBe(`https://h.example/v2/Patient/${id}?name=${pseudonyms.of("Shaw")}`);
    expect(masked.response?.headers).toContainEqual(["Location", `/Patient/${id}`]);
  });

  test("is method, path, status, sizes and times in none mode", () => {
    expect(applyEvidenceMode(exchange, "none")).toEqual({
      id: "x0007",
      startedAt: "2026-01-02T03:04:05.000Z",
      durationMs: 12,
      attempt: 1,
      previous: "x0006",
      request: {
        method: "POST",
        url: "https://h.example/v2/Patient/{id}",
        headers: [],
        body: { mediaType: "application/x-www-form-urlencoded", bytes: 20, storedBytes: 0, truncated: true },
      },
      response: {
        status: 200,
        headers: [],
        body: { mediaType: "application/fhir+json", bytes: 900, storedBytes: 0, truncated: true },
      },
      failure: { code: "redirect-loop", message: "The redirects lead back." },
    });
  });

  test("pseudonyms agree within a run and differ between runs", () => {
    const [first, second] = [applyEvidenceMode(exchange, "masked"), applyEvidenceMode(exchange, "masked")];
    expect(first).toEqual(second);
    expect(createPseudonyms().of("pat-4711")).not.toBe(createPseudonyms().of("pat-4711"));
  });
});

const packages = process.env["FHIR_PACKAGES"] ?? join(homedir(), ".fhir", "packages");
const usCore = join(packages, "hl7.fhir.us.core-6.1.0.tgz");

test.skipIf(!existsSync(usCore))(
  "in the examples of US Core only codes and canonical URLs survive",
  async () => {
    const examples = new Map<string, string>();
    await list({
      file: usCore,
      onReadEntry: (entry) => {
        if (!/\/example\/.*\.json$/.test(entry.path)) {
          entry.resume();
          return;
        }
        const chunks: Buffer[] = [];
        entry.on("data", (chunk: Buffer) => chunks.push(chunk));
        entry.on("end", () => examples.set(entry.path, Buffer.concat(chunks).toString("utf8")));
      },
    });
    expect(examples.size).toBeGreaterThan(100);
    const mayStay =
      /\.(?:resourceType|code|status|use|type|intent|mode|gender|system|profile|contentType|language|unit|valueCode|docStatus|lifecycleStatus|criticality|category|relationship|version|priority|url|severity|relation)$/;
    const survivors: string[] = [];
    for (const [path, text] of examples) {
      const before = JSON.parse(text) as unknown;
      if (/"resourceType" ?: ?"(?:CapabilityStatement|ValueSet|SearchParameter)"/.test(text)) continue;
      const after = JSON.parse(maskBody(text, "application/fhir+json", pseudonyms)) as unknown;
      for (const [place, value] of leaves(before, "")) {
        const kept = leaf(after, place);
        if (
          kept === value &&
          !mayStay.test(place.replaceAll(/\[\d+\]/g, "")) &&
          !/^(?:1900|urn:oid|0$)/.test(value)
        )
          survivors.push(`${path} ${place} ${value}`);
      }
    }
    expect(survivors).toEqual([]);
  },
);

function* leaves(value: unknown, place: string): Generator<[string, string]> {
  if (typeof value === "string") yield [place, value];
  else if (Array.isArray(value))
    for (const [index, item] of value.entries()) yield* leaves(item, `${place}[${index}]`);
  else if (typeof value === "object" && value !== null)
    for (const [key, member] of Object.entries(value)) yield* leaves(member, `${place}.${key}`);
}

function leaf(value: unknown, place: string): unknown {
  let current = value;
  for (const [, key, index] of place.matchAll(/\.([^.[]+)|\[(\d+)\]/g)) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Record<string, unknown>)[key ?? index ?? ""];
  }
  return current;
}
