/** Checks on clinical notes: which kinds are there, whether their content can be had, and what `$docref` finds. */
import type { Procedure } from "../../../lib/checks/answer.ts";
import {
  Blocked,
  NoData,
  NotApplicable,
  RequestFailed,
  type CheckContext,
} from "../../../lib/checks/context.ts";
import { declaredTypes } from "../../../lib/checks/records/declared.ts";
import { patientsInReach } from "../../../lib/checks/records/patients.ts";
import { recordsOf, someRecordsOf, withProvenance } from "../../../lib/checks/records/records.ts";
import { capabilityStatement } from "../../../lib/checks/facts.ts";
import { select } from "../../../lib/checks/select.ts";
import { subjectOf } from "../../../lib/checks/subject.ts";
import { accessToken } from "../../../lib/checks/tokens.ts";
import type { Finding } from "../../../lib/checks/verdict.ts";
import { readSearchPage } from "../../../lib/fhir/bundle.ts";
import { FHIR_JSON } from "../../../lib/fhir/requests.ts";
import { isResource } from "../../../lib/fhir/resource.ts";
import type { HttpResponse } from "../../../lib/http/types.ts";
import { attachmentsOf, disagreements, mediaType, type AttachmentSeen } from "./attachments.ts";
import { guide } from "./guides.ts";
import {
  absolute,
  documentsWithoutCustodian,
  lastTwo,
  LOINC,
  notesOfType,
  reportsOfCategory,
  reportsWithoutDocument,
} from "./notes.ts";
import { grouped, hasCode, isEnteredInError, nameOf, textAt, valuesAt, type Seen } from "./seen.ts";
import { defectFindings, judgeAll } from "./validity.ts";

/** Attachments that are fetched for each media type and kind of resource, and the most bytes of each. */
const FETCHED_OF_A_KIND = 2;
const MOST_BYTES = 20 * 1024 * 1024;

/** Documents and reports in reach: of those types that the statement declares. */
async function documents(context: CheckContext): Promise<readonly Seen[]> {
  const declared = await context.fact(declaredTypes);
  const types = ["DocumentReference", "DiagnosticReport"].filter((type) => declared.has(type));
  if (types.length === 0)
    throw new NotApplicable(
      "the CapabilityStatement declares neither DocumentReference nor DiagnosticReport",
    );
  const found = await Promise.all(types.map(async (type) => (await recordsOf(context, type)).resources));
  return found.flat().filter(({ resource }) => !isEnteredInError(resource));
}

const noteShown: Procedure = async (context, parameters) => {
  const code = String(parameters["code"]);
  const title = String(parameters["title"]);
  const seen = await documents(context);
  if (notesOfType(seen, code).length > 0) return [];
  throw new NoData(
    `none of ${seen.length} documents and reports in reach has the type ${code} (${title})`,
    `a patient with a clinical note: ${title} (${code})`,
  );
};

const reportShown: Procedure = async (context, parameters) => {
  const code = String(parameters["code"]);
  const title = String(parameters["title"]);
  const { resources } = await recordsOf(context, "DiagnosticReport");
  if (reportsOfCategory(resources, code).length > 0) return [];
  throw new NoData(
    `none of ${resources.length} DiagnosticReport resources in reach has the category ${code} (${title})`,
    `a patient with a DiagnosticReport: the category ${title} (${code})`,
  );
};

const scansInBoth: Procedure = async (context) => {
  await someRecordsOf(context, "DiagnosticReport");
  const { scanned, alone } = reportsWithoutDocument(await documents(context), context.target.base);
  if (scanned.length === 0)
    throw new NoData(
      "no DiagnosticReport in reach has a scan (PDF or image) as its form",
      "a patient with a DiagnosticReport: a scan (PDF) as its presented form",
    );
  const { incomplete } = await recordsOf(context, "DocumentReference");
  if (alone.length > 0 && incomplete !== undefined)
    throw new NoData(
      `the scans of ${alone.length} reports stand in none of the documents that were looked at; ${incomplete}`,
      "a patient with fewer documents: a DiagnosticReport with a scan (PDF)",
    );
  return alone.slice(0, 1).map(({ resource, exchange }) => ({
    code: "notes.report-without-document",
    expected: "the scan of a report in a DocumentReference too",
    actual: `${alone.length} of ${scanned.length} scans stand in none, such as that of ${context.health(nameOf(resource))}`,
    location: "DiagnosticReport.presentedForm",
    exchange,
  }));
};

