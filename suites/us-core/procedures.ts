import type { Procedure } from "../../lib/checks/answer.ts";
import { referenceProcedures } from "./content/reference-procedures.ts";
import { resourceProcedures } from "./content/resource-procedures.ts";

/** What is asked of a tenant's data: searching and reading, and what the resources hold. */
export const procedures: Readonly<Record<string, Procedure>> = {
  ...referenceProcedures,
  ...resourceProcedures,
};
