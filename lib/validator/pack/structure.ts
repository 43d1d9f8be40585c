import { correctedContexts, correctedExpression, correctedFhirType } from "./corrections.ts";
import { PackError } from "./errors.ts";
import type {
  BindingFacts,
  ConstraintFacts,
  DiscriminatorFacts,
  ElementFacts,
  SlicingFacts,
  StructureFacts,
  TypeFacts,
} from "./format.ts";
import { isRawObject, RawReader, type RawObject } from "./raw.ts";

const extensionBase = "http://hl7.org/fhir/StructureDefinition/";
const fhirPathBase = "http://hl7.org/fhirpath/";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const strengths = ["required", "extensible", "preferred", "example"] as const;
const discriminatorTypes = ["value", "exists", "pattern", "type", "profile"] as const;
const slicingRules = ["open", "closed", "openAtEnd"] as const;
const aggregations = ["contained", "referenced", "bundled"] as const;
const versionings = ["either", "independent", "specific"] as const;
const kinds = ["primitive-type", "complex-type", "resource", "logical"] as const;

function oneOf<T extends string>(
  allowed: readonly T[],
  value: string | undefined,
  file: string,
  what: string,
): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new PackError("bad-definition", file, `${what} "${value ?? ""}" is unknown`);
  return found;
}

function cardinality(text: string, file: string): number {
  if (text === "*") return Number.POSITIVE_INFINITY;
  if (!/^\d{1,9}$/.test(text)) throw new PackError("bad-definition", file, `maximum "${text}" is no number`);
  return Number(text);
}

/** True where an extension of that name says `true`. */
function flagged(reader: RawReader, object: RawObject, name: string): boolean {
  return reader
    .extensions(object, extensionBase + name)
    .some((extension) => extension["valueBoolean"] === true);
}

/** The string value of an extension (`valueString`, `valueUri`, `valueCanonical`, …). */
function extensionText(reader: RawReader, object: RawObject, name: string): string | undefined {
  for (const extension of reader.extensions(object, extensionBase + name)) {
    const value = reader.choice(extension, "value")?.value;
    if (typeof value === "string") return value;
  }
  return undefined;
}

function typeFacts(reader: RawReader, type: RawObject, basePath: string): TypeFacts {
  const code = reader.requiredText(type, "code");
  const facts: Mutable<TypeFacts> = {
    code: code.startsWith(fhirPathBase) ? code.slice(fhirPathBase.length) : code,
  };
  const profiles = reader.texts(type, "profile");
  if (profiles.length > 0) facts.profiles = profiles;
  const targets = reader.texts(type, "targetProfile");
  if (targets.length > 0) facts.targets = targets;
  const aggregation = reader.texts(type, "aggregation");
  if (aggregation.length > 0) {
    facts.aggregation = aggregation.map((mode) => oneOf(aggregations, mode, reader.file, "aggregation"));
  }
  const versioning = reader.text(type, "versioning");
  if (versioning !== undefined) facts.versioning = oneOf(versionings, versioning, reader.file, "versioning");
  const fhirType = extensionText(reader, type, "structuredefinition-fhir-type");
  if (fhirType !== undefined) facts.fhirType = correctedFhirType(basePath, fhirType);
  if (flagged(reader, type, "elementdefinition-type-must-support")) facts.mustSupport = true;
  const companions = reader.companions(type, "_targetProfile");
  const supported = reader.sparseTexts(type, "targetProfile").filter((target, index) => {
    const companion = companions[index];
    if (target === null || !companion) return false;
    return flagged(reader, companion, "elementdefinition-type-must-support");
  });
  if (supported.length > 0) facts.mustSupportTargets = supported.filter((target) => target !== null);
  return facts;
}

function slicingFacts(reader: RawReader, slicing: RawObject): SlicingFacts {
  const discriminators = reader.objects(slicing, "discriminator").map(
    (discriminator): DiscriminatorFacts => ({
      type: oneOf(discriminatorTypes, reader.text(discriminator, "type"), reader.file, "discriminator"),
      path: reader.requiredText(discriminator, "path"),
    }),
  );
  return {
    discriminators,
    ordered: reader.truth(slicing, "ordered") ?? false,
    rules: oneOf(slicingRules, reader.text(slicing, "rules"), reader.file, "slicing rule"),
  };
}

