import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { attachmentsOf, disagreements } from "../../suites/us-core/content/attachments.ts";
import { judgeCompatibility } from "../../suites/us-core/content/compatibility.ts";
import { guide } from "../../suites/us-core/content/guides.ts";
import {
  absencesIn,
  contradictsItself,
  isNeedless,
  lacksCode,
  tellsOfMasking,
} from "../../suites/us-core/content/missing-data.ts";
import { documentsWithoutCustodian, reportsWithoutDocument } from "../../suites/us-core/content/notes.ts";
import { percentile } from "../../suites/us-core/content/response-times.ts";
import type { Resource, Seen } from "../../suites/us-core/content/seen.ts";

const US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/";
const { definitions } = guide("us-core-6.1.0");
const seen = (resource: Resource): Seen => ({ resource, exchange: "x0001" });
const reason = (code: string) => [
  { url: "http://hl7.org/fhir/StructureDefinition/data-absent-reason", valueCode: code },
];
const absences = (resource: Resource, profile: string) =>
  absencesIn(definitions, seen(resource), [`${US_CORE}${profile}`]);

describe("missing data", () => {
  it("is needless to tell of what need not be there, and right where it has to be", () => {
    const patient: Resource = {
      resourceType: "Patient",
      _birthDate: { extension: reason("unknown") },
      name: [{ extension: reason("unknown") }],
      _deceasedDateTime: { extension: reason("asked-declined") },
    };
    expect(
      absences(patient, "us-core-patient")
        .filter((one) => isNeedless(one))
        .map(({ path }) => path),
    ).toEqual(["Patient.birthDate"]);
  });

  it("is told by a code where a coded element has to be there", () => {
    const allergy: Resource = { resourceType: "AllergyIntolerance", code: { extension: reason("unknown") } };
    expect(absences(allergy, "us-core-allergyintolerance").map((one) => lacksCode(one))).toEqual([true]);
    const system = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
    const coded: Resource = {
      resourceType: "AllergyIntolerance",
      code: { coding: [{ system, code: "unknown" }] },
    };
    expect(absences(coded, "us-core-allergyintolerance")).toMatchObject([{ by: "code", demanded: true }]);
  });

  it("cannot stand beside the value", () => {
    const team: Resource = {
      resourceType: "CareTeam",
      participant: [{ member: { reference: "Patient/a", extension: reason("unknown") } }],
      _status: { extension: reason("unknown") },
      status: "active",
    };
    expect(
      absences(team, "us-core-careteam")
        .filter((one) => contradictsItself(one))
        .map(({ path }) => path),
    ).toEqual(["CareTeam.participant.member", "CareTeam.status"]);
  });

  it("is masked only where the element is not there for the reason", () => {
    const observation: Resource = {
      resourceType: "Observation",
      dataAbsentReason: {
        coding: [{ system: "http://terminology.hl7.org/CodeSystem/data-absent-reason", code: "masked" }],
      },
      _issued: { extension: reason("masked") },
    };
    expect(
      absences(observation, "us-core-observation-lab")
        .filter((one) => tellsOfMasking(one))
        .map(({ path }) => path),
    ).toEqual(["Observation.issued"]);
  });
});

describe("attachments", () => {
  const attachment = (more: object) => {
    const [one] = attachmentsOf(
      seen({ resourceType: "DocumentReference", content: [{ attachment: { url: "Binary/a", ...more } }] }),
    );
    if (one === undefined) throw new Error("no attachment");
    return one;
  };
  const content = Buffer.from("some words");
  const codes = (more: object, served?: string) =>
    disagreements(attachment(more), content, served).map(({ code }) => code);

  it("agree by type, size and hash, however these are written", () => {
    const digest = createHash("sha1").update(content);
    const hash = digest.copy().digest("base64");
    const hexadecimal = Buffer.from(digest.digest("hex")).toString("base64");
    expect(codes({ contentType: "text/plain", size: 10, hash }, "text/plain; charset=utf-8")).toEqual([]);
    expect(codes({ hash: hexadecimal })).toEqual([]);
    expect(codes({ contentType: "application/hl7-cda+xml" }, "application/xml")).toEqual([]);
  });

  it("disagree where the content is another", () => {
    expect(codes({ contentType: "text/plain", size: 9, hash: "bm8=" }, "application/pdf")).toEqual([
      "attachment.content-type",
      "attachment.size",
      "attachment.hash",
    ]);
    expect(disagreements(attachment({}), new Uint8Array(), undefined).map(({ code }) => code)).toEqual([
      "attachment.empty",
    ]);
  });
});

