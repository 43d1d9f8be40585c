import type { Procedure } from "../../lib/checks/answer.ts";
import { compatibilityProcedures } from "./content/compatibility-procedures.ts";
import { noteProcedures } from "./content/note-procedures.ts";
import { payerProcedures } from "./content/payer-procedures.ts";
import { recordProcedures } from "./content/record-procedures.ts";
import { referenceProcedures } from "./content/reference-procedures.ts";
import { timingProcedures } from "./content/response-times.ts";
import { resourceProcedures } from "./content/resource-procedures.ts";
import { answerProcedures } from "./searching/answers.ts";
import { includeProcedures } from "./searching/includes.ts";
import { readProcedures } from "./searching/reads.ts";
import { searchProcedures } from "./searching/searches.ts";

/** What is asked of a tenant's data: searching and reading, and what the resources hold. */
export const procedures: Readonly<Record<string, Procedure>> = {
  ...compatibilityProcedures,
  ...noteProcedures,
  ...payerProcedures,
  ...recordProcedures,
  ...referenceProcedures,
  ...resourceProcedures,
  ...answerProcedures,
  ...includeProcedures,
  ...readProcedures,
  ...timingProcedures,
  ...searchProcedures,
};
