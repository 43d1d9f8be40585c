import type { Procedure } from "../../lib/checks/answer.ts";
import { kickOffProcedures } from "./kick-off.ts";

/** What data cannot say about exports. */
export const procedures: Readonly<Record<string, Procedure>> = { ...kickOffProcedures };
