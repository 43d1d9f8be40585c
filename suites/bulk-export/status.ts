import { randomBytes } from "node:crypto";
import type { Procedure } from "../../lib/checks/answer.ts";
import {
  askStatus,
  deleteExport,
  exportLevel,
  inExportTurn,
  kickOffExport,
  mainExport,
  mainKickOff,
  type CompletedExport,
  type Started,
} from "../../lib/checks/bulk/index.ts";
import { Blocked, NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { isObject } from "../../lib/checks/select.ts";
import { subjectOf } from "../../lib/checks/subject.ts";
import { grantedToken } from "../../lib/checks/tokens.ts";
import { isWithin } from "../../lib/checks/urls.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { readManifest, reachOf, type Poll } from "../../lib/bulk/index.ts";
import { parseRetryAfter } from "../../lib/http/retry-after.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import { parseScope } from "../../lib/smart/scopes/scope.ts";
import { askerOf, refusalExpected } from "./words.ts";

/** Looks at the status while the export was under way. */
async function underWay(context: CheckContext): Promise<readonly Poll[]> {
  const polls = (await context.fact(mainExport)).polls.filter(({ status }) => status === 202);
  if (polls.length > 0) return polls;
  throw new NotApplicable("the export was complete when its status was first asked for");
}

/** While the export is under way, a header is there. Parameter: `header`. */
export const progressTold: Procedure = async (context, { header }) => {
  const member = header === "x-progress" ? "progress" : "retryAfter";
  const polls = await underWay(context);
  const without = polls.filter((poll) => poll[member] === undefined);
  return without.slice(0, 1).map(({ exchange }) => ({
    code: "http.header-missing",
    expected: `the header ${String(header)} while the export is under way`,
    actual: `${without.length} of ${polls.length} answers without it`,
    location: String(header),
    exchange,
  }));
};

/** X-Progress is a short text. */
export const progressShort: Procedure = async (context) => {
  const told = (await underWay(context)).filter(({ progress }) => progress !== undefined);
  if (told.length === 0) throw new NotApplicable("no answer carries X-Progress");
  return told
    .filter(({ progress = "" }) => progress.length >= 100)
    .slice(0, 1)
    .map(({ progress = "", exchange }) => ({
      code: "http.header",
      expected: "fewer than 100 characters",
      actual: `${progress.length} characters`,
      location: "x-progress",
      exchange,
    }));
};

/** Longest pause that somebody who waits for an export can take at its word, in seconds. */
const LONGEST_PAUSE = 86_400;

/** Retry-After is a number of seconds or an HTTP date, and a pause that somebody can keep. */
export const retryAfterUsable: Procedure = async (context) => {
  const told = (await context.fact(mainExport)).polls.filter(({ retryAfter }) => retryAfter !== undefined);
  if (told.length === 0) throw new NotApplicable("no answer carries Retry-After");
  for (const { retryAfter = "", at, exchange } of told) {
    const seconds = parseRetryAfter(retryAfter, at);
    const shared = { location: "retry-after", exchange } as const;
    if (seconds === null) {
      const expected = "a number of seconds or an HTTP date";
      return [{ code: "export.retry-after", expected, actual: "neither of them", ...shared }];
    }
    if (seconds > LONGEST_PAUSE) {
      const actual = `a pause of ${Math.round(seconds / 86_400)} days`;
      return [{ code: "export.retry-after", expected: "a pause of at most a day", actual, ...shared }];
    }
  }
  return [];
};

/** Expires is a date that is still to come. */
export const expiresUsable: Procedure = async (context) => {
  const { completed, completedAt } = await context.fact(mainExport);
  const header = completed.header?.("expires");
  if (header === undefined) throw new NotApplicable("the manifest comes without Expires");
  const shared = {
    location: "expires",
    ...(completed.exchange === undefined ? {} : { exchange: completed.exchange }),
  };
  const now = Date.parse(completed.header?.("date") ?? "") || completedAt;
  const seconds = /^\d+$/.test(header.trim()) ? null : parseRetryAfter(header, now);
  if (seconds === null) {
    return [{ code: "http.header", expected: "an HTTP date", actual: "something else", ...shared }];
  }
  if (seconds > 0) return [];
  const expected = "a date after the export's completion";
  return [{ code: "http.header", expected, actual: "a date that is over already", ...shared }];
};

/** The status is refused to somebody else. Parameter: `as`. */
export const statusRefused: Procedure = async (context, parameters) => {
  const { asker, words } = askerOf(context, parameters["as"]);
  const { statusUrl } = await context.fact(mainExport);
  return refusalExpected(await askStatus(context, statusUrl, asker), `the status ${words}`);
};

/** A token that does not cover what is exported does not open the status (Bulk Data 2.0.0 §security). */
export const statusNeedsAllScopes: Procedure = async (context) => {
  const { statusUrl, manifest } = await context.fact(mainExport);
  const types = new Set(manifest?.files.flatMap(({ kind, type }) => (kind === "output" ? [type] : [])));
  const asker = await narrowAsker(context, types);
  return refusalExpected(
    await askStatus(context, statusUrl, asker),
    "the status with a token that covers Patient only",
  );
};

/** Types of the narrow token: a group cannot be exported without seeing it. */
const NARROW = ["Patient", "Group"];

/**
 * A token for Patient (and Group) only, where that is less than an export has.
 *
 * @throws NotApplicable when the server grants no such token
 */
export async function narrowAsker(context: CheckContext, exported: ReadonlySet<string>) {
  if (context.target.client === undefined) {
    throw new NotApplicable("the configuration gives no client: the server is asked without a token");
  }
  if (![...exported].some((type) => !NARROW.includes(type))) {
    throw new NotApplicable("the export has patients only: no token could cover less");
  }
  const own = (await grantedToken(context)).scopes ?? context.target.client.scopes ?? [];
  const permission = own.some((scope) => /\.c?r?u?d?s?$/.test(scope) && !/\.(read|write)$/.test(scope))
    ? "rs"
    : "read";
  const { kind } = await exportLevel(context);
  const wish = {
    scopes: NARROW.slice(0, kind === "group" ? 2 : 1).map((type) => `system/${type}.${permission}`),
  };
  let scopes: readonly string[] | undefined;
  try {
    ({ scopes } = await grantedToken(context, wish));
  } catch (error) {
    if (!(error instanceof Blocked)) throw error;
    throw new NotApplicable(`the server grants this client no token for ${NARROW.join(" and ")} only`);
  }
  if (scopes === undefined) throw new NotApplicable("the server does not say which scopes it granted");
  const isWider = scopes
    .flatMap((text) => parseScope(text) ?? [])
    .some((scope) => scope.kind === "clinical" && !NARROW.includes(scope.type));
  if (isWider) throw new NotApplicable("the server grants more than the scopes that were asked for");
  return wish;
}

/** The status URL is on the FHIR server's own origin: nowhere else is the token sent. */
export const statusOwnOrigin: Procedure = async (context) => {
  const { statusUrl, exchange } = await mainStatusUrl(context);
  const reach = reachOf(statusUrl, context.target.base);
  if (reach === "own") return [];
  return [
    {
      code: reach === "private" ? "url.private" : "url.elsewhere",
      expected: `a status URL at ${new URL(context.target.base).origin}`,
      actual: URL.canParse(statusUrl) ? new URL(statusUrl).origin : "no usable URL",
      location: "content-location",
      exchange,
    },
  ];
};

/** The status URL stays with the tenant. */
export const statusOwnTenant: Procedure = async (context) => {
  const { statusUrl, exchange } = await mainStatusUrl(context);
  const { base, uuid, otherTenant } = context.target;
  if (isWithin(statusUrl, base)) return [];
  const isOther = otherTenant !== undefined && statusUrl.includes(otherTenant);
  if (!isOther && uuid !== undefined && statusUrl.includes(uuid)) return [];
  return [
    {
      code: isOther ? "url.other-tenant" : "url.elsewhere",
      expected: "a status URL of the same tenant",
      actual: isOther ? "a URL of another tenant" : "a URL that does not name the tenant",
      location: "content-location",
      exchange,
    },
  ];
};

async function mainStatusUrl(context: CheckContext) {
  const { statusUrl = "", response } = await context.fact(mainKickOff);
  return { statusUrl, exchange: response.exchange };
}

/** A later look finds the same manifest. */
export const statusStable: Procedure = async (context) => {
  const { statusUrl, manifest } = await context.fact(mainExport);
  const again = await askStatus(context, statusUrl);
  if (again.status === 404 || again.status === 410) {
    throw new NotApplicable(`the server gives the manifest once: later status ${again.status}`);
  }
  const later = readManifest(subjectOf("the status, later", again).json);
  if (again.status !== 200 || later === undefined) {
    const expected = "status 200 with the same manifest";
    const actual = again.status === 200 ? "no manifest" : `status ${again.status}`;
    return [{ code: "export.unstable", expected, actual, exchange: again.exchange }];
  }
  const before = outline(manifest);
  const after = outline(later);
  const differences = Object.keys(before).filter((key) => before[key] !== after[key]);
  if (differences.length === 0) return [];
  return [
    {
      code: "export.unstable",
      expected: "the same manifest at every later look",
      actual: `another ${differences.join(", another ")}`,
      exchange: again.exchange,
    },
  ];
};

/** What of a manifest must not change; URLs may, since signatures in them end. */
function outline(manifest: CompletedExport["manifest"]): Readonly<Record<string, string>> {
  const files = manifest?.files.map(({ kind, type, count }) => `${kind} ${type} ${count ?? ""}`);
  return {
    transactionTime: manifest?.transactionTime ?? "",
    request: manifest?.request ?? "",
    "list of files": files?.toSorted().join("\n") ?? "",
  };
}

/** A status URL that was never given out. */
const unknownStatus: Fact<HttpResponse> = {
  name: "status of an unknown export",
  explainedBy: "bulk-export.status-unknown",
  async provide(context) {
    const { statusUrl } = await mainStatusUrl(context);
    return await askStatus(context, madeUp(statusUrl));
  },
};

/** The URL with its longest word, which tells exports apart, replaced by another of the same kind. */
export function madeUp(statusUrl: string): string {
  const url = new URL(statusUrl);
  const tail = `${url.pathname}${url.search}`;
  const words = [...tail.matchAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z0-9_]{2,}/gi)];
  // The last of the longest: bases and tenants stand before.
  const longest = words.reduce<RegExpExecArray | undefined>(
    (best, word) => (best === undefined || word[0].length >= best[0].length ? word : best),
    undefined,
  );
  if (longest === undefined || !/\d/.test(longest[0])) {
    throw new NotApplicable("the status URL has no id that could be replaced by a made-up one");
  }
  const random = randomBytes(64).toString("hex");
  const digits = BigInt(`0x${random}`).toString();
  let at = 0;
  const other = longest[0].replaceAll(/[0-9a-f]/gi, (letter) => {
    at += 1;
    return /^\d+$/.test(longest[0])
      ? (digits[at] ?? "7")
      : /[0-9a-f]/i.test(letter)
        ? (random[at] ?? "7")
        : letter;
  });
  return `${url.origin}${tail.slice(0, longest.index)}${other}${tail.slice(longest.index + longest[0].length)}`;
}

