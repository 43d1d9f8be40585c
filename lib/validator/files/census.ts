import { createHash } from "node:crypto";
import { isObject, listAt, stringAt, type JsonObject } from "../json.ts";
import type { FindingDetails, MustSupportObserver, ValidationResult } from "../result.ts";
import { createKeys, typeNumber, type KeyList, type Keys } from "./keys.ts";

/** What can be wrong with a line of an export's file, whatever its resource is like. */
export type LineDefect =
  | "not-utf8"
  | "byte-order-mark"
  | "blank"
  | "not-json"
  /** The file ends in the midst of a line. */
  | "cut"
  | "not-resource"
  | "other-type"
  | "without-id"
  | "too-long";

/** A rule that resources break, with how often and where first. */
export interface BrokenRule {
  readonly rule: string;
  /** FHIRPath without indices. */
  readonly expression: string;
  readonly profile?: string;
  readonly constraint?: string;
  /** Of a profile that the resource does not claim: the guide has it for its type and code. */
  readonly assumed: boolean;
  /** What the first finding's words are made from. */
  readonly details: FindingDetails;
  readonly line: number;
  count: number;
}

/** A resource without its data: digests of its members, so that it can be kept and compared. */
export interface Sample {
  readonly id: string;
  readonly version?: string;
  /** SHA-256 of each member's value, by its name. */
  readonly members: Readonly<Record<string, string>>;
}

/**
 * The members of a resource as {@link Sample} has them: order of names and white space mean nothing in JSON, and a
 * reference below the base URL is the same as the relative one.
 */
export function digestMembers(resource: JsonObject, base: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(resource).map(([name, value]) => [
      name,
      createHash("sha256")
        .update(JSON.stringify(sorted(value, `${base}/`)))
        .digest("base64url"),
    ]),
  );
}

function sorted(value: unknown, prefix: string): unknown {
  if (typeof value === "string") return value.startsWith(prefix) ? value.slice(prefix.length) : value;
  if (Array.isArray(value)) return value.map((member) => sorted(member, prefix));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((name) => [name, sorted(value[name], prefix)]),
  );
}

/** What the resources of one type are like, as far as it adds up. */
export interface TypeCensus {
  resources: number;
  /** Earliest and latest `meta.lastUpdated`, in milliseconds since 1970. */
  firstUpdated?: number;
  lastUpdated?: number;
  /** Resources that do not say when they were updated. */
  undated: number;
  /** Resources marked as incomplete (SUBSETTED). */
  subsetted: number;
  /** How many resources have each element of the root. */
  readonly elements: Record<string, number>;
  /** How many resources have each code of some elements: `status`, `gender`. */
  readonly codes: Record<string, number>;
}

/** What a run of lines comes to; sums, so that runs add up. */
export interface Census {
  lines: number;
  resources: number;
  /** Not valid by FHIR, or by a profile that they claim. */
  invalid: number;
  /** Judged by the guide's profile for their type, because they claim none; and not valid by it. */
  assumed: number;
  invalidAssumed: number;
  readonly defects: Partial<Record<LineDefect, { count: number; line: number }>>;
  readonly types: Record<string, TypeCensus>;
  /** By rule and place; what is beyond the bound is counted in `invalid` all the same. */
  readonly broken: Record<string, BrokenRule>;
  /** References to nothing that a FHIR server could have: neither relative, nor absolute, nor contained. */
  oddReferences: number;
  /** Absolute references to another server. */
  foreignReferences: number;
  readonly attachments: {
    all: number;
    withoutType: number;
    withoutContent: number;
    relativeUrl: number;
    /** The first few URLs, by resource type. */
    readonly urls: Record<string, string[]>;
  };
  /** `resourceType/id` of each resource. */
  ids: Keys;
  /** What resources refer to, at this server; each once. */
  references: Keys;
  /** What Provenance resources are about, and what Bundles of deletions name; each once. */
  targets: Keys;
  /** For each resource of a patient: the patient's key, with the resource's type for a type. */
  belongings: Keys;
  /** Must-support items that are populated, by profile. */
  readonly seen: Record<string, string[]>;
  /** The first resource of each type: what it takes to tell whether another is the same. */
  readonly samples: Record<string, Sample>;
  /** The first ids of patients. */
  readonly patients: string[];
  /** Outcomes of error files: `severity code`. */
  readonly issues: Record<string, number>;
  /** What deleted files say: entries, and those that are not as they have to be. */
  readonly deletions: { entries: number; flawed: number; otherBundles: number };
}

/** Where the first of something is kept. */
const MOST_RULES = 400;
const MOST_URLS = 2;
const MOST_PATIENTS = 50;
const MOST_NAMES = 120;
const MOST_SAMPLE = 65_536;

