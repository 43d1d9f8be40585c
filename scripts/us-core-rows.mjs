/**
 * Writes `suites/us-core/profiles.json`: the rows of checks that are asked of every profile of US Core, with the places
 * at which the faults that prove them strike. Everything in it follows from the packs in `profiles/`.
 *
 *   npm run build && node scripts/us-core-rows.mjs
 */
import { writeFileSync } from "node:fs";
import { loadBuiltIn, loadCapability } from "../dist/lib/validator/pack/load.js";
import { ALTERNATIVES, EXCUSES } from "../dist/suites/us-core/content/must-support-rules.js";
import { lineage } from "../dist/suites/us-core/content/obligations.js";
import { allowsType, referenceElements } from "../dist/suites/us-core/content/references.js";

/** Elements by which resources are found: a fault that takes them away changes more than it says. */
const TELLING = new Set([
  "status",
  "questionnaire",
  "subject",
  "patient",
  "category",
  "code",
  "class",
  "intent",
  "lifecycleStatus",
  "beneficiary",
]);
const OFFICIAL = "http://hl7.org/fhir/us/core/StructureDefinition/";

const current = loadBuiltIn(["us-core-6.1.0"]);
const former = loadBuiltIn(["us-core-3.1.1"]);

const rows = (definitions, guide) =>
  loadCapability(guide)
    .resources.flatMap(({ type, profiles }) =>
      profiles
        .filter(({ value }) => value.startsWith(OFFICIAL))
        .map(({ value }) => ({ type, structure: definitions.structure(value) })),
    )
    .toSorted((a, b) => (a.structure.url < b.structure.url ? -1 : 1));

const short = (url) => url.slice(url.lastIndexOf("/") + 1);
const depth = (path) => path.split(".").length;
const key = ({ path, types }) => {
  const name = path.slice(path.lastIndexOf(".") + 1);
  if (!name.endsWith("[x]")) return name;
  const marked = (types ?? []).filter(({ mustSupport }) => mustSupport);
  const code = (types?.length === 1 ? types : marked.length === 1 ? marked : [])[0]?.code;
  return code === undefined ? undefined : name.slice(0, -3) + code[0].toUpperCase() + code.slice(1);
};

/** A top-level element that a resource of the profile cannot be without. */
function demanded({ elements }, definitions) {
  const candidates = elements.filter(
    ({ path, min, sliceName }) => depth(path) === 2 && min > 0 && sliceName === undefined,
  );
  const byProfile = ({ path }) => {
    const ofBase = definitions.type(path.split(".")[0]).elements.find((one) => one.path === path);
    return (ofBase?.min ?? 0) === 0 ? 0 : 1;
  };
  const telling = (element) =>
    ["status", "questionnaire"].includes(key(element)) ? 1 : TELLING.has(key(element) ?? "") ? 2 : 0;
  const found = candidates
    .filter((element) => key(element) !== undefined)
    .toSorted((a, b) => telling(a) - telling(b) || byProfile(a) - byProfile(b))[0];
  return found === undefined ? undefined : `/${key(found)}`;
}

/** A top-level element that the profile marks as must-support, for which nothing excuses its absence. */
function supported(structure, definitions) {
  const own = structure.url.slice(OFFICIAL.length);
  const names = new Set(lineage(definitions, structure.url).map((url) => short(url)));
  const excused = [
    ...ALTERNATIVES.filter(({ profile }) => profile === own).flatMap(({ items }) => items.flat()),
    ...EXCUSES.filter(({ profile, except }) => names.has(profile) && !except?.includes(own)).map(
      ({ item }) => item,
    ),
  ];
  const marked = structure.elements.filter(
    ({ id, path, mustSupport, uscdi, sliceName }) =>
      depth(path) === 2 &&
      (mustSupport || uscdi) &&
      sliceName === undefined &&
      !excused.some((item) => item === id || item.startsWith(`${id}.`) || item.startsWith(`${id}:`)),
  );
  const usable = marked.filter((element) => key(element) !== undefined);
  const telling = (element) => (TELLING.has(key(element)) ? 1 : 0);
  const found = usable.toSorted((a, b) => telling(a) - telling(b) || a.min - b.min)[0];
  if (found === undefined) throw new Error(`nothing to support in ${own}`);
  return `/${key(found)}`;
}

