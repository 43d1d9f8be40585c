import type { Adapter, AdapterPayload } from "oidc-provider";

interface Entry {
  readonly model: string;
  readonly id: string;
  readonly payload: AdapterPayload;
  readonly expires: number;
}

/** What one authorization server has issued, in memory; nothing of it is shared with another. */
export interface TokenStore {
  adapter(model: string): Adapter;
  /** Forgets everything that was issued to a client: codes, tokens, grants. */
  forgetClient(clientId: string): void;
  /** Clients that hold a grant of a user. */
  grantedClients(accountId: string): string[];
  /** Withdraws a user's consent to a client, and everything issued on it, access tokens excepted if so said. */
  withdraw(accountId: string, clientId: string, sparesAccessTokens: boolean): void;
}

const keyOf = (model: string, id: string) => `${model}:${id}`;

/**
 * @param findClient a client's metadata, while it may be known to this server
 */
export function createTokenStore(findClient: (id: string) => AdapterPayload | undefined): TokenStore {
  const entries = new Map<string, Entry>();
  const live = (key: string) => {
    const entry = entries.get(key);
    if (entry === undefined || entry.expires > Date.now()) return entry;
    entries.delete(key);
    return undefined;
  };
  const forget = (isOld: (entry: Entry) => boolean) => {
    for (const [key, entry] of entries) if (isOld(entry)) entries.delete(key);
  };
  const search = (model: string, isIt: (payload: AdapterPayload) => boolean) => {
    for (const [key, entry] of entries) {
      if (entry.model === model && isIt(entry.payload) && live(key) !== undefined) return entry.payload;
    }
    return undefined;
  };
  return {
    adapter: (model) => ({
      upsert: async (id, payload, expiresIn) => {
        // Kept a little longer than it lives, so that what has expired is known as expired.
        const expires = expiresIn === undefined ? Infinity : Date.now() + (expiresIn + 60) * 1000;
        entries.set(keyOf(model, id), { model, id, payload, expires });
      },
      find: async (id) => (model === "Client" ? findClient(id) : live(keyOf(model, id))?.payload),
      findByUid: async (uid) => search(model, (payload) => payload["uid"] === uid),
      findByUserCode: async (code) => search(model, (payload) => payload["userCode"] === code),
      consume: async (id) => {
        const entry = entries.get(keyOf(model, id));
        if (entry !== undefined) entry.payload["consumed"] = Math.floor(Date.now() / 1000);
      },
      destroy: async (id) => {
        entries.delete(keyOf(model, id));
      },
      revokeByGrantId: async (grantId) => {
        forget((entry) => entry.payload["grantId"] === grantId);
      },
    }),
    forgetClient(clientId) {
      forget((entry) => entry.payload["clientId"] === clientId);
    },
    grantedClients(accountId) {
      const clients = [...entries.values()]
        .filter((entry) => entry.model === "Grant" && entry.payload["accountId"] === accountId)
        .map((entry) => String(entry.payload["clientId"]));
      return [...new Set(clients)].toSorted();
    },
    withdraw(accountId, clientId, sparesAccessTokens) {
      forget(
        ({ model, payload }) =>
          payload["accountId"] === accountId &&
          payload["clientId"] === clientId &&
          !(sparesAccessTokens && model === "AccessToken"),
      );
    },
  };
}
