import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { capabilityStatement } from "../../lib/checks/facts.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import { accessToken, grantedToken } from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { xmlDisagreements } from "../../lib/checks/xml-agreement.ts";
import type { HttpResponse } from "../../lib/http/types.ts";

type Resource = Readonly<Record<string, unknown>>;

/** What says that something is not there, whatever the statement declares (FHIR R4 §http). */
const NOT_THERE = new Set([404, 405, 410, 501]);

/** GETs something below the base URL with the target's own token. */
async function read(
  context: CheckContext,
  path: string,
  purpose: string,
  accept = "application/fhir+json",
): Promise<HttpResponse> {
  return await context.send({
    method: "GET",
    url: `${context.target.base}/${path}`,
    headers: { accept },
    bearer: await accessToken(context),
    purpose,
  });
}

/**
 * Findings of an answer that should be a success: that what is declared is not there, or that the answer is none.
 *
 * @throws NotApplicable when the token does not reach so far; Blocked when it is not accepted at all
 */
function refusal(response: HttpResponse, what: string): readonly Finding[] {
  const { status, exchange } = response;
  if (status >= 200 && status < 300) return [];
  if (status === 403) throw new NotApplicable(`the token of this application does not reach ${what} (403)`);
  if (status === 401) {
    throw new Blocked("the API does not accept the token (401)", "declared-answers.read", [
      { code: "http.status", expected: "the token to be accepted", actual: "status 401", exchange },
    ]);
  }
  return [
    {
      code: NOT_THERE.has(status) ? "capability.not-answered" : "http.status",
      expected: `${what}, which the statement declares`,
      actual: `status ${status}`,
      exchange,
    },
  ];
}

/** The resource of a successful answer, or the finding that there is none. */
function resourceIn(response: HttpResponse, type: string): Resource | Finding {
  const { json, problem } = subjectOf("the answer", response);
  if (isObject(json) && json["resourceType"] === type) return json;
  const actual =
    problem ?? (isObject(json) ? `a ${JSON.stringify(json["resourceType"] ?? null)}` : "other JSON");
  return { code: "fhir.resource-type", expected: `a ${type}`, actual, exchange: response.exchange };
}

function isFinding(value: Resource | Finding): value is Finding {
  return !("resourceType" in value);
}

/** A patient that the token reaches: the launched one, one of the configuration, or the first that a search finds. */
const patientId: Fact<string> = {
  name: "patient in reach",
  explainedBy: "declared-answers.search:Patient",
  async provide(context) {
    const granted = await grantedToken(context);
    const launched = granted.json["patient"];
    if (typeof launched === "string" && launched !== "") return launched;
    const [configured] = context.target.patients;
    if (configured !== undefined) return configured;
    const response = await read(context, "Patient?_count=1", "a patient to read");
    const bundle = response.status === 200 ? resourceIn(response, "Bundle") : undefined;
    const found = bundle === undefined ? undefined : firstPatient(bundle);
    if (found !== undefined) return found;
    throw new Blocked(
      `no patient is known: the tenant's file names none, and a search found none (status ${response.status})`,
      "declared-answers.search:Patient",
    );
  },
};

function firstPatient(bundle: Resource | Finding): string | undefined {
  for (const { value } of select(bundle, "/entry/*/resource")) {
    if (isObject(value) && value["resourceType"] === "Patient" && typeof value["id"] === "string")
      return value["id"];
  }
  return undefined;
}

/** A search of a declared type is answered with a Bundle. What it finds does not matter. */
const searchAnswered: Procedure = async (context, parameters) => {
  const type = String(parameters["type"]);
  const { json } = await context.fact(capabilityStatement);
  const [declared] = select(json, `/rest[mode=server]/resource[type=${type}]`);
  if (declared === undefined) throw new NotApplicable(`the statement does not declare ${type}`);
  if (select(declared.value, "/interaction[code=search-type]").length === 0)
    throw new NotApplicable(`the statement does not declare a search of ${type}`);
  const names = new Set(select(declared.value, "/searchParam/*/name").map(({ value }) => value));
  const response = await read(context, `${type}?${await query(context, type, names)}`, `search of ${type}`);
  if (response.status === 400 || response.status === 422) {
    // US Core lets a server ask for more parameters; what a search needs is asked by the suite on searches.
    throw new NotApplicable(
      `the server refuses a search of ${type} by so few parameters (${response.status})`,
    );
  }
  const refused = refusal(response, `a search of ${type}`);
  if (refused.length > 0) return refused;
  const bundle = resourceIn(response, "Bundle");
  if (isFinding(bundle)) return [bundle];
  return bundleType(bundle, "searchset", response);
};

