import type { JsonObject } from "../json.ts";
import type { Chart } from "./chart.ts";
import { BASE, central, concept, day, days, hours, instant, LOINC, NULL_FLAVOR, US_CORE } from "./terms.ts";

interface Note {
  readonly kind: string;
  readonly type: readonly [string, string];
  /** Days after the visit. */
  readonly after: number;
  readonly status?: "superseded";
  readonly mediaType?: string;
}

/** The common clinical notes of US Core, and the documents of the reports with a text. */
const NOTES: readonly Note[] = [
  { kind: "progress", type: ["11506-3", "Progress note"], after: 0 },
  { kind: "history", type: ["34117-2", "History and physical note"], after: 0 },
  { kind: "consultation", type: ["11488-4", "Consult note"], after: 3, status: "superseded" },
  { kind: "procedure", type: ["28570-0", "Procedure note"], after: 4 },
  { kind: "intervention", type: ["28570-0", "Procedure note"], after: 7 },
  { kind: "discharge", type: ["18842-5", "Discharge summary"], after: 66, mediaType: "application/xml" },
  { kind: "laboratory", type: ["11502-2", "Laboratory report"], after: 41 },
  { kind: "cardiology", type: ["45033-8", "Cardiovascular physiologic and EKG assessment panel"], after: 9 },
  { kind: "radiology", type: ["18748-4", "Diagnostic imaging study"], after: 10 },
  // A scan: the same file stands in the report and in a document.
  { kind: "pathology", type: ["11526-1", "Pathology study"], after: 42, mediaType: "application/pdf" },
  { kind: "referral", type: ["57133-1", "Referral note"], after: 5 },
  { kind: "surgical", type: ["11504-8", "Surgical operation note"], after: 64 },
  { kind: "nurse", type: ["34746-8", "Nurse Note"], after: 65 },
];

const TEXT_FORMAT = {
  system: "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
  code: "urn:hl7-org:sdwg:ccda-structuredBody:2.1",
  display: "For documents following C-CDA 2.1 constraints using a structured body.",
};

function textOf(chart: Chart, note: Note): string {
  const title = note.type[1];
  const words = `${title} of patient ${chart.number}, ${day(days(chart.seen, note.after))}.`;
  if (note.mediaType === "application/pdf") return `%PDF-1.4\n% ${words}\n%%EOF\n`;
  return note.mediaType === "application/xml"
    ? `<note><title>${title}</title><text>${words}</text></note>`
    : words;
}

const category = concept(
  `${US_CORE.replace("StructureDefinition", "CodeSystem")}/us-core-documentreference-category`,
  "clinical-note",
  "Clinical Note",
);

export function makeDocuments(chart: Chart): JsonObject[] {
  const notes = NOTES.map((note): JsonObject => {
    const at = days(chart.seen, note.after);
    return {
      resourceType: "DocumentReference",
      id: chart.idOf(`document-${note.kind}`),
      meta: chart.meta(24 * note.after + 1, "us-core-documentreference"),
      identifier: [
        { system: `https://${chart.tenant.id}.example/documents`, value: `${note.kind}-${chart.number}` },
      ],
      status: note.status ?? "current",
      type: concept(LOINC, ...note.type),
      category: [category],
      subject: chart.patient,
      date: note.after % 2 === 0 ? instant(hours(at, 1)) : central(hours(at, 1)),
      author: [chart.practitioner],
      custodian: chart.organization,
      content: [
        {
          attachment: {
            contentType: note.mediaType ?? "text/plain",
            url: `${BASE}/Binary/${chart.idOf(`binary-${note.kind}`)}`,
            title: note.type[1],
          },
          ...(note.mediaType === "application/xml" ? { format: TEXT_FORMAT } : {}),
        },
      ],
      context: {
        encounter: [note.after > 20 ? chart.stay : chart.encounter],
        period: { start: instant(at), end: instant(hours(at, 1)) },
      },
    };
  });
  return [...notes, makeInlineDocument(chart)];
}

/** A document whose text is within the resource, and of a type that nobody knows any more. */
function makeInlineDocument(chart: Chart): JsonObject {
  return {
    resourceType: "DocumentReference",
    id: chart.idOf("document-inline"),
    meta: chart.meta(5, "us-core-documentreference"),
    status: "current",
    type: concept(NULL_FLAVOR, "UNK", "unknown"),
    category: [category],
    subject: chart.patient,
    date: instant(hours(chart.seen, 5)),
    author: [chart.practitioner],
    custodian: chart.organization,
    content: [
      {
        attachment: {
          contentType: "text/plain",
          data: Buffer.from(`A note on patient ${chart.number}.`).toString("base64"),
        },
      },
    ],
    context: { encounter: [chart.encounter], period: { start: "2024-01", end: "2024-06" } },
  };
}

/** What the attachments of documents and reports lead to. */
export function makeBinaries(chart: Chart): JsonObject[] {
  return NOTES.map((note) => ({
    resourceType: "Binary",
    id: chart.idOf(`binary-${note.kind}`),
    meta: chart.meta(24 * note.after + 1),
    contentType: note.mediaType ?? "text/plain",
    securityContext: chart.patient,
    data: Buffer.from(textOf(chart, note)).toString("base64"),
  }));
}