/** Nobody's status URL answers with an error. */
export const unknownStatusRefused: Procedure = async (context) => {
  const { status, exchange } = await context.fact(unknownStatus);
  if (status >= 400) return [];
  const expected = "status 4XX or 5XX for a status URL that was never given out";
  return [{ code: "http.status", expected, actual: `status ${status}`, exchange }];
};

/** An error is told as an OperationOutcome. */
export const unknownStatusExplained: Procedure = async (context) =>
  outcomeFindings(await context.fact(unknownStatus), "the error of an unknown status URL");

/** An OperationOutcome comes as FHIR JSON. */
export const unknownStatusMediaType: Procedure = async (context) => {
  const response = await context.fact(unknownStatus);
  const { json } = subjectOf("the error", response);
  if (!isObject(json) || json["resourceType"] !== "OperationOutcome")
    throw new NotApplicable("the error is told without an OperationOutcome");
  const type = response.headers.get("content-type") ?? "";
  if (/^application\/fhir\+json\s*(;|$)/i.test(type)) return [];
  return [
    {
      code: "http.media-type",
      expected: "application/fhir+json",
      actual: type === "" ? "no Content-Type" : type,
      location: "content-type",
      exchange: response.exchange,
    },
  ];
};

/** The finding of an error that is told without an OperationOutcome; none where there is one. */
export function outcomeFindings(response: HttpResponse, what: string): readonly Finding[] {
  if (response.status < 400)
    throw new NotApplicable(`it is answered with status ${response.status}, no error`);
  const { json, problem } = subjectOf(what, response);
  if (isObject(json) && json["resourceType"] === "OperationOutcome") return [];
  const actual = problem ?? "other JSON";
  return [
    {
      code: "fhir.resource-type",
      expected: `${what} as an OperationOutcome`,
      actual,
      exchange: response.exchange,
    },
  ];
}

