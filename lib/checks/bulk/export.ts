/** Exports as facts: each is made once for a run, whoever asks, and looked at by many. */
import {
  describeKickOff,
  pollExport,
  reachOf,
  readManifest,
  type KickOff,
  type Manifest,
  type Poll,
  type PollOutcome,
} from "../../bulk/index.ts";
import { Blocked, NotApplicable, type CheckContext, type Fact } from "../context.ts";
import type { HttpResponse } from "../../http/types.ts";
import type { Subject } from "../expectations.ts";
import { subjectOf } from "../subject.ts";
import type { Finding } from "../verdict.ts";
import { keepStart, keepStatus, keptStart, keptStatus } from "./journal.ts";
import {
  askStatus,
  bulkAccess,
  bulkSettings,
  cancelQuietly,
  exportDeadline,
  inExportTurn,
  kickOffExport,
  MANIFEST_BYTES,
  outOfTime,
  timeLimitInWords,
  type Asker,
  type Started,
} from "./session.ts";

/** An export that is complete: its files are ready, none has been fetched. */
export interface CompletedExport {
  readonly started: Started;
  readonly statusUrl: string;
  readonly polls: readonly Poll[];
  /** The answer with status 200. */
  readonly completed: Subject;
  /** Milliseconds since the epoch, when it was seen to be complete. */
  readonly completedAt: number;
  /** Undefined where the answer is no JSON object. */
  readonly manifest: Manifest | undefined;
}

const LONGEST_PAUSE_MS = 30_000;

/** Status of a kick-off that says: this is not offered, or not with these parameters. */
function isRefusal(status: number): boolean {
  return status >= 400 && status !== 401 && status !== 403 && status !== 429;
}

/**
 * The kick-off of the export that most questions are asked of: all that the tenant's configured group has; without a
 * group, all patients; where that is not offered, everything.
 */
export const mainKickOff: Fact<Started> = {
  name: "export",
  explainedBy: "bulk-export.kick-off-accepted",
  async provide(context) {
    const before = await startedBefore(context);
    if (before !== undefined) return before;
    const [group] = context.target.groups;
    const levels: KickOff["level"][] =
      group === undefined ? [{ kind: "patient" }, { kind: "system" }] : [{ kind: "group", id: group }];
    let last: Started | undefined;
    for (const level of levels) {
      last = await kickOffExport(context, { level }, {}, "by the caller");
      if (last.statusUrl !== undefined || !isRefusal(last.response.status)) break;
    }
    if (last?.statusUrl !== undefined) {
      keepStart(context.kept, context.target.base, last);
      cancelWhenRead(context, last);
      return last;
    }
    const status = last?.response.status ?? 0;
    const words = last === undefined ? "an export" : `an ${describeKickOff(last.kickOff)}`;
    const reason =
      status === 202
        ? `${words} was accepted without a usable Content-Location`
        : `${words} was answered with status ${status}`;
    const hint = group === undefined ? "; the configuration names no group (groups) to export instead" : "";
    throw new Blocked(`${reason}${hint}`, "bulk-export.kick-off-accepted", [
      {
        code: status === 202 ? "export.no-status-url" : "http.status",
        expected: "status 202 with a Content-Location",
        actual: `${reason}${hint}`,
        ...(last === undefined ? {} : { exchange: last.response.exchange }),
      },
    ]);
  },
};

/** The export of a run that was stopped, if the server still knows it. */
async function startedBefore(context: CheckContext): Promise<Started | undefined> {
  const { kept, target } = context;
  const started = keptStart(kept, target.base);
  const [group] = target.groups;
  const level = started?.kickOff.level;
  if (started?.statusUrl === undefined || (level?.kind === "group" ? level.id : undefined) !== group)
    return undefined;
  if (reachOf(started.statusUrl, target.base) !== "own") return undefined;
  const { status } = await askStatus(context, started.statusUrl);
  if (![200, 202, 429, 503].includes(status)) return undefined;
  context.cite(started.response.exchange);
  cancelWhenRead(context, started);
  return started;
}

/** Exports that somebody has begun to follow or to read, and not come to the end of. */
const begun = new WeakSet<Started>();

/** Does work on an export that a run which is resumed would have to do again, if it does not come to its end. */
export async function towardsItsEnd<T>(
  started: Started,
  work: () => Promise<T>,
  isDone: (result: T) => boolean,
): Promise<T> {
  begun.add(started);
  const result = await work();
  if (isDone(result)) begun.delete(started);
  return result;
}

/** An export that was not read to its end is left: a run that is resumed goes on with it. */
function cancelWhenRead(context: CheckContext, started: Started): void {
  context.onClose(async () => {
    const isLeft = begun.has(started) && context.kept.folder !== undefined;
    if (started.statusUrl !== undefined && !isLeft) await cancelQuietly(context.aside(), started.statusUrl);
  });
}

/** The main export, complete. */
export const mainExport: Fact<CompletedExport> = {
  name: "finished export",
  explainedBy: "bulk-export.status-completes",
  provide: (context) =>
    inExportTurn(context, async () => {
      const started = await context.fact(mainKickOff);
      const before = keptStatus(context.kept, started.statusUrl ?? "");
      if (before?.completed === undefined)
        return await followToEnd(context, started, {}, before?.polls ?? []);
      const { response, at } = before.completed;
      return completedBy(started, response, before.polls, at);
    }),
};

