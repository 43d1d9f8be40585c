/** Checks on reading single resources: the same as found, in versions, with their headers, and what is not there. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import { Blocked, NoData, NotApplicable, type CheckContext } from "../../../lib/checks/context.ts";
import { declaredInteraction } from "../../../lib/checks/records/declared.ts";
import {
  readOnce,
  recordsOf,
  type ReadResult,
  type RecordedResource,
} from "../../../lib/checks/records/records.ts";
import { capabilityStatement } from "../../../lib/checks/facts.ts";
import { isObject, select } from "../../../lib/checks/select.ts";
import { subjectOf } from "../../../lib/checks/subject.ts";
import { accessToken } from "../../../lib/checks/tokens.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import { withoutNarrative, xmlDisagreements } from "../../../lib/checks/xml-agreement.ts";
import { getRequest } from "../../../lib/fhir/requests.ts";
import { isResource, type Resource } from "../../../lib/fhir/resource.ts";
import { differences } from "../../../lib/fhir/xml.ts";
import type { HttpResponse } from "../../../lib/http/types.ts";
import { nameOf } from "./judging.ts";
import { poolOf } from "./pool.ts";

/** Resources of a profile that are read. */
const MOST_READ = 2;
/** Places that are named where two resources differ. */
const SHOWN = 4;

/** An id that nobody has. */
const NO_ID = "no-such-id-3f6c2b9e";

const versionOf = (resource: Resource): string | undefined => {
  const version = isObject(resource["meta"]) ? resource["meta"]["versionId"] : undefined;
  return typeof version === "string" ? version : undefined;
};

async function get(
  context: CheckContext,
  path: string,
  purpose: string,
  accept?: string,
): Promise<HttpResponse> {
  const { target } = context;
  const bearer = target.authorization === "none" ? undefined : await accessToken(context);
  const response = await context.send(getRequest(target.base, path, bearer, purpose, accept));
  if (response.status === 401)
    throw new Blocked("the API does not accept the token (401)", "declared-answers.read");
  return response;
}

/** A resource that was found can be read, and is the same. */
const readWhatWasFound: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const profile = String(parameters["profile"]);
  await declaredInteraction(context, type, "read");
  const records = await recordsOf(context, type);
  const [dead] = records.unresolved;
  if (records.resources.length === 0 && dead !== undefined && dead.status !== 403) {
    return [
      {
        code: "read.refused",
        expected: `the read of a ${type} that a ${dead.from.type} refers to`,
        actual: `status ${dead.status}`,
        exchange: dead.exchange,
      },
    ];
  }
  const { pool } = await poolOf(context, type, profile);
  const findings: Finding[] = [];
  for (const record of pool.slice(0, MOST_READ)) {
    const read = await readOnce(context, type, record.id);
    if (read.status === 403)
      throw new NotApplicable(`the token of this application does not reach a read of ${type} (403)`);
    findings.push(...readFindings(context, record, read));
  }
  return findings;
};

function readFindings(context: CheckContext, record: RecordedResource, read: ReadResult): readonly Finding[] {
  const { type, id, resource: known } = record;
  const { exchange, resource } = read;
  if (resource === undefined) {
    return [
      {
        code: "read.refused",
        expected: `${nameOf(context, known)}, which a search found`,
        actual: read.status === 200 ? (read.problem ?? "something else") : `status ${read.status}`,
        exchange,
      },
    ];
  }
  if (resource["id"] !== id) {
    return [
      {
        code: "read.other",
        expected: `the ${type} that was asked for`,
        actual: "one with another id",
        location: "/id",
        exchange,
      },
    ];
  }
  if (versionOf(known) !== versionOf(resource)) return [];
  return differences(withoutNarrative(known), withoutNarrative(resource), SHOWN).map((location) => ({
    code: "read.differs",
    expected: "the same by a read as by a search",
    actual: `a ${type} that differs here`,
    location,
    exchange,
  }));
}

