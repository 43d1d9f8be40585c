/** The contained resources of one container by id, made once in a validation that asks often. */
interface ContainedIndex {
  readonly container: unknown;
  readonly byId: ReadonlyMap<unknown, unknown>;
}

const FEW = 8;
const indexes = new WeakMap<object, ContainedIndex>();

function idOf(resource: unknown): unknown {
  return (resource as { id?: unknown } | null | undefined)?.id;
}

/**
 * Finds a contained resource by id.
 *
 * @param scope An object that lives as long as one validation: the index is kept with it, so that a resource may be
 *   changed and judged again.
 */
export function containedResource(scope: object, container: unknown, id: string): unknown {
  const contained = (container as { contained?: unknown } | null | undefined)?.contained;
  if (!Array.isArray(contained)) return undefined;
  if (contained.length <= FEW) return contained.find((one) => idOf(one) === id);
  let index = indexes.get(scope);
  if (index?.container !== container) {
    const byId = new Map<unknown, unknown>();
    for (const one of contained) if (!byId.has(idOf(one))) byId.set(idOf(one), one);
    index = { container, byId };
    indexes.set(scope, index);
  }
  return index?.byId.get(id);
}
