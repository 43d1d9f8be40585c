/**
 * Writes `suites/us-core/searching.json`: the rows of the checks on searching and reading, from what US Core's own
 * CapabilityStatement and SearchParameters ask of servers.
 *
 *   node scripts/us-core-search-rows.mjs
 */
import { readFileSync, writeFileSync } from "node:fs";

const read = (name) =>
  JSON.parse(readFileSync(new URL(`../profiles/us-core-6.1.0/${name}`, import.meta.url), "utf8"));
const { resources } = read("capability.json");
const definitions = read("search-parameters.json");

const OFFICIAL = "http://hl7.org/fhir/us/core/StructureDefinition/";
/** Tokens that are plain codes in the resource: their system is not there to be sent. */
const PLAIN = new Set(["_id", "status", "intent", "gender", "lifecycle-status"]);
const ASKED = new Set(["SHALL", "SHOULD"]);
const RANK = { SHALL: 0, SHOULD: 1, MAY: 2 };

const definitionOf = (type, name) => definitions.find((one) => one.code === name && one.base.includes(type));
const words = (names) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
const short = (url) => url.slice(url.lastIndexOf("/") + 1);

/** The searches of a type that servers SHALL or SHOULD answer: single parameters, then combinations. */
const searchesOf = ({ searchParams, combinations }) =>
  [
    ...searchParams.map(({ name, conformance }) => ({ names: [name], level: conformance })),
    ...combinations.map(({ required, conformance }) => ({ names: required, level: conformance })),
  ]
    .filter(({ level }) => ASKED.has(level))
    .map((one) => ({ ...one, search: one.names.join("+"), words: words(one.names) }));

/** The search to ask about a parameter with: the strongest, then the shortest that has it. */
const searchWith = (resource, name) =>
  searchesOf(resource)
    .filter(({ names }) => names.includes(name))
    .toSorted((a, b) => RANK[a.level] - RANK[b.level] || a.names.length - b.names.length)[0];

/** The parameters with one last that a resource surely does not match: of a date, the server's time zone may decide. */
const struck = (type, names) =>
  names
    .toSorted(
      (a, b) => Number(definitionOf(type, b).type === "date") - Number(definitionOf(type, a).type === "date"),
    )
    .join("+");

const profilesOf = ({ profiles }) =>
  profiles.filter(({ value }) => value.startsWith(OFFICIAL)).map(({ value }) => value);
/** A row of a profile that tells of the search another row depends on. */
const firstProfile = (resource) => short(profilesOf(resource)[0] ?? resource.type);

const rows = {
  searches: [],
  tokens: [],
  references: [],
  comparators: [],
  precisions: [],
  alternatives: [],
  bounds: [],
  includes: [],
  revincludes: [],
  chains: [],
  types: [],
  searchable: [],
  reads: [],
};

for (const resource of resources) {
  const { type } = resource;
  const searches = searchesOf(resource);
  const names = [...new Set(searches.flatMap((one) => one.names))];
  for (const profile of profilesOf(resource)) {
    for (const { names: parameters, level, search, words } of searches)
      rows.searches.push({
        profile: short(profile),
        url: profile,
        type,
        search,
        parameters,
        words,
        level,
        struck: struck(type, parameters),
      });
  }
  for (const name of names) {
    const definition = definitionOf(type, name);
    const { search, names: parameters, level, words } = searchWith(resource, name);
    const row = {
      type,
      parameter: name,
      search,
      parameters,
      words,
      level,
      by: `us-core.search:${firstProfile(resource)}.${search}`,
    };
    if (definition.type === "token" && !PLAIN.has(name)) rows.tokens.push(row);
    if (definition.type === "reference" && definition.expression !== "QuestionnaireResponse.questionnaire")
      rows.references.push(row);
    if (definition.type === "date") {
      const comparators = definition.comparators.filter(({ conformance }) => ASKED.has(conformance));
      for (const { value, conformance } of comparators)
        rows.comparators.push({ ...row, comparator: value, level: conformance });
      rows.precisions.push({ ...row, comparators: comparators.some(({ value }) => value === "ge") });
    }
    if (ASKED.has(definition.multipleOr.conformance))
      rows.alternatives.push({ ...row, level: definition.multipleOr.conformance });
    if (ASKED.has(definition.multipleAnd.conformance))
      rows.bounds.push({ ...row, level: definition.multipleAnd.conformance });
    for (const { value, conformance } of definition.chains)
      rows.chains.push({
        type,
        parameter: name,
        chain: `${name}.${value}`,
        chained: value,
        level: conformance,
      });
  }
  for (const { value, conformance } of resource.searchIncludes)
    if (ASKED.has(conformance)) rows.includes.push({ type, include: value, level: conformance });
  for (const profile of profilesOf(resource)) {
    for (const { value, conformance } of resource.searchRevIncludes)
      if (ASKED.has(conformance))
        rows.revincludes.push({
          profile: short(profile),
          url: profile,
          type,
          revinclude: value,
          level: conformance,
        });
  }
  const interaction = (code) => resource.interactions.find(({ value }) => value === code)?.conformance;
  for (const profile of profilesOf(resource))
    if (ASKED.has(interaction("read")))
      rows.reads.push({ profile: short(profile), url: profile, type, level: interaction("read") });
  if (ASKED.has(interaction("read"))) {
    rows.types.push({
      type,
      read: interaction("read"),
      vread: interaction("vread"),
      ...(ASKED.has(interaction("history-instance")) ? { history: interaction("history-instance") } : {}),
      hasHistory: ASKED.has(interaction("history-instance")) ? "yes" : "no",
      hasVread: ASKED.has(interaction("vread")) ? "yes" : "no",
      hasProfile: profilesOf(resource).length > 0 ? "yes" : "no",
    });
  }
  if (names.length > 0) {
    const own = searches.toSorted(
      (a, b) => RANK[a.level] - RANK[b.level] || a.names.length - b.names.length,
    )[0];
    const date = definitions.find(
      ({ base, type: kind, code }) => kind === "date" && base.includes(type) && names.includes(code),
    );
    const strongest = searches.some(({ level }) => level === "SHALL") ? "SHALL" : "SHOULD";
    rows.searchable.push({
      type,
      level: strongest,
      search: own.search,
      ofPatient: names.includes("patient") ? "yes" : "no",
      by: `us-core.search:${firstProfile(resource)}.${own.search}`,
      ...(date === undefined ? {} : { date: date.code, dateSearch: searchWith(resource, date.code).search }),
      invalid: date === undefined ? "_lastUpdated" : date.code,
      hasDate: date === undefined ? "no" : "yes",
    });
  }
}
writeFileSync(
  new URL("../suites/us-core/searching.json", import.meta.url),
  `${JSON.stringify(rows, null, 1)}\n`,
);
for (const [kind, all] of Object.entries(rows)) console.log(`${kind} ${all.length}`);