/** How often a status is asked for without a pause, to see whether the server minds; so many at one time. */
const HASTE = 24;
const AT_ONCE = 12;

/** What a server says to somebody who asks without a pause. */
const hurried: Fact<{ readonly started: Started; readonly answers: readonly HttpResponse[] }> = {
  name: "status asked for without a pause",
  explainedBy: "bulk-export.kick-off-accepted",
  async provide(context) {
    const level = await exportLevel(context);
    return await inExportTurn(context, async () => {
      const started = await kickOffExport(context, { level });
      const { statusUrl } = started;
      if (statusUrl === undefined) throw new NotApplicable("a second export cannot be started");
      const aside = context.aside();
      const answers: HttpResponse[] = [];
      while (answers.length < HASTE && answers.every(({ status }) => status === 202)) {
        const looks = Array.from({ length: AT_ONCE }, () => askStatus(aside, statusUrl));
        answers.push(...(await Promise.all(looks)));
      }
      // The answer that tells most comes last.
      answers.sort((a, b) => weightOf(a) - weightOf(b));
      for (const answer of answers.slice(-1)) context.cite(answer.exchange);
      await deleteExport(context, statusUrl).catch(() => undefined);
      return { started, answers };
    });
  },
};

function weightOf({ status }: HttpResponse): number {
  return status === 429 ? 2 : status === 202 ? 0 : 1;
}

/** Polling without a pause is answered with 429. */
export const hasteThrottled: Procedure = async (context) => {
  const { answers } = await context.fact(hurried);
  const last = answers.at(-1);
  if (last === undefined || last.status === 429) return [];
  if (last.status !== 202) {
    throw new NotApplicable(
      `the export was over after ${answers.length} looks at its status (status ${last.status}): there was no time to ask too often`,
    );
  }
  return [
    {
      code: "export.not-throttled",
      expected: "status 429 for somebody who polls without a pause",
      actual: `${answers.length} answers in a row with status 202`,
      exchange: last.exchange,
    },
  ];
};

/** 429 says when to come back. */
export const throttledRetryAfter: Procedure = async (context) => {
  const { answers } = await context.fact(hurried);
  const last = answers.at(-1);
  if (last?.status !== 429) throw new NotApplicable("the server does not answer with 429");
  if (last.headers.has("retry-after")) return [];
  return [
    {
      code: "http.header-missing",
      expected: "the header Retry-After with status 429",
      actual: "no such header",
      location: "retry-after",
      exchange: last.exchange,
    },
  ];
};
