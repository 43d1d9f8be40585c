import { describe, expect, test } from "vitest";
import type { GrantedToken } from "../../lib/smart/token-response.ts";
import { createTokenStore, type TokenSource } from "../../lib/smart/token-store.ts";

const need = { holder: "app / user", scopes: ["b", "a"] };

function source(now: () => number, expiresIn: number, refreshToken?: string) {
  const calls = { obtained: 0, refreshed: 0 };
  const token = (value: string): GrantedToken => ({
    kind: "granted",
    status: 200,
    exchange: "x0001",
    json: {},
    accessToken: value,
    scopes: undefined,
    expiresIn,
    receivedAt: now(),
    ...(refreshToken === undefined ? {} : { refreshToken }),
  });
  const made: TokenSource = {
    obtain: () => Promise.resolve(token(`obtained ${(calls.obtained += 1)}`)),
    refresh: () => Promise.resolve(token(`refreshed ${(calls.refreshed += 1)}`)),
  };
  return { made, calls };
}

describe("the token store", () => {
  test("hands out one token for a holder and a scope set in any order", async () => {
    const store = createTokenStore();
    const { made, calls } = source(Date.now, 300);
    await Promise.all([store.token(need, made), store.token({ ...need, scopes: ["a", "b", "a"] }, made)]);
    expect(calls).toEqual({ obtained: 1, refreshed: 0 });
  });

  test("renews before the end, once for all who wait", async () => {
    let time = 0;
    const store = createTokenStore(() => time);
    const { made, calls } = source(() => time, 300, "refresh");
    await store.token(need, made);
    time = 279_000;
    expect((await store.token(need, made)).accessToken).toBe("obtained 1");
    time = 281_000;
    const tokens = await Promise.all(Array.from({ length: 20 }, () => store.token(need, made)));
    expect(new Set(tokens.map(({ accessToken }) => accessToken))).toEqual(new Set(["refreshed 1"]));
    expect(calls).toEqual({ obtained: 1, refreshed: 1 });
  });

  test("starts anew when the refresh is refused", async () => {
    let time = 0;
    const store = createTokenStore(() => time);
    const { made } = source(() => time, 300, "refresh");
    const refused: TokenSource = { ...made, refresh: () => Promise.reject(new Error("invalid_grant")) };
    await store.token(need, refused);
    time = 400_000;
    expect((await store.token(need, refused)).accessToken).toBe("obtained 2");
  });

  test("does not repeat a login that failed", async () => {
    const store = createTokenStore();
    let logins = 0;
    const failing: TokenSource = {
      obtain: () => Promise.reject(new Error(`login ${(logins += 1)} failed`)),
      refresh: () => Promise.reject(new Error("unreachable")),
    };
    const answers = await Promise.allSettled(Array.from({ length: 5 }, () => store.token(need, failing)));
    expect(answers.every(({ status }) => status === "rejected")).toBe(true);
    expect(logins).toBe(1);
  });
});
