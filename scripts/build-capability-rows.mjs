// Makes the rows of the suite capability-statement of a guide's own CapabilityStatement: facts and verbs, no prose.
//
//   node scripts/build-capability-rows.mjs <CapabilityStatement.json> [<output>]
//
// The output is suites/capability-statement/us-core-6.1.0.json by default.
import { readFileSync, writeFileSync } from "node:fs";

const EXPECTATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation";
const COMBINATION =
  "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination";

const [source, output = "suites/capability-statement/us-core-6.1.0.json"] = process.argv.slice(2);
if (source === undefined) {
  console.error("usage: node scripts/build-capability-rows.mjs <CapabilityStatement.json> [<output>]");
  process.exit(2);
}

const statement = JSON.parse(readFileSync(source, "utf8"));
const server = statement.rest.find((rest) => rest.mode === "server");

/** The verb of an element; a guide's statement that gives none means what it says. */
function verb(element) {
  return element?.extension?.find((extension) => extension.url === EXPECTATION)?.valueCode ?? "SHALL";
}

/** A list of primitives with the verbs of its companion list. */
function primitives(element, name) {
  return (element[name] ?? []).map((value, index) => ({
    value,
    conformance: verb(element[`_${name}`]?.[index]),
  }));
}

/** An include with everything that, declared, covers it: without the target type, and with wildcards. */
function accepting({ value, conformance }) {
  const [type, parameter] = value.split(":");
  const accepts = [...new Set([value, `${type}:${parameter}`, `${type}:*`, "*"])];
  return { value, accepts, conformance };
}

function combinations(resource) {
  return (resource.extension ?? [])
    .filter((extension) => extension.url === COMBINATION)
    .map((extension) => ({
      parameters: extension.extension
        .filter((part) => part.url === "required")
        .map((part) => part.valueString),
      conformance: verb(extension),
    }))
    .map(({ parameters, conformance }) => ({
      label: parameters.join("+"),
      parameters,
      last: parameters.at(-1),
      conformance,
    }));
}

const resources = server.resource.map((resource) => ({
  type: resource.type,
  conformance: verb(resource),
  profiles: primitives(resource, "supportedProfile").map(({ value, conformance }) => ({
    name: value.slice(value.lastIndexOf("/") + 1),
    url: value,
    conformance,
  })),
  interactions: (resource.interaction ?? []).map((interaction) => ({
    code: interaction.code,
    conformance: verb(interaction),
  })),
  searchParameters: (resource.searchParam ?? []).map((parameter) => ({
    name: parameter.name,
    type: parameter.type,
    definition: parameter.definition,
    conformance: verb(parameter),
  })),
  combinations: combinations(resource),
  includes: primitives(resource, "searchInclude").map(accepting),
  revIncludes: primitives(resource, "searchRevInclude").map(accepting),
  operations: (resource.operation ?? []).map((operation) => ({
    name: operation.name,
    definition: operation.definition,
    conformance: verb(operation),
  })),
}));

// One resource type a line, so that a change of one shows as one.
const lines = resources.map((resource) => `    ${JSON.stringify(resource)}`);
writeFileSync(
  output,
  `{\n  "statement": ${JSON.stringify(statement.url)},\n  "version": ${JSON.stringify(statement.version)},\n  "resources": [\n${lines.join(",\n")}\n  ]\n}\n`,
);
