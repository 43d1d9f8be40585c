import type { Procedures } from "../lib/checks/answer.ts";
import { procedures as authFlows } from "./auth-flows/procedures.ts";
import { procedures as bulkExport } from "./bulk-export/procedures.ts";
import { procedures as capabilityStatement } from "./capability-statement/procedures.ts";
import { procedures as declaredAnswers } from "./declared-answers/procedures.ts";
import { procedures as migration } from "./migration/procedures.ts";
import { procedures as previousApis } from "./previous-apis/procedures.ts";
import { procedures as revocation } from "./revocation/procedures.ts";
import { procedures as scopes } from "./scopes/procedures.ts";
import { procedures as smartConfiguration } from "./smart-configuration/procedures.ts";
import { procedures as tenantIsolation } from "./tenant-isolation/procedures.ts";
import { procedures as usCore } from "./us-core/procedures.ts";

/** The procedures of every suite, by suite and name. */
export const procedures: Procedures = {
  "auth-flows": authFlows,
  "bulk-export": bulkExport,
  "capability-statement": capabilityStatement,
  "declared-answers": declaredAnswers,
  migration,
  "previous-apis": previousApis,
  revocation,
  scopes,
  "smart-configuration": smartConfiguration,
  "tenant-isolation": tenantIsolation,
  "us-core": usCore,
};
