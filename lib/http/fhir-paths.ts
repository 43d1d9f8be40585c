/** Reads URLs the way FHIR writes them: which segment of a path is a resource type, which one an id. */

/** Names of resource types: those of R4, and what STU3 calls differently. */
export const resourceTypes: readonly string[] = (
  "Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse " +
  "AuditEvent Basic Binary BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement " +
  "CarePlan CareTeam CatalogEntry ChargeItem ChargeItemDefinition Claim ClaimResponse " +
  "ClinicalImpression CodeSystem Communication CommunicationRequest CompartmentDefinition Composition " +
  "ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest " +
  "CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest " +
  "DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis " +
  "Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition Evidence " +
  "EvidenceVariable ExampleScenario ExplanationOfBenefit FamilyMemberHistory Flag Goal GraphDefinition " +
  "Group GuidanceResponse HealthcareService ImagingStudy Immunization ImmunizationEvaluation " +
  "ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage List Location " +
  "Measure MeasureReport Media Medication MedicationAdministration MedicationDispense " +
  "MedicationKnowledge MedicationRequest MedicationStatement MessageDefinition MessageHeader " +
  "MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition OperationDefinition " +
  "OperationOutcome Organization OrganizationAffiliation Parameters Patient PaymentNotice " +
  "PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole Procedure Provenance " +
  "Questionnaire QuestionnaireResponse RelatedPerson RequestGroup ResearchDefinition " +
  "ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis " +
  "Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition " +
  "StructureMap Subscription Substance SupplyDelivery SupplyRequest Task TerminologyCapabilities " +
  "TestReport TestScript ValueSet VerificationResult VisionPrescription " +
  "BodySite DataElement ProcedureRequest ReferralRequest Sequence ServiceDefinition PatientImage"
).split(" ");

const typeNames = new Set(resourceTypes);

/** Whether a word is the name of a FHIR resource type (R4, and what STU3 calls differently). */
export function isResourceType(word: string): boolean {
  return typeNames.has(word);
}

const conformanceTypes = new Set([
  "CapabilityStatement",
  "CodeSystem",
  "CompartmentDefinition",
  "ConceptMap",
  "Conformance",
  "ImplementationGuide",
  "NamingSystem",
  "OperationDefinition",
  "SearchParameter",
  "StructureDefinition",
  "TerminologyCapabilities",
  "ValueSet",
]);

/** Whether resources of a type describe a server or a standard, and no person. */
export function isConformanceType(type: string): boolean {
  return conformanceTypes.has(type);
}

/**
 * Whether a path, with or without its origin, is that of a FHIR search or operation: there the parameter `code` is
 * a clinical code and not an authorization code.
 */
export function isFhirPath(path: string): boolean {
  const segments = path.replace(/\/+$/, "").split("/");
  const last = segments.at(-1) ?? "";
  return last === "_search" || last.startsWith("$") || last.startsWith("%24") || isResourceType(last);
}

/** Replaces the id in every `{type}/{id}` of a path. */
export function replacePathIds(path: string, replace: (id: string, type: string) => string): string {
  const segments = path.split("/");
  return segments
    .map((segment, index) => {
      const isId =
        isResourceType(segments[index - 1] ?? "") &&
        segment !== "" &&
        !/^(?:[_$]|%24|metadata$)/.test(segment);
      return isId && !isResourceType(segment) ? replace(segment, segments[index - 1] ?? "") : segment;
    })
    .join("/");
}