const custodianNamed: Procedure = async (context) => {
  const { resources } = await someRecordsOf(context, "DocumentReference");
  const { ids } = await context.fact(patientsInReach);
  const provenance: Seen[] = [];
  let isWhole = true;
  for (const patient of ids) {
    const result = await withProvenance(context, "DocumentReference", patient);
    isWhole &&= result?.kind === "found" && result.cut === undefined;
    if (result?.kind === "found") provenance.push(...result.included);
  }
  const { documents: all, without } = documentsWithoutCustodian([
    ...resources.filter(({ resource }) => !isEnteredInError(resource)),
    ...provenance.filter(({ resource }) => resource.resourceType === "Provenance"),
  ]);
  if (without.length > 0 && !isWhole)
    throw new Blocked(
      `${without.length} of ${all.length} documents name no custodian, and the Provenance about them, which may name an organization, could not be had`,
    );
  return without.slice(0, 1).map(({ resource, exchange }) => ({
    code: "notes.no-custodian",
    expected: "the organization that is responsible: as custodian, or in a Provenance about the document",
    actual: `${without.length} of ${all.length} documents name none, such as ${context.health(nameOf(resource))}`,
    location: "DocumentReference.custodian",
    exchange,
  }));
};

/** What came of an attachment. */
interface Fetched {
  readonly attachment: AttachmentSeen;
  readonly outcome: "good" | "bad" | "refused" | "elsewhere" | "too large";
  readonly findings: readonly Finding[];
}

const attachmentsFetched: Procedure = async (context) => {
  const all = (await documents(context)).flatMap((one) => attachmentsOf(one));
  if (all.length === 0)
    throw new NoData(
      "no document in reach has an attachment",
      "a patient with a DocumentReference: an attachment",
    );
  const kinds = grouped(all, ({ holder, contentType, url }) =>
    [holder.resource.resourceType, mediaType(contentType), url === undefined ? "inline" : "by URL"].join(" "),
  );
  const fetched: Fetched[] = [];
  for (const group of kinds.values()) {
    // Inline content costs nothing; of what has to be fetched, a few of each kind stand for all.
    const sample = group[0]?.url === undefined ? group : group.slice(0, FETCHED_OF_A_KIND);
    for (const attachment of sample) fetched.push(await fetchAttachment(context, attachment));
  }
  context.table({
    id: "attachments",
    title: "Attachments of notes and reports",
    columns: [
      "Kind",
      "Attachments",
      "Looked at",
      "As described",
      "Not reached",
      "On another server",
      "Too large",
    ],
    rows: [...kinds].map(([kind, group]) => {
      const own = fetched.filter(({ attachment }) => group.includes(attachment));
      const count = (outcome: Fetched["outcome"]) =>
        String(own.filter((one) => one.outcome === outcome).length);
      return [
        kind,
        String(group.length),
        String(own.length),
        { text: count("good"), state: own.some(({ outcome }) => outcome === "bad") ? "bad" : "good" },
        { text: count("refused"), state: "muted" },
        { text: count("elsewhere"), state: "muted" },
        { text: count("too large"), state: "muted" },
      ];
    }),
    note: `Of each kind ${FETCHED_OF_A_KIND} are fetched, up to ${MOST_BYTES / 1024 / 1024} MB each. Other servers are not asked, since the token is not theirs.`,
  });
  const findings = fetched.flatMap((one) => one.findings);
  if (findings.length === 0 && !fetched.some(({ outcome }) => outcome === "good")) {
    if (fetched.some(({ outcome }) => outcome === "refused"))
      throw new Blocked("the token does not reach the content of any attachment", "declared-answers.read");
    throw new NoData(
      "the content of every attachment is on another server or too large to compare",
      "a patient with a DocumentReference: an attachment on this server",
    );
  }
  return findings;
};

