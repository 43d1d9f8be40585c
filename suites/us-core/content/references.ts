/** The references of resources: where they stand, what they may lead to, and where they really lead. */
import { isObject } from "../../../lib/checks/select.ts";
import type { DefinitionSource } from "../../../lib/validator/pack/format.ts";
import { isResource, type Resource } from "../../../lib/fhir/resource.ts";
import { textAt, type Seen } from "./seen.ts";

/** A reference as it stands in a resource. */
export interface ReferenceSeen {
  readonly holder: Seen;
  /** Path of the element without indexes: `Encounter.participant.individual`. */
  readonly path: string;
  /** `Reference.reference`; absent where the reference is logical: an identifier or a text. */
  readonly to: string | undefined;
}

/** All references in a resource and in what it contains. */
export function referencesOf(holder: Seen): readonly ReferenceSeen[] {
  const found: ReferenceSeen[] = [];
  collect(holder.resource, textAt(holder.resource, "resourceType") ?? "", holder, found);
  return found;
}

function collect(value: unknown, path: string, holder: Seen, found: ReferenceSeen[]): void {
  if (Array.isArray(value)) {
    for (const member of value as readonly unknown[]) collect(member, path, holder, found);
    return;
  }
  if (!isObject(value)) return;
  if (isReference(value)) found.push({ holder, path, to: textAt(value, "reference") });
  for (const [name, member] of Object.entries(value)) {
    if (typeof member === "object" && member !== null) collect(member, `${path}.${name}`, holder, found);
  }
}

/** A Reference has no members but its own; nothing else in FHIR has `reference` as a text. */
function isReference(value: Readonly<Record<string, unknown>>): boolean {
  return typeof value["reference"] === "string";
}

/** The resource contained in another by an id; the container itself for an empty one. */
export function containedIn(container: Resource, id: string): Resource | undefined {
  if (id === "") return container;
  const contained = container["contained"];
  if (!Array.isArray(contained)) return undefined;
  return (contained as readonly unknown[]).find(
    (one): one is Resource => isResource(one) && one["id"] === id,
  );
}

/** An element that holds references, by what a profile says of it. */
export interface ReferenceElement {
  /** Path as it stands in JSON: `MedicationRequest.medicationReference`. */
  readonly path: string;
  readonly mustSupport: boolean;
  /** Canonicals of the profiles and types that it may lead to; none where the profile does not say. */
  readonly targets: readonly string[];
}

/** The elements of a profile that hold references. A slice's targets count with those of its element. */
export function referenceElements(
  definitions: DefinitionSource,
  profile: string,
): ReadonlyMap<string, ReferenceElement> {
  const found = new Map<string, { path: string; mustSupport: boolean; targets: Set<string> }>();
  for (const { path: at, types, mustSupport, max } of definitions.structure(profile)?.elements ?? []) {
    if (max === 0) continue;
    for (const type of types ?? []) {
      if (type.code !== "Reference") continue;
      const path = at.replaceAll(/\[x\](?=\.|$)/g, "Reference");
      const known = found.get(path) ?? { path, mustSupport: false, targets: new Set<string>() };
      known.mustSupport ||= mustSupport === true;
      for (const target of type.targets ?? []) known.targets.add(target);
      found.set(path, known);
    }
  }
  return new Map([...found].map(([path, one]) => [path, { ...one, targets: [...one.targets] }]));
}

/** The FHIR type that a target canonical is about. */
export function typeOfTarget(definitions: DefinitionSource, target: string): string {
  return definitions.structure(target)?.type ?? target.slice(target.lastIndexOf("/") + 1);
}

/** Whether a type may stand where a profile names these targets. */
export function allowsType(definitions: DefinitionSource, targets: readonly string[], type: string): boolean {
  return targets.some((target) =>
    ["Resource", "DomainResource", type].includes(typeOfTarget(definitions, target)),
  );
}
