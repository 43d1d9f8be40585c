import type { Behaviour, BehaviourCall } from "../behaviours.ts";
import { outcomeReply, type Reply } from "../exchange.ts";
import { each, isObject, type Json, type JsonObject } from "../json.ts";
import { patientsOf } from "./access.ts";
import { present } from "./present.ts";

// Ways in which a search may be wrong. All of them concern searches of `with.type` (`*` or nothing: of any type) by GET
// and by POST, in which the parameters of `with.parameter` are asked: one, or several joined by `+`. With
// `with.exactly: true` no others are. What they do is in ../faults/README.md.

interface Asked {
  readonly type: string;
  readonly parameters: URLSearchParams;
}

const PAGING = ["page", "_offset"];
const OF_RESULTS = new Set([
  "_count",
  "_format",
  "_include",
  "_revinclude",
  "_sort",
  "_summary",
  "_total",
  ...PAGING,
]);

const nameOf = (key: string) => key.split(":")[0] ?? key;
const text = (value: Json | undefined) => (typeof value === "string" ? value : undefined);

function askedIn({ request, place }: BehaviourCall): Asked | undefined {
  if (place.kind !== "api") return undefined;
  const [, type = "", second, third] = place.path.split("/");
  const isPosted = request.method === "POST" && second === "_search" && third === undefined;
  if (!isPosted && !(request.method === "GET" && second === undefined)) return undefined;
  const parameters = new URLSearchParams(request.url.searchParams);
  if (isPosted) {
    for (const [key, value] of new URLSearchParams(request.body.toString("utf8")))
      parameters.append(key, value);
  }
  return { type, parameters };
}

const parametersOf = ({ with: options }: BehaviourCall) => text(options["parameter"])?.split("+") ?? [];

/** The search that a fault is about; undefined when this is none. */
function concerned(call: BehaviourCall): Asked | undefined {
  const asked = askedIn(call);
  const { type = "*", exactly } = call.with;
  if (asked === undefined || !(type === "*" || type === asked.type)) return undefined;
  const names = new Set([...asked.parameters.keys()].map(nameOf).filter((name) => !OF_RESULTS.has(name)));
  const wanted = parametersOf(call);
  // The parameter that is meant may be one of results, such as _include.
  const all = new Set([...asked.parameters.keys()].map(nameOf));
  if (!wanted.every((name) => all.has(name))) return undefined;
  return exactly === true && [...names].some((name) => !wanted.includes(name)) ? undefined : asked;
}

/** What is answered to other parameters. */
async function askWith(call: BehaviourCall, parameters: URLSearchParams): Promise<Reply> {
  const { request } = call;
  const { url, body } = request;
  request.url = new URL(url);
  request.url.search = request.method === "POST" ? "" : parameters.toString();
  if (request.method === "POST") request.body = Buffer.from(parameters.toString());
  try {
    return await call.next();
  } finally {
    request.url = url;
    request.body = body;
  }
}

function bundleIn(reply: Reply): JsonObject | undefined {
  const resource =
    reply.status === 200 && reply.content.kind === "resource" ? reply.content.resource : undefined;
  return resource?.["resourceType"] === "Bundle" ? resource : undefined;
}

const entriesOf = (bundle: JsonObject | undefined) =>
  each(bundle?.["entry"]).filter((entry) => isObject(entry));
const isMatch = (entry: JsonObject) => isObject(entry["search"]) && entry["search"]["mode"] === "match";
const urlOf = (entry: JsonObject) => text(entry["fullUrl"]) ?? "";

function setEntries(bundle: JsonObject, entries: JsonObject[], difference: number): void {
  if (entries.length === 0) delete bundle["entry"];
  else bundle["entry"] = entries;
  if (typeof bundle["total"] === "number") bundle["total"] += difference;
}

function addMatch(bundle: JsonObject, entry: JsonObject): void {
  const entries = entriesOf(bundle);
  const matches = entries.filter(isMatch);
  setEntries(bundle, [...matches, entry, ...entries.filter((one) => !isMatch(one))], 1);
}

/** Parameters without some of them, all results on one page. */
function wholly(parameters: URLSearchParams, without: readonly string[] = []): URLSearchParams {
  const kept = [...parameters].filter(
    ([key]) => !without.includes(nameOf(key)) && !OF_RESULTS.has(nameOf(key)),
  );
  return new URLSearchParams([...kept, ["_count", "500"]]);
}

