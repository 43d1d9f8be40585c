import type { JsonObject } from "../json.ts";
import type { Chart } from "./chart.ts";
import { category, observation } from "./observation.ts";
import { absence, central, coding, concept, day, days, LOINC, quantity } from "./terms.ts";

interface VitalSign {
  readonly kind: string;
  readonly profile: string;
  readonly code: string;
  readonly display: string;
  /** In tenths of the unit. */
  readonly low: number;
  readonly high: number;
  readonly unit: string;
  readonly ucum: string;
  /** Age in years at which it was taken; otherwise it was taken at the visit. */
  readonly age?: number;
}

const VITAL_SIGNS: readonly VitalSign[] = [
  {
    kind: "heart-rate",
    profile: "us-core-heart-rate",
    code: "8867-4",
    display: "Heart rate",
    low: 550,
    high: 1100,
    unit: "beats/minute",
    ucum: "/min",
  },
  {
    kind: "respiratory-rate",
    profile: "us-core-respiratory-rate",
    code: "9279-1",
    display: "Respiratory rate",
    low: 120,
    high: 200,
    unit: "breaths/minute",
    ucum: "/min",
  },
  {
    kind: "body-temperature",
    profile: "us-core-body-temperature",
    code: "8310-5",
    display: "Body temperature",
    low: 361,
    high: 384,
    unit: "C",
    ucum: "Cel",
  },
  {
    kind: "body-height",
    profile: "us-core-body-height",
    code: "8302-2",
    display: "Body height",
    low: 1500,
    high: 1950,
    unit: "cm",
    ucum: "cm",
  },
  {
    kind: "body-weight",
    profile: "us-core-body-weight",
    code: "29463-7",
    display: "Body weight",
    low: 450,
    high: 1100,
    unit: "kg",
    ucum: "kg",
  },
  {
    kind: "bmi",
    profile: "us-core-bmi",
    code: "39156-5",
    display: "Body mass index (BMI) [Ratio]",
    low: 180,
    high: 350,
    unit: "kg/m2",
    ucum: "kg/m2",
  },
  {
    kind: "mean-blood-pressure",
    profile: "us-core-vital-signs",
    code: "8478-0",
    display: "Mean blood pressure",
    low: 700,
    high: 1000,
    unit: "mmHg",
    ucum: "mm[Hg]",
  },
  {
    kind: "head-circumference",
    profile: "us-core-head-circumference",
    code: "9843-4",
    display: "Head Occipital-frontal circumference",
    low: 400,
    high: 480,
    unit: "cm",
    ucum: "cm",
    age: 1,
  },
  {
    kind: "head-percentile",
    profile: "head-occipital-frontal-circumference-percentile",
    code: "8289-1",
    display: "Head Occipital-frontal circumference Percentile",
    low: 30,
    high: 970,
    unit: "%",
    ucum: "%",
    age: 1,
  },
  {
    kind: "weight-for-height",
    profile: "pediatric-weight-for-height",
    code: "77606-2",
    display: "Weight-for-length Per age and sex",
    low: 30,
    high: 970,
    unit: "%",
    ucum: "%",
    age: 2,
  },
  {
    kind: "bmi-for-age",
    profile: "pediatric-bmi-for-age",
    code: "59576-9",
    display: "Body mass index (BMI) [Percentile] Per age and sex",
    low: 30,
    high: 970,
    unit: "%",
    ucum: "%",
    age: 6,
  },
];

// How sure a measurement is: a component that any vital sign may have, and one that nobody took.
const RELIABILITY = { text: "Reliability of the measurement" };
const VARIATION = { text: "Variation between measurements" };
const NOT_PERFORMED = absence("not-performed", "Not Performed");

const confidence = (): JsonObject[] => [
  { code: RELIABILITY, valueQuantity: quantity(95, "%", "%") },
  { code: VARIATION, dataAbsentReason: NOT_PERFORMED },
];

