import type { Procedure } from "../../lib/checks/answer.ts";
import { attemptAuthorization } from "../../lib/checks/attempts.ts";
import { refusalFindings } from "../../lib/checks/refusals.ts";
import { registration } from "../../lib/checks/registrations.ts";
import { explained, prepareAuthorization } from "../../lib/checks/tokens.ts";
import { isService, requestToken } from "./access.ts";
import { codeFindings, NO_AUTHORIZATION, REFUSAL_STATUSES } from "./judge.ts";

/**
 * An application whose tenant authorization is known to stand so gets no access. Parameter: `role` (`requested`,
 * `rejected`, `revoked`).
 */
export const getsNoAccess: Procedure = async (context, { role }) => {
  const client = registration(context, String(role));
  if (isService(context)) {
    const answer = await explained(context, () => requestToken(context, client));
    return refusalFindings(answer, { errors: NO_AUTHORIZATION, statuses: REFUSAL_STATUSES });
  }
  return await explained(context, async () => {
    const { request } = await prepareAuthorization(context, { client: String(role) });
    return codeFindings(await attemptAuthorization(context, request));
  });
};
