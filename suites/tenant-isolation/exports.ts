import type { Procedure } from "../../lib/checks/answer.ts";
import { NotApplicable, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { finishSmallExport, startSmallExport, type FinishedExport } from "../../lib/checks/exports.ts";
import { isWithin } from "../../lib/checks/urls.ts";
import type { Finding } from "../../lib/checks/verdict.ts";
import { bearerOf, closedFindings, homeToken, related, relationOf } from "./doors.ts";

/** Longest that a small export may take, in seconds. */
const EXPORT_SECONDS = 300;

/** An export of the API that a context is about. */
const smallExport: Fact<FinishedExport> = {
  name: "small export",
  explainedBy: "bulk-export.kick-off-accepted",
  async provide(context) {
    const bearer = bearerOf(context, await homeToken(context));
    return await finishSmallExport(context, await startSmallExport(context, bearer), bearer, EXPORT_SECONDS);
  },
};

async function exportOf(context: CheckContext): Promise<FinishedExport> {
  await homeToken(context);
  return await context.fact(smallExport);
}

/** An export's URLs are closed to the keys of others. Parameters: `door` (`status`, `file`), `of`, `key` (relations, or `own`). */
export const exportClosed: Procedure = async (context, { door, of, key }) => {
  const relation = relationOf(of === "own" ? key : of);
  const findings: Finding[] = [];
  for (const other of related(context, relation)) {
    const [owner, stranger] = of === "own" ? [context, other] : [other, context];
    const bearer = bearerOf(stranger, await homeToken(stranger));
    const { statusUrl, fileUrl } = await exportOf(owner);
    const url = door === "file" ? fileUrl : statusUrl;
    if (new URL(url).origin !== bearer.origin)
      throw new NotApplicable("exports are at another origin than the API");
    const response = await context.send({
      method: "GET",
      url,
      bearer,
      redirect: "manual",
      purpose: `${String(door)} of an export with another's token`,
    });
    findings.push(...closedFindings(response, "export.open"));
  }
  return findings;
};

/** Another tenant's export is not to be had on the target's own base either. */
export const movedExportClosed: Procedure = async (context) => {
  const other = context.atOtherTenant();
  const bearer = bearerOf(context, await homeToken(context));
  const { statusUrl } = await exportOf(other);
  if (!isWithin(statusUrl, other.target.base)) {
    throw new NotApplicable("exports are not followed below the tenant's base URL");
  }
  const url = `${context.target.base}${statusUrl.slice(other.target.base.length)}`;
  const response = await context.send({
    method: "GET",
    url,
    bearer,
    redirect: "manual",
    purpose: "another tenant's export, here",
  });
  return closedFindings(response, "export.open");
};
