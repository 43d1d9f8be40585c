import type { Behaviour, BehaviourCall } from "../behaviours.ts";
import type { Reply } from "../exchange.ts";
import { each, isObject, type Json, type JsonObject } from "../json.ts";
import { append, remove, set } from "../pointer.ts";

// Ways in which the resources themselves may be wrong, wherever they are shown: read, found or included. `with.type`
// or `with.profile` (its last segment) says of which, `with.in` (read, search) where, `with.only: first` that it is but
// the first of an answer. What they do is in ../faults/README.md.

const text = (value: Json | undefined) => (typeof value === "string" ? value : undefined);

function shownIn(call: BehaviourCall, reply: Reply): JsonObject[] {
  const resource = reply.content.kind === "resource" ? reply.content.resource : undefined;
  if (call.place.kind !== "api" || resource === undefined) return [];
  const { in: where } = call.with;
  if (resource["resourceType"] !== "Bundle") return where === "search" ? [] : [resource];
  if (where === "read") return [];
  return each(resource["entry"]).flatMap((entry) =>
    isObject(entry) && isObject(entry["resource"]) ? [entry["resource"]] : [],
  );
}

function isMeant({ with: options }: BehaviourCall, resource: JsonObject): boolean {
  const { type, profile } = options;
  if (type !== undefined && type !== "*" && resource["resourceType"] !== type) return false;
  if (type === undefined && resource["resourceType"] === "OperationOutcome") return false;
  if (profile === undefined) return true;
  const claimed = isObject(resource["meta"]) ? each(resource["meta"]["profile"]) : [];
  return claimed.some((url) => typeof url === "string" && url.split("/").at(-1) === profile);
}

interface Spot {
  readonly holder: JsonObject;
  readonly name: string;
}

/** `component:systolic.value[x]:Quantity` and the like, as names of members; what slices say is left out. */
function readPath(path: string, type: string): { name: string; isChoice: boolean }[] {
  const segments = path.replace(/:https?:.*$/, "").split(".");
  return (segments[0] === type ? segments.slice(1) : segments).map((segment) => {
    const [, name = "", choice] = /^([A-Za-z_]+)(\[x\])?/.exec(segment) ?? [];
    return { name, isChoice: choice !== undefined };
  });
}

function namesIn(holder: JsonObject, name: string, isChoice: boolean): string[] {
  if (!isChoice) return [name];
  return Object.keys(holder).filter((key) => {
    const plain = key.replace(/^_/, "");
    return plain.startsWith(name) && /^[A-Z]/.test(plain.slice(name.length));
  });
}

/** The places in a resource that a path leads to. */
function spotsAt(resource: JsonObject, path: string): Spot[] {
  const segments = readPath(path, text(resource["resourceType"]) ?? "");
  let holders = [resource];
  const last = segments.pop();
  for (const { name, isChoice } of segments) {
    holders = holders.flatMap((holder) =>
      namesIn(holder, name, isChoice).flatMap((key) =>
        // An extension of a primitive value stands in the member beside it.
        [...each(holder[key]), ...each(holder[`_${key}`])].filter((value) => isObject(value)),
      ),
    );
  }
  if (last === undefined) return [];
  return holders.flatMap((holder) =>
    namesIn(holder, last.name, last.isChoice)
      .filter((name) => holder[name] !== undefined || holder[`_${name}`] !== undefined)
      .map((name) => ({ holder, name })),
  );
}

/** A behaviour that changes resources after they were answered. */
function changing(change: (resource: JsonObject, call: BehaviourCall) => boolean): Behaviour {
  return async (call) => {
    const reply = await call.next();
    for (const resource of shownIn(call, reply)) {
      if (!isMeant(call, resource) || !change(resource, call)) continue;
      call.changed();
      if (call.with["only"] === "first") break;
    }
    return reply;
  };
}

/** Removes an element: `with.path`, an element's path or a must-support item's id; of a slice, all its siblings too. */
const dropElement = changing((resource, call) => {
  const spots = spotsAt(resource, text(call.with["path"]) ?? "");
  for (const { holder, name } of spots) {
    delete holder[name];
    delete holder[`_${name}`];
  }
  return spots.length > 0;
});

/** Sets an element (`with.path`, `with.value`); without a path, an element that no resource has. */
const changeElement = changing((resource, call) => {
  const path = text(call.with["path"]);
  const value = call.with["value"] ?? "invalid";
  if (path === undefined) {
    resource["thereIsNoSuchElement"] = value;
    return true;
  }
  const spots = spotsAt(resource, path);
  for (const { holder, name } of spots) holder[name] = structuredClone(value);
  return spots.length > 0;
});

/** Lets references (`with.path`) lead nowhere, to another type (`with.to: wrong-type`), or to `with.to` itself. */
const breakReference = changing((resource, call) => {
  let isChanged = false;
  for (const { holder, name } of spotsAt(resource, text(call.with["path"]) ?? "")) {
    for (const reference of each(holder[name])) {
      if (!isObject(reference) || typeof reference["reference"] !== "string") continue;
      reference["reference"] = elsewhere(reference["reference"], text(call.with["to"]) ?? "missing", call);
      isChanged = true;
    }
  }
  return isChanged;
});

function elsewhere(reference: string, to: string, { place }: BehaviourCall): string {
  const type = /([A-Z][A-Za-z]+)\/[^/]+(?:\/_history\/[^/]+)?$/.exec(reference)?.[1] ?? "Patient";
  if (to === "missing") return `${type}/there-is-none`;
  if (to !== "wrong-type") return to;
  const tenant = place.kind === "api" ? (place.tenant?.id ?? "") : "";
  return type === "Organization" ? `Location/${tenant}-location-1` : `Organization/${tenant}-organization-1`;
}

/**
 * Changes what a pointer into each resource reaches: `with.remove`, `with.set` or `with.append` (both with
 * `with.value`). `with.where` selects resources by conditions as pointers have them: `[meta.profile=…]`.
 */
const changeResources = changing((resource, { with: options }) => {
  const shelf: JsonObject = { resource: [resource] };
  const at = (pointer: string) => `/resource${text(options["where"]) ?? "[*]"}${pointer}`;
  const value = options["value"] ?? null;
  const [removed, placed, appended] = [options["remove"], options["set"], options["append"]].map(text);
  const changes = [
    removed === undefined ? 0 : remove(shelf, at(removed)),
    placed === undefined ? 0 : set(shelf, at(placed), value),
    appended === undefined ? 0 : append(shelf, at(appended), value),
  ];
  return changes.some((count) => count > 0);
});

/** Behaviours of resources, by the name that a fault gives. */
export const resourceFaults: Readonly<Record<string, Behaviour>> = {
  breakReference,
  changeElement,
  changeResources,
  dropElement,
};