/** Elements by which a resource belongs to a patient (the Patient compartment of R4, its owning references). */
const OF_PATIENT = ["subject", "patient", "beneficiary", "individual", "for", "candidate"] as const;
/** Where resources of a type that FHIR does not have are counted. */
const UNKNOWN_TYPE = "unknown";
const CODES = ["status", "gender"] as const;

const NO_KEYS: Keys = new BigUint64Array(0);

export function emptyCensus(): Census {
  return {
    lines: 0,
    resources: 0,
    invalid: 0,
    assumed: 0,
    invalidAssumed: 0,
    defects: {},
    types: {},
    broken: {},
    oddReferences: 0,
    foreignReferences: 0,
    attachments: { all: 0, withoutType: 0, withoutContent: 0, relativeUrl: 0, urls: {} },
    ids: NO_KEYS,
    references: NO_KEYS,
    targets: NO_KEYS,
    belongings: NO_KEYS,
    seen: {},
    samples: {},
    patients: [],
    issues: {},
    deletions: { entries: 0, flawed: 0, otherBundles: 0 },
  };
}

/** How a census is taken. */
export interface CensusSettings {
  /** FHIR base URL of the server: absolute references below it are its own. */
  readonly base: string;
  /** Resource type that the lines have to be of. */
  readonly type: string;
}

/** Takes a census, line by line. */
export interface CensusTaker {
  defect(kind: LineDefect, line: number): void;
  /** A line that is a JSON object, and what the validator says of it. */
  resource(resource: JsonObject, line: number, text: string, result: ValidationResult | undefined): void;
  done(): Census;
}

/**
 * @param observers must-support observers by profile, shared by all that is taken in this thread; null for a profile
 * that the definitions lack
 */
