import type { Procedure } from "../../lib/checks/answer.ts";
import { ofOtherPatients, unresolvedTargets } from "../../lib/checks/bulk/content.ts";
import {
  bulkSettings,
  contentOf,
  exportLevel,
  exportOf,
  mainContent,
  ownBearer,
  type CompletedExport,
  type ExportContent,
  type ExportParameters,
  type KickOff,
} from "../../lib/checks/bulk/index.ts";
import { Blocked, NoData, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { isObject } from "../../lib/checks/select.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { reachOf } from "../../lib/bulk/index.ts";
import { typeOfKey } from "../../lib/validator/files/keys.ts";
import { countsInWords } from "./words.ts";

/** Before anything that a record system has changed of late. */
const LONG_AGO = "2000-01-01T00:00:00Z";
/** Longest line that is read for a look at one resource. */
const MOST_BYTES = 1024 * 1024;

/** The main export, all of whose files were read: what exports with parameters are compared with. */
async function reference(context: CheckContext): Promise<ExportContent> {
  const content = await context.fact(mainContent);
  if (!content.isWhole)
    throw new Blocked(
      "not every file of the main export could be downloaded",
      "bulk-export.files-accessible",
    );
  return content;
}

/**
 * What an export with parameters holds.
 *
 * @throws NotApplicable where the server refuses it: parameters may be optional
 */
async function exportedWith(
  context: CheckContext,
  parameters: ExportParameters,
  method: KickOff["method"] = "GET",
): Promise<ExportContent> {
  const kickOff: KickOff = { level: await exportLevel(context), parameters, method };
  const content = await context.fact(contentOf(exportOf(kickOff)));
  if (!content.isWhole)
    throw new Blocked("not every file of the export could be downloaded", "bulk-export.files-accessible");
  return content;
}

function countsOf({ census }: ExportContent): ReadonlyMap<string, number> {
  return new Map(
    Object.entries(census.types).flatMap(([type, { resources }]) =>
      resources > 0 ? [[type, resources]] : [],
    ),
  );
}

/** The exchange that shows what an export holds. */
function shownBy({ completed }: ExportContent): Pick<Finding, "exchange"> {
  const { exchange } = completed.completed;
  return exchange === undefined ? {} : { exchange };
}

/** Nothing is exported that has not changed since: asked for the time between the main export and now. */
const sinceNewer: Procedure = async (context) => {
  const { completed } = await reference(context);
  const time = completed.manifest?.transactionTime;
  const since = Date.parse(time ?? "");
  if (time === undefined || Number.isNaN(since) || !time.includes("T"))
    throw new NotApplicable("the manifest has no transactionTime that can be read");
  const content = await exportedWith(context, [["_since", time]]);
  const dated = Object.entries(content.census.types).filter(
    ([, { lastUpdated }]) => lastUpdated !== undefined,
  );
  // What has changed may bring what it refers to, of any age (Bulk Data 2.0.0, `_since`).
  if (dated.some(([, { lastUpdated = 0 }]) => lastUpdated > since)) {
    throw new NoData("the tenant's data changed meanwhile", "a quiet hour, in which nobody changes the data");
  }
  if (dated.length === 0) return [];
  const counts = new Map(dated.map(([type, { resources }]) => [type, resources]));
  return [
    {
      code: "export.older-than-since",
      expected: "nothing that was last updated before _since",
      actual: `older resources: ${countsInWords(counts)}`,
      ...shownBy(content),
    },
  ];
};

/** Types of which an export has fewer resources than the main one, at whatever time that is made. */
async function lost(
  context: CheckContext,
  whole: ExportContent,
  part: ExportContent,
  types: readonly string[],
): Promise<readonly Finding[]> {
  const [before, there] = [countsOf(whole), countsOf(part)];
  const less = types.filter((type) => (before.get(type) ?? 0) > (there.get(type) ?? 0));
  if (less.length === 0) return [];
  // A tenant lives: what was deleted or made in between is no loss.
  const level = await exportLevel(context);
  const again = exportOf({ level, headers: { "cache-control": "no-cache" } });
  const after = countsOf(await context.fact(contentOf(again)));
  const missing = less.flatMap((type): [string, number][] => {
    const least = Math.min(before.get(type) ?? 0, after.get(type) ?? 0);
    const difference = least - (there.get(type) ?? 0);
    return difference > 0 ? [[type, difference]] : [];
  });
  if (missing.length === 0) return [];
  return [
    {
      code: "export.incomplete",
      expected: "everything that the export without the parameter has",
      actual: `missing: ${countsInWords(new Map(missing))}`,
      ...shownBy(part),
    },
  ];
}

/** Everything is exported that has changed since a time long ago. */
const sinceComplete: Procedure = async (context) => {
  const whole = await reference(context);
  const part = await exportedWith(context, [["_since", LONG_AGO]]);
  return await lost(context, whole, part, [...countsOf(whole).keys()]);
};

const PATIENTS_ONLY: ExportParameters = [["_type", "Patient"]];

/** `_type` gives nothing else. */
const typeOnly: Procedure = async (context) => {
  const content = await exportedWith(context, PATIENTS_ONLY);
  const others = new Map([...countsOf(content)].filter(([type]) => type !== "Patient"));
  if (others.size === 0) return [];
  const expected = "resources of the type Patient only, as asked for with _type";
  return [{ code: "export.other-type", expected, actual: countsInWords(others), ...shownBy(content) }];
};

/** `_type` gives all of the type. */
const typeComplete: Procedure = async (context) => {
  const whole = await reference(context);
  return await lost(context, whole, await exportedWith(context, PATIENTS_ONLY), ["Patient"]);
};

/** One patient of several: whom to ask for. */
async function onePatient(context: CheckContext): Promise<string> {
  const whole = await reference(context);
  const [one] = whole.census.patients;
  if (one === undefined || (countsOf(whole).get("Patient") ?? 0) < 2) {
    throw new NoData("the export has fewer than two patients", "a group of two patients or more");
  }
  return one;
}

/** Findings of an export that was to be about one patient. */
function aboutOne(content: ExportContent, expected: string): readonly Finding[] {
  const patients = countsOf(content).get("Patient") ?? 0;
  const others = ofOtherPatients(content);
  if (patients === 1 && others.size === 0) return [];
  const actual =
    patients === 1 ? `resources of other patients: ${countsInWords(others)}` : `${patients} patients`;
  return [{ code: "export.not-filtered", expected, actual, ...shownBy(content) }];
}

/** `_typeFilter` gives what its query is about. */
const typeFilterHeeded: Procedure = async (context) => {
  const one = await onePatient(context);
  const content = await exportedWith(context, [...PATIENTS_ONLY, ["_typeFilter", `Patient?_id=${one}`]]);
  return aboutOne(content, "the one Patient that the query of _typeFilter is about");
};

/** `patient` gives nobody else. */
const patientOnly: Procedure = async (context) => {
  if ((await exportLevel(context)).kind === "system")
    throw new NotApplicable("only exports of everything are offered, and patient is not for them");
  const one = await onePatient(context);
  const content = await exportedWith(context, [["patient", `Patient/${one}`]], "POST");
  return aboutOne(content, "the data of the one patient asked for with patient");
};

/** The first resource of an export in JSON. */
async function firstResource(
  context: CheckContext,
  { manifest }: CompletedExport,
  type: string,
): Promise<Readonly<Record<string, unknown>>> {
  const file = manifest?.files.find((one) => one.kind === "output" && one.type === type);
  if (file?.url === undefined)
    throw new NoData(`the export has no ${type}`, `an export with ${type} resources`);
  const reach = reachOf(file.url, context.target.base, bulkSettings(context).fileOrigins);
  if (reach !== "own" && reach !== "allowed")
    throw new NotApplicable("the files lie at another origin, and nothing is sent there (bulk.fileOrigins)");
  const bearer =
    reach === "own" && manifest?.requiresAccessToken !== false
      ? await ownBearer(context, file.url)
      : undefined;
  const response = await context.stream({
    method: "GET",
    url: file.url,
    headers: { accept: "application/fhir+ndjson" },
    ...(bearer === undefined ? {} : { bearer }),
    redirect: "manual",
    limits: {
      bodyBytes: Number.MAX_SAFE_INTEGER,
      decodedBytes: Number.MAX_SAFE_INTEGER,
      recordedBodyBytes: 4096,
    },
    purpose: "first resource of a file of the export",
  });
  if (response.status !== 200)
    throw new Blocked(`a file could not be had: status ${response.status}`, "bulk-export.files-accessible");
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body) {
    pieces.push(piece);
    size += piece.length;
    if (piece.includes(10) || size > MOST_BYTES) break;
  }
  const [line = ""] = Buffer.concat(pieces).toString("utf8").split("\n");
  try {
    const resource: unknown = JSON.parse(line);
    if (isObject(resource)) return resource;
  } catch {
    // Which line is wrong, and how, is another check's to say.
  }
  throw new Blocked("the first line of a file is no resource", "bulk-export.lines-json");
}

