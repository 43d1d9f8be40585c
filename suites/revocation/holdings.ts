import { Blocked, type CheckContext } from "../../lib/checks/context.ts";
import {
  finishSmallExport,
  startSmallExport,
  type FinishedExport,
  type StartedExport,
} from "../../lib/checks/exports.ts";
import { assureOwnLogin } from "../../lib/checks/registrations.ts";
import {
  endpointOf,
  explained,
  grantedToken,
  obtainCode,
  prepareAuthorization,
  proofOf,
} from "../../lib/checks/tokens.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import { codeRequest, type TokenRequest } from "../../lib/smart/token-request.ts";
import type { GrantedToken } from "../../lib/smart/token-response.ts";
import { bearerOf, callApi, isService, ownToken } from "./access.ts";
import { REVOCABLE } from "./registration.ts";

/** Longest that an export may take before the revocation, in seconds. */
const EXPORT_SECONDS = 300;

/** What an application holds when its authorization is taken away. */
export interface Holdings {
  readonly token: GrantedToken;
  readonly code?: { readonly request: TokenRequest; readonly since: number };
  readonly finished?: FinishedExport;
  readonly underWay?: StartedExport;
}

export async function prepare(context: CheckContext, client: ClientRegistration): Promise<Holdings> {
  const token = await ownToken(context, client, REVOCABLE);
  const response = await callApi(context, token, "token before the revocation");
  if (response.status !== 200) {
    throw new Blocked(`the token of ${client.id} does not open the API: status ${response.status}`);
  }
  if (!isService(context)) return { token, ...(await holdCode(context)) };
  return { token, ...(await holdExports(context, token)) };
}

async function holdCode(context: CheckContext): Promise<Pick<Holdings, "code">> {
  try {
    assureOwnLogin(context);
    return await explained(context, async () => {
      const { client, request } = await prepareAuthorization(context, { client: REVOCABLE });
      const { response } = await obtainCode(context, request);
      const endpoint = await endpointOf(context, "tokenEndpoint");
      const proof = await proofOf(context, client, endpoint);
      return {
        code: { request: codeRequest(endpoint, request, response.code ?? "", proof), since: Date.now() },
      };
    });
  } catch (error) {
    if (error instanceof Blocked) return {};
    throw error;
  }
}

async function holdExports(
  context: CheckContext,
  token: GrantedToken,
): Promise<Pick<Holdings, "finished" | "underWay">> {
  const bearer = bearerOf(context, token.accessToken);
  try {
    const first = await startSmallExport(context, bearer);
    const finished = await finishSmallExport(context, first, bearer, EXPORT_SECONDS);
    const file = await context.send({ method: "GET", url: finished.fileUrl, bearer, purpose: "file" });
    const underWay = await startSmallExport(context, bearer);
    return { ...(file.status === 200 ? { finished } : {}), underWay };
  } catch (error) {
    // What cannot be had is told by the checks that would look at it.
    if (error instanceof Error && /^(Blocked|NotApplicable|NoData|RequestFailed)$/.test(error.name))
      return {};
    throw error;
  }
}

/** Has others get their tokens before the revocation, so that it is seen whether those live on. */
export async function holdElsewhere(context: CheckContext): Promise<void> {
  if (isService(context)) return;
  const contexts = [
    context,
    ...(context.target.atOtherTenant?.client === undefined ? [] : [context.atOtherTenant()]),
  ];
  for (const one of contexts) {
    try {
      await grantedToken(one);
    } catch (error) {
      // The check that looks at it says why there is none.
      if (!(error instanceof Blocked)) throw error;
    }
  }
}
