import type { Place, Reply, SandboxRequest } from "./exchange.ts";
import type { JsonObject } from "./json.ts";
import type { SandboxState } from "./state.ts";

/** A takeover: it may answer itself, change the request before `next`, or change what `next` answers. */
export interface BehaviourCall {
  readonly state: SandboxState;
  readonly request: SandboxRequest;
  readonly place: Place;
  readonly with: JsonObject;
  readonly next: () => Promise<Reply>;
  /** Says that the sandbox has just misbehaved, so that the fault counts as applied. */
  readonly changed: () => void;
}

export type Behaviour = (call: BehaviourCall) => Promise<Reply>;

/** Faults that data cannot say, by the name that a fault's `behaviour` gives. */
export const behaviours: Readonly<Record<string, Behaviour>> = {};
