import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerCheck, type Procedure } from "../../lib/checks/answer.ts";
import { openSession } from "../../lib/checks/context.ts";
import type { CheckDefinition } from "../../lib/checks/definition.ts";
import type { Target } from "../../lib/config/targets.ts";
import { createHttpClient } from "../../lib/http/client.ts";
import { createSecretVault } from "../../lib/http/secret-vault.ts";

const check: CheckDefinition = {
  id: "a.check",
  suite: "a",
  suiteTitle: "A suite",
  title: "It holds",
  level: "SHALL",
  requirements: [],
  proofs: [],
  remedy: "Mend it.",
  applies: {},
  when: [],
  expect: [],
  procedure: "ask",
  with: {},
  source: "suites/a/checks.yaml:1",
};

describe("a procedure that fails by itself", () => {
  const server = createServer((_, response) => response.end("Jane Roe was here"));
  const http = createHttpClient({ vault: createSecretVault(), record: () => undefined });
  beforeAll(() => new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready)));
  afterAll(async () => {
    await http.close();
    server.close();
  });

  async function reasonOf(ask: Procedure): Promise<unknown> {
    const target: Target = {
      tenant: "t",
      tenantName: "T",
      environment: "preview",
      api: "ours",
      title: "Ours",
      base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      vendor: false,
      access: "patient",
      authorization: "authorization-code",
      standards: [],
      patients: [],
      groups: [],
      otherClients: {},
      mutations: "forbidden",
    };
    const session = openSession(target, http);
    const { verdict } = await answerCheck(check, session, { a: { ask } });
    expect(verdict.status).toBe("error");
    return "reason" in verdict ? verdict.reason : undefined;
  }

  test("is the harness's error, and says which", async () => {
    const ask: Procedure = async () => {
      throw new TypeError("x is not a function");
    };
    expect(await reasonOf(ask)).toBe("TypeError: x is not a function");
  });

  test("repeats nothing of what it could not parse", async () => {
    const ask: Procedure = async (context) => {
      const { body } = await context.send({ method: "GET", url: context.target.base });
      JSON.parse(new TextDecoder().decode(body));
      return [];
    };
    expect(await reasonOf(ask)).toBe("SyntaxError: something that was received could not be parsed");
  });
});
