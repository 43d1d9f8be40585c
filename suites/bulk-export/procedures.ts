import type { Procedure } from "../../lib/checks/answer.ts";

/** What data cannot say about exports. */
export const procedures: Readonly<Record<string, Procedure>> = {};
