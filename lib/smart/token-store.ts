import { scopeKey } from "./scopes/algebra.ts";
import type { GrantedToken } from "./token-response.ts";

/** Seconds before its end from which a token is not handed out any more: requests take time, clocks differ. */
const MARGIN_SECONDS = 20;

/** Who a token is for, and for what. */
export interface TokenNeed {
  /** Registration and user, such as `riverbend-patient-basic/alice`. */
  readonly holder: string;
  readonly scopes: readonly string[];
}

export interface TokenSource {
  /** Gets a token from nothing: a login, or client credentials. */
  obtain(): Promise<GrantedToken>;
  /** Gets the next by a refresh token. */
  refresh(token: GrantedToken): Promise<GrantedToken>;
}

/** Tokens of a run, by holder and scope set: each is obtained once, whoever asks, and renewed before it ends. */
export interface TokenStore {
  token(need: TokenNeed, source: TokenSource): Promise<GrantedToken>;
  /** How often tokens were obtained from nothing, and renewed, by holder and scope set. */
  readonly counts: ReadonlyMap<string, { readonly obtained: number; readonly refreshed: number }>;
}

interface Held {
  pending: Promise<GrantedToken>;
  obtained: number;
  refreshed: number;
}

/** An empty store; it lives in memory only. */
export function createTokenStore(now: () => number = Date.now): TokenStore {
  const held = new Map<string, Held>();

  const isFresh = ({ expiresIn, receivedAt }: GrantedToken) => {
    if (expiresIn === undefined) return true;
    // A token that lives shorter than the margin is good for half its life.
    const margin = Math.min(MARGIN_SECONDS, expiresIn / 2);
    return now() < receivedAt + (expiresIn - margin) * 1000;
  };
  const renew = async (entry: Held, old: GrantedToken, source: TokenSource): Promise<GrantedToken> => {
    if (old.refreshToken !== undefined) {
      try {
        const next = await source.refresh(old);
        entry.refreshed += 1;
        // Without rotation the old refresh token goes on (RFC 6749 §6).
        return next.refreshToken === undefined ? { ...next, refreshToken: old.refreshToken } : next;
      } catch {
        // Revoked or expired: start anew.
      }
    }
    const token = await source.obtain();
    entry.obtained += 1;
    return token;
  };

  return {
    async token({ holder, scopes }, source) {
      const key = `${holder} [${scopeKey(scopes)}]`;
      let entry = held.get(key);
      if (entry === undefined) {
        entry = { obtained: 0, refreshed: 0, pending: source.obtain() };
        held.set(key, entry);
        const made = entry;
        made.pending.then(
          () => (made.obtained += 1),
          () => undefined,
        );
      }
      const { pending } = entry;
      // A failed login is not repeated by everyone who waits: an account would be locked.
      const token = await pending;
      if (isFresh(token)) return token;
      // Only the first who finds it old renews it; the others wait for what comes of that.
      if (entry.pending === pending) entry.pending = renew(entry, token, source);
      return await entry.pending;
    },
    get counts() {
      return new Map([...held].map(([key, { obtained, refreshed }]) => [key, { obtained, refreshed }]));
    },
  };
}
