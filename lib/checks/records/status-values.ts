/**
 * The parameters that stand for a resource's status, with every value of their required binding (FHIR R4). A server
 * may insist on one (US Core 6.1.0, general requirements, "search for servers requiring status"); asking for all of
 * them asks for everything.
 */
export const STATUS_VALUES: Readonly<
  Record<string, { readonly parameter: string; readonly values: readonly string[] }>
> = {
  AllergyIntolerance: { parameter: "clinical-status", values: ["active", "inactive", "resolved"] },
  CarePlan: {
    parameter: "status",
    values: ["draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"],
  },
  CareTeam: {
    parameter: "status",
    values: ["proposed", "active", "suspended", "inactive", "entered-in-error"],
  },
  Condition: {
    parameter: "clinical-status",
    values: ["active", "recurrence", "relapse", "inactive", "remission", "resolved"],
  },
  Device: { parameter: "status", values: ["active", "inactive", "entered-in-error", "unknown"] },
  DiagnosticReport: {
    parameter: "status",
    values: [
      "registered",
      "partial",
      "preliminary",
      "final",
      "amended",
      "corrected",
      "appended",
      "cancelled",
      "entered-in-error",
      "unknown",
    ],
  },
  DocumentReference: { parameter: "status", values: ["current", "superseded", "entered-in-error"] },
  Encounter: {
    parameter: "status",
    values: [
      "planned",
      "arrived",
      "triaged",
      "in-progress",
      "onleave",
      "finished",
      "cancelled",
      "entered-in-error",
      "unknown",
    ],
  },
  Goal: {
    parameter: "lifecycle-status",
    values: [
      "proposed",
      "planned",
      "accepted",
      "active",
      "on-hold",
      "completed",
      "cancelled",
      "entered-in-error",
      "rejected",
    ],
  },
  Immunization: { parameter: "status", values: ["completed", "entered-in-error", "not-done"] },
  MedicationDispense: {
    parameter: "status",
    values: [
      "preparation",
      "in-progress",
      "cancelled",
      "on-hold",
      "completed",
      "entered-in-error",
      "stopped",
      "declined",
      "unknown",
    ],
  },
  MedicationRequest: {
    parameter: "status",
    values: [
      "active",
      "on-hold",
      "cancelled",
      "completed",
      "entered-in-error",
      "stopped",
      "draft",
      "unknown",
    ],
  },
  Observation: {
    parameter: "status",
    values: [
      "registered",
      "preliminary",
      "final",
      "amended",
      "corrected",
      "cancelled",
      "entered-in-error",
      "unknown",
    ],
  },
  Procedure: {
    parameter: "status",
    values: [
      "preparation",
      "in-progress",
      "not-done",
      "on-hold",
      "stopped",
      "completed",
      "entered-in-error",
      "unknown",
    ],
  },
  QuestionnaireResponse: {
    parameter: "status",
    values: ["in-progress", "completed", "amended", "entered-in-error", "stopped"],
  },
  ServiceRequest: {
    parameter: "status",
    values: ["draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"],
  },
};

/** Values to ask for where a type's resources can only be had by a further parameter. */
export const FURTHER_VALUES: Readonly<
  Record<string, { readonly parameter: string; readonly values: readonly string[] }>
> = {
  CarePlan: { parameter: "category", values: ["assess-plan"] },
  CareTeam: STATUS_VALUES["CareTeam"] ?? { parameter: "status", values: [] },
  Condition: {
    parameter: "category",
    values: ["problem-list-item", "encounter-diagnosis", "health-concern"],
  },
  DiagnosticReport: { parameter: "category", values: ["LAB", "LP29684-5", "LP29708-2", "LP7839-6"] },
  DocumentReference: { parameter: "category", values: ["clinical-note"] },
  MedicationRequest: {
    parameter: "intent",
    values: [
      "proposal",
      "plan",
      "order",
      "original-order",
      "reflex-order",
      "filler-order",
      "instance-order",
      "option",
    ],
  },
  Observation: {
    parameter: "category",
    values: [
      "vital-signs",
      "laboratory",
      "social-history",
      "survey",
      "exam",
      "imaging",
      "procedure",
      "therapy",
      "activity",
      "sdoh",
      "functional-status",
      "cognitive-status",
      "disability-status",
    ],
  },
  ServiceRequest: {
    parameter: "category",
    values: [
      "386053000",
      "363679005",
      "387713003",
      "108252007",
      "409063005",
      "410606002",
      "409073007",
      "sdoh",
    ],
  },
};
