/** Where references lead: to what is in reach already, or to what is read for the purpose, within a bound. */
import { NotApplicable, Blocked, RequestFailed, type CheckContext } from "../../../lib/checks/context.ts";
import {
  readOnce,
  recordsOf,
  type RecordedResource,
  type Records,
} from "../../../lib/checks/records/records.ts";
import { isResource, type Resource } from "../../../lib/fhir/resource.ts";
import { getRequest } from "../../../lib/fhir/requests.ts";
import { readReference } from "../../../lib/fhir/reference.ts";
import { subjectOf } from "../../../lib/checks/subject.ts";
import { accessToken } from "../../../lib/checks/tokens.ts";
import { containedIn, type ReferenceSeen } from "./references.ts";

/** Targets that are read for one element and one type, beyond those in reach. */
const MOST_READ = 2;

/** What came of a reference. */
export type Resolution =
  | { readonly kind: "resolved"; readonly resource: Resource; readonly exchange: string }
  /** Something else came than what was referred to. */
  | { readonly kind: "wrong"; readonly problem: string; readonly exchange: string }
  | { readonly kind: "gone"; readonly status: number; readonly exchange: string }
  | { readonly kind: "not contained" }
  /** The token does not reach it. */
  | { readonly kind: "refused"; readonly status: number; readonly exchange: string }
  /** No answer that says anything about it. */
  | { readonly kind: "unanswered"; readonly problem: string; readonly exchange: string }
  /** On another server, or by a name that is no address: nothing is sent there, least of all the token. */
  | { readonly kind: "elsewhere" }
  /** Beyond the bound. */
  | { readonly kind: "not tried" };

/** A reference with what came of it. */
export interface Resolved {
  readonly reference: ReferenceSeen;
  readonly resolution: Resolution;
}

/**
 * Follows references. Each target is looked for among what is in reach; of those that are not, so many are read for
 * each element and type, and the others are told as not tried.
 */
export async function followAll(
  context: CheckContext,
  references: readonly ReferenceSeen[],
): Promise<readonly Resolved[]> {
  const reads = new Map<string, Set<string>>();
  const followed: Resolved[] = [];
  for (const reference of references) {
    if (reference.to === undefined) continue;
    followed.push({ reference, resolution: await follow(context, reference, reference.to, reads) });
  }
  return followed;
}

async function follow(
  context: CheckContext,
  { holder, path }: ReferenceSeen,
  to: string,
  reads: Map<string, Set<string>>,
): Promise<Resolution> {
  const parsed = readReference(to, context.target.base);
  if (parsed.kind === "contained") {
    const resource = containedIn(holder.resource, parsed.id);
    return resource === undefined
      ? { kind: "not contained" }
      : { kind: "resolved", resource, exchange: holder.exchange };
  }
  if (parsed.kind !== "restful" || parsed.base !== undefined) return { kind: "elsewhere" };
  const { type, id, version } = parsed;
  const known = await inReach(context, type, id);
  if (known !== undefined) return known;
  const key = `${path}\n${type}`;
  const tried = reads.get(key) ?? new Set<string>();
  reads.set(key, tried);
  if (!tried.has(id) && tried.size >= MOST_READ) return { kind: "not tried" };
  tried.add(id);
  try {
    return await read(context, type, id, version);
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    return { kind: "unanswered", problem: error.failure.message, exchange: error.exchange };
  }
}

const indexes = new WeakMap<Records, ReadonlyMap<string, RecordedResource>>();

function indexed(records: Records): ReadonlyMap<string, RecordedResource> {
  let index = indexes.get(records);
  if (index === undefined) {
    index = new Map(records.resources.map((one) => [one.id, one]));
    indexes.set(records, index);
  }
  return index;
}

async function inReach(context: CheckContext, type: string, id: string): Promise<Resolution | undefined> {
  try {
    const found = indexed(await recordsOf(context, type)).get(id);
    return found === undefined
      ? undefined
      : { kind: "resolved", resource: found.resource, exchange: found.exchange };
  } catch (error) {
    if (error instanceof NotApplicable || error instanceof Blocked || error instanceof RequestFailed)
      return undefined;
    throw error;
  }
}

async function read(
  context: CheckContext,
  type: string,
  id: string,
  version: string | undefined,
): Promise<Resolution> {
  const { status, exchange, resource, problem } = await readOnce(context, type, id);
  if (resource !== undefined)
    return resource["id"] === id
      ? { kind: "resolved", resource, exchange }
      : { kind: "wrong", problem: `a ${type} with another id`, exchange };
  if (status === 404 || status === 410) {
    // What a version says may outlive the resource.
    return version === undefined
      ? { kind: "gone", status, exchange }
      : await readVersion(context, type, id, version);
  }
  if (status === 401 || status === 403) return { kind: "refused", status, exchange };
  if (status === 200) return { kind: "wrong", problem: problem ?? "something else", exchange };
  return { kind: "unanswered", problem: `status ${status}`, exchange };
}

async function readVersion(
  context: CheckContext,
  type: string,
  id: string,
  version: string,
): Promise<Resolution> {
  const bearer = context.target.authorization === "none" ? undefined : await accessToken(context);
  const path = `${type}/${encodeURIComponent(id)}/_history/${encodeURIComponent(version)}`;
  const response = await context.send(getRequest(context.target.base, path, bearer, `a version of ${type}`));
  const { status, exchange } = response;
  const { json } = subjectOf("a version", response);
  if (status === 200 && isResource(json) && json.resourceType === type)
    return { kind: "resolved", resource: json, exchange };
  return { kind: "gone", status, exchange };
}

/** How many references came to each end. */
export function countKinds(followed: readonly Resolved[]): Readonly<Record<Resolution["kind"], number>> {
  const counts: Record<Resolution["kind"], number> = {
    resolved: 0,
    wrong: 0,
    gone: 0,
    "not contained": 0,
    refused: 0,
    unanswered: 0,
    elsewhere: 0,
    "not tried": 0,
  };
  for (const { resolution } of followed) counts[resolution.kind] += 1;
  return counts;
}