describe("documents and reports", () => {
  const BASE = "https://fhir.example.org/r4";
  const report = (url: string, contentType = "application/pdf"): Seen =>
    seen({ resourceType: "DiagnosticReport", id: "r", presentedForm: [{ url, contentType }] });
  const document = (url: string, more: object = {}): Seen =>
    seen({ resourceType: "DocumentReference", id: "d", content: [{ attachment: { url } }], ...more });

  it("have the same scan, by a relative address or an absolute one", () => {
    expect(reportsWithoutDocument([report("Binary/a"), document(`${BASE}/Binary/a`)], BASE).alone).toEqual(
      [],
    );
    expect(reportsWithoutDocument([report("Binary/b"), document("Binary/a")], BASE).alone).toHaveLength(1);
    expect(reportsWithoutDocument([report("Binary/b", "text/plain")], BASE).scanned).toEqual([]);
  });

  it("have somebody who is responsible, by themselves or by their Provenance", () => {
    const provenance = seen({
      resourceType: "Provenance",
      target: [{ reference: `${BASE}/DocumentReference/d/_history/2` }],
      agent: [{ who: { reference: "Organization/o" } }],
    });
    expect(documentsWithoutCustodian([document("a")]).without).toHaveLength(1);
    expect(documentsWithoutCustodian([document("a"), provenance]).without).toEqual([]);
    const named = document("a", { custodian: { reference: "Organization/o" } });
    expect(documentsWithoutCustodian([named]).without).toEqual([]);
  });
});

describe("compatibility with US Core 3.1.1", () => {
  const order: Resource = {
    resourceType: "MedicationRequest",
    id: "m",
    status: "active",
    intent: "order",
    medicationCodeableConcept: { text: "A medicine" },
    subject: { reference: "Patient/a" },
    requester: { reference: "Practitioner/p" },
  };
  const judged = (resource: Resource) =>
    [...judgeCompatibility(guide("us-core-6.1.0"), guide("us-core-3.1.1"), [seen(resource)])].map(
      ([profile, list]) =>
        [
          profile.slice(US_CORE.length),
          list.flatMap(({ judged: { defects } }) => defects.map(({ message }) => message)),
        ] as const,
    );

  it("misses what 3.1.1 asks for and 6.1.0 does not", () => {
    expect(judged(order)).toEqual([
      ["us-core-medicationrequest", ["MedicationRequest.authoredOn: at least 1 required, 0 found."]],
    ]);
    expect(judged({ ...order, authoredOn: "2026-01-01" })).toEqual([["us-core-medicationrequest", []]]);
  });

  it("looks at nothing that is wrong by 6.1.0 already", () => {
    expect(judged({ ...order, status: "unheard-of" })).toEqual([]);
  });

  it("knows where the two versions contradict each other", () => {
    const team: Resource = {
      resourceType: "CareTeam",
      id: "t",
      status: "active",
      subject: { reference: "Patient/a" },
      participant: [{ role: [{ text: "A role" }], member: { reference: "PractitionerRole/p" } }],
    };
    const [compatible] = [
      ...judgeCompatibility(guide("us-core-6.1.0"), guide("us-core-3.1.1"), [seen(team)]).values(),
    ].flat();
    expect(compatible?.judged.defects).toEqual([]);
    expect(compatible?.contradictions).toHaveLength(1);
  });
});

describe("response times", () => {
  it("are told by the rank of the samples", () => {
    const samples = Array.from({ length: 20 }, (_, index) => 20 - index);
    expect([0.5, 0.95, 1].map((share) => percentile(samples, share))).toEqual([10, 19, 20]);
    expect(percentile([], 0.5)).toBe(0);
  });
});
