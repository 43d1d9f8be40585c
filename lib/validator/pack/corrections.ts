/**
 * Errata: definitions that are wrong as published in R4 4.0.1 or US Core, with the later official publication that
 * mends them. A correction applies only where the published text is exactly the defective one.
 */
export interface ExpressionCorrection {
  /** Constraint key, or absent where one rule is published under many keys. */
  readonly key?: string;
  readonly published: string;
  readonly corrected: string;
  /** Where the corrected text is published. */
  readonly source: string;
}

export const expressionCorrections: readonly ExpressionCorrection[] = [
  {
    // Empty, hence false, on a Reference with neither `reference` nor `#`.
    key: "ref-1",
    published:
      "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))",
    corrected:
      "reference.exists() implies (reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids')) or (reference='#' and %rootResource!=%resource))",
    source: "FHIR R5 Reference, ref-1",
  },
  {
    // `as(canonical)` stands twice where the second should be `as(uri)`, and '#'+id with no id is empty.
    key: "dom-3",
    published:
      "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()",
    corrected:
      "contained.where(((id.exists() and ('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url)))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(uri) = '#').exists()).not()).trace('unmatched', id).empty()",
    source: "FHIR R4B DomainResource, dom-3",
  },
  {
    // Contained resources should have no narrative of their own.
    key: "dom-6",
    published: "text.`div`.exists()",
    corrected: "(%rootResource != $this) or text.`div`.exists()",
    source: "FHIR R4 references.html#contained",
  },
  {
    // Tests against System.Boolean, which no FHIR boolean is.
    key: "que-7",
    published: "operator = 'exists' implies (answer is Boolean)",
    corrected: "operator = 'exists' implies (answer is boolean)",
    source: "FHIR R4B Questionnaire, que-7",
  },
  {
    // The rule is about more than one enableWhen; the expression counts from three.
    key: "que-12",
    published: "enableWhen.count() > 2 implies enableBehavior.exists()",
    corrected: "enableWhen.count() > 1 implies enableBehavior.exists()",
    source: "FHIR R4B Questionnaire, que-12",
  },
  {
    key: "bdl-8",
    published: "fullUrl.contains('/_history/').not()",
    corrected: "fullUrl.exists() implies fullUrl.contains('/_history/').not()",
    source: "FHIR R4B Bundle, bdl-8",
  },
  {
    key: "ras-2",
    published: "probability is decimal implies (probability as decimal) <= 100",
    corrected:
      "(probability.exists() and (probability is decimal)) implies ((probability as decimal) <= 100)",
    source: "FHIR R4B RiskAssessment, ras-2",
  },
  {
    // `when` repeats, `in` takes one item.
    key: "tim-9",
    published: "offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))",
    corrected:
      "offset.empty() or (when.exists() and when.select($this in ('C' | 'CM' | 'CD' | 'CV')).allFalse())",
    source: "FHIR R5 Timing, tim-9",
  },
  {
    // Compares a CodeableConcept with a string.
    key: "con-3",
    published:
      "clinicalStatus.exists() or verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code = 'entered-in-error').exists() or category.select($this='problem-list-item').empty()",
    corrected:
      "verificationStatus.empty().not() and verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code='entered-in-error').exists().not() and category.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-category' and code='problem-list-item').exists() implies clinicalStatus.empty().not()",
    source: "FHIR R4B Condition, con-3",
  },
  {
    // Empty, hence false, where there is no name; and not anchored.
    published: "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')",
    corrected: "name.exists() implies name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')",
    source: "FHIR R4B CodeSystem, csd-0",
  },
  {
    // Repeating elements taken as booleans.
    key: "pd-1",
    published: "telecom or endpoint",
    corrected: "telecom.exists() or endpoint.exists()",
    source: "US Core 7.0.0 PractitionerRole, pd-1",
  },
  {
    key: "us-core-13",
    published: "practitioner or organization or healthcareService or location",
    corrected:
      "practitioner.exists() or organization.exists() or healthcareService.exists() or location.exists()",
    source: "US Core 7.0.0 PractitionerRole, us-core-13",
  },
  {
    // A Period is no dateTime, so the published text is empty, hence false, for it.
    key: "vs-1",
    published: "($this as dateTime).toString().length() >= 8",
    corrected: "$this is dateTime implies $this.toString().length() >= 8",
    source: "US Core vital signs, vs-1, in its later form",
  },
  {
    key: "eld-19",
    published: String.raw`path.matches('[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\.[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\[x\\])?(\\:[^\\s\\.]+)?)*')`,
    corrected: String.raw`path.matches('^[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\.[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\[x\\])?(\\:[^\\s\\.]+)?)*$')`,
    source: "FHIRPath 2.0 `matches` is a search; the pattern is meant for the whole path",
  },
];

