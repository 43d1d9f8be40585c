// Makes lib/sandbox/data/us-core-*.json from the official packages, unpacked: what a US Core server declares and
// how its search parameters find their values. Facts only: prose, narrative and contact data are dropped.
//   node scripts/sandbox-data.mjs <folder of unpacked packages>/{3.1.1,6.1.0}/package
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const EXPECTATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation";
const COMBINATION =
  "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination";

const read = (folder, name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const verb = (element) => element?.extension?.find((each) => each.url === EXPECTATION)?.valueCode;

function withVerbs(resource, name) {
  const values = resource[name] ?? [];
  const verbs = resource[`_${name}`] ?? [];
  return values.map((value, index) => ({ value, verb: verb(verbs[index]) ?? "SHALL" }));
}

function resourceFacts(resource) {
  return {
    type: resource.type,
    supportedProfile: (resource.supportedProfile ?? []).filter(Boolean),
    interaction: (resource.interaction ?? []).map((each) => ({ code: each.code, verb: verb(each) })),
    searchParam: (resource.searchParam ?? []).map((each) => ({
      name: each.name,
      definition: each.definition,
      type: each.type,
      verb: verb(each),
    })),
    combination: (resource.extension ?? [])
      .filter((each) => each.url === COMBINATION)
      .map((each) => ({
        verb: verb(each),
        required: each.extension.filter((part) => part.url === "required").map((part) => part.valueString),
        optional: each.extension.filter((part) => part.url === "optional").map((part) => part.valueString),
      })),
    searchInclude: withVerbs(resource, "searchInclude"),
    searchRevInclude: withVerbs(resource, "searchRevInclude"),
    operation: (resource.operation ?? []).map((each) => ({
      name: each.name,
      definition: each.definition,
      verb: verb(each),
    })),
  };
}

function searchParameterFacts(folder) {
  return readdirSync(folder)
    .filter((name) => name.startsWith("SearchParameter-"))
    .toSorted()
    .map((name) => read(folder, name))
    .map((each) => ({
      url: each.url,
      base: each.base,
      code: each.code,
      type: each.type,
      expression: each.expression,
      ...(each.chain === undefined ? {} : { chain: each.chain, target: each.target }),
    }));
}

for (const folder of process.argv.slice(2)) {
  const { version } = read(folder, "package.json");
  const statement = read(folder, "CapabilityStatement-us-core-server.json");
  const facts = {
    statement: statement.url,
    version,
    resource: statement.rest[0].resource.map(resourceFacts),
    searchParameter: searchParameterFacts(folder),
  };
  const lines = Object.entries(facts).map(([key, value]) =>
    Array.isArray(value)
      ? `"${key}": [\n${value.map((each) => JSON.stringify(each)).join(",\n")}\n]`
      : `"${key}": ${JSON.stringify(value)}`,
  );
  writeFileSync(
    new URL(`../lib/sandbox/data/us-core-${version}.json`, import.meta.url),
    `{\n${lines.join(",\n")}\n}\n`,
  );
}
