/** A FHIR resource as JSON: an object that says its type. What else it holds is not known yet. */
export type Resource = Readonly<Record<string, unknown>> & { readonly resourceType: string };

/** Whether a JSON value is a resource of any type. */
export function isResource(value: unknown): value is Resource {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    typeof (value as { resourceType?: unknown }).resourceType === "string"
  );
}

/** `Type/id` of a resource; undefined where it has no id. */
export function referenceTo(resource: Resource): string | undefined {
  const id = resource["id"];
  return typeof id === "string" && id !== "" ? `${resource.resourceType}/${id}` : undefined;
}
