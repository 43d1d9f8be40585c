import { createHash } from "node:crypto";
import type { Procedure } from "../../lib/checks/answer.ts";
import { mainContent, ownBearer, type ExportContent } from "../../lib/checks/bulk/index.ts";
import type { ExportedFile } from "../../lib/checks/bulk/files.ts";
import { Blocked, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { reachOf, type FileProblem } from "../../lib/bulk/index.ts";
import { HttpBodyError } from "../../lib/http/types.ts";
import type { LineDefect } from "../../lib/validator/files/census.ts";
import { glance } from "./glance.ts";
import { noFiles } from "./manifest.ts";
import { askerOf, refusalExpected } from "./words.ts";

/** Findings of one kind that are shown; their number is always told. */
const SHOWN = 5;
/** Largest file that is downloaded once more for a comparison. */
const MOST_BYTES = 8 * 1024 * 1024;

/** Where a file stands in the manifest: what a finding may say of it. */
function placeOf({ file }: ExportedFile): string {
  return `/${file.kind}/${file.index}`;
}

function shownBy({ facts }: ExportedFile): { readonly exchange?: string } {
  return facts.exchange === undefined ? {} : { exchange: facts.exchange };
}

/** Every file of the manifest can be had, as a whole. */
export const filesAccessible: Procedure = async (context) => {
  const content = await context.fact(mainContent);
  const failed = content.files.filter(({ facts }) => facts.problem !== undefined);
  const blame = failed.filter(({ facts }) => facts.problem !== undefined && !isOurs(facts.problem));
  if (blame.length > 0) {
    return blame.slice(0, SHOWN).map((file) => ({
      ...wordsOf(file.facts.problem as FileProblem),
      location: placeOf(file),
      ...shownBy(file),
    }));
  }
  const [first] = failed;
  if (first?.facts.problem === undefined) return [];
  throw new Blocked(
    first.facts.problem.kind === "not-fetched"
      ? `files lie at ${first.facts.problem.seen}, which the configuration does not allow to fetch from (bulk.fileOrigins)`
      : "the time limit was over before all files were downloaded (bulk.timeLimitSeconds)",
  );
};

/** What is of our own choice: another origin is allowed, and so is a server that takes its time. */
function isOurs(problem: FileProblem): boolean {
  return problem.kind === "out-of-time" || (problem.kind === "not-fetched" && problem.reach === "foreign");
}

function wordsOf(problem: FileProblem): Pick<Finding, "code" | "expected" | "actual"> {
  const expected = "the file, as a whole";
  switch (problem.kind) {
    case "status":
      return { code: "http.status", expected, actual: `status ${problem.status}` };
    case "http":
      return { code: `http.${problem.failure.code}`, expected, actual: problem.failure.message };
    case "shrank":
      return {
        code: "export.file-changed",
        expected: "the same file at every try",
        actual: `a later try ended at byte ${problem.atByte}`,
      };
    case "changed":
      return {
        code: "export.file-changed",
        expected: "the same file at every try",
        actual: "other bytes at a later try",
      };
    case "out-of-time":
      return { code: "export.out-of-time", expected, actual: "no end within the time limit" };
    case "not-fetched":
      return problem.reach === "unusable"
        ? { code: "url.relative", expected: "an absolute URL", actual: problem.seen }
        : {
            code: problem.reach === "private" ? "url.private" : "url.elsewhere",
            expected: "a URL that a client can reach",
            actual: `${problem.seen}, an address of a private network: nothing was sent`,
          };
  }
}

/** Files lie on the FHIR server's own origin. */
export const filesOwnOrigin: Procedure = async (context) => {
  const { files } = await context.fact(mainContent);
  const elsewhere = files.filter(({ facts }) => facts.problem?.kind === "not-fetched");
  const [first] = elsewhere;
  if (first?.facts.problem?.kind !== "not-fetched") return [];
  return [
    {
      code: first.facts.problem.reach === "private" ? "url.private" : "url.elsewhere",
      expected: `files at ${new URL(context.target.base).origin}, or at an origin that the configuration allows`,
      actual: `${elsewhere.length} files elsewhere, the first at ${first.facts.problem.seen}: nothing was sent there`,
      location: placeOf(first),
    },
  ];
};

/** The output files that were read to their end. */
async function wholeFiles(context: CheckContext): Promise<readonly ExportedFile[]> {
  const { files } = await context.fact(mainContent);
  const whole = files.filter(({ file, facts }) => file.kind === "output" && facts.problem === undefined);
  if (whole.length > 0) return whole;
  if (files.length === 0) throw noFiles();
  throw new Blocked("no file could be downloaded", "bulk-export.files-accessible");
}

/** The media type of each file is that of its format. */
export const filesMediaType: Procedure = async (context) => {
  const wrong = (await wholeFiles(context)).filter(
    ({ facts }) => !/^application\/fhir\+ndjson\s*(;|$)/i.test(facts.headers?.get("content-type") ?? ""),
  );
  return wrong.slice(0, SHOWN).map((file) => ({
    code: "http.media-type",
    expected: "application/fhir+ndjson",
    actual: file.facts.headers?.get("content-type") ?? "no Content-Type",
    location: "content-type",
    ...shownBy(file),
  }));
};

/** Lines are free of some defects. Parameters: `defects`, `code`, `expected`. */
export const linesFreeOf: Procedure = async (context, { defects, code, expected }) => {
  const kinds = defects as readonly LineDefect[];
  const { files } = await context.fact(mainContent);
  const read = files.filter(({ file, facts }) => file.kind === "output" && facts.bytes > 0);
  if (read.length === 0) await wholeFiles(context);
  const findings: Finding[] = [];
  for (const file of read) {
    for (const kind of kinds) {
      const defect = file.census.defects[kind];
      if (defect === undefined) continue;
      findings.push({
        code: String(code),
        expected: String(expected),
        actual: `${defect.count} of ${file.census.lines} lines ${DEFECTS[kind]}, the first is line ${defect.line}`,
        location: placeOf(file),
        ...shownBy(file),
      });
    }
  }
  return findings.slice(0, SHOWN);
};

const DEFECTS: Readonly<Record<LineDefect, string>> = {
  "not-utf8": "are not UTF-8",
  "byte-order-mark": "begin with a byte order mark",
  blank: "are blank",
  "not-json": "are not JSON",
  cut: "end in the midst of a resource",
  "not-resource": "are JSON that is no resource",
  "other-type": "are of another type than the manifest says",
  "without-id": "have no id",
  "too-long": "are longer than what is read (bulk.maxLineBytes)",
};

/** A file is refused to somebody else. Parameter: `as`. */
export const fileRefused: Procedure = async (context, parameters) => {
  const { asker, words } = askerOf(context, parameters["as"]);
  const { file } = await protectedFile(context);
  return refusalExpected(await glance(context, file.url ?? "", asker), `a file ${words}`);
};

/**
 * A file that needs a token.
 *
 * @throws NotApplicable where the manifest says that none is needed
 */
async function protectedFile(context: CheckContext): Promise<ExportedFile> {
  const files = await wholeFiles(context);
  const { completed } = await context.fact(mainContent);
  if (completed.manifest?.requiresAccessToken === false)
    throw new NotApplicable("the manifest says that its files need no token");
  const own = files.filter(({ file }) => reachOf(file.url ?? "", context.target.base) === "own");
  if (own.length === 0) throw new NotApplicable("the files lie on another origin, which no token is sent to");
  return smallest(own);
}

function smallest(files: readonly ExportedFile[]): ExportedFile {
  return files.reduce((best, file) => (file.facts.bytes < best.facts.bytes ? file : best));
}

/** Whether the token goes with requests for files. */
function withToken({ completed }: ExportContent): boolean {
  return completed.manifest?.requiresAccessToken !== false;
}

/** A file small enough to be downloaded once more. */
async function comparable(context: CheckContext): Promise<ExportedFile> {
  const file = smallest(await wholeFiles(context));
  if (file.facts.bytes > MOST_BYTES)
    throw new NotApplicable("every file is too large to be downloaded twice");
  return file;
}

async function downloadAgain(
  context: CheckContext,
  { file }: ExportedFile,
  headers: Readonly<Record<string, string>>,
) {
  const url = file.url ?? "";
  const isOurs = reachOf(url, context.target.base) === "own" && withToken(await context.fact(mainContent));
  const bearer = isOurs ? await ownBearer(context, url) : undefined;
  const response = await context.stream({
    method: "GET",
    url,
    headers: { accept: "application/fhir+ndjson", ...headers },
    ...(bearer === undefined ? {} : { bearer }),
    limits: { bodyBytes: MOST_BYTES * 2, decodedBytes: MOST_BYTES * 2, recordedBodyBytes: 4096 },
    purpose: "a file of the export, once more",
  });
  const hash = createHash("sha256");
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of response.body) {
      hash.update(piece);
      pieces.push(piece);
    }
  } catch (error) {
    if (!(error instanceof HttpBodyError)) throw error;
    return { response, failure: error.failure, digest: "", bytes: Buffer.concat(pieces) };
  }
  return { response, failure: undefined, digest: hash.digest("hex"), bytes: Buffer.concat(pieces) };
}

