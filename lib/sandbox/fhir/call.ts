import type { Tenant } from "../data.ts";
import { outcomeReply, type Place, type Reply, type SandboxRequest } from "../exchange.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";
import type { SandboxState } from "../state.ts";
import type { Access } from "./access.ts";

export type ApiPlace = Extract<Place, { kind: "api" }>;

/** A request for data that an API has let in. */
export interface Call {
  readonly state: SandboxState;
  readonly request: SandboxRequest;
  readonly place: ApiPlace;
  readonly tenant: Tenant;
  readonly base: string;
  readonly format: "json" | "xml";
  readonly access: Access;
  /** Application that the token was issued to; empty where no token is needed. */
  readonly owner: string;
  readonly ofType: (type: string) => readonly JsonObject[];
  readonly find: (type: string, id: string) => JsonObject | undefined;
}

/** The refusal of what a token's scopes do not cover (RFC 6750, 3.1). */
export const insufficient = (format: "json" | "xml", what: string): Reply => {
  const reply = outcomeReply(403, `The token's scopes do not permit ${what}.`, format);
  reply.headers["www-authenticate"] = 'Bearer realm="careconnect", error="insufficient_scope"';
  return reply;
};

/** The resource in a request's body; undefined where there is none in JSON. */
export function parseResource(request: SandboxRequest): JsonObject | undefined {
  try {
    const value = JSON.parse(request.body.toString("utf8")) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
