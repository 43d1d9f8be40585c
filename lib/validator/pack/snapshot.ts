import { PackError } from "./errors.ts";
import type { StructureFacts } from "./format.ts";
import type { RawObject } from "./raw.ts";

export interface SnapshotContext {
  structure(canonical: string): StructureFacts | undefined;
  type(name: string): StructureFacts | undefined;
}

export function generateSnapshot(
  definition: RawObject,
  file: string,
  context: SnapshotContext,
): StructureFacts {
  void context;
  throw new PackError("bad-differential", file, `no snapshot in ${String(definition["url"])}`);
}
