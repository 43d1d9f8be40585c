import { reachOf } from "../../lib/bulk/index.ts";
import { bulkSettings, ownBearer, type Asker } from "../../lib/checks/bulk/index.ts";
import { NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import type { HttpStreamResponse } from "../../lib/http/types.ts";

/** How much of a file is looked at to see what it is. */
const GLANCE_BYTES = 4096;

/**
 * Asks for a file on the FHIR server's own origin, or without the token on one that the configuration allows, and
 * gives the head of the answer; its body is left.
 *
 * @throws RequestFailed without an answer; NotApplicable for a file elsewhere
 */
export async function glance(
  context: CheckContext,
  url: string,
  asker: Asker = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpStreamResponse> {
  const reach = reachOf(url, context.target.base, bulkSettings(context).fileOrigins);
  if (reach !== "own" && reach !== "allowed")
    throw new NotApplicable("the files lie at another origin, and nothing is sent there (bulk.fileOrigins)");
  const bearer = reach === "own" ? await ownBearer(context, url, asker) : undefined;
  const response = await context.stream({
    method: "GET",
    url,
    headers: { accept: "application/fhir+ndjson", ...headers },
    ...(bearer === undefined ? {} : { bearer }),
    redirect: "manual",
    limits: {
      bodyBytes: Number.MAX_SAFE_INTEGER,
      decodedBytes: Number.MAX_SAFE_INTEGER,
      recordedBodyBytes: GLANCE_BYTES,
    },
    purpose: "a file of the export, its head only",
  });
  // Only an iteration that has begun, and ends, frees the connection.
  for await (const piece of response.body) if (piece.length > 0) break;
  return response;
}