/** A binding may name no value set: `""`, which `completeElement` takes for no binding. */
function bindingFacts(reader: RawReader, binding: RawObject): BindingFacts {
  const strength = oneOf(strengths, reader.text(binding, "strength"), reader.file, "binding strength");
  const valueSet = reader.text(binding, "valueSet") ?? "";
  const maxValueSet = extensionText(reader, binding, "elementdefinition-maxValueSet");
  return maxValueSet === undefined ? { strength, valueSet } : { strength, valueSet, maxValueSet };
}

function constraintFacts(reader: RawReader, constraint: RawObject): ConstraintFacts | undefined {
  const expression = reader.text(constraint, "expression");
  // Without an expression (XPath only) there is nothing that could be evaluated.
  if (expression === undefined || expression === "") return undefined;
  const key = reader.requiredText(constraint, "key");
  const facts: Mutable<ConstraintFacts> = {
    key,
    severity: oneOf(
      ["error", "warning"] as const,
      reader.text(constraint, "severity"),
      reader.file,
      "severity",
    ),
    expression: correctedExpression(key, expression),
  };
  const source = reader.text(constraint, "source");
  if (source !== undefined) facts.source = source;
  if (flagged(reader, constraint, "elementdefinition-bestpractice")) facts.bestPractice = true;
  return facts;
}

/**
 * Facts of one ElementDefinition. Properties that a differential may leave out (`min`, `max`, `base`) are left out
 * here too: `elementFacts` completes them for a snapshot.
 */
export function sparseElementFacts(
  reader: RawReader,
  element: RawObject,
): Partial<Mutable<ElementFacts>> & { id: string; path: string } {
  const path = reader.requiredText(element, "path");
  const facts: Partial<Mutable<ElementFacts>> & { id: string; path: string } = {
    id: reader.text(element, "id") ?? path,
    path,
  };
  const sliceName = reader.text(element, "sliceName");
  if (sliceName !== undefined) facts.sliceName = sliceName;
  const min = reader.integer(element, "min");
  if (min !== undefined) facts.min = min;
  const max = reader.text(element, "max");
  if (max !== undefined) facts.max = cardinality(max, reader.file);
  const base = reader.object(element, "base");
  if (base) {
    facts.basePath = reader.requiredText(base, "path");
    facts.baseMax = cardinality(reader.requiredText(base, "max"), reader.file);
  }
  const types = reader.objects(element, "type");
  if (types.length > 0) facts.types = types.map((type) => typeFacts(reader, type, facts.basePath ?? path));
  const contentReference = reader.text(element, "contentReference");
  if (contentReference !== undefined) facts.contentReference = contentReference;
  const fixed = reader.choice(element, "fixed");
  if (fixed) facts.fixed = fixed;
  const pattern = reader.choice(element, "pattern");
  if (pattern) facts.pattern = pattern;
  const minValue = reader.choice(element, "minValue");
  if (minValue) facts.minValue = minValue;
  const maxValue = reader.choice(element, "maxValue");
  if (maxValue) facts.maxValue = maxValue;
  const maxLength = reader.integer(element, "maxLength");
  if (maxLength !== undefined) facts.maxLength = maxLength;
  const binding = reader.object(element, "binding");
  if (binding) facts.binding = bindingFacts(reader, binding);
  const slicing = reader.object(element, "slicing");
  if (slicing) facts.slicing = slicingFacts(reader, slicing);
  const constraints = reader
    .objects(element, "constraint")
    .map((constraint) => constraintFacts(reader, constraint))
    .filter((constraint) => constraint !== undefined);
  if (constraints.length > 0) facts.constraints = constraints;
  const mustSupport = reader.truth(element, "mustSupport");
  if (mustSupport !== undefined) facts.mustSupport = mustSupport;
  const isModifier = reader.truth(element, "isModifier");
  if (isModifier !== undefined) facts.isModifier = isModifier;
  const isSummary = reader.truth(element, "isSummary");
  if (isSummary !== undefined) facts.isSummary = isSummary;
  const representation = reader.texts(element, "representation");
  if (representation.length > 0) facts.representation = representation;
  const regex = types.map((type) => extensionText(reader, type, "regex")).find((text) => text !== undefined);
  if (regex !== undefined) facts.regex = regex;
  if (
    reader
      .extensions(element, "http://hl7.org/fhir/us/core/StructureDefinition/uscdi-requirement")
      .some((extension) => extension["valueBoolean"] === true)
  ) {
    facts.uscdi = true;
  }
  return facts;
}

