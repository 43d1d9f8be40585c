import type { DefinitionSource, ElementFacts, StructureFacts } from "../pack/format.ts";

/** One way in which JSON carries an element: a choice element has one for each of its types. */
export interface Variant {
  /** JSON property, such as `valueQuantity`. */
  readonly property: string;
  /** `_property` for primitives, otherwise absent. */
  readonly companion: string | undefined;
  /** FHIR type name, or the element path where the type has no name (`Patient.contact`). */
  readonly type: string;
  /** A resource stands here: its own `resourceType` is its type. */
  readonly resource: boolean;
}

/**
 * What path navigation needs to know of FHIR's types. A type is named by its FHIR type name, or by an element path
 * for backbone elements.
 */
export interface TypeModel {
  /** How JSON carries element `name` of `type`; `undefined` where the type is not known, `[]` where it has no such element. */
  variants(type: string, name: string): readonly Variant[] | undefined;
  /** What a JSON property of `type` is; `undefined` where it is not known. */
  property(type: string, property: string): Variant | undefined;
}

interface ChildTable {
  readonly byName: Map<string, Variant[]>;
  readonly byProperty: Map<string, Variant>;
}

const SYSTEM_TYPE = "http://hl7.org/fhirpath/";

/** Datatypes of R4 that a choice element may have: used where a type is not known. */
export const CHOICE_TYPES: ReadonlySet<string> = new Set(
  (
    "base64Binary boolean canonical code date dateTime decimal id instant integer markdown oid positiveInt string time " +
    "unsignedInt uri url uuid Address Age Annotation Attachment CodeableConcept Coding ContactPoint Count Distance " +
    "Duration HumanName Identifier Money Period Quantity Range Ratio Reference SampledData Signature Timing " +
    "ContactDetail Contributor DataRequirement Expression ParameterDefinition RelatedArtifact TriggerDefinition " +
    "UsageContext Dosage Meta"
  ).split(" "),
);

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Primitive types begin with a lower case letter in FHIR; `System.String` and the like have no companion either way. */
function isPrimitiveType(type: string): boolean {
  const first = type.charCodeAt(0);
  return first >= 97 && first <= 122;
}

function isResourceElement(type: string): boolean {
  return type === "Resource" || type === "DomainResource";
}

function variant(property: string, type: string): Variant {
  const named = type.startsWith(SYSTEM_TYPE) ? type.slice(SYSTEM_TYPE.length) : type;
  return {
    property,
    companion: isPrimitiveType(named) && named !== "xhtml" ? `_${property}` : undefined,
    type: named,
    resource: isResourceElement(named),
  };
}

function elementVariants(element: ElementFacts, hasChildren: boolean): Variant[] {
  const last = element.path.slice(element.path.lastIndexOf(".") + 1);
  const types = element.types ?? [];
  if (last.endsWith("[x]")) {
    const base = last.slice(0, -3);
    return types.map((type) => variant(base + capitalize(type.code), type.code));
  }
  if (element.contentReference !== undefined && element.contentReference !== "") {
    return [variant(last, element.contentReference.slice(element.contentReference.indexOf("#") + 1))];
  }
  const type = types[0]?.code ?? "Element";
  const inline = hasChildren || type === "BackboneElement" || type === "Element";
  return [variant(last, inline ? element.path : type)];
}

function childTables(structure: StructureFacts): ReadonlyMap<string, ChildTable> {
  const tables = new Map<string, ChildTable>();
  const parents = new Set(
    structure.elements.map((element) => element.path.slice(0, element.path.lastIndexOf("."))),
  );
  for (const element of structure.elements) {
    if (element.sliceName !== undefined || !element.path.includes(".")) continue;
    const cut = element.path.lastIndexOf(".");
    const parent = element.path.slice(0, cut);
    let table = tables.get(parent);
    if (table === undefined) {
      table = { byName: new Map(), byProperty: new Map() };
      tables.set(parent, table);
    }
    const name = element.path.slice(cut + 1).replace(/\[x\]$/, "");
    const variants = elementVariants(element, parents.has(element.path));
    table.byName.set(name, variants);
    for (const one of variants) table.byProperty.set(one.property, one);
  }
  return tables;
}

/** A model over the base definitions of a pack. Types are looked at on first use. */
export function createTypeModel(definitions: Pick<DefinitionSource, "type">): TypeModel {
  const structures = new Map<string, ReadonlyMap<string, ChildTable> | undefined>();
  const tables = new Map<string, ChildTable | undefined>();

  const tablesOf = (name: string): ReadonlyMap<string, ChildTable> | undefined => {
    if (!structures.has(name)) {
      const structure = definitions.type(name);
      structures.set(name, structure === undefined ? undefined : childTables(structure));
    }
    return structures.get(name);
  };

  const table = (type: string): ChildTable | undefined => {
    if (tables.has(type)) return tables.get(type);
    const dot = type.indexOf(".");
    const found = tablesOf(dot === -1 ? type : type.slice(0, dot))?.get(type) ?? follow(type);
    tables.set(type, found);
    return found;
  };

  /** A path through a content reference (`Questionnaire.item.item`) or into a datatype has no table of its own. */
  const follow = (path: string): ChildTable | undefined => {
    const cut = path.lastIndexOf(".");
    if (cut === -1) return undefined;
    const type = table(path.slice(0, cut))?.byName.get(path.slice(cut + 1))?.[0]?.type;
    return type === undefined || type === path ? undefined : table(type);
  };

  return {
    variants(type, name) {
      const found = table(type);
      if (found === undefined) return undefined;
      const named = found.byName.get(name);
      if (named !== undefined) return named;
      const direct = found.byProperty.get(name);
      return direct === undefined ? [] : [direct];
    },
    property: (type, property) => table(type)?.byProperty.get(property),
  };
}

/** Knows no type: navigation follows JSON names, and tries the datatypes of R4 for choice elements. */
export const UNTYPED_MODEL: TypeModel = { variants: () => undefined, property: () => undefined };