export interface FhirTypeCorrection {
  /** `ElementDefinition.base.path`. */
  readonly basePath: string;
  readonly published: string;
  readonly corrected: string;
  readonly source: string;
}

export const fhirTypeCorrections: readonly FhirTypeCorrection[] = [
  { basePath: "Resource.id", published: "string", corrected: "id", source: "FHIR R5 Resource.id" },
];

export interface ContextCorrection {
  /** Canonical of the extension definition. */
  readonly url: string;
  /** Contexts as published, in order. Any others are left alone. */
  readonly published: readonly string[];
  readonly corrected: readonly string[];
  readonly source: string;
}

/** Where an extension may stand, for definitions whose published contexts refuse the specification's own use of it. */
export const contextCorrections: readonly ContextCorrection[] = [
  {
    // R4 itself, and every guide, has it beside `type.code`.
    url: "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type",
    published: ["ElementDefinition.type.code"],
    corrected: ["ElementDefinition.type"],
    source: "FHIR extensions pack, structuredefinition-fhir-type",
  },
  {
    // R4's own primitive types have it on the type.
    url: "http://hl7.org/fhir/StructureDefinition/regex",
    published: ["Questionnaire.item", "ElementDefinition"],
    corrected: ["Questionnaire.item", "ElementDefinition", "ElementDefinition.type"],
    source: "FHIR-13328",
  },
  {
    // R4's own code systems, value sets, operations and elements have it.
    url: "http://hl7.org/fhir/StructureDefinition/structuredefinition-normative-version",
    published: ["StructureDefinition"],
    corrected: ["Element"],
    source: "FHIR R4 definitions, which have it on many kinds of resource and element",
  },
  // The lists leave out most of what a CapabilityStatement or SearchParameter can state an expectation of.
  {
    url: "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation",
    published: [
      "CapabilityStatement.rest.resource.interaction",
      "CapabilityStatement.rest.resource.searchParam",
      "CapabilityStatement.rest.searchParam",
      "CapabilityStatement.rest.operation",
      "CapabilityStatement.document",
      "CapabilityStatement.rest.interaction",
      "CapabilityStatement.rest.resource.searchInclude",
      "CapabilityStatement.rest.resource.searchRevInclude",
    ],
    corrected: ["Element"],
    source: "FHIR extensions pack, capabilitystatement-expectation",
  },
  {
    url: "http://hl7.org/fhir/StructureDefinition/capabilitystatement-prohibited",
    published: [
      "CapabilityStatement.rest.resource.interaction",
      "CapabilityStatement.rest.resource.searchParam",
      "CapabilityStatement.rest.searchParam",
      "CapabilityStatement.rest.operation",
      "CapabilityStatement.document",
      "CapabilityStatement.rest.interaction",
    ],
    corrected: ["Element"],
    source: "FHIR extensions pack, capabilitystatement-prohibited",
  },
];

/** Structures that a source of R4 4.0.1 definitions carries although they are not part of R4 4.0.1. */
export const notInR4: readonly string[] = [
  // Of R4B; put among the R4 resources by a backport.
  "http://hl7.org/fhir/StructureDefinition/SubscriptionStatus",
];

const byText = new Map(expressionCorrections.map((correction) => [correction.published, correction]));

/** The expression to judge by: the published one, or its correction. */
export function correctedExpression(key: string, published: string): string {
  const correction = byText.get(published);
  if (!correction || (correction.key !== undefined && correction.key !== key)) return published;
  return correction.corrected;
}

/** The FHIR type of a `System.*` value, corrected where its publication is wrong. */
export function correctedFhirType(basePath: string, published: string): string {
  const correction = fhirTypeCorrections.find(
    (candidate) => candidate.basePath === basePath && candidate.published === published,
  );
  return correction?.corrected ?? published;
}

/** The contexts of an extension to judge by: the published ones, or their correction. */
export function correctedContexts(url: string, published: readonly string[]): readonly string[] | undefined {
  return contextCorrections.find(
    (correction) =>
      correction.url === url &&
      correction.published.length === published.length &&
      correction.published.every((expression) => published.includes(expression)),
  )?.corrected;
}
