import type { Procedure } from "../../lib/checks/answer.ts";

/** What is asked of a tenant's data: searching and reading, and what the resources hold. */
export const procedures: Readonly<Record<string, Procedure>> = {};
