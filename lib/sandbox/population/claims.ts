import type { JsonObject } from "../json.ts";
import type { Chart } from "./chart.ts";
import { concept, day, days, instant, reference, TERMINOLOGY } from "./terms.ts";

const payer = (chart: Chart) => reference(`Organization/${chart.tenant.id}-organization-payer`);

export function makeCoverages(chart: Chart): JsonObject[] {
  const coverage = (kind: string, status: string, relationship: string, period: JsonObject): JsonObject => ({
    resourceType: "Coverage",
    id: chart.idOf(kind),
    meta: chart.meta(3, "us-core-coverage"),
    identifier: [
      {
        type: concept(`${TERMINOLOGY}/v2-0203`, "MB", "Member Number"),
        system: "https://payer.example/members",
        value: `M${chart.number}`,
      },
    ],
    status,
    type: concept("https://nahdo.org/sopt", "5", "PRIVATE HEALTH INSURANCE"),
    subscriberId: `S${chart.number}`,
    beneficiary: chart.patient,
    relationship: concept(
      `${TERMINOLOGY}/subscriber-relationship`,
      relationship,
      relationship === "self" ? "Self" : "Spouse",
    ),
    period,
    payor: [payer(chart)],
    class: [
      { type: concept(`${TERMINOLOGY}/coverage-class`, "group", "Group"), value: "G100", name: "Employees" },
      {
        type: concept(`${TERMINOLOGY}/coverage-class`, "plan", "Plan"),
        value: "P200",
        name: "Community plan",
      },
    ],
  });
  return [
    coverage("coverage", "active", "self", { start: "2025-01-01", end: "2026-12-31" }),
    coverage("coverage-past", "cancelled", "spouse", { start: "2020-01-01", end: "2024-12-31" }),
  ];
}

/** Claims as the payer has settled them. */
export function makeExplanationsOfBenefit(chart: Chart): JsonObject[] {
  const explanation = (kind: string, type: string, display: string, at: Date): JsonObject => ({
    resourceType: "ExplanationOfBenefit",
    id: chart.idOf(kind),
    meta: chart.meta(24 * 30),
    identifier: [{ system: "https://payer.example/claims", value: `${kind.toUpperCase()}-${chart.number}` }],
    status: "active",
    type: concept(`${TERMINOLOGY}/claim-type`, type, display),
    use: "claim",
    patient: chart.patient,
    billablePeriod: { start: day(at), end: day(at) },
    created: instant(days(at, 7)),
    insurer: payer(chart),
    provider: chart.organization,
    outcome: "complete",
    insurance: [{ focal: true, coverage: chart.to("Coverage", "coverage") }],
    item: [
      {
        sequence: 1,
        productOrService: concept("http://www.ama-assn.org/go/cpt", "90834", "Psychotherapy, 45 minutes"),
        servicedDate: day(at),
        adjudication: [
          {
            category: concept(`${TERMINOLOGY}/adjudication`, "benefit", "Benefit Amount"),
            amount: { value: 84, currency: "USD" },
          },
        ],
      },
    ],
    total: [
      {
        category: concept(`${TERMINOLOGY}/adjudication`, "submitted", "Submitted Amount"),
        amount: { value: 120, currency: "USD" },
      },
    ],
    payment: { amount: { value: 84, currency: "USD" } },
  });
  return [
    explanation("eob", "professional", "Professional", chart.seen),
    explanation("eob-stay", "institutional", "Institutional", chart.admitted),
  ];
}
