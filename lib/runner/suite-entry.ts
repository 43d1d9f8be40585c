/**
 * What vitest runs: one test per planned check, all in one worker, so that the facts of a target are shared.
 * It is started by `run.ts` and gets its job from there.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { isatty } from "node:tty";
import { afterAll, describe, inject, test } from "vitest";
import { procedures } from "../../suites/index.ts";
import { answerCheck } from "../checks/answer.ts";
import type { Surroundings } from "../checks/context.ts";
import { keepIn } from "../checks/kept.ts";
import { loadSuites } from "../checks/load.ts";
import type { CheckResult } from "../checks/results.ts";
import { loadConfiguration } from "../config/load.ts";
import { resolveOthers, resolveTargets } from "../config/targets.ts";
import { healthText } from "../http/evidence.ts";
import { openClient } from "./client.ts";
import { planRun } from "./plan.ts";
import { openRecorder, resultOf } from "./record.ts";
import { answerKey } from "./resume.ts";
import { applyWaivers } from "./waivers.ts";
import { openSessions } from "./sessions.ts";

declare module "vitest" {
  interface TaskMeta {
    careconnect?: CheckResult;
  }
}

const job = inject("careconnectJob");
const configuration = loadConfiguration(job.configDirectory);
const resolved = resolveTargets(configuration, job.targets, process.env, job.sandbox);
const others = resolveOthers(configuration, job.targets, process.env, job.sandbox);
const { planned } = planRun(resolved.targets, loadSuites(), job.checks);
const recorder = openRecorder(job.out, job.evidence);
const known = { ...resolved, targets: [...resolved.targets, ...others] };
let requests = 0;
const { http, vault } = openClient(
  known,
  (exchange) => {
    requests += 1;
    recorder.exchange(exchange);
  },
  {},
  job.firstExchange,
);
const answered = new Set(job.answered);
const waivers = configuration.waivers();

const surroundings: Surroundings = {
  // The worker's own streams are vitest's: the terminal is asked for by its descriptor.
  attended: isatty(0) && isatty(2) && process.env["CI"] === undefined,
  // Over the line that tells how far the run is.
  announce: (text) => void writeSync(2, isatty(2) ? `\r\u001B[2K${text}` : text),
  ...(job.evidence === "none" ? {} : { screenshots: join(job.out, "evidence") }),
  keepSecret: (secret, label) => vault.register(secret, label),
  health: (value) => healthText(value, job.evidence),
  kept: (api) => keepIn(join(job.out, "state", api)),
};
const sessions = openSessions(known, http, surroundings);

afterAll(async () => {
  await sessions.close();
  await http.close();
  surroundings.announce(`requests sent: ${requests}\n`);
});

for (const target of resolved.targets) {
  const session = sessions.of(target);
  for (const { suite, checks } of planned.filter((part) => part.target.api === target.api)) {
    const open = checks.filter((check) => !answered.has(answerKey(target.api, check.id)));
    if (open.length === 0) continue;
    describe.concurrent(`${target.api} › ${suite.title}`, () => {
      for (const check of open) {
        test(check.id, async (context) => {
          const answer = await answerCheck(check, session, procedures);
          const result = applyWaivers(resultOf(job.run, target, check, answer, vault), waivers, job.today);
          recorder.result(result);
          context.task.meta.careconnect = result;
          if (result.status === "fail" || result.status === "error") throw new Unmet(result.summary);
          if (result.reason !== undefined) context.skip(result.reason);
        });
      }
    });
  }
}

/** Tells vitest of a check that failed; the verdict itself is in the task's meta. */
class Unmet extends Error {
  override readonly name = "Unmet";
}
