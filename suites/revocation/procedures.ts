import type { Procedure } from "../../lib/checks/answer.ts";
import { afterWithdrawal } from "./consent.ts";
import { errorsDocumented } from "./documented.ts";
import {
  accessTokenDies,
  apiRefusalForm,
  authorizationRefused,
  everyCallRefused,
  exportClosed,
  introspectionInactive,
  staysOpen,
  tokenRefusalForm,
  tokenRefused,
  worksAgain,
} from "./judge.ts";
import { getsNoAccess } from "./standing.ts";
import {
  hintDoesNotMatter,
  otherGrantsLive,
  refreshTokenByAnother,
  refreshTokenTakesAccess,
  refreshTokenWithoutHint,
  revocationByNobody,
  revokedAgain,
  tokenMissing,
} from "./tokens.ts";

export const procedures: Readonly<Record<string, Procedure>> = {
  accessTokenDies,
  afterWithdrawal,
  apiRefusalForm,
  authorizationRefused,
  errorsDocumented,
  everyCallRefused,
  exportClosed,
  getsNoAccess,
  hintDoesNotMatter,
  introspectionInactive,
  otherGrantsLive,
  refreshTokenByAnother,
  refreshTokenTakesAccess,
  refreshTokenWithoutHint,
  revocationByNobody,
  revokedAgain,
  staysOpen,
  tokenMissing,
  tokenRefusalForm,
  tokenRefused,
  worksAgain,
};
