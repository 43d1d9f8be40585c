import { isObject, type JsonObject } from "../json.ts";
import { patientsOf, type Find } from "./access.ts";
import { valuesAt } from "./paths.ts";
import { localReference } from "./present.ts";

// Lists of resources are never changed: an index of one is as good as the list itself, and goes with it.

type Index = ReadonlyMap<string, readonly JsonObject[]>;

const byPatient = new WeakMap<readonly JsonObject[], Index>();
const byReference = new WeakMap<readonly JsonObject[], Map<string, Index>>();

function makeIndex(
  resources: readonly JsonObject[],
  keysOf: (resource: JsonObject) => readonly string[],
): Index {
  const index = new Map<string, JsonObject[]>();
  for (const resource of resources) {
    for (const key of new Set(keysOf(resource))) {
      const found = index.get(key);
      if (found === undefined) index.set(key, [resource]);
      else found.push(resource);
    }
  }
  return index;
}

/** The resources of a list that belong to a patient's record. */
export function ofPatient(
  resources: readonly JsonObject[],
  patient: string,
  find: Find,
): readonly JsonObject[] {
  let index = byPatient.get(resources);
  if (index === undefined) {
    index = makeIndex(resources, (resource) => patientsOf(resource, find));
    byPatient.set(resources, index);
  }
  return index.get(patient) ?? [];
}

/** The resources of a list that refer to another (`Type/id`) where an expression says. */
export function referringTo(
  resources: readonly JsonObject[],
  expression: string,
  target: string,
): readonly JsonObject[] {
  let indexes = byReference.get(resources);
  if (indexes === undefined) byReference.set(resources, (indexes = new Map()));
  let index = indexes.get(expression);
  if (index === undefined) {
    index = makeIndex(resources, (resource) =>
      valuesAt(resource, expression).flatMap((value) => {
        const reference = localReference(isObject(value) ? value["reference"] : undefined);
        return reference === undefined ? [] : [reference];
      }),
    );
    indexes.set(expression, index);
  }
  return index.get(target) ?? [];
}
