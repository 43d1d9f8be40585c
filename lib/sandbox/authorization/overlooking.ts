import { AsyncLocalStorage } from "node:async_hooks";
import type { AuthorizationState } from "../data.ts";

/** What a fault overlooks while one request is answered. */
export interface Overlooked {
  /** Tenant authorizations that count as approved; all of them when absent. */
  readonly states?: readonly AuthorizationState[];
  /** Tokens of any server, for any API, are good. */
  readonly foreignTokens?: true;
  /** Applications of any tenant are known. */
  readonly foreignClients?: true;
  /** Says that something was overlooked. */
  readonly changed: () => void;
}

/** Set while a request is answered by a sandbox that overlooks something (a fault). */
export const overlooking = new AsyncLocalStorage<Overlooked>();