/** A known resource of a type, to be read in some way. */
async function oneOf(context: CheckContext, type: string): Promise<RecordedResource> {
  const { pool } = await poolOf(context, type);
  const [record] = pool;
  if (record === undefined) throw new NoData(`no ${type} is in reach`, `a patient with a ${type}`);
  return record;
}

/** The current version can be read by its number. */
const versionRead: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  await declaredInteraction(context, type, "vread");
  const record = await oneOf(context, type);
  const version = versionOf(record.resource);
  if (version === undefined) {
    return [
      {
        code: "vread.no-version",
        expected: "a versionId to read versions by, which are declared",
        actual: `a ${type} without one`,
        location: "/meta/versionId",
        exchange: record.exchange,
      },
    ];
  }
  const path = `${type}/${encodeURIComponent(record.id)}/_history/${encodeURIComponent(version)}`;
  const response = await get(context, path, `read of a version of ${type}`);
  const { json, problem } = subjectOf("the answer", response);
  const { exchange, status } = response;
  if (status === 403)
    throw new NotApplicable(`the token of this application does not reach versions of ${type} (403)`);
  if (status !== 200 || !isResource(json) || json.resourceType !== type) {
    return [
      {
        code: "vread.refused",
        expected: `the current version of a ${type}, which is declared to be readable`,
        actual: status === 200 ? (problem ?? "something else") : `status ${status}`,
        exchange,
      },
    ];
  }
  const findings: Finding[] = [];
  if (json["id"] !== record.id || versionOf(json) !== version) {
    findings.push({
      code: "vread.other",
      expected: "the version that was asked for",
      actual: "another id or version",
      location: "/meta/versionId",
      exchange,
    });
  }
  for (const location of differences(withoutNarrative(record.resource), withoutNarrative(json), SHOWN)) {
    findings.push({
      code: "read.differs",
      expected: "the same by its version as without",
      actual: `a ${type} that differs here`,
      location,
      exchange,
    });
  }
  return findings;
};

/** The history of a resource has the resource as it is now. */
const instanceHistory: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  await declaredInteraction(context, type, "history-instance");
  const record = await oneOf(context, type);
  const response = await get(
    context,
    `${type}/${encodeURIComponent(record.id)}/_history`,
    `history of ${type}`,
  );
  const { json, problem } = subjectOf("the answer", response);
  const { exchange, status } = response;
  if (status === 403)
    throw new NotApplicable(`the token of this application does not reach the history of ${type} (403)`);
  if (status !== 200 || !isResource(json) || json.resourceType !== "Bundle") {
    return [
      {
        code: "history.refused",
        expected: `the history of a ${type}, which is declared`,
        actual: status === 200 ? (problem ?? "something else") : `status ${status}`,
        exchange,
      },
    ];
  }
  const findings: Finding[] = [];
  if (json["type"] !== "history") {
    findings.push({
      code: "history.type",
      expected: "a Bundle of type history",
      actual: `type ${JSON.stringify(json["type"] ?? null)}`,
      location: "/type",
      exchange,
    });
  }
  const entries = Array.isArray(json["entry"])
    ? (json["entry"] as unknown[]).filter((one) => isObject(one))
    : [];
  const current = entries.some((entry) => {
    const { resource } = entry;
    return (
      isResource(resource) &&
      resource["id"] === record.id &&
      versionOf(resource) === versionOf(record.resource)
    );
  });
  if (!current) {
    findings.push({
      code: "history.without-current",
      expected: "the current version among the versions",
      actual: `${entries.length} entries without it`,
      location: "/entry",
      exchange,
    });
  }
  if (entries.some((entry) => !isObject(entry["request"]))) {
    findings.push({
      code: "history.request",
      expected: "for every version how it came about (entry.request)",
      actual: "an entry without",
      location: "/entry",
      exchange,
    });
  }
  return findings;
};

