import { getRequest } from "../../fhir/requests.ts";
import { isResource, type Resource } from "../../fhir/resource.ts";
import { readReference } from "../../fhir/reference.ts";
import { Blocked, type CheckContext, type Fact } from "../context.ts";
import { isObject, select } from "../select.ts";
import { subjectOf } from "../subject.ts";
import { accessToken, grantedToken } from "../tokens.ts";
import { search } from "./searching.ts";

/** Patients that are looked at: all that the configuration names, within reason; a few where it names none. */
const MOST_CONFIGURED = 20;
const MOST_FOUND = 5;

/** The patients whose data is looked at, and how they were chosen. */
export interface Patients {
  readonly ids: readonly string[];
  /** In words, for evidence: `the patient of the token`, … */
  readonly chosen: string;
}

/**
 * The patients in reach. For patient access, the one the token is for; for system access those of the
 * configuration, else members of a configured group, of any group, or the first patients that a search finds.
 */
export const patientsInReach: Fact<Patients> = {
  name: "patients in reach",
  explainedBy: "declared-answers.read",
  async provide(context) {
    const { target } = context;
    const configured = target.patients.slice(0, MOST_CONFIGURED);
    if (target.access === "patient") {
      const granted = await grantedToken(context);
      const launched = granted.json["patient"];
      if (typeof launched === "string" && launched !== "")
        return { ids: [launched], chosen: "the patient of the token" };
      if (configured.length > 0) return { ids: configured, chosen: "the patients of the configuration" };
      throw new Blocked(
        "no patient is known: the token response names none, and neither does the tenant's file (patients)",
        "auth-flows.standalone-granted",
      );
    }
    if (configured.length > 0) return { ids: configured, chosen: "the patients of the configuration" };
    const members = await membersOfGroups(context);
    if (members.length > 0) return { ids: members, chosen: "members of a group" };
    const found = await search(context, { type: "Patient", parameters: [["_count", "20"]] }, { pages: 1 });
    const ids =
      found.kind === "found"
        ? found.matches.flatMap(({ resource }) =>
            typeof resource["id"] === "string" ? [resource["id"]] : [],
          )
        : [];
    if (ids.length > 0)
      return { ids: ids.slice(0, MOST_FOUND), chosen: "the first patients that a search found" };
    throw new Blocked(
      "no patient is known: the tenant's file names none (patients), and neither a group nor a search of Patient gave one",
      "declared-answers.search:Patient",
    );
  },
};

async function membersOfGroups(context: CheckContext): Promise<readonly string[]> {
  const { target } = context;
  const groups =
    target.groups.length > 0
      ? await Promise.all(target.groups.slice(0, 1).map((id) => readGroup(context, id)))
      : await searchGroups(context);
  const ids = groups.flatMap((group) =>
    select(group, "/member/*").flatMap(({ value }) => {
      const reference = select(value, "/entity/reference")[0]?.value;
      if (typeof reference !== "string" || !isObject(value) || value["inactive"] === true) return [];
      const parsed = readReference(reference, target.base);
      return parsed.kind === "restful" && parsed.type === "Patient" && parsed.base === undefined
        ? [parsed.id]
        : [];
    }),
  );
  return [...new Set(ids)].slice(0, MOST_FOUND);
}

async function readGroup(context: CheckContext, id: string): Promise<Resource | undefined> {
  const bearer = await accessToken(context);
  const response = await context.send(
    getRequest(context.target.base, `Group/${encodeURIComponent(id)}`, bearer, "members of a group"),
  );
  const { json } = subjectOf("a group", response);
  return response.status === 200 && isResource(json) ? json : undefined;
}

async function searchGroups(context: CheckContext): Promise<readonly Resource[]> {
  const found = await search(context, { type: "Group", parameters: [["_count", "5"]] }, { pages: 1 });
  return found.kind === "found" ? found.matches.map(({ resource }) => resource) : [];
}
