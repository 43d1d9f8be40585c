import type { Procedure } from "../../lib/checks/answer.ts";
import {
  contentOf,
  exportLevel,
  exportOf,
  mainContent,
  mainExport,
  type CompletedExport,
  type ExportContent,
  type KickOff,
} from "../../lib/checks/bulk/index.ts";
import { deletedButExported, deletedTypes } from "../../lib/checks/bulk/content.ts";
import { Blocked, NoData, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { sameUrl } from "../../lib/checks/urls.ts";
import { grantedToken } from "../../lib/checks/tokens.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { reachOf, type Manifest } from "../../lib/bulk/index.ts";
import { parseScope } from "../../lib/smart/scopes/scope.ts";
import { glance } from "./glance.ts";
import { narrowAsker } from "./status.ts";
import { countsInWords, some } from "./words.ts";

/** Clocks of a server's machines, and of ours, differ by less. Milliseconds. */
const CLOCKS_MS = 5 * 60_000;

/** The manifest of the main export; Blocked explains where there is none. */
async function mainManifest(
  context: CheckContext,
): Promise<{ readonly manifest: Manifest; readonly completed: CompletedExport; readonly shown: object }> {
  const completed = await context.fact(mainExport);
  if (completed.manifest === undefined) {
    throw new Blocked("the status of the finished export holds no manifest", "bulk-export.manifest-schema");
  }
  const { exchange } = completed.completed;
  return { manifest: completed.manifest, completed, shown: exchange === undefined ? {} : { exchange } };
}

/** `transactionTime` is between the kick-off and the completion, as the server's own clock has them. */
export const transactionTimePlausible: Procedure = async (context) => {
  const { manifest, completed, shown } = await mainManifest(context);
  const time = Date.parse(manifest.transactionTime ?? "");
  if (Number.isNaN(time)) throw new NotApplicable("there is no transactionTime that can be read");
  const { started } = completed;
  const begun = Date.parse(started.response.headers.get("date") ?? "") || started.startedAt;
  const ended = Date.parse(completed.completed.header?.("date") ?? "") || completed.completedAt;
  const actual =
    time > ended + CLOCKS_MS
      ? `${inWords(time - ended)} after the export was complete`
      : time < begun - CLOCKS_MS
        ? `${inWords(begun - time)} before the export was asked for`
        : undefined;
  if (actual === undefined) return [];
  const expected = "the time at which the query was run, between kick-off and completion";
  return [{ code: "export.transaction-time", expected, actual, location: "/transactionTime", ...shown }];
};

function inWords(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 120) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

/** `request` is the URL of the kick-off. Parameter `of`: `post` for one by POST, `parameters` for one with some. */
export const requestRepeated: Procedure = async (context, { of }) => {
  const completed =
    of === undefined ? await context.fact(mainExport) : await context.fact(await smallExport(context, of));
  const { manifest, started } = completed;
  if (manifest === undefined) throw new NotApplicable("there is no manifest to look at");
  const said = manifest.request;
  if (said !== undefined && sameRequest(said, started.url)) return [];
  return [
    {
      code: "export.request",
      expected:
        of === "post" ? "the URL of the kick-off without its parameters" : "the full URL of the kick-off",
      actual: said === undefined ? "no text" : differenceOf(said, started.url),
      location: "/request",
      ...(completed.completed.exchange === undefined ? {} : { exchange: completed.completed.exchange }),
    },
  ];
};

/** A small export by POST, or with parameters in its URL. */
export async function smallExport(context: CheckContext, of: unknown) {
  const level = await exportLevel(context);
  const kickOff: KickOff =
    of === "post"
      ? { level, method: "POST", parameters: [["_type", "Patient"]] }
      : {
          level,
          parameters: [
            ["_type", "Patient"],
            ["_outputFormat", "application/fhir+ndjson"],
          ],
        };
  return exportOf(kickOff);
}

function sameRequest(said: string, sent: string): boolean {
  if (!URL.canParse(said)) return false;
  const [one, other] = [new URL(said), new URL(sent)];
  return (
    sameUrl(`${one.origin}${decodeURI(one.pathname)}`, `${other.origin}${decodeURI(other.pathname)}`) &&
    queryOf(one) === queryOf(other)
  );
}

/** Parameters in order of their names: their order means nothing, and neither does how they are escaped. */
function queryOf(url: URL): string {
  return [...new URLSearchParams(url.search.replaceAll("+", "%2B"))]
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join("&");
}

function differenceOf(said: string, sent: string): string {
  if (!URL.canParse(said)) return "a text that is no absolute URL";
  const [one, other] = [new URL(said), new URL(sent)];
  if (one.origin !== other.origin) return `a URL at ${one.origin}`;
  return one.pathname === other.pathname ? "the URL with another query" : "a URL with another path";
}

/** `requiresAccessToken` is true where files are refused without a token. */
export const tokenFlagTrue: Procedure = async (context) => {
  const { manifest, shown } = await mainManifest(context);
  if (manifest.requiresAccessToken !== false) return [];
  const file = manifest.files.find(({ kind, url }) => kind === "output" && url !== undefined);
  if (file?.url === undefined || reachOf(file.url, context.target.base) !== "own") {
    throw new NotApplicable("the manifest says that files need no token, and lists none on the FHIR server");
  }
  const { status } = await glance(context, file.url, "nobody");
  if (status !== 401 && status !== 403) return [];
  const expected = "true, since the files are refused without a token";
  const location = "/requiresAccessToken";
  return [{ code: "export.token-flag", expected, actual: "false", location, ...shown }];
};

/** The number of resources that the manifest says is the number of lines of each file. */
export const countsRight: Procedure = async (context) => {
  const content = await context.fact(mainContent);
  const counted = content.files.filter(
    ({ file, facts }) => file.count !== undefined && facts.problem === undefined,
  );
  if (counted.length === 0) throw new NotApplicable("the manifest says no counts");
  const wrong = counted.filter(
    ({ file, census }) => file.count !== census.lines - (census.defects.blank?.count ?? 0),
  );
  return wrong.slice(0, 5).map(({ file, census }) => ({
    code: "export.count",
    expected: `${file.count} resources, as the manifest says`,
    actual: `${census.lines - (census.defects.blank?.count ?? 0)} lines`,
    location: `/${file.kind}/${file.index}/count`,
    ...manifestExchange(content),
  }));
};

/** The manifest says how many resources each file has. */
export const countsOffered: Procedure = async (context) => {
  const { manifest, shown } = await mainManifest(context);
  const output = manifest.files.filter(({ kind }) => kind === "output");
  const without = output.filter(({ count }) => count === undefined);
  if (output.length === 0) throw noFiles();
  if (without.length === 0) return [];
  const actual = `${without.length} of ${output.length} files without`;
  return [{ code: "json.missing", expected: "count with each file", actual, location: "/output", ...shown }];
};

/** No file is listed twice. */
export const filesListedOnce: Procedure = async (context) => {
  const { manifest, shown } = await mainManifest(context);
  const urls = manifest.files.flatMap(({ url }) => url ?? []);
  const twice = urls.length - new Set(urls).size;
  if (twice === 0) return [];
  return [
    {
      code: "export.file-twice",
      expected: "each file once",
      actual: `${twice} of ${urls.length} URLs that stand there before`,
      location: "/output",
      ...shown,
    },
  ];
};

/** A type without data has no file. */
export const noEmptyFiles: Procedure = async (context) => {
  const content = await context.fact(mainContent);
  const empty = content.files.filter(
    ({ file, facts, census }) =>
      file.kind === "output" && facts.problem === undefined && census.resources === 0 && census.lines === 0,
  );
  if (empty.length === 0) return [];
  const actual = `empty files for ${some(empty.map(({ file }) => file.type))}`;
  return [
    {
      code: "export.empty-file",
      expected: "no file for a type without data",
      actual,
      location: "/output",
      ...manifestExchange(content),
    },
  ];
};

/** Messages are not among the data. */
export const noOutcomesInOutput: Procedure = async (context) => {
  const { manifest, shown } = await mainManifest(context);
  const index = manifest.files.findIndex(
    ({ kind, type }) => kind === "output" && type === "OperationOutcome",
  );
  if (index < 0) return [];
  const expected = "messages in the list error";
  return [
    {
      code: "export.outcome-in-output",
      expected,
      actual: "a file of OperationOutcome in output",
      location: "/output",
      ...shown,
    },
  ];
};

/** Error files hold OperationOutcomes, one on each line. */
export const errorFilesValid: Procedure = async (context) => {
  for (const content of await contents(context, "error")) {
    const { messages, files } = content;
    const own = files.filter(({ file }) => file.kind === "error");
    if (own.length === 0) continue;
    const failed = own.find(({ facts }) => facts.problem !== undefined);
    const other = own.find(({ file }) => file.type !== "OperationOutcome");
    const bad = defectsOf(messages);
    const findings: Finding[] = [];
    if (failed !== undefined)
      findings.push(errorFile("an error file that can be had", "one that cannot", failed.facts.exchange));
    if (other !== undefined)
      findings.push(errorFile("type OperationOutcome", "another type in the manifest"));
    if (bad > 0)
      findings.push(
        errorFile("an OperationOutcome on each line", `${bad} other lines`, own[0]?.facts.exchange),
      );
    return findings;
  }
  throw new NotApplicable("no manifest lists a file of messages (error)");
};

function errorFile(expected: string, actual: string, exchange?: string): Finding {
  const found = { code: "export.error-file", expected, actual };
  return exchange === undefined ? found : { ...found, exchange };
}

function defectsOf({ defects }: ExportContent["census"]): number {
  const { "not-json": json, "not-resource": none, "other-type": other, "not-utf8": utf8, cut } = defects;
  return [json, none, other, utf8, cut].reduce((sum, defect) => sum + (defect?.count ?? 0), 0);
}

/** Files of deletions hold transaction Bundles of DELETE requests. */
export const deletedFilesValid: Procedure = async (context) => {
  for (const { deletions, files } of await contents(context, "deleted")) {
    const own = files.filter(({ file }) => file.kind === "deleted");
    if (own.length === 0) continue;
    const wrong = [
      ["Bundles of deletions only", defectsOf(deletions), "other lines"],
      ["Bundles of type transaction with entries", deletions.deletions.otherBundles, "other Bundles"],
      ["request.method DELETE and request.url in each entry", deletions.deletions.flawed, "entries without"],
    ] as const;
    return wrong
      .filter(([, count]) => count > 0)
      .map(([expected, count, words]) => ({
        code: "export.deleted-file",
        expected,
        actual: `${count} ${words}`,
        ...(own[0]?.facts.exchange === undefined ? {} : { exchange: own[0].facts.exchange }),
      }));
  }
  throw new NotApplicable("no manifest lists deletions");
};

/** What was deleted is not exported. */
export const deletedNotExported: Procedure = async (context) => {
  for (const content of await contents(context, "deleted")) {
    if (content.keys.deleted.size === 0) continue;
    const both = deletedButExported(await withOutputOf(context, content));
    if (both.size === 0) return [];
    const expected = "no deleted resource among the output";
    const actual = `${countsInWords(both)} in both`;
    return [{ code: "export.deleted-in-output", expected, actual, ...manifestExchange(content) }];
  }
  throw new NotApplicable("no manifest lists deletions");
};

/** The same export with its files of the types that were deleted. */
async function withOutputOf(context: CheckContext, content: ExportContent): Promise<ExportContent> {
  const main = await context.fact(mainContent);
  if (content === main) return main;
  const types = [...deletedTypes(content)].map((type) => `output ${type}`).toSorted();
  return await context.fact(contentOf(await deletionsExport(context), undefined, ["deleted", ...types]));
}

/** An export that tells what was deleted. */
async function deletionsExport(context: CheckContext) {
  return exportOf({ level: await exportLevel(context), parameters: [["_since", LONG_AGO]] });
}

/** Exports that may list messages, or deletions: the main one first, then one that asks for them. */
async function contents(context: CheckContext, kind: "error" | "deleted"): Promise<readonly ExportContent[]> {
  const main = await context.fact(mainContent);
  if (main.files.some(({ file }) => file.kind === kind)) return [main];
  try {
    if (kind === "deleted")
      return [main, await context.fact(contentOf(await deletionsExport(context), undefined, ["deleted"]))];
    const lenient: KickOff = {
      level: await exportLevel(context),
      parameters: [
        ["_type", "Patient"],
        ["_noSuchParameter", "1"],
      ],
      headers: { prefer: "respond-async, handling=lenient" },
    };
    return [main, await context.fact(contentOf(exportOf(lenient), undefined, ["error"]))];
  } catch (error) {
    if (error instanceof NotApplicable) return [main];
    throw error;
  }
}

/** Before anything that a record system may have deleted of late. */
const LONG_AGO = "2000-01-01T00:00:00Z";

/** Nothing was changed after the time that the manifest says. */
export const transactionTimeHolds: Procedure = async (context) => {
  const content = await context.fact(mainContent);
  const time = Date.parse(content.completed.manifest?.transactionTime ?? "");
  if (Number.isNaN(time)) throw new NotApplicable("there is no transactionTime that can be read");
  const dated = Object.entries(content.census.types).filter(([, one]) => one.lastUpdated !== undefined);
  if (dated.length === 0) throw new NotApplicable("no exported resource says when it was updated");
  // A transactionTime in whole seconds stands for all of its second.
  const late = dated.filter(([, { lastUpdated = 0 }]) => lastUpdated >= time + 1000).map(([type]) => type);
  if (late.length === 0) return [];
  return [
    {
      code: "export.later-than-transaction",
      expected: "no resource that was changed after transactionTime",
      actual: `later ones among ${some(late)}`,
      location: "/transactionTime",
      ...manifestExchange(content),
    },
  ];
};

/** Only types that the token permits are exported. */
export const typesWithinScopes: Procedure = async (context) => {
  const completed = await context.fact(mainExport);
  const exported = new Set(
    completed.manifest?.files.flatMap(({ kind, type }) => (kind === "output" ? [type] : [])),
  );
  const asker = await narrowAsker(context, exported);
  const narrow = exportOf({ level: await exportLevel(context) }, asker);
  const content = await context.fact(contentOf(narrow, asker));
  const permitted = permittedTypes((await grantedToken(context, asker)).scopes ?? []);
  if (permitted.has("*"))
    throw new NotApplicable("the server grants more than the scopes that were asked for");
  const beyond = new Map(
    Object.entries(content.census.types)
      .filter(([type]) => !permitted.has(type))
      .map(([type, { resources }]) => [type, resources] as const),
  );
  if (beyond.size === 0) return [];
  return [
    {
      code: "export.beyond-scopes",
      expected: "resources of type Patient only, as the token permits",
      actual: countsInWords(beyond),
      ...manifestExchange(content),
    },
  ];
};

function permittedTypes(scopes: readonly string[]): ReadonlySet<string> {
  return new Set(
    scopes
      .flatMap((text) => parseScope(text) ?? [])
      .flatMap((scope) => (scope.kind === "clinical" ? [scope.type] : [])),
  );
}

/** The exchange with the manifest of an export. */
export function manifestExchange({ completed }: ExportContent): { readonly exchange?: string } {
  const { exchange } = completed.completed;
  return exchange === undefined ? {} : { exchange };
}

/** An export without files. */
export function noFiles(): NoData {
  return new NoData("the export has no files", "patients with data in the group that is exported");
}
