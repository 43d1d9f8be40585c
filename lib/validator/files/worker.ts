import { parentPort, workerData } from "node:worker_threads";
import { createJudge, type Unit } from "./judge.ts";
import { openJudgeOptions, type JudgeSettings } from "./settings.ts";
import type { WorkerMessage } from "./pool.ts";

/** A thread gets the settings of the command; everything else it makes itself. */
export type WorkerSettings = JudgeSettings;

const port = parentPort;
if (port !== null) {
  const say = (message: WorkerMessage): void => port.postMessage(message);
  const explain = (error: unknown): void => {
    const known = error instanceof Error ? error : new Error(String(error));
    say({ kind: "failure", name: known.name, message: known.message });
  };
  const judge = openJudgeOptions(workerData as JudgeSettings).then(createJudge);
  judge.then(() => say({ kind: "ready" }), explain);
  port.on("message", (unit: Unit) => {
    judge.then(async (ready) => say({ kind: "answer", answer: await ready(unit) })).catch(explain);
  });
}