async function fetchAttachment(context: CheckContext, attachment: AttachmentSeen): Promise<Fetched> {
  const { holder, path, data, url } = attachment;
  const from = context.health(nameOf(holder.resource));
  const judged = (content: Uint8Array, served: string | undefined, exchange: string): Fetched => {
    const findings = disagreements(attachment, content, served).map((one) => ({
      ...one,
      actual: `${one.actual}, in ${from}`,
      location: path,
      exchange,
    }));
    return { attachment, outcome: findings.length === 0 ? "good" : "bad", findings };
  };
  const bad = (code: string, expected: string, actual: string, exchange: string): Fetched => ({
    attachment,
    outcome: "bad",
    findings: [{ code, expected, actual: `${actual}, in ${from}`, location: path, exchange }],
  });
  if (data !== undefined) return judged(Buffer.from(data, "base64"), undefined, holder.exchange);
  if (url === undefined)
    return bad("attachment.nothing", "an address or inline data", "neither of them", holder.exchange);
  const { base } = context.target;
  const address = absolute(url, base);
  if (!address.startsWith(new URL(`${base}/`).href))
    return { attachment, outcome: "elsewhere", findings: [] };
  let response: HttpResponse;
  try {
    response = await context.send({
      method: "GET",
      url: address,
      headers: { accept: `${attachment.contentType ?? "*/*"}, */*;q=0.5` },
      ...(await bearerOf(context)),
      limits: { bodyBytes: MOST_BYTES, decodedBytes: MOST_BYTES },
      purpose: "the content of an attachment",
    });
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    if (error.failure.code === "body-too-large" || error.failure.code === "decompressed-too-large")
      return { attachment, outcome: "too large", findings: [] };
    return bad(
      `http.${error.failure.code}`,
      "the content of an attachment",
      error.failure.message,
      error.exchange,
    );
  }
  const { status, exchange } = response;
  if (status === 401 || status === 403) return { attachment, outcome: "refused", findings: [] };
  if (status !== 200)
    return bad("attachment.gone", "the content of an attachment", `status ${status}`, exchange);
  const served = response.headers.get("content-type");
  if (
    !/^application\/(fhir\+)?json/i.test(served ?? "") ||
    mediaType(attachment.contentType) === mediaType(served)
  )
    return judged(response.body, served, exchange);
  // A server may give a Binary as a resource, whatever was asked for.
  const { json } = subjectOf("a Binary", response);
  if (!isResource(json) || json.resourceType !== "Binary") return judged(response.body, served, exchange);
  const content = Buffer.from(textAt(json, "data") ?? "", "base64");
  return judged(content, textAt(json, "contentType"), exchange);
}

async function bearerOf(context: CheckContext) {
  return context.target.authorization === "none" ? {} : { bearer: await accessToken(context) };
}

/** What `$docref` was asked for. */
interface Wish {
  readonly patient?: string;
  readonly type?: { readonly system: string; readonly code: string };
  readonly start?: string;
  readonly end?: string;
}