export function takeCensus(
  { base, type: expected }: CensusSettings,
  observe: (profile: string) => MustSupportObserver | undefined,
): CensusTaker {
  const census = emptyCensus();
  const ids = createKeys();
  const references = createKeys();
  const targets = createKeys();
  const belongings = createKeys();
  const prefix = `${base}/`;

  const defect: CensusTaker["defect"] = (kind, line) => {
    const known = census.defects[kind];
    if (known === undefined) census.defects[kind] = { count: 1, line };
    else known.count += 1;
  };

  /** A reference of this server as type and id; undefined for another. */
  const local = (reference: string): readonly [string, string] | undefined => {
    const relative = reference.startsWith(prefix) ? reference.slice(prefix.length) : reference;
    const match = REFERENCE.exec(relative);
    return match === null ? undefined : [match[1] ?? "", match[2] ?? ""];
  };
  const addReference = (reference: string, into: KeyList): void => {
    const own = local(reference);
    if (own !== undefined) into.add(own[0], own[1]);
    else if (/^https?:/.test(reference)) census.foreignReferences += 1;
    else if (!/^(#|urn:)/.test(reference)) census.oddReferences += 1;
  };
  const walk = (value: unknown, type: string): void => {
    if (Array.isArray(value)) {
      for (const member of value) if (typeof member === "object") walk(member, type);
      return;
    }
    if (value === null || typeof value !== "object") return;
    for (const key in value) {
      const member = (value as Record<string, unknown>)[key];
      if (typeof member === "object") {
        if (ATTACHMENT.test(key)) countAttachments(member, type, census);
        walk(member, type);
      } else if (key === "reference" && typeof member === "string") addReference(member, references);
    }
  };
  const patientsIn = function* (resource: JsonObject): Generator<string> {
    for (const name of OF_PATIENT) {
      for (const one of listAt(resource, name)) {
        const own = local(stringAt(one, "reference") ?? "");
        if (own !== undefined && own[0] === "Patient") yield own[1];
      }
    }
  };

  return {
    defect,
    resource(resource, line, text, result) {
      const type = stringAt(resource, "resourceType");
      if (type === undefined) return defect("not-resource", line);
      if (type !== expected) defect("other-type", line);
      census.resources += 1;
      const own = (census.types[typeNumber(type) === 0 ? UNKNOWN_TYPE : type] ??= emptyType());
      own.resources += 1;
      countMeta(resource, own);
      countElements(resource, own);
      if (expected === "OperationOutcome") countIssues(resource, census);
      if (type === "Bundle") {
        for (const url of countDeletions(resource, census)) {
          const gone = local(url);
          if (gone !== undefined) targets.add(gone[0], gone[1]);
        }
        return;
      }
      const id = stringAt(resource, "id");
      if (id === undefined) {
        // Messages about an export need no id.
        if (expected !== "OperationOutcome") defect("without-id", line);
      } else ids.add(type, id);
      walk(resource, typeNumber(type) === 0 ? UNKNOWN_TYPE : type);
      if (type === "Provenance") {
        for (const target of listAt(resource, "target")) {
          const about = local(stringAt(target, "reference") ?? "");
          if (about !== undefined) targets.add(about[0], about[1]);
        }
      }
      if (type === "Patient") {
        if (id !== undefined && census.patients.length < MOST_PATIENTS) census.patients.push(id);
        if (id !== undefined) belongings.addAs("Patient", id, "Patient");
      } else {
        // What several patients share, such as an account, belongs to each of them.
        const [patient, another] = new Set(patientsIn(resource));
        if (patient !== undefined && another === undefined) belongings.addAs("Patient", patient, type);
      }
      if (
        id !== undefined &&
        typeNumber(type) > 0 &&
        census.samples[type] === undefined &&
        text.length <= MOST_SAMPLE
      ) {
        const version = stringAt(resource["meta"], "versionId");
        const members = digestMembers(resource, base);
        census.samples[type] = version === undefined ? { id, members } : { id, version, members };
      }
      if (result !== undefined) countResult(result, resource, line, census, observe);
    },
    done() {
      references.settle("unique");
      targets.settle("unique");
      census.ids = ids.take();
      census.references = references.take();
      census.targets = targets.take();
      census.belongings = belongings.take();
      return census;
    },
  };
}

const REFERENCE = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;
const ATTACHMENT = /^(attachment|photo|valueAttachment|contentAttachment|presentedForm)$/;

function emptyType(): TypeCensus {
  return { resources: 0, undated: 0, subsetted: 0, elements: noCounts(), codes: noCounts() };
}

/** Names come from data: none of them may meet a member that every object has. */
function noCounts(): Record<string, number> {
  return Object.create(null) as Record<string, number>;
}

function countMeta(resource: JsonObject, own: TypeCensus): void {
  const { meta } = resource;
  const updated = Date.parse(stringAt(meta, "lastUpdated") ?? "");
  if (Number.isNaN(updated)) own.undated += 1;
  else {
    own.firstUpdated = Math.min(own.firstUpdated ?? updated, updated);
    own.lastUpdated = Math.max(own.lastUpdated ?? updated, updated);
  }
  if (listAt(meta, "tag").some((tag) => stringAt(tag, "code") === "SUBSETTED")) own.subsetted += 1;
}

function countElements(resource: JsonObject, { elements, codes }: TypeCensus): void {
  for (const name in resource) {
    const known = elements[name];
    if (known !== undefined) elements[name] = known + 1;
    else if (Object.keys(elements).length < MOST_NAMES) elements[name] = 1;
  }
  for (const name of CODES) {
    const code = stringAt(resource, name);
    if (code === undefined) continue;
    const key = `${name}=${code}`;
    const known = codes[key];
    if (known !== undefined) codes[key] = known + 1;
    else if (Object.keys(codes).length < MOST_NAMES) codes[key] = 1;
  }
}

function countAttachments(member: unknown, type: string, { attachments }: Census): void {
  for (const one of Array.isArray(member) ? (member as readonly unknown[]) : [member]) {
    if (!isObject(one)) continue;
    attachments.all += 1;
    const url = stringAt(one, "url");
    if (stringAt(one, "contentType") === undefined) attachments.withoutType += 1;
    if (url === undefined && stringAt(one, "data") === undefined) attachments.withoutContent += 1;
    if (url === undefined) continue;
    if (!/^[a-z][a-z0-9+.-]*:/i.test(url)) attachments.relativeUrl += 1;
    else {
      const urls = (attachments.urls[type] ??= []);
      if (urls.length < MOST_URLS) urls.push(url);
    }
  }
}

function countIssues(resource: JsonObject, { issues }: Census): void {
  for (const issue of listAt(resource, "issue")) {
    const key = `${stringAt(issue, "severity") ?? "no severity"} ${stringAt(issue, "code") ?? "no code"}`;
    if (issues[key] !== undefined || Object.keys(issues).length < MOST_NAMES)
      issues[key] = (issues[key] ?? 0) + 1;
  }
}

/** A transaction Bundle of deletions (Bulk Data 2.0.0 §response, complete, `deleted`). */
function countDeletions(bundle: JsonObject, { deletions }: Census): readonly string[] {
  const urls: string[] = [];
  const entries = listAt(bundle, "entry");
  if (stringAt(bundle, "type") !== "transaction" || entries.length === 0) deletions.otherBundles += 1;
  for (const entry of entries) {
    const request = isObject(entry) ? entry["request"] : undefined;
    deletions.entries += 1;
    const url = stringAt(request, "url");
    if (stringAt(request, "method") !== "DELETE" || url === undefined) deletions.flawed += 1;
    else urls.push(url);
  }
  return urls;
}

function countResult(
  result: ValidationResult,
  resource: JsonObject,
  line: number,
  census: Census,
  observe: (profile: string) => MustSupportObserver | undefined,
): void {
  if (result.assumedProfiles.length > 0) census.assumed += 1;
  let brokenOwn = false;
  let brokenAssumed = false;
  for (const { severity, rule, expression, details, profile, constraint } of result.findings) {
    if (severity !== "error" && severity !== "fatal") continue;
    const isAssumed = profile !== undefined && result.assumedProfiles.length > 0 && !isOfFhir(profile);
    if (isAssumed) brokenAssumed = true;
    else brokenOwn = true;
    const place = expression.replaceAll(/\[\d+\]/g, "");
    const key = `${rule} ${constraint ?? ""} ${place} ${profile ?? ""} ${isAssumed}`;
    const known = census.broken[key];
    if (known !== undefined) known.count += 1;
    else if (Object.keys(census.broken).length < MOST_RULES) {
      census.broken[key] = {
        rule,
        expression: place,
        assumed: isAssumed,
        details,
        line,
        count: 1,
        ...(profile === undefined ? {} : { profile }),
        ...(constraint === undefined ? {} : { constraint }),
      };
    }
  }
  if (brokenOwn) census.invalid += 1;
  if (brokenAssumed) census.invalidAssumed += 1;
  for (const profile of result.profiles) {
    const observer = observe(profile);
    if (observer === undefined) continue;
    for (const id of observer.observe(resource)) {
      if ((observer.seen.get(id) ?? 0) > 1) continue;
      (census.seen[profile] ??= []).push(id);
    }
  }
}

/** Profiles of FHIR itself that guides build on; everything else at FHIR's address is a type. */
const FHIR_PROFILES =
  /\/(vitalsigns|vitalspanel|bmi|bodyheight|bodytemp|bodyweight|bp|headcircum|heartrate|oxygensat|resprate)$/;

/** Whether a definition is a type of FHIR. */
function isOfFhir(canonical: string): boolean {
  return canonical.startsWith("http://hl7.org/fhir/StructureDefinition/") && !FHIR_PROFILES.test(canonical);
}

/** Adds the second to the first, its key lists apart: those are gathered by `createKeys`. */
export function addCensus(sum: Census, more: Census): void {
  for (const name of [
    "lines",
    "resources",
    "invalid",
    "assumed",
    "invalidAssumed",
    "oddReferences",
    "foreignReferences",
  ] as const)
    sum[name] += more[name];
  for (const [kind, defect] of Object.entries(more.defects) as [
    LineDefect,
    { count: number; line: number },
  ][]) {
    const known = sum.defects[kind];
    if (known === undefined) sum.defects[kind] = { ...defect };
    else {
      known.count += defect.count;
      known.line = Math.min(known.line, defect.line);
    }
  }
  for (const [type, one] of Object.entries(more.types)) addType((sum.types[type] ??= emptyType()), one);
  for (const [key, rule] of Object.entries(more.broken)) {
    const known = sum.broken[key];
    if (known === undefined) sum.broken[key] = { ...rule };
    else known.count += rule.count;
  }
  for (const name of ["all", "withoutType", "withoutContent", "relativeUrl"] as const)
    sum.attachments[name] += more.attachments[name];
  for (const [type, urls] of Object.entries(more.attachments.urls))
    sum.attachments.urls[type] = [...(sum.attachments.urls[type] ?? []), ...urls].slice(0, MOST_URLS);
  for (const [profile, items] of Object.entries(more.seen))
    sum.seen[profile] = [...new Set([...(sum.seen[profile] ?? []), ...items])];
  for (const [type, sample] of Object.entries(more.samples)) sum.samples[type] ??= sample;
  sum.patients.push(...more.patients.slice(0, Math.max(0, MOST_PATIENTS - sum.patients.length)));
  addCounts(sum.issues, more.issues);
  for (const name of ["entries", "flawed", "otherBundles"] as const)
    sum.deletions[name] += more.deletions[name];
}

function addType(sum: TypeCensus, more: TypeCensus): void {
  for (const name of ["resources", "undated", "subsetted"] as const) sum[name] += more[name];
  if (more.firstUpdated !== undefined)
    sum.firstUpdated = Math.min(sum.firstUpdated ?? more.firstUpdated, more.firstUpdated);
  if (more.lastUpdated !== undefined)
    sum.lastUpdated = Math.max(sum.lastUpdated ?? more.lastUpdated, more.lastUpdated);
  addCounts(sum.elements, more.elements);
  addCounts(sum.codes, more.codes);
}

function addCounts(sum: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(more))
    sum[key] = (Object.hasOwn(sum, key) ? (sum[key] ?? 0) : 0) + count;
}
