import { describe, expect, test } from "vitest";
import type { HttpResponse } from "../../lib/http/types.ts";
import { readTokenResponse } from "../../lib/smart/token-response.ts";

const response = (status: number, body: string): HttpResponse => ({
  kind: "response",
  status,
  headers: { get: () => undefined, getAll: () => [], has: () => false, lines: [] },
  url: "https://server.example.org/token",
  body: new TextEncoder().encode(body),
  exchange: "x0001",
  exchanges: ["x0001"],
});

describe("an answer of the token endpoint", () => {
  test("is a grant with any 2xx status and a token", () => {
    const answer = readTokenResponse(
      response(201, '{"access_token":"t","scope":"a  b","expires_in":60,"refresh_token":"r"}'),
    );
    expect(answer).toMatchObject({
      kind: "granted",
      accessToken: "t",
      scopes: ["a", "b"],
      expiresIn: 60,
      refreshToken: "r",
    });
  });

  test.each([
    ["an error", 400, '{"error":"invalid_grant"}', { error: "invalid_grant" }],
    ["an error with status 200", 200, '{"error":"invalid_grant"}', { error: "invalid_grant" }],
    ["an HTML page", 500, "<h1>Oops</h1>", { problem: "a body that is not a JSON object" }],
    ["null", 200, "null", { problem: "a body that is not a JSON object" }],
    ["an empty token", 200, '{"access_token":""}', { problem: "JSON without an error code" }],
    ["a token that is a number", 200, '{"access_token":5}', { problem: "JSON without an error code" }],
    [
      "a token that no header can carry",
      200,
      '{"access_token":"a\\nb"}',
      { problem: "an access token with characters it may not have" },
    ],
  ])("is no grant when it is %s", (_what, status, body, expected) => {
    expect(readTokenResponse(response(status, body))).toMatchObject({ kind: "refused", status, ...expected });
  });
});
