import type { Secret } from "./secret.ts";

/** A person does it: the run says what, and waits. */
interface GuidedEntry {
  readonly driver: "guided";
  readonly minutes?: number;
  readonly everySeconds?: number;
  readonly effectSeconds?: number;
}

/** Who changes the tenant's authorization of an application, as a tenant file says it. */
export type TenantOwnerEntry =
  | GuidedEntry
  | {
      readonly driver: "http";
      readonly revoke: string;
      readonly approve: string;
      readonly secret?: string;
      readonly effectSeconds?: number;
    };

/** How a user withdraws consent, as a tenant file says it. */
export type WithdrawalEntry =
  | GuidedEntry
  | {
      readonly driver: "form";
      readonly url: string;
      readonly fields: Readonly<Record<string, string>>;
      readonly effectSeconds?: number;
    };

/** A person does it: how long the run waits, and how often it looks. */
export interface Guided {
  readonly driver: "guided";
  readonly minutes: number;
  readonly everySeconds: number;
  /** How long a change may take to have effect, in seconds. */
  readonly effectSeconds: number;
}

/** Who changes the tenant's authorization of an application. */
export type TenantOwner =
  | Guided
  | {
      readonly driver: "http";
      readonly revoke: string;
      readonly approve: string;
      readonly secret?: Secret;
      readonly effectSeconds: number;
    };

/** How a user withdraws consent. */
export type Withdrawal =
  | Guided
  | {
      readonly driver: "form";
      readonly url: string;
      readonly fields: Readonly<Record<string, string>>;
      readonly effectSeconds: number;
    };

const MINUTES = 30;
const EVERY_SECONDS = 15;
const EFFECT_SECONDS = 60;

function guided(entry: GuidedEntry): Guided {
  const { driver, minutes = MINUTES, everySeconds = EVERY_SECONDS, effectSeconds = EFFECT_SECONDS } = entry;
  return { driver, minutes, everySeconds, effectSeconds };
}

/**
 * The tenant owner of an entry, defaults filled in.
 *
 * @param resolve turns the reference to the secret into the secret
 */
export function tenantOwnerOf(entry: TenantOwnerEntry, resolve: (reference: string) => Secret): TenantOwner {
  if (entry.driver === "guided") return guided(entry);
  const { secret, effectSeconds = EFFECT_SECONDS, ...rest } = entry;
  return { ...rest, effectSeconds, ...(secret === undefined ? {} : { secret: resolve(secret) }) };
}

/** The withdrawal of an entry, defaults filled in. */
export function withdrawalOf(entry: WithdrawalEntry): Withdrawal {
  if (entry.driver === "guided") return guided(entry);
  return { effectSeconds: EFFECT_SECONDS, ...entry };
}