/** Everything of a type that the tenant has, as entries, whoever may see it. */
function everything({ state, place }: BehaviourCall, type: string): JsonObject[] {
  if (place.kind !== "api" || place.tenant === undefined) return [];
  return state
    .population(place.tenant.id)
    .ofType(type)
    .map((resource) => ({
      fullUrl: `${place.base}/${type}/${text(resource["id"]) ?? ""}`,
      resource: present(resource, place.base),
      search: { mode: "match" },
    }));
}

/** A behaviour that changes what was found; it says whether it did. */
function changingBundle(
  change: (bundle: JsonObject, asked: Asked, call: BehaviourCall) => boolean | Promise<boolean>,
): Behaviour {
  return async (call) => {
    const asked = concerned(call);
    const reply = await call.next();
    const bundle = bundleIn(reply);
    if (asked !== undefined && bundle !== undefined && (await change(bundle, asked, call))) call.changed();
    return reply;
  };
}

/** A behaviour that answers other parameters than were asked. */
function changingParameters(
  change: (parameters: URLSearchParams, call: BehaviourCall) => [string, string][],
): Behaviour {
  return async (call) => {
    const asked = concerned(call);
    if (asked === undefined) return call.next();
    const parameters = new URLSearchParams(change(asked.parameters, call));
    if (parameters.toString() === asked.parameters.toString()) return call.next();
    call.changed();
    return askWith(call, parameters);
  };
}

const without = (parameters: URLSearchParams, name: string | undefined) =>
  [...parameters].filter(([key]) => nameOf(key) !== name);

/** Adds a resource that does not match the last of the parameters, and the others where there is one. */
const wrongMatch = changingBundle(async (bundle, asked, call) => {
  const right = new Set(entriesOf(bundleIn(await askWith(call, wholly(asked.parameters)))).map(urlOf));
  const last = parametersOf(call).slice(-1);
  const near = entriesOf(bundleIn(await askWith(call, wholly(asked.parameters, last))));
  const wrong = [...near, ...everything(call, asked.type)].find((entry) => !right.has(urlOf(entry)));
  if (wrong !== undefined) addMatch(bundle, wrong);
  return wrong !== undefined;
});

/** Leaves out the last match. */
const dropMatch = changingBundle((bundle) => {
  const entries = entriesOf(bundle);
  const last = entries.findLastIndex(isMatch);
  if (last === -1) return false;
  setEntries(bundle, entries.toSpliced(last, 1), -1);
  return true;
});

/** Adds a resource of another patient than the one that was asked for. */
const foreignPatient = changingBundle((bundle, asked, call) => {
  const { state, place } = call;
  if (place.kind !== "api" || place.tenant === undefined) return false;
  const population = state.population(place.tenant.id);
  const find = (type: string, id: string) => population.find(type, id);
  const patientsIn = ({ resource }: JsonObject) => (isObject(resource) ? patientsOf(resource, find) : []);
  const own = new Set(entriesOf(bundle).filter(isMatch).flatMap(patientsIn));
  const patient = asked.parameters.get("patient")?.split("/").at(-1);
  if (patient !== undefined) own.add(patient);
  const foreign = everything(call, asked.type).find((entry) => {
    const patients = patientsIn(entry);
    return patients.length > 0 && !patients.some((id) => own.has(id));
  });
  if (foreign !== undefined) addMatch(bundle, foreign);
  return foreign !== undefined;
});

/** Answers as if the parameter had not been sent. */
const ignoreParameter = changingParameters((parameters, call) =>
  without(parameters, parametersOf(call).at(-1)),
);

/** Reads values of the parameter as others: `with.pattern` (a regular expression) as `with.replacement`. */
const changeValue = changingParameters((parameters, call) => {
  const pattern = new RegExp(text(call.with["pattern"]) ?? "(?!)", "g");
  const replacement = text(call.with["replacement"]) ?? "";
  const last = parametersOf(call).at(-1);
  return [...parameters].map(([key, value]) => [
    key,
    nameOf(key) === last ? value.replaceAll(pattern, replacement) : value,
  ]);
});

/** Heeds the first alternative only (`with.of: or`), or the first of a parameter that is repeated (`and`). */
const heedFirst = changingParameters((parameters, call) => {
  const last = parametersOf(call).at(-1);
  const isOr = call.with["of"] === "or";
  let count = 0;
  return [...parameters].flatMap(([key, value]): [string, string][] => {
    if (nameOf(key) !== last) return [[key, value]];
    count += 1;
    if (isOr) return [[key, value.split(/(?<!\\),/)[0] ?? value]];
    return count === 1 ? [[key, value]] : [];
  });
});

