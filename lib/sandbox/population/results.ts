import type { JsonObject } from "../json.ts";
import type { Chart } from "./chart.ts";
import { category, observation } from "./observation.ts";
import {
  absence,
  BASE,
  central,
  concept,
  day,
  days,
  hours,
  instant,
  LOINC,
  quantity,
  reference,
  SNOMED,
  TERMINOLOGY,
} from "./terms.ts";

// What a laboratory, an examination or a machine found.

const interpretation = (code: string, display: string) => [
  concept(`${TERMINOLOGY}/v3-ObservationInterpretation`, code, display),
];

export function makeLaboratoryResults(chart: Chart): JsonObject[] {
  const { seen } = chart;
  const random = chart.random("laboratory");
  const shared = { profiles: ["us-core-observation-lab"], categories: [category("laboratory")] };
  const blood = chart.to("Specimen", "specimen-blood");
  const urine = chart.to("Specimen", "specimen-urine");
  return [
    observation(chart, "glucose", {
      ...shared,
      code: concept(LOINC, "2339-0", "Glucose [Mass/volume] in Blood"),
      value: { valueQuantity: quantity(random.between(70, 180), "mg/dL", "mg/dL") },
      further: {
        interpretation: interpretation("N", "Normal"),
        specimen: blood,
        referenceRange: [{ low: quantity(70, "mg/dL", "mg/dL"), high: quantity(140, "mg/dL", "mg/dL") }],
      },
    }),
    observation(chart, "hemoglobin", {
      ...shared,
      status: "corrected",
      code: concept(LOINC, "718-7", "Hemoglobin [Mass/volume] in Blood"),
      effective: { effectiveDateTime: central(days(seen, 40)) },
      value: { valueQuantity: quantity(random.between(100, 170) / 10, "g/dL", "g/dL") },
      further: { interpretation: interpretation("N", "Normal"), specimen: blood },
    }),
    observation(chart, "urobilinogen", {
      ...shared,
      status: "preliminary",
      code: concept(LOINC, "20405-7", "Urobilinogen [Mass/volume] in Urine by Test strip"),
      effective: { effectiveDateTime: day(days(seen, 41)) },
      value: { valueCodeableConcept: concept(LOINC, "LA11841-6", "1+") },
      further: { specimen: urine },
    }),
    observation(chart, "urine-color", {
      ...shared,
      code: concept(LOINC, "5778-6", "Color of Urine"),
      effective: { effectiveDateTime: instant(days(seen, 41)) },
      value: { valueString: random.pick(["Yellow", "Amber", "Straw"]) },
      further: { specimen: urine },
    }),
    observation(chart, "creatinine", {
      ...shared,
      status: "cancelled",
      code: concept(LOINC, "2160-0", "Creatinine [Mass/volume] in Serum or Plasma"),
      effective: { effectiveDateTime: day(days(seen, 80)) },
      dataAbsentReason: absence("unknown", "Unknown"),
      further: { specimen: blood },
    }),
  ];
}

export function makeClinicalResults(chart: Chart): JsonObject[] {
  const random = chart.random("clinical-result");
  const profiles = ["us-core-observation-clinical-result"];
  return [
    observation(chart, "qt-interval", {
      profiles,
      categories: [category("procedure")],
      code: concept(LOINC, "44975-1", "Q-T interval {EKG lead}"),
      value: { valueQuantity: quantity(random.between(350, 450), "ms", "ms") },
    }),
    observation(chart, "jugular-vein", {
      profiles,
      categories: [category("exam")],
      code: concept(LOINC, "69428-1", "Jugular vein distension"),
      value: { valueCodeableConcept: concept(LOINC, "LA9634-2", "Absent") },
    }),
    observation(chart, "imaging-impression", {
      profiles,
      categories: [category("imaging")],
      code: concept(LOINC, "19005-8", "Radiology Imaging study [Impression] (narrative)"),
      effective: { effectiveDateTime: central(days(chart.seen, 9)) },
      value: { valueString: "Nothing unusual is seen." },
    }),
    observation(chart, "capillary-refill", {
      profiles,
      status: "unknown",
      categories: [category("exam")],
      code: concept(LOINC, "44963-7", "Capillary refill Time Nail Bed"),
      dataAbsentReason: absence("not-performed", "Not Performed"),
    }),
  ];
}

