import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import AllureVitestReporter from "allure-vitest/reporter";
import type { RunnerTask } from "vitest";
import type { TestCase, Vitest } from "vitest/node";
import { exchangeReader } from "../evidence.ts";
import { asCheckResult, objectOf, parseResult } from "../read.ts";
import type { CheckResult } from "../../checks/results.ts";
import { knownIssueOf } from "../known-issues.ts";
import { allureUuid, mapToAllure } from "./mapping.ts";
import { ALLURE_RESULTS, clearAllureResults, makeAllureResults, writeMapped } from "./results.ts";

export interface AllureReporterOptions {
  /** The results directory; results go to `allure-results` inside it, exchanges are read from `evidence`. */
  readonly folder: string;
  /** Title by API id, as in `run.json`. */
  readonly apiTitles?: ReadonlyMap<string, string>;
  /** What lies in the folder: results to clear, or those of the same run up to where it was stopped. */
  readonly earlier?: "clear" | "keep";
}

/** How often to look for verdicts that vitest has not told of. */
const CATCH_UP_MS = 200;

/**
 * Reporter for vitest that writes each verdict to Allure as it falls, so that a run that is killed keeps what it has.
 * The verdict is read from the task's meta (`task.meta.careconnect`, a CheckResult) and not guessed from names and
 * messages as allure-vitest does; only tests without a verdict, such as one that fell over, are left to it.
 *
 * Vitest throttles what workers tell: a check that ends within 100 ms of another may be held back until some third
 * one moves, which is too late when that one hangs until the process is stopped. So the reporter also follows
 * `results.ndjson`, and looks there a last time when the process exits.
 */
export class AllureReporter extends AllureVitestReporter {
  readonly #results: string;
  readonly #earlier: "clear" | "keep";
  readonly #write: (result: CheckResult) => void;
  readonly #follow: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor({ folder, apiTitles, earlier = "clear" }: AllureReporterOptions) {
    const results = join(folder, ALLURE_RESULTS);
    super({ resultsDir: results });
    this.#results = results;
    this.#earlier = earlier;
    const readExchange = exchangeReader(folder);
    const written = new Set<string>();
    this.#write = (result) => {
      const uuid = allureUuid(result);
      if (written.has(uuid)) return;
      written.add(uuid);
      const apiTitle = apiTitles?.get(result.api);
      const knownIssue = knownIssueOf(result, []);
      writeMapped(results, mapToAllure(result, { readExchange, apiTitle, knownIssue }));
    };
    const read = followLines(join(folder, "results.ndjson"), earlier === "keep" ? "end" : "start");
    this.#follow = () => {
      for (const line of read()) {
        const result = parseResult(line);
        if (result !== undefined) this.#write(result);
      }
    };
  }

  override onInit(vitest: Vitest): void {
    if (this.#earlier === "clear") clearAllureResults(this.#results);
    makeAllureResults(this.#results);
    // Checks hand their verdict over in meta and never call Allure, so workers need neither its setup file nor its
    // test runner: it gets to see no projects to put them into.
    super.onInit({ projects: [] } as Pick<Vitest, "projects"> as Vitest);
    this.#timer = setInterval(this.#follow, CATCH_UP_MS).unref();
    process.once("exit", this.#follow);
  }

  /** Writes a finished test at once. */
  onTestCaseResult(testCase: TestCase): void {
    const result = asCheckResult(objectOf(testCase.meta())["careconnect"]);
    if (result !== undefined) {
      this.#write(result);
      return;
    }
    // What a signal has kept from being asked has no verdict, and is no result.
    const { state } = testCase.result();
    if (state === "passed" || state === "failed")
      this.handleTask((testCase as unknown as { readonly task: RunnerTask }).task);
  }

  /** Everything that vitest told of is written by now; the base class would write it all a second time. */
  override onTestRunEnd(): void {
    clearInterval(this.#timer);
    process.off("exit", this.#follow);
    this.#follow();
  }
}

/** Reads the whole lines that were added to a file since the last call; none while there is no file. */
function followLines(file: string, from: "start" | "end"): () => string[] {
  let position = from === "end" && existsSync(file) ? statSync(file).size : 0;
  let rest: Buffer = Buffer.alloc(0);
  return () => {
    let descriptor: number;
    try {
      descriptor = openSync(file, "r");
    } catch {
      return [];
    }
    try {
      const added = Buffer.alloc(Math.max(0, fstatSync(descriptor).size - position));
      const bytes = readSync(descriptor, added, 0, added.length, position);
      position += bytes;
      const text = Buffer.concat([rest, added.subarray(0, bytes)]);
      const end = text.lastIndexOf(0x0a) + 1;
      rest = text.subarray(end);
      return end === 0 ? [] : text.toString("utf8", 0, end - 1).split("\n");
    } finally {
      closeSync(descriptor);
    }
  };
}
