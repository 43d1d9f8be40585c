import { patientsOf, type Find } from "../fhir/access.ts";
import { withRelativeReferences } from "../fhir/present.ts";
import { exportTypes, registrations } from "../data.ts";
import { each, isObject, type Json, type JsonObject } from "../json.ts";
import type { Population } from "../population/population.ts";
import { bodyOfLines, joinBodies, type FileBody } from "./body.ts";
import type { ExportFile } from "./job.ts";
import { withNarrative } from "./narrative.ts";
import type { Selection } from "./selection.ts";

/**
 * A tenant of any size: its own patients, and copies of them without end, each with ids and identifiers of its own and
 * with narratives, so that a resource has about 2 KB.
 * Nothing of it is kept but one set of lines in which a number is to be replaced.
 */
export interface Scale {
  /** How many resources an export of everything has. */
  readonly resources: number;
  /** Ids of all patients. */
  patients(): Iterable<string>;
  /** The copy with this id, whatever its type. */
  find(type: string, id: string): JsonObject | undefined;
  /** The files of an export of these types and patients; everything else of a selection is beyond it. */
  files(selection: Pick<Selection, "types" | "patients">): ExportFile[];
}

/**
 * The tenants of a sandbox, the first of them scaled up, when that was asked for.
 *
 * @param own the population of a tenant as it is
 * @param total how many resources there are to be
 * @returns what a tenant (by id) is scaled up to
 */
export function scaler(
  own: (tenant: string) => Population,
  total: number | undefined,
): (tenant: string) => { readonly scale: Scale; readonly population: Population } | undefined {
  const first = registrations().tenants[0]?.id;
  let made: { scale: Scale; population: Population } | undefined;
  return (tenant) => {
    if (total === undefined || tenant !== first) return undefined;
    if (made === undefined) {
      const population = own(tenant);
      const scale = scaleUp(population, exportedTypes(), total);
      made = { scale, population: scaledPopulation(population, scale) };
    }
    return made;
  };
}

// What the provider's API exports: claims are the payer's.
const NOT_EXPORTED = new Set(["Binary", "ExplanationOfBenefit", "ValueSet"]);
const exportedTypes = () => Object.keys(exportTypes()).filter((type) => !NOT_EXPORTED.has(type));

/** A population in which copies are found, and belong to the groups of their originals. */
function scaledPopulation(population: Population, scale: Scale): Population {
  const grown = (group: JsonObject): JsonObject => {
    const members = new Set(patientsOf(group, (type, id) => population.find(type, id)));
    const member = [...scale.patients()]
      .filter((id) => members.has(originalOf(id)))
      .map((id): JsonObject => ({ entity: { reference: `Patient/${id}` } }));
    return { ...group, quantity: member.length, member };
  };
  return {
    ...population,
    ofType: (type) => (type === "Group" ? population.ofType(type).map(grown) : population.ofType(type)),
    find(type, id) {
      const found = population.find(type, id) ?? scale.find(type, id);
      return found !== undefined && type === "Group" ? grown(found) : found;
    },
  };
}

const originalOf = (id: string) => id.replace(new RegExp(String.raw`-\d{${DIGITS}}$`), "");

/** Behind ids and identifiers of a copy: the number of the copy, from 1. */
const DIGITS = 7;
const SUFFIX = `-${"0".repeat(DIGITS)}`;
/** Longest id that FHIR allows (R4, datatypes, id). */
const LONGEST_ID = 64;
/** Bytes of a file, about. */
const FILE_BYTES = 48 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
/** Stands in the lines where the digits come; no data has it. */
const MARK = "\u{E000}".repeat(DIGITS);

/** Lines of which each copy has the same length, with the places of the copy's number. */
interface Template {
  readonly lines: number;
  readonly bytes: Buffer;
  readonly places: readonly number[];
}

/**
 * Scales a tenant up.
 *
 * @param total how many resources there are to be, all in all; at least those of the population
 */
