import { afterEach, describe, expect, test } from "vitest";
import { answerCheck } from "../../lib/checks/answer.ts";
import { loadSuites } from "../../lib/checks/load.ts";
import { openSession } from "../../lib/checks/context.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import { secretOf } from "../../lib/config/secret.ts";
import { resolveTargets, type Target } from "../../lib/config/targets.ts";
import { createHttpClient } from "../../lib/http/client.ts";
import { createSecretVault } from "../../lib/http/secret-vault.ts";
import type { Exchange } from "../../lib/http/types.ts";
import { startSandbox } from "../../lib/sandbox/index.ts";
import { procedures } from "../../suites/index.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function bench(
  faults: readonly string[] = [],
  change: (target: Target) => Target = (target) => target,
) {
  const sandbox = await startSandbox({ faults: [...faults] });
  ends.push(() => sandbox.close());
  const selection = { tenant: "demo", environment: "sandbox", apis: ["provider-patient-access"] };
  const [found] = resolveTargets(loadConfiguration(), selection, process.env, sandbox).targets;
  if (found === undefined) throw new Error("the demo has no provider-patient-access");
  const target = change(found);
  const exchanges: Exchange[] = [];
  const said: string[] = [];
  const http = createHttpClient({
    vault: createSecretVault(),
    record: (exchange) => void exchanges.push(exchange),
  });
  ends.push(() => http.close());
  const session = openSession(target, http, undefined, {
    attended: false,
    announce: (text) => void said.push(text),
    keepSecret: () => undefined,
    health: () => "masked",
  });
  const suite = loadSuites().find(({ id }) => id === "auth-flows");
  const check = (id: string) => {
    const found = suite?.checks.find((one) => one.id === `auth-flows.${id}`);
    if (found === undefined) throw new Error(`there is no check ${id}`);
    return found;
  };
  const ask = (id: string) => answerCheck(check(id), session, procedures);
  return { session, exchanges, said, ask };
}

describe("a run against the sandbox", () => {
  test("fifty concurrent checks use one login for a user and a scope set, and it is printed", async () => {
    const { session, exchanges, said, ask } = await bench();
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask("standalone-token-works")));
    expect(answers.map(({ verdict }) => verdict.status)).toEqual(answers.map(() => "pass"));
    const posted = (part: string) =>
      exchanges.filter(({ request }) => request.method === "POST" && request.url.includes(part)).length;
    // One page to log in, one to allow; one code.
    expect(posted("/interaction/")).toBe(2);
    expect(posted("/token")).toBe(1);
    await session.close();
    expect(said).toEqual([
      "provider-patient-access: shared tokens, one for each user and scope set: 1; obtained: 1, renewed: 0\n",
    ]);
    process.stderr.write(`50 concurrent checks: ${posted("/interaction/") / 2} login, ${said.join("")}`);
  });

  test("a server whose clock is a minute ahead is told so, and its tokens are not blamed", async () => {
    const { ask } = await bench(["auth-flows.clocks-agree"]);
    const times = ["id-token-expired", "id-token-issued-at", "introspection-exp", "user-client-es384"];
    const answers = await Promise.all(times.map(ask));
    expect(answers.map(({ verdict }) => verdict.status)).toEqual(times.map(() => "pass"));
    const { verdict } = await ask("clocks-agree");
    expect(verdict).toMatchObject({
      status: "warn",
      findings: [
        { code: "clock.skew", actual: expect.stringMatching(/6[01] seconds ahead|59 seconds ahead/) },
      ],
    });
  });
});

describe("a wrong password", () => {
  test("is sent once, however many checks need a login", async () => {
    const { exchanges, ask, session } = await bench([], (target) =>
      target.login?.driver === "form"
        ? { ...target, login: { ...target.login, password: secretOf("password", "wrong-password") } }
        : target,
    );
    const checks = [
      "standalone-granted",
      "user-client-public",
      "exchange-wrong-verifier",
      "authorize-denied",
    ];
    const answers = await Promise.all(checks.map(ask));
    expect(answers.map(({ verdict }) => verdict.status)).toEqual(checks.map(() => "blocked"));
    expect(answers[0]?.verdict).toMatchObject({ reason: expect.stringContaining("came back") });
    const sent = exchanges.filter(
      ({ request }) => request.method === "POST" && request.url.includes("/interaction/"),
    );
    expect(sent).toHaveLength(1);
    await session.close();
  });
});
