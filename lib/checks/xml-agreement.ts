import { differences, readResourceXml, throughXml } from "../fhir/xml.ts";
import type { HttpResponse } from "../http/types.ts";
import type { Finding } from "./verdict.ts";

/** Places that are named where the two formats differ. */
const SHOWN = 5;

/** Without the narrative, whose white space XML does not keep, and what another version would have. */
export function withoutNarrative(resource: object): object {
  return Object.fromEntries(Object.entries(resource).filter(([name]) => name !== "text" && name !== "meta"));
}

/**
 * Where a resource as XML does not say what it says as JSON (FHIR R4, formats): none of its values is repeated.
 *
 * @param known the resource as JSON
 * @param response the answer with the same resource as XML
 */
export function xmlDisagreements(known: object, response: HttpResponse): readonly Finding[] {
  const { body, exchange } = response;
  let xml: object;
  try {
    xml = readResourceXml(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    // What a parser says of a body may repeat it; this body is about a patient.
    const actual = "a body that cannot be read";
    return [{ code: "fhir.xml", expected: "a FHIR resource as XML", actual, exchange }];
  }
  if (differences(withoutNarrative(known), withoutNarrative(xml), 1).length === 0) return [];
  return differences(withoutNarrative(throughXml(known)), withoutNarrative(xml), SHOWN).map((location) => ({
    code: "fhir.xml-differs",
    expected: "the same in XML as in JSON",
    actual: "they differ here",
    location,
    exchange,
  }));
}
