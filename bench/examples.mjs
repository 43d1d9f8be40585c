import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import * as tar from "tar";

const ARCHIVE = "hl7.fhir.us.core-6.1.0.tgz";

/** The official US Core 6.1.0 archive on this machine. */
export function archive() {
  return [process.env.FHIR_PACKAGES, join(homedir(), ".fhir", "packages")]
    .filter((folder) => folder !== undefined)
    .map((folder) => join(folder, ARCHIVE))
    .find((file) => existsSync(file));
}

/** Texts of the package's files below a folder: `package/example/` has the guide's examples. */
export function filesBelow(folder) {
  const file = archive();
  const found = [];
  if (file === undefined) return found;
  tar.list({
    file,
    sync: true,
    onReadEntry: (entry) => {
      const inside = entry.path.startsWith(folder) && !entry.path.slice(folder.length).includes("/");
      if (!inside || !entry.path.endsWith(".json")) {
        entry.resume();
        return;
      }
      const chunks = [];
      entry.on("data", (chunk) => chunks.push(chunk));
      entry.on("end", () => found.push({ name: entry.path, text: Buffer.concat(chunks).toString("utf8") }));
    },
  });
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The guide's examples that are resources. */
export function examples() {
  return filesBelow("package/example/")
    .map(({ name, text }) => ({ name, text: JSON.stringify(JSON.parse(text)) }))
    .filter(({ text }) => text.includes('"resourceType"'));
}

/** Resources to measure with where the guide's examples are not at hand. */
export const ownSamples = [
  {
    resourceType: "Patient",
    id: "p1",
    meta: { profile: ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"] },
    identifier: [{ system: "http://e.org/mrn", value: "1" }],
    name: [{ family: "Shaw", given: ["Amy", "V."] }],
    gender: "female",
    birthDate: "1987-02-20",
  },
  {
    resourceType: "Observation",
    id: "o1",
    status: "final",
    category: [
      {
        coding: [
          { system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "vital-signs" },
        ],
      },
    ],
    code: { coding: [{ system: "http://loinc.org", code: "29463-7" }] },
    subject: { reference: "Patient/p1" },
    effectiveDateTime: "2020-01-02",
    valueQuantity: { value: 80, unit: "kg", system: "http://unitsofmeasure.org", code: "kg" },
  },
].map((one) => ({ name: one.id, text: JSON.stringify(one) }));
