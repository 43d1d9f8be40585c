import { outcomeReply, resourceReply, type Reply } from "../exchange.ts";
import { isObject, type JsonObject } from "../json.ts";
import { parseResource, type Call } from "./call.ts";
import { runSearch } from "./run-search.ts";

/** Note types, for ValueSet/$expand with a DocumentReference context (US Core, clinical notes). */
const NOTE_TYPES = [
  ["11488-4", "Consult note"],
  ["18842-5", "Discharge summary"],
  ["34117-2", "History and physical note"],
  ["28570-0", "Procedure note"],
  ["11506-3", "Progress note"],
] as const;

function tokenOf({ system, code }: JsonObject): string {
  const parts = [system, code].filter((part) => typeof part === "string");
  return parts.join("|");
}

/**
 * $docref (US Core, operation docref): a patient's current documents, of a type and of a time where that is asked.
 * Nothing is made on demand: what there is, is in the record.
 */
export function findDocuments(call: Call): Reply {
  const { request, format } = call;
  const asked = new URLSearchParams(request.url.searchParams);
  const posted = request.method === "POST" ? parseResource(request) : undefined;
  for (const parameter of Array.isArray(posted?.["parameter"]) ? posted["parameter"] : []) {
    if (!isObject(parameter) || typeof parameter["name"] !== "string") continue;
    const [, value] = Object.entries(parameter).find(([name]) => name.startsWith("value")) ?? [];
    const coded = isObject(value) && Array.isArray(value["coding"]) ? value["coding"][0] : value;
    const text = isObject(coded) ? tokenOf(coded) : coded;
    if (typeof text === "string") asked.set(parameter["name"], text);
  }
  const patient = asked.get("patient");
  if (patient === null) return outcomeReply(400, "patient is missing.", format);
  const parameters = new URLSearchParams({ patient, status: "current" });
  const type = asked.get("type");
  if (type !== null) parameters.set("type", type);
  for (const [name, prefix] of [
    ["start", "ge"],
    ["end", "le"],
  ] as const) {
    const at = asked.get(name);
    if (at !== null) parameters.append("period", `${prefix}${at}`);
  }
  return runSearch(call, "DocumentReference", parameters);
}

/** ValueSet/$expand with the context of documents: the types of notes (US Core, clinical notes). */
export function expandNoteTypes(call: Call): Reply {
  const { url } = call.request;
  const isAboutNotes = url.searchParams.get("context")?.startsWith("DocumentReference.type") === true;
  if (!isAboutNotes) {
    return outcomeReply(
      404,
      "Only the note types (context=DocumentReference.type) can be expanded.",
      call.format,
    );
  }
  return resourceReply(
    200,
    {
      resourceType: "ValueSet",
      status: "active",
      expansion: {
        timestamp: "2026-01-01T00:00:00Z",
        total: NOTE_TYPES.length,
        contains: NOTE_TYPES.map(([code, display]) => ({ system: "http://loinc.org", code, display })),
      },
    },
    call.format,
  );
}
