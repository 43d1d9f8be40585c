/**
 * Asks a FHIR terminology service what cannot be told offline: `ValueSet/$validate-code`
 * (https://hl7.org/fhir/R4/valueset-operation-validate-code.html). Its answers are kept on disk. A service that does
 * not answer, or does not know the value set, gives no verdict: the code stays unverified.
 */
import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Finding, NotVerified, ValidationResult } from "./result.ts";

/** Sends a GET request; rejects, with a `code`, where there is no answer. */
export type FetchLike = (
  url: string,
  init: { readonly headers: Readonly<Record<string, string>> },
) => Promise<{ readonly status: number; readonly text: string }>;

/** `true` member, `false` not a member, `undefined` cannot be told. */
export type Membership = boolean | undefined;

export interface TerminologyService {
  /** Answers in the order asked. Never rejects. */
  lookUp(codes: readonly NotVerified[]): Promise<readonly Membership[]>;
  /** Asks for everything that a result leaves open, and puts the answers into it. */
  verify(result: ValidationResult): Promise<ValidationResult>;
  /** What the user has to know, once, when the service cannot be used. */
  readonly notice: string | undefined;
}

export interface TerminologyOptions {
  /** Base URL of the service. */
  readonly url: string;
  /** Folder for answers. Default: the user's cache folder. */
  readonly cacheFolder?: string;
  /** Requests at one time. Default 4. */
  readonly concurrency?: number;
  /** Answers older than this are asked again. Default 30 days. */
  readonly maxAgeMs?: number;
  readonly fetch: FetchLike;
}

interface CachedAnswer {
  readonly key: string;
  readonly member: boolean;
  readonly at: number;
}

const DAY = 86_400_000;
/** After so many failures in a row without one answer, the service is left alone. */
const GIVE_UP_AFTER = 3;

/** The folder for answers where nothing else is said. */
export function terminologyCacheFolder(): string {
  return join(
    process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
    "careconnect-conformance",
    "terminology",
  );
}

function keyOf({ valueSet, system, version, code }: NotVerified): string {
  return [valueSet, system ?? "", version ?? "", code].join("\n");
}

function readCache(file: string, maxAgeMs: number): Map<string, boolean> {
  const found = new Map<string, boolean>();
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return found;
  }
  const oldest = Date.now() - maxAgeMs;
  for (const line of text.split("\n")) {
    try {
      const { key, member, at } = JSON.parse(line) as CachedAnswer;
      if (typeof key === "string" && typeof member === "boolean" && at >= oldest) found.set(key, member);
    } catch {
      // A line that another process was writing: asked again.
    }
  }
  return found;
}

function requestUrl(base: string, { valueSet, system, version, code }: NotVerified): string {
  const [canonical = "", valueSetVersion] = valueSet.split("|");
  const url = new URL(`${base.replace(/\/+$/, "")}/ValueSet/$validate-code`);
  url.searchParams.set("url", canonical);
  if (valueSetVersion !== undefined) url.searchParams.set("valueSetVersion", valueSetVersion);
  if (system === undefined) url.searchParams.set("inferSystem", "true");
  else url.searchParams.set("system", system);
  if (version !== undefined) url.searchParams.set("systemVersion", version);
  url.searchParams.set("code", code);
  return url.href;
}

interface Parameter {
  readonly name?: unknown;
  readonly valueBoolean?: unknown;
}

/** What a `Parameters` answer says; an answer about an unknown system is none about the code. */
function membershipIn(text: string): Membership {
  const body = JSON.parse(text) as { resourceType?: unknown; parameter?: unknown };
  if (body.resourceType !== "Parameters" || !Array.isArray(body.parameter)) return undefined;
  const parameters = body.parameter as readonly Parameter[];
  if (parameters.some(({ name }) => name === "x-caused-by-unknown-system" || name === "x-unknown-system"))
    return undefined;
  const result = parameters.find(({ name }) => name === "result")?.valueBoolean;
  return typeof result === "boolean" ? result : undefined;
}

