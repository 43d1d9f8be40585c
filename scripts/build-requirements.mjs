// Makes a requirement catalogue of a CSV export: ids, addresses, verbs, actors. Sentences stay where they are.
//
//   node scripts/build-requirements.mjs <catalogue.csv> [<folder, config/requirements by default>]
//
// The CSV has a header line with at least the columns id, url, conformance, actors and conditional; the catalogue's
// name is the file's name.
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const [source, folder = "config/requirements"] = process.argv.slice(2);
if (source === undefined) {
  console.error("usage: node scripts/build-requirements.mjs <catalogue.csv> [<folder>]");
  process.exit(2);
}

const [header, ...rows] = parseCsv(readFileSync(source, "utf8"));
const at = Object.fromEntries(header.map((name, index) => [name, index]));
for (const column of ["id", "url", "conformance", "actors", "conditional"]) {
  if (at[column] === undefined) throw new Error(`${source} has no column ${column}`);
}

const requirements = rows.map((row) => {
  const requirement = {
    id: row[at.id],
    // Some exports name several pages; the first is the one that the statement stands on.
    url: row[at.url].split(/\s*,\s*/)[0],
    conformance: row[at.conformance],
    actors: row[at.actors].split(/\s*,\s*/),
  };
  if (row[at.conditional].toLowerCase() === "true") requirement.conditional = true;
  return requirement;
});
const catalogue = basename(source, ".csv");
// One requirement a line, so that a change of one shows as one.
const lines = requirements.map((requirement) => `    ${JSON.stringify(requirement)}`);
const text = `{\n  "catalogue": ${JSON.stringify(catalogue)},\n  "requirements": [\n${lines.join(",\n")}\n  ]\n}\n`;
writeFileSync(join(folder, `${catalogue}.json`), text);
console.log(`${catalogue}: ${requirements.length} requirements`);

/** Rows of an RFC 4180 text: quoted fields may hold commas, doubled quotes and line breaks. */
function parseCsv(text) {
  const rows = [];
  let row = [];
  let field = "";
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (quoted) {
      if (character !== '"') field += character;
      else if (text[index + 1] === '"') {
        field += '"';
        index++;
      } else quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === ",") {
      row.push(field);
      field = "";
    } else if (character === "\n") {
      row.push(field.replace(/\r$/, ""));
      if (row.length > 1 || row[0] !== "") rows.push(row);
      row = [];
      field = "";
    } else field += character;
  }
  if (field !== "" || row.length > 0) rows.push([...row, field]);
  return rows;
}
