/** Definitions of our own, for what no built-in guide has. */
import { createValidator } from "../../lib/validator/index.ts";
import type { ValidateOptions, Validator } from "../../lib/validator/index.ts";
import type {
  DefinitionSource,
  ElementFacts,
  StructureFacts,
  ValueSetFacts,
} from "../../lib/validator/pack/format.ts";
import { loadBuiltIn } from "../../lib/validator/pack/load.ts";
import { summaries } from "./resources.ts";

export const HOME = "http://a.example.org/";

const r4 = loadBuiltIn(["fhir-r4-4.0.1"]);

/** R4 with some structures and value sets more. */
export function definitionsWith(
  structures: readonly StructureFacts[],
  valueSets: readonly ValueSetFacts[] = [],
): DefinitionSource {
  return {
    structure: (canonical) =>
      structures.find(({ url }) => url === canonical.split("|")[0]) ?? r4.structure(canonical),
    type: (name) => r4.type(name),
    valueSet: (canonical) => valueSets.find(({ url }) => url === canonical) ?? r4.valueSet(canonical),
    codeSystem: (canonical) => r4.codeSystem(canonical),
    profilesOf: (type) => structures.filter((one) => one.type === type && one.kind === "resource"),
  };
}

export type PartialElement = Partial<ElementFacts> & { readonly id: string };

/** A profile with the elements it constrains; ids give paths and slice names. */
export function profile(name: string, type: string, elements: readonly PartialElement[]): StructureFacts {
  const isResource = r4.type(type)?.kind === "resource";
  return {
    url: HOME + name,
    version: "1.0.0",
    name,
    type,
    kind: isResource ? "resource" : "complex-type",
    abstract: false,
    derivation: "constraint",
    base: `http://hl7.org/fhir/StructureDefinition/${type}`,
    elements: [{ id: type }, ...elements].map(completed),
  };
}

function completed(element: PartialElement): ElementFacts {
  const path = element.id.replaceAll(/:[^.]+/g, "");
  const last = element.id.slice(element.id.lastIndexOf(".") + 1);
  const colon = last.indexOf(":");
  return { path, min: 0, max: "*", ...(colon > 0 && { sliceName: last.slice(colon + 1) }), ...element };
}

/** Errors of a resource judged by one profile, base rules included. */
export function judged(
  structures: readonly StructureFacts[],
  valueSets: readonly ValueSetFacts[] = [],
): (resource: unknown, options?: ValidateOptions) => readonly string[] {
  const validator: Validator = createValidator(definitionsWith(structures, valueSets));
  const profiles = [structures[0]?.url ?? ""];
  return (resource, options = {}) =>
    summaries(validator.validateResource(resource, { profiles, ...options }), ["fatal", "error"]);
}
