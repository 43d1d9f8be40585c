import type { Procedure } from "../../lib/checks/answer.ts";
import { Blocked, NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { assureOwnLogin } from "../../lib/checks/registrations.ts";
import { grantedToken } from "../../lib/checks/tokens.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import type { HttpResponse } from "../../lib/http/types.ts";
import type { GrantedToken, TokenAnswer } from "../../lib/smart/token-response.ts";
import { callApi, REFUSED, lost, SPARE_SECONDS, ownToken, requestRefresh } from "./access.ts";
import { repeatUntil, withdrawConsent } from "./change.ts";
import { beginCourse, type Course, type Piece } from "./course.ts";
import { orFindings } from "./judge.ts";
import { REVOCABLE, revocable, turns, withdrawal } from "./registration.ts";
import { door, type Tried } from "./look.ts";

const ACCESS_TOKEN: Piece<Tried<HttpResponse>> = { name: "access-token" };
const REFRESH: Piece<TokenAnswer> = { name: "refresh" };

/** A user allows an application, withdraws, and allows it again. */
const consentWithdrawn: Fact<Course> = {
  name: "withdrawal of a user's consent",
  explainedBy: "revocation.consent-access-token-dies",
  async provide(context) {
    const client = revocable(context);
    const how = withdrawal(context);
    assureOwnLogin(context);
    const inTurn = await context.fact(turns);
    const own = context.aside();
    return await inTurn(async () => {
      let token = await ownToken(own, client, REVOCABLE);
      const first = await callApi(own, token, "token before consent is withdrawn");
      if (first.status !== 200) {
        throw new Blocked(`the token of ${client.id} does not open the API: status ${first.status}`);
      }
      // Before, so that it is seen whether it lives on.
      await grantedToken(own);
      await withdrawConsent(own, how, {
        act: "withdraw",
        application: client.id,
        words: `Ask ${own.target.login?.user ?? "the user"} to withdraw the consent to the application ${client.id}.`,
        noticed: async (one) => {
          const seen = await lost(one, client, token, how.effectSeconds + SPARE_SECONDS);
          token = seen.token;
          return seen.isLost;
        },
      });
      return await lookAfterwards(own, client, token, how.effectSeconds);
    });
  },
};

async function lookAfterwards(
  context: CheckContext,
  client: ClientRegistration,
  token: GrantedToken,
  seconds: number,
): Promise<Course> {
  const course = beginCourse(context);
  const since = Date.now();
  await course.observe(ACCESS_TOKEN, async (own) => {
    const attempt = () => callApi(own, token, "token after consent was withdrawn");
    return await repeatUntil(attempt, ({ status }) => REFUSED.has(status), seconds, since);
  });
  await course.observe(REFRESH, async (own) => {
    if (token.refreshToken === undefined) throw new NotApplicable("no refresh token was issued");
    return await requestRefresh(own, client, token.refreshToken);
  });
  await course.observe(door("other-application"), async (own) => {
    return await callApi(own, await grantedToken(own), "another application of the same user");
  });
  await course.observe(door("again"), async (own) => {
    return await callApi(own, await ownToken(own, client, REVOCABLE), "after the user allowed it again");
  });
  return course;
}

/** After the user has withdrawn consent. Parameter: `door` (`access-token`, `refresh`, `other-application`, `again`). */
export const afterWithdrawal: Procedure = async (context, { door: name }) => {
  revocable(context);
  withdrawal(context);
  const course = await context.fact(consentWithdrawn);
  switch (name) {
    case "access-token": {
      const { last, after } = course.look(context, ACCESS_TOKEN);
      if (after !== undefined) return [];
      return [
        {
          code: "token.alive",
          expected: `a refusal within ${context.target.withdrawal?.effectSeconds ?? 0} seconds`,
          actual: `status ${last.status}`,
          exchange: last.exchange,
        },
      ];
    }
    case "refresh": {
      const answer = course.look(context, REFRESH);
      if (answer.kind === "refused") return [];
      const { exchange } = answer;
      return [{ code: "oauth.granted", expected: "a refusal", actual: "an access token", exchange }];
    }
    default:
      return await orFindings(() => {
        const { status, exchange } = course.look(context, door(String(name)));
        if (status === 200) return [];
        return [{ code: "http.status", expected: "status 200", actual: `status ${status}`, exchange }];
      });
  }
};
