import { notApplicableReason } from "./applies.ts";
import { exportFacts } from "./bulk/document-facts.ts";
import {
  Blocked,
  NoData,
  NotApplicable,
  RequestFailed,
  type CheckContext,
  type TargetSession,
} from "./context.ts";
import type { CheckDefinition, Condition, RequestSpecification } from "./definition.ts";
import { evaluate, type FactDocument, type Subject } from "./expectations.ts";
import { isObject } from "./select.ts";
import { documentFacts } from "./token-facts.ts";
import { subjectOf } from "./subject.ts";
import { substitute } from "./substitute.ts";
import type { ResultTable } from "./results.ts";
import { judge, type Finding, type Verdict } from "./verdict.ts";

/**
 * A check in code, for what data cannot say: gives the findings, none meaning that all is as expected.
 * It ends early by throwing NotApplicable or Blocked.
 */
export type Procedure = (
  context: CheckContext,
  parameters: Readonly<Record<string, unknown>>,
) => Promise<readonly Finding[]>;

/** Procedures by suite and name. */
export type Procedures = Readonly<Record<string, Readonly<Record<string, Procedure>>>>;

export interface Answer {
  readonly verdict: Verdict;
  /** Ids of the exchanges behind it, in order. */
  readonly exchanges: readonly string[];
  readonly tables: readonly ResultTable[];
  readonly startedAt: Date;
  readonly durationMs: number;
}

/**
 * Puts one check to one target. Never throws: what the server does becomes a finding, what the harness does wrong
 * becomes the verdict `error`.
 */
export async function answerCheck(
  check: CheckDefinition,
  session: TargetSession,
  procedures: Procedures,
): Promise<Answer> {
  const startedAt = new Date();
  const started = performance.now();
  const exchanges: string[] = [];
  const tables: ResultTable[] = [];
  const verdict = await verdictOf(check, session, session.context(exchanges, tables), procedures);
  // What a finding names is evidence, however it came about.
  for (const { exchange } of "findings" in verdict ? verdict.findings : [])
    if (exchange !== undefined && !exchanges.includes(exchange)) exchanges.push(exchange);
  return { verdict, exchanges, tables, startedAt, durationMs: Math.round(performance.now() - started) };
}

async function verdictOf(
  check: CheckDefinition,
  session: TargetSession,
  context: CheckContext,
  procedures: Procedures,
): Promise<Verdict> {
  const reason = notApplicableReason(check.applies, session.target);
  if (reason !== undefined) return { status: "not-applicable", reason };
  try {
    return judge(check.level, await findingsOf(check, context, procedures));
  } catch (error) {
    if (error instanceof NotApplicable) return { status: "not-applicable", reason: error.message };
    if (error instanceof NoData) return { status: "no-data", reason: error.message, wanted: error.wanted };
    if (error instanceof RequestFailed) return judge(check.level, [error.finding()]);
    if (error instanceof Blocked) {
      // The check that explains a missing fact is the one place where the cause is a finding of its own.
      if (error.by === check.id && error.findings.length > 0) return judge(check.level, error.findings);
      return error.by === undefined || error.by === check.id
        ? { status: "blocked", reason: error.message }
        : { status: "blocked", reason: error.message, by: error.by };
    }
    return { status: "error", reason: reasonOf(error) };
  }
}

/** What went wrong in the harness. A parser's own words are left out: they repeat what it read, and that may be about a patient. */
function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return "SyntaxError: something that was received could not be parsed";
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

async function findingsOf(
  check: CheckDefinition,
  context: CheckContext,
  procedures: Procedures,
): Promise<readonly Finding[]> {
  const factDocument: FactDocument = async (name) => (await factSubject(context, name)).json;
  for (const condition of check.when) {
    if (!(await holds(condition, check, context, factDocument))) throw new NotApplicable(condition.otherwise);
  }
  const findings: Finding[] = [];
  if (check.expect.length > 0) {
    const subject = await subjectOfCheck(check, context);
    for (const expectation of substitute(check.expect, context.variables)) {
      const found = await evaluate(expectation, subject, factDocument);
      findings.push(...found);
      // The body of an answer that was not asked for is not the document that was.
      if ("status" in expectation && found.length > 0) break;
    }
  }
  if (check.procedure !== undefined) {
    const procedure = procedures[check.suite]?.[check.procedure];
    if (procedure === undefined)
      throw new Error(`suite ${check.suite} has no procedure ${check.procedure} (${check.source})`);
    findings.push(...(await procedure(context, substitute(check.with, context.variables))));
  }
  return findings;
}

async function holds(
  condition: Condition,
  check: CheckDefinition,
  context: CheckContext,
  factDocument: FactDocument,
): Promise<boolean> {
  const { fact, otherwise: _, ...expectation } = condition;
  const name = fact ?? check.given;
  if (name === undefined) throw new Error(`a condition of ${check.id} names no fact (${check.source})`);
  const subject = await factSubject(context, name);
  return (await evaluate(substitute(expectation, context.variables), subject, factDocument)).length === 0;
}

async function factSubject(context: CheckContext, name: string): Promise<Subject> {
  const fact = documentFacts[name] ?? exportFacts[name];
  if (fact === undefined) throw new Error(`there is no fact ${name}`);
  return await context.fact(fact);
}

async function subjectOfCheck(check: CheckDefinition, context: CheckContext): Promise<Subject> {
  if (check.request !== undefined) {
    const request = substitute(check.request, context.variables);
    return subjectOf("the response", await context.send(buildRequest(request, check)));
  }
  if (check.given === undefined)
    throw new Error(`${check.id} has neither request nor given (${check.source})`);
  return await factSubject(context, check.given);
}

function buildRequest(specification: RequestSpecification, check: CheckDefinition) {
  const { get, post, options, head, accept, headers, form, json, redirect } = specification;
  const url = get ?? post ?? options ?? head ?? "";
  const unresolved = /\{[A-Za-z.]+\}/.exec(url)?.[0];
  if (unresolved !== undefined) {
    throw new NotApplicable(`the configuration of this target does not give ${unresolved}`);
  }
  const method =
    get !== undefined ? "GET" : post !== undefined ? "POST" : options !== undefined ? "OPTIONS" : "HEAD";
  const sent = {
    ...(accept === undefined ? {} : { accept }),
    ...(json === undefined ? {} : { "content-type": "application/json" }),
    ...headers,
  };
  const body =
    form !== undefined ? new URLSearchParams(form) : isObject(json) ? JSON.stringify(json) : undefined;
  return {
    method,
    url,
    headers: sent,
    purpose: check.title,
    ...(body === undefined ? {} : { body }),
    ...(redirect === undefined ? {} : { redirect }),
  } as const;
}