function measured(chart: Chart, sign: VitalSign): JsonObject[] {
  const random = chart.random(sign.kind);
  const at = sign.age === undefined ? chart.seen : days(chart.born, 365 * sign.age + 20);
  const shared = {
    profiles: [sign.profile],
    categories: [category("vital-signs")],
    code: concept(LOINC, sign.code, sign.display),
  };
  return [
    observation(chart, sign.kind, {
      ...shared,
      ...(sign.age === undefined ? {} : { effective: { effectiveDateTime: day(at) } }),
      value: { valueQuantity: quantity(random.between(sign.low, sign.high) / 10, sign.unit, sign.ucum) },
      further: { component: confidence() },
    }),
    observation(chart, `no-${sign.kind}`, {
      ...shared,
      status: chart.number % 2 === 0 ? "final" : "amended",
      effective: { effectiveDateTime: central(days(at, 1)) },
      dataAbsentReason: NOT_PERFORMED,
    }),
  ];
}

function bloodPressures(chart: Chart): JsonObject[] {
  const random = chart.random("blood-pressure");
  const shared = {
    profiles: ["us-core-blood-pressure"],
    categories: [category("vital-signs")],
    code: concept(LOINC, "85354-9", "Blood pressure panel with all children optional"),
  };
  const systolic = concept(LOINC, "8480-6", "Systolic blood pressure");
  const diastolic = concept(LOINC, "8462-4", "Diastolic blood pressure");
  return [
    observation(chart, "blood-pressure", {
      ...shared,
      further: {
        component: [
          { code: systolic, valueQuantity: quantity(random.between(95, 160), "mmHg", "mm[Hg]") },
          { code: diastolic, valueQuantity: quantity(random.between(55, 95), "mmHg", "mm[Hg]") },
        ],
      },
    }),
    observation(chart, "no-blood-pressure", {
      ...shared,
      effective: { effectivePeriod: { start: day(days(chart.seen, 3)), end: day(days(chart.seen, 4)) } },
      dataAbsentReason: NOT_PERFORMED,
      further: {
        component: [
          { code: systolic, dataAbsentReason: NOT_PERFORMED },
          { code: diastolic, dataAbsentReason: absence("unknown", "Unknown") },
        ],
      },
    }),
  ];
}

function pulseOximetry(chart: Chart): JsonObject[] {
  const random = chart.random("pulse-oximetry");
  const shared = {
    profiles: ["us-core-pulse-oximetry"],
    categories: [category("vital-signs")],
    code: {
      coding: [
        coding(LOINC, "2708-6", "Oxygen saturation in Arterial blood"),
        coding(LOINC, "59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
      ],
      text: "Oxygen saturation by pulse oximetry",
    },
  };
  const flow = concept(LOINC, "3151-8", "Inhaled oxygen flow rate");
  const concentration = concept(LOINC, "3150-0", "Inhaled oxygen concentration");
  return [
    observation(chart, "pulse-oximetry", {
      ...shared,
      value: { valueQuantity: quantity(random.between(92, 100), "%", "%") },
      further: {
        component: [
          { code: flow, valueQuantity: quantity(random.between(10, 60) / 10, "liters/min", "L/min") },
          { code: concentration, valueQuantity: quantity(random.between(24, 40), "%", "%") },
        ],
      },
    }),
    observation(chart, "no-pulse-oximetry", {
      ...shared,
      effective: { effectiveDateTime: central(days(chart.seen, 2)) },
      dataAbsentReason: NOT_PERFORMED,
      further: {
        component: [
          { code: flow, dataAbsentReason: NOT_PERFORMED },
          { code: concentration, dataAbsentReason: NOT_PERFORMED },
        ],
      },
    }),
  ];
}

/** Each vital sign of US Core, as it was measured and as it was not; those of childhood date from then. */
export function makeVitalSigns(chart: Chart): JsonObject[] {
  return [
    ...VITAL_SIGNS.flatMap((sign) => measured(chart, sign)),
    ...bloodPressures(chart),
    ...pulseOximetry(chart),
  ];
}