async function query(context: CheckContext, type: string, names: ReadonlySet<unknown>): Promise<string> {
  const id = encodeURIComponent(await context.fact(patientId));
  if (type === "Patient") return `_id=${id}`;
  return names.has("patient") ? `patient=${id}&_count=1` : "_count=1";
}

function bundleType(bundle: Resource, wanted: string, response: HttpResponse): readonly Finding[] {
  if (bundle["type"] === wanted) return [];
  return [
    {
      code: "fhir.bundle-type",
      expected: `a Bundle of type ${wanted}`,
      actual: `type ${JSON.stringify(bundle["type"] ?? null)}`,
      location: "/type",
      exchange: response.exchange,
    },
  ];
}

/** Reads a patient; the findings say why it could not be. */
async function readPatient(context: CheckContext): Promise<Resource | readonly Finding[]> {
  const id = await context.fact(patientId);
  const response = await read(context, `Patient/${id}`, "read of a patient");
  const refused = refusal(response, "the read of a patient");
  if (refused.length > 0) return refused;
  const patient = resourceIn(response, "Patient");
  if (isFinding(patient)) return [patient];
  if (patient["id"] !== id) {
    return [
      {
        code: "fhir.id",
        expected: "the patient that was asked for",
        actual: "a patient with another id",
        location: "/id",
        exchange: response.exchange,
      },
    ];
  }
  return patient;
}

function isFindings(value: Resource | readonly Finding[]): value is readonly Finding[] {
  return Array.isArray(value);
}

/** The patient as JSON, remembered, for comparisons. */
const patient: Fact<Resource> = {
  name: "a patient",
  explainedBy: "declared-answers.read",
  async provide(context) {
    const found = await readPatient(context);
    if (isFindings(found)) throw new Blocked("no patient could be read", "declared-answers.read", found);
    return found;
  },
};

const patientRead: Procedure = async (context) => {
  const found = await readPatient(context);
  return isFindings(found) ? found : [];
};

const patientReadAsXml: Procedure = async (context) => {
  const known = await context.fact(patient);
  const path = `Patient/${String(known["id"])}`;
  const response = await read(context, path, "read of a patient as XML", "application/fhir+xml");
  const { exchange } = response;
  if (response.status === 406) {
    return [
      {
        code: "capability.not-answered",
        expected: "XML, which the statement declares",
        actual: "status 406",
        exchange,
      },
    ];
  }
  const refused = refusal(response, "a patient as XML");
  if (refused.length > 0) return refused;
  return xmlDisagreements(known, response);
};

const patientVersionRead: Procedure = async (context) => {
  const known = await context.fact(patient);
  const [version] = select(known, "/meta/versionId");
  if (typeof version?.value !== "string") throw new NotApplicable("the patient has no meta.versionId");
  const path = `Patient/${String(known["id"])}/_history/${encodeURIComponent(version.value)}`;
  const response = await read(context, path, "read of a version of a patient");
  const refused = refusal(response, "the current version of a patient");
  if (refused.length > 0) return refused;
  const found = resourceIn(response, "Patient");
  return isFinding(found) ? [found] : [];
};

const patientHistory: Procedure = async (context) => {
  const id = await context.fact(patientId);
  const response = await read(context, `Patient/${id}/_history`, "history of a patient");
  const refused = refusal(response, "the history of a patient");
  if (refused.length > 0) return refused;
  const bundle = resourceIn(response, "Bundle");
  return isFinding(bundle) ? [bundle] : bundleType(bundle, "history", response);
};

const documentsOfPatient: Procedure = async (context) => {
  const id = await context.fact(patientId);
  const path = `DocumentReference/$docref?patient=${encodeURIComponent(id)}`;
  const response = await read(context, path, "documents of a patient by $docref");
  const refused = refusal(response, "$docref");
  if (refused.length > 0) return refused;
  const bundle = resourceIn(response, "Bundle");
  return isFinding(bundle) ? [bundle] : [];
};

/** Spot reads with a token. */
export const procedures: Readonly<Record<string, Procedure>> = {
  documentsOfPatient,
  patientHistory,
  patientRead,
  patientReadAsXml,
  patientVersionRead,
  searchAnswered,
};