function scaleUp(population: Population, types: readonly string[], total: number): Scale {
  const find: Find = (type, id) => population.find(type, id);
  const own = types.flatMap((type) => population.ofType(type).map(withRelativeReferences));
  const copied = inOrder(
    own.filter((each) => each["resourceType"] !== "Group" && patientsOf(each, find).length > 0),
  );
  const references = new Set(copied.map(referenceOf));
  const wanted = total - own.length;
  if (wanted < 0 || copied.length === 0) {
    throw new Error(`An export of ${total} resources is smaller than the tenant's own ${own.length}.`);
  }
  const tooLong = copied.find((each) => textOf(each["id"]).length + SUFFIX.length > LONGEST_ID);
  if (tooLong !== undefined) throw new Error(`The id of ${referenceOf(tooLong)} is too long to be copied.`);
  const copies = Math.floor(wanted / copied.length);
  // The last copy is not complete: as much of it as refers to nothing that is left out.
  const rest = copied.slice(0, wanted % copied.length);

  const copyOf = (resource: JsonObject, number: string) => copy(resource, references, number);
  const templateOf = (resources: readonly JsonObject[]) =>
    template(resources.map((each) => `${JSON.stringify(withNarrative(copyOf(each, MARK)))}\n`));

  return {
    resources: total,
    *patients() {
      for (const each of own) if (each["resourceType"] === "Patient") yield textOf(each["id"]);
      for (let number = 1; number <= copies + 1; number += 1) {
        for (const each of number <= copies ? copied : rest) {
          if (each["resourceType"] === "Patient") yield `${textOf(each["id"])}-${digitsOf(number)}`;
        }
      }
    },
    find(type, id) {
      const number = Number(/-(\d+)$/.exec(id.slice(-SUFFIX.length))?.[1] ?? Number.NaN);
      if (id.length <= SUFFIX.length || !(number >= 1 && number <= copies + 1)) return undefined;
      const original = (number <= copies ? copied : rest).find(
        (each) => each["resourceType"] === type && each["id"] === id.slice(0, -SUFFIX.length),
      );
      return original === undefined ? undefined : withNarrative(copyOf(original, digitsOf(number)));
    },
    files({ types: asked, patients }) {
      const isIncluded = (resource: JsonObject) =>
        patients === undefined ||
        (resource["resourceType"] !== "Group" && patientsOf(resource, find).every((id) => patients.has(id)));
      return asked.flatMap((type) => {
        const ofType = (resources: readonly JsonObject[]) =>
          resources.filter((each) => each["resourceType"] === type && isIncluded(each));
        return filesOf(type, ofType(own), templateOf(ofType(copied)), copies, templateOf(ofType(rest)));
      });
    },
  };
}

const textOf = (value: Json | undefined) => (typeof value === "string" ? value : "");
const digitsOf = (number: number) => String(number).padStart(DIGITS, "0");
const referenceOf = (resource: JsonObject) => `${textOf(resource["resourceType"])}/${textOf(resource["id"])}`;

/** Every resource behind those that it refers to, so that any beginning of the list is complete. */
function inOrder(resources: readonly JsonObject[]): JsonObject[] {
  const byReference = new Map(resources.map((each) => [referenceOf(each), each]));
  const placed = new Set<JsonObject>();
  const place = (resource: JsonObject, above: ReadonlySet<JsonObject>) => {
    if (placed.has(resource) || above.has(resource)) return;
    const below = new Set([...above, resource]);
    for (const reference of referencesIn(resource)) {
      const target = byReference.get(reference);
      if (target !== undefined) place(target, below);
    }
    placed.add(resource);
  };
  for (const resource of resources) place(resource, new Set());
  return [...placed];
}

function* referencesIn(value: Json): Iterable<string> {
  if (Array.isArray(value)) {
    for (const member of value) yield* referencesIn(member);
  } else if (isObject(value)) {
    if (typeof value["reference"] === "string") yield value["reference"];
    for (const member of Object.values(value)) yield* referencesIn(member);
  }
}