/** A type to ask for elements of: one element that is asked for, others that are mandatory in R4. */
const ASKED = { type: "Condition", element: "subject" } as const;
const MANDATORY = { type: "Observation", element: "subject", elements: ["status", "code"] } as const;

/** What no server leaves out, or may give with any element: what says how to read the rest. */
const KEPT =
  /^(?:resourceType|id|meta|text|language|implicitRules|contained|extension|modifierExtension|_.*|subject|code|category|clinicalStatus|verificationStatus)$/;

async function withElements(context: CheckContext, type: string, element: string) {
  const whole = await reference(context);
  if ((countsOf(whole).get(type) ?? 0) === 0)
    throw new NoData(`the export has no ${type}`, `patients with ${type} resources in the exported group`);
  const level = await exportLevel(context);
  const parameters: ExportParameters = [
    ["_type", type],
    ["_elements", `${type}.${element}`],
  ];
  const completed = await context.fact(exportOf({ level, parameters, method: "GET" }));
  return { whole, completed, resource: await firstResource(context, completed, type) };
}

const answered = ({ completed }: CompletedExport): Pick<Finding, "exchange"> =>
  completed.exchange === undefined ? {} : { exchange: completed.exchange };

/** `_elements` leaves out what was not asked for. */
const elementsOmitted: Procedure = async (context) => {
  const { whole, completed, resource } = await withElements(context, ASKED.type, ASKED.element);
  const before = Object.keys(whole.census.samples[ASKED.type]?.members ?? {}).filter(
    (name) => !KEPT.test(name),
  );
  if (before.length === 0) {
    throw new NoData(
      `no ${ASKED.type} has an element that could be left out`,
      `a ${ASKED.type} with an onset`,
    );
  }
  const left = Object.keys(resource).filter((name) => !KEPT.test(name));
  if (left.length === 0) return [];
  const expected = `a ${ASKED.type} with ${ASKED.element} and its mandatory elements, as asked for with _elements`;
  return [
    { code: "export.elements-kept", expected, actual: `also ${left.join(", ")}`, ...answered(completed) },
  ];
};

