import { isObject, type JsonObject } from "../json.ts";

/** What a resource was before, where its version says that it was changed: a prescription that was still active. */
export function earlierVersions(resource: JsonObject): JsonObject[] {
  const { meta } = resource;
  if (!isObject(meta) || meta["versionId"] !== "2" || typeof resource["authoredOn"] !== "string") return [];
  const lastUpdated = new Date(resource["authoredOn"]).toISOString();
  return [{ ...resource, meta: { ...meta, versionId: "1", lastUpdated }, status: "active" }];
}
