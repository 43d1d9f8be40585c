import { createHttpClient } from "../http/client.ts";
import { createSecretVault } from "../http/secret-vault.ts";
import type { FetchLike } from "./terminology.ts";

/** A way to a terminology service, to be closed when it is no longer needed. */
export interface TerminologyHttp {
  readonly fetch: FetchLike;
  close(): Promise<void>;
}

/** The service did not answer; `code` says how. */
class NoAnswer extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "NoAnswer";
    this.code = code;
  }
}

/**
 * Asks through the one HTTP client, so that time, size and concurrency are bounded and busy services are given the
 * pause that they ask for. Nothing is kept of the exchanges: they hold codes of the resources judged.
 *
 * @param timeoutMs how long one answer may take, pauses and repetitions included
 */
export function openTerminologyHttp(timeoutMs = 10_000, concurrency = 4): TerminologyHttp {
  const client = createHttpClient({
    vault: createSecretVault(),
    record: () => undefined,
    concurrencyPerOrigin: concurrency,
    limits: { totalMs: timeoutMs, attempts: 2, decodedBytes: 1024 * 1024, bodyBytes: 1024 * 1024 },
  });
  return {
    fetch: async (url, { headers }) => {
      const outcome = await client.send({ method: "GET", url, headers, purpose: "look up a code" });
      if (outcome.kind === "failure") throw new NoAnswer(outcome.failure.code, outcome.failure.message);
      return { status: outcome.status, text: new TextDecoder().decode(outcome.body) };
    },
    close: () => client.close(),
  };
}
