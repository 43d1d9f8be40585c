import type { JsonObject } from "../json.ts";
import { hasDied, type Chart } from "./chart.ts";
import { central, concept, day, days, hours, instant, reference, SNOMED, TERMINOLOGY } from "./terms.ts";

const DISCHARGE = "http://www.nubc.org/patient-discharge";

function participant(chart: Chart, start: Date, end: Date): JsonObject {
  return {
    type: [concept(`${TERMINOLOGY}/v3-ParticipationType`, "PPRF", "primary performer")],
    period: { start: instant(start), end: instant(end) },
    individual: chart.practitioner,
  };
}

/** A visit, the stay in hospital that followed it, and one that was only planned. */
export function makeEncounters(chart: Chart): JsonObject[] {
  const { tenant, number, seen, admitted, organization } = chart;
  const identifier = (kind: string) => [
    { system: `https://${tenant.id}.example/encounters`, value: `${kind}${number}` },
  ];
  const location = (at: 1 | 2) => [{ location: reference(`Location/${tenant.id}-location-${at}`) }];
  const released = days(admitted, 5);
  // Who died has left the hospital.
  const isThere = number % 4 === 0 && !hasDied(number);
  const type =
    number % 9 === 0
      ? concept(SNOMED, "261665006", "Unknown (qualifier value)")
      : concept(SNOMED, "185349003", "Encounter for check up (procedure)");
  return [
    {
      resourceType: "Encounter",
      id: chart.idOf("encounter"),
      meta: chart.meta(2, "us-core-encounter"),
      identifier: identifier("E"),
      status: "finished",
      class: { system: `${TERMINOLOGY}/v3-ActCode`, code: "AMB", display: "ambulatory" },
      type: [type],
      subject: chart.patient,
      participant: [participant(chart, seen, hours(seen, 1))],
      period: { start: instant(seen), end: instant(hours(seen, 1)) },
      reasonCode: [concept(SNOMED, "35489007", "Depressive disorder (disorder)")],
      reasonReference: [
        chart.to("Condition", "condition-problem"),
        chart.to("Condition", "condition-encounter"),
      ],
      hospitalization: { dischargeDisposition: concept(DISCHARGE, "01", "Discharged to Home") },
      location: location(1),
      serviceProvider: organization,
    },
    {
      resourceType: "Encounter",
      id: chart.idOf("encounter-stay"),
      meta: chart.meta(24 * 70, "us-core-encounter"),
      identifier: identifier("S"),
      status: isThere ? "in-progress" : "finished",
      class: { system: `${TERMINOLOGY}/v3-ActCode`, code: "IMP", display: "inpatient encounter" },
      type: [concept(SNOMED, "183452005", "Emergency hospital admission (procedure)")],
      subject: chart.patient,
      participant: [participant(chart, admitted, released)],
      period: isThere ? { start: central(admitted) } : { start: central(admitted), end: central(released) },
      reasonCode: [concept(SNOMED, "38341003", "Hypertensive disorder, systemic arterial (disorder)")],
      hospitalization: { dischargeDisposition: concept(DISCHARGE, "06", "Discharged to home care") },
      location: location(2),
      serviceProvider: organization,
    },
    {
      resourceType: "Encounter",
      id: chart.idOf("encounter-planned"),
      meta: chart.meta(24 * 71, "us-core-encounter"),
      identifier: identifier("P"),
      status: "planned",
      class: { system: `${TERMINOLOGY}/v3-ActCode`, code: "VR", display: "virtual" },
      type: [concept(SNOMED, "448337001", "Telemedicine consultation with patient (procedure)")],
      subject: chart.patient,
      period: { start: day(days(admitted, 30)) },
      serviceProvider: organization,
    },
  ];
}
