import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answerCheck } from "../../lib/checks/answer.ts";
import { openSession } from "../../lib/checks/context.ts";
import { loadSuites } from "../../lib/checks/load.ts";
import type { Verdict } from "../../lib/checks/verdict.ts";
import type { Target } from "../../lib/config/targets.ts";
import { createHttpClient } from "../../lib/http/client.ts";
import { createSecretVault } from "../../lib/http/secret-vault.ts";
import { procedures } from "../../suites/index.ts";

/** What the server answers at a path below its origin: a JSON value, or a whole answer. */
export interface Page {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | object;
}

export interface TestServer {
  readonly origin: string;
  /** Pages by path; may be changed at any time. What is not there is a 404. */
  pages: Readonly<Record<string, Page>>;
  close(): Promise<void>;
}

/** Starts a server that says whatever a test wants it to say. */
export async function startServer(): Promise<TestServer> {
  const state: { pages: Readonly<Record<string, Page>> } = { pages: {} };
  const server = createServer((request, response) => {
    const page = state.pages[(request.url ?? "").split("?")[0] ?? ""];
    const { status = 200, headers = {}, body } = page ?? { status: 404, body: "" };
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get pages() {
      return state.pages;
    },
    set pages(pages) {
      state.pages = pages;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A target that is not the vendor's: a server with a FHIR base URL of its own. */
export function targetAt(base: string, access: "patient" | "system"): Target {
  return {
    tenant: "test",
    tenantName: "Test",
    environment: "test",
    api: "server",
    title: "A server",
    base,
    vendor: false,
    access,
    authorization: access === "system" ? "client-credentials" : "authorization-code",
    fhirVersion: "4.0.1",
    standards: [
      "us-core-6.1.0",
      "smart-app-launch-2.0.0",
      ...(access === "system" ? ["bulk-data-2.0.0"] : []),
    ],
    otherClients: {},
    patients: [],
    groups: [],
    mutations: "forbidden",
  };
}

/** Puts every check of a suite to a target. */
export async function answerSuite(
  suiteId: string,
  target: Target,
): Promise<ReadonlyMap<string, { readonly verdict: Verdict; readonly title: string }>> {
  const http = createHttpClient({
    vault: createSecretVault(),
    record: () => undefined,
    limits: { connectMs: 2000, headersMs: 2000, totalMs: 4000, attempts: 1 },
  });
  const session = openSession(target, http);
  try {
    const suite = loadSuites().find(({ id }) => id === suiteId);
    const verdicts = new Map<string, { verdict: Verdict; title: string }>();
    for (const check of suite?.checks ?? []) {
      const { verdict } = await answerCheck(check, session, procedures);
      verdicts.set(check.id, { verdict, title: check.title });
    }
    return verdicts;
  } finally {
    await session.close();
    await http.close();
  }
}

/** The checks with one of some statuses, with what they say. */
export function having(
  verdicts: Awaited<ReturnType<typeof answerSuite>>,
  ...statuses: readonly Verdict["status"][]
): readonly string[] {
  return [...verdicts]
    .filter(([, { verdict }]) => statuses.includes(verdict.status))
    .map(
      ([id, { verdict }]) => `${id}: ${JSON.stringify("findings" in verdict ? verdict.findings : verdict)}`,
    );
}