/** The server compresses files for those who ask. */
export const gzipOffered: Procedure = async (context) => {
  const [file] = await wholeFiles(context);
  if (file === undefined || file.facts.headers?.get("content-encoding") !== undefined) return [];
  const expected = "Content-Encoding gzip for somebody who accepts it";
  return [
    {
      code: "http.header-missing",
      expected,
      actual: "no Content-Encoding",
      location: "content-encoding",
      ...shownBy(file),
    },
  ];
};

/** A compressed file is the same file. */
export const gzipSame: Procedure = async (context) => {
  const file = await comparable(context);
  const zipped = await downloadAgain(context, file, { "accept-encoding": "gzip" });
  const plain = await downloadAgain(context, file, { "accept-encoding": "identity" });
  const encoding = zipped.response.headers.get("content-encoding");
  if (encoding === undefined) throw new NotApplicable("the server does not compress files");
  return sameFile(zipped, plain, "the same bytes with gzip and without");
};

/** A file downloaded twice is the same file. */
export const filesStable: Procedure = async (context) => {
  const file = await comparable(context);
  const again = await downloadAgain(context, file, { "accept-encoding": "identity" });
  if (again.response.status === 404 || again.response.status === 410)
    throw new NotApplicable(`the server gives each file once: later status ${again.response.status}`);
  return sameFile(
    again,
    { ...again, failure: undefined, digest: file.facts.digest },
    "the same bytes at a second download",
  );
};