async function askForDocuments(
  context: CheckContext,
  wish: Wish,
  method: "GET" | "POST",
): Promise<HttpResponse> {
  const { json } = await context.fact(capabilityStatement);
  const declared = select(json, "/rest/*/resource[type=DocumentReference]/operation/*").some(({ value }) =>
    (textAt(value, "name") ?? textAt(value, "definition") ?? "").endsWith("docref"),
  );
  if (!declared)
    throw new NotApplicable("the CapabilityStatement does not declare $docref on DocumentReference");
  const url = `${context.target.base}/DocumentReference/$docref`;
  const { patient, type, start, end } = wish;
  const shared = { ...(await bearerOf(context)), purpose: "documents of a patient by $docref" };
  if (method === "GET") {
    const query = new URLSearchParams();
    if (patient !== undefined) query.set("patient", patient);
    if (type !== undefined) query.set("type", `${type.system}|${type.code}`);
    if (start !== undefined) query.set("start", start);
    if (end !== undefined) query.set("end", end);
    return await context.send({
      method,
      url: `${url}?${query.toString()}`,
      headers: { accept: FHIR_JSON },
      ...shared,
    });
  }
  const parameter = [
    ...(patient === undefined ? [] : [{ name: "patient", valueId: patient }]),
    ...(type === undefined ? [] : [{ name: "type", valueCodeableConcept: { coding: [type] } }]),
    ...(start === undefined ? [] : [{ name: "start", valueDate: start }]),
    ...(end === undefined ? [] : [{ name: "end", valueDate: end }]),
  ];
  return await context.send({
    method,
    url,
    headers: { accept: FHIR_JSON, "content-type": FHIR_JSON },
    body: JSON.stringify({ resourceType: "Parameters", parameter }),
    retry: "idempotent",
    ...shared,
  });
}

interface Documents {
  readonly found: readonly Seen[];
  readonly findings: readonly Finding[];
}

/** The documents of an answer, with what is wrong with it as the result of a search for a patient's documents. */
async function documentsIn(
  context: CheckContext,
  response: HttpResponse,
  patient: string,
): Promise<Documents> {
  const { status, exchange } = response;
  if (status === 401 || status === 403)
    throw new Blocked(`the token does not reach $docref (${status})`, "declared-answers.docref");
  const { json, problem } = subjectOf("the answer of $docref", response);
  if (status !== 200 || !isResource(json) || json.resourceType !== "Bundle" || json["type"] !== "searchset") {
    return {
      found: [],
      findings: [
        {
          code: "docref.no-searchset",
          expected: "status 200 and a Bundle of type searchset",
          actual: status === 200 ? (problem ?? "something else") : `status ${status}`,
          exchange,
        },
      ],
    };
  }
  const found = readSearchPage(json).entries.flatMap(({ resource }) =>
    resource?.resourceType === "DocumentReference" ? [{ resource, exchange }] : [],
  );
  const foreign = found.filter(
    ({ resource }) =>
      !valuesAt(resource, "subject").some(
        (one) => lastTwo(textAt(one, "reference"))[0] === `Patient/${patient}`,
      ),
  );
  return {
    found,
    findings: foreign.slice(0, 1).map(({ resource }) => ({
      code: "docref.other-patient",
      expected: "documents of the patient that was asked for",
      actual: `${foreign.length} of ${found.length} are of somebody else, such as ${context.health(nameOf(resource))}`,
      location: "DocumentReference.subject",
      exchange,
    })),
  };
}

async function firstPatient(context: CheckContext): Promise<string> {
  const [patient] = (await context.fact(patientsInReach)).ids;
  if (patient === undefined) throw new NoData("no patient is in reach", "a patient");
  return patient;
}

const docrefByMethod: Procedure = async (context, parameters) => {
  const method = parameters["method"] === "POST" ? "POST" : "GET";
  const patient = await firstPatient(context);
  const response = await askForDocuments(context, { patient }, method);
  const { found, findings } = await documentsIn(context, response, patient);
  if (findings.length > 0) return findings;
  if (found.length === 0)
    throw new NoData("$docref found no document of the patient", "a patient with a DocumentReference");
  const judged = [...judgeAll(guide("us-core-6.1.0"), found).byProfile.values()].flat();
  return defectFindings(judged, "documents that meet their profile", (value) => context.health(value));
};