/** `_elements` keeps what is asked for, and what is mandatory. */
const elementsMandatory: Procedure = async (context) => {
  const { type, element, elements } = MANDATORY;
  const { completed, resource } = await withElements(context, type, element);
  const missing = [element, ...elements].filter((name) => !(name in resource));
  if (missing.length === 0) return [];
  const expected = `an ${type} with ${element}, which was asked for, and its mandatory elements`;
  return [
    {
      code: "export.element-missing",
      expected,
      actual: `without ${missing.join(", ")}`,
      ...answered(completed),
    },
  ];
};

/** A resource from which something was left out says so. */
const elementsTagged: Procedure = async (context) => {
  const { whole, completed, resource } = await withElements(context, ASKED.type, ASKED.element);
  const before = Object.keys(whole.census.samples[ASKED.type]?.members ?? {});
  if (before.every((name) => name in resource)) {
    throw new NotApplicable("nothing was left out of the resources");
  }
  const tags = isObject(resource["meta"]) ? resource["meta"]["tag"] : undefined;
  const isTagged = Array.isArray(tags) && tags.some((tag) => isObject(tag) && tag["code"] === "SUBSETTED");
  if (isTagged) return [];
  const expected = "the tag SUBSETTED on a resource that is not complete";
  return [
    {
      code: "export.not-tagged",
      expected,
      actual: "no such tag",
      location: "/meta/tag",
      ...answered(completed),
    },
  ];
};

/** Provenance comes with what it is about, and no other. */
const associatedProvenance: Procedure = async (context) => {
  const whole = await reference(context);
  const isAboutPatients = [...whole.keys.targets.view()].some((key) => typeOfKey(key) === "Patient");
  if (!isAboutPatients) {
    throw new NoData(
      "no exported Provenance is about a Patient",
      "patients with Provenance in the exported group",
    );
  }
  const content = await exportedWith(context, [
    ...PATIENTS_ONLY,
    ["includeAssociatedData", "RelevantProvenanceResources"],
  ]);
  const counts = countsOf(content);
  const others = unresolvedTargets(content);
  const findings: Finding[] = [];
  if ((counts.get("Provenance") ?? 0) === 0) {
    const expected = "the Provenance resources about the exported patients";
    findings.push({ code: "export.incomplete", expected, actual: "none", ...shownBy(content) });
  }
  if (others.size > 0) {
    findings.push({
      code: "export.not-filtered",
      expected: "Provenance about the exported resources only",
      actual: `also about ${countsInWords(others)} that were not exported`,
      ...shownBy(content),
    });
  }
  return findings;
};

/** The procedures about parameters, by name. */
export const parameterProcedures: Readonly<Record<string, Procedure>> = {
  associatedProvenance,
  elementsMandatory,
  elementsOmitted,
  elementsTagged,
  patientOnly,
  sinceComplete,
  sinceNewer,
  typeComplete,
  typeFilterHeeded,
  typeOnly,
};