type Again = Awaited<ReturnType<typeof downloadAgain>>;

function sameFile(one: Again, other: Again, expected: string): readonly Finding[] {
  for (const { response, failure } of [one, other]) {
    const { exchange, status } = response;
    if (failure !== undefined)
      return [{ code: `http.${failure.code}`, expected, actual: failure.message, exchange }];
    if (status !== 200) return [{ code: "http.status", expected, actual: `status ${status}`, exchange }];
  }
  if (one.digest === other.digest) return [];
  return [{ code: "export.file-changed", expected, actual: "other bytes", exchange: one.response.exchange }];
}

/** A byte range is answered, so that a download can be continued. */
export const rangesOffered: Procedure = async (context) => {
  const { part, file } = await firstBytes(context);
  if (part.response.status === 206) return [];
  return [
    {
      code: "http.status",
      expected: "status 206 for a byte range",
      actual: `status ${part.response.status}: a download that breaks off has to start again`,
      exchange: part.response.exchange,
      location: placeOf(file),
    },
  ];
};

/** A byte range holds the bytes that were asked for. */
export const rangesRight: Procedure = async (context) => {
  const { part, whole } = await firstBytes(context);
  const { status, headers, exchange } = part.response;
  if (status !== 206) throw new NotApplicable(`the server answers a byte range with status ${status}`);
  const wanted = Buffer.from(whole.bytes).subarray(FROM, TO + 1);
  const said = headers.get("content-range");
  if (said === undefined || !said.startsWith(`bytes ${FROM}-`))
    return [
      {
        code: "http.header",
        expected: `Content-Range from byte ${FROM}`,
        actual: said === undefined ? "none" : "another",
        location: "content-range",
        exchange,
      },
    ];
  if (wanted.equals(Buffer.from(part.bytes))) return [];
  return [
    { code: "export.range", expected: `bytes ${FROM} to ${TO} of the file`, actual: "other bytes", exchange },
  ];
};

const FROM = 8;
const TO = 71;

async function firstBytes(context: CheckContext) {
  const file = await comparable(context);
  if (file.facts.bytes <= TO + 1) throw new NotApplicable("every file is too small to ask for a part of it");
  const whole = await downloadAgain(context, file, { "accept-encoding": "identity" });
  const part = await downloadAgain(context, file, {
    "accept-encoding": "identity",
    range: `bytes=${FROM}-${TO}`,
  });
  return { file, whole, part };
}
