import {
  emptyReply,
  outcomeReply,
  textReply,
  type Place,
  type Reply,
  type SandboxRequest,
} from "../exchange.ts";
import { patientsOf } from "../fhir/access.ts";
import { authorize } from "../fhir/endpoint.ts";
import { isObject, type JsonObject } from "../json.ts";
import { apiBase } from "../places.ts";
import type { SandboxState } from "../state.ts";
import { DOCUMENT_TITLES, writeCda } from "./cda.ts";

type ApiPlace = Extract<Place, { kind: "api" }>;

/** A picture of 8 × 8 grey points, since nobody here has a face. */
const PORTRAIT = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR4nGNogAIGyhgAgIQgAQ2AJGEAAAAASUVORK5CYII=",
  "base64",
);

/** Answers the v1 APIs that give a document or an image instead of FHIR resources. */
export async function answerDocument(
  state: SandboxState,
  request: SandboxRequest,
  place: ApiPlace,
): Promise<Reply> {
  const { tenant, api } = place;
  if (tenant === undefined) return outcomeReply(404, "There is no such tenant.");
  if (request.method !== "GET" && request.method !== "HEAD") {
    const reply = outcomeReply(405, "Allowed here: GET, HEAD, OPTIONS.");
    reply.headers["allow"] = "GET, HEAD, OPTIONS";
    return reply;
  }
  const population = state.population(tenant.id);
  const find = (type: string, id: string) => population.find(type, id);
  const granted = await authorize(state, request, place, apiBase(state.origin, api, tenant), find, "json");
  if ("status" in granted) return granted;
  const { access } = granted;

  const parameters = request.url.searchParams;
  const id = api.serves === "image" ? place.path.slice(1) : (parameters.get("patient") ?? "");
  if (api.serves === "document" && place.path !== "") return outcomeReply(404, "There is nothing here.");
  if (id === "") {
    return api.serves === "image"
      ? outcomeReply(404, "Whose image?")
      : outcomeReply(400, "The parameter patient is missing.");
  }
  if (!access.permits("Patient", "r")) return outcomeReply(403, "The token's scopes do not permit this.");
  const patient = find("Patient", id);
  if (patient === undefined) return outcomeReply(404, `There is no Patient/${id}.`);
  if (!access.sees(patient, "r")) return outcomeReply(403, "The token is for another patient.");
  if (api.serves === "image") return portrait();
  return document(state, request, place, patient);
}

function portrait(): Reply {
  const reply = emptyReply(200, { "content-type": "image/png" });
  reply.content = { kind: "bytes", bytes: PORTRAIT };
  return reply;
}

function document(state: SandboxState, request: SandboxRequest, place: ApiPlace, patient: JsonObject): Reply {
  const { tenant } = place;
  const parameters = request.url.searchParams;
  const title = parameters.get("documentTitle") ?? "CCD";
  if (DOCUMENT_TITLES[title] === undefined) {
    return outcomeReply(400, `documentTitle is one of ${Object.keys(DOCUMENT_TITLES).join(", ")}.`);
  }
  const period: { start?: string; end?: string } = {};
  for (const name of ["start", "end"] as const) {
    const value = parameters.get(name);
    if (value === null) continue;
    if (!isDay(value)) return outcomeReply(400, `${name} has to be a day, YYYY-MM-DD.`);
    period[name] = value;
  }
  if (period.start !== undefined && period.end !== undefined && period.end < period.start)
    return outcomeReply(400, "end is before start.");
  const population = state.population(tenant?.id ?? "");
  const own = (resource: JsonObject) =>
    patientsOf(resource, (type, id) => population.find(type, id)).includes(patient["id"] as string);
  const cda = writeCda({
    patient,
    title,
    ...period,
    organization: tenant?.name ?? "",
    ofType: (type) => population.ofType(type).filter((resource) => isObject(resource) && own(resource)),
  });
  return textReply(200, "application/xml; charset=utf-8", cda);
}

function isDay(value: string): boolean {
  return (
    /^\d{4}-\d{2}-\d{2}$/.test(value) &&
    !Number.isNaN(Date.parse(`${value}T00:00:00Z`)) &&
    new Date(`${value}T00:00:00Z`).toISOString().startsWith(value)
  );
}
