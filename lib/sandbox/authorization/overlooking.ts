import { AsyncLocalStorage } from "node:async_hooks";
import type { AuthorizationState } from "../data.ts";

/** What a fault overlooks while one request is answered. */
export interface Overlooked {
  /** Tenant authorizations that count as approved; all of them when absent. */
  readonly states?: readonly AuthorizationState[];
  /** Says that something was overlooked. */
  readonly changed: () => void;
}

/** Set while a request is answered by a sandbox that overlooks the tenant's authorization (a fault). */
export const overlooking = new AsyncLocalStorage<Overlooked>();
