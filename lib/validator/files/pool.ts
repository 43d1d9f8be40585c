import { Worker } from "node:worker_threads";
import type { Unit, UnitAnswer } from "./judge.ts";
import type { WorkerSettings } from "./worker.ts";

/** What a worker says. */
export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly answer: UnitAnswer }
  | { readonly kind: "failure"; readonly name: string; readonly message: string };

interface Thread {
  readonly worker: Worker;
  /** Settles the unit it is at. */
  current: { resolve(answer: UnitAnswer): void; reject(error: Error): void } | undefined;
}

/** Threads that judge units of work. */
export interface Pool {
  /** Waits for a free thread, then judges. What it answers settles later: the unit is taken, not yet done. */
  submit(unit: Unit): Promise<{ readonly answer: Promise<UnitAnswer> }>;
  close(): Promise<void>;
}

function transferable(unit: Unit): ArrayBuffer[] {
  return unit.kind === "lines" || unit.kind === "document" ? [unit.bytes.buffer] : [];
}

/** Starts threads. Each loads the definitions for itself. */
export function openPool(jobs: number, settings: WorkerSettings): Pool {
  const free: Thread[] = [];
  const wanted: { readonly take: (thread: Thread) => void; readonly reject: (error: Error) => void }[] = [];
  let broken: Error | undefined;
  const release = (thread: Thread): void => {
    const next = wanted.shift();
    if (next === undefined) free.push(thread);
    else next.take(thread);
  };

  const threads = Array.from({ length: jobs }, () => {
    const worker = new Worker(new URL("./worker.js", import.meta.url), {
      workerData: settings,
      // Objects die with their line: a small nursery, and a heap that is told its end, keep the resident size down.
      // The end is far beyond what the longest line needs.
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 1024 },
    });
    const thread: Thread = { worker, current: undefined };
    const fail = (error: Error): void => {
      broken ??= error;
      thread.current?.reject(error);
      thread.current = undefined;
      for (const waiting of wanted.splice(0)) waiting.reject(error);
    };
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "answer") {
        thread.current?.resolve(message.answer);
        thread.current = undefined;
        release(thread);
      } else if (message.kind === "failure") {
        const error = new Error(message.message);
        error.name = message.name;
        fail(error);
      }
    });
    worker.on("error", fail);
    worker.on("exit", (code) => {
      if (code !== 0) fail(new Error(`a judging thread ended with ${code}`));
    });
    free.push(thread);
    return thread;
  });

  return {
    async submit(unit) {
      if (broken !== undefined) throw broken;
      const thread =
        free.shift() ??
        (await new Promise<Thread>((take, reject) => {
          wanted.push({ take, reject });
        }));
      const answer = new Promise<UnitAnswer>((resolve, reject) => {
        thread.current = { resolve, reject };
      });
      // Whoever submitted may look at it much later; until then a failure is not unhandled.
      answer.catch(() => undefined);
      thread.worker.postMessage(unit, transferable(unit));
      return { answer };
    },
    close: async () => {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}
