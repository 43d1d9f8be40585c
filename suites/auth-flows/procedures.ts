import type { Procedure } from "../../lib/checks/answer.ts";
import { apiRefuses, refusalCarries } from "./api.ts";
import { assertionRefused, assertionReplayed } from "./assertion.ts";
import {
  authorizationRefused,
  codesDiffer,
  denialReported,
  redirectCarries,
  unknownScope,
} from "./authorization.ts";
import { serviceGranted, serviceRefused, serviceScopes } from "./backend.ts";
import {
  basicChallenge,
  codeReplayed,
  errorBody,
  exchangeRefused,
  flowGranted,
  replayedCodeTokensDie,
  tokenWorks,
} from "./exchange.ts";
import { idTokenHolds, idTokenIssued, userResolves } from "./identity.ts";
import { clocksAgree, patientNamed, scopesWithin, styleServed } from "./launch.ts";
import {
  bogusRefreshToken,
  refreshedTokenWorks,
  refreshKeepsPatient,
  refreshNarrowed,
  refreshScopes,
  refreshTokenIssued,
  refreshTokenOfAnother,
  refreshWidened,
  rotatedTokenDies,
  rotatedTokenServes,
} from "./refresh.ts";
import {
  bogusInactive,
  introspectionAgrees,
  introspectionProtected,
  revocationAnswered,
  revocationByAnother,
  revokedInactive,
  revokedRefreshTokenDies,
  revokedTokenDies,
} from "./token-state.ts";

/** What data cannot say about authorization. */
export const procedures: Readonly<Record<string, Procedure>> = {
  apiRefuses,
  assertionRefused,
  assertionReplayed,
  authorizationRefused,
  basicChallenge,
  bogusInactive,
  bogusRefreshToken,
  clocksAgree,
  codeReplayed,
  codesDiffer,
  denialReported,
  errorBody,
  exchangeRefused,
  flowGranted,
  idTokenHolds,
  idTokenIssued,
  introspectionAgrees,
  introspectionProtected,
  patientNamed,
  redirectCarries,
  refreshedTokenWorks,
  refreshKeepsPatient,
  refreshNarrowed,
  refreshScopes,
  refreshTokenIssued,
  refreshTokenOfAnother,
  refreshWidened,
  refusalCarries,
  replayedCodeTokensDie,
  revocationAnswered,
  revocationByAnother,
  revokedInactive,
  revokedRefreshTokenDies,
  revokedTokenDies,
  rotatedTokenDies,
  rotatedTokenServes,
  scopesWithin,
  serviceGranted,
  serviceRefused,
  serviceScopes,
  styleServed,
  tokenWorks,
  unknownScope,
  userResolves,
};