/** A read says which version it gives, and since when that is the current one. */
const versionHeaders: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  await declaredInteraction(context, type, "read");
  const record = await oneOf(context, type);
  const read = await readOnce(context, type, record.id);
  if (read.resource === undefined)
    throw new Blocked(`the read of ${type} is refused with status ${read.status}`);
  const { exchange } = read;
  const version = versionOf(read.resource);
  const findings: Finding[] = [];
  const wanted = version === undefined ? undefined : `W/"${version}"`;
  if (
    read.etag === undefined ||
    (wanted !== undefined && read.etag.replace(/^W\//, "") !== wanted.slice(2))
  ) {
    findings.push({
      code: "read.etag",
      expected: wanted === undefined ? "an ETag" : "an ETag with the version of the resource",
      actual: read.etag === undefined ? "none" : "another",
      location: "ETag",
      exchange,
    });
  }
  if (read.lastModified === undefined || Number.isNaN(Date.parse(read.lastModified))) {
    findings.push({
      code: "read.last-modified",
      expected: "a Last-Modified with an HTTP date",
      actual: read.lastModified === undefined ? "none" : "something else",
      location: "Last-Modified",
      exchange,
    });
  }
  return findings;
};

/** What is not there is answered with 404 and an OperationOutcome. */
const unknownId: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  await declaredInteraction(context, type, "read");
  const response = await get(context, `${type}/${NO_ID}`, `read of a ${type} that is not there`);
  return absence(response, 404, `a ${type} that is not there`);
};

/** What was deleted is answered with 410, or as unknown, and never shown. */
const deletedId: Procedure = async (context) => {
  const deleted = Object.entries(context.target.deletedResources ?? {});
  if (deleted.length === 0)
    throw new NotApplicable("the tenant's file names nothing that was deleted (deletedResources)");
  const findings: Finding[] = [];
  for (const [type, ids] of deleted) {
    for (const id of ids) {
      const response = await get(
        context,
        `${type}/${encodeURIComponent(id)}`,
        `read of a ${type} that was deleted`,
      );
      findings.push(...absence(response, 410, `a ${type} that was deleted`));
    }
  }
  return findings;
};

function absence(response: HttpResponse, wanted: number, what: string): readonly Finding[] {
  const { status, exchange } = response;
  if (status === 403)
    throw new NotApplicable("the server tells this application nothing about what is not its own (403)");
  const { json } = subjectOf("the answer", response);
  const findings: Finding[] = [];
  if (status !== wanted) {
    findings.push({
      code: "http.status",
      expected: `status ${wanted} for ${what}`,
      actual: `status ${status}`,
      exchange,
    });
  }
  if (status >= 400 && !(isResource(json) && json.resourceType === "OperationOutcome")) {
    findings.push({
      code: "fhir.operation-outcome",
      expected: "an OperationOutcome that says why",
      actual: "another body",
      exchange,
    });
  }
  return findings;
}

/** A resource as XML says what it says as JSON. */
const xmlEqualsJson: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  await declaredInteraction(context, type, "read");
  const { json: statement } = await context.fact(capabilityStatement);
  const offersXml = select(statement, "/format/*").some(
    ({ value }) => typeof value === "string" && /xml/i.test(value),
  );
  if (!offersXml) throw new NotApplicable("the CapabilityStatement does not declare XML as a format");
  const record = await oneOf(context, type);
  const { resource: known } = record;
  const path = `${type}/${encodeURIComponent(record.id)}`;
  const response = await get(context, path, `read of ${type} as XML`, "application/fhir+xml");
  const { exchange, status } = response;
  if (status !== 200) {
    return [{ code: "read.xml-refused", expected: `a ${type} as XML`, actual: `status ${status}`, exchange }];
  }
  return xmlDisagreements(known, response);
};

export const readProcedures: Readonly<Record<string, Procedure>> = {
  deletedId,
  instanceHistory,
  readWhatWasFound,
  unknownId,
  versionHeaders,
  versionRead,
  xmlEqualsJson,
};
