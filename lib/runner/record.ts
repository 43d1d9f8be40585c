import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EvidenceMode } from "../config/load.ts";
import type { Target } from "../config/targets.ts";
import type { Answer } from "../checks/answer.ts";
import type { CheckDefinition } from "../checks/definition.ts";
import type { CheckResult } from "../checks/results.ts";
import type { Status } from "../checks/verdict.ts";
import { formatFinding, formatVerdict } from "../checks/words.ts";
import { applyEvidenceMode } from "../http/evidence.ts";
import type { Exchange, SecretVault } from "../http/types.ts";

/** Verdicts with which there is nothing to mend at the tenant. */
const UNREMEDIED: ReadonlySet<Status> = new Set(["pass", "not-applicable", "no-data"]);

/**
 * The line of `results.ndjson` for an answer.
 *
 * @param vault takes every known secret out of it
 */
export function resultOf(
  run: string,
  target: Target,
  check: CheckDefinition,
  answer: Answer,
  vault: SecretVault,
): CheckResult {
  const { verdict } = answer;
  const findings = "findings" in verdict ? verdict.findings : [];
  const reason = "reason" in verdict ? verdict.reason : undefined;
  const result: CheckResult = {
    schema: 1,
    run,
    tenant: target.tenant,
    environment: target.environment,
    api: target.api,
    check: check.id,
    suite: check.suite,
    suiteTitle: check.suiteTitle,
    title: check.title,
    level: check.level,
    requirements: check.requirements,
    status: verdict.status,
    findings: findings.map((finding) => ({ ...finding, message: formatFinding(finding) })),
    summary: formatVerdict(check.title, verdict),
    ...(UNREMEDIED.has(verdict.status) ? {} : { remedy: check.remedy }),
    ...(reason === undefined ? {} : { reason }),
    ...("wanted" in verdict ? { wanted: verdict.wanted } : {}),
    ...("by" in verdict && verdict.by !== undefined ? { blockedBy: verdict.by } : {}),
    startedAt: answer.startedAt.toISOString(),
    durationMs: answer.durationMs,
    exchanges: answer.exchanges,
    ...(answer.tables.length === 0 ? {} : { tables: answer.tables }),
  };
  // Findings repeat what servers said, and servers say what they were told: secrets too.
  return vault.redactValue(result);
}

/** Appends results and writes evidence below a results directory, each at once, so that a killed run keeps them. */
export interface Recorder {
  exchange(exchange: Exchange): void;
  result(result: CheckResult): void;
}

/** Opens a recorder on an existing results directory. */
export function openRecorder(directory: string, mode: EvidenceMode): Recorder {
  const evidence = join(directory, "evidence");
  mkdirSync(evidence, { recursive: true, mode: 0o700 });
  const results = join(directory, "results.ndjson");
  return {
    exchange(exchange) {
      writeFileSync(
        join(evidence, `${exchange.id}.json`),
        `${JSON.stringify(applyEvidenceMode(exchange, mode), null, 1)}\n`,
        { mode: 0o600 },
      );
    },
    result(result) {
      appendFileSync(results, `${JSON.stringify(result)}\n`, { mode: 0o600 });
    },
  };
}