const tells = ({ path }) => (TELLING.has(path.slice(path.lastIndexOf(".") + 1)) ? 1 : 0);

/** Where a must-support reference stands, as a fault's pointer, with the types it may lead to. */
function reference(structure, definitions) {
  const elements = [...referenceElements(definitions, structure.url).values()].filter(
    ({ mustSupport, targets, path }) => mustSupport && targets.length > 0 && !/\.extension/.test(path),
  );
  const found = elements.toSorted((a, b) => tells(a) - tells(b) || depth(a.path) - depth(b.path))[0];
  if (found === undefined) return undefined;
  const names = found.path.split(".").slice(1);
  let path = structure.type;
  const pointer = names
    .map((name) => {
      path += `.${name}`;
      const facts = structure.elements.find(
        (one) =>
          one.path === path || (one.path.endsWith("[x]") && path === one.path.replace("[x]", "Reference")),
      );
      const repeats = (facts?.baseMax ?? facts?.max) !== 1;
      return repeats ? `/${name}/*` : `/${name}`;
    })
    .join("");
  // A reference to the resource itself is wrong, but where its own type, or any, is allowed.
  const isAnything = allowsType(definitions, found.targets, structure.type);
  return { pointer, path: found.path, mistakable: isAnything ? "no" : "yes" };
}

function category(structure) {
  const at = (id) => structure.elements.find((one) => one.id === id);
  const code =
    at("Observation.code")?.pattern?.value?.coding?.[0] ??
    at("Observation.code.coding:PulseOx")?.pattern?.value;
  const system = at("Observation.category:VSCat.coding.system")?.fixed?.value;
  const wanted = at("Observation.category:VSCat.coding.code")?.fixed?.value;
  if (code === undefined || wanted === undefined) return undefined;
  return { code, category: { system, code: wanted } };
}

/** What selects the resources that have to meet a profile, as a fault says it. */
function selection({ url, type }, definitions) {
  const isBuiltOn = definitions.profilesOf(type).some(({ base }) => base === url);
  return isBuiltOn ? `resourceType=${type}` : `meta.profile=${url}`;
}

const profiles = rows(current, "us-core-6.1.0").map(({ type, structure }) => {
  const shown = supported(structure, current);
  const link = reference(structure, current);
  const granular = category(structure);
  const needed = demanded(structure, current);
  return {
    name: short(structure.url),
    url: structure.url,
    type,
    title: structure.title,
    selection: selection(structure, current),
    demands: needed === undefined ? "nothing" : "something",
    ...(needed === undefined ? {} : { demanded: needed }),
    supported: shown,
    references: link === undefined ? "none" : "some",
    ...(link === undefined ? {} : { reference: link.pointer, mistakable: link.mistakable }),
    granular: granular === undefined ? "no" : "yes",
    ...granular,
  };
});
const formerProfiles = rows(former, "us-core-3.1.1").map(({ type, structure }) => ({
  name: short(structure.url),
  url: structure.url,
  type,
  title: structure.title,
}));
const types = [...new Set(profiles.map(({ type }) => type))].map((type) => ({
  type,
  searched: ["Location", "Medication", "Organization", "Practitioner"].includes(type) ? "no" : "yes",
  refers: profiles.some((one) => one.type === type && one.references === "some") ? "yes" : "no",
}));
writeFileSync(
  new URL("../suites/us-core/profiles.json", import.meta.url),
  `${JSON.stringify({ profiles, types, former: formerProfiles }, null, 1)}\n`,
);
