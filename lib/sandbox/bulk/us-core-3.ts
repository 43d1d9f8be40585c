import { each, isObject, type JsonObject } from "../json.ts";

const PROFILE = "http://hl7.org/fhir/us/core/StructureDefinition/";

const BODY_MASS_INDEX = {
  value: 24.9,
  unit: "kg/m2",
  system: "http://unitsofmeasure.org",
  code: "kg/m2",
};

const claims = ({ meta }: JsonObject, profile: string) =>
  isObject(meta) && each(meta["profile"]).includes(`${PROFILE}${profile}`);

/**
 * A resource as US Core 3.1.1 has it, where 6.1.0 allows more: members of care teams by role, vital signs without a
 * value or with one more.
 */
export function asOfUsCore3(resource: JsonObject): JsonObject {
  if (resource["resourceType"] === "CareTeam") {
    const participant = each(resource["participant"]).filter(
      (one) => !/"(PractitionerRole|RelatedPerson)\//.test(JSON.stringify(one)),
    );
    return { ...resource, participant };
  }
  if (claims(resource, "us-core-bmi") && resource["valueQuantity"] === undefined) {
    const { dataAbsentReason: _, ...rest } = resource;
    return { ...rest, valueQuantity: BODY_MASS_INDEX };
  }
  if (claims(resource, "us-core-blood-pressure")) {
    const { valueQuantity: _, ...rest } = resource;
    return rest;
  }
  if (claims(resource, "us-core-pulse-oximetry")) {
    const component = each(resource["component"]).filter((one) => !JSON.stringify(one).includes('"L/min"'));
    const { component: _, ...rest } = resource;
    return component.length === 0 ? rest : { ...rest, component };
  }
  return resource;
}
