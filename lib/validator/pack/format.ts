/**
 * The format of a compiled constraint pack: what StructureDefinitions, ValueSets and CodeSystems say, as facts,
 * without prose. The compiler (`lib/validator/pack`) writes it, the validator reads nothing else.
 */

/** A canonical URL, without a `|version` suffix unless said otherwise. */
export type Canonical = string;

/** One `ElementDefinition.type`. */
export interface TypeFacts {
  /** FHIR type name (`Quantity`, `BackboneElement`), or `System.String` and the like for FHIRPath primitives. */
  readonly code: string;
  /** `type.profile`: profiles of a datatype or extension definitions. */
  readonly profiles?: readonly Canonical[];
  /** `type.targetProfile`: what a Reference or canonical may point to. */
  readonly targets?: readonly Canonical[];
  readonly aggregation?: readonly ("contained" | "referenced" | "bundled")[];
  readonly versioning?: "either" | "independent" | "specific";
  /** FHIR type of a `System.*` value (`structuredefinition-fhir-type`), such as `string` or `id`. */
  readonly fhirType?: string;
  /** From `elementdefinition-type-must-support`: this type (and these of its targets) must be supported. */
  readonly mustSupport?: boolean;
  readonly mustSupportTargets?: readonly Canonical[];
}

export interface DiscriminatorFacts {
  readonly type: "value" | "exists" | "pattern" | "type" | "profile";
  readonly path: string;
}

export interface SlicingFacts {
  readonly discriminators: readonly DiscriminatorFacts[];
  readonly ordered: boolean;
  readonly rules: "open" | "closed" | "openAtEnd";
}

export interface BindingFacts {
  readonly strength: "required" | "extensible" | "preferred" | "example";
  readonly valueSet: string;
  /** From the `elementdefinition-maxValueSet` extension. */
  readonly maxValueSet?: string;
}

export interface ConstraintFacts {
  readonly key: string;
  readonly severity: "error" | "warning";
  readonly expression: string;
  /** The structure that introduced it (`ElementDefinition.constraint.source`). */
  readonly source?: Canonical;
  /** A best practice (`elementdefinition-bestpractice`), not a rule: `dom-6` and its like. */
  readonly bestPractice?: boolean;
}

/** One element of a snapshot, in snapshot order. */
export interface ElementFacts {
  /** `ElementDefinition.id`, such as `Observation.component:systolic.code`. */
  readonly id: string;
  readonly path: string;
  readonly sliceName?: string;
  readonly min: number;
  /** `*` is `Infinity` in memory; on disk see `codec.ts`. */
  readonly max: number | "*";
  /** Cardinality of the element in the base definition; tells whether JSON carries an array. */
  readonly baseMax?: number | "*";
  readonly basePath?: string;
  readonly types?: readonly TypeFacts[];
  /** Id of the element whose children this one has, such as `#Bundle.link`, with the structure where it differs. */
  readonly contentReference?: string;
  /** `fixed[x]` with its type, such as `{ type: "Uri", value: "http://…" }`. */
  readonly fixed?: { readonly type: string; readonly value: unknown };
  readonly pattern?: { readonly type: string; readonly value: unknown };
  readonly minValue?: { readonly type: string; readonly value: unknown };
  readonly maxValue?: { readonly type: string; readonly value: unknown };
  readonly maxLength?: number;
  readonly binding?: BindingFacts;
  readonly slicing?: SlicingFacts;
  readonly constraints?: readonly ConstraintFacts[];
  readonly mustSupport?: boolean;
  readonly isModifier?: boolean;
  readonly isSummary?: boolean;
  /** `ElementDefinition.representation`, such as `xmlAttr`. */
  readonly representation?: readonly string[];
  /** Regular expression of a primitive's value (`regex` extension), to be matched against the whole value. */
  readonly regex?: string;
  /** US Core's `uscdi-requirement`: counts as must-support for systems that claim USCDI. */
  readonly uscdi?: boolean;
}

export interface StructureFacts {
  readonly url: Canonical;
  readonly version?: string;
  readonly name: string;
  readonly title?: string;
  /** The FHIR type it constrains or defines. */
  readonly type: string;
  readonly kind: "primitive-type" | "complex-type" | "resource" | "logical";
  readonly abstract: boolean;
  readonly derivation?: "specialization" | "constraint";
  readonly base?: Canonical;
  /** Extensions only: where it may stand. */
  readonly context?: readonly { readonly type: string; readonly expression: string }[];
  readonly contextInvariants?: readonly string[];
  /** Snapshot. */
  readonly elements: readonly ElementFacts[];
}

/**
 * What is known of a value set without a terminology service. Is a code of a system a member?
 * 1. `exclude[system]` has it: no.
 * 2. `include[system]` has it, or is `"*"`: yes (with `"*"`, whether the code exists is the code system's matter).
 * 3. `unverifiable` names the system, or `unknownValueSets` is there: unknown.
 * 4. Otherwise: no.
 */
export interface ValueSetFacts {
  readonly url: Canonical;
  readonly version?: string;
  readonly name?: string;
  /** Codes by code system URL; `"*"` where all codes of that system are members. */
  readonly include: Readonly<Record<string, readonly string[] | "*">>;
  /** Code systems (or value sets) of which it draws codes that could not be listed offline. */
  readonly unverifiable?: readonly string[];
  /** The value sets among `unverifiable`: as their content is unknown, a code of any system may be a member. */
  readonly unknownValueSets?: readonly string[];
  /** Codes that are no members although their system is included as `"*"` or `unverifiable`. */
  readonly exclude?: Readonly<Record<string, readonly string[]>>;
}

export interface CodeSystemFacts {
  readonly url: Canonical;
  readonly version?: string;
  readonly caseSensitive: boolean;
  /** `complete`: `codes` lists them all. */
  readonly content: "complete" | "fragment" | "example" | "not-present" | "supplement";
  readonly codes: readonly string[];
  /** Code → its parents in an is-a hierarchy; codes without parents are left out. */
  readonly parents?: Readonly<Record<string, readonly string[]>>;
  /**
   * Kept by HL7 Terminology, apart from the FHIR version the copy at hand is from: its owner may since have added
   * codes, so that a code missing here is not proven wrong by itself.
   */
  readonly separatelyMaintained?: boolean;
}

/** `manifest.json` of a pack. */
export interface PackManifest {
  readonly format: 1;
  readonly name: string;
  readonly version: string;
  readonly fhirVersion: string;
  readonly dependencies: readonly string[];
  readonly sources: readonly { readonly name: string; readonly version: string; readonly sha256: string }[];
  readonly counts: Readonly<Record<string, number>>;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  readonly tool: string;
}

/** A pack with its dependencies, as the validator sees them. Look-ups take a canonical with or without `|version`. */
export interface DefinitionSource {
  structure(canonical: string): StructureFacts | undefined;
  /** The base definition of a FHIR type, such as `Patient`, `HumanName`, `date`. */
  type(name: string): StructureFacts | undefined;
  valueSet(canonical: string): ValueSetFacts | undefined;
  codeSystem(canonical: string): CodeSystemFacts | undefined;
  /**
   * Profiles of the guides asked for (not of the packs they depend on) on a resource type: kind resource, derivation
   * constraint, by URL.
   */
  profilesOf(type: string): readonly StructureFacts[];
}
