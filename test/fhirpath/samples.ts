/** Small resources that between them reach most invariants; made for these tests. */
export const samples: readonly Record<string, unknown>[] = [
  {
    resourceType: "Patient",
    id: "p1",
    name: [
      { family: "A", given: ["B"], period: { start: "2019-01-01", end: "2020-01-01" } },
      {
        extension: [
          { url: "http://hl7.org/fhir/StructureDefinition/data-absent-reason", valueCode: "unknown" },
        ],
      },
    ],
    telecom: [{ system: "phone", value: "1" }],
    birthDate: "1970-01-01",
    _birthDate: { extension: [{ url: "http://example.org/time", valueDateTime: "1970-01-01T10:00:00Z" }] },
    contact: [{ name: { text: "C" } }],
    contained: [
      {
        resourceType: "Organization",
        id: "o1",
        name: "O",
        telecom: [{ system: "phone", use: "work", value: "2" }],
      },
    ],
    managingOrganization: { reference: "#o1" },
    text: { status: "generated", div: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>' },
  },
  {
    resourceType: "Observation",
    status: "final",
    code: { coding: [{ system: "http://loinc.org", code: "85354-9" }] },
    effectivePeriod: { start: "2020-01-01T10:00:00Z", end: "2020-01-01T11:00:00+01:00" },
    valueQuantity: { value: 1, unit: "mg", system: "http://unitsofmeasure.org", code: "mg" },
    referenceRange: [{ low: { value: 1, code: "mg" }, high: { value: 2, code: "mg" } }],
    component: [
      {
        code: { coding: [{ system: "http://loinc.org", code: "8480-6" }] },
        valueRange: { low: { value: 1 }, high: { value: 2 } },
      },
      { code: { text: "b" }, dataAbsentReason: { text: "none" } },
      { code: { text: "c" }, valueRatio: { numerator: { value: 1 }, denominator: { value: 2 } } },
    ],
  },
  {
    resourceType: "Observation",
    status: "preliminary",
    code: { text: "d" },
    effectiveDateTime: "2020",
    valueCodeableConcept: {
      coding: [
        { system: "http://snomed.info/sct", code: "1" },
        { system: "http://loinc.org", code: "2" },
      ],
    },
    dataAbsentReason: { text: "e" },
  },
  {
    resourceType: "Bundle",
    type: "document",
    timestamp: "2020-01-01T00:00:00Z",
    identifier: { system: "urn:x", value: "1" },
    entry: [
      {
        fullUrl: "urn:uuid:1",
        resource: {
          resourceType: "Composition",
          status: "final",
          date: "2020",
          title: "t",
          section: [{ title: "s", text: { status: "generated", div: "<div/>" } }],
        },
      },
      {
        fullUrl: "http://e.org/Patient/1/_history/2",
        resource: { resourceType: "Patient", id: "1", meta: { versionId: "2" } },
      },
      {
        fullUrl: "urn:uuid:1",
        resource: { resourceType: "Patient", id: "3" },
        request: { method: "POST", url: "Patient" },
      },
    ],
  },
  {
    resourceType: "Bundle",
    type: "searchset",
    total: 1,
    entry: [{ search: { mode: "match" }, resource: { resourceType: "Patient" } }],
  },
  {
    resourceType: "Practitioner",
    identifier: [
      { system: "http://hl7.org/fhir/sid/us-npi", value: "9941339100" },
      { system: "http://hl7.org/fhir/sid/us-npi", value: "9941339108" },
      { value: "12D1234567" },
    ],
    name: [{ family: "F" }],
  },
  {
    resourceType: "Organization",
    identifier: [{ value: "1234567890" }, { value: "123" }, { system: "urn:clia", value: "12D1234567" }],
    telecom: [{ system: "email", use: "home", value: "h" }],
    address: [{ use: "home" }],
  },
  {
    resourceType: "QuestionnaireResponse",
    status: "completed",
    item: [
      {
        linkId: "1",
        answer: [{ valueString: "x", item: [{ linkId: "2", answer: [{ valueBoolean: true }] }] }],
      },
      { linkId: "1", item: [{ linkId: "3", answer: [{ valueInteger: 3 }] }] },
    ],
  },
  {
    resourceType: "Questionnaire",
    status: "draft",
    name: "Not a name",
    item: [
      {
        linkId: "1",
        type: "group",
        item: [{ linkId: "2", type: "choice", answerOption: [{ valueString: "x" }] }],
      },
      { linkId: "2", type: "display", code: [{ code: "x" }], required: true },
      {
        linkId: "4",
        type: "string",
        maxLength: 3,
        enableWhen: [
          { question: "1", operator: "exists", answerBoolean: true },
          { question: "2", operator: "=", answerString: "y" },
        ],
      },
    ],
  },
  {
    resourceType: "MedicationRequest",
    status: "active",
    intent: "order",
    subject: { reference: "Patient/1" },
    medicationCodeableConcept: { text: "m" },
    dosageInstruction: [
      {
        timing: {
          repeat: {
            boundsPeriod: { start: "2020-05", end: "2020-05-02" },
            period: 1,
            periodUnit: "d",
            offset: 3,
            when: ["C", "ACM"],
            timeOfDay: ["10:00:00"],
            duration: -1,
          },
        },
        doseAndRate: [{ doseQuantity: { value: 1 } }],
        maxDosePerPeriod: { numerator: { value: 1 }, denominator: { value: 1 } },
      },
    ],
  },
  {
    resourceType: "DiagnosticReport",
    status: "final",
    code: { text: "x" },
    issued: "2020-01-01T00:00:00Z",
    presentedForm: [{ data: "eA==" }],
  },
  {
    resourceType: "Condition",
    clinicalStatus: {
      coding: [{ system: "http://terminology.hl7.org/CodeSystem/condition-clinical", code: "active" }],
    },
    verificationStatus: {
      coding: [
        { system: "http://terminology.hl7.org/CodeSystem/condition-ver-status", code: "entered-in-error" },
      ],
    },
    abatementAge: { value: 3, code: "a", system: "http://unitsofmeasure.org" },
    onsetRange: { low: { value: 3, code: "a" }, high: { value: 2, code: "a" } },
    category: [{ coding: [{ code: "problem-list-item" }] }],
    stage: [{ type: { text: "x" } }],
    subject: { display: "x" },
  },
  {
    resourceType: "StructureDefinition",
    url: "http://hl7.org/fhir/StructureDefinition/x",
    name: "X",
    status: "draft",
    kind: "resource",
    abstract: false,
    type: "Patient",
    derivation: "constraint",
    baseDefinition: "http://hl7.org/fhir/StructureDefinition/Patient",
    snapshot: {
      element: [
        { id: "Patient", path: "Patient", definition: "d", min: 0, max: "*", base: { path: "Patient" } },
        {
          id: "Patient.name",
          path: "Patient.name",
          definition: "d",
          min: 0,
          max: "1",
          type: [{ code: "HumanName" }],
        },
      ],
    },
    differential: {
      element: [
        { id: "Patient", path: "Patient" },
        {
          id: "Patient.name",
          path: "Patient.name",
          min: 1,
          sliceName: "a/b",
          binding: { strength: "required" },
          type: [{ code: "code" }, { code: "http://hl7.org/fhirpath/System.String" }],
        },
      ],
    },
  },
  {
    resourceType: "ValueSet",
    status: "active",
    name: "Good",
    compose: {
      include: [
        { concept: [{ code: "x" }] },
        { system: "urn:x", filter: [{ property: "p", op: "=", value: "v" }] },
      ],
    },
    expansion: { timestamp: "2020", contains: [{ code: "x" }, { display: "y" }, {}] },
  },
  {
    resourceType: "CodeSystem",
    status: "active",
    content: "complete",
    concept: [{ code: "a", concept: [{ code: "b" }] }, { code: "b" }],
  },
  {
    resourceType: "Provenance",
    recorded: "2020-01-01T00:00:00Z",
    target: [{ reference: "Patient/1" }],
    agent: [{ who: { reference: "#x" } }],
    contained: [{ resourceType: "Practitioner", id: "x" }],
  },
  {
    resourceType: "RiskAssessment",
    status: "final",
    prediction: [
      { probabilityDecimal: 101 },
      { probabilityRange: { low: { value: 1, code: "%", system: "http://unitsofmeasure.org" } } },
      { outcome: { text: "x" } },
    ],
  },
  {
    resourceType: "PractitionerRole",
    practitioner: { reference: "Practitioner/1" },
    telecom: [{ value: "1" }, { system: "phone", value: "2" }],
  },
  {
    resourceType: "MedicationDispense",
    status: "completed",
    whenPrepared: "2020-01-02T10:00:00Z",
    whenHandedOver: "2020-01-02T09:00:00-05:00",
  },
  {
    resourceType: "ImplementationGuide",
    name: "Guide",
    fhirVersion: ["4.0.1"],
    definition: {
      resource: [{ reference: { reference: "x" }, groupingId: "g" }, { groupingId: "h" }],
      grouping: [{ id: "g", name: "G" }],
    },
  },
  {
    resourceType: "Parameters",
    parameter: [
      { name: "a", valueString: "x" },
      { name: "b", resource: { resourceType: "Patient" } },
      { name: "c" },
      { name: "d", part: [{ name: "e", valueBoolean: false }] },
    ],
  },
];
