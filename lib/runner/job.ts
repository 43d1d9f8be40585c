import type { EvidenceMode } from "../config/load.ts";
import type { SandboxPlace, TargetSelection } from "../config/targets.ts";
import type { CheckSelection } from "./plan.ts";

/** All that the worker needs to do a run; it can be cloned into it. */
export interface Job {
  readonly run: string;
  readonly configDirectory?: string;
  readonly targets: TargetSelection;
  readonly checks: CheckSelection;
  readonly sandbox?: SandboxPlace;
  readonly evidence: EvidenceMode;
  /** Keys of the checks that have their verdict from before the run was resumed. */
  readonly answered: readonly string[];
  /** Day by which waivers hold or have expired, `YYYY-MM-DD`. */
  readonly today: string;
  /** Number of the first exchange. */
  readonly firstExchange: number;
  /** Results directory, absolute. */
  readonly out: string;
}

declare module "vitest" {
  interface ProvidedContext {
    careconnectJob: Job;
  }
}