/** Finds nothing. */
const findNothing = changingBundle((bundle) => {
  if (bundle["entry"] === undefined) return false;
  delete bundle["entry"];
  bundle["total"] = 0;
  bundle["link"] = each(bundle["link"]).filter((link) => isObject(link) && link["relation"] === "self");
  return true;
});

/** Answers a search without a match as an error (`with.status`, 404). */
async function emptyAsError(call: BehaviourCall): Promise<Reply> {
  const asked = concerned(call);
  const reply = await call.next();
  if (asked === undefined || bundleIn(reply)?.["total"] !== 0) return reply;
  call.changed();
  return outcomeReply(Number(call.with["status"] ?? 404), "Nothing was found.");
}

/** Refuses the search unless `with.unless` is asked too, such as a status that a server insists on. */
async function insistOn(call: BehaviourCall): Promise<Reply> {
  const asked = concerned(call);
  const unless = text(call.with["unless"]) ?? "";
  if (asked === undefined || [...asked.parameters.keys()].some((key) => nameOf(key) === unless))
    return call.next();
  call.changed();
  return outcomeReply(400, `A search needs ${unless}.`);
}

/** Refuses the search (`with.status`, 400). */
async function refuseSearch(call: BehaviourCall): Promise<Reply> {
  if (concerned(call) === undefined) return call.next();
  call.changed();
  return outcomeReply(Number(call.with["status"] ?? 400), "This search is not supported.");
}

/** Takes a value that cannot be read for no value at all. */
async function acceptInvalid(call: BehaviourCall): Promise<Reply> {
  const asked = concerned(call);
  const reply = await call.next();
  if (asked === undefined || reply.status !== 400) return reply;
  call.changed();
  return askWith(call, new URLSearchParams(without(asked.parameters, parametersOf(call).at(-1))));
}

/** Leaves out what is included: all of it, or of the type `with.of`. */
const withoutIncluded = changingBundle((bundle, _asked, call) => {
  const { of } = call.with;
  const entries = entriesOf(bundle);
  const kept = entries.filter((entry) => {
    const type = isObject(entry["resource"]) ? entry["resource"]["resourceType"] : undefined;
    return isMatch(entry) || !(of === undefined || of === type);
  });
  if (kept.length === entries.length) return false;
  setEntries(bundle, kept, 0);
  return true;
});

const pageOf = (parameters: URLSearchParams) =>
  PAGING.map((name) => Number(parameters.get(name) ?? 0)).find((page) => page > 0) ?? 0;

function linkIn(bundle: JsonObject, relation: string): JsonObject | undefined {
  return each(bundle["link"])
    .filter((link) => isObject(link))
    .find((link) => link["relation"] === relation);
}

/** The link of the first page leads to the third. */
const losePage = changingBundle((bundle, { parameters }) => {
  const next = linkIn(bundle, "next");
  const url = text(next?.["url"]);
  if (pageOf(parameters) > 1 || next === undefined || url === undefined) return false;
  const later = new URL(url);
  const page = later.searchParams.get("page");
  if (page === null) later.searchParams.set("_offset", String(2 * pageOf(later.searchParams)));
  else later.searchParams.set("page", String(Number(page) + 1));
  next["url"] = later.href;
  return true;
});

/** Every later page begins with the first match of the first page. */
const repeatPage = changingBundle(async (bundle, { parameters }, call) => {
  if (pageOf(parameters) < 2) return false;
  const first = new URLSearchParams([...parameters].filter(([key]) => !PAGING.includes(key)));
  const again = entriesOf(bundleIn(await askWith(call, first))).find(isMatch);
  if (again !== undefined) setEntries(bundle, [again, ...entriesOf(bundle)], 0);
  return again !== undefined;
});

/** The last page leads to itself. */
const endlessPages = changingBundle((bundle, { parameters }) => {
  const self = linkIn(bundle, "self");
  if (pageOf(parameters) < 2 || self === undefined || linkIn(bundle, "next") !== undefined) return false;
  bundle["link"] = [...each(bundle["link"]), { ...self, relation: "next" }];
  return true;
});

/** Behaviours of searches, by the name that a fault gives. */
export const searchFaults: Readonly<Record<string, Behaviour>> = {
  acceptInvalid,
  changeValue,
  dropMatch,
  emptyAsError,
  endlessPages,
  findNothing,
  foreignPatient,
  heedFirst,
  ignoreParameter,
  insistOn,
  losePage,
  refuseSearch,
  repeatPage,
  withoutIncluded,
  wrongMatch,
};
