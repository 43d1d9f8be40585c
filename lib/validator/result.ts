/** What the validator answers. Findings are data; the words are made in `wording.ts`. */

/** `OperationOutcome.issue.severity` (https://hl7.org/fhir/R4/valueset-issue-severity.html). */
export type Severity = "fatal" | "error" | "warning" | "information";

/** The codes of `OperationOutcome.issue.code` that the validator uses (https://hl7.org/fhir/R4/valueset-issue-type.html). */
export type IssueCode =
  | "invalid"
  | "structure"
  | "required"
  | "value"
  | "invariant"
  | "code-invalid"
  | "extension"
  | "not-found"
  | "business-rule"
  | "duplicate"
  | "too-long"
  | "too-costly"
  | "not-supported"
  | "processing"
  | "informational";

/** The values a finding's words are made from. Never the patient's data beyond what names the defect. */
export type FindingDetails = Readonly<
  Record<string, string | number | boolean | readonly string[] | undefined>
>;

export interface Finding {
  readonly severity: Severity;
  readonly code: IssueCode;
  /** Which rule of the validator was broken, such as `element-unknown`; never changes its meaning. */
  readonly rule: string;
  /** FHIRPath of the place, with indices: `Patient.name[0].family`. */
  readonly expression: string;
  readonly message: string;
  /** Canonical of the profile, datatype or extension definition whose rule was broken. */
  readonly profile?: string;
  /** Key of the invariant, such as `us-core-6`. */
  readonly constraint?: string;
  readonly details: FindingDetails;
}

/** A code whose membership in a value set cannot be told without a terminology service. */
export interface NotVerified {
  readonly valueSet: string;
  readonly strength: "required" | "extensible";
  readonly system?: string;
  readonly version?: string;
  readonly code: string;
  readonly display?: string;
  readonly expression: string;
}

export interface FindingCounts {
  readonly fatal: number;
  readonly error: number;
  readonly warning: number;
  readonly information: number;
}

export interface ValidationResult {
  readonly resourceType?: string;
  readonly id?: string;
  /** Canonicals the resource was judged against besides its base definition. */
  readonly profiles: readonly string[];
  /** Those of `profiles` that the resource does not claim and nobody asked for: the guide has them for its type and code. */
  readonly assumedProfiles: readonly string[];
  /** No fatal and no error finding. */
  readonly valid: boolean;
  /** All findings, also those beyond the cap. */
  readonly counts: FindingCounts;
  /** At most `maxFindings` of them. */
  readonly findings: readonly Finding[];
  /** At most `maxFindings` of them; `notVerifiedCount` counts all. */
  readonly notVerified: readonly NotVerified[];
  readonly notVerifiedCount: number;
}

export interface ValidatorOptions {
  /** Findings kept per resource (all are counted). Default 1,000. */
  readonly maxFindings?: number;
  /** Deepest nesting of JSON accepted. Default 100. */
  readonly maxDepth?: number;
}

export interface ValidateOptions {
  /** Canonicals of profiles to judge against besides those the resource claims. */
  readonly profiles?: readonly string[];
  /** Judge a resource that claims no profile of the guide against the guide's profiles for its type and code. */
  readonly guideProfiles?: boolean;
  /**
   * The JSON text the resource was parsed from: lets the validator find duplicate keys and judge decimals as written.
   */
  readonly source?: string;
  /** Finds a resource by a reference outside the resource and its Bundle; `undefined` where it is not known. */
  readonly resolve?: (reference: string) => unknown;
  /** Overrides `ValidatorOptions.maxFindings`. */
  readonly maxFindings?: number;
}

export interface Validator {
  /** Judges parsed JSON. Never throws, whatever the value is. */
  validateResource(resource: unknown, options?: ValidateOptions): ValidationResult;
  /** Parses and judges; text that is not JSON is one fatal finding. Never throws. */
  validateText(text: string, options?: Omit<ValidateOptions, "source">): ValidationResult;
}

/** One thing a profile marks as must-support: an element, a slice, a choice type or an extension. */
export interface MustSupportItem {
  /** Unique within the profile: the element id, with the type for a choice: `Observation.value[x]:Quantity`. */
  readonly id: string;
  readonly kind: "element" | "slice" | "choice" | "extension" | "target";
  /** FHIRPath-like path without slice names: `Observation.component.value`. */
  readonly path: string;
  readonly sliceName?: string;
  /** Choice type, extension URL or target profile, by kind. */
  readonly of?: string;
  /** Not marked as must-support, but as a USCDI element: the same for systems that claim USCDI. */
  readonly uscdi?: boolean;
}

export interface MustSupportObserver {
  readonly profile: string;
  readonly items: readonly MustSupportItem[];
  /** Marks what this resource populates; answers the ids of the items it populates. */
  observe(resource: unknown): readonly string[];
  /** Ids of the items seen in no resource so far. */
  missing(): readonly MustSupportItem[];
  /** For each item id, how many resources populated it. */
  readonly seen: ReadonlyMap<string, number>;
}