/** Facts of an element that states everything, with what is false or repeated left out. */
export function completeElement(
  element: Partial<ElementFacts> & { id: string; path: string },
  file: string,
): ElementFacts {
  const { min, max } = element;
  if (min === undefined || max === undefined) {
    throw new PackError("bad-definition", file, `element "${element.id}" has no cardinality`);
  }
  const facts: Mutable<ElementFacts> = { ...element, min, max };
  if (facts.mustSupport === false) delete facts.mustSupport;
  if (facts.isModifier === false) delete facts.isModifier;
  if (facts.isSummary === false) delete facts.isSummary;
  if (facts.uscdi === false) delete facts.uscdi;
  if (facts.binding?.valueSet === "") delete facts.binding;
  facts.basePath ??= facts.path;
  facts.baseMax ??= facts.max;
  return facts;
}

/** What a StructureDefinition says besides its elements. */
export function structureHead(
  reader: RawReader,
  definition: RawObject,
): Omit<Mutable<StructureFacts>, "elements"> {
  const url = reader.requiredText(definition, "url");
  const head: Omit<Mutable<StructureFacts>, "elements"> = {
    url,
    name: reader.requiredText(definition, "name"),
    type: reader.requiredText(definition, "type"),
    kind: oneOf(kinds, reader.text(definition, "kind"), reader.file, "kind"),
    abstract: reader.truth(definition, "abstract") ?? false,
  };
  const version = reader.text(definition, "version");
  if (version !== undefined) head.version = version;
  const title = reader.text(definition, "title");
  if (title !== undefined) head.title = title;
  const derivation = reader.text(definition, "derivation");
  if (derivation !== undefined) {
    head.derivation = oneOf(["specialization", "constraint"] as const, derivation, reader.file, "derivation");
  }
  const base = reader.text(definition, "baseDefinition");
  if (base !== undefined) head.base = base;
  const context = reader.objects(definition, "context").map((item) => ({
    type: reader.requiredText(item, "type"),
    expression: reader.requiredText(item, "expression"),
  }));
  const corrected = correctedContexts(
    url,
    context.map(({ expression }) => expression),
  );
  if (corrected !== undefined) {
    head.context = corrected.map((expression) => ({ type: "element", expression }));
  } else if (context.length > 0) head.context = context;
  const contextInvariants = reader.texts(definition, "contextInvariant");
  if (contextInvariants.length > 0) head.contextInvariants = contextInvariants;
  return head;
}

/**
 * Facts of a StructureDefinition with a snapshot (R4 StructureDefinition.snapshot).
 * Throws `bad-definition` where it has none or where it is malformed.
 */
export function structureFacts(definition: RawObject, file: string): StructureFacts {
  const reader = new RawReader(file);
  const snapshot = reader.object(definition, "snapshot");
  if (!snapshot) throw new PackError("bad-definition", file, "has no snapshot");
  const elements = reader
    .objects(snapshot, "element")
    .map((element) => completeElement(sparseElementFacts(reader, element), file));
  if (elements.length === 0) throw new PackError("bad-definition", file, "has an empty snapshot");
  return { ...structureHead(reader, definition), elements };
}

/** True for a StructureDefinition that carries a snapshot. */
export function hasSnapshot(definition: RawObject): boolean {
  const snapshot = definition["snapshot"];
  return isRawObject(snapshot) && Array.isArray(snapshot["element"]) && snapshot["element"].length > 0;
}
