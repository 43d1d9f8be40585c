import { emptyReply, outcomeReply, resourceReply, textReply, type Reply } from "../exchange.ts";
import { isObject, type JsonObject } from "../json.ts";
import { deletionsOf, type Deletion } from "../population/deletions.ts";
import { insufficient, type Call } from "./call.ts";
import { present } from "./present.ts";

const metaOf = (resource: JsonObject): JsonObject => (isObject(resource["meta"]) ? resource["meta"] : {});

/** `ETag` and `Last-Modified` of a resource (FHIR R4, 3.1.0.2). */
export function versionHeaders(resource: JsonObject): Record<string, string> {
  const { versionId, lastUpdated } = metaOf(resource);
  return {
    ...(typeof versionId === "string" ? { etag: `W/"${versionId}"` } : {}),
    ...(typeof lastUpdated === "string" ? { "last-modified": new Date(lastUpdated).toUTCString() } : {}),
  };
}

/** A resource that may be seen, or the refusal: 403, 404, or 410 for what was deleted. */
export function visible(call: Call, type: string, id: string): JsonObject | Reply {
  if (!call.access.permits(type, "r")) return insufficient(call.format, `reading ${type}`);
  const resource = call.find(type, id);
  if (resource !== undefined)
    return call.access.sees(resource, "r") ? resource : insufficient(call.format, `reading this ${type}`);
  return deletedIn(call, type, id) === undefined
    ? outcomeReply(404, `There is no ${type}/${id}.`, call.format)
    : outcomeReply(410, `${type}/${id} was deleted.`, call.format);
}

/** What was deleted, of patients that may be seen. */
function deletedIn(call: Call, type: string, id: string): Deletion | undefined {
  return deletionsOf(call.tenant).find(
    (deletion) =>
      deletion.type === type &&
      deletion.id === id &&
      call.access.sees(
        { resourceType: type, id, subject: { reference: `Patient/${deletion.patient}` } },
        "r",
      ),
  );
}

export const isReply = (value: JsonObject | Reply): value is Reply => "delivery" in value;

/** Answers a read, or a read of a version (FHIR R4, 3.1.0.2 and 3.1.0.3). */
export function read(call: Call, type: string, id: string, version?: string): Reply {
  const current = visible(call, type, id);
  if (isReply(current)) return current;
  const resource =
    version === undefined
      ? current
      : versionsOf(call, current).find((one) => metaOf(one)["versionId"] === version);
  if (resource === undefined)
    return outcomeReply(404, `There is no version ${version ?? ""} of ${type}/${id}.`, call.format);
  const headers = versionHeaders(resource);
  if (version === undefined && call.request.headers["if-none-match"] === headers["etag"]) {
    return emptyReply(304, headers);
  }
  const reply =
    (type === "Binary" ? giveContent(call, resource) : undefined) ??
    resourceReply(200, present(resource, call.base), call.format);
  Object.assign(reply.headers, headers);
  return reply;
}

const FHIR_TYPES = new Set(["application/fhir+json", "application/fhir+xml"]);

/**
 * A Binary's content in its own media type, unless a FHIR type was asked for (FHIR R4, binary.html#rest).
 *
 * @returns undefined when it is to be given as a resource
 */
function giveContent({ request, format }: Call, binary: JsonObject): Reply | undefined {
  const { contentType, data } = binary;
  if (typeof contentType !== "string" || typeof data !== "string") return undefined;
  if (request.url.searchParams.has("_format")) return undefined;
  const ranges = (request.headers.accept ?? "*/*")
    .split(",")
    .map((range) => range.split(";")[0]?.trim().toLowerCase());
  const [kind] = contentType.split("/");
  for (const range of ranges) {
    if (range === contentType || range === `${kind}/*` || range === "*/*")
      return textReply(200, contentType, Buffer.from(data, "base64"));
    if (FHIR_TYPES.has(range ?? "") || range?.endsWith("/json") === true) return undefined;
  }
  return outcomeReply(406, `This is ${contentType}.`, format);
}

/** All versions of a resource, the current one first. */
function versionsOf(call: Call, current: JsonObject): readonly JsonObject[] {
  return [current, ...call.state.population(call.tenant.id).earlier(current)];
}

/** Answers the history of a resource (FHIR R4, 3.1.0.9). */
export function history(call: Call, type: string, id: string): Reply {
  const current = visible(call, type, id);
  if (isReply(current)) {
    const deletion = current.status === 410 ? deletedIn(call, type, id) : undefined;
    return deletion === undefined ? current : giveHistory(call, type, id, [deletionEntry(call, deletion)]);
  }
  const entries = versionsOf(call, current).map((resource): JsonObject => {
    const { versionId, lastUpdated } = metaOf(resource);
    const isFirst = versionId === "1";
    return {
      fullUrl: `${call.base}/${type}/${id}`,
      resource: present(resource, call.base),
      request: isFirst ? { method: "POST", url: type } : { method: "PUT", url: `${type}/${id}` },
      response: {
        status: isFirst ? "201" : "200",
        ...(typeof versionId === "string" ? { etag: `W/"${versionId}"` } : {}),
        ...(typeof lastUpdated === "string" ? { lastModified: lastUpdated } : {}),
      },
    };
  });
  return giveHistory(call, type, id, entries);
}

function deletionEntry(call: Call, { type, id, at }: Deletion): JsonObject {
  return {
    fullUrl: `${call.base}/${type}/${id}`,
    request: { method: "DELETE", url: `${type}/${id}` },
    response: { status: "204", lastModified: at },
  };
}

function giveHistory(call: Call, type: string, id: string, entry: JsonObject[]): Reply {
  const bundle: JsonObject = {
    resourceType: "Bundle",
    type: "history",
    total: entry.length,
    link: [{ relation: "self", url: `${call.base}/${type}/${id}/_history` }],
    entry,
  };
  return resourceReply(200, bundle, call.format);
}
