import { randomBytes } from "node:crypto";
import type { Procedure } from "../../lib/checks/answer.ts";
import { backendTokenResponse } from "../../lib/checks/token-facts.ts";
import { isObject } from "../../lib/checks/select.ts";
import { clientCredentials, defaultScopes, exchangeToken, explained } from "../../lib/checks/tokens.ts";
import { secretOf } from "../../lib/config/secret.ts";
import { withParameters } from "../../lib/smart/parameters.ts";
import { beyond } from "../../lib/smart/scopes/algebra.ts";
import { assureThat, refusalFindings, texts } from "../../lib/checks/refusals.ts";
import { registration } from "../../lib/checks/registrations.ts";

/** A registration gets a token by client credentials. Parameter: `client`. */
export const serviceGranted: Procedure = async (context, parameters) => {
  const client = registration(context, String(parameters["client"]));
  const request = await explained(context, async () =>
    clientCredentials(context, client, await defaultScopes(context, client)),
  );
  const answer = await exchangeToken(context, request, `access token for ${client.id}`);
  if (answer.kind === "granted") return [];
  return [
    {
      code: "oauth.refused",
      expected: "an access token",
      actual: `status ${answer.status} and ${answer.error ?? answer.problem ?? "no token"}`,
      exchange: answer.exchange,
    },
  ];
};

/** No more is granted than was asked for. */
export const serviceScopes: Procedure = async (context) => {
  const client = registration(context);
  const { json, exchange } = await context.fact(backendTokenResponse);
  const scope = isObject(json) && typeof json["scope"] === "string" ? json["scope"] : "";
  const more = beyond(
    scope.split(" ").filter((one) => one !== ""),
    await defaultScopes(context, client),
  );
  if (more.length === 0) return [];
  const found = { code: "scope.beyond", expected: "no scope beyond those asked for", actual: more.join(" ") };
  return [exchange === undefined ? found : { ...found, exchange }];
};

/**
 * A request for client credentials that must be refused. Parameters: `client`, `scope` (`null` leaves it out),
 * `secret: wrong`, `errors`.
 */
export const serviceRefused: Procedure = async (context, parameters) => {
  const role = parameters["client"];
  const registered = registration(context, typeof role === "string" ? role : undefined);
  const isWrong = parameters["secret"] === "wrong";
  const client = isWrong
    ? { ...registered, secret: secretOf("client_secret", `wrong-${randomBytes(18).toString("base64url")}`) }
    : registered;
  if (isWrong) assureThat(client.secret?.reveal() !== registered.secret?.reveal(), "the secret is right");
  const request = await explained(context, async () =>
    clientCredentials(context, client, await defaultScopes(context, registered)),
  );
  const scope = parameters["scope"];
  const changed =
    scope === undefined
      ? request
      : {
          ...request,
          parameters: withParameters(request.parameters, { scope: typeof scope === "string" ? scope : null }),
        };
  const answer = await exchangeToken(context, changed, "client credentials that must be refused");
  if (answer.kind === "granted" && typeof scope === "string" && answer.scopes?.includes(scope) === false) {
    // A server may leave such scopes out, or put its own in their place (SMART 2.0.0 scopes §requesting).
    return [];
  }
  return refusalFindings(answer, { errors: texts(parameters["errors"]) });
};
