import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable, RequestFailed, type CheckContext } from "../../lib/checks/context.ts";
import type { ResultCell } from "../../lib/checks/results.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import { accessToken, grantedToken } from "../../lib/checks/tokens.ts";
import { ownPackage } from "../../lib/config/package.ts";
import type { HttpResponse } from "../../lib/http/types.ts";

const PREVIOUS = "v1-patient-access";

/** One thing that an application may rely on, and how it is seen. */
interface Probe {
  readonly id: string;
  readonly title: string;
  readonly request?: {
    readonly path: string;
    /** Default true. */
    readonly token?: boolean;
    readonly accept?: string;
    readonly headers?: Readonly<Record<string, string>>;
    /** Sent by POST. */
    readonly form?: Readonly<Record<string, string>>;
  };
  /** A token request in place of a request to the API. */
  readonly token?: { readonly scopes: readonly string[] };
  /** What of the answer is compared. */
  readonly see: string;
  /** What to change in an application where it differs. */
  readonly change: string;
  /** `documented`: the vendor says that it differs. */
  readonly expect: "same" | "documented";
}

/** What can be compared between v1 and v2. */
function probes(): readonly Probe[] {
  const path = join(ownPackage().root, "suites", "migration", "probes.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { readonly probes: readonly Probe[] }).probes;
}

interface Seen {
  readonly value: string;
  readonly exchange?: string;
}

/** Makes the request of a probe at one API and says what was seen, once for all who ask. */
async function look(context: CheckContext, probe: Probe): Promise<Seen> {
  return await context.fact({
    name: `behaviour ${probe.id}`,
    explainedBy: "migration.same-patient",
    provide: async (own): Promise<Seen> => {
      if (probe.token !== undefined) return { value: await seenInToken(own, probe.token.scopes, probe.see) };
      try {
        const response = await ask(own, probe);
        return { value: seenIn(response, probe.see), exchange: response.exchange };
      } catch (error) {
        if (!(error instanceof RequestFailed)) throw error;
        return { value: `no answer (${error.failure.code})`, exchange: error.exchange };
      }
    },
  });
}

async function ask(context: CheckContext, { request, title }: Probe): Promise<HttpResponse> {
  if (request === undefined) throw new Error("unreachable: a probe without a request");
  const { path, token = true, accept = "application/fhir+json", headers, form } = request;
  const text = JSON.stringify([path, form ?? null]);
  const patient = text.includes("{patient}") ? await patientOf(context) : "";
  const fill = (value: string) => value.replaceAll("{patient}", patient);
  return await context.send({
    method: form === undefined ? "GET" : "POST",
    url: `${context.target.base}${fill(path)}`,
    headers: { accept, ...headers },
    ...(form === undefined
      ? {}
      : {
          body: new URLSearchParams(
            Object.entries(form).map(([name, value]): [string, string] => [name, fill(value)]),
          ),
          retry: "idempotent" as const,
        }),
    ...(token ? { bearer: await accessToken(context) } : {}),
    purpose: title,
  });
}

async function patientOf(context: CheckContext): Promise<string> {
  const { json } = await grantedToken(context);
  const launched = json["patient"];
  const patient = typeof launched === "string" ? launched : context.target.patients[0];
  if (patient === undefined) throw new NotApplicable("no patient is known");
  return encodeURIComponent(patient);
}

async function seenInToken(context: CheckContext, scopes: readonly string[], see: string): Promise<string> {
  const { json } = await grantedToken(context, { scopes });
  if (see === "refresh_token") return typeof json[see] === "string" ? "one comes" : "none comes";
  if (see === "scope" && typeof json[see] === "string") return json[see].split(" ").toSorted().join(" ");
  const value = json[see];
  return value === undefined ? "nothing" : JSON.stringify(value);
}

function seenIn(response: HttpResponse, see: string): string {
  if (see === "status") return String(response.status);
  if (see === "mediaType")
    return (response.headers.get("content-type") ?? "none").split(";")[0]?.trim().toLowerCase() ?? "none";
  if (see.startsWith("header:"))
    return response.headers.has(see.slice("header:".length)) ? "there" : "missing";
  const { json } = subjectOf("the answer", response);
  if (see === "issue") return firstText(json, "/issue/0/code") ?? "no OperationOutcome";
  if (see === "entries") return String(select(json, "/entry/*").length);
  if (see === "nextParameters") {
    const next = firstText(json, "/link[relation=next]/url");
    if (next === undefined || !URL.canParse(next)) return "no next link";
    return [...new URL(next).searchParams.keys()]
      .filter((name) => !/^(?:patient|_count)$/.test(name))
      .join(", ");
  }
  return firstText(json, see.slice("json:".length)) ?? "nothing";
}

function firstText(document: unknown, path: string): string | undefined {
  const value = select(document, path)[0]?.value;
  if (value === undefined || isObject(value)) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What v1 does, v2 does too. */
export const behavesAsBefore: Procedure = async (context, parameters) => {
  const probe = probes().find(({ id }) => id === parameters["probe"]);
  if (probe === undefined) throw new Error(`there is no probe ${String(parameters["probe"])}`);
  const before = await look(context.elsewhere(PREVIOUS), probe);
  const after = await look(context, probe);
  if (before.value === after.value) return [];
  return [
    {
      code: "behaviour.changed",
      expected: `${probe.title}: ${before.value}, as at v1`,
      actual: after.value,
      ...(after.exchange === undefined ? {} : { exchange: after.exchange }),
    },
  ];
};

/** Before and after of everything that an application may rely on, from real exchanges. */
export const whatChanges: Procedure = async (context) => {
  const previous = context.elsewhere(PREVIOUS);
  const rows: ResultCell[][] = [];
  for (const probe of probes()) {
    const before = await look(previous, probe);
    const after = await look(context, probe);
    const isSame = before.value === after.value;
    const shown = (seen: Seen, state: "good" | "bad" | "warning" | "muted"): ResultCell => ({
      text: seen.value,
      state,
      ...(seen.exchange === undefined ? {} : { exchange: seen.exchange }),
    });
    rows.push([
      probe.title,
      shown(before, "muted"),
      shown(after, isSame ? "good" : probe.expect === "documented" ? "warning" : "bad"),
      isSame ? "nothing" : probe.change,
    ]);
  }
  const changed = rows.filter(([, , , change]) => change !== "nothing");
  context.table({
    id: "changes",
    title: `What changes for your code: ${changed.length} of ${rows.length}`,
    columns: ["What", "v1", "v2", "What to do"],
    rows: [...changed, ...rows.filter((row) => !changed.includes(row))],
  });
  const unanswered = rows.filter(
    ([, , after]) => typeof after === "object" && after.text.startsWith("no answer"),
  );
  return unanswered.map(([what, , after]) => ({
    code: "behaviour.unanswered",
    expected: `an answer of v2 to: ${typeof what === "string" ? what : "a question"}`,
    actual: typeof after === "object" ? after.text : "none",
    ...(typeof after === "object" && after.exchange !== undefined ? { exchange: after.exchange } : {}),
  }));
};

const TOGETHER = 8;

async function readPatient(at: CheckContext, purpose: string): Promise<HttpResponse> {
  return await at.send({
    method: "GET",
    url: `${at.target.base}/Patient/${await patientOf(at)}`,
    headers: { accept: "application/fhir+json" },
    bearer: await accessToken(at),
    purpose,
  });
}

/** Both APIs are used at once, as in the weeks when traffic moves from one to the other; each answers as alone. */
export const worksInParallel: Procedure = async (context) => {
  const previous = context.elsewhere(PREVIOUS);
  const alone = [await readPatient(previous, "v1 alone"), await readPatient(context, "v2 alone")];
  const failed = alone.find(({ status }) => status !== 200);
  if (failed !== undefined)
    throw new NotApplicable(`a patient cannot be read even alone (status ${failed.status})`);
  const [first, second] = alone;
  const both = await Promise.all(
    Array.from({ length: TOGETHER }, async (_, index) => {
      const isPrevious = index % 2 === 0;
      const response = await readPatient(isPrevious ? previous : context, "both at once");
      const expected = isPrevious ? first : second;
      return { response, isAsAlone: response.status === 200 && sameResource(response, expected), isPrevious };
    }),
  );
  return both
    .filter(({ isAsAlone }) => !isAsAlone)
    .map(({ response, isPrevious }) => ({
      code: "parallel.interference",
      expected: `${isPrevious ? "v1" : "v2"} to answer as it does alone`,
      actual: response.status === 200 ? "another resource" : `status ${response.status}`,
      exchange: response.exchange,
    }));
};

function sameResource(one: HttpResponse, other: HttpResponse | undefined): boolean {
  if (other === undefined) return false;
  return idOf(one) !== undefined && idOf(one) === idOf(other);
}

function idOf(response: HttpResponse): string | undefined {
  return firstText(subjectOf("the answer", response).json, "/id");
}
