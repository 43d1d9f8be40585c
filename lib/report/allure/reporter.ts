import { join } from "node:path";
import type { TestResult } from "allure-js-commons";
import AllureVitestReporter from "allure-vitest/reporter";
import type { RunnerTask } from "vitest";
import type { TestCase, Vitest } from "vitest/node";
import { asCheckResult, objectOf } from "../read.ts";
import { mapToAllure } from "./mapping.ts";
import { ALLURE_RESULTS, clearAllureResults, makeAllureResults, writeAttachments } from "./results.ts";

export interface AllureReporterOptions {
  /** The results directory; results go to `allure-results` inside it, exchanges are read from `evidence`. */
  readonly folder: string;
  /** Title by API id, as in `run.json`. */
  readonly apiTitles?: ReadonlyMap<string, string>;
}

/**
 * Reporter for vitest that writes each verdict to Allure the moment it falls, so that a run that is killed keeps what
 * it has. The verdict is read from the task's meta (`task.meta.careconnect`, a CheckResult); tests without one are
 * reported as allure-vitest would.
 */
export class AllureReporter extends AllureVitestReporter {
  readonly #results: string;
  #current: unknown;

  constructor({ folder, apiTitles }: AllureReporterOptions) {
    const results = join(folder, ALLURE_RESULTS);
    super({
      resultsDir: results,
      listeners: [
        {
          // What allure-vitest made of the task is replaced as a whole: it guesses the status from names and messages.
          beforeTestResultWrite: (written: TestResult) => {
            const result = asCheckResult(this.#current);
            if (result === undefined) return;
            const mapped = mapToAllure(result, { folder, apiTitle: apiTitles?.get(result.api) });
            writeAttachments(results, mapped);
            Object.assign(written, mapped.test);
          },
        },
      ],
    });
    this.#results = results;
  }

  override onInit(vitest: Vitest): void {
    clearAllureResults(this.#results);
    makeAllureResults(this.#results);
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
