/** FHIR XML by the `fhir` package: an implementation that is not ours, so that a misunderstanding is not repeated. */
import { Fhir } from "fhir";

const fhir = new Fhir();

const FHIR_NAMESPACE = "http://hl7.org/fhir";

/** A resource as an object, in the form that the `fhir` package gives it. */
export type ResourceObject = Readonly<Record<string, unknown>> & { readonly resourceType: string };

/**
 * Reads a FHIR R4 resource from XML.
 *
 * @throws Error when it is not XML, or no FHIR resource
 */
export function readResourceXml(xml: string): ResourceObject {
  const resource: unknown = fhir.xmlToObj(xml);
  if (typeof resource !== "object" || resource === null || !("resourceType" in resource)) {
    throw new Error("there is no FHIR resource in it");
  }
  const { resourceType } = resource as ResourceObject;
  // The package reads what is there of a document that is cut off, and does not look at namespaces.
  const root = new RegExp(`<((?:[\\w-]+:)?)${resourceType}\\b[^>]*>`).exec(xml);
  if (root === null || !root[0].includes(FHIR_NAMESPACE)) {
    throw new Error(`the root element is not in the namespace ${FHIR_NAMESPACE}`);
  }
  if (!new RegExp(`</${root[1] ?? ""}${resourceType}\\s*>\\s*(<!--[\\s\\S]*-->\\s*)?$`).test(xml)) {
    throw new Error("the document is cut off");
  }
  return resource as ResourceObject;
}

/**
 * A resource as it comes out of being written as XML and read again: what can be compared with a resource that was
 * read from XML. Whatever XML or the package cannot tell (such as `1.0` from `1`) is lost on both sides.
 *
 * @throws Error when the package cannot write it
 */
export function throughXml(resource: object): ResourceObject {
  return readResourceXml(fhir.objToXml(structuredClone(resource)));
}

/**
 * Where two JSON-like values differ, as JSON pointers in document order.
 *
 * @param limit the most pointers to give
 */
export function differences(a: unknown, b: unknown, limit: number, pointer = ""): string[] {
  if (Object.is(a, b)) return [];
  if (Array.isArray(a) && Array.isArray(b)) {
    const found: string[] = [];
    for (let index = 0; index < Math.max(a.length, b.length) && found.length < limit; index++) {
      found.push(...differences(a[index], b[index], limit - found.length, `${pointer}/${index}`));
    }
    return found;
  }
  if (isRecord(a) && isRecord(b)) {
    const found: string[] = [];
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (found.length >= limit) break;
      found.push(...differences(a[key], b[key], limit - found.length, `${pointer}/${key}`));
    }
    return found;
  }
  return [pointer];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