export function makeSpecimens(chart: Chart): JsonObject[] {
  const specimen = (kind: string, type: JsonObject, at: Date): JsonObject => ({
    resourceType: "Specimen",
    id: chart.idOf(kind),
    meta: chart.meta(2, "us-core-specimen"),
    accessionIdentifier: {
      system: `https://${chart.tenant.id}.example/accessions`,
      value: `${kind.slice(9, 10).toUpperCase()}${chart.number}`,
    },
    status: "available",
    type,
    subject: chart.patient,
    collection: { collectedDateTime: instant(at) },
  });
  return [
    specimen("specimen-blood", concept(SNOMED, "119297000", "Blood specimen (specimen)"), chart.seen),
    specimen(
      "specimen-urine",
      concept(SNOMED, "122575003", "Urine specimen (specimen)"),
      days(chart.seen, 41),
    ),
  ];
}

interface TextReport {
  readonly kind: string;
  readonly category: readonly [string, string];
  readonly code: readonly [string, string];
  /** Days after the visit. */
  readonly after: number;
  readonly status: string;
}

const REPORTS: readonly TextReport[] = [
  {
    kind: "cardiology",
    category: ["LP29708-2", "Cardiology"],
    code: ["45033-8", "Cardiovascular physiologic and EKG assessment panel"],
    after: 9,
    status: "final",
  },
  {
    kind: "radiology",
    category: ["LP29684-5", "Radiology"],
    code: ["18748-4", "Diagnostic imaging study"],
    after: 10,
    status: "amended",
  },
  {
    kind: "pathology",
    category: ["LP7839-6", "Pathology"],
    code: ["11526-1", "Pathology study"],
    after: 42,
    status: "preliminary",
  },
];

/** The laboratory's reports, and those with a text: whose attachments are documents of the record, too. */
export function makeReports(chart: Chart): JsonObject[] {
  const { seen } = chart;
  const performers = [chart.practitioner, chart.organization];
  const laboratory = (
    kind: string,
    code: JsonObject,
    at: Date,
    status: string,
    result: JsonObject[],
  ): JsonObject => ({
    resourceType: "DiagnosticReport",
    id: chart.idOf(kind),
    meta: chart.meta(24 * 43, "us-core-diagnosticreport-lab"),
    status,
    category: [concept(`${TERMINOLOGY}/v2-0074`, "LAB", "Laboratory")],
    code,
    subject: chart.patient,
    encounter: chart.encounter,
    effectiveDateTime: status === "final" ? instant(at) : day(at),
    issued: instant(hours(at, 5)),
    performer: performers,
    result,
  });
  return [
    laboratory(
      "report-blood",
      concept(LOINC, "58410-2", "CBC panel - Blood by Automated count"),
      days(seen, 40),
      "final",
      [chart.to("Observation", "observation-hemoglobin"), chart.to("Observation", "observation-glucose")],
    ),
    laboratory(
      "report-metabolic",
      concept(LOINC, "24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma"),
      days(seen, 80),
      "partial",
      [reference(`${BASE}/Observation/${chart.idOf("observation-creatinine")}`)],
    ),
    ...REPORTS.map(
      (report): JsonObject => ({
        resourceType: "DiagnosticReport",
        id: chart.idOf(`report-${report.kind}`),
        meta: chart.meta(24 * 43, "us-core-diagnosticreport-note"),
        status: report.status,
        category: [concept(LOINC, ...report.category)],
        code: concept(LOINC, ...report.code),
        subject: chart.patient,
        encounter: chart.encounter,
        effectiveDateTime: central(days(seen, report.after)),
        issued: instant(hours(days(seen, report.after), 4)),
        performer: performers,
        result: [
          chart.to("Observation", "observation-glucose"),
          chart.to("Observation", "observation-qt-interval"),
        ],
        media: [{ link: chart.to("Media", "media") }],
        presentedForm: [
          {
            contentType: report.kind === "pathology" ? "application/pdf" : "text/plain",
            url: `${BASE}/Binary/${chart.idOf(`binary-${report.kind}`)}`,
            title: report.code[1],
          },
        ],
      }),
    ),
  ];
}

// One transparent pixel.
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

export function makeMedia(chart: Chart): JsonObject[] {
  return [
    {
      resourceType: "Media",
      id: chart.idOf("media"),
      meta: chart.meta(24 * 9),
      status: "completed",
      type: concept(`${TERMINOLOGY}/media-type`, "image", "Image"),
      subject: chart.patient,
      createdDateTime: day(days(chart.seen, 9)),
      content: { contentType: "image/png", data: PIXEL },
    },
  ];
}