const docrefOfType: Procedure = async (context) => {
  const patient = await firstPatient(context);
  const { resources } = await someRecordsOf(context, "DocumentReference");
  const type = resources
    .filter((one) => one.patient === patient && one.resource["status"] === "current")
    .flatMap(({ resource }) => valuesAt(resource, "type.coding"))
    .map((coding) => ({ system: textAt(coding, "system"), code: textAt(coding, "code") }))
    .find(
      (coding): coding is { system: string; code: string } =>
        coding.system === LOINC && coding.code !== undefined,
    );
  if (type === undefined)
    throw new NoData(
      "no current document of the patient has a type of LOINC",
      "a patient with a DocumentReference: a type of LOINC",
    );
  const response = await askForDocuments(context, { patient, type }, "GET");
  const { found, findings } = await documentsIn(context, response, patient);
  if (findings.length > 0) return findings;
  const wrong = found.filter(({ resource }) => !hasCode(resource["type"], type.system, type.code));
  // A server has to give the latest summary of care, and may give other documents.
  if (found.length === 0)
    throw new NoData(
      "$docref gave no document of the type that was asked for, and need not",
      "a patient with a continuity of care document (34133-9)",
    );
  return wrong.slice(0, 1).map(({ resource, exchange }) => ({
    code: "docref.other-type",
    expected: "documents of the type that was asked for",
    actual: `${wrong.length} of ${found.length} have another, such as ${context.health(nameOf(resource))}`,
    location: "DocumentReference.type",
    exchange,
  }));
};

const docrefOfPeriod: Procedure = async (context) => {
  const patient = await firstPatient(context);
  const { resources } = await someRecordsOf(context, "DocumentReference");
  const day = resources
    .filter((one) => one.patient === patient && one.resource["status"] === "current")
    .flatMap(({ resource }) => valuesAt(resource, "context.period"))
    .map((period) => textAt(period, "start")?.slice(0, 10))
    .find((start) => start?.length === 10);
  if (day === undefined)
    throw new NoData(
      "no current document of the patient says when the care took place",
      "a patient with a DocumentReference: the period of the care",
    );
  const response = await askForDocuments(context, { patient, start: day, end: day }, "GET");
  const { found, findings } = await documentsIn(context, response, patient);
  if (findings.length > 0) return findings;
  // Two days around it: the server's day may be another than the one that is written.
  const outside = found.filter(({ resource }) =>
    valuesAt(resource, "context.period").some((period) => {
      const [start, end] = [textAt(period, "start"), textAt(period, "end")];
      return (
        (start !== undefined && start.slice(0, 10) > shifted(day, 1, start.length)) ||
        (end !== undefined && end.slice(0, 10) < shifted(day, -1, end.length))
      );
    }),
  );
  return outside.slice(0, 1).map(({ resource, exchange }) => ({
    code: "docref.other-time",
    expected: "documents of the time that was asked for",
    actual: `${outside.length} of ${found.length} are of another, such as ${context.health(nameOf(resource))}`,
    location: "DocumentReference.context.period",
    exchange,
  }));
};

/** A day some days later, no more precise than the text it is compared with. */
function shifted(day: string, days: number, precision: number): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, Math.min(precision, 10));
}

const docrefWithoutPatient: Procedure = async (context) => {
  const response = await askForDocuments(context, {}, "GET");
  const { status, exchange } = response;
  const { json } = subjectOf("the answer of $docref", response);
  const explained = isResource(json) && json.resourceType === "OperationOutcome";
  if (status >= 400 && status < 500 && explained) return [];
  return [
    {
      code: status >= 200 && status < 300 ? "docref.without-patient" : "docref.unexplained",
      expected: "a status of 400 and an OperationOutcome, since the patient has to be named",
      actual: `status ${status}${explained ? "" : " without an OperationOutcome"}`,
      exchange,
    },
  ];
};

export const noteProcedures: Readonly<Record<string, Procedure>> = {
  attachmentsFetched,
  custodianNamed,
  docrefByMethod,
  docrefOfPeriod,
  docrefOfType,
  docrefWithoutPatient,
  noteShown,
  reportShown,
  scansInBoth,
};
