import { RequestFailed, type CheckContext } from "../../lib/checks/context.ts";
import { declaredTypes } from "../../lib/checks/records/declared.ts";
import { patientsInReach } from "../../lib/checks/records/patients.ts";
import { recordsOf } from "../../lib/checks/records/records.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import { readSearchPage } from "../../lib/fhir/bundle.ts";
import { getRequest, queryText, searchRequest, type SearchParameters } from "../../lib/fhir/requests.ts";
import { readReference } from "../../lib/fhir/reference.ts";
import { isResource, type Resource } from "../../lib/fhir/resource.ts";
import type { HttpRequest } from "../../lib/http/types.ts";
import type { Grant } from "./grants.ts";

/** What an answer means for access. */
export type ProbeKind =
  /** Resources came. */
  | "data"
  /** It succeeded, with nothing in it. */
  | "empty"
  /** 401 or 403. */
  | "refused"
  /** 404 or 410: it is not told whether it exists. */
  | "absent"
  /** 400, 405, 501 …: the server does not do what was asked, whatever the scopes. */
  | "unsupported"
  /** 5xx, or no usable answer. */
  | "failed";

/** What came of one request with one grant. */
export interface Probe {
  readonly kind: ProbeKind;
  /** 0 where there was no answer. */
  readonly status: number;
  readonly exchange: string;
  /** What came, OperationOutcomes left out; of a Bundle, the resources in it. */
  readonly resources: readonly Resource[];
  /** The whole body, where it is JSON. */
  readonly json: unknown;
  /** The next page, where one is offered. */
  readonly next?: string;
}

/** Something to ask for, in words and as a request. */
export interface Question {
  /** `read`, `search`, `search by POST` … */
  readonly how: string;
  readonly request: HttpRequest;
  /** The answer may be any bytes: those of a Binary, with this id. */
  readonly binary?: string;
}

/** Asks with a grant; the same request with the same grant is sent once, whoever asks. */
export async function probe(context: CheckContext, grant: Grant, question: Question): Promise<Probe> {
  const { method, url, body } = question.request;
  return await context.fact({
    // The name holds ids, so it must never get into words: a failure is a probe of its own.
    name: `probe ${grant.key} ${method} ${url} ${body instanceof URLSearchParams ? body.toString() : ""}`,
    explainedBy: "declared-answers.read",
    async provide(own): Promise<Probe> {
      try {
        const sent = { ...question.request, bearer: grant.bearer, redirect: "manual" } as const;
        return judgeAnswer(await own.send(sent), question.binary);
      } catch (error) {
        if (!(error instanceof RequestFailed)) throw error;
        return { kind: "failed", status: 0, exchange: error.exchange, resources: [], json: undefined };
      }
    },
  });
}

function judgeAnswer(response: Awaited<ReturnType<CheckContext["send"]>>, binary: string | undefined): Probe {
  const { status, exchange } = response;
  const { json } = subjectOf("the answer", response);
  const shared = { status, exchange, json };
  if (status >= 200 && status < 300) {
    if (binary !== undefined && response.body.byteLength > 0 && !isOutcome(json)) {
      return { ...shared, kind: "data", resources: [{ resourceType: "Binary", id: binary }] };
    }
    if (!isResource(json)) return { ...shared, kind: "failed", resources: [] };
    const isBundle = json.resourceType === "Bundle";
    const page = isBundle ? readSearchPage(json) : undefined;
    const all = page === undefined ? [json] : page.entries.flatMap(({ resource }) => resource ?? []);
    const resources = all.filter(({ resourceType }) => resourceType !== "OperationOutcome");
    const next = page?.links["next"];
    return {
      ...shared,
      kind: resources.length > 0 ? "data" : "empty",
      resources,
      ...(next === undefined ? {} : { next }),
    };
  }
  if (status === 401 || status === 403) return { ...shared, kind: "refused", resources: [] };
  if (status === 404 || status === 410) return { ...shared, kind: "absent", resources: [] };
  return { ...shared, kind: status >= 500 && status !== 501 ? "failed" : "unsupported", resources: [] };
}

const isOutcome = (json: unknown) => isResource(json) && json.resourceType === "OperationOutcome";

/** The issue codes of an OperationOutcome; undefined where the body is none. */
export function issueCodes({ json }: Probe): readonly string[] | undefined {
  if (!isObject(json) || json["resourceType"] !== "OperationOutcome") return undefined;
  return select(json, "/issue/*/code").flatMap(({ value }) => (typeof value === "string" ? [value] : []));
}

/** Whether an answer says anything about access. */
export function isTelling({ kind }: Probe): boolean {
  return kind !== "unsupported" && kind !== "failed";
}

/** What an answer was, in words. */
export function answerWords({ kind, status, resources }: Probe): string {
  if (status === 0) return "no answer";
  if (kind === "data")
    return `status ${status} with ${resources.length} ${resources.length === 1 ? "resource" : "resources"}`;
  return kind === "empty" ? `status ${status} with nothing in it` : `status ${status}`;
}

/** A read, as a question. */
export function readOf(context: CheckContext, type: string, id: string): Question {
  const request = getRequest(context.target.base, `${type}/${id}`, undefined, `read of ${type}`);
  return { how: "read", request, ...(type === "Binary" ? { binary: id } : {}) };
}

/** A search, as a question. */
export function searchOf(
  context: CheckContext,
  type: string,
  parameters: SearchParameters,
  method: "GET" | "POST" = "GET",
  how: string = method === "GET" ? "search" : "search by POST",
): Question {
  const query = { type, parameters, method };
  return { how, request: searchRequest(context.target.base, query, undefined, `${how} of ${type}`) };
}

/** Any GET below the base URL, as a question. */
export function getOf(
  context: CheckContext,
  path: string,
  parameters: SearchParameters,
  how: string,
): Question {
  const text = queryText(parameters);
  const url = `${path}${text === "" ? "" : `?${text}`}`;
  return { how, request: getRequest(context.target.base, url, undefined, how) };
}

/** The patient whose data is asked for: of the token, or of the configuration. */
export async function ownPatient(context: CheckContext): Promise<string> {
  return (await context.fact(patientsInReach)).ids[0] ?? "";
}

/** How a type is searched so that a conformant server answers: by patient where it can be. */
export async function plainSearch(context: CheckContext, type: string): Promise<SearchParameters> {
  const parameters = (await context.fact(declaredTypes)).get(type)?.searchParameters;
  if (type === "Patient") return [["_id", await ownPatient(context)]];
  if (parameters?.has("patient") === true) return [["patient", await ownPatient(context)]];
  return [["_count", "5"]];
}

/** An id of a type to read: of one in reach, or undefined where there is none. */
export async function knownId(context: CheckContext, type: string): Promise<string | undefined> {
  if (type === "Patient") return await ownPatient(context);
  if (type === "Binary") {
    const declared = await context.fact(declaredTypes);
    if (!declared.has("DocumentReference")) return undefined;
    const { resources } = await recordsOf(context, "DocumentReference");
    return attachedBinaries(
      resources.map(({ resource }) => resource),
      context.target.base,
    )[0];
  }
  return (await recordsOf(context, type)).resources[0]?.id;
}

/** Ids of the Binary resources that documents are attached as. */
export function attachedBinaries(documents: readonly Resource[], base: string): readonly string[] {
  return documents.flatMap((document) =>
    select(document, "/content/*/attachment/url").flatMap(({ value }) => {
      const parsed = typeof value === "string" ? readReference(value, base) : undefined;
      return parsed?.kind === "restful" && parsed.type === "Binary" && parsed.base === undefined
        ? [parsed.id]
        : [];
    }),
  );
}
