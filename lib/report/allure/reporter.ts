import { join } from "node:path";
import type { TestResult } from "allure-js-commons";
import AllureVitestReporter from "allure-vitest/reporter";
import type { RunnerTask } from "vitest";
import type { Reporter, TestCase, Vitest } from "vitest/node";
import { asCheckResult, objectOf, readApiTitles } from "../read.ts";
import { mapToAllure } from "./mapping.ts";
import { ALLURE_RESULTS, clearAllureResults, makeAllureResults, writeAttachments } from "./results.ts";

export interface AllureReporterOptions {
  /**
   * The results directory of the run, with `run.json` in it; Allure results go to `allure-results` there, exchanges are
   * read from `evidence`.
   */
  readonly resultsDir: string;
}

/**
 * Makes a reporter for vitest that writes each verdict to Allure the moment it falls, so that a run that is killed
 * keeps what it has. The verdict is read from the task's meta (`task.meta.careconnect`, a CheckResult); tests without
 * one are reported as allure-vitest would.
 */
export function createAllureReporter({ resultsDir }: AllureReporterOptions): Reporter {
  return new ImmediateAllureReporter(resultsDir);
}

class ImmediateAllureReporter extends AllureVitestReporter {
  readonly #folder: string;
  readonly #results: string;
  #apiTitles: ReadonlyMap<string, string> = new Map();
  #current: unknown;

  constructor(folder: string) {
    const results = join(folder, ALLURE_RESULTS);
    super({
      resultsDir: results,
      listeners: [
        {
          // What allure-vitest made of the task is replaced as a whole: it guesses the status from names and messages.
          beforeTestResultWrite: (written: TestResult) => {
            const result = asCheckResult(this.#current);
            if (result === undefined) return;
            const mapped = mapToAllure(result, { folder, apiTitle: this.#apiTitles.get(result.api) });
            writeAttachments(results, mapped);
            Object.assign(written, mapped.test);
          },
        },
      ],
    });
    this.#folder = folder;
    this.#results = results;
  }

  override onInit(vitest: Vitest): void {
    clearAllureResults(this.#results);
    makeAllureResults(this.#results);
    this.#apiTitles = readApiTitles(this.#folder);
    // Checks hand their verdict over in meta and never call Allure, so workers need neither its setup file nor its
    // test runner: it gets to see no projects to put them into.
    super.onInit({ projects: [] } as Pick<Vitest, "projects"> as Vitest);
  }

  /** Writes a finished test at once. */
  onTestCaseResult(testCase: TestCase): void {
    this.#current = objectOf(testCase.meta())["careconnect"];
    try {
      this.handleTask((testCase as unknown as { readonly task: RunnerTask }).task);
    } finally {
      this.#current = undefined;
    }
  }

  /** Everything is written by now; the base class would write it all a second time. */
  override onTestRunEnd(): void {
    // Nothing is left to do.
  }
}
