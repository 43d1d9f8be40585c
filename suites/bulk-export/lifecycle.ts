import type { Procedure } from "../../lib/checks/answer.ts";
import {
  askStatus,
  deleteExport,
  exportLevel,
  followToEnd,
  inExportTurn,
  kickOffExport,
  mainKickOff,
  type CompletedExport,
  type Started,
} from "../../lib/checks/bulk/index.ts";
import { Blocked, NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import { reachOf } from "../../lib/bulk/index.ts";
import { glance } from "./glance.ts";
import { madeUp, outcomeFindings } from "./status.ts";
import { askerOf, refusalExpected } from "./words.ts";

/**
 * A small export of a check's own.
 *
 * @throws Blocked when it cannot be started
 */
async function startSmall(context: CheckContext): Promise<Started & { readonly statusUrl: string }> {
  const level = await exportLevel(context);
  // `_type` may not be offered; then it is the whole once more.
  for (const parameters of [[["_type", "Patient"]] as const, []]) {
    const started = await kickOffExport(context, { level, parameters });
    const { statusUrl } = started;
    if (statusUrl !== undefined) return { ...started, statusUrl };
  }
  throw new Blocked("a further export cannot be started", "bulk-export.kick-off-accepted");
}

/** An export that was complete when it was deleted, and what the server says of it afterwards. */
interface Deleted {
  readonly completed: CompletedExport;
  readonly answer: HttpResponse;
  /** The status, asked for afterwards. */
  readonly later: HttpResponse;
}

const deletedExport: Fact<Deleted> = {
  name: "deleted export",
  explainedBy: "bulk-export.delete-accepted",
  provide: (context) =>
    inExportTurn(context, async () => {
      const completed = await followToEnd(context, await startSmall(context));
      const answer = await deleteExport(context, completed.statusUrl);
      const later = await askStatus(context, completed.statusUrl);
      return { completed, answer, later };
    }),
};

/** An export that was deleted while it was under way. */
const cancelledExport: Fact<{ readonly answer: HttpResponse; readonly later: HttpResponse }> = {
  name: "cancelled export",
  explainedBy: "bulk-export.cancel-accepted",
  provide: (context) =>
    inExportTurn(context, async () => {
      const level = await exportLevel(context);
      const { statusUrl } = await kickOffExport(context, { level });
      if (statusUrl === undefined)
        throw new Blocked("a further export cannot be started", "bulk-export.kick-off-accepted");
      const answer = await deleteExport(context, statusUrl);
      return { answer, later: await askStatus(context, statusUrl) };
    }),
};

const WHICH = { complete: deletedExport, "under-way": cancelledExport } as const;

function deletionOf(parameters: Readonly<Record<string, unknown>>) {
  return WHICH[parameters["when"] as keyof typeof WHICH] as Fact<Pick<Deleted, "answer" | "later">>;
}

/** DELETE is answered with 202. Parameter: `when`: `complete` or `under-way`. */
export const deleteAccepted: Procedure = async (context, parameters) => {
  const { answer } = await context.fact(deletionOf(parameters));
  if (answer.status === 202) return [];
  const expected = "status 202 for DELETE of the status URL";
  return [{ code: "http.status", expected, actual: `status ${answer.status}`, exchange: answer.exchange }];
};

/** Afterwards the status is 404. Parameter: `when`. */
export const deletedIsGone: Procedure = async (context, parameters) => {
  const { answer, later } = await context.fact(deletionOf(parameters));
  accepted(answer);
  if (later.status === 404) return [];
  const expected = "status 404 after the export was deleted";
  return [{ code: "http.status", expected, actual: `status ${later.status}`, exchange: later.exchange }];
};

function accepted({ status }: HttpResponse): void {
  if (status < 200 || status > 299)
    throw new Blocked(`the export was not deleted: status ${status}`, "bulk-export.delete-accepted");
}

/** The 404 is told as an OperationOutcome. */
export const deletedIsExplained: Procedure = async (context) => {
  const { answer, later } = await context.fact(deletedExport);
  accepted(answer);
  return outcomeFindings(later, "the error of a deleted export's status");
};

/** The files are gone with the export. */
export const deletedFilesGone: Procedure = async (context) => {
  const { answer, completed } = await context.fact(deletedExport);
  accepted(answer);
  const file = completed.manifest?.files.find(({ kind, url }) => kind === "output" && url !== undefined);
  if (file?.url === undefined || reachOf(file.url, context.target.base) !== "own")
    throw new NotApplicable("the deleted export had no file on the FHIR server's own origin");
  const { status, exchange } = await glance(context, file.url);
  if (status >= 400 && status < 500) return [];
  const expected = "status 404 for a file of a deleted export";
  return [{ code: "http.status", expected, actual: `status ${status}`, exchange }];
};

/** DELETE of what was never there. */
const deletedUnknown: Fact<HttpResponse> = {
  name: "deletion of an unknown export",
  explainedBy: "bulk-export.delete-unknown",
  async provide(context) {
    const { statusUrl = "" } = await context.fact(mainKickOff);
    return await deleteExport(context, madeUp(statusUrl));
  },
};

export const deleteUnknownRefused: Procedure = async (context) => {
  const { status, exchange } = await context.fact(deletedUnknown);
  if (status >= 400) return [];
  const expected = "status 4XX or 5XX for DELETE of a status URL that was never given out";
  return [{ code: "http.status", expected, actual: `status ${status}`, exchange }];
};

export const deleteUnknownExplained: Procedure = async (context) =>
  outcomeFindings(await context.fact(deletedUnknown), "the error of deleting an unknown export");

/** DELETE by somebody else is refused, and the export lives on. Parameter: `as`. */
export const deleteRefused: Procedure = async (context, parameters) => {
  const { asker, words } = askerOf(context, parameters["as"]);
  return await inExportTurn(context, async () => {
    const { statusUrl } = await startSmall(context);
    const answer = await deleteExport(context, statusUrl, asker);
    const findings = refusalExpected(answer, `DELETE ${words}`);
    if (findings.length > 0) return findings;
    const later = await askStatus(context, statusUrl);
    await deleteExport(context, statusUrl).catch(() => undefined);
    if (later.status === 200 || later.status === 202) return [];
    const expected = `the export to live on after DELETE ${words} was refused`;
    return [
      {
        code: "export.deleted-by-another",
        expected,
        actual: `status ${later.status}`,
        exchange: later.exchange,
      },
    ];
  });
};

/** Two exports at once have status URLs of their own, and the end of one is not that of the other. */
export const exportsIndependent: Procedure = async (context) =>
  await inExportTurn(context, async () => {
    const first = await startSmall(context);
    // Another request: a server may answer the same one with the export that is under way.
    const second = await kickOffExport(context, { level: await exportLevel(context) });
    if (second.statusUrl === undefined)
      throw new NotApplicable(`a second export at once is not offered: status ${second.response.status}`);
    if (first.statusUrl === second.statusUrl) {
      const expected = "a status URL for each export";
      return [
        { code: "export.shared", expected, actual: "the same for two", exchange: second.response.exchange },
      ];
    }
    const before = await askStatus(context, first.statusUrl);
    if (before.status >= 400 && before.status !== 429) {
      const expected = "an export to live on when another is started";
      return [
        { code: "export.shared", expected, actual: `status ${before.status}`, exchange: before.exchange },
      ];
    }
    await deleteExport(context, first.statusUrl);
    const later = await askStatus(context, second.statusUrl);
    await deleteExport(context, second.statusUrl).catch(() => undefined);
    if (later.status === 200 || later.status === 202 || later.status === 429) return [];
    const expected = "an export to live on when another is deleted";
    return [{ code: "export.shared", expected, actual: `status ${later.status}`, exchange: later.exchange }];
  });