/** The level of the main export: what further exports are made of. */
export async function exportLevel(context: CheckContext): Promise<KickOff["level"]> {
  return (await context.fact(mainKickOff)).kickOff.level;
}

/**
 * An export of its own, complete; the same for all who ask for the same.
 *
 * @returns the fact; pulling it throws NotApplicable where the server refuses the kick-off (4xx, 5xx), since what is
 * asked for may be optional: a check of what is required looks at the kick-off itself
 */
export function exportOf(kickOff: KickOff, asker?: Asker): Fact<CompletedExport> {
  return {
    name: `finished export ${JSON.stringify({ kickOff, asker })}`,
    explainedBy: "bulk-export.status-completes",
    provide: (context) =>
      inExportTurn(context, async () => {
        const started = await kickOffExport(context, kickOff, asker);
        const { status } = started.response;
        if (started.statusUrl !== undefined) return await followToEnd(context, started, asker);
        throw new NotApplicable(
          status === 202
            ? `an ${describeKickOff(kickOff)} was accepted without a usable Content-Location`
            : `an ${describeKickOff(kickOff)} is not offered: status ${status}`,
        );
      }),
  };
}

/**
 * Polls until the export is complete.
 *
 * @param earlier looks at the status before a run was resumed; given for the one export that is kept for that
 * @throws Blocked when it fails, when the time is up, or where its status URL must not be asked
 */
export async function followToEnd(
  context: CheckContext,
  started: Started,
  asker: Asker = {},
  earlier?: readonly Poll[],
): Promise<CompletedExport> {
  const statusUrl = reachableStatus(context, started);
  const { pollSeconds, longestPauseSeconds } = bulkSettings(context);
  const deadline = await exportDeadline(context);
  if (Date.now() >= deadline) throw outOfTime(context);
  const tell = teller(context, describeKickOff(started.kickOff));
  const aside = context.aside();
  const isMain = earlier !== undefined;
  const polls: Poll[] = [...(earlier ?? [])];
  const outcome = await pollExport(bulkAccess(aside, asker), {
    url: statusUrl,
    deadline,
    pace: {
      firstPauseMs: pollSeconds * 1000,
      longestPauseMs: LONGEST_PAUSE_MS,
      ...(longestPauseSeconds === undefined ? {} : { capMs: longestPauseSeconds * 1000 }),
    },
    manifestBytes: MANIFEST_BYTES,
    onPoll: (poll) => {
      polls.push(poll);
      if (isMain) keepStatus(context.kept, statusUrl, polls);
      tell(`in progress${poll.progress === undefined ? "" : `, ${shown(poll.progress)}`}`);
    },
  });
  for (const poll of [polls[0], polls.at(-1)]) if (poll !== undefined) context.cite(poll.exchange);
  if (outcome.kind !== "complete") throw unfinished(context, outcome);
  if (isMain) keepStatus(context.kept, statusUrl, polls, outcome.response);
  return completedBy(started, outcome.response, polls, Date.now());
}

function completedBy(
  started: Started,
  response: HttpResponse,
  polls: readonly Poll[],
  completedAt: number,
): CompletedExport {
  const completed = subjectOf("the status of a finished export", response);
  const manifest = readManifest(completed.json);
  return { started, statusUrl: started.statusUrl ?? "", polls, completed, completedAt, manifest };
}

function reachableStatus(context: CheckContext, { statusUrl, response }: Started): string {
  if (statusUrl === undefined) throw new Error("an export without a status URL cannot be followed");
  const reach = reachOf(statusUrl, context.target.base, bulkSettings(context).fileOrigins);
  if (reach === "own" || reach === "allowed") return statusUrl;
  const { origin } = new URL(statusUrl);
  throw new Blocked(
    `the status URL lies at ${origin}, another origin than the FHIR server's: nothing is sent there`,
    "bulk-export.status-url-own-origin",
    [
      {
        code: "url.elsewhere",
        expected: `a status URL at ${new URL(context.target.base).origin}`,
        actual: origin,
        location: "Content-Location",
        exchange: response.exchange,
      },
    ],
  );
}

function unfinished(context: CheckContext, outcome: Exclude<PollOutcome, { kind: "complete" }>): Blocked {
  if (outcome.kind === "out-of-time") {
    return new Blocked(
      `the export was not complete within ${timeLimitInWords(context)}, after ${outcome.polls.length} looks at its status (bulk.timeLimitSeconds)`,
      "bulk-export.status-completes",
    );
  }
  const { answer } = outcome;
  const actual =
    answer.kind === "failure" ? answer.failure.message : `status ${answer.status} while it was followed`;
  const finding: Finding = {
    code: answer.kind === "failure" ? `http.${answer.failure.code}` : "http.status",
    expected: "status 202 until the export is complete, then 200",
    actual,
    exchange: answer.exchange,
  };
  return new Blocked(`the export failed: ${actual}`, "bulk-export.status-completes", [finding]);
}

/** What a server says in a header, fit for a terminal. */
function shown(text: string): string {
  return text.replaceAll(/[^\x20-\x7E]/g, "?").slice(0, 60);
}

/** Announces how an export fares, not more often than every ten seconds. */
export function teller(context: CheckContext, what: string): (text: string) => void {
  let last = Date.now();
  return (text) => {
    if (Date.now() - last < 10_000) return;
    last = Date.now();
    context.surroundings.announce(`${context.target.api}: ${what}: ${text}\n`);
  };
}
