import type { Procedure } from "../../lib/checks/answer.ts";

/** What data cannot say about a SMART configuration. */
export const procedures: Readonly<Record<string, Procedure>> = {};
