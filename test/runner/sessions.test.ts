import { afterEach, expect, test } from "vitest";
import { NotApplicable } from "../../lib/checks/context.ts";
import { capabilityStatement } from "../../lib/checks/facts.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import { resolveOthers, resolveTargets } from "../../lib/config/targets.ts";
import { openClient } from "../../lib/runner/client.ts";
import { openSessions } from "../../lib/runner/sessions.ts";
import { startSandbox } from "../../lib/sandbox/index.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function open(variables: (env: Readonly<Record<string, string>>) => Readonly<Record<string, string>>) {
  const sandbox = await startSandbox();
  ends.push(() => sandbox.close());
  const place = { ...sandbox, env: variables(sandbox.env) };
  const selection = { tenant: "demo", environment: "sandbox", apis: ["payer-patient-access"] };
  const configuration = loadConfiguration();
  const resolved = resolveTargets(configuration, selection, {}, place);
  const others = resolveOthers(configuration, selection, {}, place);
  const { http } = openClient({ ...resolved, targets: [...resolved.targets, ...others] }, () => undefined);
  ends.push(() => http.close());
  const sessions = openSessions({ ...resolved, targets: [...resolved.targets, ...others] }, http);
  ends.push(() => sessions.close());
  const [target] = resolved.targets;
  if (target === undefined) throw new Error("the demo has no payer-patient-access");
  return sessions.of(target);
}

test("a check reaches the tenant's other APIs, and what it sends there is its own evidence", async () => {
  const session = await open((env) => env);
  const exchanges: string[] = [];
  const context = session.context(exchanges);
  expect(context.otherApis).toContain("provider-system-access");
  const { json } = await context.elsewhere("provider-system-access").fact(capabilityStatement);
  expect(json).toMatchObject({ resourceType: "CapabilityStatement", id: "provider-system-access" });
  expect(exchanges).toHaveLength(1);
});

test("an API whose secrets cannot be had is not there for others", async () => {
  const session = await open((env) =>
    Object.fromEntries(Object.entries(env).filter(([name]) => !name.includes("RIVERBEND_SYSTEM"))),
  );
  const context = session.context([]);
  expect(context.otherApis).not.toContain("provider-system-access");
  expect(() => context.elsewhere("provider-system-access")).toThrow(NotApplicable);
});