/** Opens a terminology service. Nothing is sent before the first code is asked. */
export function openTerminologyService(options: TerminologyOptions): TerminologyService {
  const { url, fetch: send, concurrency = 4, maxAgeMs = 30 * DAY } = options;
  const folder = options.cacheFolder ?? terminologyCacheFolder();
  const file = join(folder, `${createHash("sha256").update(url).digest("hex").slice(0, 16)}.ndjson`);
  const known = readCache(file, maxAgeMs);
  const asked = new Map<string, Promise<Membership>>();
  const waiting: (() => void)[] = [];
  let running = 0;
  let failures = 0;
  let answered = false;
  let notice: string | undefined;

  async function turn(): Promise<void> {
    if (running >= concurrency) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    }
    running += 1;
  }

  function remember(key: string, member: boolean): void {
    known.set(key, member);
    try {
      mkdirSync(folder, { recursive: true });
      appendFileSync(file, `${JSON.stringify({ key, member, at: Date.now() } satisfies CachedAnswer)}\n`);
    } catch {
      // Without a place to keep answers they are asked again next time; the verdict is the same.
    }
  }

  function failed(reason: string): void {
    failures += 1;
    notice ??= `The terminology service ${new URL(url).origin} could not be asked (${reason}): its codes stay unverified.`;
  }

  async function ask(code: NotVerified, key: string): Promise<Membership> {
    await turn();
    try {
      if (failures >= GIVE_UP_AFTER && !answered) return undefined;
      const response = await send(requestUrl(url, code), {
        headers: { accept: "application/fhir+json" },
      });
      if (
        response.status >= 500 ||
        response.status === 401 ||
        response.status === 403 ||
        response.status === 429
      ) {
        failed(`status ${response.status}`);
        return undefined;
      }
      answered = true;
      // Any other refusal is about this value set or code: the service cannot tell.
      if (response.status !== 200) return undefined;
      const member = membershipIn(response.text);
      if (member !== undefined) remember(key, member);
      return member;
    } catch (error) {
      failed(reasonOf(error));
      return undefined;
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  }

  async function membership(code: NotVerified): Promise<Membership> {
    const key = keyOf(code);
    const cached = known.get(key);
    if (cached !== undefined) return cached;
    let answer = asked.get(key);
    if (answer === undefined) {
      answer = ask(code, key);
      asked.set(key, answer);
    }
    return answer;
  }

  const lookUp = (codes: readonly NotVerified[]): Promise<readonly Membership[]> =>
    Promise.all(codes.map(membership));

  return {
    lookUp,
    verify: async (result) =>
      result.notVerified.length === 0 ? result : applyTerminology(result, await lookUp(result.notVerified)),
    get notice() {
      return notice;
    },
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return "its answer is not JSON";
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code ?? "no answer";
}

/** Puts the answers of a terminology service into a result: those told leave the list of what is not verified. */
export function applyTerminology(result: ValidationResult, answers: readonly Membership[]): ValidationResult {
  const added: Finding[] = [];
  const open: NotVerified[] = [];
  let told = 0;
  for (const [i, code] of result.notVerified.entries()) {
    const member = answers[i];
    if (member === undefined) open.push(code);
    else told += 1;
    if (member === false) added.push(notMember(code));
  }
  const errors = added.filter(({ severity }) => severity === "error").length;
  return {
    ...result,
    valid: result.valid && errors === 0,
    counts: {
      ...result.counts,
      error: result.counts.error + errors,
      warning: result.counts.warning + added.length - errors,
    },
    findings: [...result.findings, ...added],
    notVerified: open,
    notVerifiedCount: result.notVerifiedCount - told,
  };
}

function notMember({ valueSet, strength, system, code, expression }: NotVerified): Finding {
  const of = system === undefined ? "" : ` of ${system}`;
  return {
    severity: strength === "required" ? "error" : "warning",
    code: "code-invalid",
    rule: "binding-terminology-service",
    expression,
    message: `the terminology service says that the code${of} is not in the value set ${valueSet}`,
    details: { valueSet, strength, system, code },
  };
}
