import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked } from "../../lib/checks/context.ts";
import { grantedToken } from "../../lib/checks/tokens.ts";
import { brandsComplete, brandsListTenant } from "./brands.ts";
import { documentGiven, documentNarrowed, imageServed, successorGives } from "./documents.ts";
import { answers, pagesBy, writeRefused } from "./request.ts";

/** The legacy authorization server gives a token for this API. */
const tokenGranted: Procedure = async (context) => {
  try {
    await grantedToken(context);
    return [];
  } catch (error) {
    if (!(error instanceof Blocked)) throw error;
    // Without a registration nothing was asked of the server.
    if (context.target.client === undefined) throw error;
    return [
      { code: "token.refused", expected: "an access token", actual: error.message, ...lastExchange(error) },
    ];
  }
};

function lastExchange(error: Blocked): { exchange?: string } {
  const exchange = error.findings.at(-1)?.exchange;
  return exchange === undefined ? {} : { exchange };
}

/** A scope that was asked for is among those that were granted. */
const scopeGranted: Procedure = async (context, parameters) => {
  const scope = String(parameters["scope"]);
  const token = await grantedToken(context, { scopes: ["openid", "fhirUser", "launch/patient", scope] });
  const { scope: told } = token.json;
  const granted = typeof told === "string" ? told.split(" ") : [];
  if (granted.includes(scope)) return [];
  return [
    { code: "scope.missing", expected: `${scope} to be granted`, actual: granted.join(" ") || "no scope" },
  ];
};

export const procedures: Readonly<Record<string, Procedure>> = {
  answers,
  brandsComplete,
  brandsListTenant,
  documentGiven,
  documentNarrowed,
  imageServed,
  pagesBy,
  scopeGranted,
  successorGives,
  tokenGranted,
  writeRefused,
};
