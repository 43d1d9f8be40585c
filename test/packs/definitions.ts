/** Small conformance resources for tests. */
export type Resource = Record<string, unknown>;

export const exampleUrl = "http://example.org/fhir/StructureDefinition";

export function profile(
  name: string,
  elements: readonly Resource[],
  more: Resource = {},
  base = "http://hl7.org/fhir/StructureDefinition/Patient",
): Resource {
  return {
    resourceType: "StructureDefinition",
    url: `${exampleUrl}/${name}`,
    version: "1.0.0",
    name,
    status: "draft",
    fhirVersion: "4.0.1",
    kind: "resource",
    abstract: false,
    type: "Patient",
    baseDefinition: base,
    derivation: "constraint",
    differential: { element: elements },
    ...more,
  };
}

export function codeSystem(name: string, concepts: readonly unknown[], more: Resource = {}): Resource {
  return {
    resourceType: "CodeSystem",
    url: `http://example.org/fhir/CodeSystem/${name}`,
    status: "draft",
    content: "complete",
    caseSensitive: true,
    concept: concepts,
    ...more,
  };
}

export function valueSet(name: string, compose: unknown, more: Resource = {}): Resource {
  return {
    resourceType: "ValueSet",
    url: `http://example.org/fhir/ValueSet/${name}`,
    name,
    status: "draft",
    compose,
    ...more,
  };
}

export const sourcesOf = (resources: readonly Resource[]) =>
  resources.map((resource) => ({ file: `${String(resource["url"])}.json`, resource }));
