import { outcomeReply, resourceReply, type Reply } from "../exchange.ts";
import { namesType } from "../settings.ts";
import { searchParameters } from "../statement.ts";
import { insufficient, type Call } from "./call.ts";
import { InvalidSearch } from "./match.ts";
import { search } from "./search.ts";

/** Parameters of which one is needed, where a server wants to be told of what status (US Core, "General Guidance"). */
const STATUSES = new Set(["status", "lifecycle-status", "clinical-status"]);

function lacksStatus(call: Call, type: string, parameters: URLSearchParams): boolean {
  if (!namesType(call.state.settings.statusRequiredTypes, type) || parameters.has("_id")) return false;
  const offered = searchParameters(call.place.api, type).filter(({ name }) => STATUSES.has(name));
  return offered.length > 0 && !offered.some(({ name }) => parameters.has(name));
}

/** Answers a search of a type. */
export function runSearch(call: Call, type: string, parameters: URLSearchParams): Reply {
  if (!call.access.permits(type, "s")) return insufficient(call.format, `searching ${type}`);
  if (lacksStatus(call, type, parameters)) {
    return outcomeReply(400, `A search of ${type} needs a status.`, call.format);
  }
  const prefer = call.request.headers["prefer"];
  try {
    const bundle = search({
      api: call.place.api,
      base: call.base,
      type,
      parameters,
      isStrict: typeof prefer === "string" && prefer.includes("handling=strict"),
      access: call.access,
      enforceOnIncludes: call.state.settings.enforceOnIncludes,
      ofType: call.ofType,
      find: call.find,
    });
    return resourceReply(200, bundle, call.format);
  } catch (error) {
    if (error instanceof InvalidSearch) return outcomeReply(400, error.message, call.format);
    throw error;
  }
}
