/** What an expression may ask of its surroundings. The validator keeps one and changes its fields between calls. */
export interface InvariantEnvironment {
  /** `%resource`: the resource that holds the focus. */
  readonly resource: unknown;
  /** `%rootResource`: the container of `resource` where that is contained, otherwise the same. */
  readonly rootResource: unknown;
  /** `%context`; the focus where it is absent. */
  readonly context?: unknown;
  /** FHIR type of the focus (`Quantity`, `Patient`), or its element path where the type has no name (`Patient.contact`). */
  readonly focusType: string;
  /** `_element` of a primitive focus: its id and extensions. */
  readonly companion?: unknown;
  /** Finds what a reference points to. References to `#…` are looked up in `rootResource` without asking. */
  readonly resolve?: ((reference: string) => unknown) | undefined;
  /** `memberOf`: `undefined` where it cannot be told. */
  readonly memberOf?:
    | ((value: unknown, type: string | undefined, valueSet: string) => boolean | undefined)
    | undefined;
  /** `conformsTo`: does this conform to a profile? `undefined` where it cannot be told. */
  readonly conformsTo?: ((value: unknown, profile: string) => boolean | undefined) | undefined;
}

/** One item of a collection: what JSON has, its companion, and its type where it is known. */
export interface Item {
  readonly value: unknown;
  readonly companion: unknown;
  readonly type: string | undefined;
}
