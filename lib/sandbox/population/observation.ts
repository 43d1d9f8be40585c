import type { JsonObject } from "../json.ts";
import type { Chart } from "./chart.ts";
import { concept, instant, TERMINOLOGY } from "./terms.ts";

/** What an observation says beside its patient; left out is what most of them say. */
export interface ObservationContent {
  readonly profiles: readonly string[];
  readonly categories: readonly JsonObject[];
  readonly code: JsonObject;
  readonly status?: string;
  readonly effective?: JsonObject;
  /** `valueQuantity` or any other choice; nothing where there is no value. */
  readonly value?: JsonObject;
  readonly dataAbsentReason?: JsonObject;
  /** What stands behind the value in the definition, in its order. */
  readonly further?: JsonObject;
}

const CATEGORIES = {
  "vital-signs": "Vital Signs",
  laboratory: "Laboratory",
  exam: "Exam",
  imaging: "Imaging",
  procedure: "Procedure",
  survey: "Survey",
  "social-history": "Social History",
} as const;

/** One of the categories that FHIR itself has for observations. */
export function category(code: keyof typeof CATEGORIES): JsonObject {
  return concept(`${TERMINOLOGY}/observation-category`, code, CATEGORIES[code]);
}

export function observation(chart: Chart, kind: string, content: ObservationContent): JsonObject {
  const { dataAbsentReason } = content;
  return {
    resourceType: "Observation",
    id: chart.idOf(`observation-${kind}`),
    meta: chart.meta(2, ...content.profiles),
    status: content.status ?? "final",
    category: [...content.categories],
    code: content.code,
    subject: chart.patient,
    encounter: chart.encounter,
    ...(content.effective ?? { effectiveDateTime: instant(chart.seen) }),
    issued: instant(chart.seen),
    performer: [chart.practitioner],
    ...content.value,
    ...(dataAbsentReason === undefined ? {} : { dataAbsentReason }),
    ...content.further,
  };
}
