import { randomBytes } from "node:crypto";
import type { Procedure } from "../../lib/checks/answer.ts";
import { NoData, NotApplicable, type CheckContext } from "../../lib/checks/context.ts";
import { jsonOf } from "../../lib/checks/outcome.ts";
import { registration } from "../../lib/checks/registrations.ts";
import { isObject, select } from "../../lib/checks/select.ts";
import { sendTokenRequest } from "../../lib/checks/tokens.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import { bearerOf, homeToken, knock, tokenEndpointNear } from "./doors.ts";
import { resourcesOf } from "./foreign.ts";

const UNKNOWN_CLIENT = "careconnect-conformance-no-such-client";
/** Shorter names stand in any text by chance. */
const SHORTEST_NAME = 6;

/** Base URLs of a tenant that exists and of one that does not. */
function bases(context: CheckContext): readonly [string, string] {
  const { otherBase, unknownBase } = context.variables;
  if (typeof otherBase === "string" && typeof unknownBase === "string") return [otherBase, unknownBase];
  throw new NotApplicable("the configuration names no second tenant (otherTenant)");
}

/** Errors do not tell whether a tenant exists, where discovery does not. */
export const existenceHidden: Procedure = async (context) => {
  const [theirs, nobodys] = bases(context);
  const bearer = bearerOf(context, await homeToken(context));
  const statusOf = async (base: string, path: string) => {
    const response = await context.send({
      method: "GET",
      url: `${base}/${path}`,
      redirect: "manual",
      purpose: "what discovery tells",
    });
    return response.status;
  };
  for (const path of [".well-known/smart-configuration", "metadata"]) {
    // Whoever may read discovery knows already; errors have nothing to hide then.
    if ((await statusOf(theirs, path)) !== (await statusOf(nobodys, path))) return [];
  }
  for (const one of [undefined, bearer]) {
    const there = await knock(context, one, "error at a tenant that exists", theirs);
    const nowhere = await knock(context, one, "error at a tenant that does not", nobodys);
    if (there.status === nowhere.status) continue;
    return [
      {
        code: "isolation.existence-told",
        expected: "the same error, since discovery tells nothing",
        actual: `status ${there.status} where the tenant exists, ${nowhere.status} where it does not`,
        exchange: there.exchange,
      },
    ];
  }
  return [];
};

/** Errors at another tenant's doors name nobody. */
export const errorsNameNobody: Procedure = async (context) => {
  const other = context.atOtherTenant();
  const bearer = bearerOf(context, await homeToken(context));
  const names = await namesOf(other);
  const answers = [
    await knock(other, undefined, "error without a token"),
    await knock(other, bearer, "error with another tenant's token"),
  ];
  return answers.flatMap((answer) => {
    const text = new TextDecoder().decode(answer.body).toLowerCase();
    return answer.status >= 400 && names.some((name) => text.includes(name))
      ? [
          {
            code: "isolation.name-told",
            expected: "an error that does not say who the tenant is",
            actual: "the name of its organization",
            exchange: answer.exchange,
          },
        ]
      : [];
  });
};

async function namesOf(other: CheckContext): Promise<readonly string[]> {
  const response = await other.send({
    method: "GET",
    url: `${other.target.base}/Organization?_count=20`,
    headers: { accept: "application/fhir+json" },
    bearer: bearerOf(other, await homeToken(other)),
    purpose: "names of the other tenant's organizations",
  });
  const names = resourcesOf(response).flatMap((resource) =>
    select(resource, "/name").map(({ value }) => (typeof value === "string" ? value.toLowerCase() : "")),
  );
  const long = names.filter((name) => name.length >= SHORTEST_NAME);
  if (long.length > 0) return long;
  throw new NoData(
    "the other tenant shows no Organization with a name",
    "an Organization at the other tenant",
  );
}

/** The token endpoint does not tell that an application is registered at another tenant. */
export const applicationHidden: Procedure = async (context) => {
  const { id } = registration(context);
  const other = context.atOtherTenant();
  const endpoint = await tokenEndpointNear(context, other);
  const answerFor = async (client: string): Promise<HttpResponse> =>
    await sendTokenRequest(
      other,
      {
        endpoint,
        headers: {},
        parameters: [
          ["grant_type", "authorization_code"],
          ["code", `none-${randomBytes(18).toString("base64url")}`],
          ["redirect_uri", "http://127.0.0.1:8765/callback"],
          ["code_verifier", randomBytes(36).toString("base64url")],
          ["client_id", client],
        ],
      },
      "an application that this tenant does not know",
    );
  const [known, unknown] = [await answerFor(id), await answerFor(UNKNOWN_CLIENT)];
  if (likeness(known, id) === likeness(unknown, UNKNOWN_CLIENT)) return [];
  return [
    {
      code: "isolation.application-told",
      expected: "the answer that an unknown application gets",
      actual: `another one (status ${known.status}, not ${unknown.status})`,
      exchange: known.exchange,
    },
  ];
};

/** What of an answer may tell: its status and its words, without what differs with every request. */
function likeness(response: HttpResponse, client: string): string {
  const { status } = response;
  const json = jsonOf(response);
  const { error, error_description: description } = isObject(json) ? json : {};
  const words = typeof description === "string" ? description : "";
  return JSON.stringify([status, error, words.replaceAll(client, "").replaceAll(/[\dA-F-]{8,}/gi, "")]);
}