/** A copy of a resource: its id, its identifiers and its references to what is copied too, each with the number. */
function copy(resource: JsonObject, references: ReadonlySet<string>, number: string): JsonObject {
  const renumber = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(renumber);
    if (!isObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [
        name,
        name === "reference" && typeof member === "string" && references.has(member)
          ? `${member}-${number}`
          : renumber(member),
      ]),
    );
  };
  const { identifier, ...content } = renumber(resource) as JsonObject;
  return {
    ...content,
    id: `${textOf(resource["id"])}-${number}`,
    ...(identifier === undefined ? {} : { identifier: renumberIdentifiers(identifier, number) }),
  };
}

function renumberIdentifiers(identifiers: Json, number: string): Json {
  const renumber = (identifier: Json): Json =>
    isObject(identifier) && typeof identifier["value"] === "string"
      ? { ...identifier, value: `${identifier["value"]}-${number}` }
      : identifier;
  return Array.isArray(identifiers) ? each(identifiers).map(renumber) : renumber(identifiers);
}

function template(lines: readonly string[]): Template {
  const marked = Buffer.from(lines.join(""));
  const mark = Buffer.from(MARK);
  const pieces: Buffer[] = [];
  const places: number[] = [];
  let size = 0;
  let from = 0;
  for (let at = marked.indexOf(mark); at !== -1; at = marked.indexOf(mark, from)) {
    pieces.push(marked.subarray(from, at), Buffer.from("0".repeat(DIGITS)));
    size += at - from;
    places.push(size);
    size += DIGITS;
    from = at + mark.length;
  }
  pieces.push(marked.subarray(from));
  return { lines: lines.length, bytes: Buffer.concat(pieces), places };
}

function filesOf(
  type: string,
  own: readonly JsonObject[],
  { lines, bytes, places }: Template,
  copies: number,
  rest: Template,
): ExportFile[] {
  const files: ExportFile[] = [];
  const add = (count: number, bodies: readonly FileBody[]) => {
    if (count === 0) return;
    const name = `${type}-${files.length + 1}.ndjson`;
    files.push({ list: "output", type, name, count, body: joinBodies(bodies) });
  };
  const head = bodyOfLines(function* ownLines() {
    for (const resource of own) yield `${JSON.stringify(resource)}\n`;
  });
  const tail = copiesOf(rest, copies + 1, copies + 1);
  if (lines === 0) {
    add(own.length + rest.lines, [head, tail]);
    return files;
  }
  const perFile = Math.max(Math.floor(FILE_BYTES / bytes.length), 1);
  const count = Math.max(Math.ceil(copies / perFile), 1);
  for (let index = 0; index < count; index += 1) {
    const first = index * perFile + 1;
    const last = Math.min(first + perFile - 1, copies);
    const isLast = index === count - 1;
    add((last - first + 1) * lines + (index === 0 ? own.length : 0) + (isLast ? rest.lines : 0), [
      ...(index === 0 ? [head] : []),
      copiesOf({ lines, bytes, places }, first, last),
      ...(isLast ? [tail] : []),
    ]);
  }
  return files;
}

/** The copies of a template with the numbers from `first` to `last`, both included. */
function copiesOf({ bytes, places }: Template, first: number, last: number): FileBody {
  const size = bytes.length * Math.max(last - first + 1, 0);
  const atOnce = Math.max(Math.floor(CHUNK_BYTES / Math.max(bytes.length, 1)), 1);
  return {
    size,
    *chunks(start, end) {
      if (start >= end || size === 0) return;
      const until = Math.ceil(end / bytes.length);
      for (let index = Math.floor(start / bytes.length); index < until; index += atOnce) {
        const chunk = numbered(bytes, places, first + index, Math.min(atOnce, until - index));
        const at = index * bytes.length;
        yield chunk.subarray(Math.max(start - at, 0), end - at);
      }
    },
  };
}

function numbered(bytes: Buffer, places: readonly number[], first: number, count: number): Buffer {
  const chunk = Buffer.allocUnsafe(bytes.length * count);
  for (let index = 0; index < count; index += 1) {
    const offset = index * bytes.length;
    bytes.copy(chunk, offset);
    const digits = Buffer.from(digitsOf(first + index), "latin1");
    for (const place of places) chunk.set(digits, offset + place);
  }
  return chunk;
}
