import type { Procedure } from "../../lib/checks/answer.ts";
import { foreignIdsLeadNowhere, foreignPageClosed, foreignPatientFindsNothing } from "./data.ts";
import { applicationHidden, errorsNameNobody, existenceHidden } from "./errors.ts";
import { exportClosed, movedExportClosed } from "./exports.ts";
import { tricksNeedToken, trickShowsNothing } from "./paths.ts";
import {
  assertionRefused,
  clientRefusedAt,
  codeRefusedAt,
  foreignClientRefused,
  foreignCodeRefused,
  foreignRefreshRefused,
  foreignTokenRefused,
  keysDiffer,
  operationPowerless,
  refreshRefusedAt,
  tokenRefusedAt,
} from "./tokens.ts";

export const procedures: Readonly<Record<string, Procedure>> = {
  applicationHidden,
  assertionRefused,
  clientRefusedAt,
  codeRefusedAt,
  errorsNameNobody,
  existenceHidden,
  exportClosed,
  foreignClientRefused,
  foreignCodeRefused,
  foreignIdsLeadNowhere,
  foreignPageClosed,
  foreignPatientFindsNothing,
  foreignRefreshRefused,
  foreignTokenRefused,
  keysDiffer,
  movedExportClosed,
  operationPowerless,
  refreshRefusedAt,
  tokenRefusedAt,
  tricksNeedToken,
  trickShowsNothing,
};
